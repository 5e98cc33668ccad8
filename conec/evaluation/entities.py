"""Named entities in sequences of tags, and their scores as computed by conlleval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

_OUTSIDE = ("O", "")


class Entity(NamedTuple):
    """An entity of a type: the tokens from `start` to `stop` - 1 of a sentence."""

    type: str
    start: int
    stop: int


@dataclass(frozen=True)
class EntityScores:
    """Numbers of true, predicted and correct entities, and scores computed from them.

    A predicted entity is correct if its type, first token and last token are.

    Attributes
    ----------
    n_true, n_found, n_right : int
        Numbers of true, predicted and correct entities.
    by_type : dict of str to EntityScores
        Scores of each type of entity; empty in the scores of a type.
    """

    n_true: int
    n_found: int
    n_right: int
    by_type: dict[str, EntityScores] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        """Share of predicted entities that are correct; 0 without predictions."""
        return self.n_right / self.n_found if self.n_found else 0.0

    @property
    def recall(self) -> float:
        """Share of true entities that were predicted; 0 without true entities."""
        return self.n_right / self.n_true if self.n_true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.n_true + self.n_found
        return 2 * self.n_right / both if both else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return counts and scores as plain data for JSON."""
        scores = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return (
            asdict(self) | scores | {"by_type": {k: v.to_dict() for k, v in self.by_type.items()}}
        )


def entities(tags: Sequence[str]) -> list[Entity]:
    """Read the entities of a sentence from its tags.

    Parameters
    ----------
    tags : sequence of str
        ``O`` outside of entities, otherwise a prefix, a hyphen and a type. IOB1, IOB2, IOE and
        IOBES (also called BIOES) are read by the same rule, that of conlleval: an entity begins
        at ``B`` or ``S``, after ``E``, ``S`` or ``O``, and where the type changes.

    Returns
    -------
    list of Entity

    Raises
    ------
    ValueError
        If a tag is invalid.

    Examples
    --------
    >>> entities(["I-PER", "I-PER", "O", "I-LOC"])
    [Entity(type='PER', start=0, stop=2), Entity(type='LOC', start=3, stop=4)]
    """
    result: list[Entity] = []
    start, current_type, ended = 0, "", True
    for i, tag in enumerate(tags):
        prefix, entity_type = _parse_tag(tag)
        if current_type and (
            not entity_type or ended or entity_type != current_type or prefix in "BS"
        ):
            result.append(Entity(current_type, start, i))
            current_type = ""
        if entity_type and not current_type:
            start, current_type = i, entity_type
        ended = prefix in "ES"
    if current_type:
        result.append(Entity(current_type, start, len(tags)))
    return result


def _parse_tag(tag: str) -> tuple[str, str]:
    """Split a tag into prefix and type."""
    if tag in _OUTSIDE:
        return "O", ""
    prefix, _, entity_type = tag.partition("-")
    if prefix not in ("B", "I", "E", "S") or not entity_type:
        raise ValueError(
            f"{tag!r} is not a valid tag: expected O, or a prefix B, I, E or S and a type (B-PER)"
        )
    return prefix, entity_type


def entity_scores(
    true: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]
) -> EntityScores:
    """Score predicted tags as conlleval does.

    Parameters
    ----------
    true, predicted : iterables of sequences of str
        Tags of the same sentences, in any scheme that `entities` reads.

    Returns
    -------
    EntityScores

    Raises
    ------
    ValueError
        If the numbers or lengths of sentences differ, or a tag is invalid.
    """
    counts: dict[str, Any] = {}
    for number, (true_tags, predicted_tags) in enumerate(zip(true, predicted, strict=True)):
        if len(true_tags) != len(predicted_tags):
            raise ValueError(
                f"sentence {number} has {len(true_tags)} true tags, but {len(predicted_tags)} "
                "predicted tags"
            )
        sets = set(entities(true_tags)), set(entities(predicted_tags))
        for i, entity_set in enumerate((*sets, sets[0] & sets[1])):
            for entity in entity_set:
                counts.setdefault(entity.type, [0, 0, 0])[i] += 1
    by_type = {name: EntityScores(*numbers) for name, numbers in sorted(counts.items())}
    n_true, n_found, n_right = (sum(c[i] for c in counts.values()) for i in range(3))
    return EntityScores(n_true, n_found, n_right, by_type)
