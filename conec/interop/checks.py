"""Checks of word vectors, and conversion to gensim's class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from corpora.checks import shown

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

ASCII_BLANKS = " \t\n\r\v\f"
_ROWS = 1 << 14  # vectors that are checked at a time


def check_vectors(
    vectors: KeyedVectors | ArrayLike,
    words: Sequence[str] | None = None,
    *,
    size: int | None = None,
) -> None:
    """Raise an error unless word vectors are valid.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors or array, shape (n, size)
        Vectors to check.
    words : sequence of str, optional
        Words of the rows of an array; checked as well, and named in error messages.
    size : int, optional
        Expected number of dimensions.

    Raises
    ------
    ValueError
        If there are no vectors, their shape is wrong, a word occurs twice, or a value is NaN or
        infinite. The message names the first words concerned.
    """
    keyed: Any = vectors
    if hasattr(keyed, "index_to_key"):
        words = keyed.index_to_key
        matrix = np.asarray(keyed.vectors)
    else:
        matrix = np.asarray(vectors)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"expected vectors of shape (n, size) with n, size >= 1, got shape {matrix.shape}"
        )
    if size is not None and matrix.shape[1] != size:
        raise ValueError(f"expected vectors of size {size}, got size {matrix.shape[1]}")
    if words is not None:
        if len(words) != len(matrix):
            raise ValueError(f"there are {len(words)} words but {len(matrix)} vectors")
        if len(set(words)) != len(words):
            _, repeated = first_rows(words)
            raise ValueError(f"{len(repeated)} words occur more than once: {first_few(repeated)}")
    not_finite = [
        row
        for start in range(0, len(matrix), _ROWS)
        for row in (
            start + np.flatnonzero(~np.isfinite(matrix[start : start + _ROWS]).all(axis=1))
        ).tolist()
    ]
    if not_finite:
        names = not_finite if words is None else [words[row] for row in not_finite]
        raise ValueError(
            f"{len(not_finite)} of {len(matrix)} vectors contain NaN or infinity: those of "
            f"{first_few(names)}"
        )


def first_few(items: Sequence[object], n: int = 5) -> str:
    """Format the first items for a message."""
    return ", ".join(map(repr, items[:n])) + (" ..." if len(items) > n else "")


def first_rows(words: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Return the row of the first occurrence of each word, and the words that are repeated."""
    rows: dict[str, int] = {}
    repeated: dict[str, None] = {}
    for row, word in enumerate(words):
        if rows.setdefault(word, row) != row:
            repeated[word] = None
    return rows, list(repeated)


def to_keyed_vectors(
    words: Sequence[str], vectors: ArrayLike, counts: ArrayLike | None = None
) -> KeyedVectors:
    """Combine words and their vectors into gensim's class.

    Parameters
    ----------
    words : sequence of str
        Distinct words, the most frequent first, as gensim's ``restrict_vocab`` assumes.
    vectors : array, shape (n, size)
        Not copied if it is a float32 array in C order.
    counts : array of int, shape (n,), optional
        Number of occurrences of each word, stored as the attribute ``"count"``.

    Returns
    -------
    gensim.models.KeyedVectors
        Words can be added to it and vectors replaced: its norms follow.

    Raises
    ------
    TypeError
        If words, vectors or counts have the wrong type.
    ValueError
        If `check_vectors` finds an error, or the number of counts differs from that of words.
    """
    from conec.interop.keyed_vectors import WordVectors
    from conec.vocabulary import checked_counts

    if isinstance(words, str) or not isinstance(words, Iterable):
        raise TypeError(f"words must be a list of words, got {shown(words)}")
    words = list(words)
    for word in words:
        if not isinstance(word, (str, Integral)):  # integers are keys for gensim, too
            raise TypeError(f"words must be strings, got {shown(word)}")
    if np.iscomplexobj(vectors):
        raise TypeError("vectors must be real numbers, got complex ones")
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    check_vectors(matrix, words)
    keyed = WordVectors(matrix.shape[1])
    keyed.index_to_key = words
    keyed.key_to_index = {word: row for row, word in enumerate(words)}
    keyed.vectors = matrix
    if counts is not None:
        numbers = checked_counts(counts, words)
        if numbers.shape != (len(words),):
            raise ValueError(f"expected {len(words)} counts, got an array of shape {numbers.shape}")
        keyed.expandos["count"] = numbers.copy()
    return keyed


def require_writable(words: Sequence[str], forbidden: str = ASCII_BLANKS) -> None:
    """Raise ValueError if a word is empty, contains a forbidden character, or is not valid text."""
    halves = [word for word in words if any("\ud800" <= letter <= "\udfff" for letter in word)]
    if halves:
        raise ValueError(
            f"{len(halves)} words contain half of a surrogate pair, which UTF-8 cannot represent: "
            f"{first_few(halves)}"
        )
    invalid = [word for word in words if not word or any(letter in forbidden for letter in word)]
    if invalid:
        raise ValueError(
            f"{len(invalid)} words are empty or contain white space, which the format cannot "
            f"represent: {first_few(invalid)}"
        )
