"""What Numba's Python has no words for, written as LLVM instructions.

The products of a training step are too small and thin for a BLAS to be at its best,
and it would leave the first-level cache between two of them. `tile` is the inner loop
of such a library; a loop over Python scalars would not keep its sums in registers.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 4  # with two vectors of eight columns: eight sums hide the latency of an FMA
COLUMNS = 16
_LANES = 8


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def tile(typingctx, C, c, ldc, A, a, a_row, a_step, B, b, ldb, n):  # type: ignore[no-untyped-def]
    """``C[r, s] = sum(A[r, t] * B[t, s] for t in range(n))`` for r < 4, s < 16.

    Arrays are float32 and contiguous, each used from an offset (`c`, `a`, `b`, in
    elements) on. `ldc` and `ldb` are the distances between rows; A's rows are `a_row`
    apart and its columns `a_step`, so that A may be read transposed. There are no
    bounds checks.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = ir.FloatType()
        vector = ir.VectorType(one, _LANES)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{_LANES}f32"
        )
        integer = args[1].type

        def data(position: int) -> Any:
            array = cgutils.create_struct_proxy(signature.args[position])
            return array(context, builder, value=args[position]).data

        def pointer(base: Any, *offsets: Any) -> Any:
            total = offsets[0]
            for offset in offsets[1:]:
                total = builder.add(total, offset)
            return builder.gep(base, [total])

        def as_vector(address: Any) -> Any:
            return builder.bitcast(address, vector.as_pointer())

        pc, pa, pb = data(0), data(3), data(7)
        c0, ldc_, a0, a_row_, a_step_, b0, ldb_, n_ = (args[i] for i in (1, 2, 4, 5, 6, 8, 9, 10))
        zero = ir.Constant(vector, [0.0] * _LANES)
        sums = [
            [cgutils.alloca_once_value(builder, zero) for _ in range(COLUMNS // _LANES)]
            for _ in range(ROWS)
        ]
        with cgutils.for_range(builder, n_, intp=integer) as loop:
            row = builder.mul(loop.index, ldb_)
            columns = []
            for v in range(COLUMNS // _LANES):
                address = pointer(pb, b0, row, integer(v * _LANES))
                columns.append(builder.load(as_vector(address), align=4))
            step = builder.mul(loop.index, a_step_)
            for r in range(ROWS):
                scalar = builder.load(pointer(pa, a0, builder.mul(integer(r), a_row_), step))
                lane = builder.insert_element(
                    ir.Constant(vector, ir.Undefined), scalar, ir.IntType(32)(0)
                )
                splat = builder.shuffle_vector(
                    lane,
                    ir.Constant(vector, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES),
                )
                for v in range(COLUMNS // _LANES):
                    total = builder.load(sums[r][v])
                    builder.store(builder.call(fma, [splat, columns[v], total]), sums[r][v])
        for r in range(ROWS):
            for v in range(COLUMNS // _LANES):
                address = pointer(pc, c0, builder.mul(integer(r), ldc_), integer(v * _LANES))
                builder.store(builder.load(sums[r][v]), as_vector(address), align=4)
        return context.get_dummy_value()

    return types.void(
        C,
        types.intp,
        types.intp,
        A,
        types.intp,
        types.intp,
        types.intp,
        B,
        types.intp,
        types.intp,
        types.intp,
    ), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def prefetch(typingctx, A, row, n):  # type: ignore[no-untyped-def]
    """Ask for row `row` of a C-ordered float32 matrix of `n` columns ahead of its use.

    The rows that a batch touches lie all over W1 and W2, which no processor foresees.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = cgutils.create_struct_proxy(signature.args[0])
        data = array(context, builder, value=args[0]).data
        integer = args[1].type
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        hint = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]),
            "llvm.prefetch.p0",
        )
        start = builder.mul(args[1], args[2])
        line = integer(16)  # 64 bytes
        with cgutils.for_range_slice(builder, integer(0), args[2], line, integer) as (column, _):
            address = builder.gep(data, [builder.add(start, column)])
            # to read, keep in all caches, data
            builder.call(hint, [builder.bitcast(address, byte), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(A, types.intp, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _power_of_two(typingctx, n):  # type: ignore[no-untyped-def]
    """2**n as float32, for int32 n in [-126, 127], by writing the exponent's bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        int32 = context.get_value_type(types.int32)
        bits = builder.shl(builder.add(args[0], int32(127)), int32(23))
        return builder.bitcast(bits, context.get_value_type(types.float32))

    return types.float32(types.int32), codegen


# beyond, the sigmoid is 0 or 1 in float32
CLIP = np.float32(20)
_ONE = np.float32(1)


@nb.njit(fastmath={"contract"}, error_model="numpy", inline="always")
def exp(x: np.float32) -> np.float32:
    """exp(x) to a relative error of 3e-7, x cut to ±20; no call, so that loops vectorise.

    Powers of two times the polynomial of the Cephes library.
    """
    x = min(max(x, -CLIP), CLIP)
    # truncation of a positive number rounds to nearest, and is one instruction
    n = np.int32(x * np.float32(1.44269504) + np.float32(64.5))
    m = np.float32(n) - np.float32(64)
    r = x - m * np.float32(0.693359375)
    r = r + m * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + _ONE
    return p * _power_of_two(np.int32(m))
