"""Directions of vectors: rows scaled to unit length and centered, compiled by Numba."""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.simd import address, copy_row
from corpora.jit import compiled

_F0, _F1 = np.float32(0), np.float32(1)
_LARGEST = np.float32(3.4e38)
_PART = 64  # rows that are added in single precision
_MATH = {"contract", "reassoc", "nsz", "arcp"}  # sums may be reordered


@nb.njit(nogil=True, fastmath=_MATH, error_model="numpy")
def _square(x):  # type: ignore[no-untyped-def]
    total = _F0
    for j in range(len(x)):
        total += x[j] * x[j]
    return total


@compiled(nogil=True, fastmath=_MATH, error_model="numpy")
def standardize(vectors, mean, out):  # type: ignore[no-untyped-def]
    """Scale rows to unit length, subtract the mean, and scale them to unit length again.

    Parameters
    ----------
    vectors : float32 array of shape (n, d)
        With contiguous rows.
    mean : float32 array of shape (d,)
    out : float32 array of shape (n, d)
        The result, may be `vectors`. Zero rows stay zero; rows that are not finite become NaN.
    """
    d = vectors.shape[1]
    # rows are copied, as loops over rows of a matrix with padding are not vectorized
    x = np.empty(d, np.float32)
    for i in range(len(vectors)):
        copy_row(address(x), address(vectors) + i * vectors.strides[0], d)
        square = _square(x)
        if square != _F0:
            scale = _F1 / np.sqrt(square)
            for j in range(d):
                x[j] = x[j] * scale - mean[j]
            square = _square(x)
            scale = _F1 / np.sqrt(square) if square != _F0 else _F0
            for j in range(d):
                x[j] *= scale
        copy_row(address(out) + i * out.strides[0], address(x), d)


@compiled(nogil=True, fastmath=_MATH, error_model="numpy")
def sum_directions(vectors, total):  # type: ignore[no-untyped-def]
    """Add rows, scaled to unit length, to `total`, of shape (d,); return how many are nonzero.

    If values are not finite, or so large that their squares are not, `total` becomes NaN.
    """
    d, n = vectors.shape[1], 0
    x, part = np.empty(d, np.float32), np.zeros(d, np.float32)  # a row, and the sum of some rows
    for i in range(len(vectors)):
        copy_row(address(x), address(vectors) + i * vectors.strides[0], d)
        square = _square(x)
        if square != _F0:
            scale = _F1 / np.sqrt(square)
            if not square <= _LARGEST:
                total[:] = np.nan
            for j in range(d):
                part[j] += x[j] * scale
            n += 1
        if (i + 1) % _PART == 0 or i + 1 == len(vectors):
            for j in range(d):
                total[j] += part[j]
                part[j] = _F0
    return n
