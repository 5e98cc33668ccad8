"""W1 and W2: their memory layout and initial values."""

from __future__ import annotations

import numpy as np

from conec import random_streams
from conec.types import FloatArray, Init

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
    n_words: int, size: int, seed: int, init: Init = "word2vec", *, first: int = 0
) -> tuple[FloatArray, FloatArray]:
    """W1 and W2 as training begins.

    Parameters
    ----------
    n_words, size : int
        The shape.
    seed : int
    init : {"word2vec", "glorot"}
        W1 uniform in ±0.5/d and W2 zero, as in word2vec.c; or both uniform in
        ±4·sqrt(6/(V+d)), as Glorot & Bengio (2010) have it for sigmoids.
    first : int
        The number of words before these: rows of words that are added later differ.
    """
    rng = np.random.default_rng([seed, random_streams.WEIGHTS, first])
    W1, W2 = zero_rows(n_words, size), zero_rows(n_words, size)
    divisor = initial_divisor(first + n_words, size, init)
    for W in (W1,) if init == "word2vec" else (W1, W2):
        for start in range(0, n_words, _ROWS):
            rows = W[start : start + _ROWS]
            rows[:] = (rng.random(rows.shape, np.float32) - np.float32(0.5)) / np.float32(divisor)
    return W1, W2


def initial_divisor(n_words: int, size: int, init: Init) -> float:
    """By what numbers from ±0.5 are divided to be weights as training begins."""
    return size if init == "word2vec" else float(np.sqrt((n_words + size) / 6)) / 8
