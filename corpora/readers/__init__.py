"""Readers: one module per text format, and the registry that guesses the format of files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

from corpora.files import is_uri
from corpora.readers.base import (
    Document,
    Reader,
    TaggedDocument,
    Text,
    TextFile,
    byte_order_mark,
    newline_safe,
    text_lines,
)
from corpora.readers.conll import BREAK, Conll, ConllU, with_breaks
from corpora.readers.jsonl import JsonLines
from corpora.readers.lm1b import BillionWords
from corpora.readers.parquet import Parquet
from corpora.readers.reuters import Reuters
from corpora.readers.stream import (
    MAX_RATIO,
    ByteStream,
    DamagedFileError,
    archive_members,
    is_archive,
    plain_suffix,
)
from corpora.readers.text8 import Text8
from corpora.readers.wikiextractor import WikiExtractor

__all__ = [
    "BREAK",
    "READERS",
    "Document",
    "Reader",
    "TaggedDocument",
    "TextFile",
    "choose_readers",
    "format_by_suffix",
    "register_reader",
    "text_lines",
    "with_breaks",
]

# In reverse order these are the candidates when a format is guessed; text is the fallback.
READERS: dict[str, type[Reader]] = {
    cls.name: cls
    for cls in (
        Text, Text8, BillionWords, Conll, ConllU, WikiExtractor, Reuters, JsonLines, Parquet,
    )
}  # fmt: skip

R = TypeVar("R", bound=type[Reader])

# Bytes read to guess a format: enough for most first lines, or for longer ones.
_LINE_BYTES, _HEAD_BYTES = 1 << 14, 1 << 20


def register_reader(cls: R) -> R:
    """Register a format; can be used as a decorator.

    Parameters
    ----------
    cls : type
        A subclass of :class:`Reader` that is a dataclass; its fields are the options of the
        format. It replaces a registered format of the same name.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    TypeError
        If `cls` is not such a class, or has no ``name``.
    """
    if not (isinstance(cls, type) and issubclass(cls, Reader) and is_dataclass(cls)):
        raise TypeError(f"a reader must be a dataclass that extends corpora.Reader, got {cls!r}")
    if not isinstance(getattr(cls, "name", None), str):
        raise TypeError(f"{cls.__name__} must have an attribute name, the name of its format")
    READERS[cls.name] = cls
    return cls


def make_reader(cls: type[Reader], options: dict[str, object]) -> Reader:
    """Create a reader with options.

    Raises
    ------
    TypeError
        If the format does not have an option; the message lists its options.
    """
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    options = {cls.aliases.get(name, name): value for name, value in options.items()}
    for option in options:
        if option not in names:
            valid = f"its options are: {', '.join(names)}" if names else "it has no options"
            raise TypeError(f"the format {cls.name!r} has no option {option!r}; {valid}")
    return cls(**options)


def find_reader(name: str) -> type[Reader]:
    """Look up a format by name.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists all names.
    """
    if name not in READERS:
        valid = ", ".join(["auto", *sorted(READERS)])
        raise ValueError(f"unknown format {name!r}; the formats are: {valid}")
    return READERS[name]


def guess_reader(
    paths: Sequence[str], encoding: str | None = None, max_ratio: float | None = MAX_RATIO
) -> type[Reader] | None:
    """Guess the format of a file, or of a folder of files as a whole.

    Parameters
    ----------
    paths : sequence of str
        The file, or all files of the folder.
    encoding : str, optional
        The encoding, if it is known.
    max_ratio : float or None
        As for :func:`corpora.open`.

    Returns
    -------
    type or None
        The format according to path, suffix, or the beginning of the file, in this order.
        None for a folder without a common format, whose files have to be examined one by one.
    """
    candidates = list(reversed(READERS.values()))
    for cls in candidates:
        if cls.sniff_paths(paths):
            return cls
    if len(paths) != 1:
        return None
    path = paths[0]
    if not (is_uri(path) or os.path.isfile(path)):
        return Text  # a pipe can't be read in advance
    head = None
    if is_archive(path):
        path, head = _first_member(path, max_ratio)
    if (named := format_by_suffix(path)) is not None:
        return named
    if head is None:
        with ByteStream(path, max_ratio=max_ratio) as stream:
            head = _head(stream)
    mark, encodings = byte_order_mark(head)
    encoding = encoding or (encodings[0] if encodings else "utf-8")
    if newline_safe(encoding):
        head = head.removeprefix(mark)
    else:  # a format is recognized by its characters in UTF-8
        head = head.decode(encoding, "ignore").removeprefix("\ufeff").encode()
    return next((cls for cls in candidates if cls.sniff(head)), Text)


def format_by_suffix(path: str) -> type[Reader] | None:
    """Return the format that has the suffix of a path; None if no format has it."""
    suffix = plain_suffix(path)
    return next((cls for cls in reversed(READERS.values()) if suffix in cls.suffixes), None)


def _first_member(path: str, max_ratio: float | None) -> tuple[str, bytes]:
    """Return name and beginning of the first readable file, whose format all files must have."""
    damaged = None
    for name, file in archive_members(path, max_ratio=max_ratio):
        inner = f"{path}/{name}"
        try:
            with ByteStream(inner, file=file, max_ratio=max_ratio) as stream:
                return inner, _head(stream)
        except DamagedFileError as error:
            damaged = damaged or error
    if damaged is not None:
        raise damaged
    return path, b""


def _head(stream: ByteStream) -> bytes:
    head = stream.read(_LINE_BYTES)
    if b"\n" not in head:
        head += stream.read(_HEAD_BYTES - _LINE_BYTES)
    return head


def choose_readers(
    paths: list[str],
    format: str,
    options: dict[str, object],
    *,
    is_folder: bool,
    encoding: str | None = None,
    max_ratio: float | None = MAX_RATIO,
) -> dict[str, Reader]:
    """Choose the files to read, and a reader for each.

    Parameters
    ----------
    paths : list of str
    format : str
    options : dict
        Options of the format.
    is_folder : bool
        Whether files that the format does not accept are left out.
    encoding, max_ratio
        As for :func:`corpora.open`.

    Raises
    ------
    ValueError, TypeError
        If the format or one of its options is unknown.
    FileNotFoundError
        If the format reads none of the files.
    """
    cls = guess_reader(paths, encoding, max_ratio) if format == "auto" else find_reader(format)
    if cls is None:
        # For a single file the guess is never None.
        guesses = {path: guess_reader([path], encoding, max_ratio) or Text for path in paths}
        return {path: make_reader(guess, options) for path, guess in guesses.items()}
    reader = make_reader(cls, options)
    if not is_folder:
        return {paths[0]: reader}
    accepted = [path for path in paths if reader.accepts(path)]
    if not accepted and reader.suffixes:
        accepted = paths  # the user asked for this format, whatever the suffixes
    if not accepted:
        raise FileNotFoundError(
            f"none of the {len(paths)} files can be read by {reader!r}; check the path and the "
            "format"
        )
    return dict.fromkeys(accepted, reader)
