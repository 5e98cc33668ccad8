"""Extreme eigenvalues and eigenvectors of a symmetric matrix."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from simec.linalg.checks import Matrix
from simec.types import Float64

Part = Literal["positive", "negative", "absolute"]
PARTS = ("positive", "negative", "absolute")

_SMALL = 500  # number of points up to which all eigenvalues are computed
_FEW = 10  # ratio of points to eigenvalues above which the Lanczos method is faster


def eigenpairs(S: Matrix, k: int, part: Part) -> tuple[Float64, Float64]:
    """Compute the k largest eigenvalues, the most negative ones, or the largest in magnitude.

    Uses the Lanczos method for few eigenvalues of large matrices. Signs are such that the entry of
    each eigenvector that is largest in magnitude is positive.

    Parameters
    ----------
    S : float array of shape (m, m)
        Symmetric, as checked by `checks.symmetric`.
    k : int
        From 1 to m.
    part : {"positive", "negative", "absolute"}

    Returns
    -------
    values : float64 array of shape (k,)
        Starting with the largest, the most negative, or the largest in magnitude, respectively.
    vectors : float64 array of shape (m, k)
    """
    exact: Float64 = S.astype(np.float64, copy=False)
    pairs = _by_lanczos(exact, k, part) if len(S) > max(_SMALL, _FEW * k) else None
    if pairs is None:
        pairs = _by_lapack(exact, k, part)
    values, vectors = pairs
    order = _order(values, part)[:k]
    return values[order], with_signs(vectors[:, order])


def with_signs(vectors: Float64) -> Float64:
    """Flip the signs of columns so that the entry largest in magnitude is positive."""
    return vectors * signs(vectors)


def signs(vectors: Float64) -> Float64:
    """Return the sign of the entry of each column that is largest in magnitude; 1 for zeros."""
    largest = np.abs(vectors).argmax(axis=0)
    return np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def _order(values: Float64, part: Part) -> Any:
    keys = {"positive": -values, "negative": values, "absolute": -np.abs(values)}
    return np.argsort(keys[part], kind="stable")


def _by_lapack(S: Float64, k: int, part: Part) -> tuple[Float64, Float64]:
    m = len(S)
    chosen = {"positive": (m - k, m - 1), "negative": (0, k - 1), "absolute": None}[part]
    values, vectors = linalg.eigh(S, subset_by_index=chosen)
    return values, vectors


def _by_lanczos(S: Float64, k: int, part: Part) -> tuple[Float64, Float64] | None:
    """Use ARPACK; None if it does not converge or misses an eigenvalue."""
    which = {"positive": "LA", "negative": "SA", "absolute": "LM"}[part]
    start = np.random.default_rng(0).normal(size=len(S))  # deterministic
    try:
        values, vectors = eigsh(S, k, which=which, v0=start)
        # ARPACK with one starting vector can miss copies of a repeated eigenvalue, as of classes
        # of the same size: search the deflated matrix for another one
        deflated = LinearOperator(
            S.shape, lambda x: S @ x - vectors @ (values * (vectors.T @ x)), dtype=np.float64
        )
        candidate = eigsh(deflated, 1, which=which, v0=start, tol=1e-6)[0][0]
    except ArpackError:
        return None
    score = {"positive": candidate, "negative": -candidate, "absolute": abs(candidate)}[part]
    least = {"positive": values, "negative": -values, "absolute": np.abs(values)}[part].min()
    # eigenvalues found before are 0 in the deflated matrix
    missed = score > max(least, 0) + 1e-8 * np.linalg.norm(S)
    return None if missed else (values, vectors)
