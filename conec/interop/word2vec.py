"""Files of word2vec, text and binary, as many programs read and write them."""

from __future__ import annotations

import gzip
import lzma
import os
import warnings
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
from corpora.files import atomic_path

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

StrPath = str | os.PathLike[str]

_CHUNK = 1 << 20
# Longer than any word; a longer run of bytes without a blank is no word.
_LONGEST_WORD = 1 << 16


def load_word2vec(
    path: StrPath,
    *,
    binary: bool | None = None,
    vocab: StrPath | None = None,
    unicode_errors: str = "strict",
    limit: int | None = None,
) -> KeyedVectors:
    """Read word vectors from a file of word2vec, gensim, fastText (``.vec``) and many others.

    Parameters
    ----------
    path : path
        The file; a compressed one is recognised by its suffix (``.gz``, ``.xz``, ...).
    binary : bool, optional
        Whether it is in the binary format. By default this is found out. Binary files are read
        with a newline after each vector (word2vec.c) and without (gensim).
    vocab : path, optional
        A file of ``word count`` lines, as word2vec's ``-save-vocab`` writes it; the counts become
        the attribute ``"count"``.
    unicode_errors : {"strict", "ignore", "replace", ...}, default="strict"
        What becomes of words that are not UTF-8, see `bytes.decode`. word2vec.c cuts long words,
        maybe in the middle of a letter.
    limit : int, optional
        Read the first `limit` vectors only.

    Returns
    -------
    gensim.models.KeyedVectors
        Vectors in float32, words in the order of the file.

    Raises
    ------
    ValueError
        If the file is not what its header says, is cut short, or a vector is malformed, NaN or
        infinite; if a word has no count in `vocab`. The message names file and place.

    Warns
    -----
    UserWarning
        If words occur more than once; the first vector is kept.

    Notes
    -----
    The formats are those of T. Mikolov's word2vec.c: a line ``n size``, then for each word the
    word, a blank and `size` values, as text to the end of the line or as little-endian float32.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
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
                        f"{place}: the word {word[:40]!r} is not UTF-8 ({error.reason}); "
                        f"unicode_errors='replace' reads it nevertheless",
                    )
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        _fail(name, f"the compressed file is damaged or cut short ({error})")
    if len(set(words)) != len(words):
        first, again = first_rows(words)
        warnings.warn(
            f"{name}: only the first vector is kept of words that occur again: {first_few(again)}",
            stacklevel=2,
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
            f"line 1: expected the numbers of vectors and of dimensions, found {header[:60]!r} "
            f"(a file of GloVe lacks this line)",
        )
    return n, size


def _looks_like_text(head: bytes) -> bool:
    """Whether what follows the header is text: its first row is, or all is printable UTF-8."""
    row = head.split(b"\n", 1)[0].split(b" ", 1)[-1]
    if row and not row.strip(b"0123456789+-.eEnaifNAIF \t\r"):
        return True
    try:
        # The last letter may be cut.
        text = head[: max(0, len(head) - 3)].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(letter >= " " or letter in "\t\n\r" for letter in text)


def _check_file_size(name: str, n: int, size: int, binary: bool) -> None:
    """Refuse a header that the file is too short for, before memory is reserved for it."""
    if not os.path.isfile(name) or Path(name).suffix in (".gz", ".xz", ".bz2", ".zst", ".lz4"):
        return
    # A blank and a value of at least one character, or of 4 bytes; and a word.
    least = n * (4 * size + 1 if binary else 2 * size + 1)
    actual = os.path.getsize(name)
    if actual < least:
        _fail(
            name,
            f"line 1 says {n} vectors of {size} dimensions, which takes at least {least} bytes, "
            f"but the file has {actual}",
        )


def _binary_rows(
    stream: IO[bytes], head: bytes, matrix: NDArray[np.float32], name: str, whole: bool
) -> Iterator[tuple[str, bytes]]:
    """Fill the matrix from a binary file and yield place and word of each row."""
    size = matrix.shape[1]
    buffer, at = head, 0
    for row in range(len(matrix)):
        while True:
            blank = buffer.find(b" ", at)
            if blank >= 0 and len(buffer) > blank + 4 * size:
                break
            if blank < 0 and len(buffer) - at > _LONGEST_WORD:
                _fail(name, f"vector {row + 1}: no blank ends its word; is the size {size} right?")
            more = stream.read(max(_CHUNK, 4 * size))
            if not more:
                _fail(
                    name,
                    f"vector {row + 1}: the file ends in it; line 1 promises at least "
                    f"{len(matrix)} vectors of {size} dimensions",
                )
            buffer, at = buffer[at:] + more, 0
        word = buffer[at:blank].lstrip(b"\n")
        if not word:
            _fail(name, f"vector {row + 1}: its word is empty; is the size {size} right?")
        matrix[row] = np.frombuffer(buffer, "<f4", size, blank + 1)
        at = blank + 1 + 4 * size
        yield f"vector {row + 1}", word
    if whole and (buffer[at:] + stream.read(_CHUNK)).strip(b"\n"):
        _fail(name, f"there is more after the {len(matrix)} vectors of size {size} of line 1")


def _text_rows(
    stream: IO[bytes], head: bytes, matrix: NDArray[np.float32], name: str, whole: bool
) -> Iterator[tuple[str, bytes]]:
    """Fill the matrix from a text file and yield place and word of each row."""
    size = matrix.shape[1]
    lines = _lines_after(head, stream)
    for row in range(len(matrix)):
        place = f"line {row + 2}"
        line = next(lines, None)
        if line is None:
            _fail(
                name, f"{place}: the file ends here; line 1 promises at least {len(matrix)} vectors"
            )
        # Only blanks separate: other white space, in UTF-8 too, may be part of a word.
        word, *values = line.rstrip(b" \r\n").split(b" ")
        if len(values) != size or not word:
            _fail(name, f"{place}: expected a word and {size} values, found {len(values)} values")
        try:
            matrix[row] = [float(value) for value in values]
        except ValueError as error:
            _fail(name, f"{place}: {error}")
        yield place, word
    if whole and next(lines, b"").strip():
        _fail(
            name,
            f"line {len(matrix) + 2}: there is more after the {len(matrix)} vectors of line 1",
        )


def _lines_after(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    *lines, rest = head.split(b"\n")
    yield from lines
    rest += stream.readline()
    if rest:
        yield rest
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
                _fail(name, f"line {number}: expected 'word count', found {line[:80]!r}")
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
        Written in float32, in the order they have.
    path : path
        The file to make or to replace, compressed if the suffix says so (``.gz``, ``.xz``, ...).
        It is replaced only once the new one is whole.
    binary : bool, default=False
        Whether to write the binary format, with a newline after each vector as word2vec.c does.
        Text is written with nine digits, which is enough to read the same float32 again.
    vocab : path, optional
        Also write ``word count`` lines to this file, from the attribute ``"count"``.

    Raises
    ------
    ValueError
        If `check_vectors` finds fault, a word is empty or holds white space, or there are no
        counts to write.
    """
    import smart_open

    check_vectors(vectors)
    words: list[str] = vectors.index_to_key
    require_writable(words)
    if vocab is not None and "count" not in vectors.expandos:
        raise ValueError("vocab can't be written: the vectors have no attribute 'count'")
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
