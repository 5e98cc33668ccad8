"""Ratings of a sparse table, predicted with default parameters.

Tables of at most 3,000 users and 3,000 movies of MovieLens 1M, with 23,000 to 120,000 ratings, and
a ninth as many for testing:

- random: users and movies drawn at random
- popular: users drawn at random, and the movies with most ratings
- light: the users with fewest ratings, and movies drawn at random

No parameter was chosen for these tables. neighborhood: ItemKNN; svd: ResidualSVD; simec:
Recommender; averages: BiasBaseline. Errors are root mean squared errors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks import simec_data
from benchmarks.common import Table, number, over_runs, report
from benchmarks.recommender import data as rd
from benchmarks.recommender.methods import quiet, rmse

SIZE = 3000  # users, and movies, at most
KINDS = ("random", "popular", "light")
N_RATINGS = (23_000, 40_000, 80_000, 120_000)
METHODS = ("averages", "neighborhood", "svd", "simec")


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from threadpoolctl import threadpool_limits

    p = simec_data.parser(__doc__)
    p.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    p.add_argument("--ratings", nargs="+", type=int, default=list(N_RATINGS), metavar="N")
    with threadpool_limits(1):
        _run(p.parse_args(argv))


def _run(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    started = time.perf_counter()
    ratings = rd.ml1m(args.data)
    if args.quick:
        args.ratings = args.ratings[:1]
    runs: list[dict[str, float]] = []
    with tqdm(total=args.seeds * len(args.kinds) * len(args.ratings), desc="tables") as bar:
        for seed in range(1, args.seeds + 1):
            runs.append({})
            for kind in args.kinds:
                for n in args.ratings:
                    runs[-1] |= measure(ratings, kind, n, seed)
                    bar.update()
    results = [
        over_runs(name, [run[name] for run in runs], "s" if ".seconds." in name else "stars")
        for name in runs[0]
    ]
    by_name = {result.name: result for result in results}
    rows = [
        (f"{kind}, {n:,}", *(number(by_name[f"{kind}_{n}.rmse.{m}"], digits=4) for m in METHODS))
        for kind in args.kinds for n in args.ratings
    ]  # fmt: skip
    protocol = {
        "split": "90 % / 10 % of ratings", "seeds": args.seeds, "quick": args.quick, "threads": 1,
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }  # fmt: skip
    corpus = {"name": "movielens-1m", "ratings": len(ratings)}
    table = Table(("rmse", *METHODS), rows)
    report("recommender.sparse_tables", protocol, corpus, results, args.json, tables=[table])


def draw_table(ratings: Any, kind: str, n: int, seed: int) -> tuple[Any, Any]:
    """Draw a table of ratings; return n for training and n / 9 for testing, or all there are.

    Parameters
    ----------
    ratings : Ratings
    kind : {"random", "popular", "light"}
    n : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    matrix = ratings.matrix
    users, items = (rng.permutation(size)[:SIZE] for size in matrix.shape)
    if kind == "popular":
        items = np.argsort(-matrix.getnnz(axis=0), kind="stable")[:SIZE]
    elif kind == "light":
        users = np.argsort(np.diff(matrix.indptr), kind="stable")[:SIZE]
    chosen = np.zeros(matrix.shape[0], bool), np.zeros(matrix.shape[1], bool)
    chosen[0][users], chosen[1][items] = True, True
    entries = matrix.tocoo()
    inside = np.flatnonzero(chosen[0][entries.row] & chosen[1][entries.col])
    inside = rng.permutation(inside)[: n + n // 9]
    test = np.zeros(len(entries.data), bool)
    test[inside[: len(inside) // 10]] = True
    train = np.zeros(len(entries.data), bool)
    train[inside[len(inside) // 10 :]] = True
    part = ratings.select(train)
    u, i, values = part.triples()
    # without users and movies that have no training ratings
    from simec.recommender import Ratings, as_ratings

    fit = as_ratings((u, i, values))
    rows, columns = ratings.users.find(fit.users.values), ratings.items.find(fit.items.values)
    held = ratings.select(test).matrix[rows][:, columns]
    return fit, Ratings(sparse.csr_matrix(held), fit.users, fit.items)


def measure(
    ratings: Any, kind: str, n: int, seed: int, methods: Sequence[str] = METHODS
) -> dict[str, float]:
    """Errors and seconds of the methods on one table."""
    from simec import recommender as r

    made = {
        "averages": r.BiasBaseline(), "neighborhood": r.ItemKNN(), "svd": r.ResidualSVD(),
        "simec": r.Recommender(random_state=seed, device="cpu"),
    }  # fmt: skip
    train, test = draw_table(ratings, kind, n, seed)
    figures: dict[str, float] = {}
    for method in methods:
        start = time.process_time()
        with quiet():
            made[method].fit(train)
        figures[f"{kind}_{n}.seconds.{method}"] = time.process_time() - start
        figures[f"{kind}_{n}.rmse.{method}"] = rmse(made[method], test)
    return figures


if __name__ == "__main__":
    main()
