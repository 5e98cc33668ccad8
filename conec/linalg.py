"""Ridge regression from accumulated sums of products, so that rows need not fit in memory."""

from __future__ import annotations

import numpy as np

from conec.quantization import Rows
from conec.types import DoubleArray, FloatArray

_ROWS = 1 << 14  # rows whose products are summed at a time
_FEW_ROWS = 1 << 11  # rows whose squares stay in the cache


class NothingToLearn(ValueError):
    """No row has a positive weight, or all rows are equal."""


class NotFiniteError(ValueError):
    """Vectors without a direction: a value is NaN, infinite or too large."""


class Moments:
    """Weighted sums of products for a regression of Y on X, accumulated over batches of rows.

    Parameters
    ----------
    d : int
        Number of columns of X and of Y.
    """

    def __init__(self, d: int) -> None:
        self.total = 0.0
        self.x, self.y = np.zeros(d), np.zeros(d)
        self.xx, self.xy = np.zeros((d, d)), np.zeros((d, d))

    def add(self, X: FloatArray, Y: FloatArray, weight: DoubleArray) -> None:
        """Add rows of X and Y, each with its weight.

        Raises
        ------
        ValueError
            If a value is not finite, or a weight is negative.
        """
        for start in range(0, len(X), _ROWS):
            rows = slice(start, start + _ROWS)
            x, y, w = X[rows].astype(np.float64), Y[rows].astype(np.float64), weight[rows]
            if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(w).all()):
                raise ValueError("contexts, vectors and weights must be finite")
            if (w < 0).any():
                raise ValueError("weights must not be negative")
            weighted = w[:, None] * x
            self.total += w.sum()
            self.x += weighted.sum(axis=0)
            self.y += w @ y
            self.xx += weighted.T @ x
            self.xy += weighted.T @ y

    def ridge(self, ridge: float) -> tuple[DoubleArray, DoubleArray]:
        """Fit centered Y as centered X times weights.

        Parameters
        ----------
        ridge : float
            Penalty on the squares of the weights, relative to the mean variance of X.

        Returns
        -------
        mean : float64 array of shape (d,)
            Of X.
        weights : float64 array of shape (d, d)

        Raises
        ------
        NothingToLearn
            If no row has a positive weight, or all rows of X are equal.
        """
        if not self.total > 0:
            raise NothingToLearn("no word has both contexts and a weight, so no map can be learned")
        x, y = self.x / self.total, self.y / self.total
        covariance = self.xx / self.total - np.outer(x, x)
        cross = self.xy / self.total - np.outer(x, y)
        # the variance is 0 up to rounding errors
        if not np.trace(covariance) / len(x) > 1e-9 * max(1e-30, np.trace(self.xx) / self.total):
            raise NothingToLearn("the contexts are all equal, so no map can be learned")
        return x, solve(covariance, cross, max(ridge, 1e-9))


def solve(moments: DoubleArray, products: DoubleArray, ridge: float) -> DoubleArray:
    """Solve the normal equations of a ridge regression of Y on X.

    Parameters
    ----------
    moments : float64 array of shape (d, d)
        X.T @ X; it may be weighted or centered.
    products : float64 array of shape (d, m)
        X.T @ Y, weighted and centered in the same way.
    ridge : float
        Penalty on the squares of the weights, relative to the mean eigenvalue of `moments`.

    Returns
    -------
    float64 array of shape (d, m)
        The weights; zero if `moments` is zero.
    """
    if (scale := np.trace(moments) / len(moments)) == 0:
        return np.zeros_like(products)
    return np.linalg.solve(moments + ridge * scale * np.eye(len(moments)), products)


def row_lengths(vectors: Rows) -> FloatArray:
    """Lengths of rows, shape (n,); in blocks, without a copy of the vectors.

    Parameters
    ----------
    vectors : float32 array or CompactRows of shape (n, d)
    """
    lengths = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _FEW_ROWS):
        rows = slice(start, start + _FEW_ROWS)
        lengths[rows] = np.linalg.norm(vectors[rows], axis=1)
    return lengths


def mean_row(vectors: Rows) -> FloatArray:
    """Mean of the rows, float32 of shape (d,); in blocks, without a copy of the vectors.

    Parameters
    ----------
    vectors : float32 array or CompactRows of shape (n, d)
    """
    if isinstance(vectors, np.ndarray):
        mean: FloatArray = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean
    total = np.zeros(vectors.shape[1])
    for start in range(0, len(vectors), _ROWS):
        total += vectors[start : start + _ROWS].sum(axis=0, dtype=np.float64)
    return (total / len(vectors)).astype(np.float32)


def normalize(vectors: FloatArray) -> FloatArray:
    """Scale vectors, along the last axis, to unit length; zero vectors stay zero.

    Parameters
    ----------
    vectors : float32 array of shape (..., d)

    Returns
    -------
    float32 array of the same shape

    Raises
    ------
    NotFiniteError
        If a value is NaN, infinite or too large.
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.isfinite(length).all():
        raise NotFiniteError("vectors have NaN, infinity or values that are too large")
    result: FloatArray = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return result
