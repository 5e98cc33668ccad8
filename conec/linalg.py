"""Ridge regression from accumulated sums of products, so that rows need not fit in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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

    Products of float32 rows are computed in blocks in float32, and the blocks are added in float64.

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
        if (weight < 0).any():
            raise ValueError("weights must not be negative")
        for start in range(0, len(X), _ROWS):
            rows = slice(start, start + _ROWS)
            w = weight[rows]
            root = np.sqrt(w)[:, None].astype(X.dtype)
            # products in the precision of X, sums of blocks in double precision; X.T @ X takes
            # half the time of other products
            x, y = root * X[rows], root * Y[rows]
            sums = x.T @ x, x.T @ y, w @ X[rows], w @ Y[rows], w.sum()
            if not all(np.isfinite(total).all() for total in sums):
                raise ValueError("contexts, vectors and weights must be finite")
            self.xx += sums[0]
            self.xy += sums[1]
            self.x += sums[2]
            self.y += sums[3]
            self.total += float(sums[4])

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
    penalized = moments.copy()
    np.fill_diagonal(penalized, penalized.diagonal() + ridge * scale)
    return np.linalg.solve(penalized, products).astype(np.float64, copy=False)


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


def sample_rows(
    weights: DoubleArray, n: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], DoubleArray]:
    """Choose rows of a regression at random, in proportion to their weights.

    A row is chosen with probability p = min(1, c * weight), where c makes the expected number n,
    and gets the weight weight / p. Expected sums over rows stay the same, and rows with small
    weights, which contribute little, are rarely processed.

    Parameters
    ----------
    weights : float64 array of shape (m,)
        Not negative.
    n : int
        Expected number of rows; if no more weights are positive, their rows are all chosen.
    rng : Generator

    Returns
    -------
    rows : int64 array
        In ascending order.
    weights : float64 array
        Their new weights.
    """
    positive = np.flatnonzero(weights > 0)
    if len(positive) <= n:
        return positive, weights[positive]
    ordered = np.sort(weights[positive])[::-1]
    rest = np.cumsum(ordered[::-1])[::-1][:n]  # of the weights from the k-th on
    # the first k rows are certain, and the others share n - k
    k = int(np.argmax(ordered[:n] * np.arange(n, 0, -1) <= rest))
    probability = np.minimum(1, weights * ((n - k) / rest[k]))
    rows = np.flatnonzero(rng.random(len(weights)) < probability)
    return rows, weights[rows] / probability[rows]


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
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    if not np.isfinite(length).all():
        raise NotFiniteError("vectors have NaN, infinity or values that are too large")
    scale = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    result: FloatArray = vectors * scale
    return result
