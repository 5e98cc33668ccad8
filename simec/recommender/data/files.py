"""Ratings and features in text files."""

from __future__ import annotations

import logging
import re
import warnings
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import sparse

from corpora.checks import check_choice, check_integer, shorten
from corpora.deprecated import renamed_parameters
from corpora.errors import cut_middle, warn
from corpora.readers.stream import MAX_RATIO
from simec.data.columns import RATINGS, described_by
from simec.data.tables import Table, is_missing, is_number, number
from simec.recommender.data.features import Features, check_distinct
from simec.recommender.data.ratings import (
    LARGEST,
    Duplicates,
    Ids,
    Ratings,
    collect_ratings,
    read_times,
    sorted_ids,
)

logger = logging.getLogger(__name__)

Missing = Literal["error", "mean"]

_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(?:[. ]?\d{3})*,\d+|[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_WITH_UNIT = re.compile(r"[$€£]\s?\d[\d.,]*|\d[\d.,]*\s?[%$€£]")


class FileError(ValueError):
    """The contents of a file are invalid; the message names the line."""

    def __init__(self, message: str) -> None:
        super().__init__(cut_middle(message))


def read_ratings(
    path: Any,
    *,
    duplicates: Duplicates = "last",
    separator: str | None = None,
    header: bool | None = None,
    columns: Sequence[Any] | None = None,
    quoting: bool | None = None,
    encoding: str = "utf-8",
    max_ratio: float | None = MAX_RATIO,
) -> Ratings:
    """Read ratings from a text file: user, item and value in each line.

    Separator, header, columns and quotes are guessed from the first lines, unless they are passed.
    The guesses are logged, and are the attribute `format` of the result. Columns are found by names
    such as user, item, rating and timestamp, in any order; a header with unknown names is an error.
    Without a header, the first columns are those of users, items, values and times. Times that
    cannot be read are ignored, with a warning if their column has a name. Without a column of
    values, all are 1. Ids are integers if all of them are, and strings otherwise: "007" is a
    string. Files are decompressed according to their suffix.

    Parameters
    ----------
    path : str or path
    duplicates : {"last", "mean", "error"}
        As in `as_ratings`.
    separator : str, optional
        Text between two fields; " " stands for any white space. By default tabs, ``::`` (as in
        MovieLens' ratings.dat), semicolons, commas or bars, whichever splits the first lines
        into the same number of fields.
    header : bool, optional
        Whether the first line has the names of the columns. By default it does if they are names
        such as user, item and rating, or texts above ids that are integers.
    columns : sequence of two to four str or int, optional
        Names or positions (from 0) of the columns of users, items, values and times.
    quoting : bool, optional
        Whether fields may be in double quotes, as in CSV files. By default they may, except in
        files separated by tabs whose quotes do not enclose whole fields, and by ``::``.
    encoding : str
        Encoding of the file. A byte order mark is skipped.
    max_ratio : float or None
        Largest ratio of decompressed to compressed size, for content above 16 MiB. None for no
        limit.

    Returns
    -------
    Ratings

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileError
        If a line has more or fewer fields than the others, an empty id, or a value that is not a
        number from -1e15 to 1e15; if a quoted field does not end; if the file is damaged or in
        another encoding; or if its format cannot be guessed.
    """
    table = Table(
        path, RATINGS, separator=separator, header=header, columns=columns, quoting=quoting,
        encoding=encoding, max_ratio=max_ratio, error=FileError,
    )  # fmt: skip
    chosen = table.format.columns
    at_user, at_item = chosen["user"], chosen["item"]
    at_value, at_time = chosen.get("rating", -1), chosen.get("timestamp", -1)
    times: list[str] = []
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    rows, positions, values = array("q"), array("q"), array("d")
    for line, fields in table:
        user, item = fields[at_user], fields[at_item]
        if not user or not item:
            which = "item" if user else "user"
            raise table.error(line, f" must have a user, item and value, got no {which}: {fields}")
        if at_value >= 0:
            try:
                value = number(fields[at_value])
            except ValueError:
                raise table.error(line, _not_a_rating(fields[at_value], line, table)) from None
            if not -LARGEST <= value <= LARGEST:
                raise table.error(line, _too_large(fields[at_value], value))
            values.append(value)
        if at_time >= 0:
            times.append(fields[at_time])
        rows.append(users.setdefault(user, len(users)))
        positions.append(items.setdefault(item, len(items)))
    if not rows:
        raise FileError(f"{table.format.path} has no ratings")
    for kind, ids in (("user", users), ("item", items)):
        _check_missing(list(ids), kind, table)
    if "rating" in table.format.columns and table.format.header is None:
        _warn_of_times(values, table)
    ratings = collect_ratings(
        *sorted_ids(as_ids(list(users)), np.frombuffer(rows, np.int64), "user"),
        *sorted_ids(as_ids(list(items)), np.frombuffer(positions, np.int64), "item"),
        np.frombuffer(values, np.float64).astype(np.float32) if values
        else np.ones(len(rows), np.float32),
        duplicates,
        _read_times(times, table) if times else None,
    )  # fmt: skip
    ratings.format = table.format
    return ratings


def _read_times(texts: list[str], table: Table) -> Any:
    """Convert a column of times; None if it has others, which is no surprise without a name."""
    if table.format.header is not None:
        return read_times(texts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_times(texts)


def _check_missing(texts: list[str], kind: str, table: Table) -> None:
    """Raise FileError if an id among integers is missing: "NaN", "null" and the like."""
    missing = [text for text in texts if is_missing(text)]
    others = [text for text in texts if not is_missing(text)]
    if missing and others and all(map(str.isdecimal, others)):
        raise FileError(
            f"{table.format.path}: {kind} {shorten(missing[0])} is a missing id: all other ids "
            f"are integers. Leave out rows without a {kind}"
        )


def _warn_of_times(values: array[float], table: Table) -> None:
    """Warn if all ratings look like times from 1990 to 2050, in seconds or milliseconds."""
    numbers = np.frombuffer(values, np.float64)
    low, high = numbers.min(), numbers.max()
    seconds = low >= 6.3e8 and high <= 2.5e9
    if (seconds or (low >= 6.3e11 and high <= 2.5e12)) and not (numbers % 1).any():
        warn(
            f"{table.format.path}: the values in column {table.format.columns['rating'] + 1} look "
            "like times, not ratings. If they are, read the other two: columns=(0, 1), or "
            "--columns 1,2 on the command line"
        )


def _not_a_rating(text: str, line: int, table: Table) -> str:
    if not text:
        return ": the rating is missing. Leave out lines without a rating"
    message = f": a rating must be a number, got {shorten(text)}"
    if is_number(text.replace(",", ".", 1)):
        return f"{message}. Write it with a decimal point"
    if line == 1 and table.format.header is None:
        return f"{message}. If the line has the names of the columns, pass header=True"
    return message


def _too_large(text: str, value: float) -> str:
    if not np.isfinite(value):
        return f": a rating must be finite, got {shorten(text)}"
    return f": a rating must be from {-LARGEST:g} to {LARGEST:g}, got {shorten(text)}"


@renamed_parameters(what="kind")
def read_features(
    path: Any,
    kind: str,
    *,
    min_count: int = 2,
    missing: Missing = "error",
    id_column: str | int | None = None,
    separator: str | None = None,
    header: bool | None = None,
    quoting: bool | None = None,
    encoding: str = "utf-8",
    max_ratio: float | None = MAX_RATIO,
) -> Features:
    """Read features from a table with a header.

    The ids are in the column with a name such as ``item``, ``movieId`` or ``id``, or without a name
    as that of an index that pandas writes. A column of numbers is a feature. In other columns each
    value is a feature, or each part of it between bars, as in ``Action|Comedy``; an empty field has
    none of these features. Features are matched by name: a table of new items must have the columns
    of the training data; further ones are ignored.

    Parameters
    ----------
    path : str or path
        Its format is guessed as in `read_ratings`.
    kind : {"user", "item"}
        Kind of entities that the features describe.
    min_count : int
        Leave out values of columns that are not numeric if they occur less often.
    missing : {"error", "mean"}
        What to do if a field of a column of numbers is empty or NA, NaN or null: raise an error,
        or use the mean of the column.
    id_column : str or int, optional
        Name or position (from 0) of the column of ids, if it has another name.
    separator, header, quoting, encoding, max_ratio
        As in `read_ratings`. Without a header, columns are called column1, column2 and so on, and
        the first one has the ids.

    Returns
    -------
    Features
        The format of the file is its attribute `format`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileError
        If a line and the header have different numbers of fields, there is no column of ids or no
        feature, an id is missing or occurs twice, or a number is missing, infinite or beyond ±1e15.
    """
    check_choice("missing", missing, Missing)
    check_integer("min_count", min_count, 1)
    table = Table(
        path, described_by(kind), separator=separator, header=header,
        columns=None if id_column is None else (id_column,), quoting=quoting, encoding=encoding,
        max_ratio=max_ratio, error=FileError,
    )  # fmt: skip
    shown = table.format.path
    names = list(table.format.header or (f"column{k + 1}" for k in range(table.format.width)))
    if len(names) < 2:
        raise FileError(f"{shown} must have a header with an id and a feature, got {names}")
    at = next(iter(table.format.columns.values()))
    columns: list[list[str]] = [[] for _ in names]
    lines = array("q")
    for line, fields in table:
        if not fields[at]:
            raise table.error(line, f" has no id in column {at + 1} ({names[at]})")
        lines.append(line)
        for column, text in zip(columns, fields, strict=True):
            column.append(text)
    if not lines:
        raise FileError(f"{shown} has a header, but no rows")
    parts: list[Any] = []
    features: list[str] = []
    for k, column in enumerate(columns):
        if k == at:
            continue
        name = names[k] or f"column{k + 1}"
        matrix, found = _numbers(column, name, missing, lines, table), [name]
        if matrix is None:
            _check_texts(column, name, lines, table)
            matrix, values = _categories(column, min_count)
            found = [f"{name}={value}" for value in values]
            logger.info(
                "%s: %d values of %s are features, %d fields are empty", shown, len(values), name,
                column.count(""),
            )  # fmt: skip
        parts.append(matrix)
        features += found
    if not features:
        raise FileError(f"{shown} has no feature that occurs {min_count} times")
    try:
        ids = Ids(as_ids(columns[at]), kind)
        check_distinct(features, kind)
    except ValueError as error:
        raise FileError(f"{shown}: {error}") from error
    result = Features(ids, sparse.hstack(parts, "csr"), features)
    result.format = table.format
    return result


def as_ids(texts: list[str]) -> list[Any]:
    """Convert ids to integers if all of them look like integers; "007" does not."""
    for text in texts:
        digits = text[1:] if text[:1] == "-" else text
        plain = digits.isascii() and digits.isdecimal() and len(digits) <= 1000
        if not plain or (digits[0] == "0" and text != "0"):
            return texts
    return [int(text) for text in texts]


def _numbers(
    column: list[str], name: str, missing: Missing, lines: Sequence[int], table: Table
) -> Any:
    """Return a column of numbers as a CSR matrix of shape (n, 1); None if it has other texts."""
    values = np.zeros(len(column))
    gaps = []
    for row, text in enumerate(column):
        try:
            values[row] = number(text)
        except ValueError:
            if not is_missing(text):
                return None
            gaps.append(row)
            continue
        if np.isnan(values[row]):
            gaps.append(row)
    if len(gaps) == len(column):
        return None
    where = np.ones(len(column), bool)
    where[gaps] = False
    large = where & ~(np.abs(values) <= LARGEST)
    if large.any():
        row = int(large.argmax())
        raise table.error(
            lines[row],
            f": {name} must be from {-LARGEST:g} to {LARGEST:g}, got {shorten(column[row])}",
        )
    if gaps:
        if missing == "error":
            raise table.error(
                lines[gaps[0]],
                f": {name} is {shorten(column[gaps[0]])}, and missing in {len(gaps)} of "
                f"{len(column)} rows. Fill in a number, or pass missing='mean'",
            )
        values[gaps] = values[where].mean()
        logger.info("%s: %s is missing in %d rows", table.format.path, name, len(gaps))
    return sparse.csr_matrix(values.astype(np.float32)[:, None])


def _check_texts(column: list[str], name: str, lines: Sequence[int], table: Table) -> None:
    """Report a column of numbers in another notation, or with a few texts.

    Raises
    ------
    FileError
        If they have decimal commas, in a file separated by semicolons.
    """
    texts = [row for row, text in enumerate(column) if not is_missing(text)]
    others = [row for row in texts if not is_number(column[row])]
    if not others:  # no field has a value
        return
    row = others[0]
    where = f": {name} is {shorten(column[row])}"
    if all(_DECIMAL_COMMA.fullmatch(column[k]) for k in others):
        if table.format.separator == ";":
            raise table.error(lines[row], f"{where}. Write numbers with a decimal point")
        kind = "numbers have commas"
    elif len(texts) > 2 * len(others):
        kind = f"{len(texts) - len(others):,} of {len(texts):,} fields are numbers"
    elif all(_WITH_UNIT.fullmatch(column[k]) for k in others):
        kind = "numbers have units"
    else:
        return
    warn(
        f"{table.format.path}, line {lines[row]}{where}, and {kind}: each distinct value "
        "becomes a feature. Remove commas, units and texts to use the numbers"
    )


def _categories(column: list[str], min_count: int) -> tuple[Any, list[str]]:
    """Features of a column of texts, as a CSR matrix, and the value that each stands for."""
    values = [{part.strip() for part in text.split("|")} - {""} for text in column]
    counts = Counter(value for row in values for value in row)
    frequent = sorted(value for value, n in counts.items() if n >= min_count)
    index = {value: k for k, value in enumerate(frequent)}
    entries = [(i, index[value]) for i, row in enumerate(values) for value in row if value in index]
    rows, columns = zip(*entries, strict=True) if entries else ((), ())
    ones = np.ones(len(entries), np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), (len(column), len(frequent))), frequent
