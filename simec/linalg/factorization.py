"""Factorizations of matrices: SVD, and least squares on their observed entries."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import ArpackError, LinearOperator, svds

from corpora.callbacks import progress_bar
from simec.linalg.checks import (
    LARGEST_DOUBLE,
    OVERFLOW,
    MatrixLike,
    check_magnitude,
    check_size,
    real_matrix,
)
from simec.linalg.eigen import signs
from simec.types import Float64

logger = logging.getLogger(__name__)

Left = TypeVar("Left")
Right = TypeVar("Right")
Values = TypeVar("Values")

_SMALL = 500  # number of rows or columns up to which all singular values are computed
_NARROW = 256  # number of columns up to which right singular vectors come from the Gram matrix
_ROUNDING = 1e-13  # fraction of the largest eigenvalue below which others are rounding errors
_FEW = 5  # ratio of the size to the number of singular values above which ARPACK is faster
_RANK = 1e-12  # eigenvalues below this fraction of the largest count as 0
_BUFFER = 1 << 20  # numbers held in memory at a time: linear systems, or gathered vectors
_SPREAD = 6  # rows are solved together if their numbers of entries differ by at most a sixth

# Singular value decomposition


def svd(R: MatrixLike, n_components: int) -> tuple[Float64, Float64]:
    """Factorize a matrix as W1 W2, with W1 = U √Σ and W2 = √Σ Vᵀ (Sec. 2.1 of the thesis).

    The product is the best approximation of R of rank d. Columns of W1 and rows of W2 are
    orthogonal. The entry of each column of W1 that is largest in magnitude is positive.

    Parameters
    ----------
    R : array or sparse matrix of shape (m, n)
        Entries that a sparse matrix does not store are 0.
    n_components : int
        The rank d.

    Returns
    -------
    W1 : float64 array of shape (m, d)
    W2 : float64 array of shape (d, n)

    Raises
    ------
    ValueError
        If R contains NaN or infinite values, or d is not from 1 to min(m, n).
    """
    if sparse.issparse(R):
        matrix = sparse.csr_array(R).astype(np.float64)
        if not np.isfinite(matrix.data).all():
            raise ValueError("R has NaN or infinite entries: use svd_missing for missing entries")
        check_magnitude("R", matrix.data, LARGEST_DOUBLE)
    else:
        matrix = real_matrix(R, "R").astype(np.float64, copy=False)
    return factors(*truncated_svd(matrix, check_size(n_components, min(matrix.shape))))


def truncated_svd(matrix: Any, k: int) -> tuple[Float64, Float64, Float64]:
    """Compute singular vectors and values of an array, sparse matrix or linear operator.

    Returns
    -------
    U : float64 array of shape (m, k)
    values : float64 array of shape (k,)
        In descending order.
    Vt : float64 array of shape (k, n)
    """
    smaller = min(matrix.shape)
    few = k * _FEW if isinstance(matrix, np.ndarray) else k
    if smaller > max(_SMALL, few):
        start = np.random.default_rng(0).normal(size=smaller)  # deterministic
        try:
            U, values, Vt = svds(matrix, k, v0=start)
            return U[:, ::-1], values[::-1], Vt[::-1]
        except ArpackError:
            pass  # use a dense decomposition below
    if sparse.issparse(matrix):
        matrix = matrix.toarray()
    elif not isinstance(matrix, np.ndarray):
        matrix = matrix @ np.eye(matrix.shape[1])
    U, values, Vt = linalg.svd(matrix, full_matrices=False)
    return U[:, :k], values[:k], Vt[:k]


def factors(U: Float64, values: Float64, Vt: Float64) -> tuple[Float64, Float64]:
    """Convert an SVD to factors W1 and W2, with signs as in `svd`."""
    sign, root = signs(U), np.sqrt(values)
    return U * (sign * root), (sign * root)[:, None] * Vt


def right_factor(M: Float64, k: int) -> tuple[Float64, Float64]:
    """Compute singular values and right singular vectors of a matrix of shape (m, n).

    Returns
    -------
    values : float64 array of shape (k,)
        In descending order.
    V : float64 array of shape (n, k)
    """
    m, n = M.shape
    if n > _NARROW or m < n:
        _, values, Vt = truncated_svd(M, k)
        return values, Vt.T
    # many times faster; it loses half of the digits, but float32 weights do not need them
    squares, V = linalg.eigh(M.T @ M, subset_by_index=(n - k, n - 1))
    squares = np.where(squares > _ROUNDING * squares.max(initial=0), squares, 0)
    return np.sqrt(squares[::-1]), V[:, ::-1]


def balanced(W1: Float64, Y: Float64, W_l: Float64) -> tuple[Float64, Float64]:
    """Rotate and scale factors of ``Y W_l``, with Y = H W₁, without changing the product.

    Parameters
    ----------
    W1 : float64 array of shape (p, d)
    Y : float64 array of shape (m, d)
    W_l : float64 array of shape (d, n)

    Returns
    -------
    W1, W_l
        Rows of W_l are orthogonal, and have the lengths of the columns of ``H W₁``.
    """
    d = len(W_l)
    Q, R = np.linalg.qr(W_l.T)
    T = np.linalg.qr(Y, mode="r")
    A, values, B = np.linalg.svd(T @ R.T, full_matrices=False)
    root = np.sqrt(values)
    turn = np.linalg.lstsq(T, A * root, rcond=None)[0]
    return padded(W1 @ turn, d), padded(Q @ (B.T * root), d).T


def finite(name: str, values: Values) -> Values:
    """Return results of a model, an array, sparse matrix or tensor; ValueError if not finite."""
    array: Any = values
    array = array.data if sparse.issparse(array) else array
    if not bool((array.isfinite() if hasattr(array, "isfinite") else np.isfinite(array)).all()):
        raise ValueError(f"{name} overflow: scale features to about 1, in training too")
    return values


def power_of_two(values: Any) -> float:
    """Return the power of two to divide an array by, so that its largest magnitude is 1 to 2.

    The division is exact. It prevents squares from overflowing or vanishing.

    Parameters
    ----------
    values : float array or sparse matrix
        Finite.

    Returns
    -------
    float
        1 if there are no values, or all are 0.
    """
    data = values.data if sparse.issparse(values) else values
    largest = float(np.abs(data).max(initial=0))
    # frexp is exact, where the rounded logarithm of the largest floats is 1024
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest else 1.0


def scaled(values: Any) -> Any:
    """Divide a float array or sparse matrix by `power_of_two`; a copy of the same type."""
    unit = power_of_two(values)
    if not sparse.issparse(values):
        return values / values.dtype.type(unit)
    result = values.copy()
    result.data /= result.dtype.type(unit)  # scipy multiplies by 1/unit, which may overflow
    return result


def padded(M: Float64, d: int) -> Float64:
    """Append columns of zeros, up to d columns."""
    return np.pad(M, ((0, 0), (0, max(d - M.shape[1], 0))))


# Least squares on observed entries


def alternate(
    solve_left: Callable[[Right, Left | None], Left],
    solve_right: Callable[[Left], Right],
    loss: Callable[[Left, Right], float],
    right: Right,
    *,
    max_iter: int,
    tol: float,
    floor: float = 0.0,
    progress: bool = False,
) -> tuple[Left, Right, bool]:
    """Alternating least squares: solve for each of two factors with the other one fixed.

    Parameters
    ----------
    solve_left : callable
        Takes the right factor and the previous left factor (None in the first iteration).
    solve_right : callable
        Takes the left factor.
    loss : callable
        Takes both factors.
    right : object
        Right factor to start from.
    max_iter : int
    tol : float
        Stop when an iteration lowers the loss by at most this fraction.
    floor : float
        Also stop when it lowers the loss by at most this amount, the rounding error of the loss.
    progress : bool
        Show a progress bar.

    Returns
    -------
    left, right : object
    converged : bool
        Whether a stopping criterion was met within `max_iter` iterations.
    """
    left: Left | None = None
    previous = np.inf
    iterations: Any = range(max_iter)
    if progress:
        iterations = progress_bar(
            iterations, desc="least squares", unit=" steps", shown=True, always=True
        )
    for iteration in iterations:
        left = solve_left(right, left)
        right = solve_right(left)
        current = loss(left, right)
        logger.debug("iteration %d: loss %.6g", iteration, current)
        if previous - current <= max(tol * abs(current), floor):
            return left, right, True
        previous = current
    assert left is not None, "max_iter is at least 1"
    return left, right, False


def factorize_observed(
    observed: Any,
    n_components: int,
    ridge: float,
    max_iter: int,
    tol: float,
    *,
    progress: bool = False,
) -> tuple[Float64, Float64, bool]:
    """Factorize a matrix by alternating least squares on its observed entries.

    Minimizes the squared errors of the observed entries plus ``ridge (|W1|² + |W2|²)``, starting
    from the SVD of the mean-filled matrix.

    Parameters
    ----------
    observed : float64 CSR matrix of shape (m, n)
        Stored entries are observed, including zeros.
    n_components : int
        The rank d, at most min(m, n).
    ridge : float
        With 0, the shortest solution is used where observed entries do not determine a vector.
    max_iter, tol
        As in `alternate`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    W1 : float64 array of shape (m, d)
    W2 : float64 array of shape (d, n)
        Both are orthogonal and balanced, like the factors of `svd`.
    converged : bool
    """
    W2 = mean_filled_factors(observed, n_components)[1]
    transposed = observed.T.tocsr()

    def loss(left: Float64, right: Float64) -> float:
        residuals = observed.data - sampled_product(observed, left, right)
        penalty = ridge * (float((left**2).sum()) + float((right**2).sum()))
        return penalty + float(residuals @ residuals)

    left, right, converged = alternate(
        lambda right, _: solve_observed(observed, right, ridge),
        lambda left: solve_observed(transposed, left, ridge),
        loss,
        np.ascontiguousarray(W2.T),
        max_iter=max_iter,
        tol=tol,
        floor=np.finfo(np.float64).eps * float(observed.data @ observed.data),
        progress=progress,
    )
    # the same product, with orthogonal factors
    Q1, R1 = linalg.qr(left, mode="economic")
    Q2, R2 = linalg.qr(right, mode="economic")
    U, values, Vt = linalg.svd(R1 @ R2.T)
    W1, W2 = factors(Q1 @ U, values, Vt @ Q2.T)
    return W1, W2, converged


def mean_filled_factors(observed: Any, n_components: int) -> tuple[Float64, Float64]:
    """Compute SVD factors of a matrix with missing entries replaced by the observed mean.

    The filled matrix is made dense only if it is small.

    Parameters
    ----------
    observed : float CSR matrix of shape (m, n)
        Stored entries are observed, including zeros.
    n_components : int
        The rank d.

    Returns
    -------
    W1 : float64 array of shape (m, d)
    W2 : float64 array of shape (d, n)
    """
    mean = observed.data.mean()
    # observed entries minus the mean, plus the mean everywhere
    centered = observed.copy()
    centered.data -= mean
    transposed = centered.T.tocsr()

    def product(x: Float64) -> Float64:
        return np.asarray(centered @ x + mean * x.sum(axis=0))

    def transposed_product(x: Float64) -> Float64:
        return np.asarray(transposed @ x + mean * x.sum(axis=0))

    filled = LinearOperator(
        observed.shape, matvec=product, rmatvec=transposed_product, matmat=product,
        rmatmat=transposed_product, dtype=np.float64,
    )  # fmt: skip
    return factors(*truncated_svd(filled, n_components))


def solve_observed(
    observed: Any,
    other: Float64,
    ridge: float | Float64,
    weights: Any = None,
    absent: float = 0.0,
) -> Float64:
    """Regress the observed entries of each row on the rows of `other`, with a ridge penalty.

    Parameters
    ----------
    observed : CSR matrix of shape (m, n)
        Stored entries are observed, including zeros.
    other : float64 array of shape (n, d)
    ridge : float, or float64 array of shape (m,)
        Penalty on the squared length of each vector. With 0, the shortest optimal vector is used.
    weights : float array of shape (nnz,), optional
        Weights of the squared errors of the stored entries, in their order; 1 by default.
    absent : float
        Weight of entries that are not stored. If positive, they are zeros instead of missing.
        Their sums are the same for all rows and computed once (Hu, Koren and Volinsky, 2008).

    Returns
    -------
    float64 array of shape (m, d)
        Zero for rows without observed entries.
    """
    m, d = observed.shape[0], other.shape[1]
    result = np.zeros((m, d))
    ridge = np.broadcast_to(np.asarray(ridge, np.float64), m)
    for rows, grams, products in observed_grams(observed, other, weights, absent):
        grams[:, np.arange(d), np.arange(d)] += ridge[rows, None]
        if ridge[rows].all():
            solutions = solve_semidefinite(grams, products)
        else:  # the shortest solution where observed entries do not determine it
            solutions = np.linalg.pinv(grams, rcond=_RANK, hermitian=True) @ products
        result[rows] = solutions[:, :, 0]
    return result


def solve_positive(matrix: Any, right: Any) -> Any:
    """Solve a system with a positive definite matrix, also if rounding makes it singular.

    Parameters
    ----------
    matrix : float array of shape (d, d)
    right : float array of shape (d,) or (d, k)

    Returns
    -------
    float array of the shape of `right`
    """
    try:
        factor = linalg.cho_factor(matrix, check_finite=False)
        return linalg.cho_solve(factor, right, check_finite=False)
    except np.linalg.LinAlgError:
        columns = np.asarray(right, np.float64).reshape(len(right), -1)
        solution = solve_semidefinite(np.asarray(matrix, np.float64)[None], columns[None])
        return solution.reshape(np.shape(right))


def solve_semidefinite(matrices: Float64, right: Float64) -> Float64:
    """Solve systems with positive semidefinite matrices, also if rounding makes them singular.

    A ridge penalty vanishes in rounding errors if it is much smaller than the squares of features.
    The shortest solution is returned then, in units in which the diagonal is 1.

    Parameters
    ----------
    matrices : float64 array of shape (b, d, d)
    right : float64 array of shape (b, d, k)

    Returns
    -------
    float64 array of shape (b, d, k)

    Raises
    ------
    ValueError
        If the matrices have values that are not finite: squares have overflowed.
    """
    try:
        solution = np.asarray(np.linalg.solve(matrices, right), np.float64)
        if np.isfinite(solution).all():
            return solution
    except np.linalg.LinAlgError:
        pass
    if not (np.isfinite(matrices).all() and np.isfinite(right).all()):
        raise ValueError(OVERFLOW)
    diagonal = np.diagonal(matrices, axis1=1, axis2=2)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, np.inf))[:, :, None]
    scaled = matrices * scale * scale.transpose(0, 2, 1)
    inverses = np.linalg.pinv(scaled, rcond=_RANK, hermitian=True)
    return np.asarray(scale * (inverses @ (scale * right)), np.float64)


def observed_grams(
    observed: Any, other: Float64, weights: Any = None, absent: float = 0.0
) -> Iterator[tuple[Any, Float64, Float64]]:
    """Compute both sides of the normal equations of `solve_observed`, in batches of rows.

    Yields
    ------
    rows : int64 array of shape (b,)
        Rows without observed entries are left out.
    grams : float64 array of shape (b, d, d)
    products : float64 array of shape (b, d, 1)
    """
    d = other.shape[1]
    padded = np.vstack([other, np.zeros((1, d))])
    # if all weights are equal, as for clicks, weight the sums instead of each vector
    same = 1.0 if weights is None else float(weights[0]) if _all_equal(weights) else None
    absent_gram = absent * (other.T @ other)
    for rows, positions, columns in _row_batches(observed, d):
        stored = columns < observed.shape[1]
        vectors = np.take(padded, columns, axis=0)  # twice as fast as indexing
        transposed = vectors.transpose(0, 2, 1)
        values = np.where(stored, observed.data[positions], 0)
        if same is not None:
            grams = (same - absent) * (transposed @ vectors) + absent_gram
            yield rows, grams, same * (transposed @ values[:, :, None])
        else:
            w = weights[positions]
            grams = transposed @ (vectors * (w - absent)[:, :, None]) + absent_gram
            yield rows, grams, transposed @ (values * w)[:, :, None]


def _all_equal(weights: Any) -> bool:
    return bool(len(weights)) and bool((weights == weights[0]).all())


def _row_batches(observed: Any, d: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield rows with similar numbers of entries, positions of these entries, and columns.

    Rows of a batch are padded to the same length, with position 0 and column n. Rows without
    entries are left out.
    """
    counts = np.diff(observed.indptr).astype(np.int64)
    order = np.argsort(counts, kind="stable")
    end, first = len(order), int(np.searchsorted(counts[order], 1))
    while end > first:
        length = int(counts[order[end - 1]])
        similar = int(np.searchsorted(counts[order[:end]], length - length // _SPREAD))
        start = max(first, similar, end - max(1, _BUFFER // (length * d + d * d)))
        rows = order[start:end]
        steps = np.arange(length)
        stored = steps < counts[rows, None]
        positions = np.where(stored, observed.indptr[rows, None].astype(np.int64) + steps, 0)
        yield rows, positions, np.where(stored, observed.indices[positions], observed.shape[1])
        end = start


def sampled_product(pattern: Any, left: Float64, right: Float64) -> Float64:
    """Compute the entries of ``left right.T`` at the stored positions of a CSR matrix.

    Parameters
    ----------
    pattern : CSR matrix of shape (m, n)
    left, right : float arrays of shape (m, d) and (n, d)

    Returns
    -------
    float64 array of shape (nnz,)
    """
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    result, right = np.empty(pattern.nnz), np.ascontiguousarray(right)
    size = max(1, _BUFFER // left.shape[1])
    for start in range(0, pattern.nnz, size):
        batch = slice(start, start + size)
        left_rows = np.take(left, rows[batch], axis=0)
        right_rows = np.take(right, pattern.indices[batch], axis=0)
        result[batch] = np.einsum("nd,nd->n", left_rows, right_rows)
    return result
