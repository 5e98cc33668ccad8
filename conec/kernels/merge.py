"""Bringing together what was trained apart: the same bits, whoever does which part."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.kernels.vectors import address, prefetch

_AHEAD = 8  # rows


@nb.njit(nogil=True, cache=True, fastmath={"contract"})
def merge(W, words, rows, copies, merged, part, n_parts):  # type: ignore[no-untyped-def]
    """Add to W what training made of copies of some of its rows.

    Of a row with n copies, the sum of their changes over sqrt(n) is added. The sum
    would overshoot where all have learned the same, the mean be too slow where each
    has learned something else.

    Parameters
    ----------
    W : float32 array of shape (V, d)
    words : tuple of int32 arrays
    rows : tuple of float32 arrays of shape (n, d)
        Each the copies of the first n of the words at its place.
    copies, merged : int32 arrays of shape (V,)
        Scratch, all 0 before and after.
    part, n_parts : int
        Only rows of this part of the vocabulary are merged.
    """
    for i in range(len(words)):
        own = words[i]
        for k in range(len(rows[i])):
            if own[k] % n_parts == part:
                copies[own[k]] += 1
    d = W.shape[1]
    start = address(W)
    for i in range(len(words)):
        own, changed, ahead = words[i], rows[i], 0
        for k in range(len(changed)):
            while ahead < min(k + _AHEAD, len(changed)):
                if own[ahead] % n_parts == part:
                    prefetch(start + np.int64(own[ahead]) * d * 4, d)
                ahead += 1
            w = own[k]
            if w % n_parts != part:
                continue
            total, copy, n = W[w], changed[k], copies[w]
            if n == 1:
                for j in range(d):
                    total[j] = copy[j]
                copies[w] = 0
                continue
            a = np.float32(1 / np.sqrt(np.float64(n)))
            # the old row is needed n times, and only at the first of them at hand
            b = np.float32(1) - a * np.float32(n) if merged[w] == 0 else np.float32(1)
            for j in range(d):
                total[j] = b * total[j] + a * copy[j]
            merged[w] += 1
            if merged[w] == n:
                copies[w] = merged[w] = 0
