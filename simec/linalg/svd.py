"""Factors of a matrix by its singular vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import ArpackError, svds

from simec.linalg.checks import Float64, MatrixLike, check_size, real_matrix
from simec.linalg.eigen import signs

_SMALL = 500  # rows or columns, up to which all singular values are quick to get
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
