"""W1 and W2: their memory layout and initial values."""

from __future__ import annotations

import ctypes
import os

import numpy as np

from conec import random_streams
from conec.types import FloatArray, Init

_ROWS = 1 << 10  # rows that are initialized at a time
_LARGE = 1 << 22  # elements of a large matrix


def zero_rows(n: int, size: int) -> FloatArray:
    """A matrix of zeros with rows aligned to cache lines, so that no SIMD vector crosses one."""
    width = -(-size // 16) * 16
    if n * width >= _LARGE:
        _return_freed_memory()
    memory = np.zeros(n * width + 16, np.float32)
    start = -(memory.ctypes.data // 4) % 16
    return memory[start : start + n * width].reshape(n, width)[:, :size]


def _return_freed_memory() -> None:
    """Give memory that was freed back to the system, where the C library has a function for it.

    glibc keeps it, up to 64 MB, for later use. Large matrices do not use it, so that the process
    would need more memory than it has objects.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def check_weights(name: str, weights: FloatArray, shape: tuple[int, int]) -> None:
    """Raise ValueError unless the kernels can access the weights by their addresses."""
    valid = weights.shape == shape and weights.dtype == np.float32 and weights.flags.aligned
    if valid and weights.size:
        row, column = weights.strides
        valid = column == 4 and row >= 4 * shape[1]
    # memory-mapped weights of a loaded model are copied before training changes them
    valid = valid and (weights.flags.writeable or isinstance(weights, np.memmap))
    if not valid:
        raise ValueError(
            f"{name} must be a writable float32 array of shape {shape} in row-major order, got "
            f"{weights.dtype} of shape {weights.shape}"
        )


def initial_weights(
    n_words: int, size: int, seed: int, init: Init = "word2vec", *, first: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Initial values of W1 and W2.

    Parameters
    ----------
    n_words, size : int
        Number of rows and of columns.
    seed : int
    init : {"word2vec", "glorot"}
        "word2vec": W1 uniform in ±0.5/d and W2 zero, as in word2vec.c. "glorot": both
        uniform in ±4·sqrt(6/(V+d)), as Glorot & Bengio (2010) recommend for sigmoids.
    first : int
        Number of words that the vocabulary already has: words that are added to it get
        different random numbers.

    Returns
    -------
    W1, W2 : float32 arrays of shape (n_words, size)
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
    """The number by which uniform numbers in ±0.5 are divided to get initial weights."""
    return size if init == "word2vec" else float(np.sqrt((n_words + size) / 6)) / 8
