"""Read and write the text and binary formats of word2vec, which many programs use."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from conec.interop.checks import (
    check_vectors,
    first_few,
    first_rows,
    require_writable,
    to_keyed_vectors,
)
from conec.types import StrPath
from corpora.checks import check_integer
from corpora.errors import warn
from corpora.files import atomic_path

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

_CHUNK = 1 << 20
# in bytes; if no space follows within this length, the file is malformed
_LONGEST_WORD = 1 << 16


def load_word2vec(
    path: StrPath,
    *,
    binary: bool | None = None,
    vocab: StrPath | None = None,
    unicode_errors: str = "strict",
    limit: int | None = None,
) -> KeyedVectors:
    """Read word vectors in the format of word2vec, also from gensim or fastText (``.vec``).

    Parameters
    ----------
    path : path
        A file, decompressed according to its suffix (``.gz``, ``.xz``, ...).
    binary : bool, optional
        Whether the format is binary, with a newline after each vector (word2vec.c) or without
        (gensim). By default it is detected.
    vocab : path, optional
        A file of ``word count`` lines, as written by word2vec's ``-save-vocab``; the counts become
        the attribute ``"count"``.
    unicode_errors : {"strict", "ignore", "replace", ...}, default="strict"
        How to decode words that are not valid UTF-8, see `bytes.decode`. word2vec.c truncates
        long words, possibly within a character.
    limit : int, optional
        Read only the first `limit` vectors.

    Returns
    -------
    gensim.models.KeyedVectors
        Vectors in float32, words in the order of the file.

    Raises
    ------
    ValueError
        If the file does not match its header or is truncated, a vector is malformed or contains
        NaN or infinity, or a word has no count in `vocab`. The message names the file and the
        line or vector.

    Warns
    -----
    UserWarning
        If words occur more than once; their first vectors are kept.

    Notes
    -----
    The formats are those of T. Mikolov's word2vec.c: a line ``n size``, then for each word the
    word, a space and `size` values, as text up to the end of the line or as little-endian float32.
    """
    if limit is not None:
        check_integer("limit", limit, 1)
    import smart_open

    name = os.fspath(path)
    words: list[str] = []
    try:
        with smart_open.open(name, "rb") as stream:
            n, size = _read_header(stream, name)
            head = stream.read(1 << 14)
            if binary is None:
                binary = not _looks_like_text(head)
            _check_file_size(name, n, size, binary)
            try:
                matrix = np.empty((min(n, limit or n), size), dtype=np.float32)
            except (MemoryError, ValueError):
                _fail(name, f"line 1: {n} vectors of {size} dimensions do not fit into memory")
            whole = len(matrix) == n
            rows = (_binary_rows if binary else _text_rows)(stream, head, matrix, name, whole)
            for place, word in rows:
                try:
                    words.append(word.decode("utf-8", unicode_errors))
                except UnicodeDecodeError as error:
                    _fail(
                        name,
                        f"{place}: the word {word[:40]!r} is not valid UTF-8 ({error.reason}); "
                        f"read it with unicode_errors='replace'",
                    )
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        _fail(name, f"the compressed file is damaged or truncated ({error})")
    if len(set(words)) != len(words):
        first, repeated = first_rows(words)
        warn(
            f"{name}: some words occur more than once, and only their first vectors are kept: "
            f"{first_few(repeated)}"
        )
        words, matrix = list(first), matrix[list(first.values())]
    counts = None if vocab is None else _read_counts(vocab, words)
    try:
        return to_keyed_vectors(words, matrix, counts)
    except ValueError as error:
        _fail(name, str(error))


def _fail(name: str, message: str) -> NoReturn:
    raise ValueError(f"{name}: {message}") from None


def _read_header(stream: IO[bytes], name: str) -> tuple[int, int]:
    header = stream.readline(200)
    try:
        n, size = (int(number) for number in header.split())
        if n < 1 or size < 1:
            raise ValueError
    except ValueError:
        _fail(
            name,
            f"line 1: expected the number of vectors and of dimensions, got {header[:60]!r} "
            f"(GloVe's files do not have this line)",
        )
    return n, size


def _looks_like_text(head: bytes) -> bool:
    """Whether the content after the header is text: a row of numbers, or printable UTF-8."""
    row = head.split(b"\n", 1)[0].split(b" ", 1)[-1]
    if row and not row.strip(b"0123456789+-.eEnaifNAIF \t\r"):
        return True
    try:
        # the last character may be incomplete
        text = head[: max(0, len(head) - 3)].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(letter >= " " or letter in "\t\n\r" for letter in text)


def _check_file_size(name: str, n: int, size: int, binary: bool) -> None:
    """Raise ValueError if the file is too short for its header, before memory is allocated."""
    if not os.path.isfile(name) or Path(name).suffix in (".gz", ".xz", ".bz2", ".zst", ".lz4"):
        return
    # a word, and for each value a space and at least one character, or 4 bytes
    minimum = n * (4 * size + 1 if binary else 2 * size + 1)
    actual = os.path.getsize(name)
    if actual < minimum:
        _fail(
            name,
            f"line 1 announces {n} vectors of {size} dimensions, at least {minimum} bytes, but the "
            f"file has {actual}",
        )


def _binary_rows(
    stream: IO[bytes], head: bytes, matrix: NDArray[np.float32], name: str, whole: bool
) -> Iterator[tuple[str, bytes]]:
    """Fill the matrix from a binary file; yield the place and the word of each row."""
    size = matrix.shape[1]
    buffer, at = head, 0
    for row in range(len(matrix)):
        while True:
            space = buffer.find(b" ", at)
            if space >= 0 and len(buffer) > space + 4 * size:
                break
            if space < 0 and len(buffer) - at > _LONGEST_WORD:
                _fail(
                    name,
                    f"vector {row + 1}: no space after the word; is the size {size} correct?",
                )
            more = stream.read(max(_CHUNK, 4 * size))
            if not more:
                _fail(
                    name,
                    f"vector {row + 1}: the file ends within this vector, but line 1 announces at "
                    f"least {len(matrix)} vectors of {size} dimensions",
                )
            buffer, at = buffer[at:] + more, 0
        word = buffer[at:space].lstrip(b"\n")
        if not word:
            _fail(name, f"vector {row + 1}: the word is empty; is the size {size} correct?")
        matrix[row] = np.frombuffer(buffer, "<f4", size, space + 1)
        at = space + 1 + 4 * size
        yield f"vector {row + 1}", word
    if whole and (buffer[at:] + stream.read(_CHUNK)).strip(b"\n"):
        _fail(
            name,
            f"data follows after the {len(matrix)} vectors of size {size} that line 1 announces",
        )


def _text_rows(
    stream: IO[bytes], head: bytes, matrix: NDArray[np.float32], name: str, whole: bool
) -> Iterator[tuple[str, bytes]]:
    """Fill the matrix from a text file; yield the place and the word of each row."""
    size = matrix.shape[1]
    lines = _lines_after(head, stream)
    for row in range(len(matrix)):
        place = f"line {row + 2}"
        line = next(lines, None)
        if line is None:
            _fail(
                name,
                f"{place}: the file ends here, but line 1 announces at least {len(matrix)} vectors",
            )
        # only spaces are separators: other white space may be part of a word
        word, *values = line.rstrip(b" \r\n").split(b" ")
        if len(values) != size or not word:
            _fail(name, f"{place}: expected a word and {size} values, got {len(values)} values")
        try:
            matrix[row] = [float(value) for value in values]
        except ValueError as error:
            _fail(name, f"{place}: {error}")
        yield place, word
    if whole and next(lines, b"").strip():
        _fail(
            name,
            f"line {len(matrix) + 2}: data follows after the {len(matrix)} vectors that line 1 "
            "announces",
        )


def _lines_after(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    *lines, incomplete = head.split(b"\n")
    yield from lines
    last_line = incomplete + stream.readline()
    if last_line:
        yield last_line
    yield from stream


def _read_counts(path: StrPath, words: Sequence[str]) -> list[int]:
    import smart_open

    name = os.fspath(path)
    counts: dict[str, int] = {}
    with smart_open.open(name, "r", encoding="utf-8", errors="replace", newline="\n") as stream:
        for number, line in enumerate(stream, 1):
            word, _, count = line.rstrip(" \r\n").rpartition(" ")
            try:
                counts[word] = int(count)
            except ValueError:
                _fail(name, f"line {number}: expected 'word count', got {line[:80]!r}")
    missing = [word for word in words if word not in counts]
    if missing:
        _fail(name, f"{len(missing)} words have no count: {first_few(missing)}")
    return [counts[word] for word in words]


def save_word2vec(
    vectors: KeyedVectors, path: StrPath, *, binary: bool = False, vocab: StrPath | None = None
) -> None:
    """Write word vectors in the format of word2vec.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        Written in float32, in their order.
    path : path
        The file to create or replace, compressed according to its suffix (``.gz``, ``.xz``, ...).
        An existing file is replaced once the new one is complete.
    binary : bool, default=False
        Write the binary format, with a newline after each vector as word2vec.c does. Text has
        nine digits per value, so that reading it gives the same float32 values.
    vocab : path, optional
        Also write ``word count`` lines from the attribute ``"count"`` to this file.

    Raises
    ------
    ValueError
        If `check_vectors` finds an error, a word is empty or contains white space, or `vocab` is
        passed and the vectors have no counts.
    """
    import smart_open

    check_vectors(vectors)
    words: list[str] = vectors.index_to_key
    require_writable(words)
    if vocab is not None and "count" not in vectors.expandos:
        raise ValueError(
            "vocab cannot be written because the vectors have no attribute 'count': leave vocab out"
        )
    matrix = vectors.vectors.astype("<f4", copy=False)
    values = " ".join(["%.9g"] * matrix.shape[1])
    with atomic_path(path) as temporary, smart_open.open(os.fspath(temporary), "wb") as out:
        out.write(f"{len(words)} {matrix.shape[1]}\n".encode())
        for word, row in zip(words, matrix, strict=True):
            content = row.tobytes() if binary else (values % tuple(row.tolist())).encode()
            out.write(word.encode() + b" " + content + b"\n")
    if vocab is not None:
        with atomic_path(vocab) as temporary, smart_open.open(os.fspath(temporary), "wb") as out:
            for word, count in zip(words, vectors.expandos["count"], strict=True):
                out.write(f"{word} {count}\n".encode())
