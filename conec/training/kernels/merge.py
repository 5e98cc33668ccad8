"""Bringing together what was trained apart: the same bits, whoever does which part."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.simd import address, combine_rows, prefetch

_AHEAD = 8  # rows


@nb.njit(inline="always")
def part_of(word, n_parts):  # type: ignore[no-untyped-def]
    """The part of the vocabulary that a word is in: as good as random, without a division."""
    mixed = (np.uint64(word) * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)
    return np.int64((mixed * np.uint64(n_parts)) >> np.uint64(32))


@nb.njit(nogil=True, cache=True)
def merge(W1, W2, words1, words2, rooms, row_bytes, copies1, copies2, merged, part, n_parts):  # type: ignore[no-untyped-def]
    """Add to W1 and W2 what training made of copies of some of their rows.

    Of a row with n copies, the sum of their changes over sqrt(n) is added. The sum
    would overshoot where all have learned the same, the mean be too slow where each
    has learned something else.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
    words1, words2 : tuples of int32 arrays
        The words whose rows were copied, for each range.
    rooms : tuple of int
        Address of the copies of each range: those of rows of W1, then those of W2.
    row_bytes : int
        Bytes from a copy to the next.
    copies1, copies2 : int32 arrays of shape (V,)
        How many copies there are of a word's rows.
    merged : int32 array of shape (V,)
        Scratch, all 0 before and after.
    part, n_parts : int
        Only rows of this part of the vocabulary are merged.
    """
    for i in range(len(words1)):
        _merge(W1, words1[i], rooms[i], row_bytes, copies1, merged, part, n_parts)
    for i in range(len(words2)):
        copies = rooms[i] + len(words1[i]) * row_bytes
        _merge(W2, words2[i], copies, row_bytes, copies2, merged, part, n_parts)


@nb.njit(nogil=True)
def _merge(W, words, changed, row_bytes, copies, merged, part, n_parts):  # type: ignore[no-untyped-def]
    """Add the copies of one range; the last of them completes a row."""
    d, start, stride = W.shape[1], address(W), W.strides[0]
    ahead = 0
    for k in range(len(words)):
        while ahead < min(k + _AHEAD, len(words)):
            if part_of(words[ahead], n_parts) == part:
                prefetch(start + words[ahead] * stride, d)
                prefetch(changed + ahead * row_bytes, d)
            ahead += 1
        w = words[k]
        if part_of(w, n_parts) != part:
            continue
        n = copies[w]
        a = np.float32(1 / np.sqrt(np.float64(n)))
        # the old row is needed n times, and only at the first of them at hand
        b = np.float32(1) - a * np.float32(n) if merged[w] == 0 else np.float32(1)
        row = start + w * stride
        combine_rows(row, b, row, a, changed + k * row_bytes, d)
        merged[w] += 1
        if merged[w] == n:
            merged[w] = 0


@nb.njit(nogil=True, cache=True)
def count(copies1, copies2, words, n_text, by, part, n_parts):  # type: ignore[no-untyped-def]
    """Count in how many ranges words are; `words` and `n_text` are as from `plan_chunk`.

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
