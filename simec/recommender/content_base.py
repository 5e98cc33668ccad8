"""Linear models of item features for each user: shared by content_linear and cold_start."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from corpora.checks import check_number
from simec.linalg.ridge import DualRidge, kernel_ridge_rows, products
from simec.recommender.base import BaseRecommender, Entities, Unknown, evaluate_pairs
from simec.recommender.state import check_map, check_shape

BIAS_ALPHAS = (300.0, 1000.0, 3000.0, 10000.0, 30000.0)


class ContentRecommender(BaseRecommender):
    """Biases, and for each user a ridge regression of the residuals on item features.

    Biases of new items are predicted from their features by a ridge regression. It weights items
    by their number of ratings, and its penalty is the one with the lowest leave-one-out error.
    Users' regressions are fitted to ratings minus leave-one-out predictions of the biases, so that
    training items are treated like new ones.

    Parameters
    ----------
    alpha : float
        Penalty of users' regressions, in units of the squared error of one rating.
    shrinkage_users, shrinkage_items, unknown
        As in `BaseRecommender`.
    verbose : bool
        Show a progress bar.
    """

    def __init__(
        self,
        *,
        alpha: float,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        unknown: Unknown = "error",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items, unknown=unknown
        )
        self.alpha = alpha
        self.verbose = verbose

    def _check(self) -> None:
        super()._check()
        check_number("alpha", self.alpha, 0, above=True)

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        del users
        if items.features is None:
            raise ValueError(f"{type(self).__name__} needs item_features")
        counts = residuals.getnnz(axis=0)
        used = np.flatnonzero(items.has_features & (counts > 0))
        if not len(used):
            raise ValueError("no item with ratings has features")
        X = sparse.csr_matrix(items.features)
        biases = self.biases_.items[used]
        fit = DualRidge(X[used], counts[used]).fit(biases[:, None], BIAS_ALPHAS)
        self.bias_alpha_ = fit.alpha
        self.bias_map_ = fit.weights, fit.intercept
        # subtract leave-one-out predictions of the biases instead of the biases
        missed = np.zeros(len(items))
        missed[used] = biases - fit.left_out[:, 0]
        targets = residuals.copy()
        targets.data += missed[residuals.indices].astype(np.float32)
        self._fit_embeddings(residuals, X, used)
        self.duals_ = kernel_ridge_rows(targets, self._kernel(X), progress=self.verbose)

    # Hooks

    def _fit_embeddings(self, residuals: Any, X: Any, used: Any) -> None:
        """Learn embeddings that `_kernel` adds to the features."""

    def _kernel(self, X: Any, items: Entities | None = None) -> Any:
        """Compute kernel values of items and the training items, shape (n, n_items).

        X holds the features of the training items. Without `items`, the rows are the training
        items, each as if it were new.
        """
        other = X if items is None else sparse.csr_matrix(items.features)
        kernel = products(other, X)
        kernel /= np.float32(self.alpha)
        return kernel

    # Predictions

    def _content_residuals(self, users: Entities, items: Entities) -> Any:
        """Predict residuals from features, shape (n_users, n_items)."""
        X = sparse.csr_matrix(self._items().features)
        kernel = self._kernel(X, items)
        kernel[~items.has_features] = 0
        residuals = np.asarray(self.duals_[np.maximum(users.rows, 0)] @ kernel.T, np.float64)
        residuals[users.rows < 0] = 0
        return residuals + self._new_biases(items)

    def _new_biases(self, items: Entities) -> Any:
        """Biases of items without ratings, predicted from features; 0 for other items."""
        weights, intercept = self.bias_map_
        biases = sparse.csr_matrix(items.features) @ weights[:, 0] + intercept[0]
        return np.where(items.has_features & ~self._is_rated(items), biases, 0)

    def _residuals(self, users: Entities, items: Entities) -> Any:
        return self._content_residuals(users, items)

    def _residual_pairs(self, users: Entities, items: Entities) -> Any:
        # the kernel is computed once for each item
        return evaluate_pairs(self._residuals, users, items)

    def _item_vectors(self, items: Entities) -> Any:
        return sparse.csr_matrix(items.features)

    def _check_state(self) -> None:
        super()._check_state()
        if self.item_features_ is None:
            raise ValueError("item features are missing")
        check_map("bias_map_", self.bias_map_, self.item_features_.n_features, 1)
        check_shape("duals_", self.duals_, self.ratings_.shape)
