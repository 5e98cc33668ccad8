"""Ratings and features in text files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from simec.reading import text_lines
from simec.recommender.data.features import Features
from simec.recommender.data.ids import Ids
from simec.recommender.data.ratings import Duplicates, Ratings, as_ratings

_SEPARATORS = "::", "\t", ";", ","


class FileError(ValueError):
    """A file that cannot be read; the message says which line."""


def read_ratings(path: Any, *, duplicates: Duplicates = "last") -> Ratings:
    """Read a file with a user, an item and a value a line; what follows is not looked at.

    Fields are parted by ``::`` (as in MovieLens' ratings.dat), tabs, semicolons or commas,
    whatever the first line has. It may be a header. Without a third field values are 1. Ids are
    numbers if all are, text otherwise. Compressed files are read by their suffix.

    Parameters
    ----------
    path : str or path
    duplicates : {"last", "mean", "error"}
        As of `as_ratings`.

    Raises
    ------
    FileNotFoundError
    FileError
        If a line has too few fields, an empty one, a value that is no number, or is not UTF-8.
    """
    users: list[str] = []
    items: list[str] = []
    values: list[float] = []
    for number, fields in _rows(path):
        if len(fields) < 2 or not fields[0] or not fields[1]:
            raise FileError(f"{path}, line {number} has no user, item and value: {fields}")
        try:
            value = float(fields[2]) if len(fields) > 2 else 1.0
        except ValueError as error:
            if not users and number == 1:
                continue  # a header
            raise FileError(
                f"{path}, line {number}: a rating is a number, not {fields[2]!r}"
            ) from error
        if not np.isfinite(value):
            raise FileError(f"{path}, line {number}: a rating is a finite number, not {fields[2]}")
        users.append(fields[0])
        items.append(fields[1])
        values.append(value)
    if not users:
        raise FileError(f"{path} has no ratings")
    return as_ratings((as_ids(users), as_ids(items), np.array(values)), duplicates=duplicates)


def read_features(path: Any, what: str, *, min_count: int = 2) -> Features:
    """Read a table with a header, and ids in its first column.

    A column of numbers is a feature. Of other columns each value is one, and each part of it
    where it has several between bars, such as ``Action|Comedy``. Names of features say which are
    which: a table of new items may have others, which are not looked at.

    Parameters
    ----------
    path : str or path
        Of a file whose fields are parted as in `read_ratings`.
    what : {"user", "item"}
        What it describes.
    min_count : int
        Values that occur less often are left out.

    Raises
    ------
    FileNotFoundError
    FileError
        If lines have other numbers of fields than the header, or there is nothing to use.
    """
    rows = _rows(path)
    header = next(rows, (0, []))[1]
    if len(header) < 2:
        raise FileError(f"{path} has no header with an id and a feature: {header}")
    table = []
    for number, fields in rows:
        if len(fields) != len(header):
            raise FileError(f"{path}, line {number} has {len(fields)} fields, not {len(header)}")
        table.append(fields)
    columns = list(zip(*table, strict=True))
    if not columns:
        raise FileError(f"{path} has a header alone")
    parts: list[Any] = []
    names: list[str] = []
    for name, column in zip(header[1:], columns[1:], strict=True):
        matrix, values = _column(column, min_count)
        parts.append(matrix)
        names += [f"{name}={value}" if value else name for value in values]
    if not names:
        raise FileError(f"{path} has no feature that occurs {min_count} times")
    try:
        ids = Ids(as_ids(list(columns[0])), what)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error
    return Features(ids, sparse.hstack(parts, "csr"), names)


def as_ids(texts: list[str]) -> Any:
    """Ids as whole numbers if all are such, and as text otherwise."""
    try:
        numbers = np.array([int(text) for text in texts], np.int64)
    except (ValueError, OverflowError):
        return np.array(texts, str)
    # "007" is a name
    same = all(str(number) == text for number, text in zip(numbers, texts, strict=True))
    return numbers if same else np.array(texts, str)


def _column(column: tuple[str, ...], min_count: int) -> tuple[Any, list[str]]:
    """Features of a column, and the values that they stand for; "" for the column itself."""
    try:
        numbers = np.array([[float(text or 0)] for text in column], np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError
        return sparse.csr_matrix(numbers), [""]
    except ValueError:
        pass
    values = [{part.strip() for part in text.split("|")} - {""} for text in column]
    counts = Counter(value for of in values for value in of)
    known = sorted(value for value, n in counts.items() if n >= min_count)
    place = {value: k for k, value in enumerate(known)}
    at = [(row, place[value]) for row, of in enumerate(values) for value in of if value in place]
    rows, columns = zip(*at, strict=True) if at else ((), ())
    ones = np.ones(len(at), np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), (len(column), len(known))), known


def _rows(path: Any) -> Iterator[tuple[int, list[str]]]:
    """Numbers of lines, and their fields."""
    separator = ""
    for number, text in text_lines(path, FileError):
        if not separator:
            separator = next((s for s in _SEPARATORS if s in text), ",")
        if len(separator) > 1:
            fields = text.split(separator)
        else:
            fields = next(csv.reader([text], delimiter=separator))
        yield number, [field.strip() for field in fields]
