"""Counting of co-occurrences and sums over contexts, compiled by Numba, without the GIL."""

from __future__ import annotations

import numpy as np

from corpora.jit import compiled

BORDER = -2  # precedes each document of a text, and follows the last one
UNKNOWN = -1  # a position without a context word

# if only one bit of x is set, its index is _BIT[(x * _DE_BRUIJN) >> 58]
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT = np.zeros(64, np.int64)
for _i in range(64):
    _BIT[(int(_DE_BRUIJN) << _i & (2**64 - 1)) >> 58] = _i
_U0, _U1, _U58 = np.uint64(0), np.uint64(1), np.uint64(58)


@compiled(nogil=True)
def count_words(ids, n_words):  # type: ignore[no-untyped-def]
    """Number of occurrences of each word."""
    counts = np.zeros(n_words, np.int64)
    for word in ids:
        if word >= 0:
            counts[word] += 1
    return counts


@compiled(nogil=True)
def lay_out(ids, borders, first, stop):  # type: ignore[no-untyped-def]
    """Copy a text with BORDER between documents, so that windows need not look up offsets.

    Parameters
    ----------
    ids : int32 array
        The text; values below 0 are positions without a context word.
    borders : int64 array
        Starts of documents in `ids`, in ascending order.
    first, stop : int
        A span of `ids`.

    Returns
    -------
    text : int32 array
    first, stop : int
        The corresponding span of `text`.
    """
    text = np.empty(len(ids) + len(borders) + 2, np.int32)
    text[0] = BORDER
    n = 1
    b = 0
    begin = end = -1
    for p in range(len(ids)):
        while b < len(borders) and borders[b] <= p:
            if text[n - 1] != BORDER:
                text[n] = BORDER
                n += 1
            b += 1
        if p == first:
            begin = n
        if p == stop:
            end = n
        text[n] = max(ids[p], UNKNOWN)
        n += 1
    text[n] = BORDER
    return text[: n + 1], (begin if begin >= 0 else n), (end if end >= 0 else n)


@compiled(nogil=True)
def group_positions(targets, first, stop, n_rows):  # type: ignore[no-untyped-def]
    """Group the positions in [first, stop) by their target, with a counting sort.

    Returns
    -------
    starts : int64 array of shape (n_rows + 1,)
        The positions of row r are ``order[starts[r]:starts[r + 1]]``, in the order of the text.
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


@compiled(nogil=True)
def count_rows(text, starts, order, row, row_stop, weight, keep, diagonal, n_words, size):  # type: ignore[no-untyped-def]
    """Rows [row, row_stop) of the matrix of weighted co-occurrences.

    Parameters
    ----------
    text : int32 array
        From `lay_out`.
    starts, order
        Positions of each row's word in the text, from `group_positions`.
    weight : float64 array of shape (window + 1,)
        Weight > 0 of a context word at each distance.
    keep : float32 array of shape (n_words,) or (0,)
        Weight > 0 of each context word; empty if all weights are 1.
    diagonal : float
        The row's number of occurrences times this factor is added to its own column.
    n_words : int
        Number of columns.
    size : int
        Upper bound of the number of entries, for which memory is reserved.

    Returns
    -------
    indptr : int64 array of shape (row_stop - row + 1,)
    columns : int32 array
        Sorted within each row.
    values : float64 array
    """
    total = np.zeros(n_words)
    touched = np.empty(n_words, np.int32)
    bits = np.zeros((n_words + 63) // 64, np.uint64)
    indptr = np.zeros(row_stop - row + 1, np.int64)
    columns = np.empty(size, np.int32)
    values = np.empty(size)
    window = len(weight) - 1
    end = 0
    for r in range(row, row_stop):
        n_touched = 0
        for q in range(starts[r], starts[r + 1]):
            p = order[q]
            for side in (-1, 1):
                for distance in range(1, window + 1):
                    c = text[p + side * distance]
                    if c >= 0:
                        if total[c] == 0:
                            touched[n_touched] = c
                            n_touched += 1
                        total[c] += weight[distance]
                    elif c == BORDER:
                        break
        if diagonal > 0 and starts[r + 1] > starts[r]:
            if total[r] == 0:
                touched[n_touched] = r
                n_touched += 1
            count = diagonal * (starts[r + 1] - starts[r])
            total[r] += count / keep[r] if len(keep) else count
        if n_touched * 256 < n_words:
            touched[:n_touched].sort()
        else:  # if there are many, a bitmap is faster than sorting
            for k in range(n_touched):
                c = touched[k]
                bits[c >> 6] |= _U1 << np.uint64(c & 63)
            k = 0
            for b in range(len(bits)):
                remaining = bits[b]
                while remaining != _U0:
                    lowest = remaining & (~remaining + _U1)
                    touched[k] = b * 64 + _BIT[np.int64((lowest * _DE_BRUIJN) >> _U58)]
                    remaining ^= lowest
                    k += 1
                bits[b] = _U0
        for k in range(n_touched):
            c = touched[k]
            columns[end] = c
            values[end] = total[c] * keep[c] if len(keep) else total[c]
            total[c] = 0
            end += 1
        indptr[r - row + 1] = end
    return indptr, columns[:end], values[:end]


@compiled(nogil=True, fastmath={"contract"})
def rows_times_matrix(indptr, columns, values, matrix, out):  # type: ignore[no-untyped-def]
    """``out[r] = sum(values[k] * matrix[columns[k]])`` over each row's entries."""
    d = matrix.shape[1]
    for r in range(len(indptr) - 1):
        y = out[r]
        for j in range(d):
            y[j] = 0
        k = indptr[r]
        # four entries at a time: the sums are read and written less often
        while k + 4 <= indptr[r + 1]:
            a, b, c, e = values[k], values[k + 1], values[k + 2], values[k + 3]
            xa, xb = matrix[columns[k]], matrix[columns[k + 1]]
            xc, xe = matrix[columns[k + 2]], matrix[columns[k + 3]]
            for j in range(d):
                y[j] += (a * xa[j] + b * xb[j]) + (c * xc[j] + e * xe[j])
            k += 4
        while k < indptr[r + 1]:
            v, x = values[k], matrix[columns[k]]
            for j in range(d):
                y[j] += v * x[j]
            k += 1


@compiled(nogil=True, fastmath={"contract"})
def occurrence_vectors(text, positions, weight, keep, matrix, out):  # type: ignore[no-untyped-def]
    """Write to ``out[i]`` the weighted sum of the rows of the words around position i.

    Parameters
    ----------
    text : int32 array
        From `lay_out`.
    positions : int64 array of shape (n,)
        Indices of `text`, without borders.
    weight : float32 array of shape (window + 1,)
        Weight of a context word at each distance.
    keep : float32 array of shape (V,)
        Weight of each context word.
    matrix : float32 array of shape (V, d)
    out : float32 array of shape (n, d)
    """
    out[:] = 0
    for i in range(len(positions)):
        _add(text, positions[i], weight, keep, matrix, out[i])


@compiled(nogil=True, fastmath={"contract"})
def _add(text, p, weight, keep, matrix, y):  # type: ignore[no-untyped-def]
    """Add the context of one position to `y`."""
    for side in (-1, 1):
        for distance in range(1, len(weight)):
            c = text[p + side * distance]
            if c >= 0:
                v = weight[distance] * keep[c]
                x = matrix[c]
                for j in range(len(y)):
                    y[j] += v * x[j]
            elif c == BORDER:
                break
