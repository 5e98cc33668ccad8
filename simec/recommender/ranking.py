"""Helpers for ranking: pairs of ids, batches, highest scores, vector lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from corpora.checks import check_integer


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


def lengths(vectors: Any) -> Any:
    """Euclidean lengths of the rows of an array or CSR matrix."""
    if hasattr(vectors, "multiply"):
        return np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)))[:, 0]
    return np.sqrt((vectors**2).sum(axis=1))
