"""Baselines: low-rank approximations of the residuals, without a network (thesis, 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import RidgeCV

from corpora.checks import check_integer, check_number
from simec.linalg.factorization import factorize_observed
from simec.linalg.ridge import check_penalties
from simec.recommender.base import (
    Entities,
    FactorRecommender,
    Unknown,
    check_vectors,
    training_rows,
)
from simec.recommender.content_base import BIAS_ALPHAS
from simec.recommender.state import check_map, check_shape
from simec.types import Float64

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class ResidualSVD(FactorRecommender):
    """Biases, and a low-rank approximation of the residuals.

    Minimizes the squared errors of observed residuals ("weighted, iterative": weight 1 for
    observed and 0 for missing entries) with a penalty; see `simec.spectral.svd_missing`.

    Parameters
    ----------
    n_components : int
        The rank d.
    ridge : float
        Penalty on squared factors, in units of the squared error of one rating.
    max_iter : int
    tol : float
        Stop when a step lowers the loss by less than this fraction.
    shrinkage_users, shrinkage_items, unknown
        As in `BaseRecommender`.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    user_vectors_ : float64 array of shape (n_users, d)
    item_vectors_ : float64 array of shape (n_items, d)
    """

    def __init__(
        self,
        n_components: int = 20,
        *,
        ridge: float = 10.0,
        max_iter: int = 30,
        tol: float = 1e-4,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        unknown: Unknown = "error",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items, unknown=unknown
        )
        self.n_components = n_components
        self.ridge = ridge
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose

    def _check(self) -> None:
        super()._check()
        check_integer("n_components", self.n_components, 1)
        check_integer("max_iter", self.max_iter, 1)
        check_number("ridge", self.ridge, 0)
        check_number("tol", self.tol, 0)

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        del users, items
        # with few users or items, the rank is at most their number
        d = min(self.n_components, *residuals.shape)
        # whether it has converged does not matter: the last steps change predictions by less
        # than the noise
        left, right, _ = factorize_observed(
            residuals.astype(np.float64), d, self.ridge, self.max_iter, self.tol,
            progress=self.verbose,
        )  # fmt: skip
        self.user_vectors_: Float64 = left
        self.item_vectors_: Float64 = np.ascontiguousarray(right.T)

    def _embed_users(self, users: Entities) -> Any:
        return training_rows(self.user_vectors_, users)

    def _embed_items(self, items: Entities) -> Any:
        return training_rows(self.item_vectors_, items)

    def _check_state(self) -> None:
        super()._check_state()
        check_vectors(self)


class SVDRidge(ResidualSVD):
    """`ResidualSVD`, and ridge regression from features to its embeddings.

    The baseline "SVD & regression" of the thesis; a Similarity Encoder with features learns both
    steps at once. Where items or users have features, their embeddings are the predictions of the
    regression, including those of the training data. Biases of new items and users are also
    predicted by a ridge regression.

    Parameters
    ----------
    n_components, ridge, max_iter, tol, shrinkage_users, shrinkage_items, unknown, verbose
        As in `ResidualSVD`.
    alphas : sequence of float
        Penalties of the regression to choose from, by leave-one-out cross-validation.

    Attributes
    ----------
    item_alpha_, user_alpha_ : float or None
        Selected penalties of the regressions.
    user_vectors_, item_vectors_
        Embeddings of the decomposition, before the regression.
    """

    def __init__(
        self,
        n_components: int = 20,
        *,
        alphas: Sequence[float] = ALPHAS,
        ridge: float = 10.0,
        max_iter: int = 30,
        tol: float = 1e-4,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        unknown: Unknown = "error",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            n_components, ridge=ridge, max_iter=max_iter, tol=tol,
            shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items, unknown=unknown,
            verbose=verbose,
        )  # fmt: skip
        self.alphas = alphas

    def _check(self) -> None:
        super()._check()
        check_penalties("alphas", self.alphas)

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        if users.features is None and items.features is None:
            raise ValueError(
                "SVDRidge needs item_features or user_features: without them use ResidualSVD"
            )
        super()._fit(residuals, users, items)
        self.user_alpha_, self.user_map_, self.known_users_ = self._regress(
            users, self.user_vectors_, self.biases_.users, np.diff(residuals.indptr)
        )
        self.item_alpha_, self.item_map_, self.known_items_ = self._regress(
            items, self.item_vectors_, self.biases_.items, residuals.getnnz(axis=0)
        )

    def _regress(
        self, entities: Entities, vectors: Float64, biases: Float64, counts: Any
    ) -> tuple[float | None, tuple[Float64, Float64] | None, Float64]:
        """Fit the regression; return its penalty, its map, and its predictions of training data.

        The last dimension of map and predictions is a correction of the bias.
        """
        regressed = np.column_stack([vectors, np.zeros(len(entities))])
        if entities.features is None:
            return None, None, regressed
        used = np.flatnonzero(entities.has_features & (counts > 0))
        if not len(used):
            raise ValueError(f"no {entities.kind} with ratings has features")
        X = sparse.csr_matrix(entities.features).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):  # a single point
            embedding = RidgeCV(list(self.alphas)).fit(X[used], vectors[used])
            # weighted, because biases of frequently rated items matter most
            bias = RidgeCV(BIAS_ALPHAS).fit(X[used], biases[used], sample_weight=counts[used])
        weights = np.column_stack([embedding.coef_.T, bias.coef_])
        intercept = np.append(embedding.intercept_, bias.intercept_)
        with_features = np.flatnonzero(entities.has_features)
        regressed[with_features] = X[with_features] @ weights + intercept
        regressed[counts > 0, -1] = 0
        return float(embedding.alpha_), (weights, intercept), regressed

    def _embed_users(self, users: Entities) -> Any:
        vectors = _embed(users, self.known_users_, self.user_map_)
        return np.column_stack([vectors, np.ones(len(users))])

    def _embed_items(self, items: Entities) -> Any:
        vectors = _embed(items, self.known_items_, self.item_map_)
        return np.column_stack([vectors[:, :-1], np.ones(len(items)), vectors[:, -1]])

    def _residuals(self, users: Entities, items: Entities) -> Any:
        # einsum adds up in the same order for one user and for many
        return np.einsum("ud,id->ui", self._embed_users(users), self._embed_items(items))

    def _item_vectors(self, items: Entities) -> Any:
        return _embed(items, self.known_items_, self.item_map_)[:, :-1]

    def _check_state(self) -> None:
        super()._check_state()
        d = self.user_vectors_.shape[1] + 1
        for regressed, mapping, features, n in (
            (self.known_users_, self.user_map_, self.user_features_, self.ratings_.shape[0]),
            (self.known_items_, self.item_map_, self.item_features_, self.ratings_.shape[1]),
        ):
            check_shape("regressed vectors", regressed, (n, d))
            if mapping is not None:
                if features is None:
                    raise ValueError("features of a fitted regression are missing")
                check_map("the regression", mapping, features.n_features, d)


def _embed(
    entities: Entities, regressed: Float64, mapping: tuple[Float64, Float64] | None
) -> Float64:
    vectors: Float64 = training_rows(regressed, entities)
    new = np.flatnonzero((entities.rows < 0) & entities.has_features)
    if mapping is not None and len(new):
        weights, intercept = mapping
        vectors[new] = sparse.csr_matrix(entities.features)[new] @ weights + intercept
    return vectors
