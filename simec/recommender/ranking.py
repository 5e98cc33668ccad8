"""Helpers for ranking: pairs of ids, batches, highest scores, vector lengths, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from corpora.checks import check_integer

if TYPE_CHECKING:
    from simec.recommender.data.ratings import Ratings

_USERS = 1000  # users per batch of recommendations


def is_single(ids: Any) -> bool:
    """Whether something passed as an id or a sequence of ids is one id."""
    # NumPy's ndim would copy a list of strings to an array, with all padded to the longest one
    if isinstance(ids, np.ndarray):
        return ids.ndim == 0
    return isinstance(ids, (str, bytes)) or not hasattr(ids, "__len__")


def paired(users: Any, items: Any) -> tuple[Any, Any]:
    """Repeat a single id to match the number of ids on the other side."""
    if is_single(users) and is_single(items):
        return [users], [items]
    if is_single(users):
        return [users] * len(items), items
    if is_single(items):
        return users, [items] * len(users)
    return users, items


def batches(n: int, size: int) -> Iterator[slice]:
    """Yield slices of at most `size` that cover n entries."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def highest(scores: Any, topn: int) -> Any:
    """Indices of the `topn` highest scores, best first, ties in order, without -inf."""
    check_integer("topn", topn, 1)
    if topn < len(scores):
        threshold = np.partition(scores, -topn)[-topn]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(len(scores))
    best = candidates[np.argsort(-scores[candidates], kind="stable")][:topn]
    return best[scores[best] > -np.inf]


def exclude(scores: Any, users: Any, items: Any, matrix: Any) -> None:
    """Set scores to -inf where a matrix has stored entries, in place.

    Parameters
    ----------
    scores : float array of shape (n, k)
    users, items : int64 arrays of shape (n,) and (k,)
        Rows and columns of the matrix; -1 for users and items that are not in it.
    matrix : CSR matrix
    """
    column = np.full(matrix.shape[1], -1)
    column[items[items >= 0]] = np.flatnonzero(items >= 0)
    for row, user in zip(scores, users, strict=True):
        if user >= 0:
            seen = column[matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]]
            row[seen[seen >= 0]] = -np.inf


def occurrences(matrix: Any) -> Any:
    """A CSR matrix, float32, of 1 where the values of another one are positive, and sorted."""
    X = matrix.copy()
    X.data = (X.data > 0).astype(np.float32)
    X.eliminate_zeros()
    X.sort_indices()
    return X


def lengths(vectors: Any) -> Any:
    """Euclidean lengths of the rows of an array or CSR matrix."""
    if hasattr(vectors, "multiply"):
        return np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)))[:, 0]
    return np.sqrt((vectors**2).sum(axis=1))


def rank_metrics(
    recommend: Callable[[Any], list[Any]],
    test: Ratings,
    training: Ratings,
    topn: int,
    relevant: float | None = None,
) -> dict[str, float]:
    """Compute metrics of recommendations, see `simec.recommender.evaluate`.

    Parameters
    ----------
    recommend : callable
        Takes ids of users; returns a list of at most `topn` pairs (item, score) for each.
    test, training : Ratings
    topn : int
    relevant : float, optional
        Lowest rating of a relevant item.

    Raises
    ------
    ValueError
        If no rating is relevant.
    """
    users, items, values = test.triples()  # sorted by user
    is_relevant = np.ones(len(values), bool) if relevant is None else values >= relevant
    rows = np.repeat(np.arange(len(test.users)), np.diff(test.matrix.indptr))[is_relevant]
    users, items = users[is_relevant], items[is_relevant]
    _, first = np.unique(rows, return_index=True)
    if not len(first):
        raise ValueError(
            "there are no ratings to evaluate" if relevant is None
            else f"no rating of the test set is >= {relevant:g}"
        )  # fmt: skip
    wanted = [set(part.tolist()) for part in np.split(items, first[1:])]
    positions = np.arange(1, topn + 1)
    discounts = 1 / np.log2(1 + positions)
    totals = np.zeros(5)
    recommended_items: list[Any] = []
    for batch in batches(len(first), _USERS):
        for found, sought in zip(recommend(users[first[batch]]), wanted[batch], strict=True):
            hits = np.array([item in sought for item, _ in found], float)
            possible = min(topn, len(sought))
            gain = float(hits @ discounts[: len(hits)]) / float(discounts[:possible].sum())
            precision = float((hits * np.cumsum(hits) / positions[: len(hits)]).sum()) / possible
            totals += (
                hits.sum() / topn, hits.sum() / possible, gain, precision, bool(hits.any())
            )  # fmt: skip
            recommended_items += [item for item, _ in found]
    names = "precision", "recall", "ndcg", "map", "hits"
    results = dict(zip(names, (totals / len(first)).tolist(), strict=True))
    columns = training.items.find(recommended_items)
    counts = training.item_counts
    known = columns[columns >= 0]
    results["coverage"] = len(set(recommended_items)) / len(counts)
    popularity = float(counts[known].sum()) / max(len(columns), 1)
    results["popularity"] = popularity / max(float(counts.mean()), 1e-300)
    results["users"] = len(first)
    return results
