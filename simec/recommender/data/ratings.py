"""Ratings of items by users, as a sparse matrix with the users' own ids."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from simec.recommender.data.ids import Ids, read_ids

Duplicates = Literal["last", "mean", "error"]


class Ratings:
    """Known ratings; what is not there is unknown.

    Parameters
    ----------
    matrix : sparse matrix of shape (n_users, n_items)
        What is stored is known, zeros too.
    users, items : Ids

    Attributes
    ----------
    matrix : CSR matrix, float32, of shape (n_users, n_items)
    users, items : Ids
        What rows and columns stand for; ``ratings.users.values`` is an array of ids.
    n_duplicates : int
        Ratings that were given for a user and an item that had one already.
    n_contradicting : int
        Those of them that gave another value than the one before.
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
        """How many ratings each item has, shape (n_items,)."""
        counts: npt.NDArray[Any] = self.matrix.getnnz(axis=0)
        return counts

    def triples(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Users, items and values: three arrays of the length of the ratings, by users."""
        entries = self.matrix.tocoo()
        return self.users.values[entries.row], self.items.values[entries.col], entries.data

    def split(
        self,
        test_size: float = 0.3,
        seed: int = 0,
        by: Literal["ratings", "items", "users"] = "ratings",
    ) -> tuple[Ratings, Ratings]:
        """Split at random, for training and for a test.

        Parameters
        ----------
        test_size : float
            Share of the ratings, or of the items or users, for the test.
        seed : int
        by : {"ratings", "items", "users"}
            With "items", all ratings of an item go the same way (task T2a of the thesis, 4.2);
            with "users", all of a user (T2b).

        Returns
        -------
        train, test : Ratings
            Both with all users and items, so that rows mean the same in them.
        """
        if not 0 < test_size < 1:
            raise ValueError(f"test_size is between 0 and 1, not {test_size!r}")
        rng = np.random.default_rng(seed)
        entries = self.matrix.tocoo()
        if by == "ratings":
            chosen = np.zeros(len(self), bool)
            chosen[rng.permutation(len(self))[: round(test_size * len(self))]] = True
        elif by in ("items", "users"):
            n, of = (len(self.items), entries.col) if by == "items" else (
                len(self.users), entries.row
            )  # fmt: skip
            out = np.zeros(n, bool)
            out[rng.permutation(n)[: round(test_size * n)]] = True
            chosen = out[of]
        else:
            raise ValueError(f"by is 'ratings', 'items' or 'users', not {by!r}")
        parts = [
            Ratings(
                sparse.csr_matrix(
                    (entries.data[some], (entries.row[some], entries.col[some])), self.shape
                ),
                self.users,
                self.items,
            )
            for some in (~chosen, chosen)
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
    """Ratings from what people hold.

    Parameters
    ----------
    data : Ratings; tuple of three arrays; sequence of triples; data frame; or sparse matrix
        Users, items and values, each of shape (n,); or n triples of them, as a list or as an
        array of shape (n, 3). Of a data frame the first three columns, or those of `columns`.
        Of a sparse matrix of users by items what is stored is known, zeros too.
    users, items : sequences of ids, optional
        Of the rows and columns of a sparse matrix; 0, 1, … if left out.
    columns : (str, str, str), optional
        Names of a data frame's columns.
    duplicates : {"last", "mean", "error"}
        What becomes of several ratings for the same user and item.

    Raises
    ------
    ValueError
        If there are none, a value is NaN or infinite (the row is named), shapes do not match,
        or there are duplicates and they shall not be.
    TypeError
        If ids are of mixed types, or neither whole numbers nor strings.

    Warns
    -----
    UserWarning
        Of duplicates, with their number, and of how many contradict one another.
    """
    if duplicates not in ("last", "mean", "error"):
        raise ValueError(f"duplicates is 'last', 'mean' or 'error', not {duplicates!r}")
    if isinstance(data, Ratings):
        return data
    if sparse.issparse(data):
        return _of_matrix(data, users, items, duplicates)
    if users is not None or items is not None:
        raise ValueError("users= and items= are for sparse matrices: triples have ids themselves")
    given_users, given_items, values = _columns(data, columns)
    user_ids, item_ids = read_ids(given_users, "user"), read_ids(given_items, "item")
    values = _read_values(values)
    if not len(user_ids) == len(item_ids) == len(values):
        raise ValueError(
            f"there are {len(user_ids)} users, {len(item_ids)} items and {len(values)} values: "
            "one of each is needed for each rating"
        )
    names_u, rows = np.unique(user_ids, return_inverse=True)
    names_i, places = np.unique(item_ids, return_inverse=True)
    return _collected(rows, places, values, Ids(names_u, "user"), Ids(names_i, "item"), duplicates)


def _columns(data: Any, columns: tuple[str, str, str] | None) -> tuple[Any, Any, Any]:
    if hasattr(data, "iloc"):
        names = list(data.columns)
        if columns is None:
            if len(names) < 3:
                raise ValueError(
                    f"a data frame of ratings has a user, an item and a value in each row: {names} "
                    "are too few columns"
                )
            return data.iloc[:, 0], data.iloc[:, 1], data.iloc[:, 2]
        missing = [name for name in columns if name not in names]
        if missing:
            raise ValueError(f"there is no column {missing[0]!r}, only {names}")
        user, item, value = (data[name] for name in columns)
        return user, item, value
    if columns is not None:
        raise ValueError("columns= is for data frames")
    if isinstance(data, tuple) and len(data) == 3 and all(_is_column(part) for part in data):
        return data
    if isinstance(data, np.ndarray):
        if data.ndim != 2 or data.shape[1] != 3:
            raise ValueError(
                f"ratings are triples (user, item, value), not an array of shape {data.shape}: "
                "for a matrix of users by items give a sparse one"
            )
        return data[:, 0], data[:, 1], data[:, 2]
    try:
        triples = list(data)
    except TypeError as error:
        raise TypeError(f"ratings cannot be read from {type(data).__name__}") from error
    for number, triple in enumerate(triples):
        if isinstance(triple, str) or not hasattr(triple, "__len__") or len(triple) != 3:
            raise ValueError(f"rating {number} is no (user, item, value): {triple!r}")
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
                raise ValueError(f"a rating is a number, not {value!r} (row {row})") from error
        raise
    if not len(array):
        raise ValueError("there are no ratings")
    finite = np.isfinite(array)
    if not finite.all():
        row = int((~finite).argmax())
        raise ValueError(
            f"{int((~finite).sum())} ratings are NaN or infinite, the first in row {row}: leave "
            "out what is unknown"
        )
    return array.astype(np.float32)


def _of_matrix(matrix: Any, users: Any, items: Any, duplicates: Duplicates) -> Ratings:
    entries = matrix.tocoo()
    names = []
    for n, given, what in zip(entries.shape, (users, items), ("user", "item"), strict=True):
        ids = Ids(range(n) if given is None else given, what)
        if len(ids) != n:
            raise ValueError(
                f"there are {len(ids)} {what}s for a matrix of shape {entries.shape}: {n} are "
                "needed"
            )
        names.append(ids)
    values = _read_values(entries.data)
    return _collected(entries.row, entries.col, values, names[0], names[1], duplicates)


def _collected(
    rows: Any, columns: Any, values: Any, users: Ids, items: Ids, duplicates: Duplicates
) -> Ratings:
    shape = len(users), len(items)
    place = rows.astype(np.int64) * shape[1] + columns
    order = np.argsort(place, kind="stable")
    place, values = place[order], values[order]
    again = place[1:] == place[:-1]
    n_again = int(again.sum())
    contradicting = int((again & (values[1:] != values[:-1])).sum())
    if n_again:
        first = int(again.argmax())
        user, item = divmod(int(place[first]), shape[1])
        message = (
            f"{n_again} ratings are for a user and an item that had one already, "
            f"{contradicting} of them with another value (the first is of user "
            f"{users.values[user].item()!r} for item {items.values[item].item()!r})"
        )
        if duplicates == "error":
            raise ValueError(f"{message}: use duplicates='last' or 'mean'")
        kept = "the last one counts" if duplicates == "last" else "their mean counts"
        warnings.warn(f"{message}: {kept}", UserWarning, stacklevel=4)
        start = np.flatnonzero(np.append(True, ~again))
        if duplicates == "mean":
            counts = np.diff(np.append(start, len(place)))
            values = np.add.reduceat(values.astype(np.float64), start) / counts
        else:
            values = values[np.append(start[1:], len(place)) - 1]
        place = place[start]
    matrix = sparse.csr_matrix(
        (values.astype(np.float32), (place // shape[1], place % shape[1])), shape
    )
    return Ratings(matrix, users, items, n_again, contradicting)
