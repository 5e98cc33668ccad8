"""How good word vectors are: analogies and agreement with human ratings."""

from __future__ import annotations

from .analogies import AnalogyResult, analogies
from .similarity import SimilarityResult, word_similarity

__all__ = ["AnalogyResult", "SimilarityResult", "analogies", "word_similarity"]
