"""The least squares problem S ≈ H W₁ W_l that closed forms and ALS solve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse
from torch import Tensor

from simec.data.inputs import chunks
from simec.linalg.checks import OVERFLOW
from simec.types import Float64

RowReader = Callable[[Tensor], Any]
"""Takes consecutive row numbers; returns these rows of a matrix, as an array or CSR matrix."""

# relative to the diagonal of the Gram matrix, which is singular for duplicate features
_JITTER = 1e-11
_JITTER_SINGLE = 1e-5  # for a Gram matrix in float32
MAX_GRAM = 4096  # number of features up to which the Gram matrix is built and factorized
_TOLERANCE = 1e-7  # of conjugate gradients, relative
_STEPS = 100  # of conjugate gradients


@dataclass(frozen=True)
class Problem:
    """Minimize the squared errors of S ≈ H W₁ W_l.

    Matrices that may not fit in memory are read in chunks of rows.

    Attributes
    ----------
    n_rows, n_features, n_targets, n_components : int
        m, p, n and d: H has shape (m, p), W₁ (p, d), and W_l (d, n).
    features : RowReader or None
        H; None for the identity.
    bias : bool
        Whether the last feature is 1 for all rows; its weights are not penalized.
    targets : RowReader or None
        Rows of S, with zeros for missing entries.
    S, weights : float arrays or CSR matrices of shape (m, n), or None
        Set if S is in memory and has missing entries: targets and weights of their squared
        errors, both zero for missing entries. Sparse matrices have the same stored entries.
    absent : float
        Weight of the entries that sparse targets do not store; if positive, these count as zeros.
    ridge : float
        Penalty on ``|W₁ W_l|²``, divided by m, for solvers of complete targets.
    l2 : float
        Penalty on ``|W₁|² + |W_l|²``, divided by the sum of weights, for alternating least squares
        on observed targets.
    l2_by_count : float
        Exponent: `l2` of a column of S (and of a row, without features) is multiplied by this
        power of its relative number of observed entries.
    column_features : array or CSR matrix of shape (n, p), or None
        For a symmetric S: features of the points that its columns represent.
    same_points : bool
        Whether `column_features` are the rows of H.
    """

    n_rows: int
    n_features: int
    n_targets: int
    n_components: int
    features: RowReader | None = None
    bias: bool = False
    targets: RowReader | None = None
    S: Any = None
    weights: Any = None
    absent: float = 0.0
    ridge: float = 0.0
    l2: float = 0.0
    l2_by_count: float = 0.0
    column_features: Any = None
    same_points: bool = False

    @cached_property
    def regression(self) -> Regression:
        """Ridge regression on the features; its Gram matrix is factorized once."""
        return Regression(self)


class Regression:
    """Ridge regression of arbitrary targets on the features of a problem.

    Computations are in float64, except products of float32 features. With more than `MAX_GRAM`
    features, the normal equations are solved by conjugate gradients.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    penalized : float64 array of shape (p, 1)
        1 for features whose weights are penalized, 0 for the bias.
    squares : float64 array of shape (p, 1)
        Sum of squares of each feature.
    factor : float64 array of shape (p, p), or None
        Lower Cholesky factor of the penalized Gram matrix. None for the identity, and with more
        than `MAX_GRAM` features.
    penalty : float64 array of shape (p, 1)
        Penalty on the squared weights of each feature; empty for the identity.
    """

    def __init__(self, problem: Problem) -> None:
        self.features, self.n_rows = problem.features, problem.n_rows
        self.n_features, self._width = problem.n_features, problem.n_targets
        self.ridge = problem.ridge * problem.n_rows
        self.squares = np.ones((self.n_features, 1))
        self.penalized = np.ones((self.n_features, 1))
        if problem.bias:
            self.penalized[-1] = 0
        self.factor: Float64 | None = None
        self.penalty = np.zeros((0, 1))
        if self.features is not None:
            self._prepare(self.features)

    def _prepare(self, features: RowReader) -> None:
        p = self.n_features
        if p > MAX_GRAM:
            squares = np.zeros(p)
            for rows in chunks(self.n_rows):
                H = features(rows)
                squares += (
                    np.bincount(H.indices, H.data**2, p) if sparse.issparse(H) else (H**2).sum(0)
                )
            self._set_penalty(squares, _JITTER)
            return
        gram = np.zeros((p, p))
        for rows in chunks(self.n_rows):
            H = features(rows)
            gram += (H.T @ H).toarray() if sparse.issparse(H) else H.T @ H
        single = H.dtype == np.float32
        self._set_penalty(np.diag(gram).copy(), _JITTER_SINGLE if single else _JITTER)
        self.factor = _cholesky(gram, self.penalty[:, 0])

    def _set_penalty(self, squares: Float64, jitter: float) -> None:
        self.squares = squares[:, None].copy()
        # a feature that is always 0 has no weight with any penalty, but with a tiny one rounding
        # errors of eigenvectors overflow
        jitters = np.where(self.squares > 0, jitter * self.squares, 1.0)
        self.penalty = (self.ridge + jitters) * self.penalized

    def chunks(self) -> Iterator[Tensor]:
        """Yield row numbers in chunks that fit in memory."""
        return chunks(self.n_rows, self._width)

    def apply(self, rows: Tensor, B: Float64) -> Float64:
        """Return the given rows of ``H B``."""
        if self.features is None:
            return np.asarray(B[rows.numpy()])
        return np.asarray(self.features(rows) @ B)

    def products(self, targets: RowReader, n_columns: int) -> Float64:
        """Return ``Hᵀ T`` of shape (p, q) for targets T of shape (m, q)."""
        total = np.zeros((self.n_features, n_columns))
        for rows in self.chunks():
            if self.features is None:
                total[rows.numpy()] = targets(rows)
            else:
                total += np.asarray(self.features(rows).T @ targets(rows))
        return total

    def solve(self, products: Float64, start: Float64 | None = None) -> Float64:
        """Return the weights B that minimize ``|T - H B|²`` plus the penalty, given ``Hᵀ T``.

        Parameters
        ----------
        products : float64 array of shape (p, q)
            ``Hᵀ T``.
        start : float64 array of shape (p, q), optional
            Initial solution for conjugate gradients; ignored by direct solvers.
        """
        if self.features is None:
            return products / (1 + self.ridge)
        if self.factor is not None:
            solution: Float64 = linalg.cho_solve((self.factor, True), products)
            return solution

        def gram(B: Float64) -> Float64:
            applied = self.products(lambda rows: self.apply(rows, B), B.shape[1])
            return applied + self.penalty * B

        return conjugate_gradients(gram, products, self.squares + self.penalty, start)


def _cholesky(gram: Float64, penalty: Float64) -> Float64:
    """Return the lower factor of a penalized Gram matrix, with a larger penalty if it needs one."""
    diagonal = np.diag(gram).copy()
    for jitter in (0.0, 1e-9, 1e-7, 1e-5, 1e-3):
        np.fill_diagonal(gram, diagonal + penalty + jitter * diagonal)
        try:
            return np.asarray(np.linalg.cholesky(gram), np.float64)
        except np.linalg.LinAlgError:
            continue
    raise ValueError(OVERFLOW)


def conjugate_gradients(
    apply: Callable[[Float64], Float64],
    right: Float64,
    diagonal: Float64,
    start: Float64 | None = None,
    steps: int = _STEPS,
) -> Float64:
    """Solve ``apply(x) = right`` for all columns at once (Hestenes and Stiefel, 1952).

    Parameters
    ----------
    apply : callable
        A symmetric positive definite linear map of arrays of shape (p, q); it may couple columns.
    right : float64 array of shape (p, q)
    diagonal : float64 array that broadcasts to (p, q)
        Preconditioner: the approximate diagonal of `apply`.
    start : float64 array of shape (p, q), optional
        Initial solution; zero by default.
    steps : int
        Maximum number of iterations.

    Returns
    -------
    float64 array of shape (p, q)
    """
    x = np.zeros_like(right) if start is None else start.copy()
    r = right - apply(x) if start is not None else right.copy()
    inverse = 1 / np.maximum(diagonal, np.finfo(float).tiny)
    inverse[diagonal <= 1e-290] = 0
    z = inverse * r
    p, old = z.copy(), float((r * z).sum())
    converged = _TOLERANCE**2 * float((right * (inverse * right)).sum())
    for _ in range(steps):
        if old <= converged:
            break
        q = apply(p)
        alpha = old / float((p * q).sum())
        x += alpha * p
        r -= alpha * q
        z = inverse * r
        old, before = float((r * z).sum()), old
        p = z + (old / before) * p
    return x
