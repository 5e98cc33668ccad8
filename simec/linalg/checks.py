"""Checks of features, similarity matrices and sparse matrices, with errors that say what to do."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from corpora.checks import check_integer
from corpora.saved_data import check_finite, checked_indptr

__all__ = [
    "Matrix", "MatrixLike", "check_finite", "check_size", "check_variance", "check_varies",
    "checked_csr", "real_matrix", "square", "symmetric",
]  # fmt: skip

Matrix: TypeAlias = npt.NDArray[np.floating[Any]]
MatrixLike: TypeAlias = "npt.ArrayLike | sparse.sparray | sparse.spmatrix"

_MOST_COLUMNS = 1 << 24  # of a saved sparse matrix with few entries
LARGEST = 1e15  # of features, targets and ratings, whose squares are summed in float32
OVERFLOW = "numbers overflow while a model is fitted: scale features, targets or ratings to about 1"
# For np.errstate: results are checked instead, with an error that says what to do.
QUIET: dict[str, Any] = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}
LARGEST_DOUBLE = 1e150  # the same for float64
_ROWS = 1 << 10  # rows compared at a time


def real_matrix(S: npt.ArrayLike, name: str = "S", *, missing: bool = False) -> Matrix:
    """Convert to a two-dimensional array of real numbers; float32 is kept, others become float64.

    Parameters
    ----------
    S : array-like of shape (m, n)
    name : str
        Name of the matrix in error messages.
    missing : bool
        Allow NaN for missing entries.

    Raises
    ------
    ValueError
        If it is sparse, empty, not two-dimensional or not real, has infinite entries, entries whose
        squares overflow, or NaN without `missing`.
    """
    if sparse.issparse(S):
        raise ValueError(f"{name} is sparse: pass {name}.toarray(), with NaN for missing entries")
    array = np.asarray(S)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} must have rows and columns, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got {array.dtype}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    bad = np.isinf(array) if missing else ~np.isfinite(array)
    if bad.any():
        i, j = np.argwhere(bad)[0]
        hint = "" if missing else "; fill missing entries first, e.g. with fill_mean"
        raise ValueError(f"{name}[{i}, {j}] is {array[i, j]}{hint}")
    check_magnitude(name, array, LARGEST if array.dtype == np.float32 else LARGEST_DOUBLE)
    return array


def square(S: npt.ArrayLike, name: str = "S", *, missing: bool = False) -> Matrix:
    """Like `real_matrix`; raise ValueError unless the matrix is square."""
    array = real_matrix(S, name, missing=missing)
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} must be square, got shape {array.shape}")
    return array


def symmetric(S: npt.ArrayLike, name: str = "S") -> Matrix:
    """Like `square`; raise ValueError unless the matrix equals its transpose.

    Differences of at most 1e-8 times the largest absolute entry (1e-5 for float32) are ignored as
    rounding errors.
    """
    array = square(S, name)
    largest = max(float(array.max()), -float(array.min()))
    tolerance = (1e-5 if array.dtype == np.float32 else 1e-8) * largest
    for start in range(0, len(array), _ROWS):
        rows = slice(start, start + _ROWS)
        difference = np.abs(array[rows] - array[:, rows].T)
        if difference.max() > tolerance:
            i, j = np.unravel_index(int(difference.argmax()), difference.shape)
            i += start
            raise ValueError(
                f"{name} is not symmetric: {name}[{i}, {j}] is {array[i, j]} and {name}[{j}, {i}] "
                f"is {array[j, i]}. Use ({name} + {name}.T) / 2, or svd for other matrices"
            )
    return array


def check_varies(S: Matrix, name: str = "S") -> None:
    """Raise ValueError if no entry is observed, or all observed entries are equal."""
    observed = S[~np.isnan(S)] if np.isnan(S).any() else S
    if not observed.size:
        raise ValueError(f"{name} has no observed entry")
    if observed.min() == observed.max():
        raise ValueError(f"{name} is constant: all entries are {observed.flat[0]}")


def check_variance(y: npt.NDArray[np.float64], *, is_column: bool) -> None:
    """Raise ValueError if a column of y, shape (n, k), has only one value.

    `is_column` says whether y was passed with columns, for the message.
    """
    constant = np.ptp(y, axis=0) == 0
    if constant.any():
        j = int(constant.argmax())
        which = f"column {j} of y" if is_column else "y"
        raise ValueError(
            f"{which} has no variance: all {len(y)} values are {y[0, j]:g}, from which nothing "
            "can be learned" + ("; leave the column out" if is_column else "")
        )


def check_size(n_components: int, largest: int) -> int:
    """Return the number of dimensions; raise ValueError unless it is from 1 to `largest`."""
    if isinstance(n_components, bool) or n_components != int(n_components):
        raise ValueError(f"n_components must be an integer, got {n_components}")
    if not 1 <= n_components <= largest:
        raise ValueError(
            f"n_components must be from 1 to {largest}, the size of the matrix, got {n_components}"
        )
    return int(n_components)


def check_magnitude(name: str, values: Any, limit: float = LARGEST) -> None:
    """Raise ValueError if an array or tensor has values beyond a limit; NaN is ignored.

    Their squares would overflow.
    """
    if not values.shape or 0 in values.shape:
        return
    low, high = float(values.min()), float(values.max())
    if math.isnan(high) and isinstance(values, np.ndarray):
        if np.isnan(values).all():
            return
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
    largest = max(high, -low)
    if largest > limit:
        raise ValueError(
            f"{name} must have values from {-limit:g} to {limit:g}, got one of magnitude "
            f"{largest:.3g}: scale {name} to about 1"
        )


def checked_csr(
    name: str,
    values: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    indptr: npt.NDArray[Any],
    shape: Any,
) -> Any:
    """Build a CSR matrix from arrays that were read from a file.

    scipy does not check them: an index out of range can cause a segmentation fault.

    Raises
    ------
    ValueError
        If the arrays are not a valid CSR matrix of this shape, or a value is not finite.
    """
    if not isinstance(shape, (list, tuple)) or len(shape) != 2:
        raise ValueError(f"{name} must have a shape of two numbers, got {shape!r}")
    n_rows, n_columns = (check_integer(f"{name}.shape", size, 0, 2**48) for size in shape)
    if any(part.ndim != 1 for part in (values, indices, indptr)) or len(indices) != len(values):
        raise ValueError(f"{name}: arrays do not fit a sparse matrix of shape {tuple(shape)}")
    if values.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} must hold float32 or float64, got {values.dtype}")
    if indices.dtype.kind not in "iu":
        raise ValueError(f"{name}: column indices must be integers, got {indices.dtype}")
    pointers = checked_indptr(f"{name}: row pointers", indptr, n_rows, len(values))
    if len(indices) and not 0 <= indices.min() <= indices.max() < n_columns:
        raise ValueError(f"{name}: column indices must be from 0 to {n_columns - 1}")
    # products of sparse matrices take memory for each column
    if n_columns > max(_MOST_COLUMNS, 1000 * len(values)):
        raise ValueError(f"{name} has {n_columns} columns, but only {len(values)} entries")
    check_finite(name, values)
    # scipy chooses the type of the indices
    return sparse.csr_matrix((values, indices.astype(np.int64), pointers), (n_rows, n_columns))
