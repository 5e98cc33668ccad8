"""The users' own names of users and items, and the rows that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


class UnknownIdError(KeyError, ValueError):
    """A user or item that was not there in training, and of which no features are known."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would put it in quotes


class IdTypeError(TypeError, ValueError):
    """Ids that are neither whole numbers nor strings, or of both, or of the other kind."""


class Ids:
    """Different ids, whole numbers or strings, in an order of their own.

    Parameters
    ----------
    values : sequence of int or of str
    what : str
        What they name, for errors: "user" or "item".

    Attributes
    ----------
    values : int64 or str array of shape (n,)
    """

    def __init__(self, values: Any, what: str) -> None:
        self.values, self.what = read_ids(values, what), what
        self._order = np.argsort(self.values, kind="stable")
        self._sorted = self.values[self._order]
        twice = self._sorted[1:] == self._sorted[:-1]
        if twice.any():
            name = self._sorted[1:][twice][0]
            raise ValueError(f"{what} {name.item()!r} is there twice: ids have to be different")

    def __len__(self) -> int:
        return len(self.values)

    def find(self, wanted: Any) -> IntArray:
        """Rows of some ids, -1 for those that are not there.

        Raises
        ------
        IdTypeError
            If they are strings and these are numbers, or the other way round.
        """
        ids = read_ids(wanted, self.what)
        if not len(self) or not len(ids):
            return np.full(len(ids), -1)
        if (ids.dtype.kind == "U") != (self.values.dtype.kind == "U"):
            kinds = "strings", "whole numbers"
            here, there = kinds if self.values.dtype.kind == "U" else kinds[::-1]
            raise IdTypeError(f"{self.what} ids are {here}, not {there} such as {ids[0].item()!r}")
        place = np.minimum(np.searchsorted(self._sorted, ids), len(self) - 1)
        found: IntArray = np.where(self._sorted[place] == ids, self._order[place], -1)
        return found

    def names(self, rows: Any) -> list[Any]:
        """Ids of some rows, as plain Python objects."""
        found: list[Any] = self.values[rows].tolist()
        return found


def read_ids(values: Any, what: str) -> npt.NDArray[Any]:
    """Ids as an int64 array or an array of strings.

    Raises
    ------
    IdTypeError
        If they are neither, or some are numbers and others strings; the first such is named.
    """
    if hasattr(values, "to_numpy"):  # a column of a data frame
        values = values.to_numpy()
    array = values if isinstance(values, np.ndarray) else _as_array(values)
    if array.ndim != 1:
        raise IdTypeError(f"{what} ids of shape (n,) are needed, not {array.shape}")
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "U":
        return array
    if array.dtype.kind == "f":
        bad = ~(np.isfinite(array) & (array == np.floor(array)))
        if bad.any():
            row = int(bad.argmax())
            raise IdTypeError(
                f"{what} ids are whole numbers or strings, not {array[row].item()!r} (row {row})"
            )
        return array.astype(np.int64)
    return _of_objects(array, what)


def _as_array(values: Any) -> npt.NDArray[Any]:
    # numpy would make strings of numbers among strings
    array = np.empty(len(values), object)
    array[:] = list(values)
    return array


def _of_objects(array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    kinds = np.array([_kind(value) for value in array], "U1")
    if (kinds == "?").any():
        row = int((kinds == "?").argmax())
        raise IdTypeError(
            f"{what} ids are whole numbers or strings, not {array[row]!r} (row {row})"
        )
    if len(set(kinds.tolist())) > 1:
        number, string = int((kinds == "i").argmax()), int((kinds == "s").argmax())
        raise IdTypeError(
            f"{what} ids are of mixed types, such as {array[number]!r} (row {number}) and "
            f"{array[string]!r} (row {string}): make all of them numbers, or all strings"
        )
    if len(array) and kinds[0] == "s":
        return array.astype(str)
    return array.astype(np.int64)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "s"
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return "i"
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return "i" if whole else "?"
