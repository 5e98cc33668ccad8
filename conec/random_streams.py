"""Independent random streams: their numbers, one for each use, and their keys."""

from __future__ import annotations

import functools

import numpy as np

TOKENS, NOISE, WEIGHTS, FEATURES, SENSES, MAP, AVERAGES, INDEX = range(8)

# constants of SplitMix64 (Steele, Lea & Flood 2014), also of `conec.training.kernels.random`
GOLDEN, M1, M2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1


@functools.lru_cache(maxsize=256)  # the keys of an epoch are used for each of its chunks
def key(*parts: int) -> np.uint64:
    """A 64-bit key from several integers, such as seed and epoch.

    Kernels combine it with counters (`conec.training.kernels.random`).
    """
    state = 0
    for part in parts:
        state = _mix((state + part + 1) * GOLDEN)
    return np.uint64(state)


def _mix(x: int) -> int:
    """`conec.training.kernels.random.mix` in plain Python."""
    x &= _MASK
    x = ((x ^ (x >> 30)) * M1) & _MASK
    x = ((x ^ (x >> 27)) * M2) & _MASK
    return x ^ (x >> 31)
