"""Embeddings by eigenvectors and singular vectors, and the regression to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import Ridge

from simec.linalg.factorization import truncated_svd
from simec.similarities import center, class_labels, linear, rbf
from simec.spectral import SpectralRegression, eigen_embedding, optimal_mse, svd

PARTS = ("positive", "negative", "absolute")


def symmetric(seed, m):
    S = np.random.default_rng(seed).normal(size=(m, m))
    return S + S.T


def assert_signs(Y):
    """The largest entry of each column that is not 0 is positive."""
    assert all(column[np.abs(column).argmax()] > 0 for column in Y.T if column.any())


@settings(max_examples=50)
@given(st.integers(0, 1000), st.integers(2, 12), st.sampled_from(PARTS), st.data())
def test_the_eigenvalues_of_a_part(seed, m, part, data):
    S = symmetric(seed, m)
    d = data.draw(st.integers(1, m))
    Y, signs = eigen_embedding(S, d, part)
    assert Y.shape == (m, d)
    values = np.linalg.eigvalsh(S)
    chosen = {
        "positive": [max(value, 0) for value in sorted(values, reverse=True)],
        "negative": [min(value, 0) for value in sorted(values)],
        "absolute": sorted(values, key=abs, reverse=True),
    }[part][:d]
    np.testing.assert_allclose((Y * signs).T @ Y, np.diag(chosen), atol=1e-9)
    np.testing.assert_allclose(S @ Y, Y * chosen, atol=1e-9)
    np.testing.assert_array_equal(np.abs(signs), 1)
    assert_signs(Y)
    error = ((S - (Y * signs) @ Y.T) ** 2).mean()
    assert optimal_mse(S, d, part) == pytest.approx(error, abs=1e-12)
    if part == "absolute" and d == m:
        np.testing.assert_allclose((Y * signs) @ Y.T, S, atol=1e-9)


@pytest.mark.parametrize("m", [40, 700])
def test_the_positive_part_is_kernel_pca(m):
    X = np.random.default_rng(0).normal(size=(m, 5))
    Y, signs = eigen_embedding(center(rbf(X)), 4)
    reference = KernelPCA(4, kernel="precomputed").fit_transform(rbf(X))
    np.testing.assert_allclose(Y, reference * np.sign((reference * Y).sum(axis=0)), atol=1e-8)
    np.testing.assert_array_equal(signs, 1)
    assert_signs(Y)


@pytest.mark.parametrize("m", [50, 600])
def test_dimensions_that_are_not_there_are_zero(m):
    S = center(class_labels(np.arange(m) % 3))
    Y, _ = eigen_embedding(S, 5)
    np.testing.assert_allclose(Y @ Y.T, S, atol=1e-5)
    assert Y[:, :2].any(axis=0).all()
    assert not Y[:, 2:].any()
    assert not eigen_embedding(S, 2, "negative")[0].any()


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from(PARTS))
def test_no_embedding_is_better_than_the_optimum(seed, part):
    rng = np.random.default_rng(seed)
    S = symmetric(seed, 8)
    errors = optimal_mse(S, [1, 3, 8, 2], part)
    assert errors.shape == (4,)
    assert errors[0] >= errors[3] >= errors[1] >= errors[2] >= 0
    np.testing.assert_allclose(errors, [optimal_mse(S, d, part) for d in (1, 3, 8, 2)])
    Y, signs = eigen_embedding(S, 3, part)
    Y = Y + rng.normal(0, 0.05, Y.shape)
    W = (Y * signs).T
    if part == "absolute":
        W = np.linalg.lstsq(Y, S, rcond=None)[0]
    assert ((S - Y @ W) ** 2).mean() >= errors[1]


def test_a_similarity_of_low_rank_has_no_error():
    S = linear(np.random.default_rng(0).normal(size=(30, 2)))
    assert optimal_mse(S, 1) > 1e-3
    assert optimal_mse(S, 2) == pytest.approx(0, abs=1e-12)
    assert optimal_mse(S, 2, "negative") == pytest.approx((S**2).mean())


def test_what_cannot_be_embedded():
    S = symmetric(0, 3)
    for function in (eigen_embedding, optimal_mse):
        with pytest.raises(ValueError, match="from 1 to 3, the size of the matrix, got 4"):
            function(S, 4)
        with pytest.raises(ValueError, match="from 1 to 3"):
            function(S, 0)
        with pytest.raises(ValueError, match=r"must be an integer, got 1\.5"):
            function(S, 1.5)
        with pytest.raises(ValueError, match="positive, negative, absolute, got 'imaginary'"):
            function(S, 1, "imaginary")
        with pytest.raises(
            ValueError, match=r"not symmetric: S\[0, 1\] is 2\.0 and S\[1, 0\] is 3"
        ):
            function([[1, 2], [3, 1]], 1)
        with pytest.raises(ValueError, match=r"S\[0, 1\] is nan; fill missing entries"):
            function([[1, np.nan], [np.nan, 1]], 1)
        with pytest.raises(ValueError, match=r"must be square, got shape \(2, 3\)"):
            function(S[:2], 1)
        with pytest.raises(ValueError, match=r"must have rows and columns, got shape \(3,\)"):
            function(S[0], 1)
        with pytest.raises(ValueError, match=r"constant: all entries are 0\.5"):
            function(np.full((3, 3), 0.5), 1)
        with pytest.raises(ValueError, match="sparse"):
            function(sparse.csr_array(S), 1)
    with pytest.raises(ValueError, match="an integer or a list of integers"):
        optimal_mse(S, [])


def test_rounding_of_float32_is_not_asymmetry():
    S = symmetric(0, 20).astype(np.float32)
    S[0, 1] *= 1 + 1e-6
    assert eigen_embedding(S, 2)[0].dtype == np.float64
    with pytest.raises(ValueError, match="not symmetric"):
        eigen_embedding(S.astype(np.float64), 2)


# Regression


def test_regression_is_that_of_scikit_learn_on_the_eigenvectors():
    rng = np.random.default_rng(0)
    X, X_new = rng.normal(size=(80, 6)), rng.normal(size=(7, 6))
    y = X[:, 0] + X[:, 1] > 0
    S = center(class_labels(y))
    Y, _ = eigen_embedding(S, 1)
    model = clone(SpectralRegression(1, alpha=0.5)).fit(X, S)
    expected = Ridge(0.5).fit(X, Y).predict(X_new).reshape(7, 1)
    np.testing.assert_allclose(model.transform(X_new), expected)
    np.testing.assert_allclose(model.embedding_, Y)
    np.testing.assert_allclose(model.predict(X_new), expected @ Y.T)
    in_sparse = SpectralRegression(1, alpha=0.5).fit(sparse.csr_array(X), S)
    np.testing.assert_allclose(in_sparse.transform(sparse.csr_array(X_new)), expected, rtol=1e-3)
    np.testing.assert_allclose(
        SpectralRegression(1, alpha=0.5).fit_transform(X, S), model.transform(X)
    )


def test_linear_similarities_of_new_points_are_predicted():
    rng = np.random.default_rng(1)
    X, X_new = rng.normal(size=(60, 4)), rng.normal(size=(9, 4))
    M = np.diag([3.0, 2.0, -1.0, -0.5])  # an indefinite product
    model = SpectralRegression(4, alpha=(1e-8, 10.0), part="absolute").fit(X, X @ M @ X.T)
    assert model.regression_.alpha_ == 1e-8
    np.testing.assert_allclose(sorted(model.signs_), [-1, -1, 1, 1])
    np.testing.assert_allclose(model.predict(X_new), X_new @ M @ X.T, atol=1e-4)


def test_features_of_other_points():
    with pytest.raises(ValueError, match="same number of rows, got 4 and 3"):
        SpectralRegression(1).fit(np.eye(4), np.eye(3))


# Singular vectors


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 9), st.data())
def test_factors_are_those_of_numpy(seed, m, n, data):
    R = np.random.default_rng(seed).normal(size=(m, n))
    d = data.draw(st.integers(1, min(m, n)))
    U, values, Vt = np.linalg.svd(R, full_matrices=False)
    for matrix in (R, sparse.csr_array(R), sparse.coo_matrix(R)):
        W1, W2 = svd(matrix, d)
        np.testing.assert_allclose(W1 @ W2, (U[:, :d] * values[:d]) @ Vt[:d], atol=1e-9)
        np.testing.assert_allclose(W1.T @ W1, np.diag(values[:d]), atol=1e-9)
        np.testing.assert_allclose(W2 @ W2.T, np.diag(values[:d]), atol=1e-9)
        assert_signs(W1)


@pytest.mark.parametrize("shape", [(700, 600), (520, 800)])
def test_few_singular_vectors_of_large_matrices(shape):
    R = sparse.random_array(shape, density=0.05, random_state=0, format="csr")
    U, values, Vt = np.linalg.svd(R.toarray(), full_matrices=False)
    expected = (U[:, :10] * values[:10]) @ Vt[:10]
    for matrix in (R, R.toarray()):
        W1, W2 = svd(matrix, 10)
        np.testing.assert_allclose(W1 @ W2, expected, atol=1e-9)
        np.testing.assert_allclose((W1**2).sum(axis=0), values[:10])
        assert_signs(W1)
    # repeated singular values, and fewer than asked for
    blocks = np.kron(np.eye(4), np.ones((shape[0] // 4, shape[1] // 4)))
    W1, W2 = svd(blocks, 6)
    np.testing.assert_allclose(W1 @ W2, blocks, atol=1e-6)


def test_all_singular_values_of_a_large_sparse_matrix():
    R = sparse.random_array((503, 501), density=0.02, random_state=0, format="csr")
    U, values, Vt = truncated_svd(R, 501)
    np.testing.assert_allclose((U * values) @ Vt, R.toarray(), atol=1e-9)


def test_what_cannot_be_factorised():
    with pytest.raises(ValueError, match="from 1 to 2"):
        svd(np.ones((2, 5)), 3)
    with pytest.raises(ValueError, match=r"R\[0, 1\] is nan"):
        svd([[1, np.nan]], 1)
    with pytest.raises(ValueError, match="svd_missing"):
        svd(sparse.csr_array([[1, np.nan]]), 1)
    with pytest.raises(ValueError, match="rows and columns"):
        svd([1.0, 2.0], 1)
