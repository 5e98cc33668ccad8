"""The highest scores of many users, selected while a block of scores is in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpora.jit import compiled

_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "reassoc", "nnan", "nsz"}}


@compiled(**_OPTIONS)
def select_top(
    scores: Any, rows: Any, indptr: Any, indices: Any, position: Any, items: Any, best: Any
) -> None:
    """Find the highest scores of each row, best first, and ties in order.

    Parameters
    ----------
    scores : float32 array of shape (b, n)
        Those of seen items are overwritten with -inf.
    rows : int64 array of shape (b,)
        Row of each user in the seen items, or -1.
    indptr, indices : int arrays
        Seen items of users: a CSR matrix.
    position : int64 array
        Column in `scores` of each item, or -1.
    items, best : int64 and float32 arrays of shape (b, topn)
        Filled with columns of `scores` and scores; -1 and -inf if there are fewer.
    """
    n, topn = scores.shape[1], items.shape[1]
    block = 64
    for row in range(len(rows)):
        values = scores[row]
        if rows[row] >= 0:
            for k in range(indptr[rows[row]], indptr[rows[row] + 1]):
                if position[indices[k]] >= 0:
                    values[position[indices[k]]] = -np.inf
        items[row, :] = -1
        best[row, :] = -np.inf
        lowest = best[row, topn - 1]
        for start in range(0, n, block):
            end = min(start + block, n)
            # most blocks have nothing to add; their maximum takes a few instructions
            highest = values[start]
            for column in range(start + 1, end):
                highest = max(highest, values[column])
            if not highest > lowest:
                continue
            for column in range(start, end):
                value = values[column]
                if not value > lowest:
                    continue
                k = topn - 1
                while k > 0 and best[row, k - 1] < value:
                    best[row, k] = best[row, k - 1]
                    items[row, k] = items[row, k - 1]
                    k -= 1
                best[row, k] = value
                items[row, k] = column
                lowest = best[row, topn - 1]
