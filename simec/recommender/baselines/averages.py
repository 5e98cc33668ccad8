"""The simplest recommender: averages."""

from __future__ import annotations

from typing import Any

import numpy as np

from simec.recommender.base import BaseRecommender
from simec.recommender.data.features import Points


class Averages(BaseRecommender):
    """Predicts μ + b_user + b_item, by shrunk averages (thesis, 4.2).

    Parameters
    ----------
    shrinkage_users, shrinkage_items : float
        As of `BaseRecommender`.
    """

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        del residuals, users, items

    def _residuals(self, users: Points, items: Points) -> Any:
        return np.zeros((len(users), len(items)))

    def _residual_pairs(self, users: Points, items: Points) -> Any:
        del items
        return np.zeros(len(users))
