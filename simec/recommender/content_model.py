"""Ratings of new items from their features, for each user; likewise of new users, for each item.

A new item has no vector: it is predicted from its features. Weights of users that were fitted to
vectors that depend on an item's own ratings would be too confident there. They are therefore
fitted again, to leave-one-out predictions: what a regression on all other items predicts of each
item. In addition, each user has a ridge regression on the features themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, sparse

from simec.linalg.ridge import DualRidge, kernel_ridge_rows, products
from simec.types import Float64

# penalties to choose from by leave-one-out errors: of vectors, of biases, and of users' regressions
_VECTOR_ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_BIAS_ALPHAS = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0)
_ALPHAS = (3.0, 7.0, 15.0, 30.0, 100.0, 300.0, 1000.0)
_SAMPLE = 200  # users whose errors choose the last one
_LONGEST = 300  # number of their ratings, at most


class ContentModel(NamedTuple):
    """Predicts biases, vectors and residuals of items from features; roles may be exchanged.

    Attributes
    ----------
    weights : float64 array of shape (D, d + 1)
        Map from features to vectors, and to biases in the last column.
    intercept : float64 array of shape (d + 1,)
    root : float64 array of shape (d, d)
        Maps vectors to inputs of users' regressions, whose penalty is 1.
    left_out : float32 array of shape (n, d)
        These inputs of the training items, from leave-one-out predictions.
    alpha : float
        Penalty of users' regressions on features.
    duals : CSR matrix of shape (m, n)
        Dual coefficients of users' regressions.
    """

    weights: Float64
    intercept: Float64
    root: Float64
    left_out: Any
    alpha: float
    duals: Any

    def predict(self, X: Any) -> Float64:
        """Predict vectors, and biases in the last column, from features."""
        predicted: Float64 = np.asarray(X @ self.weights) + self.intercept
        return predicted

    def residuals(self, rows: Any, X: Any, X_training: Any) -> Float64:
        """Residuals of users by row, for items with features X, shape (n_rows, n_items)."""
        kernel = products(sparse.csr_matrix(X), X_training) / np.float32(self.alpha)
        inputs = (self.predict(X)[:, :-1] @ self.root).astype(np.float32)
        kernel += inputs @ self.left_out.T
        residuals: Float64 = np.asarray(self.duals[rows] @ kernel.T, np.float64)
        return residuals

    def coefficients(self, row: int, X_training: Any) -> Float64:
        """Contribution of each feature to the residual and bias of an item, shape (D,)."""
        duals = self.duals[row]
        of_features = np.asarray((duals @ X_training).todense()).ravel() / self.alpha
        of_vectors = self.root @ np.asarray(duals @ self.left_out).ravel()
        found: Float64 = of_features + self.weights[:, :-1] @ of_vectors + self.weights[:, -1]
        return found


def fit_content_model(
    ratings: Any, vectors: Float64, biases: Float64, X: Any, used: Any, covariance: Float64,
    noise: float,
) -> ContentModel:  # fmt: skip
    """Fit the regressions on features.

    Parameters
    ----------
    ratings : CSR matrix of shape (m, n)
        Minus their mean and the biases of users.
    vectors, biases : float64 arrays of shape (n, d) and (n,)
        Of items.
    X : CSR matrix of shape (n, D)
    used : int array
        Items with ratings and features.
    covariance : float64 array of shape (d, d)
        Of users' vectors, a priori.
    noise : float
        Variance of ratings around predictions; positive.
    """
    counts = ratings.getnnz(axis=0)
    of_vectors = DualRidge(X[used]).fit(vectors[used], _VECTOR_ALPHAS)
    of_biases = DualRidge(X[used], counts[used]).fit(biases[used, None], _BIAS_ALPHAS)
    expected = biases.copy()
    expected[used] = of_biases.left_out[:, 0]
    targets = ratings.astype(np.float32)
    targets.data -= expected[ratings.indices].astype(np.float32)
    values, Q = linalg.eigh(covariance / noise)
    root = Q * np.sqrt(np.maximum(values, 0))
    left_out = np.zeros(vectors.shape, np.float32)
    left_out[used] = of_vectors.left_out @ root
    gram = products(X, X)
    shared = left_out @ left_out.T
    alpha = _choose_alpha(targets, gram, shared)
    gram /= np.float32(alpha)
    gram += shared
    return ContentModel(
        np.column_stack([of_vectors.weights, of_biases.weights]),
        np.concatenate([of_vectors.intercept, of_biases.intercept]),
        root, left_out, alpha, kernel_ridge_rows(targets, gram),
    )  # fmt: skip


def _choose_alpha(targets: Any, gram: Any, shared: Any) -> float:
    """Choose the penalty with the lowest leave-one-out errors of some users."""
    rng = np.random.default_rng(0)
    lengths = np.diff(targets.indptr)
    rows = rng.permutation(np.flatnonzero(lengths > 1))[:_SAMPLE]
    errors = np.zeros(len(_ALPHAS))
    for row in rows:
        entries = np.arange(targets.indptr[row], targets.indptr[row + 1])
        entries = rng.permutation(entries)[:_LONGEST]
        columns, values = targets.indices[entries], targets.data[entries].astype(np.float64)
        block = np.ix_(columns, columns)
        features, vectors = gram[block].astype(np.float64), shared[block].astype(np.float64)
        vectors[np.diag_indices(len(columns))] += 1
        for k, alpha in enumerate(_ALPHAS):
            inverse = np.linalg.inv(features / alpha + vectors)
            errors[k] += float(((inverse @ values / np.diag(inverse)) ** 2).sum())
    return _ALPHAS[int(errors.argmin())]
