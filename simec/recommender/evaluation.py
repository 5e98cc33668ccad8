"""Evaluation of predictions and recommendations on held-out ratings."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from corpora.checks import check_integer
from corpora.deprecated import renamed_parameters
from simec.recommender.base import BaseRecommender
from simec.recommender.data.ratings import as_ratings
from simec.recommender.ranking import rank_metrics

logger = logging.getLogger(__name__)


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
        ``rmse`` and ``mae`` of the predicted ratings, unless the recommender is for implicit
        feedback, whose scores are not ratings. Averages over the users with relevant test items:
        ``precision``, the number of relevant recommendations divided by `topn`; ``recall``, their
        number divided by that of relevant items, or by `topn` if it is smaller; ``ndcg``, with
        binary gains; ``map``, the mean average precision; and ``hits``, the fraction of users with
        at least one relevant recommendation. Items that a user rated in training are not
        recommended to that user. ``coverage`` is the fraction of the items that were recommended
        to anyone; ``popularity`` is the mean number of training ratings of recommended items,
        divided by that of all items: 1 is no bias towards popular items. ``users`` is the number
        of users in these averages.

    Raises
    ------
    ValueError
        If there are no ratings, or none of them is relevant.
    """
    check_integer("topn", topn, 1)
    ratings = as_ratings(test)
    results: dict[str, float] = {}
    if recommender.range_ is not None:  # None: scores of implicit feedback only rank
        users, items, values = ratings.triples()
        errors = recommender.predict(users, items, **features).astype(np.float64) - values
        results["rmse"] = float(np.sqrt((errors**2).mean()))
        results["mae"] = float(np.abs(errors).mean())
    results |= rank_metrics(
        lambda users: recommender.recommend(users, topn, **features), ratings,
        recommender.ratings_, topn, relevant,
    )  # fmt: skip
    logger.info("%s: %s", type(recommender).__name__, results)
    return results
