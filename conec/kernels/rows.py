"""Element by element over rows of float32 matrices, written as LLVM instructions.

A loop over such rows is short, and what Numba makes of it first asks whether they
overlap and ends with single elements; both cost as much as the work itself. Rows are
given by a C-ordered matrix and an offset in elements; those that are written must not
overlap others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_LANES = 8


def _rows(context: Any, builder: Any, signature: Any, args: Any, body: Callable[..., Any]) -> Any:
    """Call `body` for vectors of eight columns, and for what is left one by one.

    Arguments of the intrinsic are pairs of an array and an offset, then scalars, then
    the number of columns. `body` gets the values of all arrays and of all scalars, and
    returns what to store: the place of an array, and its new value.
    """
    n_arrays = sum(isinstance(kind, types.Array) for kind in signature.args)
    bases = []
    for k in range(n_arrays):
        array = cgutils.create_struct_proxy(signature.args[2 * k])
        data = array(context, builder, value=args[2 * k]).data
        bases.append(builder.gep(data, [args[2 * k + 1]]))
    scalars = args[2 * n_arrays : -1]
    n = args[-1]
    integer, one = n.type, ir.FloatType()
    vector = ir.VectorType(one, _LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
    wide = [
        builder.shuffle_vector(
            builder.insert_element(undefined, scalar, ir.IntType(32)(0)), undefined, zeros
        )
        for scalar in scalars
    ]
    lanes = integer(_LANES)
    whole = builder.mul(builder.sdiv(n, lanes), lanes)
    for kind, first, last, step, values in (
        (vector, integer(0), whole, lanes, wide),
        (one, whole, n, integer(1), scalars),
    ):
        with cgutils.for_range_slice(builder, first, last, step, integer) as (column, _):
            places = [
                builder.bitcast(builder.gep(base, [column]), kind.as_pointer()) for base in bases
            ]
            loaded = [builder.load(place, align=4) for place in places]
            for k, value in body(builder, loaded, values).items():
                builder.store(value, places[k], align=4)
    return context.get_dummy_value()


def _multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """Multiply and add, x * y + z: in one instruction where there is one."""
    free = ["contract"]
    return builder.fadd(builder.fmul(x, y, flags=free), z, flags=free)


def _zero(value: Any) -> Any:
    lanes = isinstance(value.type, ir.VectorType)
    return ir.Constant(value.type, [0.0] * _LANES if lanes else 0.0)


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def add_scaled(typingctx, Y, y, X, x, s, n):  # type: ignore[no-untyped-def]
    """``Y[y:y+n] += s * X[x:x+n]``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _rows(
            context,
            builder,
            signature,
            args,
            lambda b, v, s: {0: _multiply_add(b, s[0], v[1], v[0])},
        )

    return types.void(Y, types.intp, X, types.intp, types.float32, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def add(typingctx, Z, z, Y, y, X, x, n):  # type: ignore[no-untyped-def]
    """``Z[z:z+n] = Y[y:y+n] + X[x:x+n]``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _rows(context, builder, signature, args, lambda b, v, s: {0: b.fadd(v[1], v[2])})

    return types.void(Z, types.intp, Y, types.intp, X, types.intp, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def between(typingctx, H, h, A, a, Z, z, W, w, s, n):  # type: ignore[no-untyped-def]
    """``H = (Z - A - W) * s``"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _rows(
            context,
            builder,
            signature,
            args,
            lambda b, v, s: {0: b.fmul(b.fsub(b.fsub(v[2], v[1]), v[3]), s[0])},
        )

    return types.void(
        H, types.intp, A, types.intp, Z, types.intp, W, types.intp, types.float32, types.intp
    ), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def spread(typingctx, O, o, A, a, Z, z, E, e, W, w, s, share, n):  # type: ignore[no-untyped-def]
    """``O = (E + s * W) * share; A += O; Z -= O``"""

    def body(b: Any, v: Any, s: Any) -> dict[int, Any]:
        own = b.fmul(_multiply_add(b, s[0], v[4], v[3]), s[1])
        return {0: own, 1: b.fadd(v[1], own), 2: b.fsub(v[2], own)}

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _rows(context, builder, signature, args, body)

    return types.void(
        O,
        types.intp,
        A,
        types.intp,
        Z,
        types.intp,
        E,
        types.intp,
        W,
        types.intp,
        types.float32,
        types.float32,
        types.intp,
    ), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def collect(typingctx, R, r, G, g, W, w, n):  # type: ignore[no-untyped-def]
    """``R += G; G = 0; W += R``"""

    def body(b: Any, v: Any, s: Any) -> dict[int, Any]:
        run = b.fadd(v[0], v[1])
        return {0: run, 1: _zero(v[1]), 2: b.fadd(v[2], run)}

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _rows(context, builder, signature, args, body)

    return types.void(R, types.intp, G, types.intp, W, types.intp, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def collect_but(typingctx, R, r, G, g, W, w, O, o, n):  # type: ignore[no-untyped-def]
    """``R += G; G = 0; W += R - O``"""

    def body(b: Any, v: Any, s: Any) -> dict[int, Any]:
        run = b.fadd(v[0], v[1])
        return {0: run, 1: _zero(v[1]), 2: b.fadd(v[2], b.fsub(run, v[3]))}

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _rows(context, builder, signature, args, body)

    return types.void(
        R, types.intp, G, types.intp, W, types.intp, O, types.intp, types.intp
    ), codegen
