"""Spherical clustering of a few hundred vectors that determines the number of clusters."""

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

    Spherical k-means with too many clusters; then the two clusters whose means have the largest
    cosine are merged, as long as it is above a threshold; then small clusters are merged with
    the nearest one. Cosines are corrected for noise: the mean of n random vectors is longer
    than their expectation, the more so the smaller n.

    Parameters
    ----------
    vectors : float32 array of shape (n, d)
        Of unit length, or zero.
    rng : numpy.random.Generator
        For the initialization of k-means.
    most : int
        Initial, and therefore maximum, number of clusters.
    threshold : float
        Clusters with a larger cosine are merged.
    smallest : float
        Clusters with a smaller share of the vectors are merged with the nearest one.

    Returns
    -------
    int32 array of shape (n,)
        Cluster of each vector; 0 is the largest.
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
        one, other = divmod(int(cosines.argmax()), len(sizes))
        if cosines[one, other] <= threshold:
            if sizes[-1] >= smallest * n:
                return labels
            one, other = len(sizes) - 1, int(cosines[-1].argmax())
        labels[labels == max(one, other)] = min(one, other)


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
    # n of the n² products in |sum|² are those of a vector with itself, which are pure noise
    square = (np.diag(product) - n) / np.maximum(n * (n - 1), 1)
    length = np.sqrt(np.maximum(square, 1e-3))
    cosines: npt.NDArray[np.float64] = product / np.outer(n * length, n * length)
    np.fill_diagonal(cosines, -np.inf)
    return cosines
