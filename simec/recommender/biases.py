"""How much higher users rate than others, and items are rated: μ + b_item + b_user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from simec.linalg.ridge import cross_validated_ridge

Float64 = npt.NDArray[np.float64]

_STEPS = 100
_ENOUGH = 1e-6  # of the right side of the equations
_FEW = 10.0  # ratings, from which on what is unsure of a mean is not their number
_TRACE = 1e-6  # the least shrinkage: with none, all users could go up if all items go down


@dataclass(frozen=True)
class Biases:
    """What can be said of a rating by its user alone and its item alone (thesis, 4.2).

    Attributes
    ----------
    mean : float
        μ, of all ratings.
    users, items : float64 arrays of shape (n_users,) and (n_items,)
        What is added to it; for those without ratings 0, or what their features say.
    of_user_features, of_item_features : float64 arrays of shape (D,), or None
        How much each feature adds to it.
    """

    mean: float
    users: Float64
    items: Float64
    of_user_features: Float64 | None = None
    of_item_features: Float64 | None = None

    @classmethod
    def of(cls, matrix: Any, shrinkage_users: float, shrinkage_items: float) -> Biases:
        """Minimise Σ (r - μ - b_user - b_item)² + λ_users Σ b_user² + λ_items Σ b_item².

        μ is the mean (Koren, 2008, eq. 2). The other equations are linear: users' biases are
        means of what items leave, and put into the equations of items these are solved by
        conjugate gradients.

        Parameters
        ----------
        matrix : CSR matrix of shape (n_users, n_items)
            Stored entries are the ratings.
        shrinkage_users, shrinkage_items : float
            λ: ratings of average height that are added to those of each.
        """
        n_users, n_items = matrix.shape
        values = matrix.data.astype(np.float64)
        mean = float(values.mean())
        rows = np.repeat(np.arange(n_users), np.diff(matrix.indptr))
        columns = matrix.indices
        rest = values - mean
        # at least a trace, for those without ratings
        weights_u = np.bincount(rows, minlength=n_users) + max(shrinkage_users, _TRACE)
        weights_i = np.bincount(columns, minlength=n_items) + max(shrinkage_items, _TRACE)
        by_user, by_item = (np.bincount(*args) for args in (
            (rows, rest, n_users), (columns, rest, n_items)
        ))  # fmt: skip
        there = sparse.csr_matrix((np.ones(len(values)), columns, matrix.indptr), matrix.shape)

        def left(items: Float64) -> Float64:
            return np.asarray(weights_i * items - there.T @ ((there @ items) / weights_u))

        equations = LinearOperator((n_items, n_items), matvec=left, dtype=np.float64)
        scale = LinearOperator((n_items, n_items), matvec=lambda x: x / weights_i, dtype=float)
        right = by_item - there.T @ (by_user / weights_u)
        items, _ = cg(equations, right, rtol=_ENOUGH, atol=0, maxiter=_STEPS, M=scale)
        users = (by_user - there @ items) / weights_u
        return cls(mean, users, items)

    @classmethod
    def described(
        cls,
        matrix: Any,
        shrinkage_users: float,
        shrinkage_items: float,
        X_users: Any = None,
        X_items: Any = None,
    ) -> Biases:
        """The same, but biases shrink to what features say of them, not to 0.

        A ridge regression of the biases of `of` on the features gives that; then what ratings
        say besides is found anew.

        Parameters
        ----------
        matrix, shrinkage_users, shrinkage_items
            As for `of`.
        X_users, X_items : array or CSR matrix of shape (n, D), or None
            Features of all users, and of all items; zeros for those without.
        """
        plain = cls.of(matrix, shrinkage_users, shrinkage_items)
        if X_users is None and X_items is None:
            return plain
        found: list[tuple[Float64 | None, Float64]] = []
        for X, biases, shrinkage, axis in (
            (X_users, plain.users, shrinkage_users, 1), (X_items, plain.items, shrinkage_items, 0)
        ):  # fmt: skip
            counts = matrix.getnnz(axis=axis).astype(np.float64)
            if X is None:
                found.append((None, np.zeros(len(counts))))
                continue
            # a mean of few ratings is not sure, one of many still has what features do not say
            weights = counts * _FEW / (counts + _FEW)
            means = biases * (counts + shrinkage) / np.maximum(counts, 1)
            b = cross_validated_ridge(X, means, weights)
            found.append((b, np.asarray(X @ b, np.float64)))
        (of_users, by_user), (of_items, by_item) = found
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        values = matrix.data - by_user[rows] - by_item[matrix.indices]
        rest = sparse.csr_matrix((values, matrix.indices, matrix.indptr), matrix.shape)
        more = cls.of(rest, shrinkage_users, shrinkage_items)
        return cls(more.mean, by_user + more.users, by_item + more.items, of_users, of_items)

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Biases:
        """All of them 0."""
        return cls(0.0, np.zeros(shape[0]), np.zeros(shape[1]))

    def user(self, rows: Any, features: Any = None) -> Float64:
        """b_user of some rows; where they are -1 what features say, or 0."""
        return _of(self.users, rows, features, self.of_user_features)

    def item(self, rows: Any, features: Any = None) -> Float64:
        """b_item of some rows; where they are -1 what features say, or 0."""
        return _of(self.items, rows, features, self.of_item_features)

    def residuals(self, matrix: Any) -> Any:
        """Stored entries less their averages, a float32 CSR matrix of the same entries."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        rest = matrix.data - (self.mean + self.users[rows] + self.items[matrix.indices])
        return sparse.csr_matrix(
            (rest.astype(np.float32), matrix.indices, matrix.indptr), matrix.shape
        )


def _of(values: Float64, rows: Any, features: Any, coefficients: Float64 | None) -> Float64:
    found: Float64 = np.where(rows >= 0, values[np.maximum(rows, 0)], 0.0)
    new = np.flatnonzero(rows < 0)
    if len(new) and features is not None and coefficients is not None:
        found[new] = features[new] @ coefficients
    return found
