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
) -> Chemistry | None:
    """Add molecules that are SMILES, `ase.Atoms`, or RDKit's molecules with a conformer.

    Returns
    -------
    Chemistry or None
        What generated geometries, if it was needed.

    Raises
    ------
    CorpusError
        If a molecule is invalid; with its number.
    TypeError
        If a value is not a molecule.
    """
    chemistry: Chemistry | None = None
    for k, value in enumerate(values):
        is_ase = hasattr(value, "get_atomic_numbers")
        if not (is_ase or isinstance(value, str) or hasattr(value, "GetAtoms")):
            raise TypeError(
                f"molecule {k} must be a SMILES, ase.Atoms or a molecule of RDKit, got "
                f"{shown(value)}"
            )
        if chemistry is None and not is_ase:
            chemistry = Chemistry(seed, optimize)
        place = f"molecule {k}"
        if is_ase:
            _add_atoms(value, found, place)
        elif chemistry is not None:
            with chemistry.quiet():
                if isinstance(value, str):
                    add_smiles([(value, None, {}, None)], place, found, chemistry)
                else:
                    _add_rdkit(value, found, place, chemistry, generate)
    return chemistry


def _add_atoms(atoms: Any, found: Collector, place: str) -> None:
    try:
        if np.any(getattr(atoms, "pbc", False)):
            raise CorpusError(
                "it is periodic, which is not supported: remove pbc if it is a molecule", path=place
            )
        info = {str(name): value for name, value in getattr(atoms, "info", {}).items()}
        values = found.values_of(info, (place, None))
        Z = np.asarray(atoms.get_atomic_numbers())
        if (Z < 1).any():
            raise CorpusError("it has an atom of no element, such as X", path=place)
    except CorpusError as error:
        found.failed(error)
    else:
        found.add(Z, atoms.get_positions(), where=(place, None), values=values)


def _add_rdkit(
    molecule: Any, found: Collector, place: str, chemistry: Chemistry, generate: bool
) -> None:
    try:
        values = found.values_of(molecule.GetPropsAsDict(), (place, None))
        if generate:
            molecule = chemistry.with_conformer(molecule)
        chemistry.check_geometry(molecule)
        Z, positions = arrays_of(molecule)
        if 0 in Z:
            raise ValueError("it has an atom of no element, such as *")
        smiles = chemistry.smiles(molecule)
    except CorpusError as error:
        found.failed(error)
    except ValueError as error:
        found.failed(CorpusError(str(error), path=place))
    else:
        found.add(Z, positions, where=(place, None), smiles=smiles, values=values)
