"""Sampling of occurrences and sums over contexts, compiled by Numba, without the GIL."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.random import GOLDEN, mix
from conec.training.kernels.simd import ADDED, add_rows, address, combine_rows, prefetch
from corpora.jit import compiled

_F0, _F1 = np.float32(0), np.float32(1)
_TO_UNIT = np.float32(2.0**-32)
_U32 = np.uint64(32)
_DEPTH = 8  # positions whose rows are prefetched
_AHEAD = 8  # tokens


@compiled(nogil=True)
def choose(ids, start, stop, remaining, needed, key):  # type: ignore[no-untyped-def]
    """Choose random occurrences in the next part of a text, exactly `needed` of each word.

    Selection sampling (Fan, Muller & Rezucha 1962; Knuth, The Art of Computer Programming,
    vol. 2, algorithm 3.4.2 S): an occurrence is chosen with probability needed / remaining.
    Parts must be processed in order; the result does not depend on their lengths.

    Parameters
    ----------
    ids : int32 array
        The text; values below 0 are positions without a word.
    start, stop : int
        The part.
    remaining : int64 array of shape (V,)
        Number of occurrences of each word from `start` on; updated in place, but no longer for
        words of which no occurrence is needed any more.
    needed : int32 array of shape (V,)
        Number of occurrences to be chosen, at most `remaining`; updated in place.
    key : uint64
        Key of the random numbers.

    Returns
    -------
    int64 array
        Positions in ascending order.
    """
    positions = np.empty(stop - start, np.int64)
    n = 0
    for p in range(start, stop):
        w = ids[p]
        if w >= 0 and needed[w] > 0:
            left = remaining[w]
            chosen = needed[w] >= left
            if not chosen:
                # 32 random bits, scaled to [0, left): exact enough below 2**32 occurrences
                draw = mix(key + np.uint64(p) * GOLDEN) >> _U32
                chosen = np.int64((draw * np.uint64(left)) >> _U32) < needed[w]
            if chosen:
                positions[n] = p
                n += 1
                needed[w] -= 1
            remaining[w] = left - 1
    return positions[:n].copy()


@nb.njit(nogil=True)
def _document(offsets, position, document):  # type: ignore[no-untyped-def]
    """The document of a position; `document` is that of an earlier one, or -1."""
    if document < 0:
        return np.searchsorted(offsets, position, "right") - 1
    while offsets[document + 1] <= position:
        document += 1
    return document


@compiled(nogil=True)
def draw_weights(ids, start, weights, smallest, key):  # type: ignore[no-untyped-def]
    """Weight of each token in a mean of contexts; unlikely to be positive if it is small.

    A token whose word has a weight below `smallest` gets the weight `smallest` with probability
    weight / smallest, and otherwise 0: the mean stays the same, and most frequent words, which
    have small weights, can be skipped.

    Parameters
    ----------
    ids : int32 array of shape (n,)
        Part of a text; values below 0 are positions without a context word.
    start : int
        Position of the part in the text.
    weights : float32 array of shape (V,)
        Weight of each word.
    smallest : float
        0 to give each token the weight of its word.
    key : uint64
        Key of the random numbers.

    Returns
    -------
    float32 array of shape (n,)
    """
    drawn = np.zeros(len(ids), np.float32)
    smallest = np.float32(smallest)
    for i in range(len(ids)):
        w = ids[i]
        if w >= 0:
            weight = weights[w]
            if weight < smallest:
                draw = mix(key + np.uint64(start + i) * GOLDEN) >> _U32
                weight = smallest if np.float32(draw) * _TO_UNIT * smallest < weight else _F0
            drawn[i] = weight
    return drawn


@compiled(nogil=True)
def add_contexts(ids, start, offsets, positions, rows, distance, weights, matrix, out, column, d):  # type: ignore[no-untyped-def]
    """Add the context of each position to the row of its word, word by word.

    Parameters
    ----------
    ids : int32 array of shape (n,)
        Part of a text; values below 0 are positions without a context word.
    start : int
        Position of the part in the text.
    offsets : int64 array
        Starts of the documents in the text, and the end of the last one.
    positions : int64 array
        From `choose`. The part contains their contexts.
    rows : int64 array of shape (V,)
        Row of `out` for each word that is chosen.
    distance : float32 array of shape (window + 1,)
        Weight of a context word at each distance.
    weights : float32 array of shape (n,)
        Weight of each token; tokens with weight 0 are skipped.
    matrix : float32 array of shape (V, size)
        Vectors of context words.
    out : float32 array of shape (m, size)
        Updated in place.
    column, d : int
        The columns to be processed: those from `column` to ``column + d``.
    """
    window = len(distance) - 1
    x, y = address(matrix) + 4 * column, address(out) + 4 * column
    # contexts of the next positions: their rows are prefetched while others are added
    addresses = np.empty((_DEPTH, 2 * window + ADDED), np.int64)
    values = np.zeros((_DEPTH, 2 * window + ADDED), np.float32)
    sizes = np.zeros(_DEPTH, np.int64)
    targets = np.zeros(_DEPTH, np.int64)
    document = -1
    for i in range(len(positions) + _DEPTH - 1):
        slot = i % _DEPTH
        if i < len(positions):
            p, n = positions[i], 0
            into, factor = addresses[slot], values[slot]
            document = _document(offsets, p, document)
            low = max(offsets[document], p - window) - start
            high = min(offsets[document + 1], p + window + 1) - start
            p -= start
            for q in range(low, high):
                if weights[q] != 0 and q != p:
                    into[n] = x + ids[q] * matrix.strides[0]
                    factor[n] = distance[abs(q - p)] * weights[q]
                    prefetch(into[n], d)
                    n += 1
            for k in range(n, n + ADDED - 1):
                into[k] = x
                factor[k] = 0
            sizes[slot] = n
            targets[slot] = y + rows[ids[p]] * out.strides[0]
            prefetch(targets[slot], d)
        else:
            sizes[slot] = 0
        slot = (i + 1) % _DEPTH  # the oldest
        for k in range(0, sizes[slot], ADDED):
            add_rows(targets[slot], addresses[slot], values[slot], k, d)


@compiled(nogil=True)
def add_wide_contexts(  # type: ignore[no-untyped-def]
    ids, start, offsets, positions, rows, window, weights, matrix, out, column, d
):
    """Add the context of each position to the row of its word, from a running sum.

    The weight of a context word does not depend on its distance, so that the sum over the window
    of one position follows from that of the previous one. It is computed anew where that takes
    fewer operations: in a new document, and after a gap between positions.

    Parameters
    ----------
    window : int
        Words on each side.
    ids, start, offsets, positions, rows, weights, matrix, out, column, d
        As for `add_contexts`.
    """
    x, y = address(matrix) + 4 * column, address(out) + 4 * column
    memory = np.zeros(d, np.float32)
    total = address(memory)
    document = -1
    low = high = np.int64(0)  # the sum is that over tokens from `low` to `high`
    for p in positions:
        document = _document(offsets, p, document)
        first = max(offsets[document], p - window) - start
        last = min(offsets[document + 1], p + window + 1) - start
        if first - low + last - high >= last - first or first >= high:
            memory[:] = 0
            low = high = first
        for q in range(high, last):
            if q + _AHEAD < len(ids) and ids[q + _AHEAD] >= 0:
                prefetch(x + ids[q + _AHEAD] * matrix.strides[0], d)
            if weights[q] != 0:
                combine_rows(total, _F1, total, weights[q], x + ids[q] * matrix.strides[0], d)
        for q in range(low, first):
            if weights[q] != 0:
                combine_rows(total, _F1, total, -weights[q], x + ids[q] * matrix.strides[0], d)
        low, high = first, last
        p -= start
        row = y + rows[ids[p]] * out.strides[0]
        combine_rows(row, _F1, row, _F1, total, d)
        combine_rows(row, _F1, row, -weights[p], x + ids[p] * matrix.strides[0], d)
