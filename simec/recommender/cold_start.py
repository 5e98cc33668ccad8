"""A Similarity Encoder with item features that is made for new items (task T2a, thesis 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from simec.checks import check_integer, check_number
from simec.linalg.observed import mean_filled_factors, sampled_product, solve_observed
from simec.linalg.ridge import DualRidge, check_penalties
from simec.recommender.baselines.content_linear import ContentLinear, Float64
from simec.recommender.data.features import Points
from simec.recommender.factors import known_rows

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0)


class ColdStartRecommender(ContentLinear):
    """A linear Similarity Encoder of item features, whose last layer is fitted for new items.

    Item embeddings are ``y = W₁ x + e``: a map of features, learned together with user vectors
    W_l from all ratings, and what is the item's own, which is 0 for a new one. W₁, e and W_l
    are solved for in turn, each by ridge regression. For known items ``y W_l`` is the
    prediction, as of `Recommender` with features.

    For new items that last layer would expect too much: it was fitted to embeddings that know
    an item's own ratings. So it is fitted again, to embeddings ``W₁ x`` of each item by a W₁
    that was regressed on the others, joined by the features themselves (the embedding network
    has connections that skip W₁); averages are dealt with as in `ContentLinear`, which is this
    recommender with ``n_components=0``.

    Parameters
    ----------
    n_components : int
        Length d of embeddings, without features that skip W₁.
    alpha : float
        Penalty of weights of features that skip W₁.
    l2_users, l2_items : float
        What squared user vectors cost, and what is an item's own.
    alphas : sequence of float
        Penalties of W₁ to choose from, by the error on items left out.
    max_iter : int
        Rounds.
    shrinkage_users, shrinkage_items : float
        As of `BaseRecommender`.
    verbose : bool
        Show a bar.

    Attributes
    ----------
    user_vectors_ : float64 array of shape (n_users, d)
    item_vectors_ : float64 array of shape (n_items, d)
        For known items.
    alpha_ : float
        The penalty of W₁.
    map_ : tuple of arrays of shape (D, d) and (d,)
        W₁, and what is added.
    left_out_ : float32 array of shape (n_items, d)
        Embeddings of known items by features, as if they were new.
    """

    def __init__(
        self,
        n_components: int = 40,
        *,
        alpha: float = 20.0,
        l2_users: float = 10.0,
        l2_items: float = 10.0,
        alphas: Sequence[float] = ALPHAS,
        max_iter: int = 3,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            alpha=alpha, shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items,
            verbose=verbose,
        )  # fmt: skip
        self.n_components = n_components
        self.l2_users = l2_users
        self.l2_items = l2_items
        self.alphas = alphas
        self.max_iter = max_iter

    def _check(self) -> None:
        super()._check()
        check_integer("n_components", self.n_components, 1)
        check_integer("max_iter", self.max_iter, 1)
        for name in ("l2_users", "l2_items"):
            if check_number(name, getattr(self, name), 0) == 0:
                raise ValueError(f"{name} must be more than 0")
        check_penalties("alphas", self.alphas)

    # Hooks of ContentLinear

    def _learn(self, residuals: Any, X: Any, used: Any) -> None:
        by_items = residuals.T.tocsr()
        d = min(self.n_components, *residuals.shape)
        V = np.ascontiguousarray(mean_filled_factors(residuals.astype(np.float64), d)[1].T)
        points = DualRidge(X[used])
        expected = np.zeros_like(V)
        for _ in range(self.max_iter):
            W = solve_observed(residuals, V, self.l2_users)
            V = own(by_items, W, expected, self.l2_items)
            found = points.fit(V[used], self.alphas)
            expected[used] = X[used] @ found.weights + found.intercept
        self.alpha_ = found.alpha
        self.map_ = found.weights, found.intercept
        self.user_vectors_: Float64 = solve_observed(residuals, V, self.l2_users)
        self.item_vectors_: Float64 = V
        self.left_out_: Any = np.zeros(V.shape, np.float32)
        self.left_out_[used] = found.left_out

    def _products(self, X: Any, items: Points | None = None) -> Any:
        found = super()._products(X, items)
        Y = self.left_out_ if items is None else self._mapped(items).astype(np.float32)
        # so that the penalty is the same as of user vectors
        found += (Y @ self.left_out_.T) / np.float32(self.l2_users)
        return found

    def _mapped(self, items: Points) -> Any:
        weights, intercept = self.map_
        return sparse.csr_matrix(items.features) @ weights + intercept

    # Predictions of known items

    def _residuals(self, users: Points, items: Points) -> Any:
        rated = self._is_rated(items)
        # rounded, so that one user gets the same as among many
        found = np.zeros((len(users), len(items)), np.float32)
        W = known_rows(self.user_vectors_, users)
        found[:, rated] = W @ self.item_vectors_[items.rows[rated]].T
        new = np.flatnonzero(~rated)
        if len(new):
            found[:, new] = self._tastes(users, items.take(new))
        return found

    def _item_vectors(self, items: Points) -> Any:
        found = known_rows(self.item_vectors_, items)
        new = np.flatnonzero(~self._is_rated(items) & items.described)
        if len(new):
            found[new] = self._mapped(items.take(new))
        return found


def own(known: Any, other: Float64, expected: Float64, ridge: float) -> Float64:
    """For each row of known entries the vector that explains them, near what is expected.

    Minimises ``Σ (r - v·w)² + ridge |v - expected|²``.
    """
    rest = known.astype(np.float64)
    rest.data -= sampled_product(rest, expected, other)
    return expected + solve_observed(rest, other, ridge)
