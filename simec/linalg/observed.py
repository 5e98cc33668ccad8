"""Factors of matrices with unknown entries, without a network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator
from sklearn.exceptions import ConvergenceWarning
from tqdm.auto import tqdm

from simec.linalg.checks import Float64, MatrixLike, check_size, real_matrix
from simec.linalg.svd import factors, truncated_svd

_NUMBERS = 1 << 20  # held at a time: for systems that are solved, or what is gathered
_ALIKE = 6  # rows are taken together if their entries differ by less than such a part


def svd_missing(
    R: MatrixLike,
    n_components: int,
    fill: Literal["mean", "iterative"] = "iterative",
    ridge: float = 0.0,
    max_iter: int = 200,
    tol: float = 1e-6,
    *,
    progress: bool = False,
) -> tuple[Float64, Float64]:
    """Factorise a matrix of which not all entries are known.

    Parameters
    ----------
    R : array or sparse matrix of shape (m, n)
        NaN where unknown. Of a sparse matrix the stored entries are known, zeros too, and
        it is not made dense.
    n_components : int
        The rank, d.
    fill : {"mean", "iterative"}
        "mean" puts the mean of the known entries in place of the unknown ones (the
        reference of Fig. 3.8 of the thesis): W1 W2 is close to the matrix so filled.
        "iterative" minimises the squared errors of known entries alone, plus `ridge`
        times the squares of W1 and W2, by alternating least squares that begin where
        "mean" ends. Less the mean first, if the matrix has one: rows and columns of which
        nothing is known are predicted as 0.
    ridge : float
        Takes what is not known to be smaller; above 0 where rows have few known entries.
    max_iter, tol
        "iterative" ends when the loss falls by less than `tol` times itself, or with a
        ConvergenceWarning after `max_iter` steps.
    progress : bool
        Show a bar.

    Returns
    -------
    W1 : float64 array of shape (m, d)
    W2 : float64 array of shape (d, n)
        Orthogonal and of the same lengths, as those of `svd`.

    Raises
    ------
    ValueError
        If no entry is known, one is infinite, or a parameter is out of range.
    """
    known = _known(R)
    d = check_size(n_components, min(known.shape))
    if fill not in ("mean", "iterative"):
        raise ValueError(f"fill is mean or iterative, not {fill!r}")
    if not ridge >= 0 or not tol >= 0 or max_iter < 1:
        raise ValueError(
            f"ridge and tol are at least 0 and max_iter 1, not {ridge}, {tol}, {max_iter}"
        )
    W1, W2 = factors(*truncated_svd(_filled(known), d))
    if fill == "mean":
        return W1, W2
    return _alternating(known, W1, W2, ridge, max_iter, tol, progress)


def _known(R: MatrixLike) -> Any:
    """The known entries, by rows; zeros are stored."""
    if sparse.issparse(R):
        known = sparse.csr_array(R, copy=True).astype(np.float64)
        known.sum_duplicates()
        if not np.isfinite(known.data).all():
            raise ValueError("R stores entries that are NaN or infinite: store what is known")
    else:
        array = real_matrix(R, "R", missing=True)
        rows, columns = np.nonzero(~np.isnan(array))
        values = array[rows, columns].astype(np.float64)
        known = sparse.csr_array((values, (rows, columns)), shape=array.shape)
    if not known.nnz:
        raise ValueError("R has no known entry")
    return known


def _filled(known: Any) -> Any:
    """The matrix with the mean of its known entries for the others."""
    mean = known.data.mean()
    # what is left of known entries, plus a matrix that is the same everywhere
    rest = known.copy()
    rest.data -= mean
    m, n = known.shape
    transposed = rest.T.tocsr()

    def times(x: Float64) -> Float64:
        product: Float64 = rest @ x + mean * x.sum(axis=0)
        return product

    def transposed_times(x: Float64) -> Float64:
        product: Float64 = transposed @ x + mean * x.sum(axis=0)
        return product

    return LinearOperator(
        (m, n),
        matvec=times,
        rmatvec=transposed_times,
        matmat=times,
        rmatmat=transposed_times,
        dtype=np.float64,
    )


def _alternating(
    known: Any, W1: Float64, W2: Float64, ridge: float, max_iter: int, tol: float, progress: bool
) -> tuple[Float64, Float64]:
    """Least squares for W1 and for W2 in turn."""
    left, right = W1, np.ascontiguousarray(W2.T)
    transposed = known.T.tocsr()
    before = np.inf
    floor = np.finfo(np.float64).eps * float(known.data @ known.data)
    for _ in tqdm(range(max_iter), disable=not progress, desc="least squares", unit="step"):
        left = solve_known(known, right, ridge)
        right = solve_known(transposed, left, ridge)
        loss = _loss(known, left, right, ridge)
        if before - loss <= max(tol * loss, floor):
            break
        before = loss
    else:
        warnings.warn(
            f"the loss still fell after {max_iter} steps: raise max_iter or tol",
            ConvergenceWarning,
            stacklevel=3,
        )
    # the same product, of orthogonal factors
    Q1, R1 = linalg.qr(left, mode="economic")
    Q2, R2 = linalg.qr(right, mode="economic")
    U, values, Vt = linalg.svd(R1 @ R2.T)
    return factors(Q1 @ U, values, Vt @ Q2.T)


def solve_known(
    known: Any,
    other: Float64,
    ridge: float | Float64,
    weights: Any = None,
    absent: float = 0.0,
) -> Float64:
    """For each row of known entries, the vector that explains them best by `other`.

    Parameters
    ----------
    known : CSR matrix of shape (m, n)
        What is stored is known, zeros too.
    other : float64 array of shape (n, d)
    ridge : float, or float64 array of shape (m,)
        On each squared vector. If it is 0 the shortest of the best vectors is taken.
    weights : float array of shape (nnz,), optional
        Of the squared errors of what is stored, in its order; 1 if left out.
    absent : float
        Weight of what is not stored, which is 0 then, not unknown. It costs no more: sums over
        all entries are the same for all rows (Hu, Koren and Volinsky, 2008).

    Returns
    -------
    float64 array of shape (m, d)
        Zero for rows of which nothing is known.
    """
    m, d = known.shape[0], other.shape[1]
    result = np.zeros((m, d))
    ridge = np.broadcast_to(np.asarray(ridge, np.float64), m)
    for rows, grams, products in known_grams(known, other, weights, absent):
        grams[:, np.arange(d), np.arange(d)] += ridge[rows, None]
        if ridge[rows].all():
            solutions = np.linalg.solve(grams, products)
        else:  # the shortest, where known entries do not tell
            solutions = np.linalg.pinv(grams, rcond=1e-12, hermitian=True) @ products
        result[rows] = solutions[:, :, 0]
    return result


def known_grams(
    known: Any, other: Float64, weights: Any = None, absent: float = 0.0
) -> Iterator[tuple[Any, Float64, Float64]]:
    """Both sides of the normal equations of `solve_known`, for some rows at a time.

    Yields
    ------
    rows : int64 array of shape (b,)
        Those of which nothing is known are left out.
    grams : float64 array of shape (b, d, d)
    products : float64 array of shape (b, d, 1)
    """
    d = other.shape[1]
    padded = np.vstack([other, np.zeros((1, d))])
    # where all weigh the same, as clicks do, sums are weighted and not each vector
    same = 1.0 if weights is None else float(weights[0]) if _alike(weights) else None
    every = absent * (other.T @ other)
    for rows, places, columns in _blocks(known, d):
        there = columns < known.shape[1]
        vectors = np.take(padded, columns, axis=0)  # twice as fast as indexing
        turned = vectors.transpose(0, 2, 1)
        values = np.where(there, known.data[places], 0)
        if same is not None:
            grams = (same - absent) * (turned @ vectors) + every
            yield rows, grams, same * (turned @ values[:, :, None])
        else:
            here = weights[places]
            grams = turned @ (vectors * (here - absent)[:, :, None]) + every
            yield rows, grams, turned @ (values * here)[:, :, None]


def _alike(weights: Any) -> bool:
    return bool(len(weights)) and bool((weights == weights[0]).all())


def _blocks(known: Any, d: int) -> Iterator[tuple[Any, Any, Any]]:
    """Rows with about as many entries each, the places of these, and their columns.

    Rows are filled up to the same length, with places of 0 and columns of n. Those without
    entries are left out.
    """
    counts = np.diff(known.indptr).astype(np.int64)
    order = np.argsort(counts, kind="stable")
    end, first = len(order), int(np.searchsorted(counts[order], 1))
    while end > first:
        length = int(counts[order[end - 1]])
        alike = int(np.searchsorted(counts[order[:end]], length - length // _ALIKE))
        start = max(first, alike, end - max(1, _NUMBERS // (length * d + d * d)))
        rows = order[start:end]
        steps = np.arange(length)
        there = steps < counts[rows, None]
        places = np.where(there, known.indptr[rows, None].astype(np.int64) + steps, 0)
        yield rows, places, np.where(there, known.indices[places], known.shape[1])
        end = start


def _loss(known: Any, left: Float64, right: Float64, ridge: float) -> float:
    gaps = known.data - sampled(known, left, right)
    return ridge * (float((left**2).sum()) + float((right**2).sum())) + float(gaps @ gaps)


def sampled(pattern: Any, left: Float64, right: Float64) -> Float64:
    """Entries of ``left right.T`` where a CSR matrix stores some, in their order.

    Parameters
    ----------
    pattern : CSR matrix of shape (m, n)
    left, right : float arrays of shape (m, d) and (n, d)

    Returns
    -------
    float64 array of shape (nnz,)
    """
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    found, right = np.empty(pattern.nnz), np.ascontiguousarray(right)
    size = max(1, _NUMBERS // left.shape[1])
    for start in range(0, pattern.nnz, size):
        some = slice(start, start + size)
        gathered = np.take(left, rows[some], axis=0), np.take(right, pattern.indices[some], axis=0)
        found[some] = np.einsum("nd,nd->n", *gathered)
    return found
