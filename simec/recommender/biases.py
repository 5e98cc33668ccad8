"""How much higher users rate than others, and items are rated: μ + b_item + b_user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

Float64 = npt.NDArray[np.float64]

_STEPS = 100
_ENOUGH = 1e-6  # of the right side of the equations
_TRACE = 1e-6  # the least shrinkage: with none, all users could go up if all items go down


@dataclass(frozen=True)
class Biases:
    """What can be said of a rating by its user alone and its item alone (thesis, 4.2).

    Attributes
    ----------
    mean : float
        μ, of all ratings.
    users, items : float64 arrays of shape (n_users,) and (n_items,)
        What is added to it; 0 for those without ratings.
    """

    mean: float
    users: Float64
    items: Float64

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
    def none(cls, shape: tuple[int, int]) -> Biases:
        """All of them 0."""
        return cls(0.0, np.zeros(shape[0]), np.zeros(shape[1]))

    def user(self, rows: Any) -> Float64:
        """b_user of some rows, 0 where they are -1."""
        return _of(self.users, rows)

    def item(self, rows: Any) -> Float64:
        """b_item of some rows, 0 where they are -1."""
        return _of(self.items, rows)

    def residuals(self, matrix: Any) -> Any:
        """Stored entries less their averages, a float32 CSR matrix of the same entries."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        rest = matrix.data - (self.mean + self.users[rows] + self.items[matrix.indices])
        return sparse.csr_matrix(
            (rest.astype(np.float32), matrix.indices, matrix.indptr), matrix.shape
        )


def _of(values: Float64, rows: Any) -> Float64:
    found: Float64 = np.where(rows >= 0, values[np.maximum(rows, 0)], 0.0)
    return found
