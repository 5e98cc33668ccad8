"""Some eigenvalues and eigenvectors of a symmetric matrix."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from simec.linalg.checks import Float64, Matrix

Part = Literal["positive", "negative", "absolute"]
PARTS = ("positive", "negative", "absolute")

_SMALL = 500  # points, up to which all eigenvalues are quick to get
_FEW = 10  # times as many points as eigenvalues, from which on Lanczos's method is faster


def eigenpairs(S: Matrix, k: int, part: Part) -> tuple[Float64, Float64]:
    """The k largest eigenvalues, those most negative, or those largest in magnitude.

    Lanczos's method where there are many points and few eigenvalues are wanted, and all
    eigenvalues otherwise. Signs of eigenvectors make their largest entry positive.

    Parameters
    ----------
    S : float array of shape (m, m)
        Symmetric: `checks.symmetric` says.
    k : int
        From 1 to m.
    part : {"positive", "negative", "absolute"}

    Returns
    -------
    values : float64 array of shape (k,)
        The first is the largest, the most negative, or the largest in magnitude.
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
    """Columns times 1 or -1, such that the entry of the largest magnitude is positive."""
    return vectors * signs(vectors)


def signs(vectors: Float64) -> Float64:
    """For each column, the sign of its entry of the largest magnitude; 1 for zeros."""
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
    """By ARPACK; None if it does not converge, or misses an eigenvalue."""
    which = {"positive": "LA", "negative": "SA", "absolute": "LM"}[part]
    start = np.random.default_rng(0).normal(size=len(S))  # the same result each time
    try:
        values, vectors = eigsh(S, k, which=which, v0=start)
        # a single starting vector can miss copies of a repeated eigenvalue, as classes of
        # the same size have them: is one left beside those found?
        rest = LinearOperator(
            S.shape, lambda x: S @ x - vectors @ (values * (vectors.T @ x)), dtype=np.float64
        )
        beside, _ = eigsh(rest, 1, which=which, v0=start, tol=1e-6)
    except ArpackError:
        return None
    score = {"positive": beside[0], "negative": -beside[0], "absolute": abs(beside[0])}[part]
    least = {"positive": values, "negative": -values, "absolute": np.abs(values)}[part].min()
    # those found count as 0 in the rest
    missed = score > max(least, 0) + 1e-8 * np.linalg.norm(S)
    return None if missed else (values, vectors)
