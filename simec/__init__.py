"""Similarity Encoders: embeddings that keep pairwise relations, for points old and new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simec.encoder import SimilarityEncoder
    from simec.network import SimEcNetwork
    from simec.persistence import ModelError

__all__ = ["ModelError", "SimEcNetwork", "SimilarityEncoder"]

_PLACES = {"SimilarityEncoder": "encoder", "SimEcNetwork": "network", "ModelError": "persistence"}


def __getattr__(name: str) -> Any:
    # similarities and spectral methods need no PyTorch
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"simec.{_PLACES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"{name} needs PyTorch: pip install similarity-encoders[simec]"
        ) from error
    return getattr(module, name)
