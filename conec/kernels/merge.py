"""Bringing together what was trained apart: the same bits, whoever does which part."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.kernels.vectors import address, combine_rows, prefetch

_AHEAD = 8  # rows


@nb.njit(inline="always")
def part_of(word, n_parts):  # type: ignore[no-untyped-def]
    """The part of the vocabulary that a word is in: as good as random, without a division."""
    mixed = (np.uint64(word) * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)
    return np.int64((mixed * np.uint64(n_parts)) >> np.uint64(32))


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
        Trained copies of the rows of the words at its place.
    copies : int32 array of shape (V,)
        How many there are of a word's row.
    merged : int32 array of shape (V,)
        Scratch, all 0 before and after.
    part, n_parts : int
        Only rows of this part of the vocabulary are merged.
    """
    d = W.shape[1]
    start, stride = address(W), W.strides[0]
    for i in range(len(words)):
        own, changed, ahead = words[i], rows[i], 0
        there = address(changed)
        for k in range(len(changed)):
            while ahead < min(k + _AHEAD, len(changed)):
                if part_of(own[ahead], n_parts) == part:
                    prefetch(start + own[ahead] * stride, d)
                    prefetch(there + ahead * changed.strides[0], d)
                ahead += 1
            w = own[k]
            if part_of(w, n_parts) != part:
                continue
            n = copies[w]
            a = np.float32(1 / np.sqrt(np.float64(n)))
            # the old row is needed n times, and only at the first of them at hand
            b = np.float32(1) - a * np.float32(n) if merged[w] == 0 else np.float32(1)
            total = start + w * stride
            combine_rows(total, b, total, a, there + k * changed.strides[0], d)
            merged[w] += 1
            if merged[w] == n:
                merged[w] = 0


@nb.njit(nogil=True, cache=True)
def count(copies1, copies2, words, n_text, by, part, n_parts):  # type: ignore[no-untyped-def]
    """Count in how many ranges words are; `words` and `n_text` are as from `survey`.

    Parameters
    ----------
    copies1, copies2 : int32 arrays of shape (V,)
        Counts of words in texts, and of words in texts or noise.
    words : tuple of int32 arrays
    n_text, by : tuples of int
        For each range; `by` is added to the counts of its words.
    part, n_parts : int
        Only words of this part of the vocabulary are counted.
    """
    for i in range(len(words)):
        own, n = words[i], n_text[i]
        for k in range(len(own)):
            if part_of(own[k], n_parts) == part:
                copies2[own[k]] += by[i]
                if k < n:
                    copies1[own[k]] += by[i]
