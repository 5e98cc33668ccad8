"""Clicks: recommendations compared with those of `implicit`, each on one thread."""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse

LIKED = 4.0
D = 32
# chosen by `--tune` on a fifth of the training clicks of seed 0
IMPLICIT: dict[str, Any] = {"regularization": 100.0, "alpha": 10.0, "iterations": 15}
SIMEC: dict[str, Any] = {"alpha": 3.0, "l2": 30.0}
GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "implicit": {"regularization": (1.0, 10.0, 30.0, 60.0, 100.0), "alpha": (2.0, 5.0, 10.0, 20.0)},
    "simec": {"alpha": (1.0, 3.0, 6.0), "l2": (10.0, 20.0, 30.0, 40.0)},
}


def clicks(ratings: Any, seed: int) -> dict[str, float]:
    """Recall at 10 and seconds of fitting: alternating least squares, theirs and ours.

    Parameters
    ----------
    ratings : Ratings
        Those of 4 and 5 count as clicks, 70 % of them for training.
    seed : int
    """
    train, test = split(ratings, seed)
    figures: dict[str, float] = {}
    for name in ("simec", "implicit"):
        try:
            _factors(name, train[:100], seed, {})  # imports and other one-time costs
        except ImportError:
            continue
        measured = measure(name, train, test, seed)
        figures[f"implicit.recall10.{name}"], figures[f"implicit.seconds.{name}"] = measured
    return figures


def split(ratings: Any, seed: int, validation: bool = False) -> tuple[Any, Any]:
    """Clicks for training and for testing; with `validation`, a fifth of the former is the test."""
    liked = ratings.matrix.tocoo()
    good = liked.data >= LIKED
    rows, columns = liked.row[good], liked.col[good]
    rng = np.random.default_rng(seed)
    held = rng.random(len(rows)) < 0.3
    train, test = ~held, held
    if validation:
        out = rng.random(len(rows)) < 0.2
        train, test = ~held & ~out, ~held & out

    def part(mask: Any) -> Any:
        ones = np.ones(int(mask.sum()), np.float32)
        return sparse.csr_matrix((ones, (rows[mask], columns[mask])), ratings.shape)

    return part(train), part(test)


def measure(name: str, train: Any, test: Any, seed: int, **parameters: Any) -> tuple[float, float]:
    """Recall, and seconds of fitting."""
    start = time.perf_counter()
    U, V = _factors(name, train, seed, parameters)
    seconds = time.perf_counter() - start
    return recall(U, V, train, test), seconds


def _factors(name: str, train: Any, seed: int, parameters: dict[str, Any]) -> tuple[Any, Any]:
    """Vectors of users and of items."""
    if name == "simec":
        from simec.recommender import Recommender

        given = {**SIMEC, **parameters}
        ours = Recommender(D, feedback="implicit", device="cpu", random_state=seed, **given)
        ours.fit(train)
        return ours.user_vectors_, ours.item_vectors_
    from implicit.als import AlternatingLeastSquares

    given = {**IMPLICIT, **parameters}
    theirs = AlternatingLeastSquares(D, random_state=seed, num_threads=1, **given)
    theirs.fit(train, show_progress=False)
    return theirs.user_factors, theirs.item_factors


def tune(ratings: Any) -> None:
    """Print recall on a fifth of the training clicks of seed 0, for all parameters."""
    train, test = split(ratings, 0, validation=True)
    for name, axes in GRIDS.items():
        for values in product(*axes.values()):
            parameters = dict(zip(axes, values, strict=True))
            recalled, seconds = measure(name, train, test, 0, **parameters)
            print(f"clicks {name} {recalled:.4f} {seconds:.1f} s {parameters}", flush=True)


def recall(U: Any, V: Any, train: Any, test: Any, n: int = 10) -> float:
    """Mean over users of hits among n, relative to all relevant items in the test, at most n."""
    shares = []
    for start in range(0, train.shape[0], 1000):
        scores = np.asarray(U[start : start + 1000] @ V.T)
        for row, of in enumerate(scores, start):
            sought = test.indices[test.indptr[row] : test.indptr[row + 1]]
            if not len(sought):
                continue
            of[train.indices[train.indptr[row] : train.indptr[row + 1]]] = -np.inf
            best = np.argpartition(-of, n)[:n]
            shares.append(np.isin(best, sought).sum() / min(n, len(sought)))
    return float(np.mean(shares))
