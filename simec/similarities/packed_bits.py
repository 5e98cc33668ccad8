"""Binary vectors that take one bit a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.checks import check_integer
from simec.types import Float64

__all__ = ["PackedBits"]

_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
_BYTES = 1 << 24  # counted at a time


class PackedBits:
    """Rows of bits, such as fingerprints of molecules, in place of X for similarity coefficients.

    2,048 bits take 256 bytes, where a bool array takes 2,048.

    Parameters
    ----------
    packed : uint8 array of shape (m, ceil(n_bits / 8))
        Bit k of a row is bit ``k % 8`` of its byte ``k // 8``, the lowest bit first, as
        ``numpy.packbits`` returns with ``bitorder="little"``.
    n_bits : int, optional
        Number of bits in a row; by default all of those in `packed`.

    Attributes
    ----------
    packed, n_bits
    shape : tuple of int
        (m, n_bits).
    """

    def __init__(self, packed: npt.NDArray[np.uint8], n_bits: int | None = None) -> None:
        rows = np.asarray(packed)
        if rows.ndim != 2 or rows.dtype != np.uint8:
            raise ValueError(
                "packed must be a uint8 array with rows and columns, got shape "
                f"{rows.shape} and {rows.dtype}"
            )
        width = 8 * rows.shape[1]
        self.n_bits = width if n_bits is None else check_integer("n_bits", n_bits, 0, width)
        if -(-self.n_bits // 8) != rows.shape[1]:
            raise ValueError(
                f"packed must have {-(-self.n_bits // 8)} columns for {self.n_bits} bits, got "
                f"{rows.shape[1]}"
            )
        if self.n_bits % 8 and rows.size and (rows[:, -1] >> self.n_bits % 8).any():
            raise ValueError(f"packed must have no bits after the first {self.n_bits} of a row")
        self.packed: npt.NDArray[np.uint8] = rows

    @classmethod
    def from_array(cls, X: npt.ArrayLike) -> PackedBits:
        """Pack an array of shape (m, D) with 0 and 1, or False and True.

        Raises
        ------
        ValueError
            If an entry is not binary.
        """
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(f"X must have rows and columns, got shape {array.shape}")
        if array.dtype.kind not in "biuf" or ((array != 0) & (array != 1)).any():
            raise ValueError("X must contain 0 and 1. Make it binary first, e.g. X > 0")
        return cls(np.packbits(array.astype(bool), axis=1, bitorder="little"), array.shape[1])

    def __len__(self) -> int:
        return len(self.packed)

    def __repr__(self) -> str:
        return f"<PackedBits: {len(self)} rows of {self.n_bits} bits>"

    def __iter__(self) -> Iterator[PackedBits]:
        return (self[k] for k in range(len(self)))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and bits."""
        return len(self.packed), self.n_bits

    def __getitem__(self, rows: Any) -> PackedBits:
        """Return some rows, selected as those of an array; an integer selects one row."""
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]  # as scikit-learn selects rows
        return PackedBits(np.atleast_2d(self.packed[rows]), self.n_bits)

    def counts(self) -> Float64:
        """Return the number of 1s in each row, float64 of shape (m,)."""
        result = np.empty(len(self))
        step = max(1, _BYTES // max(self.packed.shape[1], 1))
        for start in range(0, len(self), step):
            part = self.packed[start : start + step]
            result[start : start + step] = _ONES[part].sum(axis=1, dtype=np.int64)
        return result

    def to_array(self) -> npt.NDArray[np.bool_]:
        """Return a bool array of shape (m, n_bits)."""
        bits = np.unpackbits(self.packed, axis=1, count=self.n_bits, bitorder="little")
        return bits.view(np.bool_)
