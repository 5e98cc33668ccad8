"""Many molecules in flat arrays: a sequence, and a map-style data set for networks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.checks import ParameterError, check_number
from simec.lazy import import_package
from simec.molecules.elements import SYMBOLS
from simec.molecules.pairs import OverlapError, Pairs, find_pairs, segments
from simec.types import Float64, IntArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["MoleculeBatch", "Molecules"]


class MoleculeBatch(NamedTuple):
    """The atoms of some molecules one after the other, and the pairs of atoms within the cutoff.

    Attributes
    ----------
    Z : int64 tensor of shape (N,)
        Atomic numbers.
    i, j : int64 tensors of shape (P,)
        Pairs of atoms of the same molecule, in both directions, sorted by `i` and then `j`.
    distance : float32 tensor of shape (P,)
        Distance of each pair in angstrom.
    counts : int64 tensor of shape (b,)
        Number of atoms of each molecule.
    cutoff : float
        Pairs up to this distance are included, in angstrom; infinity for all pairs.
    """

    Z: Tensor
    i: Tensor
    j: Tensor
    distance: Tensor
    counts: Tensor
    cutoff: float = math.inf

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> MoleculeBatch:
        """Return the batch on a device."""
        Z, i, j, distance, counts = (
            part.to(device, non_blocking=non_blocking)
            for part in (self.Z, self.i, self.j, self.distance, self.counts)
        )
        return MoleculeBatch(Z, i, j, distance, counts, self.cutoff)


class Molecules:
    """Molecules with their geometries.

    It is a sequence (``len``, iteration, ``molecules[rows]``), works with scikit-learn's splits,
    and is a map-style data set whose batches are `MoleculeBatch`. Subsets copy their part of the
    arrays, and of the pairs if those were found before.

    Parameters
    ----------
    Z : integer array of shape (N,)
        Atomic numbers of the atoms of all molecules, one molecule after the other.
    positions : array of shape (N, 3)
        In angstrom.
    offsets : integer array of shape (n + 1,)
        Molecule k has the atoms from ``offsets[k]`` to ``offsets[k + 1]``.
    smiles, ids : sequence of str, of length n, optional
        SMILES and names of the molecules.
    properties : mapping from str to array of shape (n,), optional
        Values of each molecule by the name of the property; NaN where unknown.
    cutoff : float, optional
        Largest distance of the pairs in batches, in angstrom; None for all pairs of a molecule.
        Networks need the pairs within their own cutoff, and refuse batches with a smaller one; an
        equal one saves memory and time.

    Attributes
    ----------
    Z : uint8 array of shape (N,)
    positions : float64 array of shape (N, 3)
    offsets : int64 array of shape (n + 1,)
    smiles, ids : object array of str, of shape (n,), or None
    properties : dict from str to float64 array of shape (n,)
    cutoff : float or None

    Raises
    ------
    ValueError
        If shapes do not match, a molecule has no atoms, an element is unknown, or a coordinate is
        NaN or infinite. Atoms that overlap are found with the pairs, see `pairs`.
    """

    def __init__(
        self,
        Z: npt.ArrayLike,
        positions: npt.ArrayLike,
        offsets: npt.ArrayLike,
        *,
        smiles: Sequence[str] | npt.NDArray[Any] | None = None,
        ids: Sequence[str] | npt.NDArray[Any] | None = None,
        properties: Mapping[str, npt.ArrayLike] | None = None,
        cutoff: float | None = None,
    ) -> None:
        self.offsets = _check_offsets(offsets)
        self.Z = _check_elements(Z, self.offsets)
        self.positions = _check_positions(positions, self.offsets)
        n = len(self.offsets) - 1
        self.smiles = _check_names("smiles", smiles, n)
        self.ids = _check_names("ids", ids, n)
        self.properties: dict[str, Float64] = {}
        for name, values in (properties or {}).items():
            self.properties[str(name)] = _check_property(str(name), values, n)
        self.cutoff = None if cutoff is None else check_number("cutoff", cutoff, 0, above=True)
        self._pairs: Pairs | None = None

    @classmethod
    def from_lists(
        cls, Z: Sequence[npt.ArrayLike], positions: Sequence[npt.ArrayLike], **fields: Any
    ) -> Molecules:
        """Create molecules from one array of atomic numbers and one of positions for each.

        Parameters
        ----------
        Z : sequence of n integer arrays of shape (atoms,)
        positions : sequence of n arrays of shape (atoms, 3)
            In angstrom.
        **fields
            `smiles`, `ids`, `properties`, `cutoff`, as for the class.
        """
        if len(Z) != len(positions):
            raise ValueError(
                f"Z and positions must have the same length, got {len(Z)} and {len(positions)}"
            )
        numbers = [np.asarray(each) for each in Z]
        places = [np.asarray(each, np.float64) for each in positions]
        for k, (atoms, xyz) in enumerate(zip(numbers, places, strict=True)):
            if atoms.ndim != 1 or xyz.shape != (len(atoms), 3):
                raise ValueError(
                    f"molecule {k}: Z must have shape (atoms,) and positions (atoms, 3), got "
                    f"{atoms.shape} and {xyz.shape}"
                )
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in numbers])])
        return cls(
            np.concatenate(numbers) if numbers else np.empty(0, np.uint8),
            np.concatenate(places) if places else np.empty((0, 3)),
            offsets.astype(np.int64),
            **fields,
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Molecules]) -> Molecules:
        """Join molecules to one object, with the SMILES, names and properties that all parts have.

        Raises
        ------
        ValueError
            If there are no parts, or their cutoffs differ.
        """
        listed = list(parts)
        if not listed:
            raise ValueError("parts must contain at least one object of the class Molecules")
        cutoffs = {part.cutoff for part in listed}
        if len(cutoffs) > 1:
            raise ValueError(
                f"parts must have the same cutoff, got {sorted(map(str, cutoffs))}: use "
                "with_cutoff first"
            )
        joined = cls(
            np.concatenate([part.Z for part in listed]),
            np.concatenate([part.positions for part in listed]),
            np.concatenate([[0], np.cumsum(np.concatenate([part.n_atoms for part in listed]))]),
            smiles=_join([part.smiles for part in listed]),
            ids=_join([part.ids for part in listed]),
            properties={
                name: np.concatenate([part.properties[name] for part in listed])
                for name in listed[0].properties
                if all(name in part.properties for part in listed)
            },
            cutoff=listed[0].cutoff,
        )
        found = [part._pairs for part in listed]
        if all(pairs is not None for pairs in found):
            joined._pairs = _join_pairs([pairs for pairs in found if pairs is not None])
        return joined

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        names = f", properties {', '.join(self.properties)}" if self.properties else ""
        return f"<Molecules: {len(self)} with {len(self.Z)} atoms{names}>"

    def __iter__(self) -> Iterator[Molecules]:
        return (self[k] for k in range(len(self)))

    @property
    def shape(self) -> tuple[int]:
        """Number of molecules, as the shape of an array of them."""
        return (len(self),)

    @property
    def n_atoms(self) -> IntArray:
        """Number of atoms of each molecule, int64 of shape (n,)."""
        sizes: IntArray = np.diff(self.offsets)
        return sizes

    @property
    def elements(self) -> IntArray:
        """Atomic numbers that occur, ascending."""
        return np.flatnonzero(np.bincount(self.Z)).astype(np.int64)

    def formula(self, k: int) -> str:
        """Return the formula of a molecule, such as "C2H6O": carbon, hydrogen, then others."""
        symbols = [SYMBOLS[z] for z in self.Z[self.offsets[k] : self.offsets[k + 1]]]
        order = sorted(set(symbols), key=lambda symbol: ("CH".find(symbol) % 3, symbol))
        counts = ((symbol, symbols.count(symbol)) for symbol in order)
        return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in counts)

    def label(self, k: int) -> str:
        """Return the number of a molecule, with its name or SMILES, for messages."""
        names = self.ids if self.ids is not None else self.smiles
        return f"molecule {k}" if names is None else f"molecule {k} ({names[k]})"

    @property
    def part_names(self) -> list[str]:
        """Names of all atoms, for explanations: symbol and number in the molecule, from 0."""
        number = np.arange(len(self.Z)) - np.repeat(self.offsets[:-1], self.n_atoms)
        return [f"{SYMBOLS[Z]}{k}" for Z, k in zip(self.Z, number, strict=True)]

    # Subsets

    def __getitem__(self, rows: Any) -> Molecules:
        """Return the molecules of an integer, a slice, integers, or a mask of n bools."""
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]  # as scikit-learn selects rows
        return self.subset([int(rows)] if isinstance(rows, Integral) else rows)

    def subset(self, rows: slice | npt.ArrayLike) -> Molecules:
        """Return some molecules, with their pairs if those of all molecules were found before.

        Parameters
        ----------
        rows : slice, integer array, or bool array of shape (n,)

        Raises
        ------
        IndexError
            If a number is out of range, or a mask has the wrong length.
        """
        chosen = self._rows(rows)
        lengths = self.n_atoms[chosen]
        at = segments(self.offsets[chosen], lengths)
        part = object.__new__(type(self))  # the arrays were checked
        part.Z, part.positions = self.Z[at], self.positions[at]
        part.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        part.smiles = None if self.smiles is None else self.smiles[chosen]
        part.ids = None if self.ids is None else self.ids[chosen]
        part.properties = {name: values[chosen] for name, values in self.properties.items()}
        part.cutoff = self.cutoff
        part._pairs = None if self._pairs is None else self._pairs.take(chosen)
        return part

    def with_cutoff(self, cutoff: float | None) -> Molecules:
        """Return the same molecules with another cutoff of the pairs; arrays are not copied."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other.cutoff = None if cutoff is None else check_number("cutoff", cutoff, 0, above=True)
        if other.cutoff != self.cutoff:
            other._pairs = None
        return other

    def _rows(self, rows: Any) -> IntArray:
        n = len(self)
        if isinstance(rows, slice):
            return np.arange(n, dtype=np.int64)[rows]
        numbers = np.asarray(rows.cpu() if hasattr(rows, "cpu") else rows)
        if numbers.ndim == 1 and not len(numbers):
            return np.empty(0, np.int64)
        if numbers.ndim != 1 or numbers.dtype.kind not in "biu":
            raise ParameterError(
                "molecules must be selected by an integer, a slice, integers or a mask of bools, "
                f"got an array of shape {numbers.shape} and {numbers.dtype}"
            )
        if numbers.dtype == bool:
            if len(numbers) != n:
                raise IndexError(f"a mask must have {n} values, one a molecule, got {len(numbers)}")
            return np.flatnonzero(numbers).astype(np.int64)
        if numbers.min() < -n or numbers.max() >= n:
            bad = numbers.min() if numbers.min() < -n else numbers.max()
            raise IndexError(f"molecule {bad} is out of range: there are {n} molecules")
        return np.where(numbers < 0, numbers + n, numbers).astype(np.int64)

    # Batches

    def pairs(self) -> Pairs:
        """Return all pairs of atoms of the same molecule within the cutoff; found once.

        Raises
        ------
        ValueError
            If two atoms of a molecule overlap.
        """
        if self._pairs is None:
            self._pairs = self._find_pairs(math.inf if self.cutoff is None else self.cutoff)
        return self._pairs

    def check_distances(self) -> None:
        """Raise ValueError if two atoms of a molecule overlap."""
        if self._pairs is None:
            self._find_pairs(0)

    def _find_pairs(self, cutoff: float) -> Pairs:
        try:
            return find_pairs(self.positions, self.offsets, cutoff)
        except OverlapError as error:
            at = error.molecule
            message = str(error).replace(f"molecule {at}", self.label(at), 1)
            raise ValueError(message) from None

    def batch(self, rows: Any = None) -> MoleculeBatch:
        """Return some or all molecules as input for a network.

        Parameters
        ----------
        rows : slice, integers or mask, optional
        """
        from_numpy = import_package("torch", "batches of molecules", "molecules").from_numpy
        pairs = self.pairs()
        chosen = self._rows(slice(None) if rows is None else rows)
        counts = self.offsets[chosen + 1] - self.offsets[chosen]
        n_pairs = pairs.offsets[chosen + 1] - pairs.offsets[chosen]
        atoms = segments(self.offsets[chosen], counts)
        at = segments(pairs.offsets[chosen], n_pairs)
        first = np.repeat(np.cumsum(counts) - counts, n_pairs)
        arrays = (
            self.Z[atoms].astype(np.int64),
            pairs.i[at] + first,
            pairs.j[at] + first,
            pairs.distance[at],
            counts,
        )
        cutoff = math.inf if self.cutoff is None else self.cutoff
        Z, i, j, distance, counts = map(from_numpy, arrays)
        return MoleculeBatch(Z, i, j, distance, counts, cutoff)

    def __getitems__(self, rows: list[int]) -> MoleculeBatch:
        """Return a batch; called by PyTorch's loaders with the numbers of its molecules."""
        return self.batch(rows)

    def collate_fn(self, items: MoleculeBatch | Sequence[Molecules]) -> MoleculeBatch:
        """Join items of this data set to a batch."""
        if isinstance(items, MoleculeBatch):
            return items
        return type(self).concatenate(items).batch()


def _check_offsets(offsets: npt.ArrayLike) -> IntArray:
    values = np.asarray(offsets)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iu" or values[0] != 0:
        raise ValueError(
            "offsets must be n + 1 integers that begin with 0 for n molecules, got an array of "
            f"shape {values.shape} and {values.dtype}"
        )
    values = values.astype(np.int64)
    empty = np.flatnonzero(np.diff(values) < 1)
    if len(empty):
        raise ValueError(f"molecule {empty[0]} has no atoms: offsets must be strictly ascending")
    return values


def _check_elements(Z: npt.ArrayLike, offsets: IntArray) -> npt.NDArray[np.uint8]:
    values = np.asarray(Z)
    if values.shape != (offsets[-1],) or (values.dtype.kind not in "iu" and len(values)):
        raise ValueError(
            f"Z must be {offsets[-1]} integers, the last of offsets, got an array of shape "
            f"{values.shape} and {values.dtype}"
        )
    unknown = np.flatnonzero((values < 1) | (values >= len(SYMBOLS)))
    if len(unknown):
        molecule = _molecule_of(int(unknown[0]), offsets)
        raise ValueError(
            f"molecule {molecule}: atom {unknown[0] - offsets[molecule]} has the atomic number "
            f"{values[unknown[0]]}, expected 1 to {len(SYMBOLS) - 1}"
        )
    return values.astype(np.uint8)


def _check_positions(positions: npt.ArrayLike, offsets: IntArray) -> Float64:
    try:
        values = np.asarray(positions, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"positions must be numbers: {error}") from None
    if values.shape != (offsets[-1], 3):
        raise ValueError(
            f"positions must have the shape ({offsets[-1]}, 3), 3 coordinates an atom, got "
            f"{values.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        molecule = _molecule_of(int(bad[0]), offsets)
        raise ValueError(
            f"molecule {molecule}: the coordinates of atom {bad[0] - offsets[molecule]} are "
            f"missing or infinite: {values[bad[0]].tolist()}"
        )
    return values


def _molecule_of(atom: int, offsets: IntArray) -> int:
    return int(np.searchsorted(offsets, atom, side="right")) - 1


def _check_names(
    field: str, names: Sequence[str] | npt.NDArray[Any] | None, n: int
) -> npt.NDArray[Any] | None:
    if names is None:
        return None
    if isinstance(names, str) or len(names) != n:
        raise ValueError(f"{field} must be {n} strings, one a molecule, got {len(names)}")
    values = np.empty(n, object)
    for k, name in enumerate(names):
        values[k] = name.decode() if isinstance(name, bytes) else str(name)
    return values


def _check_property(name: str, values: npt.ArrayLike, n: int) -> Float64:
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the property {name!r} must be numbers: {error}") from None
    if numbers.shape != (n,):
        raise ValueError(
            f"the property {name!r} must have {n} values, one a molecule, got the shape "
            f"{numbers.shape}"
        )
    return numbers


def _join(parts: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    names = [part for part in parts if part is not None]
    return np.concatenate(names) if len(names) == len(parts) else None


def _join_pairs(parts: Sequence[Pairs]) -> Pairs:
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    return Pairs(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([part.i for part in parts]),
        np.concatenate([part.j for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )
