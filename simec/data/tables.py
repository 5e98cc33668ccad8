"""Delimited tables in text files: ratings, triples and features.

Separator, quotes and header are guessed from the beginning of a file, unless they are passed. The
file is then read by Python's ``csv`` in strict mode: a row that does not fit is an error.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from corpora.checks import ParameterError, check_flag
from corpora.errors import CorpusError, warn
from corpora.readers import TextFile
from corpora.readers.base import normal_encoding
from corpora.readers.stream import MAX_RATIO
from simec.data.columns import (
    RATINGS,
    TRIPLES,
    Layout,
    choose_columns,
    is_word_for_relation,
    recognized,
)

__all__ = ["Table", "TableFormat", "is_number", "number"]

logger = logging.getLogger(__name__)

Fail = Callable[[str], Exception]

_SAMPLE_LINES, _SAMPLE_SIZE = 1000, 1 << 18  # lines and characters examined to guess the format
# in order of preference, if a file can be split at several of them
_SEPARATORS = ("\t", "::", ";", ",", "|")
_NAMES = {
    "\t": "tabs", "::": "'::'", ";": "semicolons", ",": "commas", "|": "bars", " ": "white space",
}  # fmt: skip
# the semicolon of &amp; or &#39; is not a separator
_ENTITY = re.compile(r"&(#\d{1,6}|#x[0-9a-f]{1,5}|[a-z]\w{1,24});", re.I)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# how programs write a missing value
_MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "\\n", "-", "?", "."))
_COMMENT = re.compile(r"(#|%|//|--|;)\s")


@dataclass(frozen=True)
class TableFormat:
    """Format of a table in a file, and the columns that were read.

    Attributes
    ----------
    path : str
    separator : str
        Text between two fields; " " stands for any white space.
    quoting : bool
        Whether fields may be in double quotes; otherwise quotes are part of the text.
    header : tuple of str or None
        Names of the columns; None if the first line is a row.
    columns : dict of str to int
        Positions of the columns that were read, such as ``{"user": 0, "item": 1}``.
    width : int
        Number of columns.
    encoding : str
    n_rows, n_blank : int
        Numbers of rows that were read and of blank lines that were skipped.
    """

    path: str
    separator: str
    quoting: bool
    header: tuple[str, ...] | None
    columns: dict[str, int]
    width: int
    encoding: str = "utf-8"
    n_rows: int = 0
    n_blank: int = 0

    def __str__(self) -> str:
        separator = _NAMES.get(self.separator, repr(self.separator))
        parts = [f"{self.n_rows:,} row{'s' * (self.n_rows != 1)} separated by {separator}"]
        if not self.quoting and len(self.separator) == 1 and self.separator != " ":
            parts.append("quotes are text")
        parts.append("no header" if self.header is None else "the first line is a header")
        for column, k in self.columns.items():
            name = "" if self.header is None else f" ({self.header[k]})"
            parts.append(f"{column}: column {k + 1}{name}")
        others = self.width - len(self.columns)
        if others and len(self.columns) > 1:  # all columns of features are used
            parts.append(f"{others} other column{'s' * (others != 1)} not used")
        if self.n_blank:
            parts.append(f"{self.n_blank:,} blank line{'s' * (self.n_blank != 1)} skipped")
        if self.encoding.lower() not in ("utf-8", "utf8"):
            parts.append(self.encoding)
        return f"{self.path}: {', '.join(parts)}"


class Table:
    """A table in a text file.

    Iterating yields the number of the line in which a row begins, counted from 1, and its fields,
    without white space at both ends. All rows have as many fields as the header or, without one,
    as most rows.

    Parameters
    ----------
    path : str or path
        Local path or URI; decompressed according to its suffix.
    layout : Layout
        The columns that the table must or may have.
    separator : str, optional
        Text between two fields; " " stands for any white space. By default tabs, ``::``,
        semicolons, commas or bars, whichever splits the first lines into the same number of fields;
        white space if the file has none of them, and it splits all of them into fields that fit.
    header : bool, optional
        Whether the first line has the names of the columns. By default it does if it has names
        that are usual for this kind of table, or texts above columns of numbers.
    columns : sequence of str or int, optional
        The columns to read, by name or position (from 0), in the order of the layout.
    quoting : bool, optional
        Whether fields may be in double quotes, as in CSV files. By default they may, except in
        files separated by tabs whose quotes do not enclose whole fields.
    encoding : str
    max_ratio : float or None
        As for :func:`corpora.open`.
    error : callable
        Exception to raise if the contents are invalid; called with the message.

    Attributes
    ----------
    format : TableFormat
        `n_rows` and `n_blank` are complete when all rows were read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ParameterError
        If an argument is invalid.
    Exception
        As given by `error`: with file and line, if a row has another number of fields than the
        others, a quote is not closed, or the text cannot be decoded.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        layout: Layout,
        *,
        separator: str | None = None,
        header: bool | None = None,
        columns: Sequence[Any] | None = None,
        quoting: bool | None = None,
        encoding: str = "utf-8",
        max_ratio: float | None = MAX_RATIO,
        error: Fail = ValueError,
    ) -> None:
        self._path, self._layout, self._fail = os.fspath(path), layout, error
        self._strict_quotes = quoting is not None
        check_separator(separator)
        if header is not None:
            header = check_flag("header", header)
        if quoting is not None:
            quoting = check_flag("quoting", quoting)
        if quoting and separator is not None and (len(separator) > 1 or separator == " "):
            raise ParameterError(f"quoting=True needs a separator of one character: {separator!r}")
        check_encoding(encoding)
        # iterators in C: of text, its lines and their fields
        lines = chain.from_iterable(self._blocks(encoding, max_ratio))
        sample = _first_lines(lines)
        if not any(map(str.strip, sample)):
            raise error(f"{self._path} has no {layout.what}: it is empty")
        # a sample that reached the end of the file is complete
        more = next(lines, None)
        guess = _guess(sample, layout, separator, quoting, complete=more is None)
        if isinstance(guess, str):
            raise error(f"{self._path}: {guess}")
        separator, quotes = guess
        self._text = chain(sample, () if more is None else (more,), lines)
        self.format = TableFormat(self._path, separator, quotes, None, {}, 0, encoding)
        self._find_columns(sample, header, columns)

    def _find_columns(
        self, sample: list[str], header: bool | None, columns: Sequence[Any] | None
    ) -> None:
        """Find the header, the number of columns and the columns to read from the first lines."""
        layout, error = self._layout, self._fail
        # before the header is known, rows of any width are read
        rows = [row for row in self._records(iter(sample), cut=True) if not _is_blank(row[1])]
        if not rows:  # the first row is invalid: reading it raises the error
            for line, row in self._records(self._text):
                if not _is_blank(row):
                    raise self.error(line, f": a field goes on for over {_SAMPLE_LINES:,} lines")
            raise error(f"{self._path} has no {layout.what}")
        fields = [row for _, row in rows]
        is_guess = header is None
        if header is None:
            self._check_comment(*rows[0], fields[1:])
            header = self._has_header(fields)
        if header:
            width = len(fields[0])
        elif layout is TRIPLES and columns is None:
            width = 3  # a fourth field without a name is an error
        else:
            width = _mode([len(row) for row in fields])
        self.format = replace(self.format, header=tuple(fields[0]) if header else None, width=width)
        self._n_header = 1 if header else 0
        names = fields[0] if header else range(width)
        place = f"{self._path}, line {rows[0][0]}" if header else self._path
        hint = "; if the line is not a header, pass header=False" if is_guess and header else ""
        chosen = choose_columns(
            layout, names, columns, error=lambda message: error(f"{place}: {message}{hint}")
        )
        self.format = replace(self.format, columns=chosen)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        width, n_rows, n_blank, skip = self.format.width, 0, 0, self._n_header
        for line, fields in self._records(self._text):
            if len(fields) != width:
                if _is_blank(fields):
                    n_blank += 1
                    continue
                if not skip:
                    raise self._wrong_width(line, fields)
            if skip:
                skip = 0
                continue
            n_rows += 1
            yield line, fields
        self.format = replace(self.format, n_rows=n_rows, n_blank=n_blank)
        logger.info("%s", self.format)

    def error(self, line: int, message: str) -> Exception:
        """Create an error that names the file and a line."""
        return self._fail(f"{self._path}, line {line}{message}")

    def _wrong_width(self, line: int, fields: list[str]) -> Exception:
        width, header = self.format.width, self.format.header
        if header is not None:
            expected = f"the header has {width}"
        elif self._layout is TRIPLES and width == 3:
            expected = "expected head, relation and tail"
        else:
            expected = f"other lines have {width}"
        by = _NAMES.get(self.format.separator, repr(self.format.separator))
        text = self.format.separator.join(fields)[:80]
        n = f"{len(fields)} field{'s' if len(fields) > 1 else ''}"
        return self.error(line, f" has {n}; {expected}, separated by {by}: {text!r}")

    def _blocks(self, encoding: str, max_ratio: float | None) -> Iterator[io.StringIO]:
        """Yield blocks of lines, with line ends."""
        try:
            for block in TextFile(self._path, encoding, max_ratio=max_ratio).utf8_blocks():
                if b"\0" in block:
                    raise CorpusError(
                        "there are NUL characters. If the file is UTF-16, pass encoding='utf-16'",
                        path=self._path,
                    )
                yield io.StringIO(block.decode(), newline="\n")
        except (CorpusError, UnicodeError) as problem:
            cause = problem if isinstance(problem, UnicodeError) else problem.__cause__
            if isinstance(cause, UnicodeError):
                line_number = getattr(problem, "line", None)
                place = f"{self._path}, line {line_number}" if line_number else self._path
                reason = getattr(cause, "reason", cause)
                raise self._fail(
                    f"{place}: not valid {encoding.upper()} ({reason}); pass the encoding of the "
                    "file with encoding=, such as 'latin-1'"
                ) from None
            raise self._fail(str(problem)) from None

    def _records(
        self, lines: Iterator[str], *, cut: bool = False
    ) -> Iterator[tuple[int, list[str]]]:
        """Yield rows of any width; `cut` ends without an error where the text is invalid."""
        separator = self.format.separator
        if len(separator) > 1 or separator == " ":
            split = separator if separator != " " else None
            for line, text in enumerate(lines, 1):
                if "\r" in text and "\r" in text.rstrip("\r\n"):
                    if cut:
                        return
                    raise self._malformed(line, line, "new-line")
                yield line, [*map(str.strip, text.split(split))]
            return
        reader = csv.reader(
            lines, delimiter=separator, skipinitialspace=True, strict=True,
            quoting=csv.QUOTE_MINIMAL if self.format.quoting else csv.QUOTE_NONE,
        )  # fmt: skip
        start = 1
        try:
            for fields in reader:
                end = reader.line_num
                if end > start:
                    self._check_quotes(start, end, fields)
                yield start, [*map(str.strip, fields)]
                start = end + 1
        except csv.Error as problem:
            if not cut:
                raise self._malformed(start, reader.line_num, str(problem)) from None

    def _check_quotes(self, start: int, end: int, fields: list[str]) -> None:
        """Raise an error for a field over several lines if each line is a complete row."""
        separator = self.format.separator
        if self._strict_quotes or (separator != "\t" and len(fields) < 3):
            return
        text = separator.join(fields)
        if all(line.count(separator) == len(fields) - 1 for line in text.split("\n")):
            raise self.error(
                start,
                f": a quoted field would end in line {end}, and contain whole rows. If quotes are "
                "part of the text, pass quoting=False; if not, quoting=True",
            )

    def _malformed(self, start: int, end: int, problem: str) -> Exception:
        if "unexpected end of data" in problem:
            problem = 'a quoted field does not end. Close it, and write a quote in it as ""'
        elif "expected after" in problem:
            problem = 'a quoted field goes on after its end. Write a quote in a field as ""'
        elif "field larger" in problem:
            problem = "a field has more than 131,072 characters. Close its quote, if it has one"
        elif "new-line" in problem:
            problem = "a carriage return within a line. Convert the line ends of the file"
        if self.format.quoting and "quote" in problem:
            problem += ". If quotes are part of the text, pass quoting=False"
        where = f" (read up to line {end})" if end > start else ""
        return self.error(start, f": {problem}{where}")

    # The header

    def _check_comment(self, line: int, first: list[str], others: list[list[str]]) -> None:
        """Raise an error if the first line would be a row, but is probably a comment."""
        mark = _COMMENT.match(first[0])
        if mark is None or len(recognized(self._layout, first)) >= 2:
            return
        if not any(row[0].startswith(mark[1]) for row in others if row):
            text = self.format.separator.join(first)[:80]
            raise self.error(
                line,
                f" looks like a comment: {text!r}. Remove it; or pass header=True if it has the "
                "names of the columns, header=False if it is a row",
            )

    def _has_header(self, rows: list[list[str]]) -> bool:
        """Whether the first row has names of columns."""
        first, others = rows[0], rows[1:]
        names = recognized(self._layout, first)
        if self._layout is TRIPLES:
            return self._is_header_of_triples(first, others, names)
        if self._layout is RATINGS:
            return self._is_header_of_ratings(first, others, names)
        # Features have names. A first line of numbers has none.
        if names or not first[0]:
            return True
        same = [row for row in others if len(row) == len(first)]
        for k, text in enumerate(first):
            if is_number(text) or (k and any(row[k] == text for row in same)):
                raise self._fail(
                    f"{self._path}, line 1 must have the names of the columns, got {text!r}, which "
                    "looks like a value. If it is a name, pass header=True; if the columns have no "
                    "names, header=False"
                )
        return True

    def _is_header_of_triples(
        self, first: list[str], others: list[list[str]], names: dict[str, int]
    ) -> bool:
        # "relation" or "predicate" is enough: hardly any relation is called so.
        alone = [k for column, k in names.items() if column == "relation"]
        if len(names) < 2 and not any(is_word_for_relation(first[k]) for k in alone):
            return False
        # The name of a column does not occur in it again, and a relation usually does.
        again = any(
            len(row) > k and row[k].lower() == first[k].lower()
            for row in others
            for k in (names.values() if len(names) == 3 else range(len(first)))
        )
        if again and len(names) == 3:
            warn(
                f"{self._path}, line 1 is taken for a triple, since its texts occur again: "
                f"{first!r}. If it is a header, pass header=True"
            )
        elif again:
            logger.info("%s, line 1 is a triple: its texts occur again: %r", self._path, first)
        elif len(names) < 3:
            warn(
                f"{self._path}, line 1 is taken for a header: {first!r}. If it is a triple, pass "
                "header=False"
            )
        return not again

    def _is_header_of_ratings(
        self, first: list[str], others: list[list[str]], names: dict[str, int]
    ) -> bool:
        texts = [not is_number(text) for text in first]
        times = recognized(Layout("", RATINGS.optional, 1), first)
        if {"user", "item"} <= set(names) or (("rating" in names or times) and all(texts)):
            # a row can have the ids "user" and "item", but it also has a number
            return all(texts)
        if "" in first[:3]:
            return False
        # texts above columns of integers are names; a value that is missing is not
        k = _mode([len(row) for row in others]) if others else 0
        same = [row for row in others if len(row) == k == len(first)]
        if not same or not all(texts) or any(text.lower() in _MISSING for text in first):
            return False
        return any(all(row[c].isdecimal() for row in same) for c in range(min(2, len(first))))


def check_separator(separator: Any) -> None:
    """Raise ParameterError unless a separator is None or a text that can separate fields."""
    if separator is None:
        return
    if not isinstance(separator, str) or not separator or set(separator) & set('"\n\r'):
        raise ParameterError(f"separator must be a text such as ',' or '\\t', got {separator!r}")


def check_encoding(encoding: Any) -> None:
    """Raise ParameterError unless Python knows a text encoding of this name."""
    try:
        normal_encoding(encoding)
    except (LookupError, TypeError):
        raise ParameterError(
            f"encoding must be a text encoding that Python knows, such as 'utf-8' or 'latin-1', "
            f"got {encoding!r}"
        ) from None


def is_number(text: str) -> bool:
    """Whether a text is a number, such as 3, -0.5 or 1e6."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def number(text: str) -> float:
    """Convert a text to a float.

    Raises
    ------
    ValueError
        If it is not a number. Python's ``1_000`` is not one here.
    """
    if "_" in text:
        raise ValueError(text)
    return float(text)


def is_missing(text: str) -> bool:
    """Whether a text stands for a missing value, as programs write it: "", NA, NaN, null, ?."""
    return text.lower() in _MISSING


# Guessing separator and quotes


def _first_lines(lines: Iterator[str]) -> list[str]:
    sample: list[str] = []
    n_lines = size = 0
    for line in lines:
        sample.append(line)
        n_lines += not line.isspace()
        size += len(line)
        if n_lines and (n_lines == _SAMPLE_LINES or size > _SAMPLE_SIZE):
            break
    return sample


def _guess(
    sample: list[str],
    layout: Layout,
    separator: str | None,
    quoting: bool | None,
    *,
    complete: bool,
) -> tuple[str, bool] | str:
    """Guess separator and quoting; return a message if that is impossible."""
    if separator is not None:
        found = _split(sample, separator, quoting, complete)
        return found if isinstance(found, str) else (separator, found[0])
    ranked: list[tuple[tuple[float, ...], str, bool]] = []
    for candidate in _SEPARATORS:
        if quoting and len(candidate) > 1:
            continue
        found = _split(sample, candidate, quoting, complete)
        if isinstance(found, str):
            return found
        quotes, rows = found
        widths = [len(row) for row in rows]
        width = _mode([w for w in widths if w > 1])
        if width < 2:
            continue
        rank = (
            # the best evidence is names of columns, then values of the right kind
            *_evidence(layout, rows, width),
            # text often has commas, but rarely tabs; bars often separate values within a column
            {"\t": 1, "|": -1}.get(candidate, 0),
            widths.count(width) / len(widths),
            width,
        )
        ranked.append((rank, candidate, quotes))
    if not ranked and not quoting and _fits_white_space(sample, layout):
        return " ", False
    if not ranked:
        return (
            "line 1 has no separator (tabs, '::', semicolons, commas or bars): "
            f"{sample[0].strip()[:80]!r}. Pass separator="
        )
    ranked.sort(reverse=True)
    best, chosen, quotes = ranked[0]
    # if the values are valid for several separators, the number of fields must not decide
    n_decisive = 5 if layout is RATINGS and best[2] else 6
    equal = [rank[1] for rank in ranked if rank[0][:n_decisive] == best[:n_decisive]]
    if len(equal) > 1:
        options = " and ".join(_NAMES[candidate] for candidate in equal)
        return f"the lines can be split at {options}: pass separator="
    return chosen, quotes


def _fits_white_space(sample: list[str], layout: Layout) -> bool:
    """Whether white space splits all lines into the same number of fields, which fit a layout."""
    rows = [line.split() for line in sample if line.strip()]
    width = len(rows[0])
    if {len(row) for row in rows} != {width} or any('"' in line or "\r" in line for line in sample):
        return False
    if layout is TRIPLES:
        return width == 3
    named = len(recognized(layout, rows[0])) >= min(layout.n_required, 2)
    if layout is not RATINGS:
        return named and width > 1
    if named and width <= 4:
        return True
    # numbers of a list, such as of neighbours, are not ratings
    values = range(2) if width == 2 else (2,)
    return 2 <= width <= 4 and all(is_number(row[k]) for row in rows for k in values)


def _evidence(layout: Layout, rows: list[list[str]], width: int) -> tuple[float, ...]:
    """Rate how well rows fit a layout: by names of columns, number of columns, and values."""
    names = recognized(layout, [text.strip() for text in rows[0]])
    named = len(names) >= min(layout.n_required, 2)
    if layout is TRIPLES:
        shares = [len(row) == 3 for row in rows] if not named else [True]
    elif layout is RATINGS:
        at = names.get("rating", 2) if named else 2
        # the first row may have names
        values = [row[at].strip() if len(row) > at else "" for row in rows[1:] or rows]
        shares = [is_number(text) for text in values]
    else:
        shares = [True]
    fits = width >= max(layout.n_required, 2)
    return float(named), float(fits), round(sum(shares) / len(shares), 1)


def _split(
    sample: list[str], separator: str, quoting: bool | None, complete: bool
) -> tuple[bool, list[list[str]]] | str:
    """Whether fields are in quotes, and the rows of a sample; or a message."""
    if separator == " ":
        return False, [line.split() for line in sample if line.strip()]
    if separator == ";":
        sample = [_ENTITY.sub(lambda entity: entity[0][:-1], line) for line in sample]
    plain = [line.rstrip("\r\n").split(separator) for line in sample if line.strip()]
    if len(separator) > 1 or quoting is False:
        return False, plain
    if not any('"' in line for line in sample):
        # if the sample has no quotes, later ones in a file with tabs are text
        return bool(quoting) or separator != "\t", plain
    try:
        quoted: list[list[str]] | None = _quoted_rows(sample, separator, complete)
    except csv.Error:
        quoted = None
    if separator != "\t" or quoting:
        return True, quoted or plain
    opened = [text for row in plain for text in map(str.strip, row) if text.startswith('"')]
    enclosed = all(map(_QUOTED.fullmatch, opened))
    same_plain = len({len(row) for row in plain}) == 1
    if quoted is None or len({len(row) for row in quoted}) > 1:
        return bool(opened) and enclosed and same_plain, plain
    if same_plain and not enclosed and [*map(len, quoted)] != [*map(len, plain)]:
        return (
            "quotes can enclose tabs and line ends, or be part of the text. Pass quoting=True or "
            "quoting=False"
        )
    # if the rows are complete without parsing quotes, quotes count only if they enclose fields
    return (bool(opened) and enclosed, plain) if same_plain else (True, quoted)


def _quoted_rows(sample: Iterable[str], separator: str, complete: bool) -> list[list[str]]:
    reader = csv.reader(sample, delimiter=separator, skipinitialspace=True, strict=True)
    rows = []
    try:
        for fields in reader:
            if not _is_blank(fields):
                rows.append(fields)
    except csv.Error as problem:
        if complete or "unexpected end of data" not in str(problem):
            raise
    return rows


def _is_blank(fields: list[str]) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _mode(widths: list[int]) -> int:
    """The most frequent width; the first of several."""
    return Counter(widths).most_common(1)[0][0] if widths else 0
