"""Each user's taste, as a linear function of item features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from tqdm.auto import tqdm

from simec.checks import check_number
from simec.recommender.base import BaseRecommender
from simec.recommender.dual import DualRidge, Map, dense
from simec.recommender.features import Points

Float64 = npt.NDArray[np.float64]

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
        self._X = sparse.csr_matrix(items.features)
        self._rated = counts > 0
        by_count = DualRidge(self._X[used], counts[used])
        self._bias: Map = by_count.fit(self.biases_.items[used, None], BIAS_ALPHAS)
        self.bias_alpha_ = self._bias.alpha
        # what predictions of averages from features would have left of each rating
        missed = np.zeros(len(items))
        missed[used] = self.biases_.items[used] - self._bias.left_out[:, 0]
        rest = residuals.copy()
        rest.data += missed[residuals.indices].astype(np.float32)
        gram = dense(self._X @ self._X.T).astype(np.float32)
        gram /= self.alpha
        self._learn(residuals, gram, used)
        self._gram = self._kernel(gram)
        self.duals_ = solved(rest, self._gram, progress=self.verbose)
        # what an item that is not described has for a kernel is 0, and says nothing
        self._described = self._of_features(self._X)

    # What `ContentSimEc` does otherwise

    def _learn(self, residuals: Any, gram: Any, used: Any) -> None:
        """Learn more features, of which `_kernel` makes products."""

    def _kernel(self, gram: Any) -> Any:
        """Products of items, each as if it were new to the others, shape (n_items, n_items)."""
        return gram

    def _of_features(self, X: Any) -> tuple[Any, Any]:
        """Averages of items by features, and their products with those of training."""
        average = self._bias.predict(X)[:, 0]
        return average, dense(X @ self._X.T).astype(np.float32) / np.float32(self.alpha)

    # Predictions

    def _columns(self, items: Points) -> tuple[Any, Any]:
        """What is added for each item, and products with those of training, (n, n_items)."""
        n = len(self.ratings_.items)
        average, products = np.zeros(len(items)), np.zeros((len(items), n), np.float32)
        known = items.rows >= 0
        rows = items.rows[known]
        average[known] = np.where(self._rated[rows], 0, self._described[0][rows])
        products[known] = self._described[1][rows]
        new = np.flatnonzero(~known & items.described)
        if len(new):
            average[new], products[new] = self._of_features(sparse.csr_matrix(items.features)[new])
        average[~items.described] = 0
        return average, products

    def _residuals(self, users: Points, items: Points) -> Any:
        average, products = self._columns(items)
        known = np.maximum(users.rows, 0)
        found = self.duals_[known] @ products.T
        found[users.rows < 0] = 0
        return np.asarray(found) + average

    def _item_vectors(self, items: Points) -> Any:
        if items.features is None:
            raise ValueError("similar items need features")
        return sparse.csr_matrix(items.features)


def solved(rest: Any, gram: Any, *, progress: bool = False) -> Any:
    """Dual coefficients of each row's kernel ridge regression, with a penalty of 1.

    Parameters
    ----------
    rest : CSR matrix of shape (n_users, n_items)
        What is stored is known, zeros too.
    gram : array of shape (n_items, n_items)

    Returns
    -------
    CSR matrix of the same entries
    """
    duals = rest.copy()
    for row in tqdm(range(rest.shape[0]), disable=not progress, desc="users", unit="user"):
        entries = slice(rest.indptr[row], rest.indptr[row + 1])
        places = rest.indices[entries]
        if not len(places):
            continue
        system = gram[places[:, None], places]
        system[np.diag_indices(len(places))] += 1
        duals.data[entries] = linalg.solve(
            system, rest.data[entries], assume_a="pos", overwrite_a=True, check_finite=False
        )
    return duals
