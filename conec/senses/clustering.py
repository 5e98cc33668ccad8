"""Spherical clustering of a few hundred vectors, with the number of clusters from the data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize
from conec.types import FloatArray, IntArray

_MAX_ITERATIONS = 8  # of k-means: assignments hardly change later


def cluster(
    vectors: FloatArray,
    rng: np.random.Generator,
    *,
    most: int = 6,
    threshold: float = 0.3,
    smallest: float = 0.05,
) -> IntArray:
    """Cluster vectors; the number of clusters is determined by the data.

    First, spherical k-means makes `most` clusters. Then the two clusters whose means have the
    largest cosine are merged, as long as the cosine is above `threshold`. Then clusters that are
    too small are merged with the nearest one. Cosines are corrected for noise: the mean of n
    noisy vectors is longer than their expectation, especially if n is small.

    Parameters
    ----------
    vectors : float32 array of shape (n, d)
        Of unit length, or zero.
    rng : numpy.random.Generator
        For the initialization of k-means.
    most : int
        Initial number of clusters, which is also the maximum.
    threshold : float
        Clusters with a larger cosine are merged.
    smallest : float
        Clusters with a smaller share of the vectors are merged with the nearest one.

    Returns
    -------
    int32 array of shape (n,)
        Cluster of each vector; cluster 0 is the largest.
    """
    n = len(vectors)
    labels = _k_means(vectors, min(most, n), rng)
    while True:
        # drop empty clusters, and number the others by decreasing size
        sizes = np.bincount(labels)
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        new_labels = np.zeros(len(sizes), np.int32)
        new_labels[order] = np.arange(len(order), dtype=np.int32)
        labels, sizes = new_labels[labels], sizes[order]
        if len(sizes) < 2:
            return labels
        cosines = _cosines(_sums(vectors, labels, len(sizes)), sizes)
        i, j = divmod(int(cosines.argmax()), len(sizes))
        if cosines[i, j] <= threshold:
            if sizes[-1] >= smallest * n:
                return labels
            i, j = len(sizes) - 1, int(cosines[-1].argmax())
        labels[labels == max(i, j)] = min(i, j)


def _k_means(vectors: FloatArray, k: int, rng: np.random.Generator) -> IntArray:
    """Spherical k-means, initialized as in k-means++."""
    centers = np.zeros((k, vectors.shape[1]), np.float32)
    centers[0] = vectors[rng.integers(len(vectors))]
    nearest = np.full(len(vectors), -np.inf, np.float32)
    for i in range(1, k):
        np.maximum(nearest, vectors @ centers[i - 1], out=nearest)
        far = np.cumsum(np.maximum(1 - nearest, 0), dtype=np.float64)
        centers[i] = vectors[min(np.searchsorted(far, rng.random() * far[-1]), len(far) - 1)]
    labels: npt.NDArray[np.intp] = np.zeros(len(vectors), np.intp)
    for _ in range(_MAX_ITERATIONS):
        labels, before = (vectors @ centers.T).argmax(axis=1), labels
        if _ and (labels == before).all():
            break
        centers = normalize(_sums(vectors, labels, k))
    return labels.astype(np.int32)


def _sums(vectors: FloatArray, labels: npt.NDArray[np.integer], k: int) -> FloatArray:
    member: FloatArray = (labels == np.arange(k)[:, None]).astype(np.float32)
    return member @ vectors


def _cosines(sums: FloatArray, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Cosines of the clusters' means, corrected for noise; minus infinity on the diagonal."""
    n = sizes.astype(np.float64)
    product = (sums @ sums.T).astype(np.float64)
    # n of the n² products in |sum|² are of a vector with itself: they only measure noise
    square = (np.diag(product) - n) / np.maximum(n * (n - 1), 1)
    length = np.sqrt(np.maximum(square, 1e-3))
    cosines: npt.NDArray[np.float64] = product / np.outer(n * length, n * length)
    np.fill_diagonal(cosines, -np.inf)
    return cosines
