"""Similarities along a manifold: those that Isomap embeds."""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components, shortest_path
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_array, check_is_fitted

from simec.linalg.checks import Float64, MatrixLike


class Geodesic(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """-0.5 times squared geodesic distances (Tenenbaum et al., 2000).

    A geodesic distance is the length of the shortest path through the graph that links
    each point with its nearest neighbours. Centred, these similarities are the kernel
    matrix that `sklearn.manifold.Isomap` embeds.

    Where the graph falls into parts, each two are linked by their closest points, with a
    warning, as Isomap does it.

    Parameters
    ----------
    n_neighbors : int

    Attributes
    ----------
    distances_ : float64 array of shape (m, m)
        Of the points of `fit`.
    neighbors_ : NearestNeighbors
        Its points, searched for the neighbours of others.
    """

    def __init__(self, n_neighbors: int = 10) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: MatrixLike, y: object = None) -> Geodesic:  # noqa: ARG002
        """Compute the distances of some points.

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
        points = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32])
        n_points = points.shape[0]
        if not 1 <= self.n_neighbors < n_points:
            raise ValueError(
                f"n_neighbors is {self.n_neighbors}, but each of {n_points} points has "
                f"{n_points - 1} others"
            )
        self.neighbors_ = NearestNeighbors(n_neighbors=self.n_neighbors).fit(points)
        graph = self.neighbors_.kneighbors_graph(mode="distance")
        n_parts, parts = connected_components(graph, directed=False)
        if n_parts > 1:
            warnings.warn(
                f"the graph of {self.n_neighbors} neighbours has {n_parts} parts, which are "
                "linked by their closest points; take more neighbours if they belong together",
                stacklevel=2,
            )
            graph = _linked(graph, points, parts, n_parts)
        self.distances_: Float64 = shortest_path(graph, directed=False)
        return self

    def fit_transform(self, X: MatrixLike, y: object = None) -> Float64:  # noqa: ARG002
        """Give the similarities of the points to each other, of shape (m, m)."""
        self.fit(X)
        return _similarities(self.distances_)

    def transform(self, X: MatrixLike) -> Float64:
        """Give the similarities of other points to those of `fit`.

        Their paths begin with a step to one of their nearest neighbours.

        Parameters
        ----------
        X : array or sparse matrix of shape (k, D)

        Returns
        -------
        float64 array of shape (k, m)
        """
        check_is_fitted(self)
        steps, neighbors = self.neighbors_.kneighbors(X)
        distances = np.full((len(steps), len(self.distances_)), np.inf)
        # one neighbour after another: all at once would take as much memory times k
        for step, neighbor in zip(steps.T, neighbors.T, strict=True):
            np.minimum(distances, step[:, None] + self.distances_[neighbor], out=distances)
        return _similarities(distances)


def geodesic(X: MatrixLike, Y: MatrixLike | None = None, n_neighbors: int = 10) -> Float64:
    """-0.5 times squared geodesic distances. See `Geodesic`.

    Parameters
    ----------
    X : array or sparse matrix of shape (m, D)
    Y : array or sparse matrix of shape (n, D), optional
        The points that make the graph; by default X.
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
    """The graph with an edge between the closest points of each two parts."""
    members = [np.flatnonzero(parts == part) for part in range(n_parts)]
    edges = []
    for one, other in combinations(members, 2):
        closest, distances = pairwise_distances_argmin_min(X[one], X[other])
        best = int(distances.argmin())
        edges.append((one[best], other[closest[best]], distances[best]))
    rows, columns, lengths = (np.array(values) for values in zip(*edges, strict=True))
    # by coordinates, for edges of length 0 between equal points are edges too
    graph = graph.tocoo()
    return sparse.csr_matrix(
        (
            np.r_[graph.data, lengths],
            (np.r_[graph.row, rows], np.r_[graph.col, columns]),
        ),
        shape=graph.shape,
    )
