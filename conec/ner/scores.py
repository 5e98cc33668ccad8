"""Scores of entities with words that the tagger did not see in training, and of the others."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from conec.evaluation import EntityScores, entities, entity_scores


@dataclass(frozen=True)
class NoveltyScores:
    """Scores of all entities, and apart by whether they have an unseen word.

    Attributes
    ----------
    all : EntityScores
    unseen : EntityScores
        Of entities, true and found ones, with at least one word that training did not have.
    seen : EntityScores
        Of the others.
    """

    all: EntityScores
    unseen: EntityScores
    seen: EntityScores

    def to_dict(self) -> dict[str, Any]:
        """Counts and scores, for JSON."""
        return {name: getattr(self, name).to_dict() for name in ("all", "unseen", "seen")}


def novelty_scores(
    words: Iterable[Sequence[str]],
    true: Iterable[Sequence[str]],
    predicted: Iterable[Sequence[str]],
    known: Container[str],
) -> NoveltyScores:
    """Score the tags of sentences, entities with unseen words apart.

    Parameters
    ----------
    words, true, predicted : iterables of sequences of str
        Words and tags of the same sentences; tags as `conec.evaluation.entities` reads them.
    known : container of str
        The words of the training text, as they stand there: another case is unseen.

    Returns
    -------
    NoveltyScores

    Raises
    ------
    ValueError
        If sentences differ in number or in length, or a tag is none.

    Examples
    --------
    >>> scores = novelty_scores(
    ...     [["Rome", "and", "Zorbville"]], [["I-LOC", "O", "I-LOC"]], [["I-LOC", "O", "O"]],
    ...     known={"Rome", "and"},
    ... )
    >>> scores.seen.recall, scores.unseen.recall
    (1.0, 0.0)
    """
    words, true, predicted = (list(part) for part in (words, true, predicted))
    for number, (sentence, own) in enumerate(zip(words, true, strict=True)):
        if len(sentence) != len(own):
            raise ValueError(f"sentence {number} has {len(sentence)} words and {len(own)} tags")
    everything = entity_scores(true, predicted)  # looks at the predicted ones
    new = [[word not in known for word in sentence] for sentence in words]
    unseen, seen = (
        entity_scores(
            *(
                [_only(tags, has, wanted) for tags, has in zip(side, new, strict=True)]
                for side in (true, predicted)
            )
        )
        for wanted in (True, False)
    )
    return NoveltyScores(everything, unseen, seen)


def _only(tags: Sequence[str], new: Sequence[bool], wanted: bool) -> list[str]:
    """Tags of the entities with a new word, or of those without."""
    kept = ["O"] * len(tags)
    for kind, start, stop in entities(tags):
        if any(new[start:stop]) == wanted:
            kept[start:stop] = [f"B-{kind}"] + [f"I-{kind}"] * (stop - start - 1)
    return kept
