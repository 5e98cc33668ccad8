"""Molecules: reading, similarities, and networks for their geometries (chapter 6.2)."""

from __future__ import annotations

from simec.lazy import needing_torch
from simec.molecules.fchl import FCHL18, FCHL19
from simec.molecules.fingerprints import fingerprints
from simec.molecules.molecules import MoleculeBatch, Molecules
from simec.molecules.reading import read_qm9

__all__ = ["FCHL18", "FCHL19", "MoleculeBatch", "Molecules", "fingerprints", "read_qm9"]

# reading molecules needs no PyTorch
__getattr__ = needing_torch(__name__, {})
