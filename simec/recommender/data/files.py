"""Ratings and features in text files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from corpora.deprecated import renamed_parameters
from corpora.readers import text_lines
from simec.recommender.data.features import Features
from simec.recommender.data.ratings import Duplicates, Ids, Ratings, as_ratings

_SEPARATORS = "::", "\t", ";", ","


class FileError(ValueError):
    """The contents of a file are invalid; the message names the line."""


def read_ratings(path: Any, *, duplicates: Duplicates = "last") -> Ratings:
    """Read ratings from a text file: user, item and value in each line.

    Fields are separated by ``::`` (as in MovieLens' ratings.dat), tabs, semicolons or commas,
    whichever occurs in the first line. The first line may be a header; further fields are
    ignored. Without a third field, values are 1. Ids are integers if all of them are, and strings
    otherwise. Files are decompressed according to their suffix.

    Parameters
    ----------
    path : str or path
    duplicates : {"last", "mean", "error"}
        As in `as_ratings`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileError
        If a line has too few fields, an empty id or an invalid number, or is not UTF-8.
    """
    users: list[str] = []
    items: list[str] = []
    values: list[float] = []
    for number, fields in _rows(path):
        if len(fields) < 2 or not fields[0] or not fields[1]:
            raise FileError(f"{path}, line {number} must have a user, item and value, got {fields}")
        try:
            value = float(fields[2]) if len(fields) > 2 else 1.0
        except ValueError as error:
            if not users and number == 1:
                continue  # a header
            raise FileError(
                f"{path}, line {number}: a rating must be a number, got {fields[2]!r}"
            ) from error
        if not np.isfinite(value):
            raise FileError(f"{path}, line {number}: a rating must be finite, got {fields[2]}")
        users.append(fields[0])
        items.append(fields[1])
        values.append(value)
    if not users:
        raise FileError(f"{path} has no ratings")
    return as_ratings((as_ids(users), as_ids(items), np.array(values)), duplicates=duplicates)


@renamed_parameters(what="kind")
def read_features(path: Any, kind: str, *, min_count: int = 2) -> Features:
    """Read features from a table with a header and ids in the first column.

    A numeric column is a feature. In other columns each value is a feature, or each part of it
    between bars, as in ``Action|Comedy``. Features are matched by name: a table of new items may
    have other features, which are ignored.

    Parameters
    ----------
    path : str or path
        Fields are separated as in `read_ratings`.
    kind : {"user", "item"}
        Kind of entities that the features describe.
    min_count : int
        Leave out values of columns that are not numeric if they occur less often.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileError
        If a line and the header have different numbers of fields, or there is no feature.
    """
    rows = _rows(path)
    header = next(rows, (0, []))[1]
    if len(header) < 2:
        raise FileError(f"{path} must have a header with an id and a feature, got {header}")
    table = []
    for number, fields in rows:
        if len(fields) != len(header):
            raise FileError(
                f"{path}, line {number} has {len(fields)} fields, but the header has {len(header)}"
            )
        table.append(fields)
    columns = list(zip(*table, strict=True))
    if not columns:
        raise FileError(f"{path} has a header, but no rows")
    parts: list[Any] = []
    names: list[str] = []
    for name, column in zip(header[1:], columns[1:], strict=True):
        matrix, values = _column(column, min_count)
        parts.append(matrix)
        names += [f"{name}={value}" if value else name for value in values]
    if not names:
        raise FileError(f"{path} has no feature that occurs {min_count} times")
    try:
        ids = Ids(as_ids(list(columns[0])), kind)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error
    return Features(ids, sparse.hstack(parts, "csr"), names)


def as_ids(texts: list[str]) -> Any:
    """Convert ids to integers if all of them are, and to strings otherwise."""
    try:
        numbers = np.array([int(text) for text in texts], np.int64)
    except (ValueError, OverflowError):
        return np.array(texts, str)
    # "007" is not the number 7
    same = all(str(number) == text for number, text in zip(numbers, texts, strict=True))
    return numbers if same else np.array(texts, str)


def _column(column: tuple[str, ...], min_count: int) -> tuple[Any, list[str]]:
    """Features of a column, and the value that each stands for; "" if it is numeric."""
    try:
        numbers = np.array([[float(text or 0)] for text in column], np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError
        return sparse.csr_matrix(numbers), [""]
    except ValueError:
        pass
    values = [{part.strip() for part in text.split("|")} - {""} for text in column]
    counts = Counter(value for row in values for value in row)
    frequent = sorted(value for value, n in counts.items() if n >= min_count)
    index = {value: k for k, value in enumerate(frequent)}
    entries = [(i, index[value]) for i, row in enumerate(values) for value in row if value in index]
    rows, columns = zip(*entries, strict=True) if entries else ((), ())
    ones = np.ones(len(entries), np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), (len(column), len(frequent))), frequent


def _rows(path: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line."""
    separator = ""
    for number, text in text_lines(path, error=FileError):
        if not separator:
            separator = next((s for s in _SEPARATORS if s in text), ",")
        if len(separator) > 1:
            fields = text.split(separator)
        else:
            fields = next(csv.reader([text], delimiter=separator))
        yield number, [field.strip() for field in fields]
