"""Counting co-occurrences, compiled by Numba, without the GIL."""

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def group_positions(targets, first, stop, n_rows):  # type: ignore[no-untyped-def]
    """Positions in [first, stop) by their target: a counting sort.

    Returns
    -------
    starts : int64 array of shape (n_rows + 1,)
        Row r's positions are ``order[starts[r]:starts[r + 1]]``, in order of the text.
    order : int32 array
    """
    starts = np.zeros(n_rows + 1, np.int64)
    for p in range(first, stop):
        if targets[p] >= 0:
            starts[targets[p] + 1] += 1
    for r in range(n_rows):
        starts[r + 1] += starts[r]
    place = starts[:-1].copy()
    order = np.empty(starts[n_rows], np.int32)
    for p in range(first, stop):
        r = targets[p]
        if r >= 0:
            order[place[r]] = p
            place[r] += 1
    return starts, order


@nb.njit(nogil=True, cache=True)
def count_rows(ids, border, starts, order, row, row_stop, weight, n_words, room):  # type: ignore[no-untyped-def]
    """Rows [row, row_stop) of the matrix of weighted co-occurrences.

    Parameters
    ----------
    ids : int32 array
        The text; below 0 is a position that is no context word.
    border : uint8 array
        1 where a document begins, which no window crosses.
    starts, order
        Where each row's word occurs, by `group_positions`.
    weight : float64 array of shape (window + 1,)
        Of a context word at each distance; above 0.
    n_words : int
        Number of columns.
    room : int
        At least the number of entries.

    Returns
    -------
    counts : int64 array
        Entries in each row.
    columns : int32 array
        Sorted within each row.
    values : float64 array
    """
    total = np.zeros(n_words)
    touched = np.empty(n_words, np.int32)
    counts = np.zeros(row_stop - row, np.int64)
    columns = np.empty(room, np.int32)
    values = np.empty(room)
    n = len(ids)
    window = len(weight) - 1
    size = 0
    for r in range(row, row_stop):
        found = 0
        for q in range(starts[r], starts[r + 1]):
            p = order[q]
            for distance in range(1, window + 1):
                if border[p - distance + 1]:
                    break
                c = ids[p - distance]
                if c >= 0:
                    if total[c] == 0:
                        touched[found] = c
                        found += 1
                    total[c] += weight[distance]
            for distance in range(1, window + 1):
                if p + distance >= n or border[p + distance]:
                    break
                c = ids[p + distance]
                if c >= 0:
                    if total[c] == 0:
                        touched[found] = c
                        found += 1
                    total[c] += weight[distance]
        if found * 16 > n_words:  # so many that a look at all is faster than sorting
            k = 0
            for c in range(n_words):
                if total[c] > 0:
                    touched[k] = c
                    k += 1
        else:
            touched[:found].sort()
        for k in range(found):
            c = touched[k]
            columns[size] = c
            values[size] = total[c]
            total[c] = 0
            size += 1
        counts[r - row] = found
    return counts, columns[:size].copy(), values[:size].copy()


@nb.njit(nogil=True, cache=True, fastmath={"contract"})
def rows_times_matrix(indptr, columns, values, matrix, out):  # type: ignore[no-untyped-def]
    """``out[r] = sum(values[k] * matrix[columns[k]])`` over each row's entries."""
    d = matrix.shape[1]
    for r in range(len(indptr) - 1):
        y = out[r]
        for j in range(d):
            y[j] = 0
        for k in range(indptr[r], indptr[r + 1]):
            x = matrix[columns[k]]
            v = values[k]
            for j in range(d):
                y[j] += v * x[j]
