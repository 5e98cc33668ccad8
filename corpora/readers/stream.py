"""Opening any file, URI or standard input as a stream of bytes."""

from __future__ import annotations

import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from corpora.errors import CorpusError
from corpora.files import is_uri, missing_file

__all__ = ["ByteStream"]

# What each suffix is compressed with; archives have suffixes of their own.
_COMPRESSION = {
    ".gz": "gz",
    ".tgz": "gz",
    ".bz2": "bz2",
    ".tbz2": "bz2",
    ".xz": "xz",
    ".txz": "xz",
    ".lzma": "xz",
    ".zst": "zst",
}
_EXTRAS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gcs"}


def compression(path: str) -> str | None:
    """How a file is compressed, by its suffix: "gz", "bz2", "xz", "zst" or None."""
    return _COMPRESSION.get(os.path.splitext(path)[1].lower())


def is_archive(path: str) -> bool:
    """Whether a file is a tar (compressed or not) or zip archive, by its suffix."""
    stem, suffix = os.path.splitext(path.lower())
    if suffix in (".tar", ".zip", ".tgz", ".tbz2", ".txz"):
        return True
    return suffix in _COMPRESSION and stem.endswith(".tar")


def plain_suffix(path: str) -> str:
    """Suffix of a path in lower case, without that of the compression."""
    stem, suffix = os.path.splitext(path.lower())
    return os.path.splitext(stem)[1] if suffix in _COMPRESSION else suffix


class _Counted(io.RawIOBase):
    """A binary file, given by how to read it, that tells how many bytes were read from it."""

    def __init__(self, read: Callable[[int], bytes], on_read: Callable[[int], None]) -> None:
        self._read = read
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._on_read(len(data))
        return len(data)


class _Zstd(io.RawIOBase):
    """Zstandard frames, one after another; zstandard's own reader is silent when cut short."""

    def __init__(self, raw: IO[bytes]) -> None:
        import zstandard

        self._raw = raw
        self._new = zstandard.ZstdDecompressor
        self._frame: Any = None
        self._data = b""  # decompressed
        self._input = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._data:
            block = self._input or self._raw.read(1 << 17)
            self._input = b""
            if not block:
                if self._frame is not None:
                    raise EOFError("the last frame is not complete")
                return 0
            if self._frame is None:
                self._frame = self._new().decompressobj()
            self._data = self._frame.decompress(block)
            if self._frame.eof:
                self._input = self._frame.unused_data
                self._frame = None
        size = min(len(buffer), len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


def _decompressed(file: IO[bytes], how: str | None) -> IO[bytes]:
    opened: Any = file
    if how == "gz":
        import gzip

        opened = gzip.GzipFile(fileobj=file)
    elif how == "bz2":
        import bz2

        opened = bz2.BZ2File(file)
    elif how == "xz":
        import lzma

        opened = lzma.LZMAFile(file)  # noqa: SIM115
    elif how == "zst":
        opened = io.BufferedReader(_Zstd(file), 1 << 17)
    result: IO[bytes] = opened
    return result


def open_raw(path: str) -> IO[bytes]:
    """Open a local file, a URI or standard input ("-") as its bytes are stored.

    Raises
    ------
    FileNotFoundError
        If a local file does not exist; the message says what is near.
    ImportError
        If the kind of URI needs an extra that is not installed.
    """
    if path == "-":
        return sys.stdin.buffer
    if not is_uri(path):
        try:
            return open(path, "rb", buffering=0)
        except FileNotFoundError:
            raise missing_file(path) from None
    import smart_open

    scheme = path.split("://", 1)[0].lower()
    try:
        # The compression is undone here and not there: the same suffixes then
        # work with every version, and progress counts the bytes as stored.
        opened: IO[bytes] = smart_open.open(path, "rb", compression="disable")
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        name = f"similarity-encoders[{extra}]" if extra else f"smart_open[{scheme}]"
        raise ImportError(f"reading {path} needs an extra: pip install {name!r}") from error
    return opened


class ByteStream:
    """The bytes of a file, decompressed by its suffix and read in blocks.

    Parameters
    ----------
    path : str
        A local path, a URI that smart_open knows, or "-" for standard input.
    start : int, default 0
        The byte to begin at; only for files that are not compressed.
    on_read : callable, optional
        Called with each number of bytes read, as stored (before decompression).
    file : binary file, optional
        An open file to read in place of `path`, which then only names it.

    Raises
    ------
    FileNotFoundError, ImportError
        See :func:`open_raw`.
    """

    def __init__(
        self,
        path: str,
        *,
        start: int = 0,
        on_read: Callable[[int], None] | None = None,
        file: IO[bytes] | None = None,
    ) -> None:
        self.path = path
        self._raw = open_raw(path) if file is None else file
        self._how = compression(path)
        self._piped = file is None and not is_uri(path) and not os.path.isfile(path)
        if start:
            self._raw.seek(start)
        read: Callable[[int], bytes] = self._raw.read
        if path == "-":
            # what is there now; read waits until it has all that was asked for
            read = getattr(self._raw, "read1", read)
        counted = _Counted(read, on_read or (lambda _: None))
        self._buffer = io.BufferedReader(counted, 1 << 17)
        self._file = _decompressed(self._buffer, self._how)

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; none at the end. Of a pipe, those that are there already.

        Raises
        ------
        CorpusError
            If a compressed file is damaged or cut short.
        """
        if self._how is None:
            return self._buffer.read1(size) if self._piped else self._file.read(size)
        try:
            return self._file.read(size)
        except Exception as error:
            # Each library has its own error for this, some of them an OSError
            # without a number; one with a number is the disk's or network's.
            damaged = isinstance(error, (EOFError, zlib.error)) or (
                isinstance(error, OSError) and error.errno is None
            )
            if damaged or type(error).__name__ in ("LZMAError", "ZstdError"):
                raise CorpusError(
                    f"the compressed file is damaged or cut short ({error}); "
                    "fetch or compress it again",
                    path=self.path,
                ) from error
            raise

    def blocks(self, size: int) -> Iterator[bytes]:
        """Read all that is left, `size` bytes at a time."""
        while block := self.read(size):
            yield block

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._buffer.close()
        if self.path != "-":
            self._raw.close()

    def __enter__(self) -> ByteStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
