"""Ridge regression from sums, so that its rows need not be in memory together."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from conec.types import FloatArray

Doubles: TypeAlias = npt.NDArray[np.float64]
_ROWS = 1 << 14  # whose products are summed at a time


class NothingToLearn(ValueError):
    """No row has a weight, or all are alike."""


class Moments:
    """Weighted sums of what a regression needs, which can be added to in pieces.

    Parameters
    ----------
    d : int
        Length of the rows on either side.
    """

    def __init__(self, d: int) -> None:
        self.total = 0.0
        self.x, self.y = np.zeros(d), np.zeros(d)
        self.xx, self.xy = np.zeros((d, d)), np.zeros((d, d))

    def add(self, X: FloatArray, Y: FloatArray, weight: Doubles) -> None:
        """Add rows of both sides, each with its weight.

        Raises
        ------
        ValueError
            If a value is not finite, or a weight below 0.
        """
        for start in range(0, len(X), _ROWS):
            some = slice(start, start + _ROWS)
            x, y, w = X[some].astype(np.float64), Y[some].astype(np.float64), weight[some]
            if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(w).all()):
                raise ValueError("contexts, vectors or weights hold values that are not finite")
            if (w < 0).any():
                raise ValueError("weights are not negative")
            weighted = w[:, None] * x
            self.total += w.sum()
            self.x += weighted.sum(axis=0)
            self.y += w @ y
            self.xx += weighted.T @ x
            self.xy += weighted.T @ y

    def ridge(self, ridge: float) -> tuple[Doubles, Doubles]:
        """Solve for the penalty `ridge`, a share of the mean variance of the left side.

        Returns
        -------
        mean : float64 array of shape (d,)
            Of the left side.
        weights : float64 array of shape (d, d)
            What its centred rows are multiplied by to come near the centred right side.

        Raises
        ------
        NothingToLearn
            If no row has a weight, or all are alike.
        """
        if not self.total > 0:
            raise NothingToLearn("no word has both contexts and a weight, so no map can be learned")
        x, y = self.x / self.total, self.y / self.total
        covariance = self.xx / self.total - np.outer(x, x)
        cross = self.xy / self.total - np.outer(x, y)
        # what is left of nothing by rounding
        if not np.trace(covariance) / len(x) > 1e-9 * max(1e-30, np.trace(self.xx) / self.total):
            raise NothingToLearn("the contexts are all alike, so there is nothing to learn")
        return x, solve(covariance, cross, max(ridge, 1e-9))


def solve(moments: Doubles, products: Doubles, ridge: float) -> Doubles:
    """Weights, given sums of products of the left side with itself, and with the right side.

    The penalty is in mean eigenvalues of the moments; where there are none, weights are zero.
    """
    if (scale := np.trace(moments) / len(moments)) == 0:
        return np.zeros_like(products)
    return np.linalg.solve(moments + ridge * scale * np.eye(len(moments)), products)


def normalize(vectors: FloatArray) -> FloatArray:
    """Scale vectors, along the last axis, to unit length; zero vectors stay zero.

    Parameters
    ----------
    vectors : float32 array of shape (..., d)

    Returns
    -------
    float32 array of the same shape
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: FloatArray = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return result
