"""Kernels of feature vectors.

They take X of shape (m, D) and optionally Y of shape (n, D), by default X. Both may be sparse
and are not made dense; the result is dense. Names and parameters are those of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics import pairwise
from sklearn.utils.validation import check_array

from corpora.checks import check_number
from simec.linalg.checks import QUIET, Matrix, MatrixLike


def linear(X: MatrixLike, Y: MatrixLike | None = None) -> Matrix:
    """Compute scalar products.

    Returns
    -------
    float array of shape (m, n)
        float32 if X and Y are, float64 otherwise.

    Raises
    ------
    ValueError
        If X or Y contains NaN, their numbers of columns differ, or similarities overflow.
    """
    return _finite(pairwise.linear_kernel, X, Y)


def cosine(X: MatrixLike, Y: MatrixLike | None = None) -> Matrix:
    """Compute cosine similarities; 0 for rows of zeros. See `linear`."""
    Y = None if Y is None else _scaled_rows(Y)
    return _finite(pairwise.cosine_similarity, _scaled_rows(X), Y)


def rbf(X: MatrixLike, Y: MatrixLike | None = None, gamma: float | None = None) -> Matrix:
    """Compute the Gaussian kernel, exp(-gamma ‖x - y‖²). See `linear`.

    Parameters
    ----------
    X : array or sparse matrix of shape (m, D)
    Y : array or sparse matrix of shape (n, D), optional
    gamma : float, optional
        By default 1/D.
    """
    if gamma is not None:
        gamma = check_number("gamma", gamma, 0, above=True)
    return _finite(pairwise.rbf_kernel, X, Y, gamma)


def polynomial(
    X: MatrixLike,
    Y: MatrixLike | None = None,
    degree: float = 3,
    gamma: float | None = None,
    coef0: float = 1,
) -> Matrix:
    """Compute (gamma <x, y> + coef0) ** degree; gamma defaults to 1/D. See `linear`."""
    return _finite(pairwise.polynomial_kernel, X, Y, degree, gamma, coef0)


def _finite(kernel: Callable[..., Matrix], *arguments: Any) -> Matrix:
    """Call a kernel; raise ValueError if the result is not finite."""
    with np.errstate(**QUIET):
        similarities = kernel(*arguments)
    if not np.isfinite(similarities).all():
        raise ValueError("similarities overflow, or are not defined: scale X to about 1")
    return similarities


def _scaled_rows(X: MatrixLike) -> Any:
    """Divide rows by powers of two, so that their squares neither overflow nor vanish."""
    X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32])
    largest = abs(X).max(axis=1)
    largest = np.asarray(largest.toarray() if sparse.issparse(largest) else largest).ravel()
    _, exponents = np.frexp(largest)
    if not sparse.issparse(X):
        return np.ldexp(X, -exponents[:, None])
    scaled = X.copy()
    scaled.data = np.ldexp(X.data, -np.repeat(exponents, np.diff(X.indptr)))
    return scaled
