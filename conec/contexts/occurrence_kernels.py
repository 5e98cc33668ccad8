"""Context vectors of single occurrences, compiled by Numba, without the GIL."""

from __future__ import annotations

import numba as nb

from conec.contexts.kernels import BORDER


@nb.njit(nogil=True, cache=True, fastmath={"contract"})
def occurrence_vectors(text, positions, weight, keep, matrix, out):  # type: ignore[no-untyped-def]
    """``out[i]``: the sum over the words around a position of their weight times their row.

    Parameters
    ----------
    text : int32 array
        By `lay_out`.
    positions : int64 array of shape (n,)
        In `text`; none is a border.
    weight : float32 array of shape (window + 1,)
        Of a context word at each distance.
    keep : float32 array of shape (V,)
        Weight of each context word.
    matrix : float32 array of shape (V, d)
    out : float32 array of shape (n, d)
    """
    out[:] = 0
    for i in range(len(positions)):
        _add(text, positions[i], weight, keep, matrix, out[i])


@nb.njit(nogil=True, cache=True, fastmath={"contract"})
def sum_by_word(text, positions, part, parts, weight, keep, matrix, out):  # type: ignore[no-untyped-def]
    """Add each position's context to the row of its word in `out`, of shape (V, d).

    Only of words whose id is `part` modulo `parts`; the rest is as for `occurrence_vectors`.
    """
    for p in positions:
        if text[p] % parts == part:
            _add(text, p, weight, keep, matrix, out[text[p]])


@nb.njit(nogil=True, cache=True, fastmath={"contract"})
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
