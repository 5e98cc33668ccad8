"""What is random in training on a range of tokens: subsampling, windows, noise words."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.random import GOLDEN, mix
from conec.training.kernels.step import ROWS

FAR = 16  # steps that training looks ahead

_U11, _U32, _U40 = np.uint64(11), np.uint64(32), np.uint64(40)
_LOW32 = np.uint64(0xFFFFFFFF)
_TO_UNIT, _TO_UNIT64 = np.float32(2.0**-24), 2.0**-53


@nb.njit(nogil=True)
def read(ids, offsets, start, stop, keep, window, min_window, key, word, left, right, known):  # type: ignore[no-untyped-def]
    """Copy the tokens that subsampling keeps of [start, stop), and their surroundings.

    Fills, for each kept token, its word, the ends of its window (indices into the
    copy) and the number of known words before it. The copy begins at index `window`:
    what is before is no word. Returns the first and last + 1 index of the tokens that
    are targets: those around them serve as context only.
    """
    doc = np.searchsorted(offsets, start, side="right") - 1
    doc_start = offsets[doc]
    # to the left of the range: as much of its document as a window can reach
    t = start
    missing = window
    while t > doc_start and missing > 0:
        t -= 1
        w = ids[t]
        if w < 0 or np.float32(mix(key + np.uint64(t) * GOLDEN) >> _U40) * _TO_UNIT < keep[w]:
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
            if w < 0 or np.float32(u >> _U40) * _TO_UNIT < keep[w]:
                if t >= stop:
                    missing -= 1
                width = min_window + np.int64(((u & _LOW32) * span) >> _U32)
                word[n] = w
                left[n] = max(begin, n - width)
                right[n] = n + width + 1
                n += 1
                known[n] = known[n - 1] + (1 if w >= 0 else 0)
            t += 1
        # windows that reach past the document's end are cut there
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

    The k-th word of a batch is drawn from the k-th part of the distribution, all parts
    alike in probability: words are in order of frequency, so each batch has its share
    of frequent and of rare ones. That leaves expectations as they are and lowers the
    variance.
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
def prepare(  # type: ignore[no-untyped-def]
    ids, offsets, start, stop, keep, cumulated, guide, window, min_window, n_shared,
    batch_size, token_key, noise_key,
):  # fmt: skip
    """Make what is random of a range: its tokens, their windows, its noise words."""
    room = stop - start + 4 * window + 2
    # what surrounds the text is no word, so that looking ahead and behind needs no check
    word = np.full(room + 2 * window + batch_size + (FAR + 2) * ROWS, -1, np.int32)
    left = np.empty(room, np.int32)
    right = np.empty(room, np.int32)
    known = np.empty(room + 1, np.int32)
    first, last = read(
        ids, offsets, start, stop, keep, window, min_window, token_key, word, left, right, known
    )
    n_batches = (last - first + batch_size - 1) // batch_size
    noise = np.empty((n_batches + 1, n_shared), np.int32)
    draw(noise_key, n_batches + 1, n_shared, cumulated, guide, noise)
    return word, left, right, known, first, last, noise
