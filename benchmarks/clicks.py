"""Recommendations from clicks: NDCG, recall, coverage and popularity, beside the library implicit.

Ratings of 4 and 5 count as clicks. MovieLens 1M has no times here: a fifth of the clicks, drawn at
random, is the test. In MovieLens 100k and latest-small it is the latest fifth of a user's clicks.
Another fifth of the training clicks of seed 0 is for choosing parameters (``--tune``); those of ALS
were chosen on 100k and 1m, those of BPR on 1m, and the others are defaults. CPU seconds of one
thread are for `fit` alone.

- popularity: the same items for all users
- als, bpr: AlternatingLeastSquares and BayesianPersonalizedRanking of implicit
- factors: Recommender(feedback="implicit"), alternating least squares
- ease: EASE without times; ease_recent: with them
- softmax: RankingRecommender
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from benchmarks import simec_data
from benchmarks.common import Result, Table, number, over_runs, report

FILES = {"100k": "ml100k", "small": "ml_latest_small", "1m": "ml1m"}
METHODS = ("popularity", "als", "bpr", "factors", "ease", "ease_recent", "softmax")
MEASURES = ("ndcg", "recall", "coverage", "popularity")
CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "100k": {
        "als": {"factors": 64, "regularization": 20.0, "alpha": 3.0},
        "bpr": {"factors": 64, "learning_rate": 0.03, "regularization": 0.03, "iterations": 100},
    },
    "small": {
        "als": {"factors": 64, "regularization": 20.0, "alpha": 3.0},
        "bpr": {"factors": 64, "learning_rate": 0.03, "regularization": 0.03, "iterations": 100},
    },
    "1m": {
        "als": {"factors": 128, "regularization": 100.0, "alpha": 10.0},
        "bpr": {"factors": 64, "learning_rate": 0.03, "regularization": 0.03, "iterations": 150},
    },
}
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "als": {
        "factors": (32, 64, 128), "regularization": (10.0, 20.0, 60.0, 100.0),
        "alpha": (3.0, 10.0),
    },
    "bpr": {
        "factors": (32, 64), "learning_rate": (0.03, 0.1), "regularization": (0.01, 0.03),
        "iterations": (50, 100, 200),
    },
    "factors": {
        "n_components": (32, 64, 128), "alpha": (1.0, 3.0), "l2": (10.0, 20.0, 30.0, 60.0),
    },
    "ease": {"l2": ("auto", 50.0, 100.0, 300.0), "l2_by_count": (0.0, 0.5),
             "user_weight": (0.0, 0.25, 0.5)},
    "softmax": {"learning_rate": (0.03, 0.05, 0.1), "l2": (0.01, 0.03), "max_iter": (10, 20)},
}  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from threadpoolctl import threadpool_limits

    p = simec_data.parser(__doc__)
    p.add_argument("--sets", nargs="+", choices=list(FILES), default=["100k", "small", "1m"])
    p.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    p.add_argument("--tune", action="store_true", help="print validation NDCG, and exit")
    args = p.parse_args(argv)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if args.tune:
            tune(args)
        else:
            run_all(args)


def load(name: str, args: Any) -> Any:
    """Clicks of a set, with times if they are in the file; with --quick those of 200 users."""
    from simec.recommender import as_ratings

    with np.load(simec_data.find(f"recsys/{FILES[name]}_ratings.npz", args.data)) as file:
        columns = {key: file[key] for key in file.files}
    frame = {
        "user": columns["user"], "item": columns.get("item", columns.get("movie")),
        "rating": columns["rating"].astype(np.float32),
    }  # fmt: skip
    if "timestamp" in columns:
        frame["timestamp"] = columns["timestamp"]
    if args.quick:
        frame = {key: values[columns["user"] <= 200] for key, values in frame.items()}
    return as_ratings(frame).liked(4.0)


def split(clicks: Any, seed: int, *, validation: bool = False) -> tuple[Any, Any]:
    """Training and test clicks; with `validation`, those of a split of the training clicks."""
    by = "ratings" if clicks.times is None else "time"
    train, test = clicks.split(0.2, seed, by=by)
    return train.split(0.2, seed, by=by) if validation else (train, test)


def fit(method: str, train: Any, seed: int, given: dict[str, Any]) -> Callable[[Any], Any]:
    """Fit a method; return a function from rows of users to scores of all items."""
    from simec import recommender as r

    X = train.matrix
    if method == "popularity":
        counts = X.getnnz(axis=0).astype(np.float32)
        return lambda rows: np.tile(counts, (len(rows), 1))
    if method in ("als", "bpr"):
        from implicit.als import AlternatingLeastSquares
        from implicit.bpr import BayesianPersonalizedRanking

        kind = AlternatingLeastSquares if method == "als" else BayesianPersonalizedRanking
        theirs = kind(**given, random_state=seed, num_threads=1)
        theirs.fit(X, show_progress=False)
        return lambda rows: theirs.user_factors[rows] @ theirs.item_factors.T
    ours: Any
    if method == "factors":
        given = {"n_components": 64, **given}
        ours = r.Recommender(feedback="implicit", device="cpu", random_state=seed, **given)
    elif method == "softmax":
        ours = r.RankingRecommender(random_state=seed, **given)
    else:
        ours = r.EASE(**{"recency": 0.5 if method == "ease_recent" else 0.0, **given})
    ours.fit(train)
    if isinstance(ours, r.EASE):
        return lambda rows: np.asarray(ours.inputs_[rows] @ ours.weights_)
    return lambda rows: ours.user_vectors_[rows] @ ours.item_vectors_.T


def measure(
    method: str, train: Any, test: Any, seed: int, given: dict[str, Any]
) -> dict[str, float]:
    """Ranking metrics by the same code for all methods, and CPU seconds of fitting."""
    from simec.recommender.ranking import exclude, highest, rank_metrics

    start = time.process_time()
    scores_of = fit(method, train, seed, given)
    seconds = time.process_time() - start
    every = np.arange(len(train.items))

    def recommend(users: Any) -> list[Any]:
        rows = train.users.find(users)
        scores = np.array(scores_of(rows), np.float32)
        exclude(scores, rows, every, train.matrix)
        best = [highest(row, 10) for row in scores]
        return [[(item, 0.0) for item in train.items.values[found].tolist()] for found in best]

    measured = rank_metrics(recommend, test, train, 10)
    return {**{name: measured[name] for name in MEASURES}, "seconds": seconds}


def run_all(args: Any) -> None:
    """Measure all methods on all sets, for all seeds."""
    runs: dict[str, list[float]] = {}
    sizes = {}
    for name in args.sets:
        clicks = load(name, args)
        sizes[name] = f"{len(clicks)} clicks of {clicks.shape[0]} users, {clicks.shape[1]} items"
        for method in args.methods:  # compile, import
            measure(method, *split(load_small(clicks), 0), 0, _few(method))
        for seed in range(1, args.seeds + 1):
            train, test = split(clicks, seed)
            for method in args.methods:
                if method == "ease_recent" and clicks.times is None:
                    continue
                given = CHOSEN[name].get("ease" if "ease" in method else method, {})
                measured = measure(method, train, test, seed, given)
                print(name, seed, method, measured, flush=True)
                for measure_name, value in measured.items():
                    runs.setdefault(f"{name}.{measure_name}.{method}", []).append(value)
            best = max((runs[f"{name}.ndcg.{m}"][-1] for m in ("als", "bpr")
                        if f"{name}.ndcg.{m}" in runs), default=None)  # fmt: skip
            for method in ("factors", "ease", "ease_recent", "softmax"):
                key = f"{name}.ndcg.{method}"
                if best and key in runs:
                    runs.setdefault(f"{name}.ratio.{method}", []).append(runs[key][-1] / best)
    results = [_result(key, values) for key, values in runs.items()]
    by_name = {result.name: result for result in results}
    tables = [
        Table(
            (name, *MEASURES, "CPU s", "NDCG / best of als, bpr"),
            [
                (m, *(number(by_name.get(f"{name}.{k}.{m}")) for k in MEASURES),
                 number(by_name.get(f"{name}.seconds.{m}"), digits=1),
                 number(by_name.get(f"{name}.ratio.{m}")))
                for m in args.methods
            ],
        )
        for name in args.sets
    ]  # fmt: skip
    protocol = {"split": "latest fifth of each user; 1m: a random fifth", "seeds": args.seeds,
                "quick": args.quick, "threads": 1, "chosen": CHOSEN}  # fmt: skip
    report("clicks", protocol, sizes, results, args.json, tables=tables)


def load_small(clicks: Any) -> Any:
    """The clicks of the first 30 users."""
    rows = clicks.matrix.tocoo().row
    return clicks.select(rows < 30)


def _few(method: str) -> dict[str, Any]:
    return {"als": {"factors": 4}, "bpr": {"factors": 4}, "factors": {"n_components": 4},
            "softmax": {"n_components": 4, "max_iter": 1}}.get(method, {})  # fmt: skip


def _result(key: str, values: list[float]) -> Result:
    kind = key.split(".")[1]
    more = {"reference": 1.05, "source": "at least"} if kind == "ratio" else {}
    return over_runs(key, values, {"seconds": "s"}.get(kind, kind), **more)


def tune(args: Any) -> None:
    """Print validation NDCG of seed 0 for all parameters of `GRIDS`."""
    for name in args.sets:
        train, test = split(load(name, args), 0, validation=True)
        for method in args.methods:
            found = []
            axes = GRIDS.get(method, {})
            for values in product(*axes.values()):
                given = dict(zip(axes, values, strict=True))
                measured = measure(method, train, test, 0, given)
                found.append((measured["ndcg"], str(given)))
                print(f"{name} {method} {measured['ndcg']:.4f} {measured['seconds']:.1f} {given}",
                      flush=True)  # fmt: skip
            if found:
                print(f"{name} {method} best: {max(found)}", flush=True)


if __name__ == "__main__":
    main()
