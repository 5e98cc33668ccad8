"""A Similarity Encoder with item features for new items (task T2a, thesis 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from corpora.checks import check_integer, check_number
from simec.linalg.factorization import mean_filled_factors, sampled_product, solve_observed
from simec.linalg.ridge import DualRidge, check_penalties
from simec.recommender.base import Entities, Unknown, check_vectors, training_rows
from simec.recommender.content_base import ContentRecommender
from simec.recommender.state import check_map, check_shape
from simec.types import Float64

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0)


class ColdStartRecommender(ContentRecommender):
    """A linear Similarity Encoder of item features, whose last layer is fitted for new items.

    Item embeddings are ``y = W₁ x + e``: a map of features, learned together with user vectors
    W_l from all ratings, and an offset e of each item, which is 0 for new items. W₁, e and W_l
    are solved for in turn, each by ridge regression. For items with ratings, ``y W_l`` is the
    prediction, as in `Recommender` with features.

    For new items, this last layer would be overconfident, because it was fitted to embeddings
    that depend on an item's own ratings. A second one is therefore fitted to leave-one-out
    embeddings: ``W₁ x`` of each item, with a W₁ that was regressed on the other items. It also
    takes the features themselves as input (connections that skip W₁). Biases are predicted as in
    `ContentRecommender`.

    Parameters
    ----------
    n_components : int
        Length d of embeddings, without the features that skip W₁.
    alpha : float
        Penalty on the weights of features that skip W₁.
    l2_users, l2_items : float
        Penalties on squared user vectors and on squared offsets of items.
    alphas : sequence of float
        Penalties of W₁ to choose from, by leave-one-out cross-validation.
    max_iter : int
        Number of iterations.
    shrinkage_users, shrinkage_items, unknown
        As in `BaseRecommender`.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    user_vectors_ : float64 array of shape (n_users, d)
    item_vectors_ : float64 array of shape (n_items, d)
        Embeddings with offsets, for items of the training data.
    alpha_ : float
        Selected penalty of W₁.
    map_ : tuple of arrays of shape (D, d) and (d,)
        W₁ and intercept.
    left_out_ : float32 array of shape (n_items, d)
        Leave-one-out embeddings of the training items: from features, as if each were new.
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
        unknown: Unknown = "error",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            alpha=alpha, shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items,
            unknown=unknown, verbose=verbose,
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
        check_number("l2_users", self.l2_users, 0, above=True)
        check_number("l2_items", self.l2_items, 0, above=True)
        check_penalties("alphas", self.alphas)

    def _fit_embeddings(self, residuals: Any, X: Any, used: Any) -> None:
        by_items = residuals.T.tocsr()
        d = min(self.n_components, *residuals.shape)
        V = np.ascontiguousarray(mean_filled_factors(residuals.astype(np.float64), d)[1].T)
        regression = DualRidge(X[used])
        expected = np.zeros_like(V)
        for _ in range(self.max_iter):
            W = solve_observed(residuals, V, self.l2_users)
            V = solve_near(by_items, W, expected, self.l2_items)
            fit = regression.fit(V[used], self.alphas)
            expected[used] = X[used] @ fit.weights + fit.intercept
        self.alpha_ = fit.alpha
        self.map_ = fit.weights, fit.intercept
        self.user_vectors_: Float64 = solve_observed(residuals, V, self.l2_users)
        self.item_vectors_: Float64 = V
        self.left_out_: Any = np.zeros(V.shape, np.float32)
        self.left_out_[used] = fit.left_out

    def _kernel(self, X: Any, items: Entities | None = None) -> Any:
        kernel = super()._kernel(X, items)
        Y = self.left_out_ if items is None else self._map(items).astype(np.float32)
        # scaled so that the penalty equals that of user vectors
        kernel += (Y @ self.left_out_.T) / np.float32(self.l2_users)
        return kernel

    def _map(self, items: Entities) -> Any:
        weights, intercept = self.map_
        return sparse.csr_matrix(items.features) @ weights + intercept

    def _residuals(self, users: Entities, items: Entities) -> Any:
        rated = self._is_rated(items)
        # float32, so that scores of a user do not depend on the other users of a batch
        residuals = np.zeros((len(users), len(items)), np.float32)
        W = training_rows(self.user_vectors_, users)
        residuals[:, rated] = W @ self.item_vectors_[items.rows[rated]].T
        new = np.flatnonzero(~rated)
        if len(new):
            residuals[:, new] = self._content_residuals(users, items.take(new))
        return residuals

    def _item_vectors(self, items: Entities) -> Any:
        vectors = training_rows(self.item_vectors_, items)
        new = np.flatnonzero(~self._is_rated(items) & items.has_features)
        if len(new):
            vectors[new] = self._map(items.take(new))
        return vectors

    def _check_state(self) -> None:
        super()._check_state()
        check_vectors(self)
        assert self.item_features_ is not None
        n_items, d = self.item_vectors_.shape
        check_shape("left_out_", self.left_out_, (n_items, d))
        check_map("map_", self.map_, self.item_features_.n_features, d)


def solve_near(observed: Any, other: Float64, expected: Float64, ridge: float) -> Float64:
    """Regress the observed entries of each row, with a penalty towards an expected vector.

    Minimizes ``Σ (r - v·w)² + ridge |v - expected|²``.

    Parameters
    ----------
    observed : CSR matrix of shape (m, n)
        Stored entries are observed, including zeros.
    other : float64 array of shape (n, d)
    expected : float64 array of shape (m, d)
    ridge : float

    Returns
    -------
    float64 array of shape (m, d)
    """
    residuals = observed.astype(np.float64)
    residuals.data -= sampled_product(residuals, expected, other)
    return expected + solve_observed(residuals, other, ridge)
