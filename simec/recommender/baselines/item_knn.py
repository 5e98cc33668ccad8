"""Baseline: ratings of similar items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from corpora.checks import check_integer, check_number
from corpora.deprecated import renamed_parameters
from simec.linalg.factorization import scaled
from simec.recommender.base import BaseRecommender, Entities, Unknown, training_rows
from simec.recommender.state import check_shape

_ITEMS = 1 << 9  # items per batch of similarities


class ItemKNN(BaseRecommender):
    """Biases, and a weighted mean of the user's residuals of similar items.

    The similarity of two items is the correlation of their residuals over the n users who rated
    both, times ``n / (n + shrinkage)`` (Bell and Koren, 2007). The predicted residual of user u and
    item i is a weighted mean over the items j that u has rated, restricted to the `n_neighbors`
    most similar ones with positive similarity::

        Σ s_ij r_uj / (Σ s_ij + regularization)

    Parameters
    ----------
    n_neighbors : int
    shrinkage : float
        Shrinks similarities of items that were rated by few common users.
    power : float
        Exponent of similarities; above 1, the nearest items count more.
    regularization : float
        Shrinks the mean of weakly similar items towards 0.
    shrinkage_users, shrinkage_items, unknown
        As in `BaseRecommender`.

    Attributes
    ----------
    similarity_ : float32 array of shape (n_items, n_items)
        0 on the diagonal.
    residuals_ : CSR matrix of shape (n_users, n_items)
    """

    _renamed: ClassVar[Mapping[str, str]] = {"n_neighbours": "n_neighbors"}

    @renamed_parameters(n_neighbours="n_neighbors")
    def __init__(
        self,
        n_neighbors: int = 30,
        *,
        shrinkage: float = 100.0,
        power: float = 1.0,
        regularization: float = 0.1,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        unknown: Unknown = "error",
    ) -> None:
        super().__init__(
            shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items, unknown=unknown
        )
        self.n_neighbors = n_neighbors
        self.shrinkage = shrinkage
        self.power = power
        self.regularization = regularization

    def _check(self) -> None:
        super()._check()
        check_integer("n_neighbors", self.n_neighbors, 1)
        check_number("shrinkage", self.shrinkage, 0)
        check_number("regularization", self.regularization, 0)
        check_number("power", self.power, 0, above=True)

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        del users, items
        self.similarity_ = item_similarities(residuals, self.shrinkage)
        self.residuals_ = residuals

    def _residuals(self, users: Entities, items: Entities) -> Any:
        predicted = np.zeros((len(users), len(items)))
        known = np.flatnonzero(items.rows >= 0)
        S = self.similarity_[items.rows[known]]
        for i, row in enumerate(users.rows):
            if row < 0:
                continue
            entries = slice(self.residuals_.indptr[row], self.residuals_.indptr[row + 1])
            rated, values = self.residuals_.indices[entries], self.residuals_.data[entries]
            weights = np.maximum(S[:, rated], 0)
            k = self.n_neighbors
            if k < weights.shape[1]:
                lowest = np.partition(weights, -k, axis=1)[:, -k][:, None]
                weights = np.where(weights >= lowest, weights, 0)
            if self.power != 1:
                weights = weights**self.power
            total = weights.sum(axis=1) + self.regularization
            predicted[i, known] = (weights @ values) / np.where(total > 0, total, 1)
        return predicted

    def _item_vectors(self, items: Entities) -> Any:
        # `similar_items` compares columns of residuals, not shrunk similarities
        return training_rows(self.residuals_.T.tocsr(), items)

    def _check_state(self) -> None:
        super()._check_state()
        n_users, n_items = self.ratings_.shape
        check_shape("similarity_", self.similarity_, (n_items, n_items))
        if n_items and not -1.001 <= self.similarity_.min() <= self.similarity_.max() <= 1.001:
            raise ValueError("similarity_ must be from -1 to 1")
        check_shape("residuals_", self.residuals_, (n_users, n_items))
        if not sparse.issparse(self.residuals_) or not self.residuals_.has_canonical_format:
            raise ValueError("residuals_ must be a sparse matrix with one entry for each rating")


def item_similarities(residuals: Any, shrinkage: float) -> Any:
    """Compute shrunk correlations of columns, over rows with entries in both.

    Parameters
    ----------
    residuals : CSR matrix of shape (n_users, n_items)
        Stored entries are observed, including zeros.
    shrinkage : float

    Returns
    -------
    float32 array of shape (n_items, n_items)
        0 on the diagonal, and where no row has entries in both columns.
    """
    rated = residuals.astype(np.float32)
    rated.data = np.ones_like(rated.data)
    residuals = scaled(residuals)  # correlations do not change
    squares = residuals.multiply(residuals).tocsr()
    n = residuals.shape[1]
    similarities = np.zeros((n, n), np.float32)
    residuals_T, rated_T, squares_T = (M.T.tocsr() for M in (residuals, rated, squares))
    for start in range(0, n, _ITEMS):
        batch = slice(start, min(start + _ITEMS, n))
        product = (residuals_T[batch] @ residuals).toarray()
        counts = (rated_T[batch] @ rated).toarray()
        # squared lengths over common users, of one item and of the other
        first = (squares_T[batch] @ rated).toarray()
        second = (rated_T[batch] @ squares).toarray()
        scale = np.sqrt(first * second) * (counts + shrinkage)
        np.divide(product * counts, scale, out=similarities[batch], where=scale > 0)
    np.fill_diagonal(similarities, 0)
    return similarities
