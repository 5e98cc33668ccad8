"""Counts and sums over contexts, and directions of vectors, compiled by Numba, without the GIL."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.random import GOLDEN, mix, uniform
from conec.training.kernels.sampling import document_at
from conec.training.kernels.simd import (
    ADDED,
    SLIDES,
    add_rows,
    address,
    combine_rows,
    copy_row,
    prefetch,
    slide,
    slide_flat,
)
from corpora.jit import compiled

BORDER = -2  # precedes each document of a text, and follows the last one
UNKNOWN = -1  # a position without a context word

# if only one bit of x is set, its index is _BIT[(x * _DE_BRUIJN) >> 58]
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT = np.zeros(64, np.int64)
for _i in range(64):
    _BIT[(int(_DE_BRUIJN) << _i & (2**64 - 1)) >> 58] = _i
_U0, _U1, _U58 = np.uint64(0), np.uint64(1), np.uint64(58)


@compiled(nogil=True)
def count_words(ids, n_words):  # type: ignore[no-untyped-def]
    """Number of occurrences of each word."""
    counts = np.zeros(n_words, np.int64)
    for word in ids:
        if word >= 0:
            counts[word] += 1
    return counts


@compiled(nogil=True)
def lay_out(ids, borders, first, stop):  # type: ignore[no-untyped-def]
    """Copy a text with BORDER between documents, so that windows need not look up offsets.

    Parameters
    ----------
    ids : int32 array
        The text; values below 0 are positions without a context word.
    borders : int64 array
        Starts of documents in `ids`, in ascending order.
    first, stop : int
        A span of `ids`.

    Returns
    -------
    text : int32 array
    first, stop : int
        The corresponding span of `text`.
    """
    text = np.empty(len(ids) + len(borders) + 2, np.int32)
    text[0] = BORDER
    n = 1
    b = 0
    begin = end = -1
    for p in range(len(ids)):
        while b < len(borders) and borders[b] <= p:
            if text[n - 1] != BORDER:
                text[n] = BORDER
                n += 1
            b += 1
        if p == first:
            begin = n
        if p == stop:
            end = n
        text[n] = max(ids[p], UNKNOWN)
        n += 1
    text[n] = BORDER
    return text[: n + 1], (begin if begin >= 0 else n), (end if end >= 0 else n)


@compiled(nogil=True)
def group_positions(targets, first, stop, n_rows):  # type: ignore[no-untyped-def]
    """Group the positions in [first, stop) by their target, with a counting sort.

    Returns
    -------
    starts : int64 array of shape (n_rows + 1,)
        The positions of row r are ``order[starts[r]:starts[r + 1]]``, in the order of the text.
    order : int32 array
    """
    starts = np.zeros(n_rows + 1, np.int64)
    for p in range(first, stop):
        if targets[p] >= 0:
            starts[targets[p] + 1] += 1
    for r in range(n_rows):
        starts[r + 1] += starts[r]
    place = starts[:-1].copy()
    order = np.empty(starts[n_rows], np.int32)
    for p in range(first, stop):
        r = targets[p]
        if r >= 0:
            order[place[r]] = p
            place[r] += 1
    return starts, order


@compiled(nogil=True)
def count_rows(text, starts, order, row, row_stop, weight, keep, diagonal, n_words, size):  # type: ignore[no-untyped-def]
    """Rows [row, row_stop) of the matrix of weighted co-occurrences.

    Parameters
    ----------
    text : int32 array
        From `lay_out`.
    starts, order
        Positions of each row's word in the text, from `group_positions`.
    weight : float64 array of shape (window + 1,)
        Weight > 0 of a context word at each distance.
    keep : float32 array of shape (n_words,) or (0,)
        Weight > 0 of each context word; empty if all weights are 1.
    diagonal : float
        The row's number of occurrences times this factor is added to its own column.
    n_words : int
        Number of columns.
    size : int
        Upper bound of the number of entries, for which memory is reserved.

    Returns
    -------
    indptr : int64 array of shape (row_stop - row + 1,)
    columns : int32 array
        Sorted within each row.
    values : float64 array
    """
    total = np.zeros(n_words)
    touched = np.empty(n_words, np.int32)
    bits = np.zeros((n_words + 63) // 64, np.uint64)
    indptr = np.zeros(row_stop - row + 1, np.int64)
    columns = np.empty(size, np.int32)
    values = np.empty(size)
    window = len(weight) - 1
    end = 0
    for r in range(row, row_stop):
        n_touched = 0
        for q in range(starts[r], starts[r + 1]):
            p = order[q]
            for side in (-1, 1):
                for distance in range(1, window + 1):
                    c = text[p + side * distance]
                    if c >= 0:
                        if total[c] == 0:
                            touched[n_touched] = c
                            n_touched += 1
                        total[c] += weight[distance]
                    elif c == BORDER:
                        break
        if diagonal > 0 and starts[r + 1] > starts[r]:
            if total[r] == 0:
                touched[n_touched] = r
                n_touched += 1
            count = diagonal * (starts[r + 1] - starts[r])
            total[r] += count / keep[r] if len(keep) else count
        if n_touched * 256 < n_words:
            touched[:n_touched].sort()
        else:  # if there are many, a bitmap is faster than sorting
            for k in range(n_touched):
                c = touched[k]
                bits[c >> 6] |= _U1 << np.uint64(c & 63)
            k = 0
            for b in range(len(bits)):
                remaining = bits[b]
                while remaining != _U0:
                    lowest = remaining & (~remaining + _U1)
                    touched[k] = b * 64 + _BIT[np.int64((lowest * _DE_BRUIJN) >> _U58)]
                    remaining ^= lowest
                    k += 1
                bits[b] = _U0
        for k in range(n_touched):
            c = touched[k]
            columns[end] = c
            values[end] = total[c] * keep[c] if len(keep) else total[c]
            total[c] = 0
            end += 1
        indptr[r - row + 1] = end
    return indptr, columns[:end], values[:end]


@compiled(nogil=True, fastmath={"contract"})
def rows_times_matrix(indptr, columns, values, matrix, out):  # type: ignore[no-untyped-def]
    """``out[r] = sum(values[k] * matrix[columns[k]])`` over each row's entries."""
    d = matrix.shape[1]
    for r in range(len(indptr) - 1):
        y = out[r]
        for j in range(d):
            y[j] = 0
        k = indptr[r]
        # four entries at a time: the sums are read and written less often
        while k + 4 <= indptr[r + 1]:
            a, b, c, e = values[k], values[k + 1], values[k + 2], values[k + 3]
            xa, xb = matrix[columns[k]], matrix[columns[k + 1]]
            xc, xe = matrix[columns[k + 2]], matrix[columns[k + 3]]
            for j in range(d):
                y[j] += (a * xa[j] + b * xb[j]) + (c * xc[j] + e * xe[j])
            k += 4
        while k < indptr[r + 1]:
            v, x = values[k], matrix[columns[k]]
            for j in range(d):
                y[j] += v * x[j]
            k += 1


@compiled(nogil=True, fastmath={"contract"})
def occurrence_vectors(text, positions, weight, keep, matrix, out):  # type: ignore[no-untyped-def]
    """Write to ``out[i]`` the weighted sum of the rows of the words around position i.

    Parameters
    ----------
    text : int32 array
        From `lay_out`.
    positions : int64 array of shape (n,)
        Indices of `text`, without borders.
    weight : float32 array of shape (window + 1,)
        Weight of a context word at each distance.
    keep : float32 array of shape (V,)
        Weight of each context word.
    matrix : float32 array of shape (V, d)
    out : float32 array of shape (n, d)
    """
    out[:] = 0
    for i in range(len(positions)):
        _add(text, positions[i], weight, keep, matrix, out[i])


@compiled(nogil=True, fastmath={"contract"})
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


# Sums over the contexts of sampled occurrences

_F0, _F1 = np.float32(0), np.float32(1)
_U32 = np.uint64(32)
_LONGEST = 128  # positions after which running sums are computed anew; a multiple of SLIDES
_FAR = 12  # tokens whose rows are prefetched where all positions are processed
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
        return document_at(offsets, position)
    while offsets[document + 1] <= position:
        document += 1
    return document


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


@compiled(nogil=True)
def add_all_contexts(  # type: ignore[no-untyped-def]
    ids, start, first, stop, offsets, keep, key, size, smallest, weights, matrix, out, column, d
):
    """Add the contexts of all positions in a part of a text to the rows of their words.

    Subsampling first removes tokens from the text at random, as in training.

    The weight of a context word falls linearly with its distance, from `smallest` to `size`. From
    one position to the next, the sum over the window therefore changes by a difference, which
    itself changes by the rows of four words (`conec.training.kernels.simd.slide`): a position takes
    the same time with any window. Sums are computed anew now and then, so that rounding errors
    stay small.

    Parameters
    ----------
    ids : int32 array of shape (n,)
        Part of a text; values below 0 are positions without a context word.
    start : int
        Position of the part in the text.
    first, stop : int
        Indices of `ids`: positions from `first` to `stop` are processed, and the others are only
        context words.
    offsets : int64 array
        Starts of the documents in the text, and the end of the last one.
    keep : float32 array of shape (V,)
        Probability that a token of each word remains in the text.
    key : uint64
        Key of the random numbers.
    size, smallest : int
        Words on each side, and those of them that have the largest weight, 1.
    weights : float32 array of shape (V,)
        Weight of each context word.
    matrix, out : float32 arrays of shape (V, m)
        Vectors of context words, and the sums, which are updated in place.
    column, d : int
        The columns to be processed: those from `column` to ``column + d``.
    """
    if first >= stop:
        return
    x, y = address(matrix) + 4 * column, address(out) + 4 * column
    width = (d + 15) // 16 * 16
    memory = np.zeros(4 * width + 16, np.float32)
    sums = address(memory) + (-address(memory) & 63)  # aligned to cache lines
    nothing, sink = sums + 8 * width, sums + 12 * width  # zeros, and a row that is not used
    longest = max(_LONGEST, SLIDES * size)
    # a document, between zeros: addresses of rows, and weights
    border = size + 2
    n = len(ids) + 2 * border + SLIDES
    tokens, factors = np.full(n, nothing, np.int64), np.zeros(n, np.float32)
    targets = np.full(n, sink, np.int64)
    document = _document(offsets, start, -1)
    low = 0
    while low < len(ids):
        high = min(offsets[document + 1] - start, len(ids))
        # sums leave rounding errors at words without any context, which must stay 0
        previous = previous_target = np.int64(-1)
        at = begin = end = border
        for p in range(low, high):
            if p == first:
                begin = at
            if p == stop:
                end = at
            w = ids[p]
            if w >= 0 and uniform(mix(key + np.uint64(start + p) * GOLDEN)) >= keep[w]:
                continue
            tokens[at], factors[at], targets[at] = nothing, _F0, sink
            if w >= 0:
                tokens[at], factors[at] = x + w * matrix.strides[0], weights[w]
                target = y + w * out.strides[0] if first <= p < stop else sink
                if previous >= 0 and at - previous <= size:
                    targets[previous], targets[at] = previous_target, target
                previous, previous_target = np.int64(at), target
            at += 1
        for p in range(at, at + border + SLIDES):
            tokens[p], factors[p], targets[p] = nothing, _F0, sink
        if first >= high:
            begin = at
        if stop >= high:
            end = at
        for at in range(begin, end, longest):
            memory[:] = 0
            _start(sums, width, tokens, factors, at, size, smallest, d)
            for p in range(at, min(at + longest, end), SLIDES):
                for q in range(p + _FAR, min(p + _FAR + SLIDES, end)):
                    prefetch(tokens[q + border], d)
                    prefetch(targets[q], d)
                if smallest == 1:
                    slide(sums, width, tokens, factors, targets, p, size, smallest, d)
                else:
                    slide_flat(sums, width, tokens, factors, targets, p, size, smallest, d)
        low = high
        document += 1


@nb.njit(nogil=True)
def _start(sums, width, tokens, factors, p, size, smallest, d):  # type: ignore[no-untyped-def]
    """Compute the sums for `slide` at a position; they are 0 before."""
    total, change = sums, sums + 4 * width
    flat = 0 if smallest == 1 else smallest
    for t in range(-size, size + 2):
        weight = np.float32(min(size + 1 - abs(t), size + 1 - flat)) * factors[p + t]
        combine_rows(total, _F1, total, weight, tokens[p + t], d)
        if t > flat:
            combine_rows(change, _F1, change, factors[p + t], tokens[p + t], d)
        elif t <= -flat:
            combine_rows(change, _F1, change, -factors[p + t], tokens[p + t], d)


# Directions of vectors

_LARGEST = np.float32(3.4e38)
_PART = 64  # rows that are added in single precision
_MATH = {"contract", "reassoc", "nsz", "arcp"}  # sums may be reordered


@nb.njit(nogil=True, fastmath=_MATH, error_model="numpy")
def _square(x):  # type: ignore[no-untyped-def]
    total = _F0
    for j in range(len(x)):
        total += x[j] * x[j]
    return total


@compiled(nogil=True, fastmath=_MATH, error_model="numpy")
def standardize(vectors, mean, out):  # type: ignore[no-untyped-def]
    """Scale rows to unit length, subtract the mean, and scale them to unit length again.

    Parameters
    ----------
    vectors : float32 array of shape (n, d)
        With contiguous rows.
    mean : float32 array of shape (d,)
    out : float32 array of shape (n, d)
        The result, may be `vectors`. Zero rows stay zero; rows that are not finite become NaN.
    """
    d = vectors.shape[1]
    # rows are copied, as loops over rows of a matrix with padding are not vectorized
    x = np.empty(d, np.float32)
    for i in range(len(vectors)):
        copy_row(address(x), address(vectors) + i * vectors.strides[0], d)
        square = _square(x)
        if square != _F0:
            scale = _F1 / np.sqrt(square)
            for j in range(d):
                x[j] = x[j] * scale - mean[j]
            square = _square(x)
            scale = _F1 / np.sqrt(square) if square != _F0 else _F0
            for j in range(d):
                x[j] *= scale
        copy_row(address(out) + i * out.strides[0], address(x), d)


@compiled(nogil=True, fastmath=_MATH, error_model="numpy")
def sum_directions(vectors, total):  # type: ignore[no-untyped-def]
    """Add rows, scaled to unit length, to `total`, of shape (d,); return how many are nonzero.

    If values are not finite, or so large that their squares are not, `total` becomes NaN.
    """
    d, n = vectors.shape[1], 0
    x, part = np.empty(d, np.float32), np.zeros(d, np.float32)  # a row, and the sum of some rows
    for i in range(len(vectors)):
        copy_row(address(x), address(vectors) + i * vectors.strides[0], d)
        square = _square(x)
        if square != _F0:
            scale = _F1 / np.sqrt(square)
            if not square <= _LARGEST:
                total[:] = np.nan
            for j in range(d):
                part[j] += x[j] * scale
            n += 1
        if (i + 1) % _PART == 0 or i + 1 == len(vectors):
            for j in range(d):
                total[j] += part[j]
                part[j] = _F0
    return n
