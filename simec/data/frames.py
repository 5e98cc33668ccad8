"""Columns of data frames and tables in memory: pandas, polars, pyarrow, NumPy's records, dicts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.checks import shorten
from simec.data.columns import RATINGS, Layout, choose_columns, recognized

__all__ = ["MAX_ID_BITS", "Frame", "as_frame", "column_values", "describe_type"]

logger = logging.getLogger(__name__)

MAX_ID_BITS = 4096  # of an integer id; Python does not write much longer ones as text

Fail = Callable[[str], Exception]


@dataclass(frozen=True)
class Frame:
    """Named columns of one length.

    Attributes
    ----------
    names : list
        Names of the columns, in order.
    column : callable
        Takes a position and returns the column as an array or list.
    index : index of pandas, or None
    has_ids : bool
        Whether the index has ids: it has a name, or does not only number the rows.
    has_order : bool
        Whether columns without usual names may be chosen by position; not of a dict.
    """

    names: list[Hashable]
    column: Callable[[int], Any]
    index: Any = None
    has_ids: bool = False
    has_order: bool = True

    def choose(
        self, layout: Layout, columns: Sequence[Any] | None = None, error: Fail = ValueError
    ) -> tuple[list[Any], bool]:
        """Choose the columns of a layout, by name or else by position.

        Returns
        -------
        columns : list
            Those of the layout that the frame has, in the order of the layout.
        by_position : bool
            Whether a column was chosen by its position.

        Raises
        ------
        Exception
            As given by `error`, see `choose_columns`.
        """

        def fail(message: str) -> Exception:
            hint = ". If a column is the index, pass frame.reset_index()" if self.has_ids else ""
            return error(message + hint)

        chosen = choose_columns(layout, self.names, columns, error=fail)
        if chosen.how == "positions":
            self._check_positions(layout, fail)
            logger.info(
                "%s of a frame, by position: %s", layout.what,
                ", ".join(f"{name}: {self.names[k]!r}" for name, k in chosen.positions.items()),
            )  # fmt: skip
        return [self.column(k) for k in chosen.positions.values()], chosen.how == "positions"

    def _check_positions(self, layout: Layout, error: Fail) -> None:
        """Raise an error if columns without usual names may not be in the usual order."""
        # ratings and triples have at most a column more, such as of times or weights
        too_many = len(self.names) > len(layout.names) + (layout is RATINGS)
        if (self.has_ids or not self.has_order or too_many) and not recognized(layout, self.names):
            raise error(
                f"no column is called {' or '.join(map(repr, layout.names))}; the columns are "
                f"{', '.join(map(repr, self.names[:8]))}{' …' if len(self.names) > 8 else ''}: "
                "rename them, or pass columns="
            )

    def select(self, positions: Sequence[int]) -> Frame:
        """Select columns by their positions."""
        return Frame([self.names[k] for k in positions], lambda d: self.column(positions[d]))

    def features(
        self, layout: Layout, kind: str, error: Fail = ValueError
    ) -> tuple[Any, npt.NDArray[Any], list[str]]:
        """Return ids of the rows, features of shape (n, D) as float64, and names of the features.

        The ids are an index with a name or of texts; or else the column with a usual name for ids,
        another index, or the first column.

        Raises
        ------
        Exception
            As given by `error`: if a column does not hold numbers.
        """
        names = list(self.names)
        at = None if self.has_ids else next(iter(recognized(layout, names).values()), None)
        if at is None and self.index is None and names:
            if not self.has_order:
                raise error(f"no column is called {kind!r}, which must hold the ids: {names[:8]}")
            at = 0
            logger.info("features of a frame: the ids are its first column %r", names[0])
        ids = self.index if at is None else self.column(at)
        chosen = [k for k in range(len(names)) if k != at]
        if not chosen:
            raise error(f"{kind} features must have a column of numbers, got only {names}")
        features = self.select(chosen)
        return ids, features.matrix(kind, error), [str(name) for name in features.names]

    def matrix(self, kind: str, error: Fail = ValueError) -> npt.NDArray[Any]:
        """Return all columns as features, shape (n, D), float64.

        Raises
        ------
        Exception
            As given by `error`: if a column does not hold numbers.
        """
        columns = [self._numbers(k, kind, error) for k in range(len(self.names))]
        return np.column_stack(columns).astype(np.float64, copy=False)

    def _numbers(self, k: int, kind: str, error: Fail) -> Any:
        values = np.asarray(self.column(k))
        name = self.names[k]
        if values.dtype.kind == "O":  # None or pandas.NA among numbers
            types = {type(value) for value in values.tolist()}
            missing = {t for t in types if t.__name__ in ("NoneType", "NAType", "NaTType")}
            if missing and all(issubclass(t, (int, float)) for t in types - missing):
                row = next(i for i, value in enumerate(values) if type(value) in missing)
                raise error(
                    f"column {name!r} of the {kind} features has no value in row {row}. Fill or "
                    "leave out missing values"
                )
            if all(issubclass(t, (int, float)) for t in types):
                return values.astype(np.float64)
        if values.dtype.kind not in "biuf" or values.ndim != 1:
            raise error(
                f"column {name!r} of the {kind} features must be numeric, got "
                f"{self._type(k, values)}. pandas.get_dummies encodes categories as numbers"
            )
        return values

    def _type(self, k: int, values: Any) -> Any:
        column = self.column(k)
        return getattr(column, "dtype", values.dtype)


def as_frame(data: Any, *, error: Fail = TypeError) -> Frame | None:
    """Read the columns of a data frame; None if `data` is something else.

    Parameters
    ----------
    data : object
        A frame of pandas or polars, a table of pyarrow, an array of records, a dict of columns, or
        a list of dicts or named tuples with the same names.
    error : callable
        Exception to raise for other objects that have columns; called with the message.
    """
    if isinstance(data, (list, tuple)):
        return _of_rows(data, error)
    if isinstance(data, (str, bytes)):
        return None
    if isinstance(data, np.ndarray):
        if data.dtype.names is None:
            return None
        records = data.reshape(-1)
        return Frame(list(data.dtype.names), lambda k: records[data.dtype.names[k]])
    if isinstance(data, Mapping):
        return _of_mapping(data, error)
    if hasattr(data, "iloc"):
        return _of_pandas(data, error)
    if hasattr(data, "get_column") and hasattr(data, "columns"):  # polars
        names = list(data.columns)
        return Frame(names, lambda k: column_values(data.get_column(names[k])))
    if hasattr(data, "collect") and hasattr(data, "collect_schema"):
        raise error("a lazy frame must be collected first: pass frame.collect()")
    if hasattr(data, "column_names"):  # pyarrow, or a data set of Hugging Face
        names = list(data.column_names)
        if hasattr(data, "combine_chunks") or hasattr(data, "to_batches"):
            return Frame(names, lambda k: column_values(data.column(k)))
        if hasattr(data, "column"):
            return Frame(names, lambda k: column_values(data.column(k)))
        return Frame(names, lambda k: data[names[k]])
    if hasattr(data, "columns") or hasattr(data, "__arrow_c_stream__"):
        raise error(
            f"columns of {describe_type(data)} cannot be read: convert it to a frame of pandas or "
            "polars"
        )
    return None


def describe_type(value: Any) -> str:
    """Name the type of a value with its module, for messages."""
    kind = type(value)
    module = kind.__module__.split(".")[0]
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _of_pandas(data: Any, error: Fail) -> Frame:
    if not hasattr(data, "columns"):
        raise error("a pandas Series has one column: pass a frame, such as series.reset_index()")
    index = data.index
    is_numbering = (
        set(index.names) == {None} and getattr(index, "dtype", np.dtype("O")).kind in "iu"
    )
    return Frame(list(data.columns), lambda k: data.iloc[:, k].to_numpy(), index, not is_numbering)


def _of_mapping(data: Mapping[Any, Any], error: Fail) -> Frame:
    names = list(data)
    columns = [data[name] for name in names]
    for name, column in zip(names, columns, strict=True):
        is_column = hasattr(column, "__len__") and not isinstance(column, (str, bytes, Mapping))
        if not is_column:
            raise error(
                f"a dict must hold columns of one length, such as lists, got {name!r}: "
                f"{describe_type(column)}"
            )
    lengths = {name: len(column) for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{n} of {name!r}" for name, n in lengths.items())
        raise error(f"columns of a dict must have the same length, got {shown}")
    return Frame(names, lambda k: column_values(columns[k]), has_order=False)


def _of_rows(rows: Sequence[Any], error: Fail) -> Frame | None:
    """Columns of a list of dicts or named tuples; None for other lists."""
    if not rows:
        return None
    first = rows[0]
    is_dict = isinstance(first, Mapping)
    if not is_dict and not hasattr(first, "_fields"):
        return None
    names = list(first if is_dict else first._fields)
    for number, row in enumerate(rows):
        if is_dict:
            same = isinstance(row, Mapping) and row.keys() == first.keys()
        else:
            same = getattr(row, "_fields", None) == first._fields
        if not same:
            raise error(f"row {number} must have the names of row 0, {names}, got {shorten(row)}")
    keys: Sequence[Any] = names if is_dict else range(len(names))
    return Frame(names, lambda k: [row[keys[k]] for row in rows], has_order=not is_dict)


def column_values(column: Any) -> Any:
    """Values of a column of pandas, polars or pyarrow as an array; others as a list."""
    if isinstance(column, (list, tuple, np.ndarray)):
        return column
    if hasattr(column, "to_pylist"):  # pyarrow; nulls among integers would make them floats
        kind = str(column.type)
        if column.null_count or not kind.startswith(("int", "uint", "float", "double", "half")):
            return _objects(column.to_pylist())
        return column.to_numpy()
    if hasattr(column, "null_count") and (
        column.null_count() or str(column.dtype) in ("Int128", "UInt128")
    ):
        return _objects(column.to_list())
    return column.to_numpy() if hasattr(column, "to_numpy") else list(column)


def _objects(values: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
