"""Clusters of vectors at several granularities: coarse ones are made of fine ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conec.linalg import normalize
from conec.types import FloatArray, IntArray

_ROWS = 4096  # vectors that are compared with all centres at a time


@dataclass(frozen=True)
class Clusters:
    """Groups of vectors that point in like directions.

    Attributes
    ----------
    mean : float32 array of shape (d,)
        Taken off before directions are compared: what all vectors share says nothing.
    centres : float32 array of shape (k, d)
        Of the finest groups.
    parents : int32 array of shape (k, levels)
        The group that each of these belongs to at each level, from 0.
    """

    mean: FloatArray
    centres: FloatArray
    parents: IntArray

    @property
    def sizes(self) -> list[int]:
        """How many groups each level has."""
        return [int(n) for n in self.parents.max(axis=0) + 1]

    @classmethod
    def fit(cls, vectors: FloatArray, sizes: Sequence[int], random_state: int = 0) -> Clusters:
        """Group vectors by k-means, and the groups by Ward's method.

        Parameters
        ----------
        vectors : float32 array of shape (n, d)
            Zero vectors are left out.
        sizes : sequence of int
            Groups at each level. Where there are fewer different vectors, there are
            fewer groups.
        random_state : int
            Where k-means starts.

        Raises
        ------
        ValueError
            If all vectors are zero.
        """
        from scipy.cluster.hierarchy import fcluster, linkage
        from sklearn.cluster import KMeans

        vectors = vectors[vectors.any(axis=1)]
        if not len(vectors):
            raise ValueError("there is nothing to group: all vectors are zero")
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        directions = normalize(vectors - mean)
        k = min(max(sizes), len(np.unique(directions, axis=0)))
        kmeans = KMeans(k, init="random", n_init=1, max_iter=20, random_state=random_state)
        centres = kmeans.fit(directions).cluster_centers_.astype(np.float32)
        tree = linkage(centres.astype(np.float64), "ward") if k > 1 else None
        parents = np.zeros((k, len(sizes)), np.int32)
        for level, size in enumerate(sizes):
            if size >= k:
                parents[:, level] = np.arange(k)
            elif tree is not None:
                parents[:, level] = fcluster(tree, size, "maxclust") - 1
        return cls(mean, centres, parents)

    def check(self, size: int, levels: int) -> None:
        """Raise ValueError unless the arrays fit together, and vectors of this size."""
        k = len(self.centres)
        shapes = self.mean.shape, self.centres.shape, self.parents.shape
        if shapes != ((size,), (k, size), (k, levels)) or not k:
            raise ValueError(f"arrays of groups have shapes that do not fit together: {shapes}")
        types = [array.dtype.name for array in (self.mean, self.centres, self.parents)]
        if types != ["float32", "float32", "int32"] or self.parents.min() < 0:
            raise ValueError("arrays of groups have other types or values than such arrays have")

    def assign(self, vectors: FloatArray) -> IntArray:
        """Nearest group of each vector at each level.

        Parameters
        ----------
        vectors : float32 array of shape (n, d)

        Returns
        -------
        int32 array of shape (n, levels)
            -1 for zero vectors.
        """
        found = np.full((len(vectors), self.parents.shape[1]), -1, np.int32)
        lengths = np.einsum("ij,ij->i", self.centres, self.centres)
        for start in range(0, len(vectors), _ROWS):
            block = vectors[start : start + _ROWS]
            directions = normalize(block - self.mean)
            nearest = (lengths - 2 * directions @ self.centres.T).argmin(axis=1)
            has = block.any(axis=1)
            found[start : start + _ROWS][has] = self.parents[nearest[has]]
        return found
