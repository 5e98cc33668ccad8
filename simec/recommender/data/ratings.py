"""Ratings of items by users: a sparse matrix, and ids of its rows and columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from corpora.checks import check_choice, check_encodable, check_number, row_columns, shorten
from corpora.errors import warn
from simec.data.columns import RATINGS
from simec.data.frames import MAX_ID_BITS, as_frame, column_values, describe_type
from simec.data.tables import TableFormat
from simec.linalg.checks import LARGEST as LARGEST
from simec.types import IntArray

Duplicates = Literal["last", "mean", "error"]
SplitBy = Literal["ratings", "items", "users", "time", "leave-one-out"]

_INT64 = np.iinfo(np.int64)
_EXACT = 2.0**53  # beyond it, not every integer is a float


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
    values : array of shape (n,)
        int64; or objects: strings, or integers if some exceed 64 bits.
    kind : str
    """

    def __init__(self, values: Any, kind: str) -> None:
        self.values, self.kind = read_ids(values, kind), kind
        self._rows: dict[Any, int] | None = None
        if self.values.dtype == object:
            listed = self.values.tolist()
            self._rows = dict(zip(listed, range(len(listed)), strict=True))
            if len(self._rows) < len(listed):
                # the last row of each id is in the dictionary
                raise self._repeated(next(v for k, v in enumerate(listed) if self._rows[v] != k))
            return
        self._order = np.argsort(self.values, kind="stable")
        self._sorted = self.values[self._order]
        repeated = self._sorted[1:] == self._sorted[:-1]
        if repeated.any():
            raise self._repeated(self._sorted[1:][repeated][0].item())

    def _repeated(self, value: Any) -> ValueError:
        return ValueError(f"ids must be distinct, but {self.kind} {shorten(value)} occurs twice")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def are_texts(self) -> bool:
        """Whether the ids are strings."""
        return _are_texts(self.values)

    def find(self, ids: Any) -> IntArray:
        """Look up rows by id.

        Parameters
        ----------
        ids : sequence of n ids

        Returns
        -------
        int64 array of shape (n,)
            -1 for ids that do not occur.

        Raises
        ------
        IdTypeError
            If strings are looked up among integers, or integers among strings.
        """
        ids = read_ids(ids, self.kind)
        if not len(self) or not len(ids):
            return np.full(len(ids), -1)
        if _are_texts(ids) != self.are_texts:
            kinds = "strings", "integers"
            expected, given = kinds if self.are_texts else kinds[::-1]
            raise IdTypeError(
                f"{self.kind} ids must be {expected}, got {given} such as {shorten(plain(ids, 0))}"
            )
        if self._rows is not None:
            found = (self._rows.get(value, -1) for value in ids.tolist())
            return np.fromiter(found, np.int64, len(ids))
        if ids.dtype == object:
            # those that exceed 64 bits do not occur
            fits = np.array([_INT64.min <= value <= _INT64.max for value in ids.tolist()], bool)
            rows = np.full(len(ids), -1)
            rows[fits] = self.find(ids[fits].astype(np.int64))
            return rows
        place = np.minimum(np.searchsorted(self._sorted, ids), len(self) - 1)
        return np.where(self._sorted[place] == ids, self._order[place], -1)

    def names(self, rows: Any) -> list[Any]:
        """Return the ids of rows as plain Python objects."""
        names: list[Any] = self.values[rows].tolist()
        return names


def plain(ids: npt.NDArray[Any], row: int) -> Any:
    """Return an id in an array as a plain Python object."""
    return ids[row : row + 1].tolist()[0]


def _are_texts(ids: npt.NDArray[Any]) -> bool:
    return bool(ids.dtype == object and len(ids) and isinstance(ids[0], str))


def read_ids(values: Any, kind: str) -> npt.NDArray[Any]:
    """Convert ids to an array.

    Parameters
    ----------
    values : sequence, array or column of a frame
        Integers or strings, or floats without a fraction.
    kind : str
        What they identify; used in error messages.

    Returns
    -------
    array of shape (n,)
        int64; or objects: strings, or integers if some exceed 64 bits. Memory grows with the
        lengths of the strings, not with that of the longest one.

    Raises
    ------
    IdTypeError
        If an id is neither an integer nor a string, or both are mixed; the error names the id.
    """
    if isinstance(values, range):
        return np.arange(values.start, values.stop, values.step, dtype=np.int64)
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise IdTypeError(f"{kind} ids must be a sequence of ids, got {shorten(values)}")
    if isinstance(values, (set, frozenset)):
        raise IdTypeError(f"{kind} ids must be in an order, got a set: pass a list")
    if not isinstance(values, (list, tuple, np.ndarray)):
        values = column_values(values)
    array = values if isinstance(values, np.ndarray) else _object_array(list(values))
    if array.ndim != 1:
        raise IdTypeError(f"{kind} ids must have shape (n,), got {array.shape}")
    _check_unmasked(array, f"{kind} ids")
    if array.dtype.kind == "i" or (
        array.dtype.kind == "u" and (not len(array) or int(array.max()) <= _INT64.max)
    ):
        return array.astype(np.int64, copy=False)
    if array.dtype.kind in "uU":
        return _object_array(array.tolist())
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            bad = ~((np.abs(array) <= _EXACT) & (array == np.floor(array)))
        if bad.any():
            raise _type_error(array, int(bad.argmax()), kind)
        return array.astype(np.int64)
    if array.dtype.kind == "O":
        return _read_objects(array, kind)
    if len(array):
        raise _type_error(array, 0, kind)
    return np.empty(0, np.int64)


class Ratings:
    """Observed ratings; all others are missing.

    Parameters
    ----------
    matrix : sparse matrix of shape (n_users, n_items)
        Stored entries are ratings, including zeros.
    users, items : Ids
        Ids of the rows and columns.

    Attributes
    ----------
    matrix : CSR matrix, float32, of shape (n_users, n_items)
    users, items : Ids
        ``ratings.users.values`` is an array of ids.
    n_duplicates : int
        Number of ratings that repeat an earlier one of the same user and item.
    n_contradicting : int
        Number of these whose value differs from the previous one.
    times : float64 array of shape (n,), or None
        Time of each stored entry of `matrix`, in order: seconds since 1970, or numbers as given.
    format : TableFormat or None
        Format of the file that they were read from.
    """

    format: TableFormat | None = None

    def __init__(
        self, matrix: Any, users: Ids, items: Ids, n_duplicates: int = 0, n_contradicting: int = 0,
        times: Any = None,
    ) -> None:  # fmt: skip
        self.matrix = sparse.csr_matrix(matrix, dtype=np.float32)
        self.users, self.items = users, items
        if self.matrix.shape != self.shape:
            raise ValueError(f"ratings must have shape {self.shape}, got {self.matrix.shape}")
        if not np.isfinite(self.matrix.data).all():
            raise ValueError("ratings must be finite, got NaN or infinite values")
        self.n_duplicates, self.n_contradicting = n_duplicates, n_contradicting
        self.times: npt.NDArray[np.float64] | None = None
        if times is not None:
            self.times = np.asarray(times, np.float64)
            if self.times.shape != self.matrix.data.shape or not np.isfinite(self.times).all():
                raise ValueError(f"times must be {len(self)} finite numbers, one for each rating")

    def __len__(self) -> int:
        return int(self.matrix.nnz)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of users and items."""
        return len(self.users), len(self.items)

    @cached_property
    def item_counts(self) -> npt.NDArray[Any]:
        """Number of ratings of each item, shape (n_items,)."""
        counts: npt.NDArray[Any] = self.matrix.getnnz(axis=0)
        return counts

    @cached_property
    def feedback(self) -> Literal["explicit", "implicit"]:
        """What the values look like: "explicit" ratings, or "implicit" counts of plays or clicks.

        Counts are integers of which more than half are 1 and none of 3, 4 and 5 is more frequent
        than 2 (all may be 1, as of clicks), or positive numbers of which the largest is over 10 and
        over ten times the median. Others are taken for ratings, such as those from 1 to 5, from 0
        to 100, or 1 and 5.
        """
        values = self.matrix.data
        low, high, median = float(values.min()), float(values.max()), float(np.median(values))
        if low <= 0:
            return "explicit"
        integers = bool((values == np.floor(values)).all())
        n = [np.count_nonzero(values == count) for count in range(1, 6)]
        mostly_one = integers and low == 1 and n[0] > len(values) / 2 and n[1] == max(n[1:])
        skewed = high > 10 * max(median, 1)
        return "implicit" if mostly_one or skewed else "explicit"

    def triples(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Users, items and values: three arrays with an entry for each rating, sorted by user."""
        entries = self.matrix.tocoo()
        return self.users.values[entries.row], self.items.values[entries.col], entries.data

    def split(
        self,
        test_size: float = 0.3,
        seed: int = 0,
        by: SplitBy = "ratings",
    ) -> tuple[Ratings, Ratings]:
        """Split into a training set and a test set.

        Parameters
        ----------
        test_size : float
            Fraction of the ratings, items or users in the test set; not used by "leave-one-out".
        seed : int
        by : {"ratings", "items", "users", "time", "leave-one-out"}
            "ratings" draws ratings at random, "items" all ratings of an item (task T2a of the
            thesis, 4.2), and "users" all ratings of a user (T2b). "time" holds out the latest
            ratings of each user: the fraction `test_size`, and at least one. "leave-one-out" holds
            out one rating of each user, the latest one if there are times. Users with a single
            rating stay in training in both.

        Returns
        -------
        train, test : Ratings
            Both have all users and items, with the same rows and columns.

        Raises
        ------
        ValueError
            If one of them would have no ratings, or if there are no times to split by.
        """
        if not 0 < check_number("test_size", test_size, -np.inf) < 1:
            raise ValueError(f"test_size must be between 0 and 1, got {test_size!r}")
        check_choice("by", by, SplitBy)
        rng = np.random.default_rng(seed)
        entries = self.matrix.tocoo()
        if by == "ratings":
            chosen = np.zeros(len(self), bool)
            chosen[rng.permutation(len(self))[: round(test_size * len(self))]] = True
        elif by in ("time", "leave-one-out"):
            if by == "time" and self.times is None:
                raise ValueError(
                    "these ratings have no times: read them with a column such as 'timestamp', or "
                    "split by='ratings' or by='leave-one-out'"
                )
            counts = np.diff(self.matrix.indptr)
            n_test = np.ones(len(counts), int)
            if by == "time":
                # 0.3 * 10 is 3 in decimal, and should not become 2
                n_test = np.maximum(np.floor(test_size * counts + 1e-9).astype(int), 1)
            n_test[counts < 2] = 0
            times = np.zeros(len(self)) if self.times is None else self.times
            order = np.lexsort((rng.random(len(self)), -times, entries.row))
            place = np.arange(len(self)) - self.matrix.indptr[entries.row]
            chosen = np.zeros(len(self), bool)
            chosen[order] = place < n_test[entries.row]
        else:
            by_item = by == "items"
            n = len(self.items if by_item else self.users)
            held_out = np.zeros(n, bool)
            held_out[rng.permutation(n)[: round(test_size * n)]] = True
            chosen = held_out[entries.col if by_item else entries.row]
        if chosen.all() or not chosen.any():
            part = "training" if chosen.any() else "test"
            raise ValueError(
                f"test_size={test_size} of {len(self)} ratings of {len(self.items)} items by "
                f"{len(self.users)} users leaves no ratings in the {part} set"
            )
        return self.select(~chosen), self.select(chosen)

    def select(self, mask: npt.NDArray[np.bool_]) -> Ratings:
        """Select ratings by a mask of shape (n,), in the order of `triples`; keep all ids."""
        entries = self.matrix.tocoo()
        part = entries.data[mask], (entries.row[mask], entries.col[mask])
        times = None if self.times is None else self.times[mask]
        return Ratings(sparse.csr_matrix(part, self.shape), self.users, self.items, times=times)

    def liked(self, at_least: float) -> Ratings:
        """Convert explicit ratings to implicit feedback: 1 for each rating of at least a value.

        Raises
        ------
        ValueError
            If no rating is that high.
        """
        mask = self.matrix.data >= check_number("at_least", at_least, -np.inf)
        if not mask.any():
            raise ValueError(f"no rating is >= {at_least:g}")
        ratings = self.select(mask)
        ratings.matrix.data[:] = 1
        return ratings

    def later(self) -> npt.NDArray[np.float64]:
        """Count the later ratings of the same user, for each rating; shape (n,).

        Ratings of the same time have the mean of their counts.

        Raises
        ------
        ValueError
            If there are no times.
        """
        if self.times is None:
            raise ValueError("these ratings have no times")
        rows = self.matrix.tocoo().row
        order = np.lexsort((-self.times, rows))
        place = np.arange(len(self)) - self.matrix.indptr[rows].astype(np.float64)
        row, time = rows[order], self.times[order]
        is_new = np.append(True, (row[1:] != row[:-1]) | (time[1:] != time[:-1]))
        start = np.flatnonzero(is_new)
        sizes = np.diff(np.append(start, len(self)))
        later = np.empty(len(self))
        later[order] = np.repeat(np.add.reduceat(place, start) / sizes, sizes)
        return later


def as_ratings(
    data: Any,
    *,
    users: Any = None,
    items: Any = None,
    columns: Sequence[Any] | None = None,
    duplicates: Duplicates = "last",
) -> Ratings:
    """Convert ratings to `Ratings`.

    Parameters
    ----------
    data : Ratings; tuple of three arrays; sequence of triples; data frame; or sparse matrix
        Users, items and values, each of shape (n,); or n triples (user, item, value), as a list
        or as an array of shape (n, 3). A data frame of pandas or polars, a table of pyarrow, an
        array of records, a dict of columns, or a list of dicts or named tuples; its columns are
        chosen by `columns`, or by names such as user, item, rating and timestamp, in any order.
        Unknown names are an error. Only two to four columns that are numbered, as those of
        ``pandas.DataFrame(rows)``, are read by position: users, items, values and times. Without a
        column of values, all are 1. Times are numbers, dates or ISO 8601 texts. The stored entries
        of a sparse matrix of users by items are ratings, including zeros.
    users, items : sequences of ids, optional
        Ids of the rows and columns of a sparse matrix; 0, 1, … by default.
    columns : sequence of two to four str, optional
        Names or positions of the columns of users, items, values and times in a data frame.
    duplicates : {"last", "mean", "error"}
        Of several ratings for the same user and item, keep the last (the latest, if there are
        times), or their mean, or raise ValueError.

    Raises
    ------
    ValueError
        If there are no ratings, a value is not a number from -1e15 to 1e15 (the error names the
        row), shapes do not match, a column of a frame is missing, or there are duplicates and
        ``duplicates="error"``.
    TypeError
        If ids are of mixed types, or neither integers nor strings; or if `data` cannot be read.

    Warns
    -----
    UserWarning
        If there are duplicates; it reports their number, and how many have different values.
    """
    check_choice("duplicates", duplicates, Duplicates)
    if isinstance(data, Ratings):
        if not len(data):
            raise ValueError("there are no ratings")
        return data
    if sparse.issparse(data):
        return _from_matrix(data, users, items, duplicates)
    if users is not None or items is not None:
        raise ValueError("users= and items= are for sparse matrices: triples contain the ids")
    given_users, given_items, values, given_times = _columns(data, columns)
    numbers = read_values(values)
    times = None if given_times is None else read_times(given_times)
    (user_ids, rows), (item_ids, positions) = (
        _numbered(given_users, "user"), _numbered(given_items, "item")
    )  # fmt: skip
    if not len(rows) == len(positions) == len(numbers):
        raise ValueError(
            "users, items and values must have the same length, got "
            f"{len(rows)} users, {len(positions)} items and {len(numbers)} values"
        )
    return collect_ratings(user_ids, rows, item_ids, positions, numbers, duplicates, times)


def _numbered(values: Any, kind: str) -> tuple[Ids, IntArray]:
    """Sort distinct ids; return them, and the position of each value among them."""
    ids = read_ids(values, kind)
    if ids.dtype != object:
        names, rows = np.unique(ids, return_inverse=True)
        return Ids(names, kind), rows
    first: dict[Any, int] = {}
    rows = np.fromiter((first.setdefault(v, len(first)) for v in ids.tolist()), np.int64, len(ids))
    if "" in first:
        raise IdTypeError(f"a {kind} id is empty (row {int((rows == first['']).argmax())})")
    return sorted_ids(list(first), rows, kind)


def sorted_ids(names: list[Any], rows: IntArray, kind: str) -> tuple[Ids, IntArray]:
    """Sort ids.

    Parameters
    ----------
    names : list of str or of int
        Distinct ids.
    rows : int64 array of shape (n,)
        Positions in `names`.
    kind : str

    Returns
    -------
    ids : Ids
    rows : int64 array of shape (n,)
        The same positions in the sorted ids.
    """
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    ids = Ids([names[k] for k in order], kind)
    if ids.are_texts:
        check_encodable(ids.values.tolist(), f"{kind} ids", IdTypeError)
    return ids, rank[rows]


def _columns(data: Any, columns: Sequence[Any] | None) -> tuple[Any, Any, Any, Any]:
    """Columns of users, items, values, and times or None."""
    if isinstance(data, Iterator):
        data = list(data)
    # lists and tuples are tables only if their items are dicts or named tuples
    is_plain = isinstance(data, (list, tuple)) and (not data or row_columns(data[0]) is None)
    frame = None if is_plain else as_frame(data)
    if frame is not None:
        named = frame.choose_named(RATINGS, columns)
        values = named.get("rating")
        return (
            named["user"], named["item"],
            np.ones(len(named["user"])) if values is None else values, named.get("timestamp"),
        )  # fmt: skip
    if columns is not None:
        raise ValueError("columns= is for data frames")
    if isinstance(data, tuple) and len(data) == 3 and all(_is_column(part) for part in data):
        if all(isinstance(part, tuple) and len(part) == 3 for part in data):
            raise ValueError(
                "three tuples of three can be triples or columns: pass a list of triples "
                "(user, item, value), or users, items and values as lists or arrays"
            )
        return (*data, None)
    if isinstance(data, np.ndarray):
        if data.ndim != 2 or data.shape[1] != 3:
            raise ValueError(
                f"ratings must be triples (user, item, value), got an array of shape {data.shape}. "
                "Pass a matrix of users by items as a sparse matrix"
            )
        return data[:, 0], data[:, 1], data[:, 2], None
    if isinstance(data, (str, bytes, os.PathLike)):
        raise TypeError(
            f"ratings must be triples or a frame, got {shorten(data)}: read a file with "
            "read_ratings(path)"
        )
    if not isinstance(data, Iterable):
        raise TypeError(f"ratings cannot be read from {describe_type(data)}")
    triples = list(data)
    for number, triple in enumerate(triples):
        if not _is_triple(triple):
            raise ValueError(f"rating {number} must be (user, item, value), got {shorten(triple)}")
    users, items, values = ([triple[k] for triple in triples] for k in range(3))
    return users, items, values, None


def _is_column(part: Any) -> bool:
    return not isinstance(part, (str, bytes)) and hasattr(part, "__len__")


def _is_triple(row: Any) -> bool:
    if not isinstance(row, (tuple, list)):
        is_array = isinstance(row, np.ndarray) and row.ndim == 1
        if not is_array and (not isinstance(row, Sequence) or isinstance(row, (str, bytes))):
            return False
    return len(row) == 3


def read_values(
    values: Any, where: Callable[[int], str] = lambda row: f"row {row}"
) -> npt.NDArray[np.float32]:
    """Convert ratings to float32, shape (n,).

    Parameters
    ----------
    values : sequence, array or column of a frame
    where : callable
        Takes a position, and says where it is in the data, for messages.

    Raises
    ------
    ValueError
        If `values` is empty, or one is not a number from -1e15 to 1e15.
    """
    if not isinstance(values, (list, tuple, np.ndarray)):
        values = column_values(values)
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind not in "biufOU":
            raise TypeError
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        for row, value in enumerate(values):
            if not _is_float(value):
                raise ValueError(
                    f"a rating must be a number, got {shorten(value)} ({where(row)})"
                ) from None
        raise ValueError("ratings must be numbers, in one column") from None
    if array.ndim != 1:
        raise ValueError(f"ratings must have shape (n,), got {array.shape}")
    _check_unmasked(values, "ratings")
    if not len(array):
        raise ValueError("there are no ratings")
    finite = np.isfinite(array)
    if not finite.all():
        row = int((~finite).argmax())
        raise ValueError(
            f"{int((~finite).sum())} ratings are NaN or infinite, the first in {where(row)}. Leave "
            "out missing ratings"
        )
    large = np.abs(array) > LARGEST
    if large.any():
        row = int(large.argmax())
        raise ValueError(
            f"a rating must be from {-LARGEST:g} to {LARGEST:g}, got {array[row]:g} "
            f"({where(row)}). Divide all ratings, or pass their logarithms"
        )
    return array.astype(np.float32)


def read_times(values: Any) -> npt.NDArray[np.float64] | None:
    """Convert times to numbers, shape (n,): dates to seconds since 1970; numbers stay as they are.

    Parameters
    ----------
    values : sequence, array or column of a frame
        Numbers, texts with numbers, dates, or ISO 8601 texts.

    Warns
    -----
    UserWarning
        If a value cannot be read. None is returned, since times are not needed to predict.
    """
    if not isinstance(values, (list, tuple, np.ndarray)):
        values = column_values(values)
    try:
        times = _times(values)
    except (TypeError, ValueError, OverflowError):
        times = np.full(1, np.nan)
    if times.ndim == 1 and len(times) == len(values) and np.isfinite(times).all():
        return times
    warn("times are ignored: each must be a number, a date or an ISO 8601 text")
    return None


def _times(values: Any) -> npt.NDArray[np.float64]:
    if isinstance(values, np.ndarray) and values.dtype.kind in "iufM":
        array = values
    elif len(values) and all(hasattr(value, "timestamp") for value in values):  # datetime
        array = np.array([value.timestamp() for value in values])
    else:
        try:
            array = np.array(values, np.float64)
        except (TypeError, ValueError):
            array = np.array([str(value).strip().removesuffix("Z") for value in values], "M8[us]")
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise ValueError("a time is missing")
        return array.astype("M8[us]").astype(np.int64) / 1e6
    return array.astype(np.float64)


def _is_float(value: Any) -> bool:
    if isinstance(value, (np.complexfloating, np.datetime64, np.timedelta64)):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _check_unmasked(values: Any, what: str) -> None:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.ma.getmaskarray(values).argmax())
        raise ValueError(f"{what} must not be masked, as in row {row}. Leave out masked rows")


def _from_matrix(matrix: Any, users: Any, items: Any, duplicates: Duplicates) -> Ratings:
    if matrix.ndim != 2:
        raise ValueError(f"a sparse matrix of ratings must be users by items, got {matrix.shape}")
    entries = matrix.tocoo()
    names = []
    for n, given, kind in zip(entries.shape, (users, items), ("user", "item"), strict=True):
        ids = Ids(range(n) if given is None else given, kind)
        if len(ids) != n:
            raise ValueError(
                f"a matrix of shape {entries.shape} needs {n} {kind}s, got {len(ids)} {kind}s"
            )
        names.append(ids)
    values = read_values(
        entries.data, lambda k: f"row {entries.row[k]}, column {entries.col[k]}"
    )  # fmt: skip
    return collect_ratings(names[0], entries.row, names[1], entries.col, values, duplicates)


def collect_ratings(
    users: Ids, rows: IntArray, items: Ids, columns: IntArray, values: Any, duplicates: Duplicates,
    times: Any = None,
) -> Ratings:  # fmt: skip
    """Build `Ratings` of entries, and deal with duplicates.

    Parameters
    ----------
    users, items : Ids
    rows, columns : integer arrays of shape (n,)
        Positions in `users` and `items`.
    values : float32 array of shape (n,)
    duplicates : {"last", "mean", "error"}
    times : float64 array of shape (n,), optional

    Raises
    ------
    ValueError
        If there are duplicates and ``duplicates="error"``.
    """
    shape = len(users), len(items)
    position = rows.astype(np.int64) * shape[1] + columns
    order = np.argsort(position, kind="stable")
    if times is not None:
        order = np.lexsort((times, position))  # of duplicates, the latest is the last
        times = times[order]
    position, values = position[order], values[order]
    repeated = position[1:] == position[:-1]
    n_repeated = int(repeated.sum())
    contradicting = int((repeated & (values[1:] != values[:-1])).sum())
    if n_repeated:
        user, item = divmod(int(position[repeated.argmax()]), shape[1])
        message = (
            f"{n_repeated} ratings repeat an earlier one of the same user and item, "
            f"{contradicting} of them with a different value (the first is of user "
            f"{shorten(plain(users.values, user))} for item {shorten(plain(items.values, item))})"
        )
        if duplicates == "error":
            raise ValueError(f"{message}: use duplicates='last' or 'mean'")
        warn(f"{message}: {'the last one' if duplicates == 'last' else 'their mean'} counts")
        start = np.flatnonzero(np.append(True, ~repeated))
        last = np.append(start[1:], len(position)) - 1
        if duplicates == "mean":
            counts = np.diff(np.append(start, len(position)))
            values = np.add.reduceat(values.astype(np.float64), start) / counts
        else:
            values = values[last]
        times = None if times is None else times[last]
        position = position[start]
    matrix = sparse.csr_matrix(
        (values.astype(np.float32), (position // shape[1], position % shape[1])), shape
    )
    return Ratings(matrix, users, items, n_repeated, contradicting, times)


def _object_array(values: list[Any]) -> npt.NDArray[Any]:
    # numpy would convert numbers among strings to strings, and pad strings to one length
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _read_objects(array: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
    values = array.tolist()
    types = set(map(type, values))
    if types <= {str}:
        return array
    if types != {int}:
        kinds = [_id_type(value) for value in values]
        if "?" in kinds:
            raise _type_error(array, kinds.index("?"), kind)
        if len(set(kinds)) > 1:
            number, string = kinds.index("i"), kinds.index("s")
            raise IdTypeError(
                f"{kind} ids are of mixed types: {shorten(values[number])} (row {number}) and "
                f"{shorten(values[string])} (row {string}). Convert all of them to integers or to "
                "strings"
            )
        convert = str if kinds[0] == "s" else int
        values = [convert(value) for value in values]
        if convert is str:
            return _object_array(values)
    low, high = min(values), max(values)
    if _INT64.min <= low and high <= _INT64.max:
        return np.array(values, np.int64)
    for row, value in enumerate(values):
        if value.bit_length() > MAX_ID_BITS:
            raise IdTypeError(
                f"{kind} ids must have at most {MAX_ID_BITS} bits, got {shorten(value)} "
                f"(row {row}). Convert all ids to strings"
            )
    return _object_array(values)


def _type_error(array: npt.NDArray[Any], row: int, kind: str) -> IdTypeError:
    value = plain(array, row)
    hint = ""
    if isinstance(value, bytes):
        hint = ". Decode bytes to strings"
    elif isinstance(value, float) and abs(value) > _EXACT:
        hint = ". Floats of this size have lost digits: pass integers or strings"
    return IdTypeError(
        f"{kind} ids must be integers or strings, got {shorten(value)} (row {row}){hint}"
    )


def _id_type(value: Any) -> str:
    if isinstance(value, str):
        return "s"
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return "i"
    if not isinstance(value, (float, np.floating)):
        return "?"
    number = float(value)
    return "i" if number.is_integer() and abs(number) <= _EXACT else "?"
