"""Parts of recommending: pairs of ids, the highest scores, lengths of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def paired(users: Any, items: Any) -> tuple[Any, Any]:
    """Ids of pairs: one id stands for as many as there are of the others."""
    if np.ndim(users) == 0 and np.ndim(items) == 0:
        return [users], [items]
    if np.ndim(users) == 0:
        return [users] * len(items), items
    if np.ndim(items) == 0:
        return users, [items] * len(users)
    return users, items


def slices(n: int, size: int) -> Iterator[slice]:
    """Parts of n things, some at a time."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def top(scores: Any, n: int) -> Any:
    """Places of the highest, best first, without those of -inf; ties in the order of items."""
    if n < 1:
        raise ValueError(f"n is at least 1, not {n}")
    if n < len(scores):
        least = np.partition(scores, -n)[-n]
        some = np.flatnonzero(scores >= least)
    else:
        some = np.arange(len(scores))
    some = some[np.argsort(-scores[some], kind="stable")][:n]
    return some[scores[some] > -np.inf]


def exclude(scores: Any, users: Any, items: Any, matrix: Any) -> None:
    """Put -inf where a matrix stores something.

    Parameters
    ----------
    scores : float array of shape (n, k)
    users, items : int64 arrays of shape (n,) and (k,)
        Rows and columns of the matrix, -1 for others.
    matrix : CSR matrix
    """
    place = np.full(matrix.shape[1], -1)
    place[items[items >= 0]] = np.flatnonzero(items >= 0)
    for row, user in zip(scores, users, strict=True):
        if user >= 0:
            seen = place[matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]]
            row[seen[seen >= 0]] = -np.inf


def lengths(vectors: Any) -> Any:
    """Of each row of an array or CSR matrix."""
    if hasattr(vectors, "multiply"):
        return np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)))[:, 0]
    return np.sqrt((vectors**2).sum(axis=1))
