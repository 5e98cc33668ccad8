"""Changes of weights that were trained on shards: taken, merged and added.

Changes are sent as float16, in arrays of uint16 that hold its bits: Numba has no float16 on CPUs.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from conec.training.kernels.merge import agreement
from conec.training.kernels.simd import address
from corpora.jit import compiled

_MATH = {"contract", "reassoc", "nsz", "arcp"}
_LEAST = np.float32(2.0**-25)  # the largest number that is 0 in float16


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _to_half(typingctx, x):  # type: ignore[no-untyped-def]
    """Bits of the float16 that is nearest to a float32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.fptrunc(args[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(types.float32), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _from_half(typingctx, x):  # type: ignore[no-untyped-def]
    """The float32 of the bits of a float16."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fpext(builder.bitcast(args[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _pointer(typingctx, where):  # type: ignore[no-untyped-def]
    """Convert an address to a pointer to float32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.int64), codegen


@nb.njit(nogil=True, inline="always")
def _row(W, w):  # type: ignore[no-untyped-def]
    """Row w of a matrix, as an array that is known to be contiguous: loops over it use vectors."""
    return nb.carray(_pointer(address(W) + w * W.strides[0]), W.shape[1])


@compiled(nogil=True, error_model="numpy")
def take(W, common, marks, n_rows, n_owners):  # type: ignore[no-untyped-def]
    """Changes of the first rows since the last merge, divided among owners.

    Rows in which all changes are 0 in float16 are left out.

    Parameters
    ----------
    W, common : float32 arrays of shape (V, d)
        Weights of a shard, and those that all shards had after the last merge.
    marks : bool array of shape (V,)
        Rows that may have changed.
    n_rows : int
        Only the first rows are taken.
    n_owners : int
        Row w belongs to the owner ``w % n_owners``.

    Returns
    -------
    rows : int32 array of shape (m,)
        Ordered by owner, then by row.
    changes : uint16 array of shape (m, d)
    starts : int64 array of shape (n_owners + 1,)
        Rows ``starts[o]:starts[o + 1]`` belong to owner o.
    """
    d = W.shape[1]
    changed = np.zeros(n_rows, np.bool_)
    starts = np.zeros(n_owners + 1, np.int64)
    for w in range(n_rows):
        if not marks[w]:
            continue
        a, b = _row(W, w), _row(common, w)
        large = 0
        for j in range(d):
            large += not abs(a[j] - b[j]) <= _LEAST  # true of NaN, too
        if large > 0:
            changed[w] = True
            starts[w % n_owners + 1] += 1
    for o in range(n_owners):
        starts[o + 1] += starts[o]
    m = starts[n_owners]
    rows = np.empty(m, np.int32)
    changes = np.empty((m, d), np.uint16)
    k = 0
    for o in range(n_owners):
        for w in range(o, n_rows, n_owners):
            if changed[w]:
                rows[k] = w
                a, b, out = _row(W, w), _row(common, w), changes[k]
                for j in range(d):
                    out[j] = _to_half(a[j] - b[j])
                k += 1
    return rows, changes, starts


@compiled(nogil=True, error_model="numpy", fastmath=_MATH)
def merge(rows, changes, starts, union):  # type: ignore[no-untyped-def]
    """Merge changes of several shards by agreement.

    The sum of the changes of a row is multiplied by the agreement of the shards that changed it.

    Parameters
    ----------
    rows : int32 array of shape (m,)
        Rows that the shards changed, in increasing order for each shard.
    changes : uint16 array of shape (m, d)
    starts : int64 array of shape (n_shards + 1,)
        Rows ``starts[k]:starts[k + 1]`` are from shard k.
    union : int32 array of shape (u,)
        All rows that any shard changed, in increasing order.

    Returns
    -------
    merged : uint16 array of shape (u, d)
    """
    n, d = len(starts) - 1, changes.shape[1]
    merged = np.empty((len(union), d), np.uint16)
    at = starts[:-1].copy()
    total = np.empty(d, np.float32)
    for i in range(len(union)):
        total[:] = 0
        squares, n_changed = np.float32(0), 0
        for k in range(n):  # always in the same order: the same bits
            if at[k] < starts[k + 1] and rows[at[k]] == union[i]:
                change = changes[at[k]]
                for j in range(d):
                    x = _from_half(change[j])
                    total[j] += x
                    squares += x * x
                at[k] += 1
                n_changed += 1
        of_sum = np.float32(0)
        for j in range(d):
            of_sum += total[j] * total[j]
        factor = agreement(squares, of_sum, n_changed)
        out = merged[i]
        for j in range(d):
            out[j] = _to_half(factor * total[j])
    return merged


@compiled(nogil=True, error_model="numpy")
def add(W, rows, changes):  # type: ignore[no-untyped-def]
    """Add changes (uint16) to rows of W (float32)."""
    for k in range(len(rows)):
        row, change = _row(W, rows[k]), changes[k]
        for j in range(len(row)):
            row[j] += _from_half(change[j])


@compiled(nogil=True, error_model="numpy")
def subtract(W, rows, changes):  # type: ignore[no-untyped-def]
    """Subtract changes (uint16) from rows of W (float32)."""
    for k in range(len(rows)):
        row, change = _row(W, rows[k]), changes[k]
        for j in range(len(row)):
            row[j] -= _from_half(change[j])


@compiled(nogil=True, error_model="numpy")
def add_and_copy(common, rows, changes, W, marks):  # type: ignore[no-untyped-def]
    """Add changes (uint16) to rows of `common`, copy these rows to W, and clear their marks."""
    for k in range(len(rows)):
        row, copy, change = _row(common, rows[k]), _row(W, rows[k]), changes[k]
        for j in range(len(row)):
            row[j] += _from_half(change[j])
            copy[j] = row[j]
        marks[rows[k]] = False


@compiled(nogil=True, error_model="numpy")
def reset(W, common, marks):  # type: ignore[no-untyped-def]
    """Set the marked rows of W to those of `common`, and clear the marks."""
    for w in range(len(marks)):
        if marks[w]:
            row, new = _row(W, w), _row(common, w)
            for j in range(len(row)):
                row[j] = new[j]
            marks[w] = False
