"""Scores of entities with and without words that are missing from the training text."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from conec.evaluation import EntityScores, entities, entity_scores


@dataclass(frozen=True)
class NoveltyScores:
    """Scores of all entities, and separately of those with and without unseen words.

    Attributes
    ----------
    all : EntityScores
    unseen : EntityScores
        Scores of the true and predicted entities with at least one word that is not in the
        training text.
    seen : EntityScores
        Scores of all other entities.
    """

    all: EntityScores
    unseen: EntityScores
    seen: EntityScores

    def to_dict(self) -> dict[str, Any]:
        """Return counts and scores as plain data for JSON."""
        return {name: getattr(self, name).to_dict() for name in ("all", "unseen", "seen")}


def novelty_scores(
    words: Iterable[Sequence[str]],
    true: Iterable[Sequence[str]],
    predicted: Iterable[Sequence[str]],
    known: Container[str],
) -> NoveltyScores:
    """Score predicted tags, also separately for entities with and without unseen words.

    Parameters
    ----------
    words, true, predicted : iterables of sequences of str
        Words, true tags and predicted tags of the same sentences; tags as for
        `conec.evaluation.entities`.
    known : container of str
        Words of the training text. Case matters.

    Returns
    -------
    NoveltyScores

    Raises
    ------
    ValueError
        If the numbers or lengths of sentences differ, or a tag is invalid.

    Examples
    --------
    >>> scores = novelty_scores(
    ...     [["Rome", "and", "Zorbville"]], [["I-LOC", "O", "I-LOC"]], [["I-LOC", "O", "O"]],
    ...     known={"Rome", "and"},
    ... )
    >>> scores.seen.recall, scores.unseen.recall
    (1.0, 0.0)
    """
    words, true, predicted = (list(sentences) for sentences in (words, true, predicted))
    if not len(words) == len(true) == len(predicted):
        raise ValueError(
            "expected words, true tags and predicted tags of the same sentences, got "
            f"{len(words)}, {len(true)} and {len(predicted)} sentences"
        )
    for number, (sentence, tags) in enumerate(zip(words, true, strict=True)):
        if len(sentence) != len(tags):
            raise ValueError(f"sentence {number} has {len(sentence)} words and {len(tags)} tags")
    all_scores = entity_scores(true, predicted)  # checks the predicted tags as well
    is_unseen = [[word not in known for word in sentence] for sentence in words]
    unseen, seen = (
        entity_scores(
            *(
                [
                    _only(tags, flags, unseen=with_unseen)
                    for tags, flags in zip(side, is_unseen, strict=True)
                ]
                for side in (true, predicted)
            )
        )
        for with_unseen in (True, False)
    )
    return NoveltyScores(all_scores, unseen, seen)


def _only(tags: Sequence[str], is_unseen: Sequence[bool], *, unseen: bool) -> list[str]:
    """Keep only entities with unseen words (`unseen` True), or only those without."""
    kept = ["O"] * len(tags)
    for entity_type, start, stop in entities(tags):
        if any(is_unseen[start:stop]) == unseen:
            kept[start:stop] = [f"B-{entity_type}"] + [f"I-{entity_type}"] * (stop - start - 1)
    return kept
