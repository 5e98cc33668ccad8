"""Spherical clustering that finds the number of clusters, for a few hundred vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize
from conec.types import FloatArray, IntArray

_ROUNDS = 8  # of k-means: assignments hardly change later


def cluster(
    vectors: FloatArray,
    rng: np.random.Generator,
    *,
    most: int = 6,
    threshold: float = 0.3,
    smallest: float = 0.05,
) -> IntArray:
    """Put vectors into as many clusters as there are.

    Spherical k-means with too many clusters; then the two whose means have the largest
    cosine become one, as long as it is above a threshold; then small clusters join the
    nearest. Cosines are those that the means of infinitely many vectors would have: the
    mean of n unit vectors is longer than theirs by noise alone, the more so the smaller n.

    Parameters
    ----------
    vectors : float32 array of shape (n, d)
        Of unit length, or zero.
    rng : numpy.random.Generator
        Draws where k-means begins.
    most : int
        Clusters to begin with.
    threshold : float
        Clusters that are more similar than that become one.
    smallest : float
        Clusters with a smaller share of the vectors join the nearest.

    Returns
    -------
    int32 array of shape (n,)
        The cluster of each, the largest being 0.
    """
    n = len(vectors)
    labels = _k_means(vectors, min(most, n), rng)
    while True:
        # empty ones go, the others are numbered anew from the largest on
        sizes = np.bincount(labels)
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        place = np.zeros(len(sizes), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        labels, sizes = place[labels], sizes[order]
        if len(sizes) < 2:
            return labels
        similar = _cosines(_sums(vectors, labels, len(sizes)), sizes)
        one, other = divmod(int(similar.argmax()), len(sizes))
        if similar[one, other] <= threshold:
            if sizes[-1] >= smallest * n:
                return labels
            one, other = len(sizes) - 1, int(similar[-1].argmax())
        labels[labels == max(one, other)] = min(one, other)


def _k_means(vectors: FloatArray, k: int, rng: np.random.Generator) -> IntArray:
    """Clusters by cosine, begun as in k-means++."""
    centres = np.zeros((k, vectors.shape[1]), np.float32)
    centres[0] = vectors[rng.integers(len(vectors))]
    nearest = np.full(len(vectors), -np.inf, np.float32)
    for i in range(1, k):
        np.maximum(nearest, vectors @ centres[i - 1], out=nearest)
        far = np.cumsum(np.maximum(1 - nearest, 0), dtype=np.float64)
        centres[i] = vectors[min(np.searchsorted(far, rng.random() * far[-1]), len(far) - 1)]
    labels: npt.NDArray[np.intp] = np.zeros(len(vectors), np.intp)
    for _ in range(_ROUNDS):
        labels, before = (vectors @ centres.T).argmax(axis=1), labels
        if _ and (labels == before).all():
            break
        centres = normalize(_sums(vectors, labels, k))
    return labels.astype(np.int32)


def _sums(vectors: FloatArray, labels: npt.NDArray[np.integer], k: int) -> FloatArray:
    member: FloatArray = (labels == np.arange(k)[:, None]).astype(np.float32)
    return member @ vectors


def _cosines(sums: FloatArray, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of the clusters' means but for noise; minus infinity for one with itself."""
    n = sizes.astype(np.float64)
    product = (sums @ sums.T).astype(np.float64)
    # of the n² products in |sum|², n are those of vectors with themselves, and say nothing
    square = (np.diag(product) - n) / np.maximum(n * (n - 1), 1)
    length = np.sqrt(np.maximum(square, 1e-3))
    cosines: npt.NDArray[np.float64] = product / np.outer(n * length, n * length)
    np.fill_diagonal(cosines, -np.inf)
    return cosines
