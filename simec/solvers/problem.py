"""Least squares S ≈ H W₁ W_l in matrices: the problem that closed forms and ALS solve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse
from torch import Tensor

from simec.data.inputs import chunks
from simec.types import Float64

RowReader = Callable[[Tensor], Any]
"""From consecutive row numbers to these rows of a matrix, as an array or CSR matrix."""

_JITTER = 1e-11  # of the squares of a feature, so that the Gram matrix of equal features is regular
_JITTER_SINGLE = 1e-5  # the same for moments in float32
MAX_GRAM = 4096  # features up to which a Gram matrix is built and factorized
_TOLERANCE = 1e-7
_STEPS = 100  # of conjugate gradients


@dataclass(frozen=True)
class Problem:
    """Minimise the squared errors of S ≈ H W₁ W_l.

    Matrices are read by chunks of rows where they may be too large to hold.

    Attributes
    ----------
    n_rows, n_features, n_targets, n_components : int
        m, p, n and d: H has shape (m, p), W₁ (p, d), and W_l (d, n).
    features : RowReader or None
        H; None for the identity.
    bias : bool
        Whether the last feature is 1 for all rows; its weights are not penalized.
    targets : RowReader or None
        S, zero where missing.
    S, weights : float arrays or CSR matrices of shape (m, n), or None
        If S has missing entries and is in memory: targets, zero where missing, and the weights of
        their squared errors, zero where missing. Sparse matrices store the same entries.
    absent : float
        Weight of the entries that sparse targets do not store, which are 0 then.
    ridge : float
        Penalty on ``|W₁ W_l|²``, divided by m.
    l2 : float
        Penalty on ``|W₁|² + |W_l|²`` with missing entries, divided by the sum of weights.
    l2_by_count : float
        Rows of the identity and columns of S are penalized in proportion to this power of their
        numbers of observed entries.
    column_features : array or CSR matrix of shape (n, p), or None
        Features of the points that the columns of a symmetric S stand for.
    same_points : bool
        Whether these are the rows of H.
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
        """Ridge regression on the features."""
        return Regression(self)


class Regression:
    """Ridge regression of any targets on the features of a problem.

    Everything is float64, but moments of float32 features. With many features, the equations
    are solved by conjugate gradients.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    penalized : float64 array of shape (p, 1)
        1 for weights that are penalized, 0 for those of the bias.
    squares : float64 array of shape (p, 1)
        Sum of the squares of each feature.
    factor : float64 array of shape (p, p), or None
        Lower Cholesky factor of the penalized Gram matrix; None with too many features, or the
        identity.
    penalty : float64 array of shape (p, 1)
        On squared weights; of length 0 for the identity.
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
        self._set_penalty(np.diag(gram), _JITTER_SINGLE if H.dtype == np.float32 else _JITTER)
        gram[np.diag_indices_from(gram)] += self.penalty[:, 0]
        self.factor = np.asarray(np.linalg.cholesky(gram), np.float64)

    def _set_penalty(self, squares: Float64, jitter: float) -> None:
        self.squares = squares[:, None].copy()
        self.penalty = (self.ridge + np.maximum(jitter * self.squares, 1e-300)) * self.penalized

    def chunks(self) -> Iterator[Tensor]:
        """Yield row numbers, as many at a time as memory allows."""
        return chunks(self.n_rows, self._width)

    def apply(self, rows: Tensor, B: Float64) -> Float64:
        """Return ``H B`` for some rows."""
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
        """Weights B that minimise ``|T - H B|²`` plus the penalty, given ``Hᵀ T``.

        Parameters
        ----------
        products : float64 array of shape (p, q)
        start : float64 array of shape (p, q), optional
            An approximation, where equations are solved by conjugate gradients.
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
        A symmetric positive linear map; columns need not be independent.
    right : float64 array of shape (p, q)
    diagonal : float64 array that broadcasts to (p, q)
        An approximation of the diagonal of `apply`, as a preconditioner.
    start : float64 array of shape (p, q), optional
    steps : int
        Maximum number of iterations.
    """
    x = np.zeros_like(right) if start is None else start.copy()
    r = right - apply(x) if start is not None else right.copy()
    inverse = 1 / np.maximum(diagonal, np.finfo(float).tiny)
    inverse[diagonal <= 1e-290] = 0
    z = inverse * r
    p, old = z.copy(), float((r * z).sum())
    enough = _TOLERANCE**2 * float((right * (inverse * right)).sum())
    for _ in range(steps):
        if old <= enough:
            break
        q = apply(p)
        alpha = old / float((p * q).sum())
        x += alpha * p
        r -= alpha * q
        z = inverse * r
        old, before = float((r * z).sum()), old
        p = z + (old / before) * p
    return x
