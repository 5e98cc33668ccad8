"""Base class of readers, the default reader for plain text, and the text files they read."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, ClassVar, Literal, TypeVar

from corpora.errors import CorpusError
from corpora.readers.stream import ByteStream, compression, open_raw, plain_suffix

__all__ = [
    "Document",
    "Meter",
    "Reader",
    "TaggedDocument",
    "Text",
    "TextFile",
    "newline_safe",
    "text_lines",
]

# A reader yields raw text, which is then cleaned and tokenized, or a list of tokens.
Document = str | list[str]
# Sentences, each a list of rows: one row per token, with all columns of the file.
TaggedDocument = list[list[tuple[str, ...]]]

T = TypeVar("T")

_BLOCK = 1 << 19
_BOM = codecs.BOM_UTF8


class Meter:
    """Counts what one pass over a corpus has read so far.

    Attributes
    ----------
    position : int
        Bytes read, as stored on disk (before decompression).
    skipped : int
        Lines dropped because their bytes can't be decoded, and rows dropped because they are null.
    on_read : callable or None
        Called with each number of bytes read, e.g. to update a progress bar.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.position = 0
        self.on_read: Callable[[int], None] | None = None

    def read(self, size: int) -> None:
        """Record that `size` bytes were read."""
        self.position += size
        if self.on_read is not None:
            self.on_read(size)


def newline_safe(encoding: str) -> bool:
    r"""Whether in this encoding the byte ``\n`` marks every line end and occurs nowhere else."""
    return "\n".encode(encoding) == b"\n"


class TextFile:
    r"""A text file, or a byte range of one: decompressed and decoded, for a reader.

    Lines end with ``\n`` or ``\r\n`` only, not at the other characters at which
    :meth:`str.splitlines` splits.

    Parameters
    ----------
    path : str
        Local path, URI, or "-" for standard input; also named in errors.
    encoding, errors : str
        As for :func:`corpora.open`.
    start, stop : int, optional
        Read only lines whose first byte is in this range.
    meter : Meter, optional
        Counts bytes read and lines skipped.
    file : binary file, optional
        An open file to read in place of `path`, such as a member of an archive.
    """

    def __init__(
        self,
        path: str,
        encoding: str = "utf-8",
        errors: str = "strict",
        *,
        start: int = 0,
        stop: int | None = None,
        meter: Meter | None = None,
        file: IO[bytes] | None = None,
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.errors = errors
        self.start = start
        self.stop = stop
        self._meter = meter or Meter()
        self._uncounted = None if stop is None else stop - start
        self._file = file

    def lines(self) -> Iterator[str]:
        """Yield the lines, without line ends.

        Raises
        ------
        CorpusError
            If bytes can't be decoded, or a compressed file is damaged.
        """
        for _, lines in self._decoded():
            yield from lines

    def numbered_lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines with their numbers, as :meth:`error` takes them."""
        for number, lines in self._decoded():
            yield from enumerate(lines, number)

    def utf8_blocks(self) -> Iterator[bytes]:
        r"""Yield blocks of whole lines, with line ends, encoded as UTF-8.

        Raises
        ------
        CorpusError
            If bytes can't be decoded, or a compressed file is damaged.
        """
        for _, block in self._each(self._as_utf8):
            yield block

    def chunks(self, size: int | None = None) -> Iterator[str]:
        """Yield the text in chunks of about `size` bytes, cut between any two characters.

        For files whose lines may be too long to hold in memory.

        Raises
        ------
        CorpusError
            If bytes can't be decoded, or a compressed file is damaged.
        """
        decoder = codecs.getincrementaldecoder(self._line_encoding)(self.errors)
        line, offset = 1, 0
        for block in self._blocks(0, size or _BLOCK):
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
                raise self._undecodable(error, line, offset - pending + error.start) from error
            line += block.count(b"\n")
            offset += len(block)
            if text and offset == len(block):
                text = text.removeprefix("\ufeff")
            if text:
                yield text
        try:
            text = decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise self._undecodable(error, line, offset - len(error.object)) from error
        if text:
            yield text

    def binary(self) -> IO[bytes]:
        """Open the file as seekable bytes, for formats that are not text.

        Raises
        ------
        CorpusError
            If the file is not seekable: compressed, in an archive, or standard input.
        """
        if self._file is not None or self.path == "-" or compression(self.path):
            raise CorpusError(
                "this format can't be read from a compressed file, an archive or standard input; "
                "unpack it to a file first",
                path=self.path,
            )
        return open_raw(self.path)

    def skip(self) -> None:
        """Count a line or row that is left out, in :attr:`corpora.Corpus.skipped`."""
        self._meter.skipped += 1

    def error(self, message: str, line: int | None = None) -> CorpusError:
        """Create an error that names this file and a line, numbered as in `numbered_lines`."""
        if line is not None:
            line += self._lines_before()
        return CorpusError(message, path=self.path, line=line)

    def _decoded(self) -> Iterator[tuple[int, list[str]]]:
        """Yield lists of consecutive lines, each with the number of its first line."""
        encoding = self._line_encoding
        for number, text in self._each(lambda block, policy: block.decode(encoding, policy)):
            if "\r" in text:
                text = text.replace("\r\n", "\n")
            lines = text.split("\n")
            if not lines[-1]:
                lines.pop()
            yield number, lines

    def _as_utf8(self, block: bytes, policy: str) -> bytes:
        if codecs.lookup(self._line_encoding).name == "utf-8":
            if block.isascii():
                return block
            try:
                block.decode()
                return block
            except UnicodeDecodeError:
                if policy == "strict":
                    raise
        # Some error handlers represent undecodable bytes by surrogates.
        return block.decode(self._line_encoding, policy).encode("utf-8", "surrogatepass")

    def _each(self, decode: Callable[[bytes, str], T]) -> Iterator[tuple[int, T]]:
        """Yield blocks of whole lines, decoded, each with the number of its first line."""
        policy = "strict" if self.errors == "skip" else self.errors
        number = 1
        for offset, block in self._whole_lines():
            try:
                decoded = decode(block, policy)
            except UnicodeDecodeError as error:
                if self.errors != "skip":
                    line = number + block.count(b"\n", 0, error.start) + self._lines_before()
                    raise self._undecodable(error, line, offset + error.start) from error
                for raw in _lines(block):
                    try:
                        yield number, decode(raw + b"\n", policy)
                    except UnicodeDecodeError:
                        self.skip()
                    number += 1
                continue
            yield number, decoded
            number += block.count(b"\n")

    def _whole_lines(self) -> Iterator[tuple[int, bytes]]:
        r"""Yield blocks of whole lines, each with its byte offset.

        A byte range starts after the first ``\n`` at or after ``start - 1``, and ends after the
        first ``\n`` at or after ``stop - 1``. Each line therefore belongs to exactly one of two
        adjacent ranges, wherever they meet.
        """
        position = max(self.start - 1, 0)
        searching = self.start > 0
        pending: list[bytes] = []
        pending_size = 0
        for block in self._blocks(position, _BLOCK):
            at = position
            position += len(block)
            if searching:
                cut = block.find(b"\n") + 1
                if not cut:
                    continue
                searching = False
                block = block[cut:]
                at += cut
                if self.stop is not None and at >= self.stop:
                    return
            elif at == 0 and self.encoding.lower() in ("utf-8", "utf8") and block.startswith(_BOM):
                block = block[len(_BOM) :]
                at += len(_BOM)
            last = False
            if self.stop is not None and position >= self.stop:
                cut = block.find(b"\n", max(self.stop - 1 - at, 0)) + 1
                last = cut > 0
            if not last:
                cut = block.rfind(b"\n") + 1
            if cut:
                whole = b"".join([*pending, block[:cut]])
                yield at - pending_size, whole
                pending, pending_size = [], 0
            if last:
                return
            if cut < len(block):
                pending.append(block[cut:])
                pending_size += len(block) - cut
        if pending:
            yield position - pending_size, b"".join(pending)

    @property
    def _line_encoding(self) -> str:
        """The encoding of what :meth:`_blocks` yields."""
        return self.encoding if newline_safe(self.encoding) else "utf-8"

    def _blocks(self, start: int, size: int) -> Iterator[bytes]:
        """Yield the bytes; as UTF-8 if the stored encoding can't be split at newline bytes."""
        with ByteStream(self.path, start=start, on_read=self._count, file=self._file) as stream:
            if newline_safe(self.encoding):
                yield from stream.blocks(size)
                return
            decoder = codecs.getincrementaldecoder(self.encoding)(self.errors)
            offset, line = 0, 1
            final = False
            while not final:
                block = stream.read(size)
                final = not block
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(block, final)
                except UnicodeDecodeError as error:
                    at = offset - pending + error.start
                    good = error.object[: error.start].decode(error.encoding, "replace")
                    raise self._undecodable(error, line + good.count("\n"), at) from error
                offset += len(block)
                line += text.count("\n")
                yield text.encode("utf-8")

    def _count(self, size: int) -> None:
        """Report bytes read, without those beyond the end of this byte range."""
        if self._uncounted is not None:
            size = min(size, self._uncounted)
            self._uncounted -= size
        self._meter.read(size)

    def _lines_before(self) -> int:
        """Count the lines before this byte range. Only errors need this, so it reads the file."""
        if self.start == 0:
            return 0
        left = self.start - 1
        lines = 1
        with ByteStream(self.path) as stream:
            for block in stream.blocks(_BLOCK):
                lines += block.count(b"\n", 0, left)
                left -= len(block)
                if left <= 0:
                    break
        return lines

    def _undecodable(self, error: UnicodeDecodeError, line: int, offset: int) -> CorpusError:
        invalid = error.object[error.start : error.start + 4].hex(" ")
        return CorpusError(
            f"not valid {self.encoding} ({error.reason}, at bytes {invalid}); pass the encoding of "
            'the file (latin-1, cp1252, ...), or errors="replace", "ignore" or "skip"',
            path=self.path,
            line=line,
            offset=offset,
        )


def text_lines(
    path: str | os.PathLike[str], *, error: Callable[[str], Exception] = CorpusError
) -> Iterator[tuple[int, str]]:
    r"""Yield the lines of a UTF-8 text file that are not blank, with their numbers.

    Parameters
    ----------
    path : str or path
        Local path, URI, or "-" for standard input. The file is decompressed according to its
        suffix (``.gz``, ``.bz2``, ``.xz``, ``.zst``); a byte order mark is skipped.
    error : callable, default CorpusError
        Exception to raise if the contents are invalid; called with the message.

    Yields
    ------
    number : int
        Line number, counted from 1; blank lines are counted but not yielded.
    line : str
        The line without ``\n`` or ``\r\n``.

    Raises
    ------
    FileNotFoundError
        If the file does not exist; the message lists the closest matches.
    Exception
        As given by `error`, with file and line: if the file is not valid UTF-8, or a compressed
        file is damaged.
    """
    try:
        for number, line in TextFile(os.fspath(path)).numbered_lines():
            if line and not line.isspace():
                yield number, line
    except CorpusError as problem:
        if isinstance(problem.__cause__, UnicodeDecodeError):
            problem = CorpusError(
                f"not valid UTF-8 ({problem.__cause__.reason}); convert the file to UTF-8",
                path=problem.path,
                line=problem.line,
            )
        raise (problem if error is CorpusError else error(str(problem))) from None


def _lines(block: bytes) -> list[bytes]:
    lines = block.split(b"\n")
    return lines if lines[-1] else lines[:-1]


class Reader:
    """Base class of readers. A reader is a dataclass; its fields are the options of the format.

    A format that can be guessed declares `suffixes`, `signature`, `path_pattern` or
    `folder_pattern`, or overrides :meth:`sniff` or :meth:`sniff_paths`.

    Attributes
    ----------
    name : str
        Name of the format, for :func:`corpora.open`.
    suffixes : tuple of str
        Suffixes of this format, without those of compression. If the format is requested by
        name, only files with these suffixes are read from folders and archives; all files if no
        file has them.
    signature : bytes pattern, optional
        Matches the beginning of files of this format.
    path_pattern : pattern, optional
        Found in the path of a single file of this format.
    folder_pattern : pattern, optional
        Found in the path of some file in a folder that has this format as a whole.
    encoding : str
        Default encoding.
    splittable : bool
        Whether each line can be read independently of the others, so that byte ranges of a file
        can be read in parallel.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    signature: ClassVar[re.Pattern[bytes] | None] = None
    path_pattern: ClassVar[re.Pattern[str] | None] = None
    folder_pattern: ClassVar[re.Pattern[str] | None] = None
    encoding: ClassVar[str] = "utf-8"

    @property
    def splittable(self) -> bool:  # noqa: D102
        return False

    @classmethod
    def sniff_paths(cls, paths: Sequence[str]) -> bool:
        """Whether a single file, or a folder with these files, has this format, by the names."""
        pattern = cls.path_pattern if len(paths) == 1 else cls.folder_pattern
        return pattern is not None and any(pattern.search(path) for path in paths)

    @classmethod
    def sniff(cls, head: bytes) -> bool:
        """Whether a file has this format, by its beginning: the first line or more."""
        return cls.signature is not None and cls.signature.match(head) is not None

    def accepts(self, path: str) -> bool:
        """Whether to read this file of a folder or archive; by default depends on its suffix."""
        return not self.suffixes or plain_suffix(path) in self.suffixes

    def read(self, file: TextFile) -> Iterator[Document]:
        """Yield the documents, each as raw text or as a list of tokens."""
        raise NotImplementedError

    def tagged(self, file: TextFile) -> Iterator[TaggedDocument]:  # noqa: ARG002
        """Yield the documents with all columns, for formats that have columns."""
        raise TypeError(f"the format {self.name!r} has no tags, only words")

    def word_first(self, file: TextFile) -> Iterator[TaggedDocument]:
        """Yield the documents like :meth:`tagged`, with the word in the first column."""
        return self.tagged(file)


@dataclass(frozen=True)
class Text(Reader):
    """Plain text.

    Parameters
    ----------
    unit : {"line", "paragraph", "file"}, default "line"
        The unit that becomes a document. Paragraphs are separated by blank lines.
    """

    name = "text"
    unit: Literal["line", "paragraph", "file"] = "line"

    def __post_init__(self) -> None:
        if self.unit not in ("line", "paragraph", "file"):
            raise ValueError(f"unit must be 'line', 'paragraph' or 'file', got {self.unit!r}")

    @property
    def splittable(self) -> bool:  # noqa: D102
        return self.unit == "line"

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        if self.unit == "line":
            return file.lines()
        if self.unit == "file":
            return iter(["\n".join(file.lines())])
        return _paragraphs(file)


def _paragraphs(file: TextFile) -> Iterator[str]:
    lines: list[str] = []
    for line in file.lines():
        if line and not line.isspace():
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
