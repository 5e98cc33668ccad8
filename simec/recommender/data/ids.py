"""Ids of users and items, and the row numbers that they map to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.deprecated import renamed_parameters

IntArray = npt.NDArray[np.int64]


class UnknownIdError(KeyError, ValueError):
    """A user or item that is not in the training data and has no features."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would quote it


class IdTypeError(TypeError, ValueError):
    """Ids that are neither integers nor strings, mix both, or do not match the training data."""


class Ids:
    """Distinct ids, integers or strings, in a fixed order.

    Parameters
    ----------
    values : sequence of int or of str
    kind : {"user", "item"}
        What the ids identify; used in error messages.

    Attributes
    ----------
    values : int64 or str array of shape (n,)
    kind : str
    """

    @renamed_parameters(what="kind")
    def __init__(self, values: Any, kind: str) -> None:
        self.values, self.kind = read_ids(values, kind), kind
        self._order = np.argsort(self.values, kind="stable")
        self._sorted = self.values[self._order]
        repeated = self._sorted[1:] == self._sorted[:-1]
        if repeated.any():
            first = self._sorted[1:][repeated][0]
            raise ValueError(f"ids must be distinct, but {kind} {first.item()!r} occurs twice")

    def __len__(self) -> int:
        return len(self.values)

    def find(self, ids: Any) -> IntArray:
        """Look up rows by id.

        Parameters
        ----------
        ids : sequence of n ids

        Returns
        -------
        int64 array of shape (n,)
            -1 for ids that are not among these.

        Raises
        ------
        IdTypeError
            If they are strings and these are integers, or the other way round.
        """
        ids = read_ids(ids, self.kind)
        if not len(self) or not len(ids):
            return np.full(len(ids), -1)
        if (ids.dtype.kind == "U") != (self.values.dtype.kind == "U"):
            kinds = "strings", "integers"
            expected, given = kinds if self.values.dtype.kind == "U" else kinds[::-1]
            raise IdTypeError(
                f"{self.kind} ids must be {expected}, got {given} such as {ids[0].item()!r}"
            )
        place = np.minimum(np.searchsorted(self._sorted, ids), len(self) - 1)
        rows: IntArray = np.where(self._sorted[place] == ids, self._order[place], -1)
        return rows

    def names(self, rows: Any) -> list[Any]:
        """Ids of rows, as plain Python objects."""
        names: list[Any] = self.values[rows].tolist()
        return names


def read_ids(values: Any, kind: str) -> npt.NDArray[Any]:
    """Convert ids to an int64 array or an array of strings.

    Raises
    ------
    IdTypeError
        If they are neither, or integers and strings are mixed; the error names the first such id.
    """
    if hasattr(values, "to_numpy"):  # a column of a data frame
        values = values.to_numpy()
    array = values if isinstance(values, np.ndarray) else _object_array(values)
    if array.ndim != 1:
        raise IdTypeError(f"{kind} ids must have shape (n,), got {array.shape}")
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "U":
        return array
    if array.dtype.kind == "f":
        bad = ~(np.isfinite(array) & (array == np.floor(array)))
        if bad.any():
            raise _type_error(array, bad, kind)
        return array.astype(np.int64)
    return _read_objects(array, kind)


def _object_array(values: Any) -> npt.NDArray[Any]:
    # numpy would convert numbers among strings to strings
    array = np.empty(len(values), object)
    array[:] = list(values)
    return array


def _read_objects(array: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
    types = np.array([_id_type(value) for value in array], "U1")
    if (types == "?").any():
        raise _type_error(array, types == "?", kind)
    if len(set(types.tolist())) > 1:
        number, string = int((types == "i").argmax()), int((types == "s").argmax())
        raise IdTypeError(
            f"{kind} ids are of mixed types: {array[number]!r} (row {number}) and "
            f"{array[string]!r} (row {string}). Convert all of them to integers or to strings"
        )
    if len(array) and types[0] == "s":
        return array.astype(str)
    return array.astype(np.int64)


def _type_error(array: npt.NDArray[Any], bad: npt.NDArray[np.bool_], kind: str) -> IdTypeError:
    row = int(bad.argmax())
    value = array[row].item() if isinstance(array[row], np.generic) else array[row]
    return IdTypeError(f"{kind} ids must be integers or strings, got {value!r} (row {row})")


def _id_type(value: Any) -> str:
    if isinstance(value, str):
        return "s"
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return "i"
    integral = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return "i" if integral else "?"
