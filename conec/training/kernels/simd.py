"""SIMD code as LLVM instructions, for loops that Numba does not compile well.

The inner loops of training are short and use many rows at once. Numba compiles such loops to
code that first checks whether rows overlap and that processes the last columns one by one. Both
take as long as the work itself, and sums do not stay in registers. Here, a loop over columns is
written once, and is compiled for whole vectors and, with a mask, for the last columns of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# floats in a vector: the width of this processor's registers
LANES = 16 if llvm.get_host_cpu_features().get("avx512f", False) else 8

_FLOAT, _INT32, _INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(_FLOAT, LANES)
_LINE = 16  # floats in a cache line


class Code:
    """Instructions on vectors of float32."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fma.v{LANES}f32"
        )
        self.zero = ir.Constant(VECTOR, [0.0] * LANES)
        self._column: Any = None
        self._mask: Any = None

    def floats(self, address: Any) -> Any:
        """Convert an integer address to a pointer."""
        return self.builder.inttoptr(address, _FLOAT.as_pointer())

    def integer_at(self, base: Any, index: Any) -> Any:
        """Read an element of an array of int64."""
        return self.builder.load(self.builder.gep(base, [_index(index)]))

    def float_at(self, base: Any, index: Any) -> Any:
        """Read an element of an array of float32 into all lanes of a vector."""
        return self.spread(self.builder.load(self.builder.gep(base, [_index(index)])))

    def spread(self, scalar: Any) -> Any:
        """Put a number into all lanes of a vector."""
        undefined = ir.Constant(VECTOR, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, _INT32(0))
        lanes = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, undefined, lanes)

    def add(self, x: Any, y: Any) -> Any:
        """``x + y``"""
        return self.builder.fadd(x, y)

    def sub(self, x: Any, y: Any) -> Any:
        """``x - y``"""
        return self.builder.fsub(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        """``x * y``"""
        return self.builder.fmul(x, y)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """``x * y + z``"""
        return self.builder.call(self._fma, [x, y, z])

    # Rows at the current columns of the loop. Rows of scratch memory are padded with zeros to
    # whole vectors and need no mask. Masked stores would be slow there: they cannot be forwarded
    # to the following loads.

    def load(self, row: Any, *, padded: bool = False) -> Any:
        """Read the current columns of a row."""
        place = self._place(row)
        if self._mask is None or padded:
            return self.builder.load(place, align=4)
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(VECTOR, [VECTOR.as_pointer(), _INT32, self._mask.type, VECTOR]),
            f"llvm.masked.load.v{LANES}f32.p0",
        )
        return self.builder.call(function, [place, _INT32(4), self._mask, self.zero])

    def store(self, value: Any, row: Any, *, padded: bool = False) -> None:
        """Write the current columns of a row."""
        place = self._place(row)
        if self._mask is None or padded:
            self.builder.store(value, place, align=4)
            return
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(ir.VoidType(), [VECTOR, VECTOR.as_pointer(), _INT32, self._mask.type]),
            f"llvm.masked.store.v{LANES}f32.p0",
        )
        self.builder.call(function, [value, place, _INT32(4), self._mask])

    def _place(self, row: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(row, [self._column]), VECTOR.as_pointer())

    def columns(self, n: Any, body: Callable[[], None]) -> None:
        """Generate `body` for each vector of `n` columns, with a mask for the last columns."""
        lanes = n.type(LANES)
        whole = self.builder.mul(self.builder.sdiv(n, lanes), lanes)
        with cgutils.for_range_slice(self.builder, n.type(0), whole, lanes, n.type) as (column, _):
            self._column = column
            body()
        with self.builder.if_then(self.builder.icmp_signed("<", whole, n)):
            left = self.builder.trunc(self.builder.sub(n, whole), _INT32)
            kind = ir.VectorType(_INT32, LANES)
            first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), left, _INT32(0))
            bound = self.builder.shuffle_vector(
                first, ir.Constant(kind, ir.Undefined), ir.Constant(kind, [0] * LANES)
            )
            numbers = ir.Constant(kind, list(range(LANES)))
            self._mask = self.builder.icmp_signed("<", numbers, bound)
            self._column = whole
            body()
        self._column = self._mask = None

    def column_groups(self, n: Any, size: int, body: Callable[[int], None]) -> None:
        """Generate `body(size)` for groups of vectors, and `body` of smaller ones for the rest.

        `body` finds the other vectors of a group at columns that are larger by multiples of
        `LANES`. `size` is a power of two, and `n` a multiple of `_LINE`.
        """
        whole = n.type(0)
        while size * LANES >= _LINE:
            step = n.type(LANES * size)
            start, whole = whole, self.builder.mul(self.builder.sdiv(n, step), step)
            with cgutils.for_range_slice(self.builder, start, whole, step, n.type) as (column, _):
                self._column = column
                body(size)
            size //= 2
        self._column = None

    def vectors(self, row: Any, n: int) -> list[Any]:
        """Read the n vectors of a group from a padded row, which is given by its address."""
        return [self.load(place, padded=True) for place in self.places(row, n)]

    def places(self, row: Any, n: int) -> list[Any]:
        """Rows that begin at each of the n vectors of a group."""
        size = 4 * LANES
        return [self.floats(self.builder.add(row, row.type(size * i))) for i in range(n)]

    def sums(self, vectors: list[Any]) -> list[Any]:
        """Sums over the lanes of 4 n vectors, as n vectors of 4 sums."""
        halves = []
        for a, b in zip(vectors[0::2], vectors[1::2], strict=True):
            halves.append(self._pairs(a, b))
        quarters = []
        for a, b in zip(halves[0::2], halves[1::2], strict=True):
            quarters.append(self._pairs(a, b))
        result = []
        for total in quarters:
            lanes = LANES
            while lanes > 4:
                lanes //= 2
                kind = ir.VectorType(_INT32, lanes)
                undefined = ir.Constant(total.type, ir.Undefined)
                low = self.builder.shuffle_vector(
                    total, undefined, ir.Constant(kind, list(range(lanes)))
                )
                high = self.builder.shuffle_vector(
                    total, undefined, ir.Constant(kind, list(range(lanes, 2 * lanes)))
                )
                total = self.builder.fadd(low, high)
            result.append(total)
        return result

    def _pairs(self, a: Any, b: Any) -> Any:
        """Sums of neighboring lanes: each group of four lanes has two of `a` and two of `b`."""
        kind = ir.VectorType(_INT32, LANES)

        def pick(parity: int) -> Any:
            lanes = []
            for group in range(0, LANES, 4):
                lanes += [group + parity, group + parity + 2]
                lanes += [LANES + group + parity, LANES + group + parity + 2]
            return self.builder.shuffle_vector(a, b, ir.Constant(kind, lanes))

        return self.builder.fadd(pick(0), pick(1))


def _index(index: Any) -> Any:
    return _INT64(index) if isinstance(index, int) else index


def pointer(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Pointer to the data of an array."""
    return cgutils.create_struct_proxy(kind)(context, builder, value=value).data


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def address(typingctx, A):  # type: ignore[no-untyped-def]
    """Address of the data of an array, as an integer."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(pointer(context, builder, signature.args[0], args[0]), _INT64)

    return types.int64(A), codegen


def _prefetch(caches: int) -> Any:
    """Make a function that prefetches a row; `caches` is 3 for all, 2 for all but the first."""

    @intrinsic  # type: ignore[untyped-decorator,unused-ignore]
    def prefetch(typingctx, row, n):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            byte = ir.IntType(8).as_pointer()
            hint = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32]),
                "llvm.prefetch.p0",
            )
            row = builder.inttoptr(args[0], _FLOAT.as_pointer())
            integer = args[1].type
            with cgutils.for_range_slice(builder, integer(0), args[1], integer(_LINE), integer) as (
                column,
                _,
            ):
                place = builder.bitcast(builder.gep(row, [column]), byte)
                # to read, these caches, data
                builder.call(hint, [place, _INT32(0), _INT32(caches), _INT32(1)])
            return context.get_dummy_value()

        return types.void(types.int64, types.intp), codegen

    return prefetch


# Prefetch `n` float32 values from an address. Processors cannot predict which rows of W1 and W2
# are used next. They are prefetched into the outer caches many steps ahead, and into the L1
# cache, which is small, just before they are used.
prefetch = _prefetch(3)
prefetch_far = _prefetch(2)


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def copy_row(typingctx, out, x, n):  # type: ignore[no-untyped-def]
    """``out = x`` for rows of `n` float32, given by their addresses."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        out, x = code.floats(args[0]), code.floats(args[1])
        code.columns(args[2], lambda: code.store(code.load(x), out))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def combine_rows(typingctx, out, a, x, b, y, n):  # type: ignore[no-untyped-def]
    """``out = a * x + b * y`` for rows of `n` float32, given by their addresses."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        out, x, y = (code.floats(args[i]) for i in (0, 2, 4))
        a, b = code.spread(args[1]), code.spread(args[3])

        def body() -> None:
            code.store(code.fma(b, code.load(y), code.mul(a, code.load(x))), out)

        code.columns(args[5], body)
        return context.get_dummy_value()

    place, number = types.int64, types.float32
    return types.void(place, number, place, number, place, types.intp), codegen


def _take_change(first: bool) -> Any:
    """Make `first_change` or `add_change`."""

    @intrinsic  # type: ignore[untyped-decorator,unused-ignore]
    def take_change(typingctx, total, copy, row, n):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            code = Code(builder)
            total, copy, row = (code.floats(args[i]) for i in range(3))
            squares = [cgutils.alloca_once_value(builder, code.zero) for _ in range(2)]

            def body() -> None:
                change = code.sub(code.load(copy), code.load(row))
                added = change if first else code.add(code.load(total), change)
                code.store(added, total)
                for x, square in zip((change, added), squares, strict=True):
                    builder.store(code.fma(x, x, builder.load(square)), square)

            code.columns(args[3], body)
            lanes = [builder.load(square) for square in squares]
            (sums,) = code.sums([*lanes, code.zero, code.zero])
            values = [builder.extract_element(sums, _INT32(i)) for i in range(2)]
            return context.make_tuple(builder, signature.return_type, values)

        place = types.int64
        return types.UniTuple(types.float32, 2)(place, place, place, types.intp), codegen

    return take_change


# ``total += copy - row``, or ``total = copy - row`` for the first copy, for rows of `n` float32 at
# these addresses. Return the squared lengths of the change and of `total`.
first_change, add_change = _take_change(first=True), _take_change(first=False)


ADDED = 4  # rows that `add_rows` adds: the sum is read and written once for all of them


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def add_rows(typingctx, out, rows, weights, first, d):  # type: ignore[no-untyped-def]
    """``out += sum(weights[k] * row(k) for k in range(first, first + ADDED))``.

    `out` is the address of a row of `d` float32; `rows` is an array of such addresses.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        out, first = code.floats(args[0]), args[3]
        rows, weights = (pointer(context, builder, signature.args[i], args[i]) for i in (1, 2))
        at = [builder.add(first, first.type(k)) for k in range(ADDED)]
        x = [code.floats(code.integer_at(rows, k)) for k in at]
        w = [code.float_at(weights, k) for k in at]

        def body() -> None:
            total = code.load(out)
            for row, weight in zip(x, w, strict=True):
                total = code.fma(weight, code.load(row), total)
            code.store(total, out)

        code.columns(args[4], body)
        return context.get_dummy_value()

    return types.void(types.int64, rows, weights, types.intp, types.intp), codegen


SLIDES = 4  # positions that `slide` processes: sums are read and written once for all of them


def _slide(flat: bool) -> Any:
    """Make `slide` or `slide_flat`."""

    @intrinsic  # type: ignore[untyped-decorator,unused-ignore]
    def slide(typingctx, sums, width, rows, weights, outs, at, size, smallest, d):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            code = Code(builder)
            sums, width, at, size, smallest, d = (args[i] for i in (0, 1, 5, 6, 7, 8))
            rows, weights, outs = (
                pointer(context, builder, signature.args[i], args[i]) for i in (2, 3, 4)
            )
            total = code.floats(sums)
            change = code.floats(builder.add(sums, builder.mul(width, width.type(4))))
            slope = builder.sitofp(builder.sub(builder.add(size, at.type(1)), smallest), _FLOAT)
            scale = code.spread(builder.fdiv(ir.Constant(_FLOAT, 1.0), slope))

            def token(i: int, offset: Any) -> tuple[Any, Any]:
                place = builder.add(at, builder.add(offset, offset.type(i)))
                return code.floats(code.integer_at(rows, place)), code.float_at(weights, place)

            def weighted(word: tuple[Any, Any]) -> Any:
                return code.mul(word[1], code.load(word[0]))

            zero = at.type(0)
            words = [token(i, zero) for i in range(SLIDES + 1)]
            entering = [token(i + 2, size) for i in range(SLIDES)]
            leaving = [token(i, builder.neg(size)) for i in range(SLIDES)]
            bends = [
                (token(i + 1, smallest), token(i + 1, builder.neg(smallest)))
                for i in range(SLIDES if flat else 0)
            ]
            targets = [
                code.floats(code.integer_at(outs, builder.add(at, at.type(i))))
                for i in range(SLIDES)
            ]

            def body() -> None:
                f, c = (code.load(row, padded=True) for row in (total, change))
                y = weighted(words[0])
                for i in range(SLIDES):
                    x = code.fma(scale, f, code.load(targets[i]))
                    # a window without a flat part has its peak at the word itself
                    x = code.sub(x, y if flat else code.fma(scale, y, y))
                    code.store(x, targets[i])
                    f = code.add(f, c)
                    c = code.fma(entering[i][1], code.load(entering[i][0]), c)
                    c = code.fma(leaving[i][1], code.load(leaving[i][0]), c)
                    y = weighted(words[i + 1])
                    if flat:
                        c = code.sub(c, code.add(weighted(bends[i][0]), weighted(bends[i][1])))
                    else:
                        c = code.sub(c, code.add(y, y))
                code.store(f, total, padded=True)
                code.store(c, change, padded=True)

            code.columns(d, body)
            return context.get_dummy_value()

        integer = types.intp
        arguments = types.int64, integer, rows, weights, outs, integer, integer, integer, integer
        return types.void(*arguments), codegen

    return slide


# Move a window by SLIDES positions, and add the sum over it, without the word in the middle, to a
# row at each of them. `sums` is the address of two rows of `width` floats: the sum, in which words
# at a distance t have the weight min(size + 1 - t, size + 1 - smallest) or, if `smallest` is 1,
# size + 1 - t; and its change to the next position. The rows of the words are at the addresses in
# `rows` and have the `weights`; `at` is the index of the first position there. Sums are divided by
# size + 1 - smallest, and added to the rows at ``outs[at]``, ``outs[at + 1]`` and so on.
slide, slide_flat = _slide(flat=False), _slide(flat=True)
