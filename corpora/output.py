"""Write files that are compressed according to their suffix."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from corpora.errors import CorpusError
from corpora.files import StrPath, atomic_path
from corpora.readers.stream import compression, is_archive

__all__ = ["COMPRESSED", "check_suffix", "encode_text", "open_output"]

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
"""Suffixes of compressed files that can be written."""

_BLOCK = 1 << 20

Write = Callable[[bytes | str], None]


def check_suffix(path: StrPath) -> None:
    """Raise ValueError if the suffix is one of an archive or of an unsupported compression."""
    name = os.fspath(path)
    suffix = os.path.splitext(name)[1].lower()
    if is_archive(name) or (compression(name) and suffix not in COMPRESSED):
        raise ValueError(f"writing {suffix} is not supported; use one of {', '.join(COMPRESSED)}")


@contextmanager
def open_output(path: StrPath) -> Iterator[Write]:
    """Open an output: "-" for standard output, or a file that is replaced atomically.

    A file is compressed if its name ends in ``.gz``, ``.bz2``, ``.xz`` or ``.zst``. The same
    content always gives the same bytes: neither the time nor a file name is stored.

    Parameters
    ----------
    path : str or path
        See `corpora.files.atomic_path`.

    Yields
    ------
    callable
        Writes bytes, or a str as UTF-8.

    Raises
    ------
    ValueError
        If the suffix is one of an archive or of an unsupported compression.
    CorpusError
        If a str contains half of a surrogate pair, which UTF-8 can't represent.
    OSError
        If the file can't be written.
    """
    if path == "-":
        yield lambda data: _write_through(_encoded(data, "standard output"))
        return
    check_suffix(path)
    name = os.fspath(path)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        compressor = _compressor(os.path.splitext(name)[1].lower())
        # Compressed output depends on block sizes; fixed blocks make it reproducible.
        pending = bytearray()

        def write_in_blocks(data: bytes | str) -> None:
            pending.extend(_encoded(data, name))
            while len(pending) >= _BLOCK:
                _write(file, compressor, bytes(pending[:_BLOCK]))
                del pending[:_BLOCK]

        yield write_in_blocks
        _write(file, compressor, bytes(pending))
        if compressor is not None:
            file.write(compressor.flush())


def encode_text(text: str, name: str) -> bytes:
    """Encode text as UTF-8 for an output, whose name is for errors.

    Raises
    ------
    CorpusError
        If it contains half of a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        around = text[max(error.start - 20, 0) : error.end + 20]
        raise CorpusError(
            f"the text contains half of a surrogate pair, which UTF-8 can't represent: {around!a}; "
            "replace it before writing",
            path=name,
        ) from error


def _encoded(data: bytes | str, name: str) -> bytes:
    return data if isinstance(data, bytes) else encode_text(data, name)


def _write_through(data: bytes) -> None:
    sys.stdout.buffer.write(data)


def _write(file: IO[bytes], compressor: Any, block: bytes) -> None:
    file.write(block if compressor is None else compressor.compress(block))


def _compressor(suffix: str) -> Any:
    """Return an object with the methods compress and flush; None for no compression."""
    if suffix == ".gz":
        import zlib

        # The header that zlib writes has neither time nor name.
        return zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)
    if suffix == ".bz2":
        import bz2

        return bz2.BZ2Compressor()
    if suffix == ".xz":
        import lzma

        return lzma.LZMACompressor()
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdCompressor(level=6, write_checksum=True).compressobj()
    return None
