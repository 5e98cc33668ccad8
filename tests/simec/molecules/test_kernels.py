"""FCHL kernels against qmllib and sums over pairs of atoms."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from simec.molecules import FCHL18, FCHL19, Molecules
from tests.simec.molecules.test_molecules import random_molecules

qmllib = pytest.importorskip("qmllib")


def atoms(molecules):
    return [(part.Z.astype(int), part.positions) for part in molecules]


def slow_fchl19(X, Y, elements, sigma):
    """Sum over pairs of atoms of the same element."""
    from qmllib.representations import generate_fchl19

    def features(molecules):
        return [(Z, generate_fchl19(Z, xyz, elements=elements)) for Z, xyz in atoms(molecules)]

    kernel = np.zeros((len(X), len(Y)))
    for row, (Z, x) in enumerate(features(X)):
        for column, (W, y) in enumerate(features(Y)):
            for p in range(len(Z)):
                for q in range(len(W)):
                    if Z[p] == W[q]:
                        distance = ((x[p] - y[q]) ** 2).sum()
                        kernel[row, column] += np.exp(-distance / (2 * sigma**2))
    return kernel


def test_fchl19_is_a_sum_over_pairs_of_atoms(monkeypatch):
    X, Y = random_molecules(7), random_molecules(5, 1)
    X.Z[0] = 9  # only in X
    monkeypatch.setattr(FCHL19, "_block", 3)
    kernel = FCHL19(Y, 3.0)
    found = kernel(X)
    np.testing.assert_allclose(found, slow_fchl19(X, Y, [1, 6, 7, 8, 9], 3.0), rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(kernel(X[[6, 2]]), found[[6, 2]], rtol=1e-5)
    sizes = X.n_atoms[:, None] * Y.n_atoms
    np.testing.assert_allclose(FCHL19(Y, 3.0, normalize=True)(X), found / sizes, rtol=1e-6)


def test_fchl19_is_that_of_qmllib():
    from qmllib.kernels import get_local_kernel
    from qmllib.representations import generate_fchl19

    X, Y = random_molecules(6), random_molecules(4, 1)

    def padded(molecules):
        parts = [
            generate_fchl19(Z, xyz, elements=[1, 6, 7, 8], pad=8) for Z, xyz in atoms(molecules)
        ]
        return np.stack(parts), [Z for Z, _ in atoms(molecules)]

    (x, zx), (y, zy) = padded(X), padded(Y)
    # it returns the transpose
    expected = get_local_kernel(x, y, zx, zy, 20.0).T
    np.testing.assert_allclose(FCHL19(Y)(X), expected, rtol=2e-5)


@pytest.mark.parametrize("alchemy", [False, True])
def test_fchl18_is_that_of_qmllib(alchemy, monkeypatch):
    from qmllib.representations.fchl import generate_fchl18, get_local_kernels

    X, Y = random_molecules(5), random_molecules(3, 1)
    x, y = (
        np.stack([generate_fchl18(Z, xyz, max_size=8, neighbors=8) for Z, xyz in atoms(side)])
        for side in (X, Y)
    )
    kind = "periodic-table" if alchemy else "off"
    expected = get_local_kernels(x, y, alchemy=kind, kernel_args={"sigma": [4.0]})[0]
    monkeypatch.setattr(FCHL18, "_block", 2)
    small = Y[Y.n_atoms < Y.n_atoms.max()]
    kernel = FCHL18(Y, 4.0, alchemy=alchemy)
    np.testing.assert_allclose(kernel(X), expected, rtol=1e-10)
    # larger molecules than all landmarks
    np.testing.assert_allclose(
        FCHL18(small, 4.0, alchemy=alchemy)(X),
        expected[:, Y.n_atoms < Y.n_atoms.max()],
        rtol=1e-10,
    )
    normalized = FCHL18(Y, 4.0, alchemy=alchemy, normalize=True)(X)
    np.testing.assert_allclose(normalized, expected / (X.n_atoms[:, None] * Y.n_atoms), rtol=1e-10)


@pytest.mark.parametrize("kernel", [FCHL18, FCHL19])
def test_a_kernel_is_symmetric_and_positive(kernel):
    X = random_molecules(8)
    K = kernel(X)(X)
    np.testing.assert_allclose(K, K.T, rtol=1e-5)
    assert np.linalg.eigvalsh(K).min() > -1e-3
    assert kernel(X)(X[[]]).shape == (0, 8)


@pytest.mark.parametrize("kernel", [FCHL18, FCHL19])
def test_bad_input(kernel):
    X = random_molecules(3)
    with pytest.raises(ValueError, match="landmarks must be of the class Molecules"):
        kernel([1])
    with pytest.raises(ValueError, match="at least one molecule"):
        kernel(X[[]])
    with pytest.raises(ValueError, match="molecules must be of the class Molecules, got ndarray"):
        kernel(X)(np.ones(3))
    with pytest.raises(ValueError, match="sigma must be a finite number > 0"):
        kernel(X, 0)
    overlapping = Molecules.from_lists([[1, 1]], [np.zeros((2, 3))])
    with pytest.raises(ValueError, match="molecule 0: atoms 0 and 1 overlap"):
        kernel(X)(overlapping)
    heavy = Molecules.from_lists([[101]], [np.zeros((1, 3))])
    with pytest.raises(ValueError, match="up to 100, got the atomic number 101"):
        kernel(heavy)


def test_a_missing_package_is_named(monkeypatch):
    X = random_molecules(3)
    monkeypatch.setitem(sys.modules, "qmllib", None)
    for name in list(sys.modules):
        if name.startswith("qmllib."):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"FCHL kernels need qmllib: .*\[molecules\]"):
        FCHL19(X)(X)
