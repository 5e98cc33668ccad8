"""The formats that corpora are read from, one module each."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

from corpora.files import is_uri
from corpora.readers.base import Document, Meter, Reader, TaggedDocument, TextFile, text_lines
from corpora.readers.conll import BREAK, Conll, with_breaks
from corpora.readers.jsonl import JsonLines
from corpora.readers.lm1b import BillionWords
from corpora.readers.parquet import Parquet
from corpora.readers.reuters import Reuters
from corpora.readers.sources import archive_members
from corpora.readers.stream import ByteStream, is_archive, plain_suffix
from corpora.readers.text import Text
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
    "register_reader",
    "text_lines",
    "with_breaks",
]

# The last one is asked first whether a file is its own; text takes the rest.
READERS: dict[str, type[Reader]] = {
    cls.name: cls
    for cls in (Text, Text8, BillionWords, Conll, WikiExtractor, Reuters, JsonLines, Parquet)
}

R = TypeVar("R", bound=type[Reader])

# How much is read to guess a format: enough for most first lines, and then a MiB.
_LINE, _HEAD = 1 << 14, 1 << 20


def register_reader(cls: R) -> R:
    """Add a format; for use as a decorator.

    Parameters
    ----------
    cls : type
        A subclass of :class:`Reader` that is a dataclass, its fields the
        options of the format. A format of the same name is replaced.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    TypeError
        If it is no such class.
    """
    if not (isinstance(cls, type) and issubclass(cls, Reader) and is_dataclass(cls)):
        raise TypeError(f"a reader is a dataclass that extends corpora.Reader, not {cls!r}")
    if not isinstance(getattr(cls, "name", None), str):
        raise TypeError(f"{cls.__name__} has no name to be asked for by")
    READERS[cls.name] = cls
    return cls


def make_reader(cls: type[Reader], options: dict[str, object]) -> Reader:
    """Build a reader with its options.

    Raises
    ------
    TypeError
        If it has no such option; the message lists those it has.
    """
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            has = f"its options are: {', '.join(known)}" if known else "it has none"
            raise TypeError(f"the format {cls.name!r} has no option {option!r}; {has}")
    return cls(**options)


def find_reader(name: str) -> type[Reader]:
    """Look up a format.

    Raises
    ------
    ValueError
        If it is unknown; the message lists those there are.
    """
    if name not in READERS:
        known = ", ".join(["auto", *sorted(READERS)])
        raise ValueError(f"unknown format {name!r}; the formats are: {known}")
    return READERS[name]


def guess_reader(paths: Sequence[str]) -> type[Reader] | None:
    """Guess the format of a file, or of a folder of files as a whole.

    Parameters
    ----------
    paths : sequence of str
        The file, or all files of the folder.

    Returns
    -------
    type or None
        The format, by name and suffix or else by how the file begins;
        None for a folder of which each file is to be looked at by itself.
    """
    candidates = list(reversed(READERS.values()))
    for cls in candidates:
        if cls.sniff_paths(paths):
            return cls
    if len(paths) != 1:
        return None
    path = paths[0]
    if not (is_uri(path) or os.path.isfile(path)):
        return Text  # from a pipe nothing can be read ahead
    file = None
    if is_archive(path):
        # The first member stands for all.
        members = archive_members(path, Meter())
        path, file = next(members, (path, io.BytesIO()))
    suffix = plain_suffix(path)
    for cls in candidates:
        if suffix in cls.suffixes:
            return cls
    with ByteStream(path, file=file) as stream:
        head = stream.read(_LINE)
        if b"\n" not in head:
            head += stream.read(_HEAD - _LINE)
    return next((cls for cls in candidates if cls.sniff(head)), Text)


def choose_readers(
    paths: list[str], format: str, options: dict[str, object], *, is_folder: bool
) -> dict[str, Reader]:
    """Choose the files to read, and the reader of each.

    Raises
    ------
    ValueError, TypeError
        If the format or one of its options is unknown.
    FileNotFoundError
        If none of the files is what the format reads.
    """
    cls = guess_reader(paths) if format == "auto" else find_reader(format)
    if cls is None:
        # Of one file there is always a guess.
        return {path: make_reader(guess_reader([path]) or Text, options) for path in paths}
    reader = make_reader(cls, options)
    if not is_folder:
        return {paths[0]: reader}
    chosen = [path for path in paths if reader.accepts(path)]
    if not chosen and reader.suffixes:
        chosen = paths  # the user knows better what they are than their names
    if not chosen:
        raise FileNotFoundError(f"none of the {len(paths)} files is what {reader!r} reads")
    return dict.fromkeys(chosen, reader)
