"""Molecules of other packages: SMILES in a list, `ase.Atoms`, and RDKit's molecules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from corpora.checks import shown
from corpora.errors import CorpusError
from simec.molecules.reading.chemistry import Chemistry, arrays_of
from simec.molecules.reading.collector import Collector
from simec.molecules.reading.smiles import add_smiles

__all__ = ["is_molecule", "read_objects"]


def is_molecule(value: Any) -> bool:
    """Whether a value is `ase.Atoms` or RDKit's molecule."""
    return hasattr(value, "get_atomic_numbers") or hasattr(value, "GetAtoms")


def read_objects(
    values: Iterable[Any],
    found: Collector,
    *,
    generate: bool,
    seed: int,
    optimize: bool,
) -> int:
    """Add molecules that are SMILES, `ase.Atoms`, or RDKit's molecules with a conformer.

    Returns
    -------
    int
        Number of molecules that could not be relaxed.

    Raises
    ------
    CorpusError
        If a molecule is invalid; with its number.
    TypeError
        If a value is not a molecule.
    """
    chemistry: Chemistry | None = None
    for k, value in enumerate(values):
        try:
            if hasattr(value, "get_atomic_numbers"):
                _add_atoms(value, found)
                continue
            if not (isinstance(value, str) or hasattr(value, "GetAtoms")):
                raise TypeError(
                    f"molecule {k} must be a SMILES, ase.Atoms or a molecule of RDKit, got "
                    f"{shown(value)}"
                )
            if chemistry is None:
                chemistry = Chemistry(seed, optimize)
            with chemistry.quiet():
                if isinstance(value, str):
                    add_smiles([(value, None, {}, None)], None, found, chemistry)
                else:
                    _add_rdkit(value, found, chemistry, generate)
        except (CorpusError, ValueError) as error:
            found.failed(CorpusError(f"molecule {k}: {error}"))
    return 0 if chemistry is None else chemistry.n_unrelaxed


def _add_atoms(atoms: Any, found: Collector) -> None:
    if np.any(getattr(atoms, "pbc", False)):
        raise CorpusError("it is periodic, which is not supported: remove pbc if it is a molecule")
    info = {str(name): value for name, value in getattr(atoms, "info", {}).items()}
    values = found.values_of(info, (None, None))
    Z = np.asarray(atoms.get_atomic_numbers())
    if (Z < 1).any():
        raise CorpusError("it has an atom of no element, such as X")
    found.add(Z, atoms.get_positions(), values=values)


def _add_rdkit(molecule: Any, found: Collector, chemistry: Chemistry, generate: bool) -> None:
    values = found.values_of(molecule.GetPropsAsDict(), (None, None))
    if generate:
        molecule = chemistry.with_conformer(molecule)
    chemistry.check_geometry(molecule)
    Z, positions = arrays_of(molecule)
    if 0 in Z:
        raise CorpusError("it has an atom of no element, such as *")
    found.add(Z, positions, smiles=chemistry.smiles(molecule), values=values)
