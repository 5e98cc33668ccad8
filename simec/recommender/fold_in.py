"""Vectors and biases of users (or items) from their ratings, with those of the other side fixed.

A vector and its bias, ``x = (p, b)``, have a normal prior, and a rating is ``x·(q, 1)`` plus the
bias of the other side and noise: the posterior mean of x is a ridge regression, whose penalty is
the inverse covariance of the vectors of the training data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from simec.linalg.factorization import observed_grams
from simec.recommender.data.ratings import Ids, Ratings
from simec.types import Float64, IntArray

_ROUNDS = 3  # of the estimate of a covariance: later ones change predictions little


def posterior_means(residuals: Any, other: Any, covariance: Float64, noise: float) -> Float64:
    """Compute the posterior means of vectors and biases.

    Parameters
    ----------
    residuals : CSR matrix of shape (m, n)
        Ratings minus their mean, the biases of the columns, and what is expected a priori.
    other : float array of shape (n, d)
        Vectors of the columns.
    covariance : float64 array of shape (d + 1, d + 1)
        Of vectors and biases, a priori.
    noise : float
        Variance of ratings around predictions.

    Returns
    -------
    float64 array of shape (m, d + 1)
        Vectors, and biases in the last column; 0 for rows without ratings.
    """
    means = np.zeros((residuals.shape[0], len(covariance)))
    for rows, solutions, products in _solutions(residuals, other, covariance, noise):
        means[rows] = (solutions @ products)[:, :, 0] / noise
    return means


def estimate_covariance(
    residuals: Any, other: Any, vectors: Float64, noise: float
) -> Float64:  # fmt: skip
    """Estimate the covariance of vectors and biases by the EM algorithm.

    Parameters
    ----------
    residuals, other, noise
        As for `posterior_means`.
    vectors : float64 array of shape (m, d + 1)
        Learned vectors, with biases in the last column: to start from.

    Returns
    -------
    float64 array of shape (d + 1, d + 1)
    """
    rated = np.diff(residuals.indptr) > 0
    n = max(int(np.count_nonzero(rated)), 1)
    covariance: Float64 = vectors[rated].T @ vectors[rated] / n
    for _ in range(_ROUNDS):
        total = np.zeros_like(covariance)
        for _rows, solutions, products in _solutions(residuals, other, covariance, noise):
            means = (solutions @ products)[:, :, 0] / noise
            total += means.T @ means + solutions.sum(axis=0)
        covariance = total / n
    return covariance


def _solutions(residuals: Any, other: Any, covariance: Float64, noise: float) -> Any:
    """Yield rows, their posterior covariances, and the products of their ratings."""
    if not noise > 0:
        return
    identity = np.eye(len(covariance))
    inputs = np.column_stack([other.astype(np.float64), np.ones(len(other))])
    for rows, grams, products in observed_grams(residuals.astype(np.float64), inputs):
        # the same as the inverse of Σ⁻¹ + gram / noise, but Σ may be singular
        yield rows, np.linalg.solve(identity + covariance @ grams / noise, covariance), products


def merge(old: Ratings, new: Ratings) -> tuple[Ratings, IntArray, IntArray, Any]:
    """Add ratings; those of pairs that had one replace it.

    Returns
    -------
    ratings : Ratings
        Users and items of `old` keep their rows and columns; new ones follow.
    users, items : int64 arrays
        Rows and columns in `ratings` of the users and items of `new` that have ratings.
    both_known : bool array of shape (len(new),)
        Whether user and item of each new rating were in `old`.
    """
    users, rows = _extend(old.users, new.users, np.diff(new.matrix.indptr) > 0)
    items, columns = _extend(old.items, new.items, new.matrix.getnnz(axis=0) > 0)
    entries = new.matrix.tocoo()
    new_rows, new_columns = rows[entries.row], columns[entries.col]
    both_known = (new_rows < len(old.users)) & (new_columns < len(old.items))
    before = old.matrix.tocoo()
    keep = np.ones(len(old), bool)
    known = np.unique(new_rows[both_known])
    if len(known):
        candidates = np.flatnonzero(np.isin(before.row, known))
        keys = (M.astype(np.int64) * len(items) + N for M, N in (
            (before.row[candidates], before.col[candidates]), (new_rows, new_columns),
        ))  # fmt: skip
        keep[candidates] = ~np.isin(next(keys), next(keys))
    matrix = sparse.csr_matrix(
        (
            np.concatenate([before.data[keep], entries.data]),
            (
                np.concatenate([before.row[keep], new_rows]),
                np.concatenate([before.col[keep], new_columns]),
            ),
        ),
        (len(users), len(items)),
    )
    return Ratings(matrix, users, items), np.unique(new_rows), np.unique(new_columns), both_known


def _extend(old: Ids, new: Ids, rated: Any) -> tuple[Ids, IntArray]:
    """Append new ids that have ratings; return all, and the position of each new one."""
    rows = old.find(new.values)
    added = np.flatnonzero((rows < 0) & rated)
    rows[added] = len(old) + np.arange(len(added))
    if not len(added):
        return old, rows
    return Ids(np.concatenate([old.values, new.values[added]]), old.kind), rows
