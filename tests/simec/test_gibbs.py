"""Draws of factors, against slow and plain versions, and what they predict."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from simec.solvers.gibbs import draw_prior, draw_vectors, sample_factors, squared_errors


def low_rank(m=80, n=60, d=2, noise=0.5, share=0.3, seed=0):
    """Biases and products of vectors; the truth, and some entries with noise."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(m, d)) @ rng.normal(size=(d, n))
    true += rng.normal(size=(m, 1)) + rng.normal(size=n)
    known = rng.random((m, n)) < share
    values = true + noise * rng.normal(size=(m, n))
    return true, known, sparse.csr_matrix((values[known], np.nonzero(known)), (m, n))


def fitted(S, d, seed=0):
    mean = S.data.mean()
    centered = S.copy()
    centered.data = S.data - mean
    start = np.zeros(S.shape[0]), np.zeros(S.shape[1])
    factors = sample_factors(centered, *start, d, np.random.RandomState(seed))
    return factors, mean + factors.mean + (
        factors.row_biases[:, None] + factors.column_biases + factors.left @ factors.right.T
    )  # fmt: skip


def rmse(found, true):
    return float(np.sqrt(((found - true) ** 2).mean()))


def side(m=7, n=9, d=3, seed=0):
    rng = np.random.default_rng(seed)
    S = sparse.random(m, n, 0.4, "csr", random_state=seed)
    other, vectors = rng.normal(size=(n, d + 1)), rng.normal(size=(m, d + 1))
    A = rng.normal(size=(d + 1, d + 1))
    own, others = rng.uniform(0.5, 2, m), rng.uniform(0.5, 2, n)
    return rng, S, other, vectors, A @ A.T + np.eye(d + 1), own, others


def test_vectors_are_drawn_from_their_conditional_distribution():
    rng, S, other, out, precision, own, others = side()
    mean, normal = rng.normal(size=4), rng.normal(size=(7, 4))
    draw_vectors(S.indptr, S.indices, S.data, other, mean, precision, own, others, normal, out)
    for row in range(7):
        A, b = precision.copy(), precision @ mean
        for column, value in zip(S[row].indices, S[row].data, strict=True):
            x = np.append(other[column, :-1], 1)
            A += own[row] * others[column] * np.outer(x, x)
            b += own[row] * others[column] * (value - other[column, -1]) * x
        noise = np.linalg.solve(np.linalg.cholesky(A).T, normal[row])
        np.testing.assert_allclose(out[row], np.linalg.solve(A, b) + noise, rtol=1e-9)


def test_squared_errors_are_those_of_plain_loops():
    _, S, other, vectors, _, _, others = side()
    found = np.empty(7)
    squared_errors(S.indptr, S.indices, S.data, vectors, other, others, found)
    dense = vectors[:, :-1] @ other[:, :-1].T + vectors[:, -1:] + other[:, -1]
    stored = np.zeros(S.shape)
    stored[S.nonzero()] = 1
    expected = (stored * others * (S.toarray() - dense) ** 2).sum(axis=1)
    np.testing.assert_allclose(found, expected)


def test_priors_are_drawn_around_the_mean_and_precision_of_vectors():
    rng = np.random.RandomState(0)
    A = np.array([[1.0, 0.5], [0.0, 2.0]])
    vectors = rng.standard_normal((400, 2)) @ A + [3, -1]
    draws = [draw_prior(vectors, 1e-3 * np.eye(2), rng) for _ in range(300)]
    means = np.array([mean for mean, _ in draws])
    # two vectors of 0 count, too
    np.testing.assert_allclose(means.mean(axis=0), 400 / 402 * vectors.mean(axis=0), atol=0.05)
    every = np.vstack([vectors, np.zeros((2, 2))])
    expected = np.linalg.inv(np.cov(every.T, bias=True))
    found = np.mean([precision for _, precision in draws], axis=0)
    np.testing.assert_allclose(found, expected, rtol=0.1)


def test_the_truth_is_found():
    true, known, S = low_rank()
    factors, found = fitted(S, 2)
    start = rmse(np.broadcast_to(S.data.mean(), true.shape), true)
    assert rmse(found[~known], true[~known]) < 0.35 * start
    # predictions are uncertain, so that errors are larger than the noise
    assert 0.5**2 < factors.noise < 2 * 0.5**2
    for part in (factors.row_biases, factors.column_biases, factors.left, factors.right):
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-12)


def test_superfluous_components_do_little_harm():
    true, known, S = low_rank(share=0.4)
    errors = [rmse(fitted(S, d)[1][~known], true[~known]) for d in (2, 12)]
    assert errors[1] < 1.25 * errors[0]


def test_factors_do_not_vanish_where_ratings_are_few():
    errors = []
    for seed in range(3):
        true, _, S = low_rank(300, 250, noise=1.5, share=0.07, seed=seed)
        factors, found = fitted(S, 4, seed)
        biases = found - factors.left @ factors.right.T
        errors.append((rmse(found, true), rmse(biases, true)))
    assert all(found < averages - 0.05 for found, averages in errors), errors


def test_rows_without_entries_and_other_units():
    _, _, S = low_rank(30, 20, share=0.5)
    larger = sparse.csr_matrix((S.data, S.indices, np.append(S.indptr, [S.nnz] * 2)), (32, 20))
    factors, found = fitted(larger, 2)
    assert not factors.row_biases[30:].any()
    assert not factors.left[30:].any()
    np.testing.assert_allclose(found[:30], fitted(S, 2)[1])
    scaled = larger.copy()
    scaled.data = scaled.data * 2.0**40
    np.testing.assert_allclose(fitted(scaled, 2)[1], found * 2.0**40, rtol=1e-6, atol=2.0**20)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (3, 3)])
def test_small_tables(shape):
    rng = np.random.default_rng(0)
    S = sparse.csr_matrix(rng.integers(1, 6, shape).astype(float))
    _, found = fitted(S, 1)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 10
