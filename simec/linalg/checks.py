"""Checks of features and of similarity matrices, with errors that say what to mend."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

Matrix: TypeAlias = npt.NDArray[np.floating[Any]]
Float64: TypeAlias = npt.NDArray[np.float64]
MatrixLike: TypeAlias = "npt.ArrayLike | sparse.sparray | sparse.spmatrix"

_ROWS = 1 << 10  # compared at a time


def real_matrix(S: npt.ArrayLike, name: str = "S", *, missing: bool = False) -> Matrix:
    """An array with two axes of real numbers; float32 stays so, others become float64.

    Parameters
    ----------
    S : array-like of shape (m, n)
    name : str
        For messages.
    missing : bool
        Whether entries may be NaN.

    Raises
    ------
    ValueError
        If it is sparse, empty, has not two axes, or holds infinite or unwanted NaN entries.
    """
    if sparse.issparse(S):
        raise ValueError(f"{name} is sparse: give {name}.toarray(), with NaN where unknown")
    array = np.asarray(S)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} has rows and columns, not shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds real numbers, not {array.dtype}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    bad = np.isinf(array) if missing else ~np.isfinite(array)
    if bad.any():
        i, j = np.argwhere(bad)[0]
        hint = "" if missing else "; fill unknown entries first, e.g. with fill_mean"
        raise ValueError(f"{name}[{i}, {j}] is {array[i, j]}{hint}")
    return array


def square(S: npt.ArrayLike, name: str = "S", *, missing: bool = False) -> Matrix:
    """`real_matrix`, and ValueError unless there are as many rows as columns."""
    array = real_matrix(S, name, missing=missing)
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} is square, not of shape {array.shape}")
    return array


def symmetric(S: npt.ArrayLike, name: str = "S") -> Matrix:
    """`square`, and ValueError unless the matrix equals its transpose.

    Differences up to 1e-8 of the largest entry, 1e-5 for float32, are taken for rounding.
    """
    array = square(S, name)
    largest = max(float(array.max()), -float(array.min()))
    tolerance = (1e-5 if array.dtype == np.float32 else 1e-8) * largest
    for start in range(0, len(array), _ROWS):
        rows = slice(start, start + _ROWS)
        gap = np.abs(array[rows] - array[:, rows].T)
        if gap.max() > tolerance:
            i, j = np.unravel_index(int(gap.argmax()), gap.shape)
            i += start
            raise ValueError(
                f"{name} is not symmetric: {name}[{i}, {j}] is {array[i, j]} and {name}[{j}, {i}] "
                f"is {array[j, i]}; take ({name} + {name}.T) / 2, or svd for what is no similarity"
            )
    return array


def check_varies(S: Matrix, name: str = "S") -> None:
    """ValueError if all known entries of a matrix are the same, or none is known."""
    known = S[~np.isnan(S)] if np.isnan(S).any() else S
    if not known.size:
        raise ValueError(f"{name} has no known entry")
    if known.min() == known.max():
        raise ValueError(f"{name} is constant, {known.flat[0]} everywhere: it says nothing")


def check_size(n_components: int, largest: int) -> int:
    """The number of dimensions; ValueError unless it is from 1 to `largest`."""
    if isinstance(n_components, bool) or n_components != int(n_components):
        raise ValueError(f"n_components is a whole number, not {n_components}")
    if not 1 <= n_components <= largest:
        raise ValueError(
            f"n_components is from 1 to {largest}, the matrix's size, not {n_components}"
        )
    return int(n_components)
