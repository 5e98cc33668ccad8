"""Read words and vectors from files of word2vec, GloVe and fastText."""

from __future__ import annotations

import io
import os
from collections.abc import Container, Iterator, Sequence
from functools import partial
from typing import NamedTuple, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from conec.interop.checks import check_vectors, first_few, first_rows
from conec.interop.fasttext import MAGIC, read_fasttext
from conec.types import StrPath
from corpora.checks import check_integer
from corpora.errors import cut_middle, warn
from corpora.readers.base import TextFile, byte_order_mark
from corpora.readers.stream import MAX_RATIO, ByteStream, compression

Stream: TypeAlias = "io.BufferedReader[ByteStream]"
# the place, the word and the values of a row
Row = tuple[str, bytes, list[float] | NDArray[np.float32]]

_CHUNK = 1 << 20
_LARGEST_READ = 1 << 26
# in bytes; if no space follows within this length, the file is malformed
_LONGEST_WORD = 1 << 16
_LONGEST_VALUE = 64
_USUAL_RATIO = 20  # vectors compress to more than a twentieth


class Vectors(NamedTuple):
    """Contents of a file: words, vectors of shape (n, size), and counts if it has any."""

    words: list[str]
    matrix: NDArray[np.float32]
    counts: list[int] | None


def read_vectors(
    path: StrPath,
    *,
    binary: bool | None = None,
    vocab: StrPath | None = None,
    unicode_errors: str = "strict",
    limit: int | None = None,
    no_header: bool | None = None,
    words: Container[str] | None = None,
    max_ratio: float | None = MAX_RATIO,
) -> Vectors:
    """Read word vectors; parameters, errors and warnings are those of `load_word2vec`."""
    if limit is not None:
        check_integer("limit", limit, 1)
    if no_header and binary:
        raise ValueError("no_header=True is for text; the binary format needs its first line")
    name = os.fspath(path)
    found: list[str] = []
    with io.BufferedReader(ByteStream(name, max_ratio=max_ratio), _CHUNK) as stream:
        if stream.peek(4).startswith(MAGIC):
            decode = partial(str, encoding="utf-8", errors=unicode_errors)
            try:
                return _checked(name, Vectors(*read_fasttext(stream, decode, limit, words)))
            except ValueError as error:
                _fail(name, str(error).removeprefix(f"{name}: "))
        if no_header is None:
            no_header = not binary and _is_vector(stream.peek(_CHUNK))
        n, size = _size_of_first(stream, name) if no_header else _read_header(stream, name)
        if binary is None:
            binary = not no_header and not _looks_like_text(stream.peek(1 << 14)[: 1 << 14])
        n_rows = n if n is not None and _is_plausible(name, n, size, binary) else 0
        matrix = _empty(0 if words is not None else min(n_rows, limit or n_rows), size, name)
        rows = (_binary_rows if binary else _text_rows)(stream, n, size, limit, name)
        for place, encoded, values in rows:
            try:
                word = encoded.decode("utf-8", unicode_errors)
            except UnicodeDecodeError as error:
                _fail(
                    name,
                    f"{place}: the word {encoded[:40]!r} is not valid UTF-8 ({error.reason}); "
                    f"read it with unicode_errors='replace'",
                )
            if words is not None and word not in words:
                continue
            if len(found) == len(matrix):
                matrix = _grown(matrix, name)
            with np.errstate(over="ignore"):  # infinity is found below
                matrix[len(found)] = values
            found.append(word)
    matrix = matrix[: len(found)]
    if len(set(found)) != len(found):
        first, repeated = first_rows(found)
        warn(
            f"{name}: some words occur more than once, and only their first vectors are kept: "
            f"{first_few(repeated)}"
        )
        found, matrix = list(first), matrix[list(first.values())]
    counts = None if vocab is None else _read_counts(vocab, found, unicode_errors)
    return _checked(name, Vectors(found, matrix, counts))


def _checked(name: str, vectors: Vectors) -> Vectors:
    """Return the vectors; ValueError if a value is not finite, or without any vectors."""
    if not vectors.words:
        _fail(name, "the file has no vectors of these words")
    try:
        check_vectors(vectors.matrix, vectors.words)
    except ValueError as error:
        _fail(name, str(error))
    return vectors


def _fail(name: str, message: str) -> NoReturn:
    raise ValueError(cut_middle(f"{name}: {message}")) from None


def _read_header(stream: Stream, name: str) -> tuple[int, int]:
    header = _without_mark(stream.readline(200), name)
    if header[:1] == b"\x80" and header[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        _fail(
            name,
            "this is a pickle, not a file of word2vec; if gensim saved it, read it with "
            "gensim.models.KeyedVectors.load",
        )
    try:
        n, size = (int(number) for number in header.split())
        if n < 1 or size < 1:
            raise ValueError
    except ValueError:
        _fail(
            name,
            f"line 1: expected the number of vectors and of dimensions, got {header[:60]!r}; "
            "files without this line, as those of GloVe, begin with a word and its values",
        )
    return n, size


def _without_mark(head: bytes, name: str) -> bytes:
    """Remove a byte order mark from the beginning of a file.

    Raises
    ------
    ValueError
        If it is that of another encoding than UTF-8.
    """
    mark, encodings = byte_order_mark(head)
    if encodings not in ((), ("utf-8",)):
        _fail(name, f"the file is encoded as {encodings[0]}; convert it to UTF-8")
    return head[len(mark) :]


def _size_of_first(stream: Stream, name: str) -> tuple[None, int]:
    """Return None, and the number of dimensions of the first vector of a file without header."""
    line = _without_mark(stream.peek(_CHUNK).split(b"\n", 1)[0], name)
    fields = line.rstrip(b" \r").split(b" ")
    size = 0
    while size < len(fields) - 1 and _is_number(fields[-1 - size]):
        size += 1
    if size == 0:
        _fail(name, f"line 1: expected a word and the values of its vector, got {line[:60]!r}")
    return None, size


def _is_vector(head: bytes) -> bool:
    """Whether a file begins with a word and at least two values of its vector, not a header."""
    fields = head.split(b"\n", 1)[0].rstrip(b" \r").split(b" ")
    return len(fields) > 2 and all(map(_is_number, fields[-2:]))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


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


def _is_plausible(name: str, n: int, size: int, binary: bool) -> bool:
    """Whether a file is large enough for its header, so that memory can be allocated for it.

    False if that is unknown.

    Raises
    ------
    ValueError
        If the file is too short.
    """
    if not os.path.isfile(name):
        return False
    # a word, and for each value a space and at least one character, or 4 bytes
    minimum = n * (4 * size + 1 if binary else 2 * size + 1)
    actual = os.path.getsize(name)
    if compression(name) is not None:
        return minimum <= _USUAL_RATIO * actual
    if actual < minimum:
        _fail(
            name,
            f"line 1 declares {n} vectors of {size} dimensions, at least {minimum} bytes, but the "
            f"file has {actual}",
        )
    return True


def _empty(n: int, size: int, name: str) -> NDArray[np.float32]:
    try:
        return np.empty((n, size), dtype=np.float32)
    except (MemoryError, OverflowError, ValueError):
        _fail(name, f"{n} vectors of {size} dimensions do not fit into memory")


def _grown(matrix: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    n = len(matrix)
    grown = _empty(n + n // 2 + 1, matrix.shape[1], name)
    grown[:n] = matrix
    return grown


def _binary_rows(
    stream: Stream, n: int | None, size: int, limit: int | None, name: str
) -> Iterator[Row]:
    """Yield the place, the word and the values of each row of a binary file."""
    assert n is not None
    buffer, at = b"", 0
    for row in range(min(n, limit or n)):
        while True:
            space = buffer.find(b" ", at)
            if space >= 0 and len(buffer) > space + 4 * size:
                break
            if space < 0 and len(buffer) - at > _LONGEST_WORD:
                _fail(
                    name,
                    f"vector {row + 1}: no space after the word; is the size {size} correct?",
                )
            missing = 0 if space < 0 else space + 1 + 4 * size - len(buffer)
            more = stream.read(min(max(_CHUNK, missing), _LARGEST_READ))
            if not more:
                _fail(
                    name,
                    f"vector {row + 1}: the file ends within this vector, but line 1 declares "
                    f"{n} vectors of {size} dimensions",
                )
            buffer, at = buffer[at:] + more, 0
        word = buffer[at:space].lstrip(b"\n")
        if not word:
            _fail(name, f"vector {row + 1}: the word is empty; is the size {size} correct?")
        yield f"vector {row + 1}", word, np.frombuffer(buffer, "<f4", size, space + 1)
        at = space + 1 + 4 * size
    if (limit is None or limit >= n) and (buffer[at:] + stream.read(_CHUNK)).strip(b"\n"):
        _fail(name, f"data follows after the {n} vectors of size {size} that line 1 declares")


def _text_rows(
    stream: Stream, n: int | None, size: int, limit: int | None, name: str
) -> Iterator[Row]:
    """Yield the place, the word and the values of each row of a text file."""
    row = 0
    # No line is longer, unless the file is malformed.
    longest = _LONGEST_WORD + _LONGEST_VALUE * size
    while (line := stream.readline(longest)) and (limit is None or row < limit):
        place = f"line {row + 1 if n is None else row + 2}"
        if row == 0 and n is None:
            line = _without_mark(line, name)
        if row == n:
            if line.strip():
                _fail(name, f"{place}: data follows after the {n} vectors that line 1 declares")
            return
        # Only spaces are separators: other white space may be part of a word, as may spaces.
        word, *fields = line.rstrip(b" \r\n").rsplit(b" ", size)
        word = word.strip(b" ")
        if len(fields) != size or not word or _ends_in_value(word, fields):
            found = len(line.rstrip(b" \r\n").split(b" ")) - 1
            by_tabs = "; separate them by spaces, not tabs" if b"\t" in line else ""
            _fail(name, f"{place}: expected a word and {size} values, got {found} values{by_tabs}")
        try:
            values = [float(field) for field in fields]
        except ValueError as error:
            _fail(name, f"{place}: {str(error)[:120]}")
        yield place, word, values
        row += 1
    if n is not None and row < min(n, limit or n):
        _fail(name, f"line {row + 2}: the file ends here, but line 1 declares {n} vectors")


def _ends_in_value(word: bytes, fields: Sequence[bytes]) -> bool:
    """Whether a word with spaces ends in a number that must be an extra value, such as 0.25.

    An integer is part of the word, as in "top 10", unless the values are integers, too.
    """
    last = word[word.rfind(b" ") + 1 :]
    if len(last) == len(word) or last.isalpha() or not _is_number(last):
        return False
    return not last.isdigit() or all(field.lstrip(b"+-").isdigit() for field in fields)


def _read_counts(path: StrPath, words: Sequence[str], unicode_errors: str) -> list[int]:
    name = os.fspath(path)
    counts: dict[str, int] = {}
    for number, line in TextFile(name, errors=unicode_errors).numbered_lines():
        word, _, count = line.rstrip(" ").rpartition(" ")
        try:
            counts[word] = check_integer("a count", int(count), 0, 2**63 - 1)
        except ValueError:
            _fail(name, f"line {number}: expected 'word count', got {line[:80]!r}")
    missing = [word for word in words if word not in counts]
    if missing:
        _fail(name, f"{len(missing)} words have no count: {first_few(missing)}")
    return [counts[word] for word in words]
