"""Open any file, URI, standard input or archive as a stream of bytes."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, cast

from corpora.errors import CorpusError, warn
from corpora.files import is_system_file, is_uri, missing_file

__all__ = [
    "MAX_RATIO",
    "ByteStream",
    "DamagedFileError",
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
    ".tbz": "bz2",
    ".xz": "xz",
    ".txz": "xz",
    ".lzma": "xz",
    ".zst": "zst",
    ".tzst": "zst",
}
_EXTRAS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gcs"}

# Signatures of files that are not text: offset, bytes, name of the format, and its suffix if it can
# be read. That of bzip2 is its first block or its end, since a text may begin with "BZh".
_CONTENTS = (
    (0, b"\x1f\x8b", "gzip", ".gz"),
    (4, b"1AY&SY", "bzip2", ".bz2"),
    (4, b"\x17rE8P\x90", "bzip2", ".bz2"),
    (0, b"\xfd7zXZ\x00", "xz", ".xz"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard", ".zst"),
    (0, b"PK\x03\x04", "zip", ".zip"),
    (0, b"PK\x05\x06", "zip", ".zip"),
    (257, b"ustar", "tar", ".tar"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z", None),
    (0, b"Rar!\x1a\x07", "RAR", None),
    (0, b"\x04\x22\x4d\x18", "LZ4", None),
    (0, b"\x1f\x9d", "compress (.Z)", None),
    (0, b"%PDF-", "PDF", None),
    (0, b"{\\rtf1", "RTF", None),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Microsoft Office document", None),
)
_DOCUMENTS = {"PDF", "RTF", "a Microsoft Office document"}

_BLOCK = 1 << 17
# Compressed bytes read at a time. They are few, because the bytes after the end of a frame are
# copied, a file may have many frames, and Zstandard may return 32,768 times as much at once.
_INPUT = 1 << 14
_ZSTD_INPUT = 1 << 12
_LZMA_MEMORY = 1 << 29  # the presets of xz need up to 65 MiB

MAX_RATIO = 500.0
"""Default limit of the size of a decompressed text relative to the compressed file.

Prose reaches 3 to 10, logs 20 to 100, and tables of zeros and ones 300.
"""
# Below this number of bytes any ratio is accepted.
_FREE_SIZE = 1 << 24


class DamagedFileError(CorpusError):
    """A compressed file or an archive is damaged, truncated, or decompresses to too much."""


def compression(path: str) -> str | None:
    """Return the compression of a file, by its suffix: "gz", "bz2", "xz", "zst" or None."""
    return _COMPRESSION.get(os.path.splitext(path)[1].lower())


def is_archive(path: str) -> bool:
    """Whether a file is a tar archive (compressed or not) or a zip archive, by its suffix."""
    stem, suffix = os.path.splitext(path.lower())
    if suffix in (".tar", ".zip", ".tgz", ".tbz2", ".tbz", ".txz", ".tzst"):
        return True
    return suffix in _COMPRESSION and stem.endswith(".tar")


def plain_suffix(path: str) -> str:
    """Return the suffix of a path in lower case, ignoring the suffix of a compression."""
    stem, suffix = os.path.splitext(path.lower())
    return os.path.splitext(stem)[1] if suffix in _COMPRESSION else suffix


class _Source(io.RawIOBase):
    """A binary file that counts the bytes read, and remembers an error of reading."""

    def __init__(
        self, file: IO[bytes], on_read: Callable[[int], None] | None, *, live: bool = False
    ) -> None:
        # read1 returns what is available; read would wait for the requested number of bytes
        self._read = getattr(file, "read1", file.read) if live else file.read
        self._file = file
        self._on_read = on_read
        self.count = 0
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._read(len(buffer))
        except Exception as error:
            self.failure = error
            raise
        buffer[: len(data)] = data
        self.count += len(data)
        if self._on_read is not None:
            self._on_read(len(data))
        return len(data)


class _Checked(io.RawIOBase):
    """Decompressed content, whose errors name the file and whose size is limited.

    Parameters
    ----------
    pieces : iterator of bytes
        The content. It ends with the iterator, or with an empty piece.
    path : str
        Name of the file for errors.
    kind : str
        Compression or kind of archive, for errors.
    source : _Source
        The stored file. Errors of reading it are not errors of its content.
    max_ratio : float or None
    stored : int, optional
        Stored size of this content; by default the number of bytes read from `source`.
    """

    def __init__(
        self,
        pieces: Iterator[bytes],
        path: str,
        kind: str,
        source: _Source,
        max_ratio: float | None,
        stored: int | None = None,
    ) -> None:
        self._pieces = pieces
        self._path, self._kind, self._source = path, kind, source
        self._max_ratio, self._stored = max_ratio, stored
        self._size = 0
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece:
            try:
                piece = next(self._pieces, b"")
            except Exception as error:
                raise damage(error, self._path, self._kind, self._source) from error
            self._size += len(piece)
            stored = self._source.count if self._stored is None else self._stored
            check_ratio(self._size, stored, self._path, self._max_ratio)
            self._piece = memoryview(piece)
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size


def damage(error: Exception, path: str, kind: str, source: _Source) -> Exception:
    """Return the error to raise in place of one raised by a library that unpacks a file.

    The libraries raise errors of many types for damaged content. Errors of the disk or network,
    of a file within which this one is stored, and of memory are returned unchanged.
    """
    if error is source.failure or isinstance(error, (CorpusError, MemoryError)):
        return error
    reason = str(error) or type(error).__name__
    if isinstance(error, RuntimeError) and not isinstance(error, RecursionError):
        return DamagedFileError(  # of zipfile: encryption, or an unusual compression
            f"this file of the archive can't be unpacked ({reason}); pack it again without "
            "encryption, with the usual compression (deflate)",
            path=path,
        )
    if kind in ("tar", "zip"):
        return DamagedFileError(
            f"not a {kind} archive, or a damaged or truncated one ({reason}); download or pack "
            "it again",
            path=path,
        )
    return DamagedFileError(
        f"the compressed file is damaged or truncated, or its format is not {kind} ({reason}); "
        "download or compress it again",
        path=path,
    )


def check_ratio(size: int, stored: int, path: str, max_ratio: float | None) -> None:
    """Raise DamagedFileError if content is too large relative to its stored size."""
    if max_ratio is not None and size > _FREE_SIZE and size > max_ratio * stored:
        raise DamagedFileError(
            f"{stored:,} compressed bytes hold more than {max_ratio:g} times as much, which is "
            "unusual for text; if the file can be trusted, pass a larger max_ratio= (--max-ratio "
            "on the command line) or decompress it first",
            path=path,
        )


def _decompressed(kind: str, source: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of all frames (or streams, or members) of a compressed file.

    Unlike the modules of Python, it detects an incomplete last frame in all formats, and does not
    mistake a damaged later frame for the end of the file.
    """
    block = _ZSTD_INPUT if kind == "zst" else _INPUT
    data = source.read(block)
    if not data:
        raise EOFError("it is empty")
    while data:
        frame, pending = _frame(kind)
        ended = False
        while True:
            # Only part of the output may have been returned; then there is no new input.
            piece = frame.decompress(data) if kind == "zst" else frame.decompress(data, _BLOCK)
            if piece:
                yield piece
            if frame.eof:
                break
            if ended and not piece:
                raise EOFError("the end is missing")
            unread = pending()
            data = source.read(block) if unread is None else unread
            ended = unread is None and not data
        data = frame.unused_data or source.read(block)
        # Both formats may be padded with zeros.
        while kind in ("gz", "xz") and data and not (data := data.lstrip(b"\0")):
            data = source.read(block)


def _frame(kind: str) -> tuple[Any, Callable[[], bytes | None]]:
    """Return a decompressor of one frame, and what to pass to it next; None for new input."""
    if kind == "gz":
        import zlib

        gz = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        return gz, lambda: gz.unconsumed_tail or None
    if kind == "zst":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj(), lambda: None
    frame: Any
    if kind == "bz2":
        import bz2

        frame = bz2.BZ2Decompressor()
    else:
        import lzma

        frame = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    return frame, lambda: None if frame.needs_input else b""


def open_raw(path: str) -> IO[bytes]:
    """Open a local file, a URI or standard input ("-") without decompressing it.

    Raises
    ------
    FileNotFoundError
        If a local file does not exist; the message lists the closest matches.
    ImportError
        If the scheme of the URI needs an extra that is not installed.
    ValueError
        If the scheme is not supported.
    OSError
        If a remote object can't be read.
    """
    if path == "-":
        return sys.stdin.buffer
    if not is_uri(path):
        try:
            return open(path, "rb", buffering=0)
        except FileNotFoundError:
            raise missing_file(path) from None
    import smart_open

    from corpora.remote import open_object

    scheme = path.split("://", 1)[0].lower()
    try:
        # Decompression is done in this module: the same suffixes work with every version of
        # smart_open, and progress counts bytes as stored.
        open_it = partial(smart_open.open, path, "rb", compression="disable")
        return cast("IO[bytes]", open_object(path, open_it))
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        name = f"similarity-encoders[{extra}]" if extra else f"smart_open[{scheme}]"
        raise ImportError(f"reading {path} needs an extra: pip install {name!r}") from error
    except NotImplementedError as error:
        raise ValueError(
            f"{path} is a URI of an unsupported scheme, {scheme!r}; download the file and pass its "
            "path, or pass a URI that smart_open supports (s3, gs, https, hdfs, ...)"
        ) from error


class ByteStream(io.RawIOBase):
    """The bytes of a file, decompressed according to its suffix.

    It can be wrapped as other binary files: in `io.BufferedReader` to read lines of bytes, and
    that in `io.TextIOWrapper` to read text.

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
    max_ratio : float or None, default 500
        Largest ratio of decompressed to compressed size, for content above 16 MiB. It protects
        against small files that decompress to gigabytes. None for no limit.
    packed : bool, default False
        Whether the content may itself be compressed or an archive. By default it is an error if
        a file is compressed but its name does not say so.

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
        max_ratio: float | None = MAX_RATIO,
        packed: bool = False,
    ) -> None:
        self.path = path
        self._raw = open_raw(path) if file is None else file
        self._compression = compression(path)
        self._piped = file is None and not is_uri(path) and not os.path.isfile(path)
        self._unchecked = not start and not packed
        if start:
            self._raw.seek(start)
        self.source = _Source(self._raw, on_read, live=path == "-")
        self._buffer = io.BufferedReader(self.source, _BLOCK)
        self._file: io.BufferedReader[Any] = self._buffer
        if self._compression is not None:
            pieces = _decompressed(self._compression, self._buffer)
            checked = _Checked(pieces, path, self._compression, self.source, max_ratio)
            self._file = io.BufferedReader(checked, _BLOCK)

    def readable(self) -> bool:  # noqa: D102
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, b"" at the end. From a pipe, read what is available.

        Raises
        ------
        DamagedFileError
            A `CorpusError`: if a compressed file is damaged or truncated, is larger than
            `max_ratio` allows, or the file is compressed but its name does not say so.
        """
        live = self._piped and self._compression is None and size >= 0
        data = self._file.read1(size) if live else self._file.read(size)
        if self._unchecked:
            self._unchecked = False
            self._check_content(data)
        return data

    def readinto(self, buffer: Any) -> int:  # noqa: D102
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the remaining bytes, `size` at a time."""
        while block := self.read(size):
            yield block

    def _check_content(self, head: bytes) -> None:
        """Raise DamagedFileError if the content is compressed or an archive."""
        for at, begin, kind, suffix in _CONTENTS:
            if not head.startswith(begin, at) or (kind == "bzip2" and not head.startswith(b"BZh")):
                continue
            again = "decompressed content" if self._compression else "content"
            advice = "convert it to text first" if kind in _DOCUMENTS else "unpack it first"
            named = suffix is None or self.path == "-" or self.path.lower().endswith(suffix)
            if not (named or self._compression):
                advice = f"rename it to end in {suffix}, or {advice}"
            name = "standard input" if self.path == "-" else self.path
            raise DamagedFileError(f"the {again} is {kind}, not text; {advice}", path=name)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
            self._buffer.close()
            if self.path != "-":
                self._raw.close()
        super().close()


def archive_members(
    path: str,
    on_read: Callable[[int], None] | None = None,
    *,
    max_ratio: float | None = MAX_RATIO,
) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and open file of each regular file in a tar or zip archive, in one pass.

    Links are left out, with a warning at the end, and so are hidden files and those that an
    operating system adds (see :func:`corpora.files.is_system_file`).

    Parameters
    ----------
    path : str
        Local path or URI of the archive.
    on_read : callable, optional
        Called with each number of bytes read from the archive.
    max_ratio : float or None, default 500
        As for :class:`ByteStream`, for each file of the archive.

    Raises
    ------
    DamagedFileError
        A `CorpusError`: if the archive is damaged or truncated. Reading a file that was yielded
        also raises it if the file is encrypted, an archive, or larger than `max_ratio` allows.
    """
    members = _zip_members if path.lower().endswith(".zip") else _tar_members
    n_links = 0
    for name, file in members(path, on_read, max_ratio):
        if file is None:
            n_links += 1
        else:
            yield name, file
    if n_links:
        warn(
            f"{path}: {n_links} links were left out; pack their targets instead (tar "
            "--dereference --hard-dereference, or zip without --symlinks)"
        )


def _zip_members(
    path: str, on_read: Callable[[int], None] | None, max_ratio: float | None
) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield name and open file of each file, None for a link."""
    import zipfile

    with open_raw(path) as raw:
        source = _Source(raw, None)
        try:
            total = raw.seek(0, os.SEEK_END)
        except OSError as error:
            raise CorpusError(
                "a zip archive can't be read from a pipe; write it to a file first", path=path
            ) from error
        try:
            buffered = io.BufferedReader(source)
            archive = zipfile.ZipFile(buffered)
        except Exception as error:
            raise damage(error, path, "zip", source) from error

        def content(info: zipfile.ZipInfo, stored: int) -> Iterator[bytes]:
            check_ratio(info.file_size, stored, f"{path}/{info.filename}", max_ratio)
            with archive.open(info) as file:
                if info.compress_type == zipfile.ZIP_LZMA:
                    _check_lzma(buffered, info.header_offset)
                while block := file.read(_BLOCK):
                    yield block

        with archive:
            for info in archive.infolist():
                name = info.filename
                if name.endswith("/") or is_system_file(name):
                    continue
                if stat.S_ISLNK(info.external_attr >> 16):
                    yield name, None
                    continue
                stored = min(info.compress_size, total)
                pieces = content(info, stored)
                yield name, _member(path, name, "zip", pieces, source, max_ratio, stored)
                if on_read is not None:
                    on_read(stored)


def _check_lzma(archive: IO[bytes], offset: int) -> None:
    """Raise ValueError if the member at an offset claims too much memory for LZMA."""
    archive.seek(offset)
    header = archive.read(30)
    lengths = (int.from_bytes(header[start : start + 2], "little") for start in (26, 28))
    archive.seek(offset + 30 + sum(lengths))  # after the name and the extra field
    # version, size of the properties, which are one byte and the size of the dictionary
    properties = archive.read(9)
    size = int.from_bytes(properties[5:], "little")
    if size > _LZMA_MEMORY:
        raise ValueError(f"it needs {size:,} bytes of memory")


def _member(
    path: str,
    name: str,
    kind: str,
    pieces: Iterator[bytes],
    source: _Source,
    max_ratio: float | None,
    stored: int | None = None,
) -> IO[bytes]:
    """Open a file of an archive; `path` and `name` are for errors, see `_Checked` for others."""

    def refused() -> Iterator[bytes]:
        raise DamagedFileError(
            "an archive within an archive can't be read; unpack the outer one first",
            path=f"{path}/{name}",
        )
        yield b""

    if is_archive(name):
        pieces = refused()
    checked = _Checked(pieces, f"{path}/{name}", kind, source, max_ratio, stored)
    return io.BufferedReader(checked, _BLOCK)


def _tar_members(
    path: str, on_read: Callable[[int], None] | None, max_ratio: float | None
) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield name and open file of each file, None for a link."""
    import tarfile

    class Header(tarfile.TarInfo):
        """Raises an error for a damaged header, which tarfile takes for the end of the archive."""

        @classmethod
        def fromtarfile(cls, archive: tarfile.TarFile) -> Any:
            try:
                return super().fromtarfile(archive)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
                raise
            except tarfile.HeaderError as error:
                # An archive ends with blocks of zeros.
                reason = "its end is missing" if "empty" in str(error) else error
                raise tarfile.ReadError(str(reason)) from error

    with ByteStream(path, on_read=on_read, max_ratio=max_ratio, packed=True) as stream:
        try:
            tar: Any = tarfile.open(fileobj=stream, mode="r|", tarinfo=Header)  # noqa: SIM115
            rest = tar.fileobj
            while (member := tar.next()) is not None:
                tar.members.clear()  # otherwise it keeps all of them
                name = member.name
                if (member.issym() or member.islnk()) and not is_system_file(name):
                    yield name, None
                inner = tar.extractfile(member) if member.isreg() else None
                if inner is not None and not is_system_file(name):
                    pieces = iter(lambda inner=inner: inner.read(_BLOCK), b"")  # type: ignore[misc]
                    # A sparse file may claim any size, so its size is limited, too.
                    yield name, _member(path, name, "tar", pieces, stream.source, max_ratio)
                # tarfile would skip any claimed size beyond the end, for hours.
                while (left := tar.offset - rest.tell()) > 0:
                    if not rest.read(min(left, _BLOCK)):
                        raise tarfile.ReadError("its last file is incomplete")
            # Only zeros may follow the end. Reading them also detects damage of a compressed file.
            while block := rest.read(_BLOCK):
                if block.strip(b"\0"):
                    raise tarfile.ReadError(
                        "more content follows its end, such as a second archive"
                    )
        except Exception as error:
            raise damage(error, path, "tar", stream.source) from error
