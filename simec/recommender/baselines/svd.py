"""Recommenders by singular value decomposition, without a network (thesis, 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from simec.checks import check_integer, check_number
from simec.linalg.observed import factorize_observed
from simec.linalg.ridge import DualRidge, check_penalties
from simec.recommender.baselines.content_linear import BIAS_ALPHAS
from simec.recommender.data.features import Points
from simec.recommender.factors import FactorRecommender, known_rows

Float64 = npt.NDArray[np.float64]

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class ResidualSVD(FactorRecommender):
    """Averages, and a low-rank approximation of what they leave.

    The squared error of known residuals alone is minimised ("weighted, iterative": weight 1
    for what is known, 0 for what is not), with a penalty; see `simec.spectral.svd_missing`.

    Parameters
    ----------
    n_components : int
        The rank, d.
    ridge : float
        What squared factors cost, in units of the squared error of one rating.
    max_iter : int
    tol : float
        It ends when a step lowers the loss by less than this share.
    shrinkage_users, shrinkage_items : float
        As of `BaseRecommender`.
    verbose : bool
        Show a bar.

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
        verbose: bool = False,
    ) -> None:
        super().__init__(shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items)
        self.n_components = n_components
        self.ridge = ridge
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose

    def _check(self) -> None:
        check_integer("n_components", self.n_components, 1)
        check_integer("max_iter", self.max_iter, 1)
        check_number("ridge", self.ridge, 0)
        check_number("tol", self.tol, 0)

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        del users, items
        # of few users or items the rank is no more than they are
        d = min(self.n_components, *residuals.shape)
        # convergence is not checked: the last steps change predictions by less than the noise
        left, right, _ = factorize_observed(
            residuals.astype(np.float64), d, self.ridge, self.max_iter, self.tol,
            progress=self.verbose,
        )  # fmt: skip
        self.user_vectors_: Float64 = left
        self.item_vectors_: Float64 = np.ascontiguousarray(right.T)

    def _embed_users(self, users: Points) -> Any:
        return known_rows(self.user_vectors_, users)

    def _embed_items(self, items: Points) -> Any:
        return known_rows(self.item_vectors_, items)


class SVDRidge(ResidualSVD):
    """`ResidualSVD`, and ridge regression from features to its embeddings.

    The two steps that a SimEc with features takes at once ("SVD & regression"). With features
    of items, of users, or of both, embeddings of these are what the regression makes of them,
    for known points too. Averages of new points are regressed on features in the same way.

    Parameters
    ----------
    n_components, ridge, max_iter, tol, shrinkage_users, shrinkage_items, verbose
        As of `ResidualSVD`.
    alphas : sequence of float
        Penalties of the regression to choose from, by leave-one-out cross-validation.

    Attributes
    ----------
    item_alpha_, user_alpha_ : float or None
        What was chosen.
    user_vectors_, item_vectors_
        Of the decomposition.
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
        verbose: bool = False,
    ) -> None:
        super().__init__(
            n_components, ridge=ridge, max_iter=max_iter, tol=tol,
            shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items, verbose=verbose,
        )  # fmt: skip
        self.alphas = alphas

    def _check(self) -> None:
        super()._check()
        check_penalties("alphas", self.alphas)

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        if users.features is None and items.features is None:
            raise ValueError(
                "SVDRidge needs item_features or user_features: without them use ResidualSVD"
            )
        super()._fit(residuals, users, items)
        self.user_alpha_, self.user_map_, self.known_users_ = self._regressed(
            users, self.user_vectors_, self.biases_.users, np.diff(residuals.indptr)
        )
        self.item_alpha_, self.item_map_, self.known_items_ = self._regressed(
            items, self.item_vectors_, self.biases_.items, residuals.getnnz(axis=0)
        )

    def _regressed(
        self, points: Points, vectors: Float64, biases: Float64, counts: Any
    ) -> tuple[float | None, tuple[Float64, Float64] | None, Float64]:
        """The penalty, the map, and what it makes of known points.

        The last dimension is what is added to the average.
        """
        known = np.column_stack([vectors, np.zeros(len(points))])
        if points.features is None:
            return None, None, known
        used = np.flatnonzero(points.described & (counts > 0))
        if not len(used):
            raise ValueError(f"no {points.what} with ratings has features")
        X = sparse.csr_matrix(points.features)
        found = DualRidge(X[used]).fit(vectors[used], self.alphas)
        # what has many ratings is what has to be predicted well
        average = DualRidge(X[used], counts[used]).fit(biases[used, None], BIAS_ALPHAS)
        weights = np.hstack([found.weights, average.weights])
        intercept = np.append(found.intercept, average.intercept)
        known[points.described] = X[np.flatnonzero(points.described)] @ weights + intercept
        known[counts > 0, -1] = 0
        return found.alpha, (weights, intercept), known

    def _embed_users(self, users: Points) -> Any:
        found = _embedded(users, self.known_users_, self.user_map_)
        return np.column_stack([found, np.ones(len(users))])

    def _embed_items(self, items: Points) -> Any:
        found = _embedded(items, self.known_items_, self.item_map_)
        return np.column_stack([found[:, :-1], np.ones(len(items)), found[:, -1]])

    def _residuals(self, users: Points, items: Points) -> Any:
        # each entry is summed in the same order, for one user and for many
        return np.einsum("ud,id->ui", self._embed_users(users), self._embed_items(items))

    def _item_vectors(self, items: Points) -> Any:
        return _embedded(items, self.known_items_, self.item_map_)[:, :-1]


def _embedded(points: Points, known: Float64, by: tuple[Float64, Float64] | None) -> Float64:
    found: Float64 = known_rows(known, points)
    new = np.flatnonzero((points.rows < 0) & points.described)
    if by is not None and len(new):
        weights, intercept = by
        found[new] = sparse.csr_matrix(points.features)[new] @ weights + intercept
    return found
