"""Open any file, URI, standard input or archive as a stream of bytes."""

from __future__ import annotations

import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from corpora.errors import CorpusError
from corpora.files import is_uri, missing_file

__all__ = [
    "ByteStream",
    "archive_members",
    "compression",
    "is_archive",
    "open_raw",
    "plain_suffix",
]

# Compression by suffix, including suffixes of compressed archives.
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
    """Return the compression of a file, by its suffix: "gz", "bz2", "xz", "zst" or None."""
    return _COMPRESSION.get(os.path.splitext(path)[1].lower())


def is_archive(path: str) -> bool:
    """Whether a file is a tar archive (compressed or not) or a zip archive, by its suffix."""
    stem, suffix = os.path.splitext(path.lower())
    if suffix in (".tar", ".zip", ".tgz", ".tbz2", ".txz"):
        return True
    return suffix in _COMPRESSION and stem.endswith(".tar")


def plain_suffix(path: str) -> str:
    """Return the suffix of a path in lower case, ignoring the suffix of a compression."""
    stem, suffix = os.path.splitext(path.lower())
    return os.path.splitext(stem)[1] if suffix in _COMPRESSION else suffix


class _Counted(io.RawIOBase):
    """A binary file, given by its read function, that reports how many bytes were read."""

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
    """A sequence of Zstandard frames. Unlike zstandard's reader it detects a truncated file."""

    def __init__(self, raw: IO[bytes]) -> None:
        import zstandard

        self._raw = raw
        self._decompressor = zstandard.ZstdDecompressor
        self._frame: Any = None
        self._data = b""  # decompressed, not returned yet
        self._input = b""  # compressed, after the end of the last frame

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._data:
            block = self._input or self._raw.read(1 << 17)
            self._input = b""
            if not block:
                if self._frame is not None:
                    raise EOFError("the last frame is incomplete")
                return 0
            if self._frame is None:
                self._frame = self._decompressor().decompressobj()
            self._data = self._frame.decompress(block)
            if self._frame.eof:
                self._input = self._frame.unused_data
                self._frame = None
        size = min(len(buffer), len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


def _decompressed(file: IO[bytes], compressed_with: str | None) -> IO[bytes]:
    opened: Any = file
    if compressed_with == "gz":
        import gzip

        opened = gzip.GzipFile(fileobj=file)
    elif compressed_with == "bz2":
        import bz2

        opened = bz2.BZ2File(file)
    elif compressed_with == "xz":
        import lzma

        opened = lzma.LZMAFile(file)  # noqa: SIM115
    elif compressed_with == "zst":
        opened = io.BufferedReader(_Zstd(file), 1 << 17)
    result: IO[bytes] = opened
    return result


def open_raw(path: str) -> IO[bytes]:
    """Open a local file, a URI or standard input ("-") without decompressing it.

    Raises
    ------
    FileNotFoundError
        If a local file does not exist; the message lists the closest matches.
    ImportError
        If the scheme of the URI needs an extra that is not installed.
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
        # Decompression is done in this module: the same suffixes work with every version of
        # smart_open, and progress counts bytes as stored.
        opened: IO[bytes] = smart_open.open(path, "rb", compression="disable")
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        name = f"similarity-encoders[{extra}]" if extra else f"smart_open[{scheme}]"
        raise ImportError(f"reading {path} needs an extra: pip install {name!r}") from error
    return opened


class ByteStream:
    """The bytes of a file, decompressed according to its suffix.

    Parameters
    ----------
    path : str
        Local path, URI that smart_open supports, or "-" for standard input.
    start : int, default 0
        Byte at which to start reading; only for files that are not compressed.
    on_read : callable, optional
        Called with each number of bytes read, as stored (before decompression).
    file : binary file, optional
        An open file to read; `path` is then only its name.

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
        self._compression = compression(path)
        self._piped = file is None and not is_uri(path) and not os.path.isfile(path)
        if start:
            self._raw.seek(start)
        read: Callable[[int], bytes] = self._raw.read
        if path == "-":
            # read1 returns what is available; read would wait for the requested number of bytes
            read = getattr(self._raw, "read1", read)
        counted = _Counted(read, on_read or (lambda _: None))
        self._buffer = io.BufferedReader(counted, 1 << 17)
        self._file = _decompressed(self._buffer, self._compression)

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes, b"" at the end. From a pipe, read what is available.

        Raises
        ------
        CorpusError
            If a compressed file is damaged or truncated.
        """
        if self._compression is None:
            return self._buffer.read1(size) if self._piped else self._file.read(size)
        try:
            return self._file.read(size)
        except Exception as error:
            # Each library raises its own error for damaged data, in some cases an OSError
            # without errno. With errno it is an error of the disk or network.
            damaged = isinstance(error, (EOFError, zlib.error)) or (
                isinstance(error, OSError) and error.errno is None
            )
            if damaged or type(error).__name__ in ("LZMAError", "ZstdError"):
                raise CorpusError(
                    f"the compressed file is damaged or truncated ({error}); "
                    "download or compress it again",
                    path=self.path,
                ) from error
            raise

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the remaining bytes, `size` at a time."""
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


def archive_members(
    path: str, on_read: Callable[[int], None] | None = None
) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and open file of each regular file in a tar or zip archive, in one pass.

    Parameters
    ----------
    path : str
        Local path or URI of the archive.
    on_read : callable, optional
        Called with each number of bytes read from the archive.

    Raises
    ------
    CorpusError
        If the archive is damaged.
    """
    if path.lower().endswith(".zip"):
        import zipfile

        try:
            with open_raw(path) as raw, zipfile.ZipFile(raw) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        with archive.open(info) as file:
                            yield info.filename, file
                        if on_read is not None:
                            on_read(info.compress_size)
        except zipfile.BadZipFile as error:
            raise _damaged_archive("zip", path, error) from error
        return
    import tarfile

    with ByteStream(path, on_read=on_read) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
                for member in tar:
                    inner = tar.extractfile(member) if member.isfile() else None
                    if inner is not None:
                        yield member.name, inner
        except tarfile.TarError as error:
            raise _damaged_archive("tar", path, error) from error


def _damaged_archive(kind: str, path: str, error: Exception) -> CorpusError:
    return CorpusError(
        f"not a {kind} archive, or a damaged one ({error}); download or pack it again", path=path
    )
