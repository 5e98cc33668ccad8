"""Pairs of atoms of the same molecule within a cutoff, for many molecules at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from simec.types import Float64, FloatArray, IntArray

__all__ = ["MIN_DISTANCE", "OverlapError", "Pairs", "find_pairs", "segments"]

MIN_DISTANCE = 0.1  # angstrom; closer atoms are an error in the data

_CHUNK = 1 << 21  # pairs that are examined at a time


class OverlapError(ValueError):
    """Two atoms of a molecule are at the same place.

    Attributes
    ----------
    molecule, first, second : int
        Molecule, and its two atoms, counted from 0.
    distance : float
        In angstrom.
    """

    def __init__(self, molecule: int, first: int, second: int, distance: float) -> None:
        self.molecule, self.first, self.second = molecule, first, second
        self.distance = distance
        super().__init__(
            f"molecule {molecule}: atoms {first} and {second} overlap, they are {distance:.3g} "
            f"angstrom apart; distances must be at least {MIN_DISTANCE} angstrom"
        )


class Pairs(NamedTuple):
    """Pairs of atoms, in both directions, sorted by molecule, first and second atom.

    Attributes
    ----------
    offsets : int64 array of shape (n + 1,)
        Molecule k has the pairs from ``offsets[k]`` to ``offsets[k + 1]``.
    i, j : unsigned integer arrays of shape (P,)
        Atoms, counted within their molecule.
    distance : float32 array of shape (P,)
        In angstrom.
    """

    offsets: IntArray
    i: npt.NDArray[Any]
    j: npt.NDArray[Any]
    distance: FloatArray

    def take(self, rows: IntArray) -> Pairs:
        """Return the pairs of some molecules."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        at = segments(self.offsets[rows], lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Pairs(offsets, self.i[at], self.j[at], self.distance[at])


def segments(starts: IntArray, lengths: IntArray) -> IntArray:
    """Return the numbers of all segments, ``starts[k]`` to ``starts[k] + lengths[k] - 1``."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)


def find_pairs(positions: Float64, offsets: IntArray, cutoff: float) -> Pairs:
    """Find all pairs of atoms of the same molecule within a cutoff.

    Parameters
    ----------
    positions : float64 array of shape (N, 3)
        In angstrom.
    offsets : int64 array of shape (n + 1,)
    cutoff : float
        In angstrom; infinity for all pairs.

    Raises
    ------
    OverlapError
        If two atoms of a molecule are less than `MIN_DISTANCE` apart.
    """
    sizes = np.diff(offsets)
    local = np.min_scalar_type(int(sizes.max(initial=1)))
    ends = np.cumsum(sizes**2)
    parts: list[tuple[IntArray, npt.NDArray[Any], npt.NDArray[Any], FloatArray]] = []
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
        parts.append(_examine(positions, offsets[start : stop + 1], cutoff, local, start))
        start = stop
    counts, i, j, distance = (
        (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        if parts
        else (np.empty(0, np.int64), np.empty(0, local), np.empty(0, local), np.empty(0, "f4"))
    )
    return Pairs(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), i, j, distance)


def _examine(
    positions: Float64, offsets: IntArray, cutoff: float, local: np.dtype[Any], first: int
) -> tuple[IntArray, npt.NDArray[Any], npt.NDArray[Any], FloatArray]:
    """Return the number of pairs of each molecule, and the pairs of all of them."""
    sizes = np.diff(offsets)
    squares = sizes**2
    # all pairs of a molecule, as quotient and remainder of their number and its size
    number = np.arange(int(squares.sum())) - np.repeat(np.cumsum(squares) - squares, squares)
    i, j = np.divmod(number, np.repeat(sizes, squares))
    begin = np.repeat(offsets[:-1], squares)
    difference = positions[begin + i] - positions[begin + j]
    distance = np.sqrt(np.einsum("pk,pk->p", difference, difference))
    other = i != j
    overlap = other & (distance < MIN_DISTANCE)
    if overlap.any():
        pair = int(overlap.argmax())
        molecule = int(np.searchsorted(np.cumsum(squares), pair, side="right"))
        raise OverlapError(first + molecule, int(i[pair]), int(j[pair]), float(distance[pair]))
    kept = other & (distance <= cutoff)
    counts = np.add.reduceat(kept, np.cumsum(squares) - squares, dtype=np.int64)
    return counts, i[kept].astype(local), j[kept].astype(local), distance[kept].astype(np.float32)
