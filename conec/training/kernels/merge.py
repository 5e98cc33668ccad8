"""Merging of trained copies of rows; results do not depend on which thread does what."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.simd import address, combine_rows, prefetch
from corpora.jit import compiled

_AHEAD = 8  # rows


@nb.njit(inline="always")
def part_of(word, n_parts):  # type: ignore[no-untyped-def]
    """Number of the part of the vocabulary that a word is in: a hash, without a division."""
    mixed = (np.uint64(word) * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)
    return np.int64((mixed * np.uint64(n_parts)) >> np.uint64(32))


@compiled(nogil=True)
def merge(W1, W2, words1, words2, buffers, row_bytes, counts1, counts2, merged, part, n_parts):  # type: ignore[no-untyped-def]
    """Add the changes of trained copies to the rows of W1 and W2.

    For a row with n copies, the sum of their changes is divided by sqrt(n) and added. The plain
    sum would overshoot if the copies changed alike; the mean would be too slow if they changed
    in different directions.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
    words1, words2 : tuples of int32 arrays
        The words whose rows were copied, for each chunk.
    buffers : tuple of int
        Addresses of the copies of each chunk: those of rows of W1, then those of W2.
    row_bytes : int
        Bytes from one copy to the next.
    counts1, counts2 : int32 arrays of shape (V,)
        Number of copies of each word's rows.
    merged : int32 array of shape (V,)
        Scratch, all 0 before and after.
    part, n_parts : int
        Only rows of this part of the vocabulary are merged.
    """
    for i in range(len(words1)):
        _merge(W1, words1[i], buffers[i], row_bytes, counts1, merged, part, n_parts)
    for i in range(len(words2)):
        copies = buffers[i] + len(words1[i]) * row_bytes
        _merge(W2, words2[i], copies, row_bytes, counts2, merged, part, n_parts)


@nb.njit(nogil=True)
def _merge(W, words, copies, row_bytes, counts, merged, part, n_parts):  # type: ignore[no-untyped-def]
    """Add the changes of the copies of one chunk."""
    d, start, stride = W.shape[1], address(W), W.strides[0]
    ahead = 0
    for k in range(len(words)):
        while ahead < min(k + _AHEAD, len(words)):
            if part_of(words[ahead], n_parts) == part:
                prefetch(start + words[ahead] * stride, d)
                prefetch(copies + ahead * row_bytes, d)
            ahead += 1
        w = words[k]
        if part_of(w, n_parts) != part:
            continue
        n = counts[w]
        a = np.float32(1 / np.sqrt(np.float64(n)))
        # the old row is subtracted n times, all at once with the first copy, before it changes
        b = np.float32(1) - a * np.float32(n) if merged[w] == 0 else np.float32(1)
        row = start + w * stride
        combine_rows(row, b, row, a, copies + k * row_bytes, d)
        merged[w] += 1
        if merged[w] == n:
            merged[w] = 0


@compiled(nogil=True)
def count(counts1, counts2, words, n_text, by, part, n_parts):  # type: ignore[no-untyped-def]
    """Count the chunks that contain each word; `words` and `n_text` are from `plan_chunk`.

    Parameters
    ----------
    counts1, counts2 : int32 arrays of shape (V,)
        Number of chunks with the word in the text, and in the text or among noise words.
    words : tuple of int32 arrays
        For each chunk.
    n_text, by : tuples of int
        For each chunk; `by` is added to the counts of its words.
    part, n_parts : int
        Only words of this part of the vocabulary are counted.
    """
    for i in range(len(words)):
        for k in range(len(words[i])):
            w = words[i][k]
            if part_of(w, n_parts) == part:
                counts2[w] += by[i]
                if k < n_text[i]:
                    counts1[w] += by[i]
