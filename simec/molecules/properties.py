"""Cheap properties of molecules that need no labels: groups of atoms, extended Hückel theory.

They describe molecules for small training sets, or are further targets of a pre-training.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.callbacks import progress_bar
from corpora.checks import check_instance
from simec.lazy import import_package
from simec.molecules.elements import SYMBOLS
from simec.molecules.fingerprints import parse_smiles
from simec.molecules.molecules import Molecules
from simec.types import Float64, FloatArray

__all__ = ["ExtendedHueckel", "extended_hueckel", "group_counts", "hueckel_targets"]

_BONDS = {"SINGLE": "-", "DOUBLE": "=", "TRIPLE": "#", "AROMATIC": ":"}
_MOST_DEVIATIONS = 5.0
_NO_DEVIATION = 1e-9  # relative to the largest value: rounding
_FRONTIER = np.array([-2, -1, 0, 1])  # relative to the lowest unoccupied orbital


def group_counts(molecules: Molecules | Sequence[str]) -> list[Counter[str]]:
    """Count atoms, bonds, environments of atoms and rings of each molecule, by RDKit.

    Parameters
    ----------
    molecules : Molecules with SMILES, or sequence of str
        The strings are SMILES.

    Returns
    -------
    list of Counter
        For example, ethanol has "C": 2, "H": 6, "O": 1, "C-C": 1, "C-O": 1, "H-O": 1,
        "C SP3 H3": 1 and so on; rings count by their size, such as "ring 6".

    Raises
    ------
    ImportError
        If RDKit is missing.
    ValueError
        If the molecules have no SMILES, or a SMILES cannot be parsed; the message names it.
    """
    return [_groups(molecule) for molecule in parse_smiles(molecules)]


def _groups(molecule: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    for bond in molecule.GetBonds():
        first, second = sorted((bond.GetBeginAtom().GetSymbol(), bond.GetEndAtom().GetSymbol()))
        kind = str(bond.GetBondType())
        counts[f"{first}{_BONDS.get(kind, f' {kind} ')}{second}"] += 1
    for atom in molecule.GetAtoms():
        symbol, n_hydrogens = atom.GetSymbol(), atom.GetTotalNumHs()
        charge = atom.GetFormalCharge()
        aromatic = " aromatic" if atom.GetIsAromatic() else ""
        counts[symbol] += 1
        counts[f"{symbol} {atom.GetHybridization()} H{n_hydrogens}{aromatic}"] += 1
        if charge:
            counts[f"{symbol} charge {charge:+d}"] += 1
        if n_hydrogens:
            counts["H"] += n_hydrogens
            counts[f"H-{symbol}"] += n_hydrogens
    for ring in molecule.GetRingInfo().AtomRings():
        counts[f"ring {len(ring)}"] += 1
    return counts


class ExtendedHueckel(NamedTuple):
    """Results of extended Hückel theory for n molecules.

    Attributes
    ----------
    total_energy : float64 array of shape (n,)
        Twice the sum of the energies of occupied orbitals, in eV. It is no heat of formation.
    frontier : float64 array of shape (n, 4)
        Energies in eV of the two highest occupied and the two lowest unoccupied orbitals,
        ascending: columns 1 and 2 are HOMO and LUMO. Where a molecule has fewer, its outermost
        is repeated.
    populations : float64 array of shape (n, p)
        Overlap populations, summed over the pairs of atoms of two elements: how strongly these
        are bonded.
    pairs : list of str, of length p
        The elements of a column of `populations`, such as "C-H".
    """

    total_energy: Float64
    frontier: Float64
    populations: Float64
    pairs: list[str]


def extended_hueckel(
    molecules: Molecules,
    *,
    elements: npt.ArrayLike | None = None,
    progress: bool = False,
) -> ExtendedHueckel:
    """Run extended Hückel theory by RDKit, about 2 ms for a molecule of QM9.

    Molecules are neutral; their geometries are used as they are (Hoffmann, "An extended Hückel
    theory", J. Chem. Phys. 39, 1963).

    Parameters
    ----------
    molecules : Molecules
    elements : array-like of int, optional
        Atomic numbers whose pairs are the columns of `populations`; by default those that occur.
        Pass the same for molecules that are compared.
    progress : bool, default False
        Show a progress bar.

    Raises
    ------
    ImportError
        If RDKit is missing.
    ValueError
        If a molecule has an element that is not in `elements`, atoms overlap, or the calculation
        fails; the message names the molecule.
    """
    check_instance("molecules", molecules, Molecules)
    molecules.check_distances()
    order = np.unique(molecules.elements if elements is None else np.asarray(elements, np.int64))
    missing = np.setdiff1d(molecules.elements, order)
    if len(missing):
        raise ValueError(f"elements must contain {SYMBOLS[missing[0]]}, which occurs in molecules")
    chem = import_package("rdkit.Chem", "extended Hückel calculations", "molecules")
    run = import_package(
        "rdkit.Chem.rdEHTTools", "extended Hückel calculations", "molecules"
    ).RunMol
    column = {
        pair: k for k, pair in enumerate((a, b) for i, a in enumerate(order) for b in order[i:])
    }
    n = len(molecules)
    result = ExtendedHueckel(
        np.empty(n),
        np.empty((n, 4)),
        np.zeros((n, len(column))),
        [f"{SYMBOLS[a]}-{SYMBOLS[b]}" for a, b in column],
    )
    code = np.array([[column[min(a, b), max(a, b)] for b in order] for a in order]).reshape(
        len(order), len(order)
    )
    for k in progress_bar(range(n), shown=progress, desc="Extended Hückel", unit=" molecules"):
        atoms = slice(molecules.offsets[k], molecules.offsets[k + 1])
        Z = molecules.Z[atoms]
        with _stderr_discarded():  # the library warns of short, but usual, bonds to hydrogen
            success, found = run(_molecule(chem, Z, molecules.positions[atoms]))
        if not success:
            raise ValueError(f"{molecules.label(k)}: the extended Hückel calculation failed")
        energies = found.GetOrbitalEnergies()
        lowest_free = (int(found.numElectrons) + 1) // 2
        result.total_energy[k] = found.totalEnergy
        result.frontier[k] = energies[np.clip(lowest_free + _FRONTIER, 0, len(energies) - 1)]
        # the lower triangle, row by row; its diagonal are the atoms themselves
        i, j = np.tril_indices(len(Z))
        off = i != j
        kinds = np.searchsorted(order, Z)
        np.add.at(
            result.populations[k],
            code[kinds[i[off]], kinds[j[off]]],
            found.GetReducedOverlapPopulationMatrix()[off],
        )
    return result


def hueckel_targets(molecules: Molecules, *, progress: bool = False) -> FloatArray:
    """Compute targets for pre-training from `extended_hueckel`, about 2 ms for each molecule.

    They need no labels. ``MixedTargets({"similarities": S, "hueckel":
    hueckel_targets(molecules)})`` trains a network on similarities and on them, each with half of
    the loss.

    Parameters
    ----------
    molecules : Molecules
    progress : bool
        Show a progress bar.

    Returns
    -------
    float32 array of shape (n, k)
        The total energy divided by the number of atoms, four frontier orbitals, and overlap
        populations of two elements divided by the number of atoms. Columns have mean 0 and
        standard deviation 1, and are then clipped to -5 and 5, as few molecules have rare pairs
        of elements. Columns that do not vary are left out.

    Raises
    ------
    ImportError
        If RDKit is missing.
    ValueError
        If all molecules have equal properties, atoms overlap, or the calculation fails; the
        message names the molecule.
    """
    found = extended_hueckel(molecules, progress=progress)
    per_atom = np.column_stack([found.total_energy, found.populations])
    per_atom /= molecules.n_atoms[:, None]
    values = np.hstack([per_atom[:, :1], found.frontier, per_atom[:, 1:]])
    sd = values.std(axis=0) if len(values) else np.zeros(values.shape[1])
    varies = sd > _NO_DEVIATION * np.abs(values).max(axis=0, initial=0)
    if not varies.any():
        raise ValueError(
            "molecules must differ in their properties: these are equal for all "
            f"{len(molecules)} molecules"
        )
    values = (values[:, varies] - values[:, varies].mean(axis=0)) / sd[varies]
    clipped: FloatArray = values.clip(-_MOST_DEVIATIONS, _MOST_DEVIATIONS).astype(np.float32)
    return clipped


def _molecule(chem: Any, Z: npt.NDArray[np.uint8], positions: Float64) -> Any:
    """Return a molecule of RDKit with a geometry and without bonds."""
    molecule, conformer = chem.RWMol(), chem.Conformer(len(Z))
    for k, (z, position) in enumerate(zip(Z.tolist(), positions.tolist(), strict=True)):
        molecule.AddAtom(chem.Atom(z))
        conformer.SetAtomPosition(k, position)
    molecule.AddConformer(conformer)
    return molecule.GetMol()


@contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Discard what a C library writes to standard error."""
    try:
        saved = os.dup(2)
    except OSError:  # closed
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
