"""Recommenders by singular value decomposition, without a network (thesis, 4.2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from simec.checks import check_integer, check_number
from simec.recommender.base import FactorRecommender, known_rows
from simec.recommender.dual import DualRidge, Map
from simec.recommender.features import Points
from simec.recommender.linear import BIAS_ALPHAS
from simec.spectral import svd_missing

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
        with warnings.catch_warnings():
            # the last steps change predictions by less than noise
            warnings.simplefilter("ignore", ConvergenceWarning)
            left, right = svd_missing(
                residuals, d, "iterative", self.ridge, self.max_iter, self.tol,
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
    alpha_ : dict
        What was chosen, for "item" and "user".
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
        if not len(self.alphas):
            raise ValueError("alphas has no penalty to choose")
        for alpha in self.alphas:
            if check_number("a penalty in alphas", alpha, 0) == 0:
                raise ValueError("a penalty in alphas is more than 0")

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        if users.features is None and items.features is None:
            raise ValueError(
                "SVDRidge needs item_features or user_features: without them use ResidualSVD"
            )
        super()._fit(residuals, users, items)
        self.alpha_: dict[str, float] = {}
        self._maps: dict[str, tuple[Map, Map]] = {}
        counts = {"user": np.diff(residuals.indptr), "item": residuals.getnnz(axis=0)}
        biases = {"user": self.biases_.users, "item": self.biases_.items}
        vectors = {"user": self.user_vectors_, "item": self.item_vectors_}
        self._known: dict[str, Float64] = {}
        for points in (users, items):
            what = points.what
            # the last dimension is what is added to the average
            known = np.column_stack([vectors[what], np.zeros(len(points))])
            if points.features is not None:
                used = np.flatnonzero(points.described & (counts[what] > 0))
                if not len(used):
                    raise ValueError(f"no {what} with ratings has features")
                X = sparse.csr_matrix(points.features)[used]
                regression = DualRidge(X).fit(vectors[what][used], self.alphas)
                self.alpha_[what] = regression.alpha
                # what has many ratings is what has to be predicted well
                average = DualRidge(X, counts[what][used]).fit(
                    biases[what][used, None], BIAS_ALPHAS
                )
                self._maps[what] = regression, average
                known[points.described] = self._mapped(points, points.described)
                known[counts[what] > 0, -1] = 0
            self._known[what] = known

    def _embed_users(self, users: Points) -> Any:
        found = self._embedded(users)
        return np.column_stack([found, np.ones(len(users))])

    def _embed_items(self, items: Points) -> Any:
        found = self._embedded(items)
        return np.column_stack([found[:, :-1], np.ones(len(items)), found[:, -1]])

    def _item_vectors(self, items: Points) -> Any:
        return self._embedded(items)[:, :-1]

    def _embedded(self, points: Points) -> Float64:
        found: Float64 = known_rows(self._known[points.what], points)
        new = (points.rows < 0) & points.described
        if points.what in self._maps and new.any():
            found[new] = self._mapped(points, new)
        return found

    def _mapped(self, points: Points, some: Any) -> Float64:
        """What features give: embeddings, and averages for the last dimension."""
        X = sparse.csr_matrix(points.features)[np.flatnonzero(some)]
        regression, average = self._maps[points.what]
        return np.column_stack([regression.predict(X), average.predict(X)])
