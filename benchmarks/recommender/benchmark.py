"""Ratings of movies, predicted: thesis, section 4.2, Table 4.3 and Fig. 4.2.

MovieLens 1M (the thesis used 10M: ``--movielens-10m FOLDER`` uses it if its official files are in
the folder). Tasks, with 70 % of the data for training and 30 % for testing:

- t1: missing ratings; t1_90 the same with 90 % for training
- t2a: new movies
- t2b: new users
- t3: new movies and new users at once, without any rating of either in training

Errors are root mean squared errors of ratings. Features of movies are genres, people, keywords,
words of the plot, year and country; those of users are gender, age, occupation and region.

- averages: μ + b_movie + b_user, shrunken
- svd: plus a low-rank approximation of residuals, by alternating least squares
- svd_ridge: plus a ridge regression from features to its embeddings
- neighbourhood: averages plus residuals of similar movies
- content_linear: averages plus a ridge regression on movies' features for each user
- simec_identity: Recommender without features
- simec_plain: Recommender with features and a number for l2, in t2a: encoders, as in the thesis
- simec: with features; ColdStartRecommender in t1 and t2a, and in t2b with users and movies
  exchanged; Recommender with a number for l2 in t3
- recommender: Recommender with its defaults, and features

Recall and NDCG are of the first 10 recommendations, for 1,000 users; ratings of 4 and 5 are
relevant. In t2a candidates are the new movies. Compared with `implicit`: all ratings of 4 and 5
count as clicks, 70 % of them for training; recall at 10 over all users, and seconds on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import simec_data
from benchmarks.common import Result, Table, number, over_runs, report
from benchmarks.recommender import data as rd
from benchmarks.recommender.content import draw, draw_similarities, similarities
from benchmarks.recommender.implicit import clicks
from benchmarks.recommender.implicit import tune as tune_clicks
from benchmarks.recommender.methods import (
    CHOSEN,
    FEATURES,
    GRIDS,
    exchanged,
    grid,
    make,
    quiet,
    ranking,
    rmse,
)

QUICK_USERS, QUICK_MOVIES = 600, 1500
RANKED = 1000  # users
RELEVANT = 4.0
# Table 4.3, MovieLens 10M
THESIS = {
    "t1.rmse.averages": 0.88614, "t1.rmse.svd": 0.85891, "t1.rmse.simec_identity": 0.87660,
    "t1.rmse.svd_ridge": 0.88014, "t1.rmse.simec": 0.86796, "t2a.rmse.averages": 0.97610,
    "t2a.rmse.svd_ridge": 0.97332, "t2a.rmse.simec": 0.96897,
}  # fmt: skip
TASKS = ("t1", "t1_90", "t2a", "t2b", "t3")
_90 = ("averages", "svd", "simec_identity")


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from threadpoolctl import threadpool_limits

    args = _arguments(argv)
    _one_thread()
    with threadpool_limits(1):
        if args.tune:
            tune(args)
        else:
            run_all(args)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = simec_data.parser(__doc__)
    p.add_argument(
        "--movielens-10m", type=Path, metavar="FOLDER",
        help="measure on MovieLens 10M, from its official files in FOLDER",
    )  # fmt: skip
    p.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK")
    p.add_argument(
        "--tune", action="store_true", help="print validation errors for all parameters, and exit"
    )
    p.add_argument("--methods", nargs="+", metavar="METHOD", help="measure only these methods")
    args: argparse.Namespace = p.parse_args(argv)
    if args.movielens_10m is not None:
        # it has no data about its users
        args.tasks = [task for task in args.tasks if task in ("t1", "t1_90", "t2a")]
    return args


def _one_thread() -> None:
    try:
        import torch

        torch.set_num_threads(1)
    except ImportError:
        pass


# Data


class Data:
    """Ratings, and features by ids."""

    def __init__(self, args: argparse.Namespace, seed: int = 1) -> None:
        if args.movielens_10m is not None:
            from simec.recommender import read_movielens

            self.name, self.ratings = "movielens-10m", read_movielens(args.movielens_10m)
        else:
            self.name, self.ratings = "movielens-1m", rd.ml1m(args.data)
        if args.quick:
            self.ratings = rd.some(self.ratings, QUICK_USERS, QUICK_MOVIES, seed)
        movies = self.ratings.items.values
        catalogue = rd.movies(args.data)
        X, names = rd.movie_features(catalogue, movies)
        self.features = {"item": (movies, X, names)}
        if args.movielens_10m is None:
            users = self.ratings.users.values
            self.features["user"] = (users, *rd.user_features(users, args.data))

    def given(self, kinds: Sequence[str]) -> dict[str, Any]:
        """Arguments of `fit`."""
        return {f"{kind}_features": self.features[kind] for kind in kinds}


# Tasks


def run_all(args: argparse.Namespace) -> None:
    """Measure all methods on all tasks, for all seeds."""
    from tqdm import tqdm

    started = time.perf_counter()
    data = Data(args)
    runs: list[dict[str, float]] = []
    points: Any = None
    with tqdm(total=args.seeds * (len(args.tasks) + 2), desc="tasks", unit="task") as bar:
        for seed in range(1, args.seeds + 1):
            figures: dict[str, float] = {}
            for task in args.tasks:
                bar.set_postfix_str(f"seed {seed}, {task}")
                figures |= run(data, task, seed, args.methods)
                bar.update()
            if args.methods is None:
                bar.set_postfix_str(f"seed {seed}, similarities")
                measured, drawn = similarities(data, seed)
                figures, points = figures | measured, points or drawn
                bar.update()
                bar.set_postfix_str(f"seed {seed}, clicks")
                figures |= clicks(data.ratings, seed)
                bar.update()
            runs.append(figures)
    results = [_result(name, [r[name] for r in runs if name in r]) for name in runs[0]]
    results += _differences(runs)
    by_name = {result.name: result for result in results}
    protocol = {
        "split": "70 % / 30 % of ratings, movies or users; t1_90: 90 % / 10 %",
        "chosen": CHOSEN, "seeds": args.seeds, "quick": args.quick, "threads": 1,
        "ranked users": RANKED, "relevant": RELEVANT,
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }  # fmt: skip
    corpus = {
        "name": data.name, "ratings": len(data.ratings), "users": data.ratings.shape[0],
        "movies": data.ratings.shape[1], "movie features": data.features["item"][1].shape[1],
    }  # fmt: skip

    def charts(found: dict[str, Result], path: Path) -> None:
        draw(found, path)
        draw_similarities(found, points, path.with_name(f"{path.stem}_similarities.png"))

    report(
        "recommender", protocol, corpus, results, args.json,
        tables=[_table(by_name, args.tasks, "rmse", 4), _table(by_name, args.tasks, "recall10", 3),
                _table(by_name, args.tasks, "ndcg10", 3)],
        notes=["Last columns: Table 4.3 of the thesis, on MovieLens 10M."],
        chart=None if points is None else charts,
    )  # fmt: skip


def run(data: Data, task: str, seed: int, only: Sequence[str] | None = None) -> dict[str, float]:
    """One task and seed: errors, ranking and seconds of each method."""
    kind, share = ("t1", 0.1) if task == "t1_90" else (task, 0.3)
    train, test = rd.split(data.ratings, kind, seed, share)
    items = test.items.values[test.matrix.getnnz(axis=0) > 0] if task == "t2a" else None
    figures: dict[str, float] = {}
    for method in FEATURES[kind]:
        if (task == "t1_90" and method not in _90) or (only and method not in only):
            continue
        start = time.perf_counter()
        recommender, given = fitted(data, kind, method, seed, train, test)
        figures[f"{task}.seconds.{method}"] = time.perf_counter() - start
        figures[f"{task}.rmse.{method}"] = rmse(recommender, given)
        if task in ("t1", "t2a"):
            measures = ranking(recommender, test, 10, RELEVANT, RANKED, items=items)
            figures |= {f"{task}.{name}.{method}": value for name, value in measures.items()}
    return figures


def fitted(
    data: Data, task: str, method: str, seed: int, train: Any, test: Any, **parameters: Any
) -> tuple[Any, Any]:
    """A fitted recommender, and the test ratings in its form."""
    recommender = make(task, method, seed, **parameters)
    with quiet():
        if (task, method) == ("t2b", "simec"):
            recommender.fit(exchanged(train), item_features=data.features["user"])
            return recommender, exchanged(test)
        return recommender.fit(train, **data.given(FEATURES[task][method])), test


def tune(args: argparse.Namespace) -> None:
    """Print errors on held-out training ratings of seed 0 for all parameters of `GRIDS`."""
    data = Data(args, seed=0)
    for task in args.tasks:
        if task not in GRIDS:
            continue
        train, _ = rd.split(data.ratings, task, 0)
        fit, held = rd.split(train, task, 100, 0.2)
        for method in FEATURES[task]:
            if args.methods and method not in args.methods:
                continue
            errors = []
            for parameters in grid(task, method) if method in GRIDS[task] else ():
                error = rmse(*fitted(data, task, method, 0, fit, held, **parameters))
                errors.append((error, str(parameters)))
                print(f"{task} {method} {errors[-1][0]:.5f} {errors[-1][1]}", flush=True)
            if errors:
                print(f"{task} {method} best: {min(errors)[1]}", flush=True)
    if args.methods is None:
        tune_clicks(data.ratings)


# Results


def _result(name: str, values: Sequence[float]) -> Result:
    measure = name.split(".")[1]
    unit = {"rmse": "stars", "seconds": "s"}.get(measure, measure)
    more: dict[str, Any] = {}
    if name in THESIS:
        more = {"reference": THESIS[name], "source": "thesis, Table 4.3, MovieLens 10M"}
    elif name == "t1_90.rmse.simec_identity":
        more = {"reference": 0.845, "source": "at most"}
    return over_runs(name, values, unit, **more)


def _differences(runs: Sequence[dict[str, float]]) -> list[Result]:
    """Error of simec less those of the other methods, on the same split."""
    results = []
    pairs = [("t1", "simec_identity", "svd", -0.002)] + [
        ("t2a", "simec", other, 0.003) for other in ("averages", "svd_ridge", "content_linear")
    ]
    for task, ours, other, least in pairs:
        names = f"{task}.rmse.{ours}", f"{task}.rmse.{other}"
        values = [r[names[1]] - r[names[0]] for r in runs if all(name in r for name in names)]
        if values:
            results.append(
                over_runs(
                    f"{task}.gain.{ours}.{other}",
                    values,
                    "stars",
                    reference=least,
                    source="at least",
                )
            )
    return results


def _table(by_name: dict[str, Result], tasks: Sequence[str], measure: str, digits: int) -> Table:
    methods = list(dict.fromkeys(m for of in FEATURES.values() for m in of))
    shown = [
        task for task in tasks if any(name.startswith(f"{task}.{measure}.") for name in by_name)
    ]
    rows = []
    for method in methods:
        cells = [number(by_name.get(f"{t}.{measure}.{method}"), digits=digits) for t in shown]
        thesis = [THESIS.get(f"{t}.{measure}.{method}") for t in ("t1", "t2a")]
        rows.append((method, *cells, *("-" if b is None else f"{b:.4f}" for b in thesis)))
    return Table((measure, *shown, "thesis t1", "thesis t2a"), rows)
