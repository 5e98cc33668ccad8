"""Alternating least squares on observed targets, for embeddings that are linear in the features.

W₁ and W_l are solved for in turn, each with the other one fixed. Each step is a ridge regression
on the observed targets and never increases the error. Without features (the identity matrix) this
is the algorithm of Zhou et al. (2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from simec.data.inputs import chunks
from simec.linalg.factorization import (
    alternate,
    balanced,
    observed_grams,
    sampled_product,
    solve_observed,
    solve_semidefinite,
)
from simec.solvers.problem import Problem, RowReader, conjugate_gradients
from simec.types import Float64

_MAX_ITER = 50
_STEPS = 10, 50  # of conjugate gradients: warm-started or for initial weights; for an optimum
_TOL = 1e-4
_HELD = 1 << 27  # maximum size of the Gram matrices of all rows
_MIN_PENALTY = 1e-6  # relative to the mean square of W_l


def als(
    problem: Problem, W_l: Float64, *, max_iter: int = _MAX_ITER, tol: float = _TOL
) -> tuple[Float64, Float64]:
    """Minimize the mean squared error of observed targets, plus ``l2 (|W₁|² + |W_l|²)``.

    Parameters
    ----------
    problem : Problem
        With missing entries: `Problem.S` is set.
    W_l : float64 array of shape (d, n)
        Initial last layer.
    max_iter : int
    tol : float
        Stop when an iteration lowers the error by at most this fraction.

    Returns
    -------
    W1 : float64 array of shape (p, d)
    W_l : float64 array of shape (d, n)
        Its rows are orthogonal, and have the same norms as the columns of ``H W₁``.
    """
    S, weights, absent = _float64(problem.S), _float64(problem.weights), problem.absent
    l2 = problem.l2 * total_weight(weights, absent)
    # keep the penalty positive: rows and columns without observed entries stay well-posed
    minimum = max(_MIN_PENALTY * float((W_l**2).mean()), 1e-300)
    by_row, by_column = (relative_counts(weights, axis, problem.l2_by_count) for axis in (1, 0))
    penalty_l = np.maximum(l2 * by_column, minimum)
    if problem.features is None:
        penalty_1 = np.maximum(l2 * by_row, minimum)[:, None]
    else:
        regression = problem.regression
        penalty_1 = np.maximum(l2, minimum * regression.squares) * regression.penalized
    S_T, weights_T = (M.T.tocsr() if sparse.issparse(M) else M.T for M in (S, weights))
    weighted = _times(weights, S)
    total = float(_times(weighted, S).sum())

    def solve_left(
        W_l: Float64, previous: tuple[Float64, Float64] | None
    ) -> tuple[Float64, Float64]:
        start = None if previous is None else previous[0]
        W1 = _first_layer(problem, S, weights, W_l, penalty_1, start)
        return W1, embeddings(problem, W1)

    def solve_right(left: tuple[Float64, Float64]) -> Float64:
        return solve_rows(S_T, weights_T, left[1], penalty_l, absent).T

    def error(left: tuple[Float64, Float64], W_l: Float64) -> float:
        W1, Y = left
        # at the optimal W_l, the residual sum of squares is the total minus the explained
        explained = float((np.asarray(weighted @ W_l.T) * Y).sum())
        return total - explained + float((penalty_1 * W1**2).sum())

    (W1, Y), W_l, _ = alternate(solve_left, solve_right, error, W_l, max_iter=max_iter, tol=tol)
    return balanced(W1, Y, W_l)


def solve_first_layer(problem: Problem, W_l: Float64, *, thorough: bool = True) -> Float64:
    """Solve for W₁ with W_l fixed, on the observed targets.

    Parameters
    ----------
    problem : Problem
        With missing entries: `Problem.S` is set.
    W_l : float64 array of shape (d, n)
    thorough : bool
        Whether to solve the equations to high accuracy.

    Returns
    -------
    float64 array of shape (p, d)
    """
    S, weights = _float64(problem.S), _float64(problem.weights)
    weight = total_weight(weights, problem.absent)
    density = weight / (weights.shape[0] * weights.shape[1])
    minimum = max(1e-6 * density * float((W_l**2).sum(axis=1).mean()), 1e-300)
    l2: Any = problem.l2 * weight
    if problem.features is None:
        l2 = l2 * relative_counts(weights, 1, problem.l2_by_count)[:, None]
        penalty = np.maximum(l2, minimum)
    else:
        regression = problem.regression
        # the bias too: where W_l is nearly 0, it would be divided by that
        penalty = np.maximum(l2 * regression.penalized, minimum * regression.squares)
    return _first_layer(problem, S, weights, W_l, penalty, steps=_STEPS[thorough])


def _first_layer(
    problem: Problem,
    S: Any,
    weights: Any,
    W_l: Float64,
    penalty: Float64,
    start: Float64 | None = None,
    steps: int = _STEPS[1],
) -> Float64:
    """Solve for W₁, of shape (p, d), with W_l fixed and a penalty for each feature."""
    absent = problem.absent
    if problem.features is None:
        return solve_rows(S, weights, W_l.T, penalty[:, 0], absent)
    regression = problem.regression
    absent_gram = absent * (W_l @ W_l.T)
    grams = _row_grams(S, weights, W_l, absent)

    def gram(B: Float64) -> Float64:
        def back(rows: Any) -> Float64:
            Y, w = regression.apply(rows, B), _rows(weights, rows)
            if grams is not None:
                return np.asarray(_rows(grams, rows) @ Y[:, :, None])[:, :, 0]
            if sparse.issparse(w):
                values = (w.data - absent) * sampled_product(w, Y, W_l.T)
                predicted = sparse.csr_matrix((values, w.indices, w.indptr), w.shape)
                return np.asarray(predicted @ W_l.T + Y @ absent_gram)
            return np.asarray((w * (Y @ W_l)) @ W_l.T)

        return regression.products(back, B.shape[1]) + penalty * B

    weighted = _times(weights, S)
    right = regression.products(lambda rows: np.asarray(_rows(weighted, rows) @ W_l.T), len(W_l))
    density = total_weight(weights, absent) / (weights.shape[0] * weights.shape[1])
    diagonal = density * regression.squares * (W_l**2).sum(axis=1) + penalty
    steps = steps if start is None else _STEPS[0]
    return conjugate_gradients(gram, right, diagonal, start, steps)


def _row_grams(S: Any, weights: Any, W_l: Float64, absent: float) -> Float64 | None:
    """Sums of ``w wᵀ`` over the observed entries of each row, shape (m, d, d); None if too large.

    With them, a step costs O(d²) per row instead of O(d) per observed target.
    """
    m, d = weights.shape[0], len(W_l)
    if not sparse.issparse(weights) or m * d * d > _HELD or weights.nnz < m * d:
        return None
    result: Float64 = np.empty((m, d, d))
    result[:] = absent * (W_l @ W_l.T)
    for rows, grams, _ in observed_grams(S, W_l.T, weights.data, absent):
        result[rows] = grams
    return result


def solve_rows(
    S: Any, weights: Any, W: Float64, penalty: float | Float64, absent: float = 0.0
) -> Float64:
    """For each row of S, find the embedding y that minimizes the squared errors of ``W y``.

    Parameters
    ----------
    S, weights : float64 array or CSR matrix of shape (m, n)
        Targets, and weights of their squared errors, zero where missing.
    W : float64 array of shape (n, d)
    penalty : float, or float64 array of shape (m,)
        Penalty on the squared norm of each embedding.
    absent : float
        Weight of the entries that sparse targets do not store.

    Returns
    -------
    float64 array of shape (m, d)
        Zero for rows without observed entries.
    """
    if sparse.issparse(S):
        return solve_observed(S, W, penalty, weights.data, absent)
    d = W.shape[1]
    # sums of w wᵀ for many rows in one matrix product
    outer = (W[:, :, None] * W[:, None, :]).reshape(len(W), d * d)
    right = np.asarray((weights * S) @ W)
    penalty = np.broadcast_to(np.asarray(penalty), len(right))
    result = np.zeros_like(right)
    for rows in chunks(len(right), d * d):
        grams = (_rows(weights, rows) @ outer).reshape(-1, d, d)
        numbers = rows.numpy()
        grams[:, np.arange(d), np.arange(d)] += penalty[numbers, None]
        result[numbers] = solve_semidefinite(grams, right[numbers][:, :, None])[:, :, 0]
    return result


def impute(
    solve: Callable[[RowReader], tuple[Float64, Float64]],
    problem: Problem,
    W1: Float64,
    W_l: Float64,
) -> tuple[Float64, Float64]:
    """Solve a problem with missing entries by repeated imputation.

    In each iteration, missing entries are replaced by the current predictions and the completed
    problem is solved (Mazumder et al., 2010). If the solver finds its optimum, the error never
    increases.

    Parameters
    ----------
    solve : callable
        Takes complete targets; returns W₁ and W_l.
    problem : Problem
    W1, W_l : float64 arrays of shape (p, d) and (d, n)
        Initial weights.

    Returns
    -------
    W1, W_l
        Weights with the smallest error.
    """
    S, weights = _float64(problem.S), _float64(problem.weights)

    def residuals(Y: Float64, W_l: Float64, rows: Any) -> Float64:
        difference = _dense(_rows(S, rows)) - Y[rows] @ W_l
        return np.asarray(difference * _dense(_rows(weights, rows)))

    best, best_error = (W1, W_l), np.inf
    for _ in range(_MAX_ITER):
        Y = embeddings(problem, W1)
        W1, W_l = solve(lambda rows, Y=Y, W_l=W_l: Y[rows] @ W_l + residuals(Y, W_l, rows))  # type: ignore[misc]
        # the error of the initial weights is not compared: `solve` may be more constrained
        Y = embeddings(problem, W1)
        row_chunks = chunks(problem.n_rows, problem.n_targets)
        error = sum(float((residuals(Y, W_l, rows) ** 2).sum()) for rows in row_chunks)
        if error < best_error:
            best = W1, W_l
        if not error < best_error * (1 - _TOL):
            break
        best_error = error
    return best


def embeddings(problem: Problem, W1: Float64) -> Float64:
    """Return ``H W₁`` of shape (m, d)."""
    if problem.features is None:
        return W1
    regression = problem.regression
    return np.vstack([regression.apply(rows, W1) for rows in chunks(problem.n_rows)])


def relative_counts(weights: Any, axis: int, power: float) -> Float64:
    """(Number of observed entries / mean number) ** power, of rows (axis 1) or columns (axis 0).

    Rows and columns without observed entries are treated as if they had one.
    """
    counts = weights.getnnz(axis=axis) if sparse.issparse(weights) else (weights != 0).sum(axis)
    counts = np.maximum(counts, 1)
    relative: Float64 = (counts / counts.mean()) ** power
    return relative


def total_weight(weights: Any, absent: float) -> float:
    """Sum of all weights, including those of entries that sparse weights do not store."""
    total = float(weights.sum())
    if absent and sparse.issparse(weights):
        total += absent * (weights.shape[0] * weights.shape[1] - weights.nnz)
    return total


def _rows(M: Any, rows: Any) -> Any:
    return M[int(rows[0]) : int(rows[-1]) + 1]


def _dense(M: Any) -> Float64:
    return np.asarray(M.toarray() if sparse.issparse(M) else M)


def _times(A: Any, B: Any) -> Any:
    """Element-wise product; sparse matrices must have the same stored entries."""
    if not sparse.issparse(A):
        return A * B
    return sparse.csr_matrix((A.data * B.data, A.indices, A.indptr), A.shape)


def _float64(M: Any) -> Any:
    return M.astype(np.float64)
