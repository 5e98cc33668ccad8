"""Ratings of what is alike: item-item neighbourhoods."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from simec.checks import check_integer, check_number
from simec.recommender.base import BaseRecommender
from simec.recommender.data.features import Points

_ITEMS = 1 << 9  # whose similarities are computed at a time


class Neighbourhood(BaseRecommender):
    """Averages, and a mean of what the user's ratings of similar items leave.

    The similarity of two items is the correlation of their residuals over users who rated
    both, times ``n / (n + shrinkage)`` for n of these: few users in common say little (Bell
    and Koren, 2007). Of a user's ratings those of the `n_neighbours` items that are most
    similar, and positively so, are taken::

        Σ s_ij r_uj / (Σ s_ij + regularization)

    Parameters
    ----------
    n_neighbours : int
    shrinkage : float
        Of similarities.
    power : float
        To which similarities are raised: more than 1 gives more to the nearest.
    regularization : float
        Draws a mean of weak neighbours to 0.
    shrinkage_users, shrinkage_items : float
        As of `BaseRecommender`.

    Attributes
    ----------
    similarity_ : float32 array of shape (n_items, n_items)
        0 on the diagonal.
    residuals_ : CSR matrix of shape (n_users, n_items)
    """

    def __init__(
        self,
        n_neighbours: int = 30,
        *,
        shrinkage: float = 100.0,
        power: float = 1.0,
        regularization: float = 0.1,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
    ) -> None:
        super().__init__(shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items)
        self.n_neighbours = n_neighbours
        self.shrinkage = shrinkage
        self.power = power
        self.regularization = regularization

    def _check(self) -> None:
        check_integer("n_neighbours", self.n_neighbours, 1)
        check_number("shrinkage", self.shrinkage, 0)
        check_number("regularization", self.regularization, 0)
        if check_number("power", self.power, 0) == 0:
            raise ValueError("power must be more than 0")

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        del users, items
        self.similarity_ = item_similarities(residuals, self.shrinkage)
        self.residuals_ = residuals

    def _residuals(self, users: Points, items: Points) -> Any:
        found = np.zeros((len(users), len(items)))
        known = np.flatnonzero(items.rows >= 0)
        S = self.similarity_[items.rows[known]]
        for place, row in enumerate(users.rows):
            if row < 0:
                continue
            entries = slice(self.residuals_.indptr[row], self.residuals_.indptr[row + 1])
            rated, values = self.residuals_.indices[entries], self.residuals_.data[entries]
            near = np.maximum(S[:, rated], 0)
            k = self.n_neighbours
            if k < near.shape[1]:
                least = np.partition(near, -k, axis=1)[:, -k][:, None]
                near = np.where(near >= least, near, 0)
            if self.power != 1:
                near = near**self.power
            total = near.sum(axis=1) + self.regularization
            found[place, known] = (near @ values) / np.where(total > 0, total, 1)
        return found

    def _item_vectors(self, items: Points) -> Any:
        # the nearest of those by `similar_items` are by residuals as they are
        columns = self.residuals_.T.tocsr()
        select = np.maximum(items.rows, 0)
        rows = columns[select].tocsr()
        keep = sparse.diags((items.rows >= 0).astype(np.float32))
        return (keep @ rows).tocsr()


def item_similarities(residuals: Any, shrinkage: float) -> Any:
    """Shrunk correlations of columns over rows that have both.

    Parameters
    ----------
    residuals : CSR matrix of shape (n_users, n_items)
        What is stored is known, zeros too.
    shrinkage : float

    Returns
    -------
    float32 array of shape (n_items, n_items)
        0 on the diagonal, and where no row has both.
    """
    there = residuals.astype(np.float32)
    there.data = np.ones_like(there.data)
    squares = residuals.multiply(residuals).tocsr()
    n = residuals.shape[1]
    found = np.zeros((n, n), np.float32)
    by_items, there_by_items, squares_by_items = (M.T.tocsr() for M in (residuals, there, squares))
    for start in range(0, n, _ITEMS):
        some = slice(start, min(start + _ITEMS, n))
        product = (by_items[some] @ residuals).toarray()
        both = (there_by_items[some] @ there).toarray()
        # lengths over users in common, of one and of the other
        one = (squares_by_items[some] @ there).toarray()
        other = (there_by_items[some] @ squares).toarray()
        scale = np.sqrt(one * other) * (both + shrinkage)
        np.divide(product * both, scale, out=found[some], where=scale > 0)
    np.fill_diagonal(found, 0)
    return found
