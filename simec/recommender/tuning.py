"""Search for parameters of a recommender on held-out ratings, by successive halving."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from corpora.checks import check_choice, check_integer, check_number
from corpora.errors import warn
from corpora.files import StrPath, check_output
from simec.recommender.base import BaseRecommender
from simec.recommender.data.ratings import Ratings, SplitBy, as_ratings
from simec.recommender.evaluation import evaluate
from simec.tuning import (
    BaseTuning,
    Setting,
    best_third,
    count_rounds,
    draw_settings,
    write_table,
)

logger = logging.getLogger(__name__)

_LOWER_IS_BETTER = ("rmse", "mae")
_METRICS = (*_LOWER_IS_BETTER, "ndcg", "recall", "precision", "map", "hits")
_EXPLICIT: dict[str, Sequence[Any]] = {
    "n_components": (5, 10, 20, 40),
    "shrinkage_users": (2.0, 5.0, 10.0, 20.0),
    "shrinkage_items": (1.0, 2.0, 5.0, 10.0),
}
_IMPLICIT: dict[str, Sequence[Any]] = {
    "n_components": (20, 32, 64, 128),
    "alpha": (0.5, 1.0, 3.0, 5.0, 10.0),
    "l2": (5.0, 10.0, 30.0, 60.0, 100.0),
    "l2_by_count": (0.25, 0.5, 1.0),
}
_SPACES: dict[str, dict[str, Sequence[Any]]] = {
    "EASE": {
        "l2": ("auto", 30.0, 100.0, 300.0, 1000.0),
        "l2_by_count": (0.0, 0.25, 0.5, 1.0),
        "user_weight": (0.0, 0.5, 1.0),
        "recency": (0.0, 0.25, 0.5, 0.75),
    },
    "RankingRecommender": {
        "loss": ("softmax", "warp", "bpr"),
        "n_components": (32, 64, 128),
        "learning_rate": (0.02, 0.05, 0.1),
        "l2": (0.003, 0.01, 0.03, 0.1),
        "max_iter": (10, 20, 40),
    },
    "BiasBaseline": {name: _EXPLICIT[name] for name in ("shrinkage_users", "shrinkage_items")},
    "ResidualSVD": {"n_components": (5, 10, 20, 40), "ridge": (5.0, 10.0, 15.0, 25.0, 50.0)},
    "ItemKNN": {
        "n_neighbors": (10, 20, 40, 80), "shrinkage": (30.0, 100.0, 300.0, 1000.0),
        "power": (1.0, 2.0),
    },
}  # fmt: skip


@dataclass
class Tuning(BaseTuning):
    """Result of `tune`.

    Attributes
    ----------
    best : dict of str to object
        Parameters of the best setting; empty if the defaults are best.
    table : list of dict
        A row for each setting, the best first: ``setting`` (its number; 0 is the recommender as
        passed), ``round`` (the last that it took part in), the mean of the metric over the splits
        of that round, ``std`` (their standard deviation), ``splits``, ``seconds`` (of all its fits)
        and the searched parameters. Settings of a later round come first.
    metric : str
    recommender : BaseRecommender
        Fitted to all ratings with the best setting.
    """

    metric: str
    recommender: BaseRecommender = field(repr=False)


def tune(
    recommender: BaseRecommender,
    ratings: Any,
    *,
    space: Mapping[str, Sequence[Any]] | None = None,
    metric: Literal["auto", "rmse", "mae", "ndcg", "recall", "precision", "map", "hits"] = "auto",
    relevant: float | None = None,
    by: Literal["auto"] | SplitBy = "auto",
    test_size: float = 0.2,
    minutes: float = 10,
    n_settings: int = 9,
    n_splits: int = 3,
    random_state: int | np.random.RandomState | None = None,
    table: StrPath | None = None,
    item_features: Any = None,
    user_features: Any = None,
) -> Tuning:
    """Search for the parameters with the best predictions of held-out ratings.

    The first setting are the parameters as passed, the others are drawn at random from `space`. All
    of them are fitted on one split of the ratings, the best third on further splits, and so on
    (successive halving). Ratings that are kept for a test must not be passed.

    Parameters
    ----------
    recommender : BaseRecommender
        Its class and its other parameters are used; it is not changed.
    ratings, item_features, user_features
        As for `BaseRecommender.fit`.
    space : mapping of str to sequence, optional
        Values of each searched parameter; by default those that matter most for this class.
    metric : str
        A result of `evaluate`, for 10 recommendations. "auto": "rmse" for explicit ratings, and
        "ndcg" for implicit feedback.
    relevant : float, optional
        As for `evaluate`.
    by : {"auto", "ratings", "items", "users", "time", "leave-one-out"}
        How ratings are held out, see `Ratings.split`. "auto": by "time" if there are times,
        otherwise by "ratings". A split by time is the same for all seeds but for ties, so that
        further splits hold out smaller fractions.
    test_size : float
        Fraction that is held out.
    minutes : float
        Time for all fits of the search. When it is over, the best setting so far is returned, with
        a warning. At least one setting is fitted.
    n_settings : int
        Number of settings in the first round.
    n_splits : int
        Number of splits of each setting in the last round.
    random_state : int, RandomState or None
        Seed of the settings and splits.
    table : path, optional
        Write the table to this file after each fit: JSON, or CSV if its name ends in ``.csv``.

    Returns
    -------
    Tuning

    Raises
    ------
    ValueError
        If ratings or parameters are invalid, or the class has no default space.

    References
    ----------
    K. Jamieson, A. Talwalkar (2016). Non-stochastic Best Arm Identification and Hyperparameter
    Optimization. (Successive halving.)
    """
    check_choice("metric", metric, ("auto", *_METRICS))
    check_choice("by", by, ("auto", "ratings", "items", "users", "time", "leave-one-out"))
    check_number("minutes", minutes, 0, above=True)
    check_integer("n_settings", n_settings, 1)
    check_integer("n_splits", n_splits, 1)
    if table is not None:
        check_output(table)
    data = as_ratings(ratings)
    random = check_random_state(random_state)
    seed = int(random.randint(1 << 30))
    searched = _space(recommender, data, space)
    features = {
        name: value
        for name, value in (("item_features", item_features), ("user_features", user_features))
        if value is not None
    }
    chosen_by: Any = by if by != "auto" else "ratings" if data.times is None else "time"

    def split(number: int) -> tuple[Ratings, Ratings]:
        size = test_size / (number + 1) if chosen_by == "time" else test_size
        return data.split(size, seed + number, chosen_by)

    settings = [
        _Setting(i, values) for i, values in enumerate(draw_settings(searched, n_settings, random))
    ]
    n_rounds = count_rounds(len(settings))
    end = time.perf_counter() + 60 * minutes
    left, timed_out = settings, False
    for number in range(1, n_rounds + 1):
        n_done = 0 if number == 1 else len(left[0].scores)
        # from 1 split in the first round to all in the last
        n = 1 + math.ceil((n_splits - 1) * (number - 1) / max(n_rounds - 1, 1))
        for setting in left:
            if timed_out or n == n_done:
                break
            complete = list(setting.scores)
            for part in range(n_done, n):
                expected = setting.fit_seconds() or settings[0].fit_seconds()
                if settings[0].scores and time.perf_counter() + expected > end:
                    timed_out = True  # means over fewer splits cannot be compared
                    break
                train, test = split(part)
                result = setting.run(recommender, train, test, relevant, features, random_state)
                if metric == "auto":
                    metric = "rmse" if "rmse" in result else "ndcg"
                if metric not in result:
                    raise ValueError(
                        f"{metric} is not defined for implicit feedback, whose scores only rank: "
                        "use metric='ndcg', 'recall' or 'map'"
                    )
                sign = -1.0 if metric in _LOWER_IS_BETTER else 1.0
                complete.append(sign * result[metric])
                if len(complete) < n:
                    continue
                setting.round, setting.scores = number, complete
                row = setting.row(metric, searched, recommender)
                logger.info("%s", ", ".join(f"{name} {value}" for name, value in row.items()))
                if table is not None:
                    ranked = sorted((s for s in settings if s.scores), key=_Setting.order)
                    rows = [s.row(metric, searched, recommender) for s in ranked]
                    write_table(table, rows, ranked[0].values)
        if timed_out:
            break
        left = best_third(left)
    ranked = sorted((setting for setting in settings if setting.scores), key=_Setting.order)
    if timed_out:
        warn(
            f"{minutes:g} minutes are over after {len(ranked)} of {len(settings)} settings: pass "
            "more minutes, or a smaller n_settings"
        )
    best = ranked[0].values
    rows = [setting.row(metric, searched, recommender) for setting in ranked]
    fitted = _new(recommender, best, random_state).fit(data, **features)
    return Tuning(best, rows, metric, fitted)


@dataclass
class _Setting(Setting):
    """A setting, and its results; scores are metrics, negative if lower ones are better."""

    fits: int = 0

    def fit_seconds(self) -> float:
        """Mean seconds of a fit; 0 before the first one."""
        return self.seconds / max(self.fits, 1)

    def run(
        self, recommender: BaseRecommender, train: Ratings, test: Ratings, relevant: Any,
        features: dict[str, Any], random_state: Any,
    ) -> dict[str, float]:  # fmt: skip
        """Fit and evaluate."""
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are shown in the last fit
            fitted = _new(recommender, self.values, random_state).fit(train, **features)
            result = evaluate(fitted, test, relevant=relevant)
        self.seconds += time.perf_counter() - start
        self.fits += 1
        return result

    def row(self, metric: str, searched: Mapping[str, Any], recommender: Any) -> dict[str, Any]:
        """Row of the table."""
        sign = -1.0 if metric in _LOWER_IS_BETTER else 1.0
        defaults = recommender.get_params(deep=False)
        return {
            "setting": self.number, "round": self.round, metric: sign * self.score,
            "std": float(np.std(self.scores)) if len(self.scores) > 1 else None,
            "splits": len(self.scores), "seconds": self.seconds,
            **{name: self.values.get(name, defaults[name]) for name in searched},
        }  # fmt: skip


def _new(
    recommender: BaseRecommender, values: dict[str, Any], random_state: Any
) -> BaseRecommender:
    """An unfitted recommender with other parameters."""
    made: BaseRecommender = clone(recommender).set_params(**values)
    parameters = made.get_params(deep=False)
    if isinstance(random_state, int) and parameters.get("random_state", 0) is None:
        made.set_params(random_state=random_state)
    return made


def _space(
    recommender: BaseRecommender, ratings: Ratings, space: Mapping[str, Sequence[Any]] | None
) -> dict[str, list[Any]]:
    name = type(recommender).__name__
    parameters = recommender.get_params(deep=False)
    if space is None and name == "Recommender":
        feedback = parameters["feedback"]
        form = ratings.feedback if feedback == "auto" else feedback
        space = _IMPLICIT if form == "implicit" else _EXPLICIT
    space = _SPACES.get(name) if space is None else space
    if space is None:
        raise ValueError(f"{name} has no default space: pass space={{parameter: values}}")
    for parameter, values in space.items():
        if parameter not in parameters:
            raise ValueError(
                f"{name} has no parameter {parameter!r}, only {', '.join(sorted(parameters))}"
            )
        if isinstance(values, str) or not len(values):
            raise ValueError(f"space must have values of {parameter}, got {values!r}")
    return {parameter: list(values) for parameter, values in space.items()}
