"""How much higher users rate than others, and items are rated: μ + b_item + b_user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Float64 = npt.NDArray[np.float64]

_SWEEPS = 100
_ENOUGH = 1e-5  # of the scale of ratings: how little the last sweep may change a bias


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

        μ is the mean. The other equations are linear; they are solved for items and for users
        in turn, as each bias is a mean of what the others leave (Koren, 2008, eq. 2).

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
        scale = float(np.abs(rest).max(initial=0))
        # at least a trace, for those without ratings
        weights_u = np.bincount(rows, minlength=n_users) + max(shrinkage_users, 1e-9)
        weights_i = np.bincount(columns, minlength=n_items) + max(shrinkage_items, 1e-9)
        users, items = np.zeros(n_users), np.zeros(n_items)
        for _ in range(_SWEEPS):
            before = users
            items = np.bincount(columns, rest - users[rows], n_items) / weights_i
            users = np.bincount(rows, rest - items[columns], n_users) / weights_u
            if np.abs(users - before).max(initial=0) <= _ENOUGH * scale:
                break
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
