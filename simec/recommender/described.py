"""Ridge regression on features, with a penalty that is found by cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import lsqr

Float64 = npt.NDArray[np.float64]

_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # times the mean square of a feature
_FOLDS = 5
_STEPS = 200


def cross_validated_ridge(X: Any, y: Float64, weights: Float64) -> Float64:
    """Coefficients b with the least Σ weights (y - X b)² + λ |b|².

    λ is the one of a grid that predicts best what is left out, a fifth of the rows at a time.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, p)
    y, weights : float64 arrays of shape (n,)

    Returns
    -------
    float64 array of shape (p,)
        Zeros if no λ predicts better than 0 does, or there are too few rows to tell.
    """
    some = np.flatnonzero(weights > 0)
    nothing = np.zeros(X.shape[1])
    if len(some) < 2 * _FOLDS:
        return nothing
    X, y, weights = X[some], y[some], weights[some]
    root = np.sqrt(weights)
    scaled: Any
    if sparse.issparse(X):
        scaled = sparse.csr_matrix(X, dtype=np.float64).multiply(root[:, None]).tocsr()
        squares = float((scaled.data**2).sum())
    else:
        scaled = np.asarray(X, np.float64) * root[:, None]
        squares = float((scaled**2).sum())
    if not squares:
        return nothing
    target = root * y
    fold = np.random.default_rng(0).permutation(len(some)) % _FOLDS
    best, found = float((target**2).sum()), None
    for times in _PENALTIES:
        penalty = times * squares / X.shape[1]
        error = 0.0
        for k in range(_FOLDS):
            b = _ridge(scaled[fold != k], target[fold != k], penalty)
            error += float(((target[fold == k] - scaled[fold == k] @ b) ** 2).sum())
        if error < best:
            best, found = error, penalty
    return nothing if found is None else _ridge(scaled, target, found)


def _ridge(X: Any, y: Float64, penalty: float) -> Float64:
    b: Float64 = lsqr(X, y, damp=penalty**0.5, atol=1e-6, btol=1e-6, iter_lim=_STEPS)[0]
    return b
