"""Read the words of models of fastText, in the format that fastText saves (``.bin``).

Only the input matrix is read, in the layout of fastText's ``src/fasttext.cc`` (versions 11 and
12): parameters, dictionary, and one row for each word and for each bucket of character n-grams.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from corpora.readers.stream import ByteStream

MAGIC = (793712314).to_bytes(4, "little")
"""The first bytes of a model of fastText."""

_VERSIONS = (11, 12)
_SUPERVISED = 3  # value of `model`
_END_OF_SENTENCE = b"</s>"  # the word without n-grams
_LONGEST_WORD = 1 << 16
_BLOCK = 1 << 24  # bytes that are read at a time
_TRUNCATED = "the file ends within a model of fastText"


class _Reader:
    """Reads numbers and words from a binary file."""

    def __init__(self, stream: io.BufferedReader[ByteStream]) -> None:
        self._stream = stream

    def numbers(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{layout}")
        return struct.unpack(f"<{layout}", self._bytes(size))

    def word(self) -> bytes:
        word = bytearray()
        while (byte := self._bytes(1)) != b"\0":
            word += byte
            if len(word) > _LONGEST_WORD:
                raise ValueError("the dictionary is damaged: a word does not end")
        return bytes(word)

    def matrix(self, n_rows: int, size: int) -> NDArray[np.float32]:
        try:
            matrix = np.empty((n_rows, size), "<f4")
        except (MemoryError, OverflowError, ValueError):
            raise ValueError(f"{n_rows} vectors of size {size} do not fit into memory") from None
        if not matrix.size:
            return matrix
        content, done = matrix.reshape(-1).data.cast("B"), 0
        while done < len(content):
            n = self._stream.readinto(content[done : done + _BLOCK])
            if not n:
                raise ValueError(_TRUNCATED)
            done += n
        return matrix

    def _bytes(self, n: int) -> bytes:
        content = self._stream.read(n)
        if len(content) < n:
            raise ValueError(_TRUNCATED)
        return content


def read_fasttext(
    stream: io.BufferedReader[ByteStream],
    decode: Callable[[bytes], str],
    limit: int | None,
    words: Container[str] | None,
) -> tuple[list[str], NDArray[np.float32], list[int]]:
    """Read the vectors of the words of a model.

    As in fastText, the vector of a word is the mean of its own row and those of its n-grams.

    Parameters
    ----------
    stream : BufferedReader
    decode : callable
        Decodes a word.
    limit : int or None
        Read only the first `limit` words.
    words : container of str or None
        Read only these words.

    Returns
    -------
    words : list of str
    vectors : float32 array of shape (len(words), d)
    counts : list of int
        Occurrences in the training corpus.

    Raises
    ------
    ValueError
        If the file is damaged, quantized, or of another version.
    """
    from gensim.models.fasttext import ft_ngram_hashes

    read = _Reader(stream)
    _, version = read.numbers("ii")
    if version not in _VERSIONS:
        raise ValueError(f"this is version {version} of fastText's format; 11 and 12 can be read")
    size, _, _, _, _, _, _, kind, n_buckets, minn, maxn, _, _ = read.numbers("12id")
    if version == 11 and kind == _SUPERVISED:
        maxn = 0  # these models have no n-grams, whatever the parameter is
    n_entries, n_words, n_labels, _, n_pruned = read.numbers("iiiqq")
    if min(size, n_entries, n_words, n_labels) < 0 or not size or n_words + n_labels != n_entries:
        raise ValueError("the model of fastText is damaged: its dictionary has an invalid size")
    entries = [(read.word(), *read.numbers("qb")) for _ in range(n_entries)]
    (is_quantized,) = read.numbers("?")
    if is_quantized or n_pruned > 0:
        raise ValueError(
            "quantized models of fastText are not supported; use the file .vec of the same model"
        )
    n_rows, width = read.numbers("qq")
    if width != size or n_rows not in (n_words, n_words + max(0, n_buckets)):
        raise ValueError("the model of fastText is damaged: its matrix has an invalid size")
    matrix = read.matrix(n_rows, size)
    with_ngrams = maxn > 0 and n_rows > n_words
    found: list[str] = []
    vectors: list[NDArray[np.float32]] = []
    counts: list[int] = []
    for row, (word, count, is_label) in enumerate(entries[:limit]):
        text = decode(word)
        if is_label or (words is not None and text not in words):
            continue
        vector = matrix[row]
        if with_ngrams and word != _END_OF_SENTENCE:
            hashes = ft_ngram_hashes(text, minn, maxn, n_buckets)
            vector = matrix[[row, *(n_words + number for number in hashes)]].mean(axis=0)
        found.append(text)
        vectors.append(vector)
        counts.append(count)
    return found, np.array(vectors, np.float32).reshape(len(found), size), counts
