"""Biases: how far the ratings of a user, or of an item, lie above the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from simec.linalg.ridge import cross_validated_ridge
from simec.types import Float64

_MAX_ITER = 100
_RTOL = 1e-6
_RELIABLE = 10.0  # number of ratings beyond which further ones say little more about features
# without shrinkage, a constant could be moved between the biases of all users and all items
_MIN_SHRINKAGE = 1e-6


@dataclass(frozen=True)
class Biases:
    """Mean and biases of ratings: μ + b_user + b_item (thesis, 4.2).

    Attributes
    ----------
    mean : float
        μ, the mean of all ratings.
    users, items : float64 arrays of shape (n_users,) and (n_items,)
        Biases. Without ratings, 0 or the prediction from features.
    user_coefficients, item_coefficients : float64 arrays of shape (D,), or None
        Contribution of each feature to a bias.
    """

    mean: float
    users: Float64
    items: Float64
    user_coefficients: Float64 | None = None
    item_coefficients: Float64 | None = None

    @classmethod
    def fit(
        cls,
        matrix: Any,
        shrinkage_users: float,
        shrinkage_items: float,
        X_users: Any = None,
        X_items: Any = None,
    ) -> Biases:
        """Fit biases that shrink towards a regression on features, or towards 0 without features.

        With features, biases are first fitted without them and regressed on the features. Then
        biases are fitted again, to the ratings minus the predictions of this regression.

        Parameters
        ----------
        matrix : CSR matrix of shape (n_users, n_items)
            Stored entries are the ratings.
        shrinkage_users, shrinkage_items : float
            Penalties λ on squared biases. A bias is shrunk as if the user or item had λ
            additional ratings equal to the mean.
        X_users, X_items : array or CSR matrix of shape (n, D), or None
            Features of all users and of all items; rows of zeros for those without features.
        """
        biases = cls._least_squares(matrix, shrinkage_users, shrinkage_items)
        if X_users is None and X_items is None:
            return biases
        b_users, from_users = _regress(
            X_users, biases.users, shrinkage_users, matrix.getnnz(axis=1)
        )
        b_items, from_items = _regress(
            X_items, biases.items, shrinkage_items, matrix.getnnz(axis=0)
        )
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        values = matrix.data - from_users[rows] - from_items[matrix.indices]
        remainder = sparse.csr_matrix((values, matrix.indices, matrix.indptr), matrix.shape)
        unexplained = cls._least_squares(remainder, shrinkage_users, shrinkage_items)
        return cls(
            unexplained.mean, from_users + unexplained.users, from_items + unexplained.items,
            b_users, b_items,
        )  # fmt: skip

    @classmethod
    def _least_squares(cls, matrix: Any, shrinkage_users: float, shrinkage_items: float) -> Biases:
        """Minimize Σ (r - μ - b_user - b_item)² + λ_users Σ b_user² + λ_items Σ b_item².

        μ is the mean (Koren, 2008, eq. 2). Users' biases are eliminated from the normal
        equations, and those of items are solved by conjugate gradients.
        """
        n_users, n_items = matrix.shape
        values = matrix.data.astype(np.float64)
        mean = float(values.mean())
        rows = np.repeat(np.arange(n_users), np.diff(matrix.indptr))
        columns = matrix.indices
        centered = values - mean
        weights_u = np.bincount(rows, minlength=n_users) + max(shrinkage_users, _MIN_SHRINKAGE)
        weights_i = np.bincount(columns, minlength=n_items) + max(shrinkage_items, _MIN_SHRINKAGE)
        sums_u = np.bincount(rows, centered, n_users)
        sums_i = np.bincount(columns, centered, n_items)
        rated = sparse.csr_matrix((np.ones(len(values)), columns, matrix.indptr), matrix.shape)

        def left_side(items: Float64) -> Float64:
            return np.asarray(weights_i * items - rated.T @ ((rated @ items) / weights_u))

        equations = LinearOperator((n_items, n_items), matvec=left_side, dtype=np.float64)
        scale = LinearOperator((n_items, n_items), matvec=lambda x: x / weights_i, dtype=float)
        right_side = sums_i - rated.T @ (sums_u / weights_u)
        items, _ = cg(equations, right_side, rtol=_RTOL, atol=0, maxiter=_MAX_ITER, M=scale)
        users = (sums_u - rated @ items) / weights_u
        return cls(mean, users, items)

    @classmethod
    def zeros(cls, shape: tuple[int, int]) -> Biases:
        """Return a mean and biases of 0."""
        return cls(0.0, np.zeros(shape[0]), np.zeros(shape[1]))

    def of_users(self, rows: Any, features: Any = None) -> Float64:
        """Return biases of users by row; for row -1, the prediction from features, or 0."""
        return _select(self.users, rows, features, self.user_coefficients)

    def of_items(self, rows: Any, features: Any = None) -> Float64:
        """Return biases of items by row; for row -1, the prediction from features, or 0."""
        return _select(self.items, rows, features, self.item_coefficients)

    def residuals(self, matrix: Any) -> Any:
        """Subtract mean and biases: a float32 CSR matrix with the same stored entries."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        values = matrix.data - (self.mean + self.users[rows] + self.items[matrix.indices])
        return sparse.csr_matrix(
            (values.astype(np.float32), matrix.indices, matrix.indptr), matrix.shape
        )


def _regress(
    X: Any, biases: Float64, shrinkage: float, n_ratings: Any
) -> tuple[Float64 | None, Float64]:
    """Return coefficients of features, and the biases that they predict."""
    if X is None:
        return None, np.zeros(len(biases))
    counts = n_ratings.astype(np.float64)
    # a mean of few ratings is noisy, and one of many has a part that features do not explain
    weights = counts * _RELIABLE / (counts + _RELIABLE)
    means = biases * (counts + shrinkage) / np.maximum(counts, 1)
    b = cross_validated_ridge(X, means, weights)
    return b, np.asarray(X @ b, np.float64)


def _select(values: Float64, rows: Any, features: Any, coefficients: Float64 | None) -> Float64:
    result: Float64 = np.where(rows >= 0, values[np.maximum(rows, 0)], 0.0)
    new = np.flatnonzero(rows < 0)
    if len(new) and features is not None and coefficients is not None:
        result[new] = features[new] @ coefficients
    return result
