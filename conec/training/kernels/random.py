"""Counter-based random numbers of the kernels: a counter is hashed to 64 mixed bits.

A draw depends only on the seed, the run, the epoch and the position in the corpus. Subsampling
and windows therefore do not depend on the length of chunks or on threads.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from conec import random_streams

GOLDEN, _M1, _M2 = map(np.uint64, (random_streams.GOLDEN, random_streams.M1, random_streams.M2))
_U40, _TO_UNIT = np.uint64(40), np.float32(2.0**-24)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


@nb.njit(inline="always")
def mix(x: np.uint64) -> np.uint64:
    """SplitMix64's finalizer (Steele, Lea & Flood 2014): 64 well mixed bits."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


@nb.njit(inline="always")
def uniform(x):  # type: ignore[no-untyped-def]
    """A uniform number in [0, 1) from 64 mixed bits."""
    return np.float32(x >> _U40) * _TO_UNIT
