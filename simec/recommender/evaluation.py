"""Evaluation of predictions and recommendations on held-out ratings."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from corpora.checks import check_integer
from corpora.deprecated import renamed_parameters
from simec.recommender.base import BaseRecommender
from simec.recommender.data.ratings import as_ratings
from simec.recommender.ranking import batches

logger = logging.getLogger(__name__)

_USERS = 1000  # users per batch of recommendations


@renamed_parameters(n="topn")
def evaluate(
    recommender: BaseRecommender,
    test: Any,
    topn: int = 10,
    *,
    relevant: float | None = None,
    **features: Any,
) -> dict[str, float]:
    """Compute errors of predicted ratings, and ranking metrics of recommendations.

    Parameters
    ----------
    recommender : BaseRecommender
        Fitted to other ratings.
    test : as for `as_ratings`
    topn : int
        Number of recommendations per user.
    relevant : float, optional
        Only test items with at least this rating count as relevant; by default all of them.
    **features
        ``item_features``, ``user_features`` and ``unknown``, as for `BaseRecommender.predict`.

    Returns
    -------
    dict
        ``rmse`` and ``mae`` of the predicted ratings, and averages over the users with relevant
        test items: ``precision``, the number of relevant recommendations divided by `topn`;
        ``recall``, their number divided by that of relevant items, or by `topn` if it is smaller;
        ``ndcg``, with binary gains; and ``hits``, the fraction of users with at least one
        relevant recommendation. Items that a user rated in training are not recommended to that
        user. ``users`` is the number of users in these averages.

    Raises
    ------
    ValueError
        If there are no ratings, or none of them is relevant.
    """
    check_integer("topn", topn, 1)
    ratings = as_ratings(test)
    users, items, values = ratings.triples()
    errors = recommender.predict(users, items, **features).astype(np.float64) - values
    results = {
        "rmse": float(np.sqrt((errors**2).mean())),
        "mae": float(np.abs(errors).mean()),
    }
    is_relevant = np.ones(len(values), bool) if relevant is None else values >= relevant
    # triples are sorted by user
    rows = np.repeat(np.arange(len(ratings.users)), np.diff(ratings.matrix.indptr))[is_relevant]
    relevant_users, relevant_items = users[is_relevant], items[is_relevant]
    _, first = np.unique(rows, return_index=True)
    if not len(first):
        raise ValueError(f"no rating of the test set is >= {relevant:g}")
    wanted = [set(part.tolist()) for part in np.split(relevant_items, first[1:])]
    discounts = 1 / np.log2(np.arange(2, topn + 2))
    totals = np.zeros(4)
    for batch in batches(len(first), _USERS):
        lists = recommender.recommend(relevant_users[first[batch]], topn, **features)
        for recommended, relevant_set in zip(lists, wanted[batch], strict=True):
            hits = np.array([item in relevant_set for item, _ in recommended], float)
            possible = min(topn, len(relevant_set))
            gain = float(hits @ discounts[: len(hits)]) / float(discounts[:possible].sum())
            totals += hits.sum() / topn, hits.sum() / possible, gain, bool(hits.any())
    names = "precision", "recall", "ndcg", "hits"
    results.update(zip(names, (totals / len(first)).tolist(), strict=True))
    results["users"] = len(first)
    logger.info("%s: %s", type(recommender).__name__, results)
    return results
