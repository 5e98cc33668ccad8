"""Named-entity recognition: token features from a Context Encoder, and a CRF tagger."""

from conec.ner.features import ContextFeatures
from conec.ner.schemes import convert
from conec.ner.scores import NoveltyScores, novelty_scores
from conec.ner.standard import standard_features
from conec.ner.tagger import Tagger

__all__ = [
    "ContextFeatures",
    "NoveltyScores",
    "Tagger",
    "convert",
    "novelty_scores",
    "standard_features",
]
