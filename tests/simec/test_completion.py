"""Factors of matrices with unknown entries."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from simec.similarities import fill_mean
from simec.spectral import svd, svd_missing


def low_rank(seed, m, n, d, share):
    """A matrix of rank d, and the same with a share of unknown entries."""
    rng = np.random.default_rng(seed)
    R = rng.normal(size=(m, d)) @ rng.normal(size=(d, n)) + 0.5
    return R, np.where(rng.random(R.shape) < share, np.nan, R)


def as_sparse(R):
    rows, columns = np.nonzero(~np.isnan(R))
    return sparse.coo_array((R[rows, columns], (rows, columns)), shape=R.shape)


def ridge_loss(R, W1, W2, ridge):
    known = ~np.isnan(R)
    return ((R - W1 @ W2)[known] ** 2).sum() + ridge * ((W1**2).sum() + (W2**2).sum())


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_mean_is_the_svd_of_the_filled_matrix(seed, d):
    _, R = low_rank(seed, 8, 6, 2, 0.4)
    R[1, 1] = 0  # known, and stored
    W1, W2 = svd(fill_mean(R), d)
    for matrix in (R, as_sparse(R), as_sparse(R).tocsc()):
        found = svd_missing(matrix, d, "mean")
        np.testing.assert_allclose(found[0] @ found[1], W1 @ W2, atol=1e-9)
    np.testing.assert_allclose(np.abs(found[0]), np.abs(W1), atol=1e-8)


def test_mean_of_a_large_matrix_is_not_made_dense(monkeypatch):
    _, R = low_rank(0, 600, 550, 3, 0.7)
    expected = np.matmul(*svd(fill_mean(R), 4))
    matrix = as_sparse(R).tocsr()
    monkeypatch.setattr(sparse.csr_array, "toarray", None)
    W1, W2 = svd_missing(matrix, 4, "mean")
    np.testing.assert_allclose(W1 @ W2, expected, atol=1e-7)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_unknown_entries_of_low_rank_are_recovered(kind):
    R, missing = low_rank(0, 80, 60, 3, 0.6)
    given_matrix = missing if kind == "dense" else as_sparse(missing).tocsr()
    before = given_matrix.copy()
    W1, W2 = svd_missing(given_matrix, 4, tol=1e-9, max_iter=2000)
    assert np.abs(W1 @ W2 - R).max() < 1e-2
    by_mean = np.matmul(*svd_missing(given_matrix, 4, "mean"))
    assert ((by_mean - R) ** 2).mean() > 0.3
    # as those of `svd`: orthogonal, of the same lengths, in order
    gram = W1.T @ W1
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-8)
    np.testing.assert_allclose(W2 @ W2.T, gram, atol=1e-8)
    assert (np.diff(np.diag(gram)) <= 1e-12).all()
    if kind == "dense":
        np.testing.assert_array_equal(given_matrix, before)
    else:
        np.testing.assert_array_equal(given_matrix.data, before.data)


def test_without_unknown_entries_it_is_the_svd():
    R, _ = low_rank(1, 20, 15, 6, 0)
    expected = np.matmul(*svd(R, 3))
    np.testing.assert_allclose(np.matmul(*svd_missing(R, 3)), expected, atol=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from([0.1, 1.0]))
@pytest.mark.slow
def test_the_loss_falls_to_where_its_gradient_is_none(seed, ridge):
    _, R = low_rank(seed, 12, 9, 2, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        losses = [
            ridge_loss(R, *svd_missing(R, 3, ridge=ridge, max_iter=n, tol=0), ridge)
            for n in (1, 2, 5, 20)
        ]
        W1, W2 = svd_missing(R, 3, ridge=ridge, max_iter=5000, tol=1e-14)
    assert all(
        after <= before * (1 + 1e-12) for before, after in zip(losses, losses[1:], strict=False)
    )
    gaps = np.where(np.isnan(R), 0, W1 @ W2 - R)
    scale = np.nanmax(np.abs(R)) ** 2
    np.testing.assert_allclose(gaps @ W2.T + ridge * W1, 0, atol=1e-4 * scale)
    np.testing.assert_allclose(W1.T @ gaps + ridge * W2, 0, atol=1e-4 * scale)


def test_ridge_without_unknown_entries_shrinks_singular_values():
    # known in closed form: each less the penalty, at least 0 (Mazumder et al., 2010)
    R = np.random.default_rng(0).normal(size=(10, 8))
    U, values, Vt = np.linalg.svd(R, full_matrices=False)
    expected = (U * np.maximum(values - 1.5, 0)) @ Vt
    found = np.matmul(*svd_missing(R, 8, ridge=1.5, tol=1e-13, max_iter=5000))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("ridge", [0, 0.1])
def test_rows_of_which_nothing_is_known(ridge):
    _, R = low_rank(0, 30, 20, 1, 0.2)
    R[4], R[:, 7] = np.nan, np.nan
    W1, W2 = svd_missing(R, 2, ridge=ridge)
    np.testing.assert_allclose((W1 @ W2)[4], 0, atol=1e-10)
    np.testing.assert_allclose((W1 @ W2)[:, 7], 0, atol=1e-10)


def test_too_few_steps_are_told():
    _, R = low_rank(0, 30, 20, 3, 0.6)
    with pytest.warns(ConvergenceWarning, match="after 2 steps"):
        svd_missing(R, 3, max_iter=2)


def test_what_cannot_be_completed():
    R = np.eye(3)
    with pytest.raises(ValueError, match="no observed entry"):
        svd_missing(np.full((2, 2), np.nan), 1)
    with pytest.raises(ValueError, match="no observed entry"):
        svd_missing(sparse.csr_array((2, 2)), 1)
    with pytest.raises(ValueError, match="store only observed entries"):
        svd_missing(sparse.csr_array([[1, np.nan]]), 1)
    with pytest.raises(ValueError, match=r"R\[0, 0\] is inf"):
        svd_missing([[np.inf, 1]], 1)
    with pytest.raises(ValueError, match="fill must be one of 'mean', 'iterative', got 'zero'"):
        svd_missing(R, 1, "zero")
    with pytest.raises(ValueError, match="from 1 to 3"):
        svd_missing(R, 4)
    for bad in ({"ridge": -1}, {"tol": -1}, {"max_iter": 0}):
        (name,) = bad
        with pytest.raises(ValueError, match=f"{name} must be .* >= [01], got"):
            svd_missing(R, 1, **bad)
