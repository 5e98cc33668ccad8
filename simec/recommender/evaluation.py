"""How good predictions and recommendations are on ratings that were held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from simec.recommender.base import BaseRecommender
from simec.recommender.data.ratings import as_ratings

_USERS = 1000  # recommended to at a time


def evaluate(
    recommender: BaseRecommender,
    test: Any,
    n: int = 10,
    *,
    relevant: float | None = None,
    **features: Any,
) -> dict[str, float]:
    """Errors of predictions, and measures of the first n recommendations.

    Parameters
    ----------
    recommender : BaseRecommender
        Fitted to other ratings.
    test : as for `as_ratings`
    n : int
    relevant : float, optional
        Only items that a user has rated so high are what recommendations should find; all of
        the test, if left out.
    **features
        ``item_features``, ``user_features`` and ``unknown``, as for `BaseRecommender.predict`.

    Returns
    -------
    dict
        ``rmse`` and ``mae`` of the ratings; and means over the users who have something
        relevant in the test: ``precision``, relevant among the n; ``recall``, of all that are
        relevant, or of n if these are more; ``ndcg``, with gains of 1; and ``hits``, the share
        of users with one at least. What a user had rated in training is never recommended.
        ``users`` is their number.
    """
    ratings = as_ratings(test)
    users, items, values = ratings.triples()
    wrong = recommender.predict(users, items, **features).astype(np.float64) - values
    found = {
        "rmse": float(np.sqrt((wrong**2).mean())),
        "mae": float(np.abs(wrong).mean()),
    }
    good = np.ones(len(values), bool) if relevant is None else values >= relevant
    # by users already
    wanted_by, wanted = users[good], items[good]
    whose, starts = np.unique(wanted_by, return_index=True)
    if not len(whose):
        raise ValueError(f"no rating of the test is {relevant:g} or higher")
    sought = [set(part.tolist()) for part in np.split(wanted, np.sort(starts)[1:])]
    whose = wanted_by[np.sort(starts)]
    discounts = 1 / np.log2(np.arange(2, n + 2))
    totals = np.zeros(4)
    for start in range(0, len(whose), _USERS):
        some = slice(start, start + _USERS)
        lists = recommender.recommend(whose[some], n, **features)
        for best, of in zip(lists, sought[some], strict=True):
            hits = np.array([item in of for item, _ in best], float)
            possible = min(n, len(of))
            gain = float(hits @ discounts[: len(hits)]) / float(discounts[:possible].sum())
            totals += hits.sum() / n, hits.sum() / possible, gain, bool(hits.any())
    names = "precision", "recall", "ndcg", "hits"
    found.update(zip(names, (totals / len(whose)).tolist(), strict=True))
    found["users"] = len(whose)
    return found
