"""Counter-based random numbers of the kernels: a counter is hashed to 64 mixed bits.

A draw depends only on the seed, the run, the epoch and the position in the corpus. Subsampling
and windows therefore do not depend on the length of chunks or on threads.
"""

from __future__ import annotations

import numba as nb
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


@nb.njit(inline="always")
def mix(x: np.uint64) -> np.uint64:
    """SplitMix64's finalizer (Steele, Lea & Flood 2014): 64 well mixed bits."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)
