"""W1 and W2 in memory: how training wants them, and how they begin."""

from __future__ import annotations

import numpy as np

from conec.types import FloatArray

WEIGHTS = 2  # a purpose of random numbers, beside those of `conec.ranges`
_ROWS = 1 << 12  # that are initialised at a time


def zero_rows(n: int, size: int) -> FloatArray:
    """A matrix of zeros whose rows begin where cache lines do: vectors then lie in one line."""
    width = -(-size // 16) * 16
    memory = np.zeros(n * width + 16, np.float32)
    start = -(memory.ctypes.data // 4) % 16
    return memory[start : start + n * width].reshape(n, width)[:, :size]


def check_weights(name: str, weights: FloatArray, shape: tuple[int, int]) -> None:
    """ValueError unless compiled code can go through weights by their addresses."""
    good = weights.shape == shape and weights.dtype == np.float32 and weights.flags.aligned
    if good and weights.size:
        row, column = weights.strides
        good = column == 4 and row >= 4 * shape[1]
    # those of a loaded model are memory-mapped, and copied before they are written
    good = good and (weights.flags.writeable or isinstance(weights, np.memmap))
    if not good:
        raise ValueError(
            f"{name} is a writable float32 array of shape {shape}, row by row, not "
            f"{weights.dtype} of shape {weights.shape}"
        )


def initial_weights(
    n_words: int, size: int, seed: int, *, first: int = 0
) -> tuple[FloatArray, FloatArray]:
    """W1 uniform in ±0.5/d as in word2vec.c, W2 zero.

    Parameters
    ----------
    n_words, size : int
        The shape.
    seed : int
    first : int
        Another number gives other rows: for words that are added later.
    """
    rng = np.random.default_rng([seed, WEIGHTS, first])
    W1 = zero_rows(n_words, size)
    for start in range(0, n_words, _ROWS):
        rows = W1[start : start + _ROWS]
        rows[:] = (rng.random(rows.shape, np.float32) - np.float32(0.5)) / np.float32(size)
    return W1, zero_rows(n_words, size)
