"""Clicks: recommendations beside those of `implicit`, each by one thread."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy import sparse

LIKED = 4.0
D = 32
# chosen on seed 0 by a fifth of the training clicks
IMPLICIT: dict[str, Any] = {"regularization": 10.0, "alpha": 5.0, "iterations": 15}
SIMEC: dict[str, Any] = {"alpha": 1.0, "l2": 10.0}


def clicks(ratings: Any, seed: int) -> dict[str, float]:
    """Recall at 10 and seconds of fitting: alternating least squares, theirs and ours.

    Parameters
    ----------
    ratings : Ratings
        Of which those of 4 and 5 count as clicks, 70 % of them to train on.
    seed : int
    """
    from simec.recommender import Ratings, Recommender

    liked = ratings.matrix.tocoo()
    good = liked.data >= LIKED
    rows, columns = liked.row[good], liked.col[good]
    held = np.random.default_rng(seed).random(len(rows)) < 0.3

    def part(mask: Any) -> Any:
        ones = np.ones(int(mask.sum()), np.float32)
        return sparse.csr_matrix((ones, (rows[mask], columns[mask])), ratings.shape)

    train, test = part(~held), part(held)
    found: dict[str, float] = {}
    start = time.perf_counter()
    ours = Recommender(D, feedback="implicit", device="cpu", random_state=seed, **SIMEC)
    ours.fit(Ratings(train, ratings.users, ratings.items))
    found["implicit.seconds.simec"] = time.perf_counter() - start
    found["implicit.recall10.simec"] = recall(ours.user_vectors_, ours.item_vectors_, train, test)
    theirs = _theirs(seed)
    if theirs is None:
        return found
    start = time.perf_counter()
    theirs.fit(train, show_progress=False)
    found["implicit.seconds.implicit"] = time.perf_counter() - start
    found["implicit.recall10.implicit"] = recall(
        theirs.user_factors, theirs.item_factors, train, test
    )
    return found


def _theirs(seed: int) -> Any:
    try:
        from implicit.als import AlternatingLeastSquares
    except ImportError:
        return None
    return AlternatingLeastSquares(D, random_state=seed, num_threads=1, **IMPLICIT)


def recall(U: Any, V: Any, train: Any, test: Any, n: int = 10) -> float:
    """Mean over users of hits among n, of all there are in the test, or n if these are more."""
    found = []
    for start in range(0, train.shape[0], 1000):
        scores = np.asarray(U[start : start + 1000] @ V.T)
        for row, of in enumerate(scores, start):
            sought = test.indices[test.indptr[row] : test.indptr[row + 1]]
            if not len(sought):
                continue
            of[train.indices[train.indptr[row] : train.indptr[row + 1]]] = -np.inf
            best = np.argpartition(-of, n)[:n]
            found.append(np.isin(best, sought).sum() / min(n, len(sought)))
    return float(np.mean(found))
