"""Methods that the benchmark of recommenders compares, and their parameters.

Parameters were chosen by `python -m benchmarks.recommender --tune`: on seed 0, which no figure
uses, part of the training ratings (or items, or users) was held out, and the parameters of `GRIDS`
with the lowest error on it were selected.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np

NEVER = 1e9  # a shrinkage that sets averages of items (or users) to 0: plain means of the others

Method = Callable[[int], Any]  # from a seed to a recommender that is not fitted

# the tasks of each method, and its features
FEATURES: dict[str, dict[str, tuple[str, ...]]] = {
    "t1": {
        "averages": (), "svd": (), "svd_ridge": ("item",), "neighbourhood": (),
        "simec_identity": (), "simec": ("item",),
    },
    "t2a": {
        "averages": (), "svd_ridge": ("item",), "content_linear": ("item",),
        "simec_plain": ("item",), "simec": ("item",), "recommender": ("item",),
    },
    "t2b": {"averages": (), "svd_ridge": ("user",), "simec": ("user",), "recommender": ("user",)},
    "t3": {
        "averages": (), "svd_ridge": ("item", "user"), "simec": ("item", "user"),
        "recommender": ("item", "user"),
    },
}  # fmt: skip

CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "t1": {
        "averages": {"shrinkage_users": 5.0, "shrinkage_items": 2.0},
        "svd": {"n_components": 10, "ridge": 15.0},
        "svd_ridge": {"n_components": 10, "ridge": 15.0},
        "neighbourhood": {"n_neighbors": 20, "shrinkage": 500.0, "power": 1.0},
        "simec_identity": {"n_components": 20},
        "simec": {"n_components": 10, "l2_users": 20.0, "l2_items": 20.0},
    },
    "t2a": {
        "averages": {"shrinkage_users": 5.0, "shrinkage_items": NEVER},
        "svd_ridge": {"n_components": 20, "ridge": 10.0},
        "content_linear": {"alpha": 7.0},
        "simec_plain": {"n_components": 10, "l2": 50.0},
        "simec": {"n_components": 20, "alpha": 15.0},
        "recommender": {},
    },
    "t2b": {
        "averages": {"shrinkage_users": NEVER, "shrinkage_items": 5.0},
        "svd_ridge": {"n_components": 10, "ridge": 10.0},
        # with users for items
        "simec": {
            "n_components": 10, "alpha": 1000.0, "l2_users": 20.0, "shrinkage_users": 2.0,
            "shrinkage_items": NEVER,
        },
        "recommender": {},
    },
    "t3": {
        "averages": {"shrinkage_users": NEVER, "shrinkage_items": NEVER},
        "svd_ridge": {"n_components": 5, "ridge": 10.0},
        "simec": {"n_components": 10, "l2": 200.0},
        "recommender": {},
    },
}  # fmt: skip

GRIDS: dict[str, dict[str, dict[str, tuple[Any, ...]]]] = {
    "t1": {
        "averages": {"shrinkage_users": (2.0, 5.0, 10.0), "shrinkage_items": (1.0, 2.0, 5.0)},
        "svd": {"n_components": (10, 20, 40), "ridge": (15.0, 20.0, 25.0)},
        "neighbourhood": {
            "n_neighbors": (20, 40), "shrinkage": (100.0, 500.0), "power": (1.0, 2.0),
        },
        "simec_identity": {"n_components": (20, 40)},
        "simec": {"n_components": (10, 20), "l2_users": (10.0, 20.0), "l2_items": (10.0, 20.0)},
    },
    "t2a": {
        "averages": {"shrinkage_users": (2.0, 5.0, 10.0, 20.0), "shrinkage_items": (2.0, NEVER)},
        "svd_ridge": {"n_components": (10, 20, 40), "ridge": (10.0, 20.0)},
        "content_linear": {"alpha": (3.0, 5.0, 7.0, 10.0)},
        "simec_plain": {"n_components": (5, 10)},
        "simec": {"n_components": (20, 40), "alpha": (7.0, 10.0, 15.0)},
    },
    "t2b": {
        "averages": {"shrinkage_users": (5.0, NEVER), "shrinkage_items": (1.0, 2.0, 5.0)},
        "svd_ridge": {"n_components": (5, 10), "ridge": (10.0, 20.0)},
        "simec": {"alpha": (200.0, 1000.0), "shrinkage_items": (5.0, NEVER)},
    },
    "t3": {
        "svd_ridge": {"n_components": (5, 10), "ridge": (10.0, 20.0)},
        "simec": {"n_components": (5, 10), "l2": (15.0, 50.0, 200.0)},
    },
}  # fmt: skip


def make(task: str, method: str, seed: int, **parameters: Any) -> Any:
    """A recommender that is not fitted.

    Parameters
    ----------
    task : {"t1", "t2a", "t2b", "t3"}
    method : str
    seed : int
    **parameters
        Override the chosen parameters.
    """
    from simec import recommender as r

    given = {**CHOSEN[task][method], **parameters}
    if method == "averages":
        return r.BiasBaseline(**given)
    if method == "svd":
        return r.ResidualSVD(**given)
    if method == "svd_ridge":
        return r.SVDRidge(**given)
    if method == "neighbourhood":
        return r.ItemKNN(**given)
    if method == "content_linear":
        return r.ContentLinear(**given)
    if method == "simec" and task != "t3":
        return r.ColdStartRecommender(**given)
    return r.Recommender(**given, device="cpu", random_state=seed)


def exchanged(ratings: Any) -> Any:
    """Ratings of users by items: methods for new items then work for new users."""
    from simec.recommender import Ratings

    return Ratings(ratings.matrix.T.tocsr(), ratings.items, ratings.users)


def grid(task: str, method: str) -> Iterator[dict[str, Any]]:
    """All combinations of the parameters to choose from."""
    axes = GRIDS.get(task, {}).get(method, {})
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings: few rounds are intended, and some movies have no features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def rmse(recommender: Any, test: Any) -> float:
    """Root of the mean squared error of ratings; ids of the test are those of training."""
    users, items, values = test.triples()
    predicted = recommender.predict(users, items, unknown="average").astype(np.float64)
    return float(np.sqrt(((predicted - values) ** 2).mean()))


def ranking(
    recommender: Any, test: Any, n: int, relevant: float, users: int, *, items: Any = None
) -> dict[str, float]:
    """Recall and NDCG of the first n recommendations, averaged over some users.

    Recall is relative to the number of relevant items in the test, at most n.

    Parameters
    ----------
    recommender : BaseRecommender
    test : Ratings
    n : int
    relevant : float
        The lowest rating of a relevant item.
    users : int
        Maximum number of users; the first of those who have relevant items.
    items : array of ids, optional
        Candidates; by default all items but those that a user has rated in training.
    """
    matrix = test.matrix.tocsr()
    good = matrix.copy()
    good.data = (matrix.data >= relevant).astype(np.float32)
    good.eliminate_zeros()
    rows = np.flatnonzero(np.diff(good.indptr) > 0)[:users]
    lists = recommender.recommend(test.users.values[rows], n, items=items, unknown="average")
    discounts = 1 / np.log2(np.arange(2, n + 2))
    recalls, gains = [], []
    for row, recommended in zip(rows, lists, strict=True):
        sought = set(test.items.values[good[row].indices].tolist())
        hits = np.array([item in sought for item, _ in recommended], float)
        possible = min(n, len(sought))
        recalls.append(hits.sum() / possible)
        gains.append(hits @ discounts[: len(hits)] / discounts[:possible].sum())
    return {"recall10": float(np.mean(recalls)), "ndcg10": float(np.mean(gains))}
