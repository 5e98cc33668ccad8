"""What benchmarks of simec share."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from benchmarks import simec_methods as methods
from simec.similarities import center, linear
from simec.spectral import SpectralRegression


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8)).astype(np.float32)
    X -= X.mean(axis=0)
    S = center(linear(X**3 + rng.normal(size=X.shape))).astype(np.float32)
    return X, S / np.abs(S).max()


def test_errors_are_those_of_the_whole_product(monkeypatch, points):
    monkeypatch.setattr(methods, "_ROWS", 7)
    rng = np.random.default_rng(1)
    Y, Y2 = rng.normal(size=(60, 3)), rng.normal(size=(20, 3))
    S = points[1]
    assert methods.mse(S, Y) == pytest.approx(np.mean((S - Y @ Y.T) ** 2))
    assert methods.mse(S[:, :20], Y, Y2) == pytest.approx(np.mean((S[:, :20] - Y @ Y2.T) ** 2))


def test_solutions_are_nested(points):
    X, S = points
    most = methods.linear_simec(5, 0.3, X, S).transform(X)
    for d in (1, 3):
        few = methods.linear_simec(d, 0.3, X, S).transform(X)
        np.testing.assert_allclose(few @ few.T, most[:, :d] @ most[:, :d].T, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.1, 3.0])
def test_penalties_of_both_methods_mean_the_same(points, alpha):
    # what has as many dimensions as features leaves no choice of directions
    X = points[0]
    S = methods.products(X**3 - (X**3).mean(axis=0))
    Y_simec = methods.linear_simec(8, alpha, X, S).transform(X)
    Y_ridge = methods.ridges(8, X, S)(alpha).transform(X)
    np.testing.assert_allclose(Y_simec @ Y_simec.T, Y_ridge @ Y_ridge.T, rtol=1e-3, atol=1e-3)


def test_ridges_are_those_of_spectral_regression(points):
    X, S = points
    fitted = methods.ridges(4, X, S)
    expected = SpectralRegression(4, alpha=2.0).fit(X, S)
    np.testing.assert_allclose(fitted(2.0).transform(X), expected.transform(X), atol=1e-6)
    other = X[:, :5]
    expected_there = Ridge(2.0).fit(other, expected.embedding_).predict(other)
    np.testing.assert_allclose(fitted(2.0, other).transform(other), expected_there, atol=1e-6)


def test_each_error_has_a_penalty_of_its_own():
    errors = {0.1: [3.0, 1.0], 1.0: [2.0, 2.0], 10.0: [4.0, 3.0]}
    assert methods.best(list(errors), errors.__getitem__) == [1.0, 0.1]


def test_halves_do_not_overlap():
    fit, held = methods.halves(10)
    assert (list(range(10))[fit], list(range(10))[held]) == (list(range(8)), [8, 9])
