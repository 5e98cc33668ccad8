"""Compiled parts of searches among word vectors, which run without the GIL."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from corpora.jit import compiled

_CHUNK = 64  # scores that are compared at a time
_LANES = 16  # LLVM divides vectors that are wider than the processor's


# Numba compiles a loop over 64 numbers to code that takes several times as long.
@intrinsic  # type: ignore[untyped-decorator]
def _any_above(context: Any, scores: Any, scales: Any, bound: Any) -> Any:
    """Whether one of 64 products is greater than a bound.

    Parameters
    ----------
    scores, scales : int64
        Addresses of 64 float32 numbers.
    bound : float32
    """
    del context, scores, scales, bound  # types, which are the same in all calls

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), _LANES)
        xs, ys = (builder.inttoptr(address, vector.as_pointer()) for address in arguments[:2])
        limit = ir.Constant(vector, ir.Undefined)
        for lane in range(_LANES):
            limit = builder.insert_element(limit, arguments[2], ir.IntType(32)(lane))
        found = None
        for i in range(_CHUNK // _LANES):
            x, y = (builder.load(builder.gep(p, [ir.IntType(64)(i)]), align=4) for p in (xs, ys))
            above = builder.fcmp_ordered(">", builder.fmul(x, y), limit)
            found = above if found is None else builder.or_(found, above)
        mask = ir.IntType(_LANES)
        return builder.icmp_unsigned("!=", builder.bitcast(found, mask), mask(0))

    return types.boolean(types.int64, types.int64, types.float32), code


@compiled(nogil=True)
def select(scores: Any, scales: Any, first: Any, rows: Any, best: Any, ids: Any) -> None:
    """Merge scores of a block of words into the best ones found so far.

    Each row of `best` and `ids` is a heap whose root is the worst entry: the lowest score, and of
    equal ones the highest id. Blocks must come in the order of ids.

    Parameters
    ----------
    scores : float32 array of shape (m, B), in C order
    scales : float32 array of shape (B,), in C order
        Factors of the columns of `scores`.
    first : int
        Id of the first column.
    rows : int64 array of shape (m,)
        Row of `best` and `ids` that each row of `scores` belongs to.
    best : float32 array of shape (n, k)
        Changed in place; -inf at first.
    ids : int64 array of shape (n, k)
        Changed in place.
    """
    m, size = scores.shape
    k = best.shape[1]
    score_address, scale_address = np.int64(scores.ctypes.data), np.int64(scales.ctypes.data)
    for row in range(m):
        i = rows[row]
        worst = best[i, 0]
        for start in range(0, size, _CHUNK):
            stop = min(size, start + _CHUNK)
            if stop - start == _CHUNK and not _any_above(
                score_address + 4 * (row * size + start), scale_address + 4 * start, worst
            ):
                continue
            for j in range(start, stop):
                score = scores[row, j] * scales[j]
                if score <= worst:  # an equal score has a lower id
                    continue
                at = 0
                while True:
                    child = 2 * at + 1
                    if child >= k:
                        break
                    other = child + 1
                    if other < k and (
                        best[i, other] < best[i, child]
                        or (best[i, other] == best[i, child] and ids[i, other] > ids[i, child])
                    ):
                        child = other
                    if best[i, child] >= score:
                        # An equal child has a lower id: this entry is worse and belongs above.
                        break
                    best[i, at], ids[i, at] = best[i, child], ids[i, child]
                    at = child
                best[i, at], ids[i, at] = score, first + j
                worst = best[i, 0]


@compiled(nogil=True)
def cosines(rows: Any, queries: Any, owners: Any, result: Any) -> None:
    """Cosine similarities of pairs, in float64 and in a fixed order of summation.

    Equal vectors therefore have equal similarities, which a product of matrices does not
    guarantee.

    Parameters
    ----------
    rows : float32 array of shape (p, d)
    queries : float32 array of shape (n, d)
    owners : int64 array of shape (p,)
        Query of each row.
    result : float32 array of shape (p,)
        Receives the similarities; 0 for a vector of zeros.
    """
    d = rows.shape[1]
    for p in range(len(rows)):
        query = queries[owners[p]]
        product, length, other = 0.0, 0.0, 0.0
        for j in range(d):
            x, y = np.float64(rows[p, j]), np.float64(query[j])
            product += x * y
            length += x * x
            other += y * y
        scale = np.sqrt(length) * np.sqrt(other)
        result[p] = product / scale if scale > 0 else 0.0


@compiled(nogil=True)
def widen(halves: Any, result: Any) -> None:
    """Convert finite float16 numbers to float32, several times as fast as NumPy.

    Parameters
    ----------
    halves : uint16 array of shape (n,)
        The bits of the numbers.
    result : uint32 array of shape (n,)
        Receives the bits of the results, still to be multiplied by 2 ** 112.
    """
    for i in range(len(halves)):
        bits = np.uint32(halves[i])
        result[i] = (bits & np.uint32(0x8000)) << np.uint32(16) | (
            bits & np.uint32(0x7FFF)
        ) << np.uint32(13)


@compiled(nogil=True)
def widen_codes(codes: Any, result: Any) -> None:
    """Convert int8 numbers to float32, several times as fast as NumPy.

    Parameters
    ----------
    codes : int8 array of shape (n,), in C order
    result : float32 array of shape (n,), in C order
        Receives the numbers.
    """
    for i in range(len(codes)):
        result[i] = codes[i]
