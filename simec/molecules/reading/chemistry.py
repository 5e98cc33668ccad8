"""Molecules of RDKit: parsing, hydrogens, and conformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.errors import warn
from simec.lazy import import_package
from simec.types import Float64

__all__ = ["Chemistry", "arrays_of"]

_GAP = 10.0  # angstrom between fragments, such as the ions of a salt: beyond usual cutoffs


class Chemistry:
    """RDKit's functions with the settings of a reader.

    Parameters
    ----------
    seed : int
        Of the conformers: the same molecule gets the same one, whatever comes before it.
    optimize : bool
        Whether to relax conformers in the force field MMFF94.
    """

    def __init__(self, seed: int = 0, optimize: bool = False) -> None:
        self._chem = import_package("rdkit.Chem", "SMILES and SDF", "molecules")
        self._distance = import_package("rdkit.Chem.rdDistGeom", "SMILES and SDF", "molecules")
        self._fields = import_package(
            "rdkit.Chem.rdForceFieldHelpers", "SMILES and SDF", "molecules"
        )
        self._base = import_package("rdkit.rdBase", "SMILES and SDF", "molecules")
        self._optimize = optimize
        # attempts at a conformer: slower ones succeed more often, as for strained cages
        usual, slower = self._distance.ETKDGv3(), self._distance.ETKDGv3()
        plain = self._distance.EmbedParameters()  # without knowledge of usual torsions
        slower.useRandomCoords = plain.useRandomCoords = plain.ignoreSmoothingFailures = True
        self._attempts = usual, slower, plain
        for parameters in self._attempts:
            parameters.randomSeed = seed + 1  # 0 stands for 1
        self._n_unrelaxed = 0  # molecules for which MMFF94 has no parameters
        self._n_fragmented = 0  # molecules of several fragments

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Suppress what RDKit prints."""
        with self._base.BlockLogs():
            yield

    def parse_smiles(self, smiles: str) -> Any:
        """Return a molecule without hydrogens.

        Raises
        ------
        ValueError
            If the SMILES cannot be parsed.
        """
        molecule = self._chem.MolFromSmiles(smiles)
        if molecule is None or not molecule.GetNumAtoms():
            raise ValueError(f"RDKit cannot parse the SMILES {smiles!r}")
        return molecule

    def parse_block(self, block: str) -> Any:
        """Return the molecule of a block of an SDF file, with its hydrogens.

        Raises
        ------
        ValueError
            If the block cannot be parsed.
        """
        molecule = self._chem.MolFromMolBlock(block, removeHs=False)
        if molecule is None:
            unchecked = self._chem.MolFromMolBlock(block, removeHs=False, sanitize=False)
            reason = "it is not a valid mol block"
            if unchecked is not None:
                problems = self._chem.DetectChemistryProblems(unchecked)
                reason = "; ".join(problem.Message() for problem in problems) or reason
            raise ValueError(f"RDKit cannot read the molecule: {reason}")
        return molecule

    def smiles(self, molecule: Any) -> str:
        """Return the canonical SMILES of a molecule, without hydrogens."""
        text: str = self._chem.MolToSmiles(self._chem.RemoveHs(molecule))
        return text

    def with_conformer(self, molecule: Any) -> Any:
        """Return a molecule with hydrogens and a generated geometry.

        Raises
        ------
        ValueError
            If RDKit finds no geometry.
        """
        whole = self._chem.AddHs(molecule)
        whole.RemoveAllConformers()
        embed = self._distance.EmbedMolecule
        if all(embed(whole, parameters) < 0 for parameters in self._attempts):
            smiles = self._chem.MolToSmiles(molecule)
            raise ValueError(f"RDKit finds no geometry for {smiles!r}")
        fragments = self._chem.GetMolFrags(whole)
        if len(fragments) > 1:
            self._n_fragmented += 1
            _separate(whole.GetConformer(), fragments)
        if self._optimize and self._fields.MMFFOptimizeMolecule(whole) < 0:
            self._n_unrelaxed += 1
        return whole

    def warn(self) -> None:
        """Warn of generated geometries that are not as one may expect."""
        if self._n_unrelaxed:
            warn(
                f"{self._n_unrelaxed} molecules were not relaxed: MMFF94 has no parameters for them"
            )
        if self._n_fragmented:
            warn(
                f"{self._n_fragmented} molecules have several fragments, such as the ions of a "
                f"salt: their generated geometries have gaps of {_GAP:g} angstrom between them"
            )

    def check_geometry(self, molecule: Any) -> None:
        """Raise ValueError unless a molecule has a geometry of all atoms.

        Raises
        ------
        ValueError
            If it has none or a flat drawing, or hydrogens are missing.
        """
        advice = "pass geometry='generate' to generate it from the bonds"
        if not molecule.GetNumConformers():
            raise ValueError(f"the molecule has no coordinates; {advice}")
        flat = not molecule.GetConformer().Is3D() and molecule.GetNumAtoms() > 3
        if flat and not np.any(molecule.GetConformer().GetPositions()[:, 2]):
            raise ValueError(f"the coordinates are those of a drawing, not in space; {advice}")
        missing = sum(atom.GetTotalNumHs() for atom in molecule.GetAtoms())
        if missing:
            raise ValueError(f"the coordinates of {missing} hydrogens are missing; {advice}")


def _separate(conformer: Any, fragments: Any) -> None:
    """Place fragments side by side: RDKit embeds each of them around the origin."""
    positions = np.asarray(conformer.GetPositions(), np.float64)
    end = -_GAP
    for atoms in map(list, fragments):
        x = positions[atoms, 0]
        positions[atoms, 0] = x - x.min() + end + _GAP
        end = positions[atoms, 0].max()
    conformer.SetPositions(positions)


def arrays_of(molecule: Any) -> tuple[npt.NDArray[Any], Float64]:
    """Return atomic numbers and positions of RDKit's molecule with a conformer."""
    Z = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()], np.int64)
    return Z, np.asarray(molecule.GetConformer().GetPositions(), np.float64)
