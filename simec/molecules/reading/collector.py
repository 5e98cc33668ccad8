"""Molecules that are read one at a time: checks, molecules that are left out, and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.checks import ParameterError, closest, shorten
from corpora.errors import CorpusError, warn
from simec.data.tables import is_missing
from simec.molecules.molecules import Molecules
from simec.molecules.pairs import OverlapError, find_pairs

__all__ = ["Collector", "check_names", "numeric"]

_SHOWN = 3  # molecules that a warning names


class Collector:
    """Collects molecules.

    Parameters
    ----------
    properties : sequence of str
        Names of the properties of each molecule.
    skip_errors : bool
        Leave invalid molecules out, with one warning, instead of raising the first error.
    cutoff : float or None
        As for `Molecules`.
    path : str, optional
        File or folder with the molecules, for errors that concern all of them.

    Attributes
    ----------
    on_add : callable, optional
        Called with 1 for each molecule.
    """

    def __init__(
        self, properties: Sequence[str], *, skip_errors: bool = False, cutoff: float | None = None,
        path: str | None = None,
    ) -> None:  # fmt: skip
        self.properties = tuple(properties)
        self.skip_errors = skip_errors
        self.on_add: Callable[[int], object] | None = None
        self._cutoff = cutoff
        self._path = path
        self._Z: list[npt.NDArray[Any]] = []
        self._positions: list[npt.NDArray[Any]] = []
        self._smiles: list[str | None] = []
        self._ids: list[str | None] = []
        self._values: list[list[float]] = []
        self._errors: list[str] = []
        self._names: dict[str, None] = {}  # of properties that molecules have

    def add(
        self,
        Z: npt.ArrayLike,
        positions: npt.ArrayLike,
        *,
        where: tuple[str | None, int | None] = (None, None),
        smiles: str | None = None,
        id: str | None = None,
        values: Mapping[str, float] | None = None,
    ) -> None:
        """Add a molecule.

        Parameters
        ----------
        Z : integer array of shape (atoms,)
        positions : float array of shape (atoms, 3)
            In angstrom.
        where : tuple of str or None, and int or None
            File and line, for errors.
        smiles, id : str, optional
        values : mapping of str to float, optional
            Values of the properties; those that it lacks are NaN.

        Raises
        ------
        CorpusError
            If the molecule is empty, a coordinate is missing, or atoms overlap; unless such
            molecules are left out.
        """
        if self.on_add is not None:
            self.on_add(1)
        atoms, xyz = np.asarray(Z, np.uint8), np.asarray(positions, np.float64)
        if (problem := _problem(xyz)) is not None:
            self.failed(CorpusError(problem, path=where[0], line=where[1]))
            return
        self._Z.append(atoms)
        self._positions.append(xyz)
        self._smiles.append(smiles)
        self._ids.append(id)
        self._values.append([(values or {}).get(name, np.nan) for name in self.properties])

    def values_of(
        self, items: Mapping[str, Any], where: tuple[str | None, int | None]
    ) -> dict[str, float]:
        """Return the values of the properties that a molecule has.

        Parameters
        ----------
        items : mapping of str to str or number
            All that is known of the molecule; the names are listed if a property is not found.
        where : tuple of str or None, and int or None
            File and line, for errors.

        Raises
        ------
        CorpusError
            If a value is not a number.
        """
        self._names.update(dict.fromkeys(items))
        return {
            name: numeric(items[name], f"the property {name!r}", where)
            for name in self.properties
            if name in items
        }

    def failed(self, error: CorpusError) -> None:
        """Leave a molecule out, or raise the error."""
        if not self.skip_errors:
            raise error from None
        self._errors.append(str(error))

    def result(self) -> Molecules:
        """Return all molecules; warn of those that were left out.

        Raises
        ------
        CorpusError
            If no molecule was read, or a property does not occur in any of them.
        """
        n_left_out = len(self._errors)
        total = len(self._Z) + n_left_out
        if not self._Z:
            reason = f", the first of {n_left_out} errors: {self._errors[0]}" if total else ""
            raise CorpusError(f"no molecules were found{reason}", path=self._path)
        if n_left_out:
            shown = "; ".join(self._errors[:_SHOWN]) + ("; ..." if n_left_out > _SHOWN else "")
            warn(f"{n_left_out:,} of {total:,} molecules were left out: {shown}")
        values = np.array(self._values, np.float64).reshape(len(self._Z), len(self.properties))
        for name, column in zip(self.properties, values.T, strict=True):
            if np.isnan(column).all():
                raise CorpusError(
                    f"the property {name!r} is missing in all molecules{self._listed(name)}",
                    path=self._path,
                )
        return Molecules.from_lists(
            self._Z,
            self._positions,
            smiles=_all(self._smiles),
            ids=_all(self._ids),
            properties=dict(zip(self.properties, values.T, strict=True)),
            cutoff=self._cutoff,
        )

    def _listed(self, name: str) -> str:
        """Say which properties there are, for the end of a message."""
        if not self._names:
            return ", which have no properties"
        if name in self._names:
            return ""
        similar = closest(name, self._names)
        hint = f"; did you mean {' or '.join(map(repr, similar))}?" if similar else ""
        return f", which have {', '.join(self._names)}{hint}"


def _problem(positions: npt.NDArray[Any]) -> str | None:
    """Say what is wrong with a geometry."""
    if not len(positions):
        return "the molecule has no atoms"
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(bad):
        return f"the coordinates of atom {bad[0]} are missing or infinite"
    try:
        find_pairs(positions, np.array([0, len(positions)]), 0)
    except OverlapError as error:
        return str(error).removeprefix("molecule 0: ")
    return None


def _all(texts: list[str | None]) -> list[str] | None:
    """Return texts that all molecules have."""
    known = [text for text in texts if text is not None]
    return known if len(known) == len(texts) else None


def check_names(properties: Any) -> tuple[str, ...]:
    """Return names of properties as a tuple.

    Raises
    ------
    ParameterError
        If they are not a sequence of strings, or a name occurs twice.
    """
    if isinstance(properties, str):
        return (properties,)
    if not isinstance(properties, Iterable):
        raise ParameterError(f"properties must be names of properties, got {properties!r}")
    names = tuple(properties)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ParameterError(f"properties must be different names of properties, got {names!r}")
    return names


def numeric(text: Any, what: str, where: tuple[str | None, int | None]) -> float:
    """Convert a value, such as "the property 'gap'", to a float; NaN if it is missing.

    Raises
    ------
    CorpusError
        If it is not a number.
    """
    try:
        if isinstance(text, str):
            if is_missing(text.strip()):
                return np.nan
            text = text.strip().replace("*^", "e")  # as Mathematica writes exponents
        value = float(text)
    except (TypeError, ValueError):
        value = np.inf
    if np.isinf(value):
        raise CorpusError(
            f"{what} must be a finite number, got {shorten(text)}",
            path=where[0],
            line=where[1],
        )
    return value
