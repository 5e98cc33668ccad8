"""Molecules: reading, similarities, and networks for their geometries (chapter 6.2)."""

from __future__ import annotations

from simec.lazy import needing_torch
from simec.molecules.molecules import MoleculeBatch, Molecules

__all__ = ["MoleculeBatch", "Molecules"]

# reading molecules needs no PyTorch
__getattr__ = needing_torch(__name__, {})
