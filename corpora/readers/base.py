"""What a reader is, and the file it is given to read."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator, Sequence
from typing import IO, ClassVar, TypeVar

from corpora.errors import CorpusError
from corpora.readers.stream import ByteStream, compression, open_raw, plain_suffix

__all__ = ["Document", "Reader", "TaggedDocument", "TextFile", "text_lines"]

# A reader yields raw text, still to be cleaned and tokenised, or ready tokens.
Document = str | list[str]
# Sentences of rows, one per token, each with all the columns of the file.
TaggedDocument = list[list[tuple[str, ...]]]

T = TypeVar("T")

_BLOCK = 1 << 19
_BOM = codecs.BOM_UTF8


class Meter:
    """What one pass over a corpus has met so far."""

    def __init__(self) -> None:
        self.skipped = 0
        self.position = 0
        self.on_read: Callable[[int], None] | None = None

    def read(self, size: int) -> None:
        """Note that `size` bytes, as stored, were read."""
        self.position += size
        if self.on_read is not None:
            self.on_read(size)


def newline_safe(encoding: str) -> bool:
    r"""Whether the byte ``\n`` is always and only the end of a line."""
    return "\n".encode(encoding) == b"\n"


class TextFile:
    r"""One file, or a part of one, decoded for a reader.

    Lines end with ``\n`` or ``\r\n``, and with nothing else: not with the
    other characters at which :meth:`str.splitlines` cuts.

    Parameters
    ----------
    path : str
        Path, URI or "-"; also what errors name.
    encoding, errors : str
        As for :func:`corpora.open`.
    start, stop : int, optional
        Read only the lines of which the first byte is in this range.
    meter : Meter, optional
        Counts what is read and skipped.
    file : binary file, optional
        An open file to read instead, such as a member of an archive.
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
        """Yield each line, without its end.

        Raises
        ------
        CorpusError
            If bytes cannot be decoded, or a compressed file is damaged.
        """
        for _, lines in self._decoded():
            yield from lines

    def numbered_lines(self) -> Iterator[tuple[int, str]]:
        """Yield each line with a number for :meth:`error`."""
        for number, lines in self._decoded():
            yield from enumerate(lines, number)

    def utf8_blocks(self) -> Iterator[bytes]:
        r"""Yield all lines, with their ends, as UTF-8: as many at a time as are read at once.

        Raises
        ------
        CorpusError
            If bytes cannot be decoded, or a compressed file is damaged.
        """
        for _, block in self._each(self._as_utf8):
            yield block

    def chunks(self, size: int | None = None) -> Iterator[str]:
        """Yield all of the text in pieces of about `size` bytes, cut anywhere between characters.

        Raises
        ------
        CorpusError
            If bytes cannot be decoded, or a compressed file is damaged.
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
        """Open the file as seekable bytes, for a format that is not text.

        Raises
        ------
        CorpusError
            If it cannot be sought in: compressed, in an archive, or standard input.
        """
        if self._file is not None or self.path == "-" or compression(self.path):
            raise CorpusError("this format needs a plain file of its own", path=self.path)
        return open_raw(self.path)

    def error(self, message: str, line: int | None = None) -> CorpusError:
        """Build an error that names this file and, as in :meth:`numbered_lines`, the line."""
        if line is not None:
            line += self._lines_before()
        return CorpusError(message, path=self.path, line=line)

    def _decoded(self) -> Iterator[tuple[int, list[str]]]:
        """Yield runs of lines, with the number of the first of each."""
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
        # Some policies stand for undecodable bytes with surrogates.
        return block.decode(self._line_encoding, policy).encode("utf-8", "surrogatepass")

    def _each(self, decode: Callable[[bytes, str], T]) -> Iterator[tuple[int, T]]:
        """Yield whole lines decoded by a function, with the number of the first of them."""
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
                        self._meter.skipped += 1
                    number += 1
                continue
            yield number, decoded
            number += block.count(b"\n")

    def _whole_lines(self) -> Iterator[tuple[int, bytes]]:
        r"""Yield blocks that end with a line, with the offset of each.

        A part begins after the first ``\n`` at or after its start less one,
        and ends after the first at or after its stop less one. Parts that
        touch therefore share out the lines, whatever the bytes between.
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
        """Yield the bytes; as UTF-8 where those stored cannot be cut at line ends."""
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
        """Count what is read, but not what is read beyond the ends of this part."""
        if self._uncounted is not None:
            size = min(size, self._uncounted)
            self._uncounted -= size
        self._meter.read(size)

    def _lines_before(self) -> int:
        """Count the lines before this part; only errors need it, so it is read afresh."""
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
        bad = error.object[error.start : error.start + 4].hex(" ")
        return CorpusError(
            f"not valid {self.encoding} ({error.reason}, at bytes {bad}); give the encoding the "
            'file has (latin-1, cp1252, ...), or errors="replace", "ignore" or "skip"',
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
        If the file does not exist; the message lists similar names.
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
    """Reads one format; its options are the fields of a dataclass.

    Attributes
    ----------
    name : str
        The format, as given to :func:`corpora.open`.
    suffixes : tuple of str
        Ends of file names that mean this format, compression left aside. In
        folders and archives only such files are read, if the format is asked
        for by name and there are any.
    encoding : str
        The encoding where none is given.
    splittable : bool
        Whether each line is a document (or several) by itself, so that parts
        of a file can be read apart.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    encoding: ClassVar[str] = "utf-8"

    @property
    def splittable(self) -> bool:  # noqa: D102
        return False

    @classmethod
    def sniff_paths(cls, paths: Sequence[str]) -> bool:  # noqa: ARG003
        """Whether a file, or the files of a folder together, are this format's by their names."""
        return False

    @classmethod
    def sniff(cls, head: bytes) -> bool:  # noqa: ARG003
        """Whether a file seems to have this format, by its first line or more."""
        return False

    def accepts(self, path: str) -> bool:
        """Whether to read this file of a folder or archive; here by its suffix."""
        return not self.suffixes or plain_suffix(path) in self.suffixes

    def read(self, file: TextFile) -> Iterator[Document]:
        """Yield each document: raw text, or a list of tokens."""
        raise NotImplementedError

    def tagged(self, file: TextFile) -> Iterator[TaggedDocument]:  # noqa: ARG002
        """Yield each document with all columns, for formats that have such."""
        raise TypeError(f"the format {self.name!r} has no tags, only words")
