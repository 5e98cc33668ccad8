"""Similarity coefficients of binary vectors, such as sets of pixels, fragments or tags.

Each function takes X of shape (m, D) and optionally Y of shape (n, D), by default X. Both contain 0
and 1 or False and True, and may be sparse, or `PackedBits`. The result is a dense array of shape
(m, n), in float64 or the `dtype` that is passed. An entry that is not binary raises a ValueError
that names it.

Notation for two rows: a is the number of attributes that both have, b the number that only the
first has, c the number that only the second has, and d the number that neither has. Definitions
follow the thesis (Sec. 3.6 and 6.2) and RDKit's `DataStructs`, where Simpson's coefficient is
called `AsymmetricSimilarity`. Each function states its value for rows without attributes, where
the formula would divide by 0. The result is never NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from simec.linalg.checks import Matrix, MatrixLike
from simec.similarities.packed_bits import PackedBits
from simec.types import Float64

_ENTRIES = 1 << 21  # of the result, computed at a time

Bits: TypeAlias = "MatrixLike | PackedBits"

_Formula = Callable[[Float64, Float64, Float64, int], Float64]


def simpson(X: Bits, Y: Bits | None = None, *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """Overlap coefficient, a / min(a + b, a + c); 0 where a row is empty.

    Its matrices have significant negative eigenvalues.
    """

    def formula(a: Float64, x: Float64, y: Float64, _: int) -> Float64:
        return _ratio(a, np.minimum(x, y), 0)

    return _coefficient(X, Y, formula, dtype)


def tanimoto(X: Bits, Y: Bits | None = None, *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """Tanimoto's or Jaccard's a / (a + b + c); 1 for two empty rows."""

    def formula(a: Float64, x: Float64, y: Float64, _: int) -> Float64:
        return _ratio(a, x + y - a, 1)

    return _coefficient(X, Y, formula, dtype)


jaccard = tanimoto


def sokal(X: Bits, Y: Bits | None = None, *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """Sokal & Sneath's a / (a + 2b + 2c); 1 for two empty rows.

    It equals t / (2 - t) with t from `tanimoto`, also for two empty rows, where RDKit returns NaN.
    """

    def formula(a: Float64, x: Float64, y: Float64, _: int) -> Float64:
        return _ratio(a, 2 * (x + y) - 3 * a, 1)

    return _coefficient(X, Y, formula, dtype)


def kulczynski(X: Bits, Y: Bits | None = None, *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """Kulczynski's (a / (a + b) + a / (a + c)) / 2; 0 where a row is empty."""

    def formula(a: Float64, x: Float64, y: Float64, _: int) -> Float64:
        return _ratio(a * (x + y), 2 * x * y, 0)

    return _coefficient(X, Y, formula, dtype)


def mcconnaughey(X: Bits, Y: Bits | None = None, *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """McConnaughey's (a² - bc) / ((a + b)(a + c)), from -1 to 1; 0 where a row is empty."""

    def formula(a: Float64, x: Float64, y: Float64, _: int) -> Float64:
        return _ratio(a * (x + y) - x * y, x * y, 0)

    return _coefficient(X, Y, formula, dtype)


def rogot_goldberg(X: Bits, Y: Bits | None = None, *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """Rogot & Goldberg's a / (2a + b + c) + d / (2d + b + c); 1 for two empty or full rows."""

    def formula(a: Float64, x: Float64, y: Float64, n: int) -> Float64:
        lacking = 2 * n - x - y
        # where one term is 0/0, the other is 1/2
        return _ratio(a, x + y, 0.5) + _ratio(n - x - y + a, lacking, 0.5)

    return _coefficient(X, Y, formula, dtype)


def _coefficient(X: Bits, Y: Bits | None, formula: _Formula, dtype: npt.DTypeLike) -> Matrix:
    """Evaluate a formula of a, a + b, a + c and the number of columns, in blocks of rows."""
    left = _binary(X, "X")
    right = left if Y is None else _binary(Y, "Y")
    n_columns = left.shape[1]
    if right.shape[1] != n_columns:
        raise ValueError(
            f"X and Y must have the same number of columns, got {n_columns} and {right.shape[1]}"
        )
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"dtype must be a type of floats such as numpy.float32, got {dtype!r}")
    x, y = _counts(left), _counts(right)
    result = np.empty((len(x), len(y)), dtype)
    single = np.float32 if n_columns < 1 << 24 else np.float64  # exact, and faster
    columns = _floats(right, single).T
    widest = max(len(y), 1 if sparse.issparse(left) else n_columns)
    n_rows = max(1, _ENTRIES // widest)
    for start in range(0, len(x), n_rows):
        rows = slice(start, start + n_rows)
        shared = _floats(left[rows], single) @ columns
        shared = (shared.toarray() if sparse.issparse(shared) else shared).astype(np.float64)
        result[rows] = formula(shared, x[rows, None], y[None, :], n_columns)
    return result


def _counts(side: Any) -> Float64:
    """Return the number of 1s in each row, a + b or a + c."""
    if isinstance(side, PackedBits):
        return side.counts()
    # sums in float64: float32 is exact up to 2**24 only
    counts: Float64 = np.asarray(side.sum(axis=1, dtype=np.float64)).ravel()
    return counts


def _floats(side: Any, dtype: type[np.floating[Any]]) -> Any:
    """Convert rows to an array, or sparse array, whose products count what they share."""
    return (side.to_array() if isinstance(side, PackedBits) else side).astype(dtype)


def _ratio(numerator: Float64, denominator: Float64, otherwise: float) -> Float64:
    """Divide; return `otherwise` where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    result = np.full(numerator.shape, float(otherwise))
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def _binary(X: Bits, name: str) -> Any:
    """Convert to a bool array or CSR array; raise ValueError for the first non-binary entry."""
    if isinstance(X, PackedBits):
        binary: Any = X
    elif sparse.issparse(X):
        matrix = sparse.csr_array(X, copy=True)
        matrix.sum_duplicates()
        _check_binary(matrix.data, name, lambda k: _position(matrix, k))
        binary = matrix.astype(bool)
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(f"{name} must have rows and columns, got shape {array.shape}")
        _check_binary(array, name, lambda k: np.unravel_index(k, array.shape))
        binary = array.astype(bool)
    if not all(binary.shape):
        raise ValueError(f"{name} has no entries: its shape is {binary.shape}")
    return binary


def _check_binary(
    values: npt.NDArray[Any], name: str, position: Callable[[int], tuple[Any, ...]]
) -> None:
    if values.dtype == bool:
        return
    if values.dtype.kind not in "iuf":
        raise ValueError(f"{name} must contain 0 and 1, got {values.dtype}")
    bad = (values != 0) & (values != 1)
    if bad.any():
        first = int(bad.argmax())
        i, j = position(first)
        raise ValueError(
            f"{name}[{i}, {j}] must be 0 or 1, got {values.flat[first]}. Make it binary first, "
            f"e.g. {name} > 0"
        )


def _position(matrix: sparse.csr_array, k: int) -> tuple[int, int]:
    """Row and column of a stored entry."""
    return int(np.searchsorted(matrix.indptr, k, side="right")) - 1, int(matrix.indices[k])
