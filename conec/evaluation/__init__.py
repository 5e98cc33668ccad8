"""Evaluation: analogies, agreement with human similarity ratings, named entities."""

from __future__ import annotations

from conec.evaluation.analogies import AnalogyResult, analogies
from conec.evaluation.entities import Entity, EntityScores, entities, entity_scores
from conec.evaluation.similarity import SimilarityResult, word_similarity

__all__ = [
    "AnalogyResult",
    "Entity",
    "EntityScores",
    "SimilarityResult",
    "analogies",
    "entities",
    "entity_scores",
    "word_similarity",
]
