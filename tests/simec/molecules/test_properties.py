"""Properties of molecules that need no labels, and similarities that combine them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rdkit")
pytest.importorskip("qmllib")

from simec.molecules import (
    Molecules,
    extended_hueckel,
    group_counts,
    hueckel_targets,
    molecular_similarities,
)
from simec.pretraining import SimilarityRegressor

WATER = [8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]
METHANE = (
    [6, 1, 1, 1, 1],
    0.629 * np.array([[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]),
)
HYDROGEN = [1, 1], [[0, 0, 0], [0.74, 0, 0]]


def molecules():
    Z, positions = zip(WATER, METHANE, HYDROGEN, strict=True)
    return Molecules.from_lists(Z, positions, smiles=["O", "C", "[HH]"])


def test_groups_of_atoms():
    ethanol, furan, charged = group_counts(["CCO", "c1ccoc1", "C[NH3+]"])
    assert ethanol == {
        "C": 2, "O": 1, "H": 6, "C-C": 1, "C-O": 1, "H-C": 5, "H-O": 1,
        "C SP3 H3": 1, "C SP3 H2": 1, "O SP3 H1": 1,
    }  # fmt: skip
    assert furan["C:C"] == 3
    assert furan["C:O"] == 2
    assert furan["ring 5"] == 1
    assert furan["C SP2 H1 aromatic"] == 4
    assert charged["N charge +1"] == 1
    with pytest.raises(ValueError, match="molecule 1: RDKit cannot parse"):
        group_counts(["C", "xyz"])


def test_extended_hueckel(capfd):
    found = extended_hueckel(molecules())
    # Hückel's energies of the lone pair of oxygen, and of H2 with parameters of Hoffmann
    assert found.frontier[0, 1] == pytest.approx(-14.8, abs=1e-3)
    assert (np.diff(found.frontier, axis=1) >= 0).all()
    # three equal highest orbitals of methane
    assert found.frontier[1, 0] == pytest.approx(found.frontier[1, 1], abs=1e-2)
    # hydrogen has two orbitals: the outermost are repeated
    assert found.frontier[2, 0] == found.frontier[2, 1]
    assert found.frontier[2, 2] == found.frontier[2, 3]
    assert found.total_energy[2] == pytest.approx(2 * found.frontier[2, 1], abs=1e-3)
    assert found.pairs == ["H-H", "H-C", "H-O", "C-C", "C-O", "O-O"]
    bonds = dict(zip(found.pairs, found.populations.T, strict=True))
    assert bonds["H-O"][0] > 1
    assert bonds["H-C"][1] > 3
    assert bonds["H-C"][0] == bonds["H-O"][1] == 0
    # warnings of the library about short bonds
    assert capfd.readouterr().err == ""


def test_elements_of_populations():
    water = molecules()[[0]]
    found = extended_hueckel(water, elements=[1, 6, 8])
    np.testing.assert_array_equal(found.populations, extended_hueckel(molecules()).populations[:1])
    with pytest.raises(ValueError, match="elements must contain O"):
        extended_hueckel(water, elements=[1, 6])


def test_targets_of_pretraining():
    A = molecules()
    found = hueckel_targets(A)
    theory = extended_hueckel(A)
    n_atoms = np.array([3, 5, 2])
    assert found.dtype == np.float32
    # pairs of two heavy atoms do not occur
    bonds = theory.populations[:, [theory.pairs.index(pair) for pair in ("H-H", "H-C", "H-O")]]
    columns = [theory.total_energy / n_atoms, *theory.frontier.T, *(bonds.T / n_atoms)]
    assert found.shape == (3, len(columns))
    for values, column in zip(columns, found.T, strict=True):
        np.testing.assert_allclose(
            column, (values - values.mean()) / values.std(), rtol=1e-5, atol=1e-6
        )


def test_rare_properties_are_clipped():
    Z, positions = zip(*[WATER] * 40, HYDROGEN, strict=True)
    found = hueckel_targets(Molecules.from_lists(Z, positions))
    assert np.abs(found).max() == 5
    with pytest.raises(ValueError, match="differ in their properties.*all 40 molecules"):
        hueckel_targets(Molecules.from_lists(Z[:40], positions[:40]))


def test_similarities_of_molecules():
    A = molecules()
    full = molecular_similarities(A, A)
    part = molecular_similarities(A[[0]], A)
    assert list(part) == list(full)
    for name, S in full.items():
        assert S.shape == (3, 3)
        np.testing.assert_allclose(S, S.T, atol=1e-6 * np.abs(S).max())
        assert np.linalg.eigvalsh(S)[0] >= -1e-6 * np.abs(S).max()
        np.testing.assert_allclose(part[name], S[:1], rtol=1e-5, atol=1e-6)
    # methane and hydrogen share 4 times 2 atoms of hydrogen
    assert full["groups"][1, 2] == 8
    with pytest.raises(ValueError, match="SMILES"):
        molecular_similarities(A, Molecules(A.Z, A.positions, A.offsets))


def test_regression_of_molecules():
    rng = np.random.default_rng(0)
    stretched = []
    for _ in range(12):
        Z, positions = WATER
        stretched.append((Z, np.asarray(positions) * rng.uniform(0.9, 1.2)))
    Z, positions = zip(*stretched, strict=True)
    A = Molecules.from_lists(Z, positions, smiles=["O"] * 12)
    y = np.array([each.positions[1, 0] for each in A])
    model = SimilarityRegressor(molecular_similarities).fit(A[:8], y[:8])
    np.testing.assert_allclose(model.predict(A[8:]), y[8:], atol=0.02)
