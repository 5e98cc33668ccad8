"""The random draws of training on a chunk: subsampling, windows, noise words."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.random import GOLDEN, mix, uniform
from conec.training.kernels.step import ROWS

FAR = 16  # steps ahead for which rows are prefetched

_U11, _U32 = np.uint64(11), np.uint64(32)
_LOW32 = np.uint64(0xFFFFFFFF)
_TO_UNIT64 = 2.0**-53


@nb.njit(nogil=True)
def document_at(offsets, position):  # type: ignore[no-untyped-def]
    """Index of the document of a position: the last one that starts at it or before.

    Compiled code that uses np.searchsorted would import all of Numba's array functions, and SciPy.
    """
    first, stop = 0, len(offsets)
    while first < stop:
        middle = (first + stop) // 2
        if offsets[middle] <= position:
            first = middle + 1
        else:
            stop = middle
    return first - 1


@nb.njit(nogil=True)
def read(ids, offsets, start, stop, keep, window, min_window, key, word, left, right, known):  # type: ignore[no-untyped-def]
    """Copy the tokens of [start, stop) that subsampling keeps, and the context around them.

    Fills in, for each kept token, its word, the ends of its window (indices of the copy) and the
    number of known words before it. The copy begins at index `window`; earlier positions hold no
    word. Returns the index of the first target token, and one past the last; tokens outside of
    these are only context.
    """
    doc = document_at(offsets, start)
    doc_start = offsets[doc]
    # before the chunk: as many tokens of its document as a window can reach
    t = start
    missing = window
    while t > doc_start and missing > 0:
        t -= 1
        w = ids[t]
        if w < 0 or uniform(mix(key + np.uint64(t) * GOLDEN)) < keep[w]:
            missing -= 1
    n = first = begin = window
    last = -1
    known[n] = 0
    missing = window
    span = np.uint64(window - min_window + 1)
    while doc < len(offsets) - 1:
        doc_stop = offsets[doc + 1]
        while t < doc_stop:
            if t >= stop:
                if last < 0:
                    last = n
                if missing == 0:
                    break
            if t == start:
                first = n
            w = ids[t]
            u = mix(key + np.uint64(t) * GOLDEN)
            if w < 0 or uniform(u) < keep[w]:
                if t >= stop:
                    missing -= 1
                width = min_window + np.int64(((u & _LOW32) * span) >> _U32)
                word[n] = w
                left[n] = max(begin, n - width)
                right[n] = n + width + 1
                n += 1
                known[n] = known[n - 1] + (1 if w >= 0 else 0)
            t += 1
        # cut windows at the end of the document
        for i in range(max(begin, n - window), n):
            right[i] = min(right[i], n)
        begin = n
        doc += 1
        if t >= stop:
            break
    if last < 0:
        last = n
    return first, last


@nb.njit(nogil=True)
def draw(key, n_steps, n_shared, cumulated, guide, noise):  # type: ignore[no-untyped-def]
    """Draw the noise words of `n_steps` batches, one from each of `n_shared` strata.

    This is stratified sampling: the k-th word of a batch is drawn from the k-th of `n_shared`
    equally probable parts of the distribution. Words are in order of frequency, so each batch has
    frequent and rare words. Expectations stay the same, and the variance is lower.
    """
    scale = 1.0 / n_shared
    buckets = len(guide)
    for b in range(n_steps):
        for k in range(n_shared):
            key += GOLDEN
            x = (k + np.float64(mix(key) >> _U11) * _TO_UNIT64) * scale
            w = guide[min(np.int64(x * buckets), buckets - 1)]
            while cumulated[w] <= x:
                w += 1
            noise[b, k] = w


@nb.njit(nogil=True)
def prepare(stream, words, settings, chunk):  # type: ignore[no-untyped-def]
    """Make the random draws of a chunk: its tokens, their windows, its noise words.

    Parameters are those of `conec.training.kernels.arguments`.
    """
    ids, offsets, start, stop = stream.ids, stream.offsets, chunk.start, chunk.stop
    window, batch_size, n_shared = settings.window, settings.batch_size, settings.n_shared
    size = stop - start + 4 * window + 2
    # padded with positions without a word, so that reading ahead and back needs no check
    word = np.full(size + 2 * window + batch_size + (FAR + 2) * ROWS, -1, np.int32)
    left = np.empty(size, np.int32)
    right = np.empty(size, np.int32)
    known = np.empty(size + 1, np.int32)
    first, last = read(
        ids, offsets, start, stop, words.keep, window, settings.min_window, chunk.token_key,
        word, left, right, known,
    )  # fmt: skip
    n_batches = (last - first + batch_size - 1) // batch_size
    noise = np.empty((n_batches + 1, n_shared), np.int32)
    draw(chunk.noise_key, n_batches + 1, n_shared, words.cumulated, words.guide, noise)
    return word, left, right, known, first, last, noise
