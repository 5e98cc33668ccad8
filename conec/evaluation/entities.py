"""Named entities in sequences of tags, and how many of them were found: conlleval's rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

_OUTSIDE = ("O", "")


class Entity(NamedTuple):
    """Tokens ``[start, stop)`` of a sentence."""

    type: str
    start: int
    stop: int


@dataclass(frozen=True)
class EntityScores:
    """How many entities were found, and how many of what was found are right.

    An entity is right if its type, its first and its last token are.

    Attributes
    ----------
    n_true, n_found, n_right : int
    by_type : dict of str to EntityScores
        The same for each type of entity; empty for these themselves.
    """

    n_true: int
    n_found: int
    n_right: int
    by_type: dict[str, EntityScores] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 0 if nothing was found."""
        return self.n_right / self.n_found if self.n_found else 0.0

    @property
    def recall(self) -> float:
        """Share of the entities that were found; 0 if there are none."""
        return self.n_right / self.n_true if self.n_true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.n_true + self.n_found
        return 2 * self.n_right / both if both else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Counts and scores, for JSON."""
        scores = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return (
            asdict(self) | scores | {"by_type": {k: v.to_dict() for k, v in self.by_type.items()}}
        )


def entities(tags: Sequence[str]) -> list[Entity]:
    """Read the entities of a sentence from its tags.

    Parameters
    ----------
    tags : sequence of str
        ``O`` outside of entities, elsewhere a prefix, a hyphen and a type. Prefixes are those
        of IOB1, IOB2, IOE and IOBES (``B I E S``), mixed as they may be: an entity begins at
        ``B`` or ``S``, after ``E`` or ``S``, after ``O`` and where the type changes, as in the
        script of the CoNLL shared tasks.

    Returns
    -------
    list of Entity

    Raises
    ------
    ValueError
        If a tag is none of these.

    Examples
    --------
    >>> entities(["I-PER", "I-PER", "O", "I-LOC"])
    [Entity(type='PER', start=0, stop=2), Entity(type='LOC', start=3, stop=4)]
    """
    found: list[Entity] = []
    start, inside, ended = 0, "", True
    for i, tag in enumerate(tags):
        prefix, kind = _parts(tag)
        if inside and (not kind or ended or kind != inside or prefix in "BS"):
            found.append(Entity(inside, start, i))
            inside = ""
        if kind and not inside:
            start, inside = i, kind
        ended = prefix in "ES"
    if inside:
        found.append(Entity(inside, start, len(tags)))
    return found


def _parts(tag: str) -> tuple[str, str]:
    if tag in _OUTSIDE:
        return "O", ""
    prefix, _, kind = tag.partition("-")
    if prefix not in ("B", "I", "E", "S") or not kind:
        raise ValueError(f"{tag!r} is no tag: they are O, or as B-PER and I-PER (or E-, S-)")
    return prefix, kind


def entity_scores(
    true: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]
) -> EntityScores:
    """Score the tags of sentences, as conlleval does.

    Parameters
    ----------
    true, predicted : iterables of sequences of str
        Tags of the same sentences, of any of the schemes that `entities` reads.

    Returns
    -------
    EntityScores

    Raises
    ------
    ValueError
        If sentences differ in number or in length, or a tag is none.
    """
    counts: dict[str, Any] = {}
    for number, (own, other) in enumerate(zip(true, predicted, strict=True)):
        if len(own) != len(other):
            raise ValueError(
                f"sentence {number} has {len(own)} tags and {len(other)} predicted ones"
            )
        sets = set(entities(own)), set(entities(other))
        for place, group in enumerate((*sets, sets[0] & sets[1])):
            for entity in group:
                counts.setdefault(entity.type, [0, 0, 0])[place] += 1
    by_type = {kind: EntityScores(*numbers) for kind, numbers in sorted(counts.items())}
    n_true, n_found, n_right = (sum(c[i] for c in counts.values()) for i in range(3))
    return EntityScores(n_true, n_found, n_right, by_type)
