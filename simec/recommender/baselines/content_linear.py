"""Baseline: a linear model of item features for each user."""

from __future__ import annotations

from simec.recommender.base import Unknown
from simec.recommender.content_base import ContentRecommender


class ContentLinear(ContentRecommender):
    """Biases, and for each user a ridge regression of the residuals on item features.

    See `ContentRecommender` for how biases of new items are predicted.

    Parameters
    ----------
    alpha : float
        Penalty of users' regressions, in units of the squared error of one rating.
    shrinkage_users, shrinkage_items, unknown
        As in `BaseRecommender`.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    bias_alpha_ : float
        Selected penalty of the regression of biases.
    bias_map_ : tuple of arrays of shape (D, 1) and (1,)
        Its weights and intercept.
    duals_ : CSR matrix of shape (n_users, n_items)
        Dual coefficients of the users' regressions: a predicted residual is the product of a
        user's row and the kernel values of the item and the training items.
    """

    def __init__(
        self,
        *,
        alpha: float = 10.0,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        unknown: Unknown = "error",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            alpha=alpha, shrinkage_users=shrinkage_users, shrinkage_items=shrinkage_items,
            unknown=unknown, verbose=verbose,
        )  # fmt: skip
