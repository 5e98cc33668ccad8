"""Merging of trained copies of rows; results do not depend on which thread does what."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
import numpy.typing as npt

from conec.training.kernels.simd import (
    add_change,
    address,
    combine_rows,
    first_change,
    prefetch,
)
from corpora.jit import compiled

_AHEAD = 8  # rows


class MergeScratch(NamedTuple):
    """Scratch memory of `merge`, of shape (V,), shared by the threads.

    Attributes
    ----------
    n_merged : int32 array
        Number of copies of the word's row that were merged.
    totals : int64 array
        Address of the sum of their changes.
    squares : float32 array
        Sum of the squared lengths of their changes.
    """

    n_merged: npt.NDArray[np.int32]
    totals: npt.NDArray[np.int64]
    squares: npt.NDArray[np.float32]

    @classmethod
    def for_words(cls, n_words: int) -> MergeScratch:
        """Scratch memory for `n_words` words."""
        return cls(
            np.zeros(n_words, np.int32),
            np.zeros(n_words, np.int64),
            np.zeros(n_words, np.float32),
        )


@nb.njit(inline="always")
def part_of(word, n_parts):  # type: ignore[no-untyped-def]
    """Number of the part of the vocabulary that a word is in: a hash, without a division."""
    mixed = (np.uint64(word) * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)
    return np.int64((mixed * np.uint64(n_parts)) >> np.uint64(32))


@nb.njit(inline="always")
def agreement(squares, of_sum, n):  # type: ignore[no-untyped-def]
    """Factor of the sum of n changes: ``sum |change|² / |sum change|²``, from 1 / n to 1.

    `squares` and `of_sum` are numerator and denominator. Changes in different directions therefore
    add up, and equal changes are averaged. The plain sum would overshoot if changes were alike; the
    mean would be too slow if they had different directions.
    """
    factor = np.float32(1)
    if of_sum > squares:
        factor = max(np.float32(1) / np.float32(n), squares / of_sum)
    return factor


@compiled(nogil=True)
def merge(W1, W2, words1, words2, buffers, row_bytes, counts1, counts2, scratch, part, n_parts):  # type: ignore[no-untyped-def]
    """Add the changes of trained copies to the rows of W1 and W2, by agreement.

    The sum of the changes of a row is multiplied by their `agreement`, and added.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
    words1, words2 : tuples of int32 arrays
        The words whose rows were copied, for each chunk.
    buffers : tuple of int
        Addresses of the copies of each chunk: those of rows of W1, then those of W2. The first copy
        of a row is overwritten.
    row_bytes : int
        Bytes from one copy to the next.
    counts1, counts2 : int32 arrays of shape (V,)
        Number of copies of each word's rows.
    scratch : MergeScratch
        Its `n_merged` is all 0 before and after.
    part, n_parts : int
        Only rows of this part of the vocabulary are merged.
    """
    for i in range(len(words1)):
        _merge(W1, words1[i], buffers[i], row_bytes, counts1, scratch, part, n_parts)
    for i in range(len(words2)):
        copies = buffers[i] + len(words1[i]) * row_bytes
        _merge(W2, words2[i], copies, row_bytes, counts2, scratch, part, n_parts)


@nb.njit(nogil=True)
def _merge(W, words, copies, row_bytes, counts, scratch, part, n_parts):  # type: ignore[no-untyped-def]
    """Sum up the changes of the copies of one chunk; add the sum with the last copy of a row."""
    d, start, stride = W.shape[1], address(W), W.strides[0]
    one = np.float32(1)
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
        row, copy = start + w * stride, copies + k * row_bytes
        if scratch.n_merged[w] == 0:
            scratch.totals[w] = copy
            of_change, of_total = first_change(copy, copy, row, d)
            scratch.squares[w] = of_change
        else:
            of_change, of_total = add_change(scratch.totals[w], copy, row, d)
            scratch.squares[w] += of_change
        scratch.n_merged[w] += 1
        if scratch.n_merged[w] == counts[w]:
            scratch.n_merged[w] = 0
            factor = agreement(scratch.squares[w], of_total, counts[w])
            combine_rows(row, one, row, factor, scratch.totals[w], d)


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
