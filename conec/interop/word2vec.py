"""Read and write the text and binary formats of word2vec, which many programs use."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from conec.interop.checks import check_vectors, require_writable
from conec.interop.conversion import to_keyed_vectors
from conec.interop.reading import read_vectors
from conec.types import StrPath
from corpora.files import check_output
from corpora.output import open_output
from corpora.readers.stream import MAX_RATIO

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


def load_word2vec(
    path: StrPath,
    *,
    binary: bool | None = None,
    vocab: StrPath | None = None,
    unicode_errors: str = "strict",
    limit: int | None = None,
    no_header: bool | None = None,
    words: Container[str] | None = None,
    max_ratio: float | None = MAX_RATIO,
) -> KeyedVectors:
    """Read word vectors in the format of word2vec, of GloVe, or of fastText (``.vec``, ``.bin``).

    Parameters
    ----------
    path : path
        A file, decompressed according to its suffix (``.gz``, ``.bz2``, ``.xz``, ``.zst``).
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
        Read only the first `limit` vectors of the file.
    no_header : bool, optional
        Whether the first line, with the numbers of vectors and dimensions, is missing, as in the
        text files of GloVe. The first vector then gives the number of dimensions. By default it
        is detected: a line of two integers is a header.
    words : container of str, optional
        Keep only the vectors of these words.
    max_ratio : float or None, default=500
        Largest ratio of decompressed to compressed size, for content above 16 MiB. None for no
        limit.

    Returns
    -------
    gensim.models.KeyedVectors
        Vectors in float32, words in the order of the file. In text, a word may contain spaces.

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
    Of a model of fastText (``.bin``), the vectors are those of the words of its vocabulary: the
    mean of the vectors of a word and of its character n-grams. Other words have none.

    The other formats are those of word2vec.c: a line ``n size``, then for each word the
    word, a space and `size` values, as text up to the end of the line or as little-endian float32.
    """
    return to_keyed_vectors(
        *read_vectors(
            path, binary=binary, vocab=vocab, unicode_errors=unicode_errors, limit=limit,
            no_header=no_header, words=words, max_ratio=max_ratio,
        )
    )  # fmt: skip


def save_word2vec(
    vectors: KeyedVectors,
    path: StrPath,
    *,
    binary: bool = False,
    vocab: StrPath | None = None,
    digits: int = 9,
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
        nine digits per value by default, so that reading it gives the same float32 values.
    vocab : path, optional
        Also write ``word count`` lines from the attribute ``"count"`` to this file.
    digits : int
        Significant digits of each value in a text.

    Raises
    ------
    ValueError
        If `check_vectors` finds an error, a word is empty or contains white space, or `vocab` is
        passed and the vectors have no counts.
    """
    check_vectors(vectors)
    words: list[str] = vectors.index_to_key
    require_writable(words)
    if vocab is not None and "count" not in vectors.expandos:
        raise ValueError(
            "vocab cannot be written because the vectors have no attribute 'count': leave vocab out"
        )
    for output in (path, vocab):
        if output is not None:
            check_output(output)
    matrix = vectors.vectors.astype("<f4", copy=False)
    values = " ".join([f"%.{digits}g"] * matrix.shape[1])
    with open_output(path) as write:
        write(f"{len(words)} {matrix.shape[1]}\n")
        for word, row in zip(words, matrix, strict=True):
            content = row.tobytes() if binary else (values % tuple(row.tolist())).encode()
            write(word.encode() + b" " + content + b"\n")
    if vocab is not None:
        with open_output(vocab) as write:
            for word, count in zip(words, vectors.expandos["count"], strict=True):
                write(f"{word} {count}\n")
