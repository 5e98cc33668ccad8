"""Similarity Encoders: embeddings that keep pairwise relations, for points old and new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch

if TYPE_CHECKING:
    from simec.encoder import SimilarityEncoder
    from simec.network import SimEcNetwork
    from simec.persistence import ModelError

__all__ = ["ModelError", "SimEcNetwork", "SimilarityEncoder"]

# similarities and spectral methods need no PyTorch
__getattr__ = needing_torch(
    __name__,
    {"SimilarityEncoder": "encoder", "SimEcNetwork": "network", "ModelError": "persistence"},
)
