"""Weights in float16, or in 8 bits with a scale for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from conec.types import FloatArray
from corpora.saved_data import check_saved_array

__all__ = ["CompactRows", "Dtype", "Rows", "compact"]

Dtype = Literal["float16", "int8"]
_ROWS = 1 << 13  # rows that are converted at a time


class CompactRows:
    """A matrix in a smaller type, whose rows are converted to float32 when they are read.

    Parameters
    ----------
    codes : float16 or int8 array of shape (V, d)
        May be memory-mapped.
    scales : float32 array of shape (V,) or None
        Factors of the rows of int8 codes.
    """

    def __init__(self, codes: npt.NDArray[Any], scales: FloatArray | None = None) -> None:
        self.codes, self.scales = codes, scales

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the matrix."""
        return self.codes.shape

    @property
    def dtype_name(self) -> str:
        """Type of the codes."""
        return self.codes.dtype.name

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.codes.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Rows in float32; shape (n, d)."""
        codes = np.asarray(self.codes[rows])
        if self.scales is None:
            return _widened(codes)
        result = codes.astype(np.float32)
        result *= self.scales[rows][:, None]
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The whole matrix in float32."""
        if copy is False:
            raise ValueError("the rows cannot be converted to float32 without a copy")
        result = np.empty(self.shape, np.float32)
        for start in range(0, len(self), _ROWS):
            result[start : start + _ROWS] = self[start : start + _ROWS]
        return result if dtype is None else result.astype(dtype, copy=False)

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Arrays to save, of which the codes have the name of the matrix."""
        scales = {} if self.scales is None else {f"{name}.scales": self.scales}
        return {name: self.codes, **scales}

    @classmethod
    def from_arrays(
        cls, name: str, arrays: Mapping[str, npt.NDArray[Any]], shape: tuple[int, int], dtype: Dtype
    ) -> CompactRows:
        """Build a matrix from saved arrays, which may be memory-mapped.

        Raises
        ------
        ValueError
            If an array is missing, or has another type or shape, or a scale is negative or not
            finite.
        """
        codes = check_saved_array(name, arrays, dtype, shape, finite=False)
        if dtype == "float16":
            return cls(codes)
        scales = check_saved_array(f"{name}.scales", arrays, "float32", shape[:1])
        if (scales < 0).any():
            raise ValueError(f"{name}.scales has negative values")
        return cls(codes, scales)


Rows: TypeAlias = "FloatArray | CompactRows"


def compact(name: str, vectors: FloatArray, dtype: Dtype) -> CompactRows:
    """Convert a matrix to a smaller type.

    Parameters
    ----------
    name : str
        Name of the matrix, for errors.
    vectors : float32 array of shape (V, d)
    dtype : {"float16", "int8"}
        "int8": each row is divided by its scale, 1/127 of its largest absolute value, and rounded.

    Raises
    ------
    ValueError
        If a value is not finite, or too large for float16.
    """
    codes = np.empty(vectors.shape, dtype)
    scales = np.zeros(len(vectors), np.float32) if dtype == "int8" else None
    # half of the largest float32, so that 127 times a rounded scale is finite
    limit = float(np.finfo(np.float16).max if scales is None else np.finfo(np.float32).max / 2)
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        block = np.asarray(vectors[rows], np.float32)
        largest = np.abs(block).max(axis=1, initial=0)
        if not (largest <= limit).all():  # NaN is not
            raise ValueError(
                f"{name} has values that are not finite or larger than {limit:.4g}, which {dtype} "
                "cannot hold"
            )
        if scales is None:
            codes[rows] = block
        else:
            scales[rows] = largest / np.float32(127)
            divisors = np.where(largest > 0, largest, 1).astype(np.float64)[:, None]
            codes[rows] = np.rint(block * (127 / divisors))
    return CompactRows(codes, scales)


def _widened(halves: npt.NDArray[np.float16]) -> FloatArray:
    """Convert float16 to float32."""
    from conec.kernels import widen

    halves = np.ascontiguousarray(halves)
    result = np.empty(halves.shape, np.float32)
    widen(halves.reshape(-1).view(np.uint16), result.reshape(-1).view(np.uint32))
    result *= np.float32(2.0**112)
    return result
