"""Documents in memory: lists and iterators of documents, and columns of tables."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from corpora.checks import (
    ParameterError,
    advice,
    are_tokens,
    check_token,
    closest,
    row_columns,
    shown,
    table_columns,
    token_error,
    token_list,
)
from corpora.errors import NotReiterableError, warn
from corpora.readers import Document, TaggedDocument
from corpora.readers.base import Meter

__all__ = ["READ_ONCE_ADVICE", "MemorySource", "documents_in"]

READ_ONCE_ADVICE = (
    "pass a list, an object whose __iter__ starts a new pass, or a file; or write the data to a "
    "file first and open that"
)

_PATH_LENGTH = 1000
_TOKENS_CHECKED, _BLANKS_OF_TEXT = 100, 4  # tokens of the first document, and blanks in one token
_PATHS_CHECKED = 10  # documents at the beginning of a list that are compared with paths
_FILE_NAME = re.compile(
    r"\S+\.(?:txt|text|csv|tsv|jsonl?|ndjson|parquet|conllu?|iob2?|xml|html?|sgml?|cor|md|"
    r"gz|bz2|xz|zst|zip|tar|tgz|warc)",
    re.IGNORECASE,
)
_PATTERN = re.compile(r"[\w.~/\\:-]*[/\\][\w./\\*?-]*\*[\w./\\*?-]*")  # such as news/*, data/**/*


@dataclass
class MemorySource:
    """Documents from a Python iterable; see `documents_in`."""

    source: Iterable[object]
    field: str | int | None = None
    _n_passes: int = 0

    size = None
    splittable = False

    @property
    def reiterable(self) -> bool:
        """Whether it can be read more than once."""
        return not isinstance(self.source, Iterator)

    def claim(self) -> None:
        """Start a pass.

        Raises
        ------
        NotReiterableError
            If the source can be read only once and has been read.
        """
        if self._n_passes and not self.reiterable:
            kind = type(self.source).__name__
            raise NotReiterableError(f"a {kind} can be read only once; {READ_ONCE_ADVICE}")
        self._n_passes += 1

    def documents(self, meter: Meter) -> Iterator[Document]:  # noqa: ARG002
        """Yield the documents, after checking them.

        Raises
        ------
        TypeError
            If a document is neither a list of str nor a str; the message names its number.
        CorpusError
            If a text contains half of a surrogate pair.

        Warns
        -----
        UserWarning
            If the tokens of the first document look like texts.
        """
        documents: Iterable[Any] = self.source
        if self.field is not None:
            documents = _values(documents, self.field)
        for number, document in enumerate(documents):
            if type(document) is list:
                if not are_tokens(document):
                    raise token_error(document, f"document {number}")
                tokens: Document = document
            else:
                tokens = self._converted(document, number)
            if number == 0 and self._n_passes == 1 and not isinstance(tokens, str):
                _warn_of_texts(tokens)
            yield tokens

    def tagged(self, meter: Meter, *, word_first: bool) -> Iterator[TaggedDocument]:  # noqa: ARG002
        """Raise TypeError: documents in memory have no tags."""
        raise TypeError("documents in memory have no tags, only words")

    def _converted(self, document: Any, number: int) -> Document:
        """Check a document that is not a list, and convert it to a list or a str."""
        where = f"document {number}"
        if hasattr(document, "as_py"):  # a scalar of pyarrow
            document = document.as_py()
        if isinstance(document, str):
            if number == 0:
                self._require_no_path(document)
            return check_token(document, where)
        if self.field is None and (columns := row_columns(document)) is not None:
            raise TypeError(
                f"{where} is a row of a table (a {type(document).__name__}) "
                f"{_name_the_column('rows', columns, document)}"
            )
        if isinstance(document, os.PathLike):
            raise TypeError(
                f"{where} is a path, {os.fspath(document)!r}. To open files, pass a list that "
                "contains only path objects"
            )
        if isinstance(document, Iterator) and self._n_passes > 1:
            self._require_new(document, where)
        if isinstance(document, (bytes, bytearray)) or not isinstance(document, Iterable):
            raise TypeError(
                f"{where} must be a list of str, or a str to be tokenized, got "
                f"{shown(document)}{advice(document)}"
            )
        return token_list(document, where)

    def _require_new(self, document: Iterator[Any], where: str) -> None:
        """Raise NotReiterableError if a list holds the iterators that an earlier pass used up."""
        if isinstance(self.source, Sequence):
            raise NotReiterableError(
                f"{where} is a {type(document).__name__}, which can be read only once. Pass lists "
                "of tokens"
            )

    def _require_no_path(self, document: str) -> None:
        """Raise TypeError if the first documents are paths of files."""
        if isinstance(self.source, (list, tuple)):
            first = self.source[:_PATHS_CHECKED]
            paths = all(isinstance(text, str) and _looks_like_path(text) for text in first)
        else:
            paths = _is_existing_path(document)
        if paths and self.field is None:
            raise TypeError(
                f"document 0 looks like the path of a file, {shown(document)}, but strings in a "
                f"{type(self.source).__name__} are texts. To open files, pass path objects: "
                "[pathlib.Path(p) for p in paths]. If it is a text, split it into tokens first"
            )


def documents_in(source: Any, field: str | int | None) -> MemorySource:
    """Find the documents in a Python object.

    Parameters
    ----------
    source : iterable or table
        Documents, rows of a table, or a table: a frame of pandas or polars, a table of pyarrow, a
        data set of Hugging Face, a structured array of NumPy, or a dict of columns.
    field : str or int, optional
        The column with the documents; required for rows and tables.

    Raises
    ------
    TypeError
        If `source` is a table and `field` is None, or `source` is not iterable.
    ValueError
        If the table has no such column.
    """
    columns = table_columns(source)
    if columns is not None:
        return _documents_of_table(source, columns, field)
    if not isinstance(source, Iterable) or isinstance(source, (str, bytes, bytearray, memoryview)):
        hint = ". Call its method collect first" if hasattr(source, "collect") else ""
        raise TypeError(
            f"source must be a path or an iterable of documents, got {type(source).__name__}{hint}"
        )
    if (ndim := getattr(source, "ndim", 1)) != 1:
        raise TypeError(
            f"source must have one dimension, got a {type(source).__name__} with {ndim}. Pass one "
            "column, or a list of lists of str, for example array.tolist()"
        )
    if isinstance(source, ItemsView):
        raise TypeError("source yields keys and values. Pass the values, for example dict.values()")
    if field is None and hasattr(source, "description") and hasattr(source, "fetchone"):
        raise TypeError(
            "source is a cursor of a database, whose rows are tuples of columns. Pass one column: "
            "[row[0] for row in cursor]"
        )
    if _is_one_document(source):
        raise TypeError(
            f"source is one document, a {type(source).__name__} of spaCy. Pass a list of documents"
        )
    return MemorySource(source, field)


def _documents_of_table(source: Any, columns: list[Any], field: str | int | None) -> MemorySource:
    kind = type(source).__name__
    parts = _tables_in(source)
    if parts and (field is None or field not in parts):
        raise TypeError(
            f"source is a {kind} of tables, {_listed(parts)}. Pass one of them, with the "
            f'column of the documents: corpora.open(tables[{parts[0]!r}], field="text")'
        )
    if field is None and isinstance(source, Mapping) and _are_texts(source.values()):
        raise TypeError(
            f"source is a {kind} of texts. Pass its values: corpora.open(list(texts.values()))"
        )
    if field is None:
        raise TypeError(
            f"source is a table (a {kind}) {_name_the_column('table', columns, source)}"
        )
    if field not in columns:
        raise _no_column(f"the {kind}", field, columns)
    if columns.count(field) > 1:
        raise ParameterError(f"the {kind} has {columns.count(field)} columns {field!r}")
    if hasattr(source, "select_columns"):  # a data set, which is read row by row
        return MemorySource(source.select_columns([field]), field)
    column = source[field]
    if isinstance(column, (str, bytes)) or not isinstance(column, Iterable):
        raise TypeError(
            f"the column {field!r} of the {kind} must hold documents, got {shown(column)}"
        )
    return documents_in(column, None)


def _tables_in(source: Any) -> list[Any]:
    """Names of the parts of a dict of tables, such as the splits of a data set."""
    if not isinstance(source, Mapping) or not source:
        return []
    tables = (
        getattr(value, "column_names", None) is not None or table_columns(value) is not None
        for value in source.values()
    )
    return list(source) if all(tables) else []


def _are_texts(values: Iterable[Any]) -> bool:
    found = list(values)
    return bool(found) and all(isinstance(value, str) for value in found)


def _values(rows: Iterable[Any], field: str | int) -> Iterator[Any]:
    """Yield one field of each row."""
    for number, row in enumerate(rows):
        columns = row_columns(row)
        if columns is None:
            raise ParameterError(
                f"field={field!r} needs rows with names, such as dicts, but document {number} is "
                f"{shown(row)}. Leave field out if these are the documents"
            )
        if field not in columns:
            raise _no_column(f"row {number}", field, columns)
        get = getattr if isinstance(row, tuple) else operator.getitem
        yield get(row, field)  # type: ignore[arg-type]


def _warn_of_texts(tokens: list[str]) -> None:
    """Warn if tokens look like texts: sentences of a document, or the columns of a row."""
    long = next((t for t in tokens[:_TOKENS_CHECKED] if t.count(" ") >= _BLANKS_OF_TEXT), None)
    if long is None and tokens and all(" " in token for token in tokens[:_TOKENS_CHECKED]):
        long = tokens[0]
    if long is not None:
        warn(
            f"document 0 is a list of tokens, but {shown(long)} contains "
            "blanks. If it is a text, split it into tokens, or pass a list of texts"
        )


def _name_the_column(name: str, columns: list[Any], row: Any) -> str:
    """The second half of the error for a table without a named column."""
    texts = (c for c in columns if isinstance(row, Mapping) and isinstance(row[c], str))
    example = "text" if "text" in columns else next(texts, "text")
    return (
        f"with the columns {_listed(columns)}. Name the column of the documents: "
        f'corpora.open({name}, field="{example}")'
    )


def _no_column(where: str, field: Any, columns: list[Any]) -> ParameterError:
    matches = closest(str(field), map(str, columns), 1)
    hint = f"; did you mean {matches[0]!r}?" if matches else ""
    return ParameterError(f"{where} has no column {field!r}, only {_listed(columns)}{hint}")


def _listed(columns: list[Any]) -> str:
    shown_columns = ", ".join(map(repr, islice(columns, 10)))
    return shown_columns + (", ..." if len(columns) > 10 else "") or "(none)"


def _is_one_document(source: object) -> bool:
    return type(source).__module__.startswith("spacy.tokens")


def _looks_like_path(text: str) -> bool:
    return (
        _FILE_NAME.fullmatch(text) is not None
        or _PATTERN.fullmatch(text) is not None
        or _is_existing_path(text)
    )


def _is_existing_path(text: str) -> bool:
    """Whether a text is the path of a file or folder; plain words do not count."""
    if len(text) > _PATH_LENGTH or not ("." in text or os.sep in text):
        return False
    return any(map(str.isalnum, text)) and os.path.exists(text)
