"""Each user's taste, as a linear function of item features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from simec.checks import check_number
from simec.linalg.ridge import DualRidge, kernel_ridge_rows, products
from simec.recommender.base import BaseRecommender
from simec.recommender.data.features import Points

Float64 = npt.NDArray[np.float64]

_ITEMS = 1 << 8  # whose predictions for all users are computed at a time
BIAS_ALPHAS = (300.0, 1000.0, 3000.0, 10000.0, 30000.0)


class ContentLinear(BaseRecommender):
    """Averages, and for each user a ridge regression of the rest on item features.

    Averages of new items come from features too: by a regression in which an item counts as
    often as it was rated, with the penalty that is best on items left out. What users' own
    regressions learn from are ratings less such averages of items left out, so that they see
    in training what they will see for new items.

    Parameters
    ----------
    alpha : float
        Penalty of users' regressions, in units of the squared error of one rating.
    shrinkage_users, shrinkage_items : float
        As of `BaseRecommender`.
    verbose : bool
        Show a bar.

    Attributes
    ----------
    bias_alpha_ : float
        The penalty of the regression of averages.
    bias_map_ : tuple of arrays of shape (D, 1) and (1,)
        Weights and intercept of it.
    duals_ : CSR matrix of shape (n_users, n_items)
        Of users' regressions: what is added for a new item is the sum of these times products
        of features.
    """

    def __init__(
        self,
        *,
        alpha: float = 10.0,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        verbose: bool = False,
    ) -> None:
        super().__init__(shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items)
        self.alpha = alpha
        self.verbose = verbose

    def _check(self) -> None:
        if check_number("alpha", self.alpha, 0) == 0:
            raise ValueError("alpha must be more than 0")

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        del users
        if items.features is None:
            raise ValueError(f"{type(self).__name__} needs item_features")
        counts = residuals.getnnz(axis=0)
        used = np.flatnonzero(items.described & (counts > 0))
        if not len(used):
            raise ValueError("no item with ratings has features")
        X = sparse.csr_matrix(items.features)
        found = DualRidge(X[used], counts[used]).fit(self.biases_.items[used, None], BIAS_ALPHAS)
        self.bias_alpha_ = found.alpha
        self.bias_map_ = found.weights, found.intercept
        # what averages from features, if items were new, would have left of each rating
        missed = np.zeros(len(items))
        missed[used] = self.biases_.items[used] - found.left_out[:, 0]
        rest = residuals.copy()
        rest.data += missed[residuals.indices].astype(np.float32)
        self._learn(residuals, X, used)
        self.duals_ = kernel_ridge_rows(rest, self._products(X), progress=self.verbose)

    # What `ColdStartRecommender` does otherwise

    def _learn(self, residuals: Any, X: Any, used: Any) -> None:
        """Learn more features, of which `_products` makes products."""

    def _products(self, X: Any, items: Points | None = None) -> Any:
        """Of the items of training, with features X, and of others; shape (n, n_items).

        Without others, of those of training as if each were new.
        """
        other = X if items is None else sparse.csr_matrix(items.features)
        found = products(other, X)
        found /= np.float32(self.alpha)
        return found

    # Predictions

    def _tastes(self, users: Points, items: Points) -> Any:
        """What is predicted from features, shape (n_users, n_items)."""
        X = sparse.csr_matrix(self._items().features)
        to_known = self._products(X, items)
        # 0 for items of which nothing is known
        to_known[~items.described] = 0
        found = np.asarray(self.duals_[np.maximum(users.rows, 0)] @ to_known.T, np.float64)
        found[users.rows < 0] = 0
        return found + self._averages(items)

    def _averages(self, items: Points) -> Any:
        """Of items without ratings, from features; 0 for the others."""
        weights, intercept = self.bias_map_
        found = sparse.csr_matrix(items.features) @ weights[:, 0] + intercept[0]
        return np.where(items.described & ~self._is_rated(items), found, 0)

    def _is_rated(self, items: Points) -> Any:
        counts = self.ratings_.item_counts
        return (items.rows >= 0) & (counts[np.maximum(items.rows, 0)] > 0)

    def _residuals(self, users: Points, items: Points) -> Any:
        return self._tastes(users, items)

    def _residual_pairs(self, users: Points, items: Points) -> Any:
        # each item once
        firsts, same = distinct(items)
        all_users, rows = distinct(users)
        found = np.empty(len(items))
        for start in range(0, len(firsts), _ITEMS):
            some = slice(start, start + _ITEMS)
            of = np.flatnonzero((same >= start) & (same < start + _ITEMS))
            matrix = self._residuals(users.take(all_users), items.take(firsts[some]))
            found[of] = matrix[rows[of], same[of] - start]
        return found

    def _item_vectors(self, items: Points) -> Any:
        return sparse.csr_matrix(items.features)


def distinct(points: Points) -> tuple[Any, Any]:
    """Places of different points, and for each point which of these it is."""
    if (points.rows < 0).any():
        return np.arange(len(points)), np.arange(len(points))
    _, firsts, same = np.unique(points.rows, return_index=True, return_inverse=True)
    return firsts, same
