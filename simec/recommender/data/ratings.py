"""Ratings of items by users: a sparse matrix, and ids of its rows and columns."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from corpora.checks import check_choice
from corpora.errors import warn
from simec.types import IntArray

Duplicates = Literal["last", "mean", "error"]


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
            -1 for ids that do not occur.

        Raises
        ------
        IdTypeError
            If strings are looked up among integers, or integers among strings.
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
        """Return the ids of rows as plain Python objects."""
        names: list[Any] = self.values[rows].tolist()
        return names


def read_ids(values: Any, kind: str) -> npt.NDArray[Any]:
    """Convert ids to an int64 array or an array of strings.

    Raises
    ------
    IdTypeError
        If an id is neither an integer nor a string, or both are mixed; the error names the id.
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
    """

    def __init__(
        self, matrix: Any, users: Ids, items: Ids, n_duplicates: int = 0, n_contradicting: int = 0
    ) -> None:
        self.matrix = sparse.csr_matrix(matrix, dtype=np.float32)
        self.users, self.items = users, items
        self.n_duplicates, self.n_contradicting = n_duplicates, n_contradicting

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

    def triples(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Users, items and values: three arrays with an entry for each rating, sorted by user."""
        entries = self.matrix.tocoo()
        return self.users.values[entries.row], self.items.values[entries.col], entries.data

    def split(
        self,
        test_size: float = 0.3,
        seed: int = 0,
        by: Literal["ratings", "items", "users"] = "ratings",
    ) -> tuple[Ratings, Ratings]:
        """Split at random into a training set and a test set.

        Parameters
        ----------
        test_size : float
            Fraction of the ratings, items or users in the test set.
        seed : int
        by : {"ratings", "items", "users"}
            "items" keeps all ratings of an item in the same set (task T2a of the thesis, 4.2),
            "users" all ratings of a user (T2b).

        Returns
        -------
        train, test : Ratings
            Both have all users and items, with the same rows and columns.
        """
        if not 0 < test_size < 1:
            raise ValueError(f"test_size must be between 0 and 1, got {test_size!r}")
        check_choice("by", by, ("ratings", "items", "users"))
        rng = np.random.default_rng(seed)
        entries = self.matrix.tocoo()
        if by == "ratings":
            chosen = np.zeros(len(self), bool)
            chosen[rng.permutation(len(self))[: round(test_size * len(self))]] = True
        else:
            by_item = by == "items"
            n = len(self.items if by_item else self.users)
            held_out = np.zeros(n, bool)
            held_out[rng.permutation(n)[: round(test_size * n)]] = True
            chosen = held_out[entries.col if by_item else entries.row]
        parts = [
            Ratings(
                sparse.csr_matrix(
                    (entries.data[part], (entries.row[part], entries.col[part])), self.shape
                ),
                self.users,
                self.items,
            )
            for part in (~chosen, chosen)
        ]
        return parts[0], parts[1]


def as_ratings(
    data: Any,
    *,
    users: Any = None,
    items: Any = None,
    columns: tuple[str, str, str] | None = None,
    duplicates: Duplicates = "last",
) -> Ratings:
    """Convert ratings to `Ratings`.

    Parameters
    ----------
    data : Ratings; tuple of three arrays; sequence of triples; data frame; or sparse matrix
        Users, items and values, each of shape (n,); or n triples (user, item, value), as a list
        or as an array of shape (n, 3). For a data frame, the first three columns or those named
        by `columns`. The stored entries of a sparse matrix of users by items are ratings,
        including zeros.
    users, items : sequences of ids, optional
        Ids of the rows and columns of a sparse matrix; 0, 1, … by default.
    columns : (str, str, str), optional
        Columns of users, items and values in a data frame.
    duplicates : {"last", "mean", "error"}
        Of several ratings for the same user and item, keep the last, or their mean, or raise
        ValueError.

    Raises
    ------
    ValueError
        If there are no ratings, a value is not a finite number (the error names the row), shapes
        do not match, or there are duplicates and ``duplicates="error"``.
    TypeError
        If ids are of mixed types, or neither integers nor strings.

    Warns
    -----
    UserWarning
        If there are duplicates; it reports their number, and how many have different values.
    """
    check_choice("duplicates", duplicates, Duplicates)
    if isinstance(data, Ratings):
        return data
    if sparse.issparse(data):
        return _from_matrix(data, users, items, duplicates)
    if users is not None or items is not None:
        raise ValueError("users= and items= are for sparse matrices: triples contain the ids")
    given_users, given_items, values = _columns(data, columns)
    user_ids, item_ids = read_ids(given_users, "user"), read_ids(given_items, "item")
    values = _read_values(values)
    if not len(user_ids) == len(item_ids) == len(values):
        raise ValueError(
            "users, items and values must have the same length, got "
            f"{len(user_ids)} users, {len(item_ids)} items and {len(values)} values"
        )
    names_u, rows = np.unique(user_ids, return_inverse=True)
    names_i, positions = np.unique(item_ids, return_inverse=True)
    return _collect(rows, positions, values, Ids(names_u, "user"), Ids(names_i, "item"), duplicates)


def _columns(data: Any, columns: tuple[str, str, str] | None) -> tuple[Any, Any, Any]:
    if hasattr(data, "iloc"):
        names = list(data.columns)
        if columns is None:
            if len(names) < 3:
                raise ValueError(
                    "a data frame of ratings must have columns of users, items and values, got "
                    f"{names}"
                )
            return data.iloc[:, 0], data.iloc[:, 1], data.iloc[:, 2]
        missing = [name for name in columns if name not in names]
        if missing:
            raise ValueError(f"the data frame has no column {missing[0]!r}, only {names}")
        user, item, value = (data[name] for name in columns)
        return user, item, value
    if columns is not None:
        raise ValueError("columns= is for data frames")
    if isinstance(data, tuple) and len(data) == 3 and all(_is_column(part) for part in data):
        return data
    if isinstance(data, np.ndarray):
        if data.ndim != 2 or data.shape[1] != 3:
            raise ValueError(
                f"ratings must be triples (user, item, value), got an array of shape {data.shape}. "
                "Pass a matrix of users by items as a sparse matrix"
            )
        return data[:, 0], data[:, 1], data[:, 2]
    try:
        triples = list(data)
    except TypeError as error:
        raise TypeError(f"ratings cannot be read from {type(data).__name__}") from error
    for number, triple in enumerate(triples):
        if isinstance(triple, str) or not hasattr(triple, "__len__") or len(triple) != 3:
            raise ValueError(f"rating {number} must be (user, item, value), got {triple!r}")
    return tuple([triple[k] for triple in triples] for k in range(3))  # type: ignore[return-value]


def _is_column(part: Any) -> bool:
    return not isinstance(part, str) and hasattr(part, "__len__")


def _read_values(values: Any) -> npt.NDArray[np.float32]:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        for row, value in enumerate(values):
            try:
                float(value)
            except (TypeError, ValueError):
                raise ValueError(f"a rating must be a number, got {value!r} (row {row})") from error
        raise
    if not len(array):
        raise ValueError("there are no ratings")
    finite = np.isfinite(array)
    if not finite.all():
        row = int((~finite).argmax())
        raise ValueError(
            f"{int((~finite).sum())} ratings are NaN or infinite, the first in row {row}. Leave "
            "out missing ratings"
        )
    largest = float(np.abs(array).max())
    if largest > np.finfo(np.float32).max:
        raise ValueError(
            f"ratings must fit into float32, got one of {largest:.3g}: scale them to about 1"
        )
    return array.astype(np.float32)


def _from_matrix(matrix: Any, users: Any, items: Any, duplicates: Duplicates) -> Ratings:
    entries = matrix.tocoo()
    names = []
    for n, given, kind in zip(entries.shape, (users, items), ("user", "item"), strict=True):
        ids = Ids(range(n) if given is None else given, kind)
        if len(ids) != n:
            raise ValueError(
                f"a matrix of shape {entries.shape} needs {n} {kind}s, got {len(ids)} {kind}s"
            )
        names.append(ids)
    values = _read_values(entries.data)
    return _collect(entries.row, entries.col, values, names[0], names[1], duplicates)


def _collect(
    rows: Any, columns: Any, values: Any, users: Ids, items: Ids, duplicates: Duplicates
) -> Ratings:
    shape = len(users), len(items)
    position = rows.astype(np.int64) * shape[1] + columns
    order = np.argsort(position, kind="stable")
    position, values = position[order], values[order]
    repeated = position[1:] == position[:-1]
    n_repeated = int(repeated.sum())
    contradicting = int((repeated & (values[1:] != values[:-1])).sum())
    if n_repeated:
        user, item = divmod(int(position[repeated.argmax()]), shape[1])
        message = (
            f"{n_repeated} ratings repeat an earlier one of the same user and item, "
            f"{contradicting} of them with a different value (the first is of user "
            f"{users.values[user].item()!r} for item {items.values[item].item()!r})"
        )
        if duplicates == "error":
            raise ValueError(f"{message}: use duplicates='last' or 'mean'")
        warn(f"{message}: {'the last one' if duplicates == 'last' else 'their mean'} counts")
        start = np.flatnonzero(np.append(True, ~repeated))
        if duplicates == "mean":
            counts = np.diff(np.append(start, len(position)))
            values = np.add.reduceat(values.astype(np.float64), start) / counts
        else:
            values = values[np.append(start[1:], len(position)) - 1]
        position = position[start]
    matrix = sparse.csr_matrix(
        (values.astype(np.float32), (position // shape[1], position % shape[1])), shape
    )
    return Ratings(matrix, users, items, n_repeated, contradicting)


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
