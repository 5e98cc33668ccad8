"""Bringing together what was trained apart: the same bits, whoever does which part."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.kernels.vectors import address, prefetch

_AHEAD = 8  # rows


@nb.njit(nogil=True, cache=True)
def count_copies(words, n, copies, part, n_parts):  # type: ignore[no-untyped-def]
    """Note that the rows of the first `n` words were copied; for `merge`.

    Parameters
    ----------
    words : int32 array
    copies : int32 array of shape (V,)
        How often each row was copied.
    part, n_parts : int
        Only words of this part of the vocabulary are looked at.
    """
    for i in range(n):
        if words[i] % n_parts == part:
            copies[words[i]] += 1


@nb.njit(nogil=True, cache=True, fastmath={"contract"})
def merge(W, rows, words, copies, merged, part, n_parts):  # type: ignore[no-untyped-def]
    """Add to W what training made of copies of some of its rows.

    Of a row with n copies, the sum of their changes over sqrt(n) is added. The sum
    would overshoot where all have learned the same, the mean be too slow where each
    has learned something else.

    Parameters
    ----------
    W : float32 array of shape (V, d)
    rows : float32 array of shape (n, d)
        The copies, of the first n of `words`.
    words : int32 array
    copies : int32 array of shape (V,)
        By `count_copies`, for all that will be merged; 0 again when all are.
    merged : int32 array of shape (V,)
        Scratch, 0 before and when all are merged.
    part, n_parts : int
        As for `count_copies`.
    """
    d = W.shape[1]
    start, ahead = address(W), 0
    for i in range(len(rows)):
        while ahead < min(i + _AHEAD, len(rows)):
            if words[ahead] % n_parts == part:
                prefetch(start + np.int64(words[ahead]) * d * 4, d)
            ahead += 1
        w = words[i]
        if w % n_parts != part:
            continue
        total, copy, n = W[w], rows[i], copies[w]
        a = np.float32(1 / np.sqrt(np.float64(n)))
        if n == 1:
            for j in range(d):
                total[j] = copy[j]
        elif merged[w] == 0:
            # the old row is needed n times, and only now at hand
            b = np.float32(1) - a * np.float32(n)
            for j in range(d):
                total[j] = b * total[j] + a * copy[j]
        else:
            for j in range(d):
                total[j] += a * copy[j]
        merged[w] += 1
        if merged[w] == n:
            copies[w] = merged[w] = 0
