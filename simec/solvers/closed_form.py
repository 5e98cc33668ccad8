"""Closed-form solutions for embeddings that are linear in the features.

With Y = H W₁, the least squares problem S ≈ H W₁ W_l is a reduced-rank regression (Izenman, 1975):
regress S on H, and keep the d directions of the fitted values with the largest variance. With the
constraint W_l = Yᵀ, that is S ≈ Y Yᵀ, the best Y follows from an eigendecomposition of S projected
to the span of H.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg, sparse

from simec.linalg.eigen import Part, eigenpairs
from simec.linalg.factorization import padded, right_factor, solve_positive
from simec.solvers.als import impute, solve_first_layer
from simec.solvers.problem import Problem, RowReader
from simec.types import Float64, FloatArray

_HELD = 1 << 26  # maximum size of Hᵀ S for the direct solution
_STEPS = 100  # of subspace iteration


def reduced_rank(problem: Problem) -> tuple[Float64, Float64]:
    """Solve a problem without missing entries for both layers.

    Returns
    -------
    W1 : float64 array of shape (p, d)
    W_l : float64 array of shape (d, n)
        Its rows are orthogonal, and have the same norms as the columns of ``H W₁``.
    """
    targets, n, d = problem.targets, problem.n_targets, problem.n_components
    regression = problem.regression
    assert targets is not None
    direct = problem.features is None or regression.factor is not None
    if problem.n_features * n <= _HELD and direct:
        C = regression.products(targets, n)
        values, V = right_factor(_half_solved(problem, C), min(d, *C.shape))
        fitted = regression.solve(C @ V)
    else:
        values, V, fitted = _by_iteration(problem, targets, min(d, n))
    root = np.sqrt(values)
    W1 = fitted / np.where(root > 1e-9 * root.max(initial=0), root, np.inf)
    return padded(W1, d), padded(V * root, d).T


def _half_solved(problem: Problem, C: Float64) -> Float64:
    """Return a matrix with Gram matrix ``Sᵀ Ŝ``, for fitted values Ŝ; ``C`` is ``Hᵀ S``."""
    regression = problem.regression
    if regression.factor is None:
        return np.asarray(C / np.sqrt(1 + regression.ridge))
    solved: Float64 = linalg.solve_triangular(regression.factor, C, lower=True)
    return solved


def _by_iteration(problem: Problem, targets: RowReader, d: int) -> tuple[Float64, Float64, Float64]:
    """Compute eigenvalues, V and the fit to ``S V`` by subspace iteration over the data."""
    n, regression = problem.n_targets, problem.regression
    V = np.random.default_rng(0).standard_normal((n, min(n, d + 10)))
    old, last = np.zeros(d), V
    B: Float64 | None = None
    for _ in range(_STEPS):
        V = linalg.qr(V, mode="economic")[0]
        products = regression.products(lambda rows, V=V: targets(rows) @ V, V.shape[1])  # type: ignore[misc]
        # start from the previous solution, rotated to the new V
        B = regression.solve(products, None if B is None else B @ (last.T @ V))
        last = V
        Z = np.zeros_like(V)
        for rows in regression.chunks():
            Z += targets(rows).T @ regression.apply(rows, B)
        small = V.T @ Z
        values, Q = linalg.eigh((small + small.T) / 2)
        values, Q = values[::-1][:d], Q[:, ::-1][:, :d]
        # Ritz vectors of d components; the iteration continues with the oversampled subspace
        result = np.sqrt(np.maximum(values, 0)), V @ Q, B @ Q
        if np.abs(values - old).max() <= 1e-6 * max(abs(values[0]), 1e-300):
            break
        old, V = values, Z
    return result


def first_layer(problem: Problem, W_l: Float64, *, thorough: bool = True) -> Float64:
    """Solve a problem for W₁ with W_l fixed.

    Parameters
    ----------
    problem : Problem
    W_l : float64 array of shape (d, n)
    thorough : bool
        Whether to solve the equations to high accuracy, if entries are missing.

    Returns
    -------
    float64 array of shape (p, d)
    """
    if problem.S is not None:
        return solve_first_layer(problem, W_l, thorough=thorough)
    targets = problem.targets
    assert targets is not None
    to_embeddings: Float64 = W_l.T @ linalg.pinvh(W_l @ W_l.T)

    def embeddings(rows: Any) -> Float64:
        S = targets(rows)
        return np.asarray(S @ to_embeddings.astype(S.dtype, copy=False))

    regression = problem.regression
    return regression.solve(regression.products(embeddings, len(W_l)))


def symmetric(problem: Problem, targets: RowReader | None = None) -> tuple[Float64, Float64]:
    """Find the best S ≈ Y Yᵀ with Y = H W₁; W_l holds the embeddings of the columns' points.

    If rows and columns represent different points, S is first approximated by ``H M H_nᵀ`` with M
    of unrestricted rank. The problem needs `Problem.column_features` and `Regression.factor`.

    Parameters
    ----------
    problem : Problem
    targets : RowReader, optional
        Targets without missing entries, to be used instead of those of the problem.

    Returns
    -------
    W1 : float64 array of shape (p, d)
    W_l : float64 array of shape (d, n)
    """
    regression, targets = problem.regression, targets or problem.targets
    L, H_n = regression.factor, problem.column_features
    assert L is not None
    assert targets is not None
    n = H_n.shape[0]
    C = regression.products(targets, n)
    H_n = H_n.toarray() if sparse.issparse(H_n) else H_n
    if problem.same_points:
        K = C @ H_n
        A = linalg.solve_triangular(L, linalg.solve_triangular(L, K, lower=True).T, lower=True)
    else:
        gram = H_n.T @ H_n
        gram[np.diag_indices_from(gram)] += regression.penalty[:, 0] * n / problem.n_rows
        M = solve_positive(gram, (regression.solve(C) @ H_n).T)
        A = L.T @ M @ L
    values, E = top_eigenvectors((A + A.T) / 2, problem.n_components, "positive")
    scaled = E * np.sqrt(np.maximum(values, 0))
    W1: Float64 = linalg.solve_triangular(L.T, scaled, lower=False)
    W_l: Float64 = (H_n @ W1).T
    return W1, W_l


def symmetric_observed(problem: Problem, W1: Float64, W_l: Float64) -> tuple[Float64, Float64]:
    """Solve `symmetric` for targets with missing entries, starting from W₁ and W_l."""
    return impute(lambda targets: symmetric(problem, targets), problem, W1, W_l)


def top_eigenvectors(M: Float64, d: int, part: Part) -> tuple[Float64, Float64]:
    """Return `eigenpairs`, padded with zeros to d pairs if M is smaller than that."""
    k = min(d, len(M))
    values, vectors = eigenpairs(M, k, part)
    return np.append(values, np.zeros(d - k)), padded(vectors, d)


def approximate_eigenvectors(M: FloatArray, d: int, part: Part) -> tuple[Float64, Float64]:
    """Approximate `top_eigenvectors` by a randomized range finder, which is much faster.

    Parameters
    ----------
    M : symmetric float array of shape (n, n)
    d : int
        Number of eigenvectors, much smaller than n.
    part : {"positive", "absolute"}

    References
    ----------
    Halko, Martinsson and Tropp (2011). Finding structure with randomness. Algorithm 4.4.
    """
    from sklearn.utils.extmath import randomized_range_finder

    Q = randomized_range_finder(M, size=min(2 * d + 10, len(M)), n_iter=4, random_state=0)
    values, vectors = top_eigenvectors((Q.T @ (M @ Q)).astype(np.float64), d, part)
    return values, Q @ vectors
