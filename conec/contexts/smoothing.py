"""Embeddings of known words: rows of W1, smoothed by what the rest of the network says.

A word's row of W1 is noisy, the more so the rarer the word is. What the rest of the network
says of the word, its row of W2 and the rows of W2 of the words around it, predicts the row by
ridge regression; the prediction, mixed in, makes a better embedding than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize, solve
from conec.types import FloatArray

_ROWS = 1 << 14  # at a time


@dataclass(frozen=True)
class LinearMap:
    """A map from one or several vectors of a word to another one.

    Each is brought to unit length, less the mean over all words, and to unit length again
    before it is multiplied; zero vectors stay zero.

    Attributes
    ----------
    means : float32 array of shape (k, d)
        Of the k vectors at unit length.
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
        """Least squares with a penalty on the map.

        Parameters
        ----------
        vectors : sequence of k float32 arrays of shape (V, d)
        targets : float32 array of shape (V, d')
        weights : array-like of shape (V,)
            Of each word's squared error, such as its count.
        ridge : float
            The penalty, in units of the mean eigenvalue of the vectors' covariance.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        n, size = targets.shape
        if any(array.shape != vectors[0].shape or len(array) != n for array in vectors):
            raise ValueError(f"each of {n} targets needs vectors of one length")
        weights = np.asarray(weights, np.float64)
        if weights.shape != (n,):
            raise ValueError(f"{n} targets need as many weights, not shape {weights.shape}")
        k, d = len(vectors), vectors[0].shape[1]
        means = np.stack([mean_direction(array) for array in vectors])
        covariance, products = np.zeros((k * d, k * d)), np.zeros((k * d, size))
        for rows in blocks(n):
            X = _standardised([array[rows] for array in vectors], means)
            weighted = (X * weights[rows, None]).astype(np.float32)
            covariance += weighted.T @ X
            products += weighted.T @ targets[rows]
        matrices = solve(covariance, products, ridge)
        return cls(means, matrices.reshape(k, d, size).astype(np.float32))

    def __call__(self, vectors: Sequence[FloatArray]) -> FloatArray:
        """Map the k vectors of some words, each of shape (n, d), to one of shape (n, d')."""
        X = _standardised(vectors, self.means)
        mapped: FloatArray = X @ self.matrices.reshape(X.shape[1], -1)
        return mapped


def smoothed(
    W1: FloatArray,
    W2: FloatArray,
    contexts: FloatArray,
    counts: npt.ArrayLike,
    amount: float,
) -> FloatArray:
    """Rows of W1, and `amount` times what is predicted of them, at unit length.

    The fewer words there are, the less can be learned: with V words for the n coefficients
    of each column of the map, a share n / (V + n) of what is predicted is the embedding of
    the word's contexts as it is, the thesis's own prediction.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
    contexts : float32 array of shape (V, 2 * d)
        Global context vectors times W1, and times W2.
    counts : array-like of shape (V,)
        Words count in the regression as often as they occur.
    amount : float

    Returns
    -------
    float32 array of shape (V, d)
        Zero for words without contexts.
    """
    result = normalize(W1)
    n, d = W1.shape
    own, other = contexts[:, :d], contexts[:, d:]
    learned = LinearMap.fit([W2, other], result - mean_direction(W1), counts)
    mean = mean_direction(own)[None]
    plain = np.float32(2 * d / (n + 2 * d))
    for rows in blocks(n):
        predicted = (1 - plain) * learned([W2[rows], other[rows]])
        predicted += plain * _standardised([own[rows]], mean)
        mixed = normalize(result[rows] + np.float32(amount) * predicted)
        # a word that never had a context was never trained
        result[rows] = mixed * contexts[rows].any(axis=1, keepdims=True)
    return result


def blocks(n: int) -> list[slice]:
    """Some rows at a time, so that intermediate arrays stay small."""
    return [slice(start, min(start + _ROWS, n)) for start in range(0, n, _ROWS)]


def mean_direction(vectors: FloatArray) -> FloatArray:
    """Mean of the rows at unit length, zero rows left out; shape (d,)."""
    total, n = np.zeros(vectors.shape[1]), 0
    for rows in blocks(len(vectors)):
        part = normalize(vectors[rows])
        total += part.sum(axis=0, dtype=np.float64)
        n += int(part.any(axis=1).sum())
    return (total / max(n, 1)).astype(np.float32)


def _standardised(vectors: Sequence[FloatArray], means: FloatArray) -> FloatArray:
    """All vectors of each word side by side, shape (n, k * d)."""
    parts = []
    for array, mean in zip(vectors, means, strict=True):
        there = array.any(axis=1, keepdims=True)
        parts.append(normalize((normalize(array) - mean) * there))
    return np.hstack(parts)
