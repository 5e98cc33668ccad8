"""Columns of data frames and tables in memory: pandas, polars, pyarrow, NumPy's records, dicts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import sklearn
from narwhals.exceptions import DuplicateError
from sklearn.utils.fixes import parse_version

from corpora.checks import ParameterError, shorten
from simec.data.columns import Layout, choose_columns, is_numbered, recognized

__all__ = [
    "MAX_ID_BITS",
    "Frame",
    "as_frame",
    "check_frame",
    "column_values",
    "describe_type",
    "for_sklearn",
]

_SKLEARN_KNOWS_FRAMES = parse_version(sklearn.__version__) >= parse_version("1.9.dev")
_LONG = nw.Int128, nw.UInt128
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
        Ids of the rows: an index that has a name, or is not of integers.
    """

    names: list[Hashable]
    column: Callable[[int], Any]
    index: Any = None

    def choose(
        self, layout: Layout, columns: Sequence[Any] | None = None, error: Fail = ValueError
    ) -> list[Any]:
        """Choose the columns of a layout, see `choose_named`; return them without their names."""
        return list(self.choose_named(layout, columns, error).values())

    def choose_named(
        self, layout: Layout, columns: Sequence[Any] | None = None, error: Fail = ValueError
    ) -> dict[str, Any]:
        """Choose the columns of a layout by name, or by position if columns are only numbered.

        Returns
        -------
        dict of str to column
            Columns of the layout that the frame has, in the order of the layout.

        Raises
        ------
        Exception
            As given by `error`, see `choose_columns`.
        """

        def fail(message: str) -> Exception:
            hint = "" if self.index is None else ". If it is the index, pass frame.reset_index()"
            return error(message + hint)

        # a wide frame is a matrix; ratings may have a column of times
        most = len(layout.names) + len(layout.optional)
        without_names = columns is None and is_numbered(self.names)
        if without_names and (self.index is not None or len(self.names) > most):
            raise fail(
                f"a frame of {layout.what} must have columns called "
                f"{', '.join(map(repr, layout.names))}, got {len(self.names)} columns without names"
            )
        chosen = choose_columns(layout, self.names, columns, error=fail)
        return {name: self.column(k) for name, k in chosen.items()}

    def select(self, positions: Sequence[int]) -> Frame:
        """Select columns by their positions."""
        return Frame([self.names[k] for k in positions], lambda d: self.column(positions[d]))

    def features(
        self, layout: Layout, kind: str, error: Fail = ValueError
    ) -> tuple[Any, npt.NDArray[Any], list[str]]:
        """Return ids of the rows, features of shape (n, D) as float64, and names of the features.

        The ids are the index, or else the column with a usual name for ids.

        Raises
        ------
        Exception
            As given by `error`: if there are no ids, or a column does not hold numbers.
        """
        names = self.names
        at = None if self.index is not None else recognized(layout, names).get(kind)
        if self.index is None and at is None:
            raise error(
                f"no column of {layout.what} is called {kind!r} or similar; the columns are "
                f"{shorten(names)}: {layout.advice}, or name an index that has them, as by "
                f"frame.rename_axis({kind!r})"
            )
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
        A frame of pandas, polars or another library that narwhals knows, a table of pyarrow, an
        array of records, a dict of columns, or a list of dicts or named tuples with the same names.
    error : callable
        Exception to raise for other objects that have columns, and for frames with two columns of
        the same name; called with the message.
    """
    if isinstance(data, (list, tuple)):
        return _of_rows(data, error)
    if isinstance(data, np.ndarray):
        if data.dtype.names is None:
            return None
        records = data.reshape(-1)
        return Frame(list(data.dtype.names), lambda k: records[data.dtype.names[k]])
    if isinstance(data, Mapping):
        return _of_mapping(data, error)
    frame = _narwhals(data, error)
    if isinstance(frame, nw.Series):
        raise error(
            f"{describe_type(data)} has one column: pass a frame, such as series.reset_index()"
        )
    if isinstance(frame, nw.DataFrame):
        index = nw.maybe_get_index(frame)  # of pandas
        if index is not None and set(index.names) == {None} and index.dtype.kind in "iu":
            index = None  # it numbers the rows
        return Frame(list(frame.columns), lambda k: column_values(frame[:, k]), index)
    if hasattr(data, "column_names"):  # a data set of Hugging Face
        names = list(data.column_names)
        return Frame(names, lambda k: data[names[k]])
    if hasattr(data, "columns"):
        raise error(
            f"columns of {describe_type(data)} cannot be read: convert it to a frame of pandas or "
            "polars"
        )
    return None


def check_frame(name: str, data: Any) -> bool:
    """Whether an argument is a data frame.

    Raises
    ------
    ParameterError
        If it is a lazy frame, or has two columns of the same name.
    """
    frame = _narwhals(data, lambda message: ParameterError(f"{name}: {message}"))
    return isinstance(frame, nw.DataFrame)


def for_sklearn(name: str, data: Any) -> Any:
    """Return an argument in a form whose names scikit-learn knows.

    Before version 1.9, it knows frames of pandas and of libraries with the interchange protocol,
    which polars no longer has, and reads others without names.

    Raises
    ------
    ParameterError
        As `check_frame`.
    """
    if not check_frame(name, data) or hasattr(data, "__dataframe__") or _SKLEARN_KNOWS_FRAMES:
        return data
    return _Interchange(nw.from_native(data))


class _Interchange:
    """What scikit-learn reads of the interchange protocol: names, and the values as an array."""

    def __init__(self, frame: nw.DataFrame[Any]) -> None:
        self._frame, self.columns, self.shape = frame, list(frame.columns), frame.shape

    def __dataframe__(self) -> _Interchange:
        return self

    def column_names(self) -> list[str]:
        return self.columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.asarray(self._frame.to_numpy(), dtype)
        return array.copy() if copy else array

    def __len__(self) -> int:
        return len(self._frame)


def _narwhals(data: Any, error: Fail) -> Any:
    """Wrap a frame or column by narwhals; other objects are returned unchanged."""
    try:
        if hasattr(data, "column_names") and hasattr(data, "__arrow_c_array__"):  # pyarrow's batch
            frame: Any = nw.from_arrow(data, backend="pyarrow")
        else:
            frame = nw.from_native(data, allow_series=True, pass_through=True)
    except DuplicateError as problem:
        names = list(getattr(data, "column_names", None) or data.columns)
        name = next(name for k, name in enumerate(names) if name in names[:k])
        raise error(
            f"several columns of {describe_type(data)} are called {name!r}: rename all but one, or "
            "leave them out"
        ) from problem
    if isinstance(frame, nw.LazyFrame):
        raise error("a lazy frame must be collected first: pass frame.collect()")
    return frame


def describe_type(value: Any) -> str:
    """Name the type of a value with its module, for messages."""
    kind = type(value)
    module = kind.__module__.split(".")[0]
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


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
    for name in names:
        if not isinstance(name, str):
            raise error(f"keys of a dict must be names of its columns, got {shorten(name)}")
    lengths = {name: len(column) for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{n} of {name!r}" for name, n in lengths.items())
        raise error(f"columns of a dict must have the same length, got {shown}")
    return Frame(names, lambda k: column_values(columns[k]))


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
    return Frame(names, lambda k: [row[keys[k]] for row in rows])


def column_values(column: Any) -> Any:
    """Values of a column of a frame as an array; others as a list."""
    if isinstance(column, (list, tuple, np.ndarray)):
        return column
    series = column if isinstance(column, nw.Series) else _narwhals(column, TypeError)
    if not isinstance(series, nw.Series):
        if hasattr(column, "to_pylist"):  # an array of pyarrow
            return _objects(column.to_pylist())
        return column.to_numpy() if hasattr(column, "to_numpy") else list(column)
    # nulls would make integers floats, and 128 bits are beyond those of NumPy
    if (series.null_count() and not series.dtype.is_float()) or series.dtype in _LONG:
        return _objects(series.to_list())
    return series.to_numpy()


def _objects(values: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
