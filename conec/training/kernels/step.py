"""The four parts of a training step of ROWS positions, as vector code.

Rows are passed by address, so that rows of the weights are used in place; the rows of noise
words stay in the L1 cache from step to step.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from conec.training.kernels.simd import Code, pointer

ROWS = 4
"""Positions per step: as many as fit into registers."""

# Indices of the addresses for `forward`: rows of words that windows newly reach, their prefix
# sums, the previous sum, and the sums at the windows' ends and at the positions themselves
IN, IN_SUM, BEFORE = 0, ROWS, 2 * ROWS
LEFT, RIGHT, HERE = BEFORE + 1, BEFORE + 1 + ROWS, BEFORE + 1 + 2 * ROWS
N_FORWARD = HERE + ROWS + 1

# Indices of the addresses for `backward`: rows of target words; differences of the gradient at
# the windows' ends and at the positions; rows of words that no window reaches any more, the
# differences there, and the running sum
TARGET, G_LEFT, G_RIGHT, G_HERE = 0, ROWS, 2 * ROWS, 3 * ROWS
OUT, G_OUT, RUN = 4 * ROWS + 1, 5 * ROWS + 1, 6 * ROWS + 1
N_BACKWARD = RUN + 1


def _pointers(code: Code, base: Any, first: int, n: int) -> list[Any]:
    return [code.floats(code.integer_at(base, first + r)) for r in range(n)]


def _after(builder: Any, base: Any, row: int, stride: Any) -> Any:
    """Pointer to a row of a matrix."""
    return builder.gep(base, [builder.mul(stride.type(row), stride)])


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def forward(typingctx, at, share, H, width, d):  # type: ignore[no-untyped-def]
    """Add newly reached rows to the prefix sums, and compute the contexts from the sums.

    The context of position r, which is written to ``H[r]``, is the sum over its window minus
    the position's own row, times ``share[r]``. `at` holds addresses, as above.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        at, share, H = (pointer(context, builder, signature.args[i], args[i]) for i in range(3))
        width, d = args[3], args[4]
        incoming, sums = _pointers(code, at, IN, ROWS), _pointers(code, at, IN_SUM, ROWS)
        (before,) = _pointers(code, at, BEFORE, 1)
        left, right = _pointers(code, at, LEFT, ROWS), _pointers(code, at, RIGHT, ROWS)
        here = _pointers(code, at, HERE, ROWS + 1)
        shares = [code.float_at(share, r) for r in range(ROWS)]

        def body() -> None:
            total = code.load(before, padded=True)
            for row, place in zip(incoming, sums, strict=True):
                total = code.add(total, code.load(row))
                code.store(total, place, padded=True)
            sums_here = [code.load(row, padded=True) for row in here]
            for r in range(ROWS):
                following = code.sub(code.load(right[r], padded=True), sums_here[r + 1])
                preceding = code.sub(sums_here[r], code.load(left[r], padded=True))
                embedding = code.mul(code.add(following, preceding), shares[r])
                code.store(embedding, _after(builder, H, r, width), padded=True)

        code.columns(d, body)
        return context.get_dummy_value()

    return types.void(at, share, H, types.intp, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def scores(typingctx, F, H, width, noise, n, d):  # type: ignore[no-untyped-def]
    """``F[r, k] = H[r] @ row(k)`` for the first `n` noise words.

    `noise` holds the addresses of their rows; n is a multiple of 4.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        F, H, noise = (pointer(context, builder, signature.args[i], args[i]) for i in (0, 1, 3))
        width, n, d = args[2], args[4], args[5]
        h_rows = [_after(builder, H, r, width) for r in range(ROWS)]
        sums = [[cgutils.alloca_once_value(builder, code.zero) for _ in range(4)] for _ in h_rows]
        with cgutils.for_range_slice(builder, n.type(0), n, n.type(4), n.type) as (k, _):
            rows = [
                code.floats(code.integer_at(noise, builder.add(k, k.type(s)))) for s in range(4)
            ]
            for total in [total for row in sums for total in row]:
                builder.store(code.zero, total)

            def body() -> None:
                h = [code.load(row, padded=True) for row in h_rows]
                for s in range(4):
                    x = code.load(rows[s])
                    for r in range(ROWS):
                        total = code.fma(h[r], x, builder.load(sums[r][s]))
                        builder.store(total, sums[r][s])

            code.columns(d, body)
            totals = code.sums([builder.load(total) for row in sums for total in row])
            for r in range(ROWS):
                place = builder.gep(F, [builder.add(builder.mul(n, n.type(r)), k)])
                builder.store(
                    totals[r], builder.bitcast(place, totals[r].type.as_pointer()), align=4
                )
        return context.get_dummy_value()

    return types.void(F, H, types.intp, noise, types.intp, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def target_scores(typingctx, x, H, width, at, d):  # type: ignore[no-untyped-def]
    """``x[r] = H[r] @ row(r)`` for the rows of target words; `at` as for `backward`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        x, H, at = (pointer(context, builder, signature.args[i], args[i]) for i in (0, 1, 3))
        width, d = args[2], args[4]
        rows = _pointers(code, at, TARGET, ROWS)
        sums = [cgutils.alloca_once_value(builder, code.zero) for _ in range(ROWS)]

        def body() -> None:
            for r in range(ROWS):
                h = code.load(_after(builder, H, r, width), padded=True)
                w = code.load(rows[r])
                builder.store(code.fma(h, w, builder.load(sums[r])), sums[r])

        code.columns(d, body)
        (totals,) = code.sums([builder.load(total) for total in sums])
        builder.store(totals, builder.bitcast(x, totals.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(x, H, types.intp, at, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def backward(typingctx, F, rates, noise, n, step, H, width, at, share, d):  # type: ignore[no-untyped-def]
    """Update W1 and W2.

    `F` holds the errors at the noise words; ``rates[k] * sum(F[r, k] * H[r])`` is added to the
    row of noise word k. The gradient of a context, times ``share[r]``, is added at the left end
    of its window, subtracted at the right end, and subtracted at the position itself. The running
    sum of these differences is added to the rows that no window reaches any more.

    `step` holds 3 * ROWS numbers: the errors at the target words; the same times the words'
    rates, so that ``step[ROWS + r] * H[r]`` is added to their rows; and the rates of the words
    that no window reaches any more.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code = Code(builder)
        F, rates, noise, step, H, at, share = (
            pointer(context, builder, signature.args[i], args[i]) for i in (0, 1, 2, 4, 5, 7, 8)
        )
        n, width, d = args[3], args[6], args[9]
        targets = _pointers(code, at, TARGET, ROWS)
        left, right = _pointers(code, at, G_LEFT, ROWS), _pointers(code, at, G_RIGHT, ROWS)
        here = _pointers(code, at, G_HERE, ROWS + 1)
        out, g_out = _pointers(code, at, OUT, ROWS), _pointers(code, at, G_OUT, ROWS)
        (run,) = _pointers(code, at, RUN, 1)
        steps = [code.float_at(step, r) for r in range(ROWS)]
        target_steps = [code.float_at(step, ROWS + r) for r in range(ROWS)]
        out_rates = [code.float_at(step, 2 * ROWS + r) for r in range(ROWS)]
        shares = [code.float_at(share, r) for r in range(ROWS)]
        errors = [cgutils.alloca_once_value(builder, code.zero) for _ in range(ROWS)]

        def add(value: Any, row: Any) -> None:
            code.store(code.add(code.load(row, padded=True), value), row, padded=True)

        def subtract(value: Any, row: Any) -> None:
            code.store(code.sub(code.load(row, padded=True), value), row, padded=True)

        def body() -> None:
            h = [code.load(_after(builder, H, r, width), padded=True) for r in range(ROWS)]
            for error in errors:
                builder.store(code.zero, error)
            with cgutils.for_range(builder, n, intp=n.type) as loop:
                k = loop.index
                row = code.floats(code.integer_at(noise, k))
                x = code.load(row)
                change = code.zero
                for r in range(ROWS):
                    f = code.float_at(F, builder.add(builder.mul(n, n.type(r)), k))
                    builder.store(code.fma(f, x, builder.load(errors[r])), errors[r])
                    change = code.fma(f, h[r], change) if r else code.mul(f, h[r])
                code.store(code.fma(code.float_at(rates, k), change, x), row)
            words = [code.load(row) for row in targets]
            gradients = []
            for r in range(ROWS):
                error = code.fma(steps[r], words[r], builder.load(errors[r]))
                gradients.append(code.mul(error, shares[r]))
            for r in range(ROWS):
                # loaded again, because two targets may be the same word
                code.store(code.fma(target_steps[r], h[r], code.load(targets[r])), targets[r])
            for r in range(ROWS):
                add(gradients[r], left[r])
                subtract(gradients[r], right[r])
            subtract(gradients[0], here[0])
            for r in range(1, ROWS):
                add(code.sub(gradients[r - 1], gradients[r]), here[r])
            add(gradients[-1], here[-1])
            total = code.load(run, padded=True)
            for row, g, rate in zip(out, g_out, out_rates, strict=True):
                total = code.add(total, code.load(g, padded=True))
                code.store(code.zero, g, padded=True)
                code.store(code.fma(rate, total, code.load(row)), row)
            code.store(total, run, padded=True)

        code.columns(d, body)
        return context.get_dummy_value()

    return types.void(
        F, rates, noise, types.intp, step, H, types.intp, at, share, types.intp
    ), codegen
