"""Baseline: biases alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from simec.recommender.base import BaseRecommender, Entities


class BiasBaseline(BaseRecommender):
    """Predicts μ + b_user + b_item, with shrunk biases (thesis, 4.2).

    Parameters
    ----------
    shrinkage_users, shrinkage_items, unknown
        As in `BaseRecommender`.
    """

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        del residuals, users, items

    def _residuals(self, users: Entities, items: Entities) -> Any:
        return np.zeros((len(users), len(items)))

    def _residual_pairs(self, users: Entities, items: Entities) -> Any:
        del items
        return np.zeros(len(users))
