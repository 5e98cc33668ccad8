"""An exponential function that vectorizes."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba import types
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _power_of_two(typingctx, n):  # type: ignore[no-untyped-def]
    """2**n as float32, for int32 n in [-126, 127], by writing the exponent's bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        int32 = context.get_value_type(types.int32)
        bits = builder.shl(builder.add(args[0], int32(127)), int32(23))
        return builder.bitcast(bits, context.get_value_type(types.float32))

    return types.float32(types.int32), codegen


# beyond this, the sigmoid is 0 or 1 in float32
CLIP = np.float32(20)
_ONE = np.float32(1)


@nb.njit(fastmath={"contract"}, error_model="numpy", inline="always")
def exp(x: np.float32) -> np.float32:
    """exp(x) for x clipped to ±20, with a relative error of 3e-7.

    It calls no function, so loops with it vectorize. The result is a power of two times the
    polynomial of the Cephes library.
    """
    x = min(max(x, -CLIP), CLIP)
    # truncation of a positive number plus 0.5 rounds to nearest, in one instruction
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
