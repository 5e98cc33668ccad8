"""Hierarchical clusters of vectors: each coarse cluster is a union of finer ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize
from conec.types import FloatArray, IntArray
from corpora.errors import warn
from corpora.saved_data import check_saved_array

logger = logging.getLogger(__name__)

_ROWS = 4096  # vectors that are compared with all centers at once


@dataclass(frozen=True)
class Clusters:
    """Clusters of vectors with similar directions.

    Attributes
    ----------
    mean : float32 array of shape (d,)
        Mean of all vectors, subtracted before directions are compared.
    centers : float32 array of shape (k, d)
        Centers of the finest clusters.
    parents : int32 array of shape (k, levels)
        Cluster that each of the finest clusters belongs to at each level, from 0.
    """

    mean: FloatArray
    centers: FloatArray
    parents: IntArray

    @property
    def centres(self) -> FloatArray:
        """Deprecated name of `centers`."""
        warn("Clusters.centres is deprecated, use Clusters.centers", DeprecationWarning)
        return self.centers

    @property
    def sizes(self) -> list[int]:
        """Number of clusters at each level."""
        return [int(n) for n in self.parents.max(axis=0) + 1]

    @classmethod
    def fit(cls, vectors: FloatArray, sizes: Sequence[int], random_state: int = 0) -> Clusters:
        """Cluster vectors by k-means, and merge these clusters by Ward's method.

        Parameters
        ----------
        vectors : float32 array of shape (n, d)
            Zero vectors are ignored.
        sizes : sequence of int
            Number of clusters at each level. If there are fewer distinct vectors, there are
            fewer clusters.
        random_state : int
            Seed of k-means.

        Raises
        ------
        ValueError
            If all vectors are zero.
        """
        from scipy.cluster.hierarchy import fcluster, linkage
        from sklearn.cluster import KMeans

        begin = time.perf_counter()
        vectors = vectors[vectors.any(axis=1)]
        if not len(vectors):
            raise ValueError("vectors cannot be clustered: all of them are zero")
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        directions = normalize(vectors - mean)
        k = min(max(sizes), len(np.unique(directions, axis=0)))
        kmeans = KMeans(k, init="random", n_init=1, max_iter=20, random_state=random_state)
        centers = kmeans.fit(directions).cluster_centers_.astype(np.float32)
        tree = linkage(centers.astype(np.float64), "ward") if k > 1 else None
        parents = np.zeros((k, len(sizes)), np.int32)
        for level, size in enumerate(sizes):
            if size >= k:
                parents[:, level] = np.arange(k)
            elif tree is not None:
                parents[:, level] = fcluster(tree, size, "maxclust") - 1
        seconds = time.perf_counter() - begin
        logger.info("clustered %d vectors into %d clusters in %.1f s", len(vectors), k, seconds)
        return cls(mean, centers, parents)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by the names used in files."""
        return {"mean": self.mean, "centres": self.centers, "parents": self.parents}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Clusters:
        """Create clusters from the result of `arrays`; KeyError if an array is missing."""
        return cls(arrays["mean"], arrays["centres"], arrays["parents"])

    def check(self, size: int, levels: int) -> None:
        """Raise ValueError unless the arrays match each other and vectors of length `size`."""
        arrays, k = self.arrays(), len(self.centers)
        check_saved_array("mean", arrays, "float32", (size,))
        check_saved_array("centres", arrays, "float32", (k, size))
        check_saved_array("parents", arrays, "int32", (k, levels))
        if not k or self.parents.min() < 0 or self.parents.max() >= k:
            raise ValueError(f"parents must be numbers of clusters, from 0 to {k - 1}")

    def assign(self, vectors: FloatArray) -> IntArray:
        """Assign each vector to the nearest cluster at each level.

        Parameters
        ----------
        vectors : float32 array of shape (n, d)

        Returns
        -------
        int32 array of shape (n, levels)
            -1 for zero vectors.
        """
        assigned = np.full((len(vectors), self.parents.shape[1]), -1, np.int32)
        lengths = np.einsum("ij,ij->i", self.centers, self.centers)
        for start in range(0, len(vectors), _ROWS):
            block = vectors[start : start + _ROWS]
            directions = normalize(block - self.mean)
            nearest = (lengths - 2 * directions @ self.centers.T).argmin(axis=1)
            nonzero = block.any(axis=1)
            assigned[start : start + _ROWS][nonzero] = self.parents[nearest[nonzero]]
        return assigned
