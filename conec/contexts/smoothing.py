"""Embeddings of known words: rows of W1, smoothed by a prediction from W2 and the contexts.

A word's row of W1 is noisy, especially if the word is rare. Its row of W2 and the rows of W2
of the words around it predict it by ridge regression; the row plus the prediction is a better
embedding than either of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize, solve
from conec.types import FloatArray

_ROWS = 1 << 14  # rows that are processed at a time


@dataclass(frozen=True)
class LinearMap:
    """A linear map from one or several vectors of a word to another vector.

    Each vector is scaled to unit length, centered, and scaled to unit length again before it
    is multiplied; zero vectors stay zero.

    Attributes
    ----------
    means : float32 array of shape (k, d)
        Means of the k vectors, scaled to unit length, over all words.
    matrices : float32 array of shape (k, d, d')
    """

    means: FloatArray
    matrices: FloatArray

    @classmethod
    def fit(
        cls,
        vectors: Sequence[FloatArray],
        targets: FloatArray,
        weights: npt.ArrayLike,
        *,
        ridge: float = 1e-3,
    ) -> LinearMap:
        """Fit by least squares with a penalty on the map.

        Parameters
        ----------
        vectors : sequence of k float32 arrays of shape (V, d)
        targets : float32 array of shape (V, d')
        weights : array-like of shape (V,)
            Weight of each word's squared error, such as its count.
        ridge : float
            Penalty, relative to the mean eigenvalue of the vectors' covariance.

        Raises
        ------
        ValueError
            If the shapes do not match.
        """
        n, size = targets.shape
        if any(array.shape != vectors[0].shape or len(array) != n for array in vectors):
            raise ValueError(
                f"vectors must all have the same shape, with a row for each of {n} targets, got "
                + ", ".join(str(array.shape) for array in vectors)
            )
        weights = np.asarray(weights, np.float64)
        if weights.shape != (n,):
            raise ValueError(f"weights must have shape ({n},), got {weights.shape}")
        k, d = len(vectors), vectors[0].shape[1]
        means = np.stack([mean_direction(array) for array in vectors])
        covariance, products = np.zeros((k * d, k * d)), np.zeros((k * d, size))
        for rows in blocks(n):
            X = _standardized([array[rows] for array in vectors], means)
            weighted = (X * weights[rows, None]).astype(np.float32)
            covariance += weighted.T @ X
            products += weighted.T @ targets[rows]
        matrices = solve(covariance, products, ridge)
        return cls(means, matrices.reshape(k, d, size).astype(np.float32))

    def __call__(self, vectors: Sequence[FloatArray]) -> FloatArray:
        """Map the k vectors of words, each of shape (n, d), to vectors of shape (n, d')."""
        X = _standardized(vectors, self.means)
        mapped: FloatArray = X @ self.matrices.reshape(X.shape[1], -1)
        return mapped


def smoothed(
    W1: FloatArray,
    W2: FloatArray,
    contexts: FloatArray,
    counts: npt.ArrayLike,
    amount: float,
) -> FloatArray:
    """Rows of W1 plus `amount` times their prediction, scaled to unit length.

    With few words, the map is poorly determined: for V words and n coefficients in each column
    of the map, a share n / (V + n) of the prediction is the embedding of the word's contexts
    as it is, which is the thesis's prediction.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
    contexts : float32 array of shape (V, 2 * d)
        Global context vectors times W1 and times W2, side by side.
    counts : array-like of shape (V,)
        Occurrences of each word: its weight in the regression.
    amount : float
        Weight of the prediction.

    Returns
    -------
    float32 array of shape (V, d)
        Zero for words without contexts.
    """
    result = normalize(W1)
    n, d = W1.shape
    contexts1, contexts2 = contexts[:, :d], contexts[:, d:]
    predict = LinearMap.fit([W2, contexts2], result - mean_direction(W1), counts)
    mean = mean_direction(contexts1)[None]
    plain = np.float32(2 * d / (n + 2 * d))
    for rows in blocks(n):
        predicted = (1 - plain) * predict([W2[rows], contexts2[rows]])
        predicted += plain * _standardized([contexts1[rows]], mean)
        mixed = normalize(result[rows] + np.float32(amount) * predicted)
        # words that never had a context were never trained
        result[rows] = mixed * contexts[rows].any(axis=1, keepdims=True)
    return result


def blocks(n: int) -> list[slice]:
    """Slices of n rows that are small enough for intermediate arrays."""
    return [slice(start, min(start + _ROWS, n)) for start in range(0, n, _ROWS)]


def mean_direction(vectors: FloatArray) -> FloatArray:
    """Mean of the rows scaled to unit length, without zero rows; shape (d,)."""
    total, n = np.zeros(vectors.shape[1]), 0
    for rows in blocks(len(vectors)):
        directions = normalize(vectors[rows])
        total += directions.sum(axis=0, dtype=np.float64)
        n += int(directions.any(axis=1).sum())
    return (total / max(n, 1)).astype(np.float32)


def _standardized(vectors: Sequence[FloatArray], means: FloatArray) -> FloatArray:
    """All vectors of each word side by side, shape (n, k * d)."""
    standardized = []
    for array, mean in zip(vectors, means, strict=True):
        nonzero = array.any(axis=1, keepdims=True)
        standardized.append(normalize((normalize(array) - mean) * nonzero))
    return np.hstack(standardized)
