"""What recommenders have in common whose residuals are products of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from simec.recommender.base import BaseRecommender
from simec.recommender.data.features import Points


class FactorRecommender(BaseRecommender):
    """One whose residuals are products of embeddings."""

    def _embed_users(self, users: Points) -> Any:
        """Shape (n, d); zeros for those of which nothing is known."""
        raise NotImplementedError

    def _embed_items(self, items: Points) -> Any:
        """Shape (n, d); zeros for those of which nothing is known."""
        raise NotImplementedError

    def _residuals(self, users: Points, items: Points) -> Any:
        return self._embed_users(users) @ self._embed_items(items).T

    def _residual_pairs(self, users: Points, items: Points) -> Any:
        return np.einsum("nd,nd->n", self._embed_users(users), self._embed_items(items))

    def _item_vectors(self, items: Points) -> Any:
        return self._embed_items(items)


def known_rows(vectors: Any, points: Points) -> Any:
    """Rows of embeddings by number, and zeros for new points; shape (n, d)."""
    return np.where((points.rows >= 0)[:, None], vectors[np.maximum(points.rows, 0)], 0)
