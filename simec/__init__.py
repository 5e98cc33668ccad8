"""Similarity Encoders: embeddings that reproduce pairwise relations and extend to new points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpora.deprecated import deprecated_modules
from corpora.errors import ModelError
from simec.lazy import needing_torch

if TYPE_CHECKING:
    from simec.data.relations import PairwiseSimilarities
    from simec.data.targets import MixedTargets, SparseTargets, Targets
    from simec.encoder import SimilarityEncoder
    from simec.network import SimEcNetwork

__all__ = [
    "MixedTargets", "ModelError", "PairwiseSimilarities", "SimEcNetwork", "SimilarityEncoder",
    "SparseTargets", "Targets",
]  # fmt: skip

deprecated_modules({"simec.targets": "simec.data.targets"})

# similarities and spectral methods do not need PyTorch
__getattr__ = needing_torch(
    __name__,
    {
        "SimilarityEncoder": "encoder",
        "MixedTargets": "data.targets",
        "PairwiseSimilarities": "data.relations",
        "SimEcNetwork": "network",
        "SparseTargets": "data.targets",
        "Targets": "data.targets",
    },
)
