"""Embeddings of the tokens of documents from sums over their contexts, compiled by Numba.

The contexts of a document are sums of rows of a small table, which holds, for each context word
of a batch of documents, its weighted vector and the products of this vector with the maps of
contexts. Maps are linear, so the sums of the products are the mapped sums, and no matrix is
multiplied for a token.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from conec.training.kernels.simd import (
    LANES,
    Code,
    address,
    combine_rows,
    pointer,
    prefetch_far,
)
from corpora.jit import compiled

_FLAGS = {"contract", "reassoc", "nsz"}  # NaN and infinity are recognized
_U1, _HASH = np.uint64(1), np.uint64(0x9E3779B97F4A7C15)
_U32 = np.uint64(32)
LINE = 16  # rows of scratch memory and of tables are padded with zeros to multiples of this
_AHEAD = 6  # positions ahead whose rows are prefetched
_SUMS = 8  # vectors of a row that are added up at a time
_GROUP = 2 * LINE // LANES  # the same for the squares of a row


@compiled(nogil=True, fastmath={"contract"})
def multiply_rows(rows, matrix):  # type: ignore[no-untyped-def]
    """``rows @ matrix``, where no row depends on its number, or on how many there are.

    The bits of BLAS do: they vary with the place of a row in a tile, and with the threads.

    Parameters
    ----------
    rows : float32 array of shape (n, d)
    matrix : float32 array of shape (d, m)

    Returns
    -------
    float32 array of shape (n, m)
    """
    d, m = matrix.shape
    out = np.zeros((len(rows), m), np.float32)
    for i in range(len(rows)):
        x, y = rows[i], out[i]
        k = 0
        while k + 4 <= d:  # the sum is read and written once for four numbers
            x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
            row0, row1, row2, row3 = matrix[k], matrix[k + 1], matrix[k + 2], matrix[k + 3]
            for j in range(m):
                y[j] = y[j] + x0 * row0[j] + x1 * row1[j] + x2 * row2[j] + x3 * row3[j]
            k += 4
        for last in range(k, d):
            for j in range(m):
                y[j] += x[last] * matrix[last, j]
    return out


@compiled(nogil=True)
def number_words(codes, pooled, slots, n_slots, row, counts):  # type: ignore[no-untyped-def]
    """Number the distinct words of a document in order of first appearance.

    Parameters
    ----------
    codes : int32 array of shape (n,)
        A number for each word; -1 for a break.
    pooled : bool
        False numbers each occurrence.
    slots : int32 array
        Scratch.
    n_slots : int
        Elements of `slots` that are used: a power of two >= 2 n.
    row : int32 array of shape (n,), overwritten
        The number of each token's word; -1 for a break.
    counts : int32 array of shape (n,), overwritten
        Number of occurrences of each word.

    Returns
    -------
    int
        Number of distinct words.
    """
    n = len(codes)
    mask = np.uint64(n_slots - 1)
    for k in range(n_slots):
        slots[k] = -1
    n_rows = 0
    for p in range(n):
        code = codes[p]
        if code < 0:
            row[p] = -1
            continue
        if pooled:
            at = ((np.uint64(code) * _HASH) >> _U32) & mask
            while slots[at] >= 0 and codes[slots[at]] != code:
                at = (at + _U1) & mask
            first = slots[at]
            if first >= 0:
                row[p] = row[first]
                counts[row[first]] += 1
                continue
            slots[at] = p
        row[p] = n_rows
        counts[n_rows] = 1
        n_rows += 1
    return n_rows


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def sum_rows(typingctx, at, share, m, out, is_new, n):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """``out = sum(share[k] * row(k))`` over the m rows whose addresses are in `at`.

    The sum is added to `out`, an address, too, unless `is_new`. Rows have `n` float32, a multiple
    of LINE.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        at, share = (pointer(context, builder, signature.args[i], args[i]) for i in (0, 1))
        m, out, is_new, n = args[2:]
        # a sum waits for the sum before: independent sums keep the processor busy
        sums = [cgutils.alloca_once_value(builder, code.zero) for _ in range(_SUMS)]

        def body(vectors: int) -> None:
            for total, x in zip(sums, code.vectors(out, vectors), strict=False):
                builder.store(builder.select(is_new, code.zero, x), total)
            with cgutils.for_range(builder, m, intp=m.type) as loop:
                row, share_k = code.integer_at(at, loop.index), code.float_at(share, loop.index)
                for total, x in zip(sums, code.vectors(row, vectors), strict=False):
                    builder.store(code.fma(share_k, x, builder.load(total)), total)
            for total, place in zip(sums, code.places(out, vectors), strict=False):
                code.store(builder.load(total), place, padded=True)

        code.column_groups(n, _SUMS, body)
        return context.get_dummy_value()

    return types.void(at, share, types.intp, types.int64, types.boolean, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def running_sums(typingctx, at, first, step, m, out, stride, n):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Running sums of the m rows whose addresses are ``at[first]``, ``at[first + step]`` and so on.

    They are written to the address `out` and, for each further row, `stride` bytes after it. Rows
    have `n` float32, a multiple of LINE.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        at = pointer(context, builder, signature.args[0], args[0])
        first, step, m, out, stride, n = args[1:]
        sums = [cgutils.alloca_once_value(builder, code.zero) for _ in range(_SUMS)]

        def body(vectors: int) -> None:
            for total in sums[:vectors]:
                builder.store(code.zero, total)
            with cgutils.for_range(builder, m, intp=m.type) as loop:
                row = code.integer_at(at, builder.add(first, builder.mul(step, loop.index)))
                into = code.places(builder.add(out, builder.mul(stride, loop.index)), vectors)
                for total, x, place in zip(sums, code.vectors(row, vectors), into, strict=False):
                    added = code.add(builder.load(total), x)
                    builder.store(added, total)
                    code.store(added, place, padded=True)

        code.column_groups(n, _SUMS, body)
        return context.get_dummy_value()

    integer = types.intp
    arguments = at, integer, integer, integer, types.int64, types.int64, integer
    return types.void(*arguments), codegen


def _combination(n_rows: int) -> Any:
    """Make `combine` for a number of rows."""

    @intrinsic  # type: ignore[untyped-decorator,unused-ignore]
    def combine(typingctx, rows, shares, out, n):  # type: ignore[no-untyped-def]  # noqa: ARG001
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            code = Code(builder)
            rows, shares = (cgutils.unpack_tuple(builder, args[i], n_rows) for i in (0, 1))
            shares = [code.spread(share) for share in shares]
            squares = [cgutils.alloca_once_value(builder, code.zero) for _ in range(_GROUP)]
            for square in squares:
                builder.store(code.zero, square)

            def body(vectors: int) -> None:
                each = [code.vectors(row, vectors) for row in rows]
                for i, place in enumerate(code.places(args[2], vectors)):
                    products = [code.mul(shares[k], each[k][i]) for k in range(0, n_rows, 2)]
                    pairs = [
                        code.fma(shares[2 * k + 1], each[2 * k + 1][i], product)
                        if 2 * k + 1 < n_rows
                        else product
                        for k, product in enumerate(products)
                    ]
                    total = pairs[0] if len(pairs) == 1 else code.add(*pairs)
                    code.store(total, place, padded=True)
                    builder.store(code.fma(total, total, builder.load(squares[i])), squares[i])

            code.column_groups(args[3], _GROUP, body)
            total = code.zero
            for square in squares:
                total = code.add(total, builder.load(square))
            (sums,) = code.sums([total, code.zero, code.zero, code.zero])
            return builder.extract_element(sums, ir.IntType(32)(0))

        kinds = (types.UniTuple(kind, n_rows) for kind in (types.int64, types.float32))
        return types.float32(*kinds, types.int64, types.intp), codegen

    return combine


# ``out = sum(shares[k] * row(k))`` for rows at the addresses `rows`, with `n` float32, a multiple
# of LINE; each pair of rows is summed first. Returns the square of the length of `out`, an address,
# too. As loops of Numba, sums would depend on whether arrays are close to each other in memory.
combine_1, combine_2, combine_4 = _combination(1), _combination(2), _combination(4)


@compiled(nogil=True)
def row_at(matrix, row):  # type: ignore[no-untyped-def]
    """Address of a row of a matrix."""
    return address(matrix) + row * matrix.strides[0]


@compiled(nogil=True)
def add_near(places, p, weight, nothing, skipped, at, shares, out, is_new, size):  # type: ignore[no-untyped-def]
    """Add to `out` the weighted sum of the rows around position p.

    Parameters
    ----------
    places : int64 array of shape (n,)
        Address of each position's row.
    p : int
    weight : float32 array of shape (window + 1,)
    nothing : int
        Address of positions without a context word.
    skipped : int
        Bytes of each row that are skipped.
    at, shares : int64 and float32 array of shape (2 * window,)
        Scratch.
    out : int
        Address of the sum.
    is_new : bool
        Whether `out` is overwritten.
    size : int
        Number of columns that are added, a multiple of LINE.
    """
    window = len(weight) - 1
    m = 0
    for q in range(max(0, p - window), min(len(places), p + window + 1)):
        if q != p and places[q] != nothing:
            at[m], shares[m] = places[q] + skipped, weight[abs(q - p)]
            m += 1
    sum_rows(at, shares, m, out, is_new, size)


@compiled(nogil=True)
def add_block(places, block, wide, before, after):  # type: ignore[no-untyped-def]
    """Sums of the rows of a block of `wide` positions, up to and from each of its positions.

    Windows of `wide` positions are sums of two of them. Unlike differences of sums over the whole
    document, they lose no precision. `before` and `after` hold three blocks.
    """
    lo = block * wide
    n, size, stride = min(wide, len(places) - lo), before.shape[1], before.strides[0]
    row = block % 3 * wide
    running_sums(places, lo, 1, n, row_at(before, row), stride, size)
    running_sums(places, lo + n - 1, -1, n, row_at(after, row + n - 1), -stride, size)


@compiled(nogil=True)
def add_wide(n, block, phase, wide, before, after, at, ones, out, is_new):  # type: ignore[no-untyped-def]
    """Add to `out` the sums of the windows of `wide` positions before and after a position.

    The position has the index `phase` in its block, and `n` is the length of the document. `before`
    and `after` are from `add_block`; `at` is scratch, `ones` has four of them, and `out` is an
    address, which is overwritten if `is_new`.
    """
    row, left = block % 3 * wide, n - (block + 1) * wide  # positions after the block
    m = 0
    if phase > 0:
        at[m] = row_at(before, row + phase - 1)
        m += 1
    if phase + 1 < min(wide, left + wide):
        at[m] = row_at(after, row + phase + 1)
        m += 1
    if block > 0:
        at[m] = row_at(after, (block - 1) % 3 * wide + phase)
        m += 1
    if left > 0:
        at[m] = row_at(before, (block + 1) % 3 * wide + min(phase, left - 1))
        m += 1
    sum_rows(at, ones, m, out, is_new, before.shape[1])


@compiled(nogil=True)
def clear(x):  # type: ignore[no-untyped-def]
    """``x[:] = 0`` for a vector."""
    for j in range(len(x)):
        x[j] = 0


@compiled(nogil=True, fastmath=_FLAGS)
def map_context(y, bias, plain, local, width):  # type: ignore[no-untyped-def]
    """Write to `local` the embedding of a context, as `ContextMap.transform` computes it.

    Parameters
    ----------
    y : int
        Address of 4 * width float32: near context, mapped; the same, not mapped; the wide context;
        the same, mapped.
    bias : int
        Address of 2 * width float32: mapped means of the near and the wide contexts.
    plain : float32
        Weight of the wide context that is not mapped.
    local : int
        Address of the result.
    width : int
        A multiple of LINE.

    Returns
    -------
    float32
        Square of the length of `local`.
    """
    zero, one, part = np.float32(0), np.float32(1), 4 * width  # bytes
    near = combine_1((y + part,), (one,), local, width)
    wide = combine_1((y + 2 * part,), (one,), local, width)
    has_near, has_wide = one if near != 0 else zero, one if wide != 0 else zero
    near, wide = inverse(near), inverse(wide)
    # contexts are close to their means: differences first
    rows = bias, y, bias + part, y + 3 * part
    square = combine_4(rows, (-has_near, near, -has_wide, wide), local, width)
    rows_2 = local, y + 2 * part
    return combine_2(rows_2, (inverse(square), plain * wide), local, width)


@compiled(nogil=True, fastmath=_FLAGS)
def inverse(square):  # type: ignore[no-untyped-def]
    """Inverse of a length from its square; 0 for a length of 0."""
    return np.float32(1) / np.sqrt(square) if square != 0 else np.float32(0)


@compiled(nogil=True, fastmath=_FLAGS)
def squared(x):  # type: ignore[no-untyped-def]
    """Square of the length of a vector.

    No loop both stores and sums up: compiled code would check whether its arrays are close to
    each other in memory, and if so, add in another order. Results would not be the same each time.
    """
    total = np.float32(0)
    for j in range(len(x)):
        total += x[j] * x[j]
    return total


@compiled(nogil=True, fastmath=_FLAGS)
def mix(x, a, local, b, out):  # type: ignore[no-untyped-def]
    """Write ``a * x + b * local`` to `out`, with unit length; return the square of its length."""
    for j in range(len(out)):
        out[j] = a * x[j] + b * local[j]
    total = squared(out)
    scale = inverse(total)
    for j in range(len(out)):
        out[j] *= scale
    return total


@compiled(nogil=True)
def power_of_two(n):  # type: ignore[no-untyped-def]
    """The smallest power of two >= 2 n."""
    size = 4
    while size < 2 * n:
        size *= 2
    return size


@compiled(nogil=True)
def longest_of(offsets):  # type: ignore[no-untyped-def]
    """Length of the longest document, and at least 1."""
    longest = 1
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return longest


@compiled(nogil=True)
def assign_sums(counts, n_rows, left, place):  # type: ignore[no-untyped-def]
    """Assign a row for its sum to each word that occurs several times; row 0 to all others.

    Returns
    -------
    int
        Number of rows.
    """
    n = 1
    for r in range(n_rows):
        left[r], place[r] = counts[r], 0
        if counts[r] > 1:
            place[r] = n
            n += 1
    return n


@compiled(nogil=True)
def copy_earlier(row, start, n, place, out, found):  # type: ignore[no-untyped-def]
    """Copy embeddings from the last occurrence of each word to its other occurrences."""
    for p in range(n):
        if row[p] >= 0 and place[row[p]] != p:
            last = start + place[row[p]]
            for j in range(out.shape[1]):
                out[start + p, j] = out[last, j]
            found[start + p] = found[last]


@compiled(nogil=True, fastmath=_FLAGS)
def embed_mapped(  # type: ignore[no-untyped-def]
    codes, rows, offsets, table, weight, wide, bias, plain, a, pooled, out, found
):
    """Embeddings of the tokens of documents: words mixed with mapped contexts.

    Parameters
    ----------
    codes : int32 array of shape (n,)
        Ids of known words; a number >= V for each unknown word; -1 for breaks.
    rows : int32 array of shape (n,)
        Row of `table` of each known word; 0 for unknown words and breaks.
    offsets : int64 array of shape (n_documents + 1,)
        Document i is at ``offsets[i]:offsets[i + 1]`` of the tokens.
    table : float32 array of shape (m, 4 * width), with d padded to a multiple `width` of `LINE`
        Of each known word, the weighted vector as a context word, mapped for near contexts, not
        mapped, and mapped for wide contexts; and the embedding of the word itself. Row 0 is zero.
    weight : float32 array of shape (near + 1,)
        Weight of a word of the near context at each distance.
    wide : int
        Words on each side in the wide context.
    bias : float32 array of shape (2 * width,)
    plain : float32
        As for `map_context`; for a context from one occurrence.
    a : float32
        Weight of a known word's embedding.
    pooled : bool
        Whether all occurrences of a word in a document share the sum of their contexts.
    out : float32 array of shape (n, d), overwritten
    found : bool array of shape (n,), overwritten

    Returns
    -------
    bool
        Whether all lengths are finite.
    """
    width, longest = table.shape[1] // 4, longest_of(offsets)
    slots = np.empty(power_of_two(longest), np.int32)
    row, counts = np.empty(longest, np.int32), np.empty(longest, np.int32)
    left, place = np.empty(longest, np.int32), np.empty(longest, np.int32)
    before = np.empty((min(longest, 3 * wide), 2 * width), np.float32)
    after = np.empty((min(longest, 3 * wide), 2 * width), np.float32)
    memory, sums = np.empty(width, np.float32), np.empty((1, 4 * width), np.float32)
    part = 4 * width  # bytes
    places, nothing = np.empty(longest, np.int64), row_at(table, 0) + part
    most_near = 2 * len(weight) + 2
    at, shares = np.empty(most_near, np.int64), np.empty(most_near, np.float32)
    one, ones = np.float32(1), np.ones(4, np.float32)
    ahead = 2 * min(wide, longest)
    for p in range(min(ahead, len(rows))):
        prefetch_far(row_at(table, rows[p]), 4 * width)
    is_finite = True
    for i in range(len(offsets) - 1):
        start, n = offsets[i], offsets[i + 1] - offsets[i]
        words, context = codes[start : start + n], rows[start : start + n]
        n_rows = number_words(words, pooled, slots, power_of_two(n), row, counts)
        n_sums = assign_sums(counts, n_rows, left, place)
        if n_sums > len(sums):
            sums = np.empty((n_sums + n_sums // 2, 4 * width), np.float32)
        for p in range(n):
            places[p] = row_at(table, context[p]) + part  # that is not mapped
        block, phase = 0, -1
        for p in range(n):
            if start + p + ahead < len(rows):
                prefetch_far(row_at(table, rows[start + p + ahead]), 4 * width)
            phase += 1
            if phase == wide:
                block, phase = block + 1, 0
            if p == 0:
                add_block(places[:n], 0, wide, before, after)
            if phase == 0 and p + wide < n:
                add_block(places[:n], block + 1, wide, before, after)
            r = row[p]
            if r < 0:
                clear(out[start + p])
                found[start + p] = False
                continue
            # an array that is not used any more would be freed
            local = address(memory)
            y, is_new = row_at(sums, place[r]), left[r] == counts[r]
            add_near(places[:n], p, weight, nothing, -part, at, shares, y, is_new, 2 * width)
            add_wide(n, block, phase, wide, before, after, at, ones, y + 2 * part, is_new)
            left[r] -= 1
            if left[r]:
                continue
            share = plain / np.sqrt(np.float32(counts[r]))
            square = map_context(y, address(bias), share, local, width)
            if a > 0 and context[p] > 0:
                pair = places[p] + 2 * part, local  # the word itself
                square = combine_2(pair, (a, (one - a) * inverse(square)), local, width)
            into = row_at(out, start + p)
            combine_rows(into, inverse(square), local, np.float32(0), local, out.shape[1])
            is_finite = is_finite and np.isfinite(square)
            found[start + p] = square != 0
            place[r] = p
        copy_earlier(row, start, n, place, out, found)
    return is_finite


@compiled(nogil=True, fastmath=_FLAGS)
def mix_senses(  # type: ignore[no-untyped-def]
    x, local, a, scale, centers, log_shares, first, last, word_share, sharpness, hard,
    scores, sense, mixed, out,
):  # fmt: skip
    """Write to `out` the embedding of a word in the senses that fit its context.

    Parameters
    ----------
    x : float32 array of shape (at least d,)
        Vector of the word.
    local : float32 array of shape (at least d,)
        The mapped context.
    a : float32
        Weight of the senses.
    scale : float32
        Inverse length of the context.
    centers, log_shares : float32 arrays
        Those of the word start at row `first`, and end before row `last`.
    first, last : int
    word_share, sharpness : float32
    hard : bool
    scores : float32 array, at least as long as there are senses
    sense, mixed : float32 arrays of shape (d,)
        Scratch.
    out : float32 array of shape (d,), overwritten

    Returns
    -------
    float32
        Square of the length before scaling.
    """
    zero, one = np.float32(0), np.float32(1)
    d, n, best = len(out), last - first, 0
    for k in range(n):
        center = centers[first + k]
        total = zero
        for j in range(d):
            total += center[j] * local[j]
        scores[k] = log_shares[first + k] + sharpness * scale * total
        if scores[k] > scores[best]:
            best = k
    highest, total = scores[best], zero
    for k in range(n):
        if hard:
            scores[k] = one if k == best else zero
        else:
            scores[k] = np.exp(scores[k] - highest)
        total += scores[k]
    clear(mixed)
    for k in range(n):
        share = scores[k] / total
        if share == 0:
            continue
        center = centers[first + k]
        for j in range(d):
            sense[j] = word_share * x[j] + (one - word_share) * center[j]
        share *= inverse(squared(sense))
        for j in range(d):
            mixed[j] += share * sense[j]
    return mix(mixed, a, local, (one - a) * scale, out)


@compiled(nogil=True, fastmath=_FLAGS)
def embed_in_senses(  # type: ignore[no-untyped-def]
    codes, rows, offsets, table, weight, starts, centers, log_shares, most,
    word_share, sharpness, hard, a, pooled, out, found,
):  # fmt: skip
    """Embeddings of the tokens of documents in the senses that fit their contexts.

    Parameters
    ----------
    codes, rows, offsets, a, pooled, out, found
        As for `embed_mapped`.
    table : float32 array of shape (m, 2 * width), with d padded to a multiple `width` of 2 * LINE
        Of each known word, the weighted and mapped vector as a context word, and the vector of the
        word itself. Row 0 is zero.
    weight : float32 array of shape (window + 1,)
    starts, centers, log_shares : arrays
        The inventory of senses, with the logarithms of shares.
    most : int
        Largest number of senses of a word.
    word_share, sharpness : float32
    hard : bool
        As for `mix_senses`.

    Returns
    -------
    bool
        Whether all lengths are finite.
    """
    d, width, longest = out.shape[1], table.shape[1] // 2, longest_of(offsets)
    slots = np.empty(power_of_two(longest), np.int32)
    row, counts = np.empty(longest, np.int32), np.empty(longest, np.int32)
    left, place = np.empty(longest, np.int32), np.empty(longest, np.int32)
    sense, mixed = np.empty(d, np.float32), np.empty(d, np.float32)
    scores, sums = np.empty(most, np.float32), np.empty((1, width), np.float32)
    most_near = 2 * len(weight) + 2
    at, shares = np.empty(most_near, np.int64), np.empty(most_near, np.float32)
    places, nothing = np.empty(longest, np.int64), row_at(table, 0)
    one = np.float32(1)
    is_finite = True
    for i in range(len(offsets) - 1):
        start, n = offsets[i], offsets[i + 1] - offsets[i]
        words, context = codes[start : start + n], rows[start : start + n]
        n_rows = number_words(words, pooled, slots, power_of_two(n), row, counts)
        n_sums = assign_sums(counts, n_rows, left, place)
        if n_sums > len(sums):
            sums = np.empty((n_sums + n_sums // 2, width), np.float32)
        for p in range(n):
            places[p] = row_at(table, context[p])
        ahead = _AHEAD + len(weight)
        for p in range(min(ahead, n)):
            prefetch_far(places[p], 2 * width)
        for p in range(n):
            if p + ahead < n:
                prefetch_far(places[p + ahead], 2 * width)
            r = row[p]
            if r < 0:
                clear(out[start + p])
                found[start + p] = False
                continue
            local, y, is_new = sums[place[r]], row_at(sums, place[r]), left[r] == counts[r]
            add_near(places[:n], p, weight, nothing, 0, at, shares, y, is_new, width)
            left[r] -= 1
            if left[r]:
                continue
            square = squared(local)
            scale = inverse(square)
            is_finite = is_finite and np.isfinite(square)
            word = words[p]
            if a > 0 and context[p] > 0:
                first, last = starts[word], starts[word + 1]
                vector = table[context[p], width:]
                if first < last:
                    square = mix_senses(
                        vector, local, a, scale, centers, log_shares, first, last,
                        word_share, sharpness, hard, scores, sense, mixed, out[start + p],
                    )  # fmt: skip
                else:
                    square = mix(vector, a, local, (one - a) * scale, out[start + p])
            else:
                square = mix(local, scale, local, np.float32(0), out[start + p])
            is_finite = is_finite and np.isfinite(square)
            found[start + p] = square != 0
            place[r] = p
        copy_earlier(row, start, n, place, out, found)
    return is_finite


@compiled(nogil=True, fastmath=_FLAGS)
def mean_rows(ids, offsets, rows, shares, out):  # type: ignore[no-untyped-def]
    """Weighted means of the rows of the known words of documents.

    Parameters
    ----------
    ids : int32 array of shape (n,)
        Row of each word; negative for unknown words.
    offsets : int64 array of shape (n_documents + 1,)
    rows : float32 array of shape (V, d)
    shares : float32 array of shape (V,)
        Weights. The sum of weighted rows is divided by the number of words.
    out : float32 array of shape (n_documents, d), overwritten
    """
    one = np.float32(1)
    for i in range(len(out)):
        total, n = out[i], 0
        clear(total)
        for p in range(offsets[i], offsets[i + 1]):
            if ids[p] >= 0:
                row, share = rows[ids[p]], shares[ids[p]]
                for j in range(len(total)):
                    total[j] += share * row[j]
                n += 1
        scale = one / np.float32(max(n, 1))
        for j in range(len(total)):
            total[j] *= scale
