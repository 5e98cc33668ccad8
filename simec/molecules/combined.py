"""Several similarities of molecules at once, for `SimilarityRegressor` and small training sets."""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.metrics.pairwise import rbf_kernel

from corpora.checks import check_instance
from simec.molecules.fchl import FCHL19
from simec.molecules.fingerprints import fingerprints
from simec.molecules.molecules import Molecules
from simec.molecules.properties import extended_hueckel, group_counts
from simec.similarities.coefficients import tanimoto
from simec.types import Float64

__all__ = ["molecular_similarities"]

_ENVIRONMENT_WIDTH = 5.0
_ORBITAL_WIDTHS = (0.3, 1.0, 4.0)  # eV


def molecular_similarities(A: Molecules, B: Molecules) -> dict[str, Float64]:
    """Compare molecules in their geometries, bonds and electrons; about 4 ms for each molecule.

    All are kernels, and none needs labels. ``SimilarityRegressor(molecular_similarities)`` weights
    them by the labels of the training set.

    Parameters
    ----------
    A, B : Molecules
        With SMILES, of lengths m and n.

    Returns
    -------
    dict from str to float64 array of shape (m, n)
        - "environments": `FCHL19`, environments of atoms,
        - "groups": product of the counts of `group_counts`,
        - "paths": number of paths of bonds that both molecules have, by their `fingerprints`,
        - "tanimoto": the share of these among the paths of either molecule,
        - "bonds": product of overlap populations, see `extended_hueckel`,
        - "energy": product of the total energies,
        - "orbitals 0.3 eV", "orbitals 1 eV", "orbitals 4 eV": Gaussians of frontier orbitals.

    Raises
    ------
    ImportError
        If RDKit or qmllib is missing.
    ValueError
        If a molecule has no SMILES, or atoms overlap.
    """
    check_instance("A", A, Molecules)
    check_instance("B", B, Molecules)
    similarities = {"environments": FCHL19(B, _ENVIRONMENT_WIDTH)(A)}
    counts = DictVectorizer(sparse=True)
    groups = counts.fit_transform([*group_counts(A), *group_counts(B)]).tocsr()
    similarities["groups"] = (groups[: len(A)] @ groups[len(A) :].T).toarray()
    bits_a, bits_b = fingerprints(A), fingerprints(B)
    similarities["paths"] = bits_a.to_array().astype(float) @ bits_b.to_array().astype(float).T
    similarities["tanimoto"] = tanimoto(bits_a, bits_b).astype(np.float64, copy=False)
    elements = np.union1d(A.elements, B.elements)
    electrons_a = extended_hueckel(A, elements=elements)
    electrons_b = electrons_a if B is A else extended_hueckel(B, elements=elements)
    similarities["bonds"] = electrons_a.populations @ electrons_b.populations.T
    similarities["energy"] = np.outer(electrons_a.total_energy, electrons_b.total_energy)
    for width in _ORBITAL_WIDTHS:
        # mean of squares over the four orbitals
        gamma = 1 / (2 * electrons_a.frontier.shape[1] * width**2)
        kernel = rbf_kernel(electrons_a.frontier, electrons_b.frontier, gamma=gamma)
        similarities[f"orbitals {width:g} eV"] = kernel
    return similarities
