"""Factors of a matrix by its singular vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import ArpackError, svds

from simec.linalg.checks import Float64, MatrixLike, check_size, real_matrix
from simec.linalg.eigen import signs

_SMALL = 500  # rows or columns, up to which all singular values are quick to get
_NARROW = 256  # columns up to which right singular vectors come from the Gram matrix
_ROUNDING = 1e-13  # of the largest eigenvalue: smaller ones are rounding errors
_FEW = 5  # times as many rows and columns as singular values, from which on a search is faster


def svd(R: MatrixLike, n_components: int) -> tuple[Float64, Float64]:
    """Factorise a matrix as W1 W2, with W1 = U √Σ and W2 = √Σ Vᵀ (Sec. 2.1 of the thesis).

    The product is the closest one to R of all of rank d. Columns of W1 are orthogonal, and
    rows of W2; their entry of the largest magnitude in W1 is positive.

    Parameters
    ----------
    R : array or sparse matrix of shape (m, n)
        Entries that a sparse matrix does not store are 0.
    n_components : int
        The rank, d.

    Returns
    -------
    W1 : float64 array of shape (m, d)
    W2 : float64 array of shape (d, n)

    Raises
    ------
    ValueError
        If R holds NaN, or d is not from 1 to min(m, n).
    """
    if sparse.issparse(R):
        matrix = sparse.csr_array(R).astype(np.float64)
        if not np.isfinite(matrix.data).all():
            raise ValueError("R holds entries that are NaN or infinite: see svd_missing")
    else:
        matrix = real_matrix(R, "R").astype(np.float64, copy=False)
    return factors(*truncated_svd(matrix, check_size(n_components, min(matrix.shape))))


def truncated_svd(matrix: Any, k: int) -> tuple[Float64, Float64, Float64]:
    """Singular vectors and values of an array, sparse matrix or linear operator.

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
        start = np.random.default_rng(0).normal(size=smaller)  # the same result each time
        try:
            U, values, Vt = svds(matrix, k, v0=start)
            return U[:, ::-1], values[::-1], Vt[::-1]
        except ArpackError:
            pass  # the dense way, below
    if sparse.issparse(matrix):
        matrix = matrix.toarray()
    elif not isinstance(matrix, np.ndarray):
        matrix = matrix @ np.eye(matrix.shape[1])
    U, values, Vt = linalg.svd(matrix, full_matrices=False)
    return U[:, :k], values[:k], Vt[:k]


def factors(U: Float64, values: Float64, Vt: Float64) -> tuple[Float64, Float64]:
    """W1 and W2 of an SVD, with the signs that `svd` gives them."""
    sign, root = signs(U), np.sqrt(values)
    return U * (sign * root), (sign * root)[:, None] * Vt


def right_factor(M: Float64, k: int) -> tuple[Float64, Float64]:
    """Singular values of a matrix of shape (m, n), and its right singular vectors.

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
    # many times faster, and half of the digits are enough for float32 weights
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
        Rows of W_l are orthogonal, and as long as the columns of ``H W₁``.
    """
    d = len(W_l)
    Q, R = np.linalg.qr(W_l.T)
    T = np.linalg.qr(Y, mode="r")
    A, values, B = np.linalg.svd(T @ R.T, full_matrices=False)
    root = np.sqrt(values)
    turn = np.linalg.lstsq(T, A * root, rcond=None)[0]
    return padded(W1 @ turn, d), padded(Q @ (B.T * root), d).T


def padded(M: Float64, d: int) -> Float64:
    """Append columns of zeros, up to d columns."""
    return np.pad(M, ((0, 0), (0, max(d - M.shape[1], 0))))
