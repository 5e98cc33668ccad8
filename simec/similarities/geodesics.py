"""Similarities by geodesic distances along a manifold, as in Isomap."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components, shortest_path
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted, validate_data

from corpora.errors import warn
from simec.data.frames import for_sklearn
from simec.linalg.checks import LARGEST, LARGEST_DOUBLE, MatrixLike, check_magnitude
from simec.types import Float64


class Geodesic(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """-0.5 times squared geodesic distances (Tenenbaum et al., 2000).

    A geodesic distance is the length of the shortest path through the graph of nearest neighbors.
    When centered, these similarities are the kernel matrix that `sklearn.manifold.Isomap` embeds.

    If the graph is not connected, each pair of its components is connected by their closest points,
    with a warning, as in Isomap.

    Parameters
    ----------
    n_neighbors : int

    Attributes
    ----------
    distances_ : float64 array of shape (m, m)
        Geodesic distances between the points passed to `fit`.
    neighbors_ : NearestNeighbors
        Finds neighbors among the points passed to `fit`.
    """

    def __init__(self, n_neighbors: int = 10) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: MatrixLike, y: object = None) -> Geodesic:  # noqa: ARG002
        """Compute geodesic distances between points.

        Parameters
        ----------
        X : array or sparse matrix of shape (m, D)
            More points than `n_neighbors`.
        y
            Ignored.

        Raises
        ------
        ValueError
            If X holds NaN or has too few points.
        """
        X = for_sklearn("X", X)
        points = validate_data(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        values = points.data if sparse.issparse(points) else points
        check_magnitude("X", values, LARGEST if points.dtype == np.float32 else LARGEST_DOUBLE)
        n_points = points.shape[0]
        if not 1 <= self.n_neighbors < n_points:
            raise ValueError(
                f"n_neighbors must be from 1 to {n_points - 1} for {n_points} points, got "
                f"{self.n_neighbors}"
            )
        self.neighbors_ = NearestNeighbors(n_neighbors=self.n_neighbors).fit(points)
        graph = self.neighbors_.kneighbors_graph(mode="distance")
        n_parts, parts = connected_components(graph, directed=False)
        if n_parts > 1:
            warn(
                f"the graph of {self.n_neighbors} nearest neighbors has {n_parts} connected "
                "components. They are connected by their closest points; increase n_neighbors if "
                "they belong together"
            )
            graph = _linked(graph, points, parts, n_parts)
        self.distances_: Float64 = shortest_path(graph, directed=False)
        return self

    def fit_transform(self, X: MatrixLike, y: object = None) -> Float64:  # noqa: ARG002
        """Compute the similarities between points, shape (m, m)."""
        self.fit(X)
        return _similarities(self.distances_)

    def transform(self, X: MatrixLike) -> Float64:
        """Compute the similarities of new points to those passed to `fit`.

        A path from a new point starts with an edge to one of its nearest neighbors.

        Parameters
        ----------
        X : array or sparse matrix of shape (k, D)

        Returns
        -------
        float64 array of shape (k, m)
        """
        check_is_fitted(self)
        X = for_sklearn("X", X)
        points = validate_data(self, X, accept_sparse="csr", reset=False)
        steps, neighbors = self.neighbors_.kneighbors(points)
        distances = np.full((len(steps), len(self.distances_)), np.inf)
        # one neighbor after another: all at once would need k times the memory
        for step, neighbor in zip(steps.T, neighbors.T, strict=True):
            np.minimum(distances, step[:, None] + self.distances_[neighbor], out=distances)
        return _similarities(distances)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def geodesic(X: MatrixLike, Y: MatrixLike | None = None, n_neighbors: int = 10) -> Float64:
    """Compute -0.5 times squared geodesic distances. See `Geodesic`.

    Parameters
    ----------
    X : array or sparse matrix of shape (m, D)
    Y : array or sparse matrix of shape (n, D), optional
        The points of the graph; by default X.
    n_neighbors : int

    Returns
    -------
    float64 array of shape (m, n)
    """
    measure = Geodesic(n_neighbors)
    if Y is None:
        return measure.fit_transform(X)
    return measure.fit(Y).transform(X)


def _similarities(distances: Float64) -> Float64:
    squares = distances**2
    squares *= -0.5
    return squares


def _linked(
    graph: sparse.csr_matrix, X: Any, parts: npt.NDArray[np.int32], n_parts: int
) -> sparse.csr_matrix:
    """Add an edge between the closest points of each pair of components."""
    members = [np.flatnonzero(parts == part) for part in range(n_parts)]
    edges = []
    for one, other in combinations(members, 2):
        closest, distances = pairwise_distances_argmin_min(X[one], X[other])
        best = int(distances.argmin())
        edges.append((one[best], other[closest[best]], distances[best]))
    rows, columns, lengths = (np.array(values) for values in zip(*edges, strict=True))
    # in coordinate format, which keeps edges of length 0 between equal points
    graph = graph.tocoo()
    return sparse.csr_matrix(
        (
            np.r_[graph.data, lengths],
            (np.r_[graph.row, rows], np.r_[graph.col, columns]),
        ),
        shape=graph.shape,
    )
