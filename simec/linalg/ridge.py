"""Ridge regression of many targets on sparse features, with errors on what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

Float64 = npt.NDArray[np.float64]

_ROWS = 1 << 9


@dataclass(frozen=True)
class Map:
    """From features to what was regressed on them: ``X @ weights + intercept``.

    Attributes
    ----------
    weights : float64 array of shape (D, k)
    intercept : float64 array of shape (k,)
    alpha : float
        The penalty that was chosen.
    errors : dict of float
        For each penalty, the weighted mean squared error on points left out.
    left_out : float64 array of shape (m, k)
        What is predicted for each point by a regression on the others.
    """

    weights: Float64
    intercept: Float64
    alpha: float
    errors: dict[float, float]
    left_out: Float64


class DualRidge:
    """Ridge regressions on the same points, by singular vectors of their features.

    Minimises ``Σ w_i |y_i - B x_i - c|² + α |B|²``. Features are decomposed once, for all
    targets and penalties.

    Parameters
    ----------
    X : CSR matrix or array of shape (m, D)
    weights : array of shape (m,), optional
        More than 0; 1 if left out.
    """

    def __init__(self, X: Any, weights: Any = None) -> None:
        w = np.ones(X.shape[0]) if weights is None else np.asarray(weights, np.float64)
        self._X, self._share, self._root = X, w / w.sum(), np.sqrt(w)
        self._center = np.asarray(X.T @ self._share).ravel()
        m, D = X.shape
        # singular vectors of centred features, by the smaller of their two products
        if m <= D:
            gram = products(X, X, np.float64)
            own = gram @ self._share
            gram -= own - float(self._share @ own)
            gram -= own[:, None]
            gram *= self._root
            gram *= self._root[:, None]
            # in the place of its argument: there may be ten thousand points
            values, self._U = linalg.eigh(gram, overwrite_a=True, check_finite=False)
        else:
            weighted = sparse.diags(w) @ X if sparse.issparse(X) else X * w[:, None]
            gram = products(X.T, weighted.T, np.float64)
            gram -= w.sum() * self._center[:, None] * self._center
            values, V = linalg.eigh(gram, overwrite_a=True, check_finite=False)
            some = values > max(m, D) * np.finfo(np.float64).eps * max(values.max(), 1e-300)
            values, V = values[some], V[:, some] / np.sqrt(values[some])
            self._U = self._root[:, None] * (np.asarray(X @ V) - self._center @ V)
        self._values = np.maximum(values, 0)

    def fit(self, Y: Float64, alphas: Sequence[float]) -> Map:
        """Regress on the points' features, with the penalty that is best on what is left out.

        Parameters
        ----------
        Y : array of shape (m, k)
        alphas : sequence of float
            More than 0. One is taken for all k.
        """
        mean = self._share @ Y
        rest = self._root[:, None] * (Y - mean)
        turned = self._U.T @ rest
        best, errors = None, {}
        for alpha in map(float, alphas):
            kept = self._values / (self._values + alpha)
            # the mean is one more direction, that of the root of the weights
            leverage = np.einsum("ij,ij,j->i", self._U, self._U, kept) + self._share
            left = np.maximum(1 - leverage, 1e-9)[:, None]
            gaps = (rest - self._U @ (kept[:, None] * turned)) / left
            errors[alpha] = float((gaps**2).sum() / (self._root**2).sum())
            if best is None or errors[alpha] < errors[best]:
                best, left_out = alpha, Y - gaps / self._root[:, None]
        assert best is not None, "there is a penalty at least"
        dual = self._root[:, None] * (self._U @ (turned / (self._values + best)[:, None]))
        # of centred features: their mean times the sum of the dual is taken off
        weights = np.asarray(self._X.T @ dual - self._center[:, None] * dual.sum(axis=0))
        return Map(weights, mean - self._center @ weights, best, errors, left_out)


def products(X: Any, other: Any, dtype: Any = np.float32) -> Any:
    """``X @ other.T`` as an array, of arrays or sparse matrices, some rows at a time."""
    found = np.empty((X.shape[0], other.shape[0]), dtype)
    columns = other.T
    if sparse.issparse(X):
        X, columns = X.tocsr(), sparse.csr_matrix(columns)
    for start in range(0, len(found), _ROWS):
        part = X[start : start + _ROWS] @ columns
        found[start : start + _ROWS] = part.toarray() if sparse.issparse(part) else part
    return found
