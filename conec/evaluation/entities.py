"""Named entities in sequences of tags, and their scores as computed by conlleval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

_OUTSIDE = ("O", "")
_SCHEMES = {"IOB, IOE, BIOES": "BIES", "BILOU": "BILU", "BMEWO": "BMEW", "BMES": "BMES"}
_SINGLE, _LAST = "SUW", "ELSUW"  # prefixes of entities of one token, and of last tokens


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
        ``O`` outside of entities, otherwise a prefix, a hyphen and a type. IOB1, IOB2, IOE,
        BIOES (IOBES), BILOU (BILUO), BMEWO and BMES are read by the same rule, that of conlleval:
        an entity begins at ``B`` or a single token (``S``, ``U``, ``W``), after a last token
        (``E``, ``L``), a single token or ``O``, and where the type changes.

    Returns
    -------
    list of Entity

    Raises
    ------
    ValueError
        If a tag is invalid, or tags of several schemes are mixed.
    TypeError
        If a tag is not a string.

    Examples
    --------
    >>> entities(["I-PER", "I-PER", "O", "I-LOC"])
    [Entity(type='PER', start=0, stop=2), Entity(type='LOC', start=3, stop=4)]
    """
    if isinstance(tags, str):
        raise TypeError(f"tags must be a list of strings, got the string {tags[:40]!r}")
    result: list[Entity] = []
    start, current_type, ended = 0, "", True
    prefixes = set()
    for i, tag in enumerate(tags):
        prefix, entity_type = parse_tag(tag)
        prefixes.add(prefix)
        if current_type and (
            not entity_type
            or ended
            or entity_type != current_type
            or prefix == "B"
            or prefix in _SINGLE
        ):
            result.append(Entity(current_type, start, i))
            current_type = ""
        if entity_type and not current_type:
            start, current_type = i, entity_type
        ended = prefix in _LAST
    check_prefixes(prefixes)
    if current_type:
        result.append(Entity(current_type, start, len(tags)))
    return result


def parse_tag(tag: str) -> tuple[str, str]:
    """Split a tag into prefix and type; ValueError or TypeError if it is invalid."""
    if not isinstance(tag, str):
        raise TypeError(f"a tag must be a string such as O or B-PER, got {tag!r}")
    if tag in _OUTSIDE:
        return "O", ""
    prefix, _, entity_type = tag.partition("-")
    if len(prefix) != 1 or prefix not in "BIELSUMW" or not entity_type:
        raise ValueError(
            f"{tag!r} is not a valid tag: expected O, or a prefix and a type (B-PER). Prefixes are "
            "B, I, E, S (IOB, BIOES), B, I, L, U (BILOU) or B, M, E, W (BMEWO)"
        )
    return prefix, entity_type


def check_prefixes(prefixes: Iterable[str]) -> None:
    """Raise ValueError if no scheme has all of these prefixes of tags."""
    found = set(prefixes) - {"O"}
    if not any(found <= set(scheme) for scheme in _SCHEMES.values()):
        known = ", ".join(f"{name}: {' '.join(scheme)}" for name, scheme in _SCHEMES.items())
        raise ValueError(
            f"the tags mix several schemes: they have the prefixes {' '.join(sorted(found))}. "
            f"Convert them to one scheme ({known})"
        )


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
    true, predicted = list(true), list(predicted)
    if len(true) != len(predicted):
        raise ValueError(
            f"one list is shorter: there are true tags of {len(true)} sentences, but predicted "
            f"tags of {len(predicted)}"
        )
    for sentences in (true, predicted):
        if any(isinstance(tags, str) for tags in sentences):
            raise TypeError("the tags of a sentence must be a list of strings, got a string")
        check_prefixes({parse_tag(tag)[0] for tags in sentences for tag in tags})
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
