"""Molecules: reading, similarities, and networks for their geometries (chapter 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch
from simec.molecules.combined import molecular_similarities
from simec.molecules.fchl import FCHL18, FCHL19
from simec.molecules.fingerprints import fingerprints
from simec.molecules.molecules import MoleculeBatch, Molecules
from simec.molecules.properties import (
    ExtendedHueckel,
    extended_hueckel,
    group_counts,
    hueckel_targets,
)
from simec.molecules.reading import add_properties, read_molecules, read_qm9

if TYPE_CHECKING:
    from simec.molecules.atomwise_layer import atomwise
    from simec.molecules.drawing import draw_relevances, to_rdkit
    from simec.molecules.model import MoleculeModel
    from simec.molecules.period_group import PeriodGroupEmbedding
    from simec.molecules.schnet import PyGSchNet, SchNet

__all__ = [
    "FCHL18",
    "FCHL19",
    "ExtendedHueckel",
    "MoleculeBatch",
    "MoleculeModel",
    "Molecules",
    "PeriodGroupEmbedding",
    "PyGSchNet",
    "SchNet",
    "add_properties",
    "atomwise",
    "draw_relevances",
    "extended_hueckel",
    "fingerprints",
    "group_counts",
    "hueckel_targets",
    "molecular_similarities",
    "read_molecules",
    "read_qm9",
    "to_rdkit",
]

# reading molecules needs no PyTorch
__getattr__ = needing_torch(
    __name__,
    {
        "MoleculeModel": "model",
        "PeriodGroupEmbedding": "period_group",
        "PyGSchNet": "schnet",
        "SchNet": "schnet",
        "atomwise": "atomwise_layer",
        "draw_relevances": "drawing",
        "to_rdkit": "drawing",
    },
    extra="molecules",
)
