"""Base class of readers, the default reader for plain text, and the text files they read."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, ClassVar, Literal, TypeVar

from corpora.errors import CorpusError, warn
from corpora.readers.stream import MAX_RATIO, ByteStream, compression, open_raw, plain_suffix

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
# Byte order marks and their encodings. UTF-32 comes first, as its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, ("utf-8",)),
    (codecs.BOM_UTF32_LE, ("utf-32", "utf-32-le")),
    (codecs.BOM_UTF32_BE, ("utf-32", "utf-32-be")),
    (codecs.BOM_UTF16_LE, ("utf-16", "utf-16-le")),
    (codecs.BOM_UTF16_BE, ("utf-16", "utf-16-be")),
)
_MARK = "\ufeff"
_JOINT = re.compile(f"\n{_MARK}+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HEAD = 1 << 13  # bytes in which NUL bytes are counted
_BINARY = "it also holds NUL bytes, as binary files do"


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


def byte_order_mark(head: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the byte order mark that begins a file, and the encodings that it fits.

    Both are empty without a mark.
    """
    return next((pair for pair in _MARKS if head.startswith(pair[0])), (b"", ()))


def normal_encoding(encoding: str) -> str:
    """Return "utf-8" for all its spellings, and any other encoding as it was passed.

    Raises
    ------
    LookupError
        If the encoding is unknown, or does not encode text.
    """
    try:
        name = codecs.lookup(encoding).name
        if name in ("idna", "punycode", "undefined"):  # codecs of domain names
            raise LookupError(name)
        "\n".encode(encoding)
    except (LookupError, ValueError, TypeError) as error:
        raise LookupError(f"unknown encoding {encoding!r}") from error
    return "utf-8" if name in ("utf-8", "utf-8-sig") else encoding


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
    max_ratio : float or None
        As for :func:`corpora.open`.
    joined : bool, default False
        Whether files may have been joined: byte order marks are removed from the beginning of all
        lines, not only from that of the file.
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
        max_ratio: float | None = MAX_RATIO,
        joined: bool = False,
    ) -> None:
        self.path = path
        self.encoding = normal_encoding(encoding)
        self.errors = errors
        self.start = start
        self.stop = stop
        self._meter = meter or Meter()
        self._uncounted = None if stop is None else stop - start
        self._file = file
        self._max_ratio = max_ratio
        self._joined = joined
        self.is_binary = False
        self._warned = False

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
        at_start = True  # of a line
        for block in self._blocks(0, size or _BLOCK):
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
                raise self._undecodable(error, line, offset - pending + error.start) from error
            line += block.count(b"\n")
            offset += len(block)
            if text and _MARK in text:
                if at_start and (self._joined or offset == len(block)):
                    text = text.lstrip(_MARK)
                if self._joined:
                    text = _JOINT.sub("\n", text)
            if text:
                at_start = text[-1] == "\n"
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

    def without_surrogates(self, text: str, line: int) -> str | None:
        r"""Apply the handling of errors to halves of surrogate pairs, which are not characters.

        This is for formats with escapes that can express them, as ``\ud83d`` in JSON. Programs
        that truncate texts write them. The file is still valid, so strict handling replaces them
        instead of raising an error.

        Parameters
        ----------
        text : str
        line : int
            As for :meth:`error`.

        Returns
        -------
        str or None
            None if the line is to be skipped.

        Warns
        -----
        UserWarning
            Once for a file, if errors are strict and a half is replaced.
        """
        found = _SURROGATE.search(text)
        if found is None or self.errors in ("surrogatepass", "surrogateescape"):
            return text
        if self.errors == "skip":
            return None
        if self.errors == "strict" and not self._warned:
            self._warned = True
            place = self.error(
                f"the text contains half of a surrogate pair ({found[0]!a}), which is not a "
                "character; this and others of the file are replaced by U+FFFD",
                line,
            )
            warn(str(place))
        errors = "replace" if self.errors == "strict" else self.errors
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", errors)

    def _decoded(self) -> Iterator[tuple[int, list[str]]]:
        """Yield lists of consecutive lines, each with the number of its first line."""
        encoding = self._line_encoding
        for number, text in self._each(lambda block, policy: block.decode(encoding, policy)):
            if self._joined and _MARK in text:
                text = _without_marks(text)
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
                text = block.decode()
                if not (self._joined and _MARK in text):
                    return block
            except UnicodeDecodeError:
                if policy == "strict":
                    raise
        text = block.decode(self._line_encoding, policy)
        if self._joined and _MARK in text:
            text = _without_marks(text)
        # Some error handlers represent undecodable bytes by surrogates.
        return text.encode("utf-8", "surrogatepass")

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
            elif at == 0:
                start = len(block)
                block = block.removeprefix(self._mark)
                at += start - len(block)
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
    def _mark(self) -> bytes:
        """The byte order mark in the encoding of what :meth:`_blocks` yields, or b""."""
        try:
            return _MARK.encode(self._line_encoding)
        except UnicodeError:
            return b""

    @property
    def _line_encoding(self) -> str:
        """The encoding of what :meth:`_blocks` yields."""
        return self.encoding if newline_safe(self.encoding) else "utf-8"

    def _blocks(self, start: int, size: int) -> Iterator[bytes]:
        """Yield the bytes; as UTF-8 if the stored encoding can't be split at newline bytes."""
        with ByteStream(
            self.path,
            start=start,
            on_read=self._count,
            file=self._file,
            max_ratio=self._max_ratio,
        ) as stream:
            head = b"" if start else self._head(stream, size)
            if newline_safe(self.encoding):
                if head:
                    yield head
                yield from stream.blocks(size)
                return
            decoder = codecs.getincrementaldecoder(self.encoding)(self.errors)
            offset, line = 0, 1
            final = False
            while not final:
                block, head = head or stream.read(size), b""
                final = not block
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(block, final)
                except UnicodeDecodeError as error:
                    at = offset - pending + error.start
                    good = error.object[: error.start].decode(error.encoding, "replace")
                    raise self._undecodable(error, line + good.count("\n"), at) from error
                except UnicodeError as error:  # for example, UTF-16 without a byte order mark
                    raise CorpusError(
                        f"not valid {self.encoding} ({error}); pass the encoding of the file",
                        path=self.path,
                        line=line,
                    ) from error
                offset += len(block)
                line += text.count("\n")
                # Some error handlers represent undecodable bytes by surrogates.
                yield text.encode("utf-8", "surrogatepass")

    def _head(self, stream: ByteStream, size: int) -> bytes:
        """Read the first block, and check that it is text in this encoding.

        Raises
        ------
        CorpusError
            If it begins with the byte order mark of another encoding, or is binary.
        """
        head = stream.read(size)
        # A pipe may return any part of a mark.
        while any(mark.startswith(head) for mark, _ in _MARKS) and (more := stream.read(size)):
            head += more
        _, encodings = byte_order_mark(head)
        if encodings and codecs.lookup(self.encoding).name not in encodings:
            name = encodings[0]
            raise CorpusError(
                f"the file begins with the byte order mark of {name}, but is read as "
                f"{self.encoding}; pass encoding={name!r} or convert the file",
                path=self.path,
                line=1,
            )
        start = head[:_HEAD]
        n_nul = start.count(0)
        self.is_binary = n_nul > 0
        if newline_safe(self.encoding) and n_nul > max(3, len(start) // 20):
            raise CorpusError(
                f"{n_nul} of the first {len(start)} bytes are NUL, as in binary files and in text "
                "encoded as utf-16 or utf-32; pass the encoding= of the file if it is text",
                path=self.path,
                line=1,
            )
        if head and not encodings and (hint := _without_mark(start, self.encoding)):
            raise CorpusError(hint, path=self.path, line=1)
        return head

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
        advice = (
            _BINARY
            if self.is_binary
            else 'pass the encoding of the file (latin-1, cp1252, ...), or errors="replace", '
            '"ignore" or "skip"'
        )
        return CorpusError(
            f"not valid {self.encoding} ({error.reason}, at bytes {invalid}); {advice}",
            path=self.path,
            line=line,
            offset=offset,
        )


def text_lines(
    path: str | os.PathLike[str],
    *,
    error: Callable[[str], Exception] = CorpusError,
    encoding: str = "utf-8",
    errors: str = "strict",
    max_ratio: float | None = MAX_RATIO,
) -> Iterator[tuple[int, str]]:
    r"""Yield the lines of a text file that are not blank, with their numbers.

    Parameters
    ----------
    path : str or path
        Local path, URI, or "-" for standard input. The file is decompressed according to its
        suffix (``.gz``, ``.bz2``, ``.xz``, ``.zst``); a byte order mark is skipped.
    error : callable, default CorpusError
        Exception to raise if the contents are invalid; called with the message.
    encoding : str, default "utf-8"
    errors : str, default "strict"
    max_ratio : float or None, default 500
        As for :func:`corpora.open`.

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
    LookupError
        If the encoding is unknown.
    Exception
        As given by `error`, with file and line: if the file is not valid in this encoding, or a
        compressed file is damaged.
    """
    file = TextFile(os.fspath(path), encoding, errors, max_ratio=max_ratio)
    try:
        for number, line in file.numbered_lines():
            if line and not line.isspace():
                yield number, line
    except CorpusError as problem:
        if isinstance(problem.__cause__, UnicodeDecodeError):
            name = "UTF-8" if file.encoding == "utf-8" else file.encoding
            advice = (
                _BINARY if file.is_binary else "convert the file to UTF-8, or pass its encoding"
            )
            problem = CorpusError(
                f"not valid {name} ({problem.__cause__.reason}); {advice}",
                path=problem.path,
                line=problem.line,
            )
        raise (problem if error is CorpusError else error(str(problem))) from None


def _without_mark(start: bytes, encoding: str) -> str | None:
    """Return what is wrong with reading a file without a byte order mark as UTF-16 or UTF-32.

    Almost any bytes are valid UTF-16. Blanks, digits and line ends have a NUL byte: in the second
    place if the order is that of little-endian machines.
    """
    name = codecs.lookup(encoding).name
    first, second = start[0::2].count(0), start[1::2].count(0)
    actual = "utf-16-be" if first > second else "utf-16-le"
    if name in ("utf-16", "utf-32"):
        return (
            f"the file has no byte order mark, which {name} needs; pass {name}-le or {name}-be, or "
            "its actual encoding, as encoding="
        )
    if name not in ("utf-16-le", "utf-16-be") or len(start) < 16:
        return None
    if first + second == 0:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(start)
        except UnicodeDecodeError:
            return None
        actual = "utf-8"
    elif actual == name or max(first, second) < len(start) // 20:
        return None
    return f"the file does not look like {name}, but like {actual}; pass its encoding="


def _without_marks(text: str) -> str:
    """Remove byte order marks from the beginnings of lines."""
    return _JOINT.sub("\n", text.lstrip(_MARK))


def _lines(block: bytes) -> list[bytes]:
    lines = block.split(b"\n")
    return lines if lines[-1] else lines[:-1]


class Reader:
    """Base class of readers. A reader is a dataclass; its fields are the options of the format.

    A format that can be guessed declares `suffixes`, `signature`, `path_pattern` or
    `folder_pattern`, or overrides :meth:`confirm`, :meth:`sniff` or :meth:`sniff_paths`.

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
    aliases : dict of str to str
        Other names of options.
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
    aliases: ClassVar[Mapping[str, str]] = {}

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
        return (
            cls.signature is not None
            and cls.signature.match(head) is not None
            and cls.confirm(head)
        )

    @classmethod
    def confirm(cls, head: bytes) -> bool:  # noqa: ARG003
        """Whether a file whose beginning matches `signature` has this format."""
        return True

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
