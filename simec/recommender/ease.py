"""Recommendations by a linear map from the items of a user to all items, in closed form."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from corpora.checks import check_number
from simec.recommender.base import BaseRecommender, Entities, training_rows
from simec.recommender.ranking import occurrences
from simec.recommender.state import check_attribute, check_shape
from simec.types import FloatArray

_MAX_ITEMS = 40_000  # two matrices of 6.4 GB
_L2 = 4.0  # times the square root of the number of users


class EASE(BaseRecommender):
    """Ranks items by a ridge regression of each item on all others (Steck, 2019).

    For clicks, purchases, plays or liked items: only which pairs occur matters, not their values.
    The score of item j for user u is ``Σ_i x_ui B_ij``, where x_ui is 1 for the items i of the user
    and 0 for others. B is the minimum of::

        Σ_u w_u |x_u - x_u B|² + Σ_i p_i |b_i|²,    b_i: row i of B,  B_jj = 0

    which has a closed form. Scores only rank. Time grows with the cube of the number of items, and
    memory with its square: for more than 40,000 items use `Recommender`.

    Parameters
    ----------
    l2 : float or "auto"
        Mean penalty p. "auto": 4 times the square root of the number of users.
    l2_by_count : float
        Exponent with which an item's penalty grows with its number of users.
    user_weight : float
        Exponent s of ``w_u = (n_u / mean n) ** -s``, for users with n_u items: above 0, users with
        many items do not outweigh all others.
    recency : float
        If the ratings have times: exponent p of ``x_ui = (1 + k) ** -p`` for the item that has k
        later ones by the user, when items are recommended. Above 0, the latest items count most.
        0 ignores times.

    Attributes
    ----------
    ratings_, biases_, item_features_, user_features_, range_
        As in `BaseRecommender`; biases are zeros, and features are not used.
    weights_ : float32 array of shape (n_items, n_items)
        The map B.
    inputs_ : CSR matrix, float32, of shape (n_users, n_items)
        The items x_u of each user.

    References
    ----------
    H. Steck (2019). Embarrassingly Shallow Autoencoders for Sparse Data. WWW.

    Examples
    --------
    >>> from simec.recommender import EASE
    >>> clicks = [("ann", "tea", 1), ("ann", "cup", 1), ("bob", "tea", 1), ("cem", "rum", 1)]
    >>> EASE(l2=1.0).fit(clicks).recommend("bob", topn=1)[0][0]
    'cup'
    """

    _uses_biases = False

    def __init__(
        self,
        *,
        l2: float | Literal["auto"] = "auto",
        l2_by_count: float = 0.5,
        user_weight: float = 0.5,
        recency: float = 0.5,
    ) -> None:
        super().__init__()
        self.l2 = l2
        self.l2_by_count = l2_by_count
        self.user_weight = user_weight
        self.recency = recency

    def _check(self) -> None:
        super()._check()
        if not isinstance(self.l2, str) or self.l2 != "auto":
            check_number("l2", self.l2, 0, above=True)
        for name in ("l2_by_count", "user_weight", "recency"):
            check_number(name, getattr(self, name), 0)

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        del users
        if len(items) > _MAX_ITEMS:
            raise ValueError(
                f"EASE needs a dense matrix of items by items, and there are {len(items):,} items; "
                f'at most {_MAX_ITEMS:,} fit. Use Recommender(feedback="implicit"), or leave out '
                "rare items"
            )
        X = occurrences(residuals)
        counts = np.diff(X.indptr).astype(np.float64)
        mean = max(counts.sum() / max((counts > 0).sum(), 1), 1.0)
        weights = (np.maximum(counts, 1) / mean) ** -float(self.user_weight)
        gram = (X.T @ sparse.diags(weights.astype(np.float32)) @ X).toarray().astype(np.float32)
        self.weights_ = _item_weights(gram, self._penalties(gram, X.shape[0]))
        self.inputs_ = self._inputs(X)

    def _penalties(self, gram: FloatArray, n_users: int) -> FloatArray:
        l2 = _L2 * n_users**0.5 if isinstance(self.l2, str) else float(self.l2)
        occurs = np.diag(gram).astype(np.float64)
        mean = float(occurs[occurs > 0].mean()) if (occurs > 0).any() else 1.0
        # items that do not occur are treated as if they had one of the lowest counts
        relative = np.maximum(occurs, min(mean, 0.5)) / mean
        penalties: FloatArray = (l2 * relative ** float(self.l2_by_count)).astype(np.float32)
        return penalties

    def _inputs(self, X: Any) -> Any:
        """Weight the items of each user by how recent they are."""
        times = self.ratings_.times
        if not self.recency or times is None:
            return X
        later = self.ratings_.later()
        inputs = self.ratings_.matrix.copy()
        inputs.data = np.where(inputs.data > 0, (1 + later) ** -float(self.recency), 0)
        inputs = inputs.astype(np.float32)
        inputs.eliminate_zeros()
        return inputs

    def _residuals(self, users: Entities, items: Entities) -> Any:
        scores = np.zeros((len(users), len(items)), np.float32)
        u, i = np.flatnonzero(users.rows >= 0), np.flatnonzero(items.rows >= 0)
        columns = items.rows[i]
        every = len(columns) == len(self.weights_) and (columns == np.arange(len(columns))).all()
        B = self.weights_ if every else self.weights_[:, columns]
        scores[np.ix_(u, i)] = np.asarray(self.inputs_[users.rows[u]] @ B)
        return scores

    def _item_vectors(self, items: Entities) -> Any:
        # `similar_items` compares the users of items
        return training_rows(occurrences(self.ratings_.matrix.T.tocsr()), items)

    def _check_state(self) -> None:
        super()._check_state()
        n_users, n_items = self.ratings_.shape
        check_attribute("weights_", self.weights_, np.ndarray)
        check_shape("weights_", self.weights_, (n_items, n_items))
        check_shape("inputs_", self.inputs_, (n_users, n_items))
        if not sparse.issparse(self.inputs_):
            raise ValueError("inputs_ must be a sparse matrix")


def _item_weights(gram: FloatArray, penalties: FloatArray) -> FloatArray:
    """Solve for B with a zero diagonal: ``B_ij = -P_ij / P_jj``, P the inverse of gram + penalties.

    Parameters
    ----------
    gram : float32 array of shape (n, n)
        Overwritten.
    penalties : float32 array of shape (n,)
    """
    n = len(gram)
    gram[np.diag_indices(n)] += penalties
    factor, failed = lapack.spotrf(gram.T, lower=1, overwrite_a=1)  # a symmetric matrix
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ValueError("the equations of EASE are singular in float32: use a larger l2")
    lower = np.tril(inverse, -1)
    diagonal = np.diag(inverse).copy()
    B: FloatArray = np.ascontiguousarray((lower + lower.T) / -diagonal)
    return B
