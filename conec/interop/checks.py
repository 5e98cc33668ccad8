"""Whether word vectors are in order, and gensim's class for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

ASCII_BLANKS = " \t\n\r\v\f"


def check_vectors(
    vectors: KeyedVectors | ArrayLike,
    words: Sequence[str] | None = None,
    *,
    size: int | None = None,
) -> None:
    """Raise an error unless vectors are in order.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors or array, shape (n, size)
        What to check.
    words : sequence of str, optional
        The words of an array, to be checked as well and to be named in messages.
    size : int, optional
        The number of dimensions that is expected.

    Raises
    ------
    ValueError
        If there are no vectors, they do not have the right shape, a word occurs twice, or a value
        is NaN or infinite. The message names the first words concerned.
    """
    keyed: Any = vectors
    if hasattr(keyed, "index_to_key"):
        words = keyed.index_to_key
        matrix = np.asarray(keyed.vectors)
    else:
        matrix = np.asarray(vectors)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"expected vectors of shape (n, size), both above 0, not {matrix.shape}")
    if size is not None and matrix.shape[1] != size:
        raise ValueError(f"expected vectors of size {size}, not {matrix.shape[1]}")
    if words is not None:
        if len(words) != len(matrix):
            raise ValueError(f"{len(words)} words do not go with {len(matrix)} vectors")
        if len(set(words)) != len(words):
            _, again = first_rows(words)
            raise ValueError(f"{len(again)} words occur more than once: {first_few(again)}")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        named = bad.tolist() if words is None else [words[row] for row in bad.tolist()]
        raise ValueError(
            f"{len(bad)} of {len(matrix)} vectors hold NaN or infinity, first of all for "
            f"{first_few(named)}"
        )


def first_few(items: Sequence[object], n: int = 5) -> str:
    """Return the first items for a message."""
    return ", ".join(map(repr, items[:n])) + (" ..." if len(items) > n else "")


def first_rows(words: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Return the row where each word occurs first, and the words that occur again."""
    rows: dict[str, int] = {}
    again: dict[str, None] = {}
    for row, word in enumerate(words):
        if rows.setdefault(word, row) != row:
            again[word] = None
    return rows, list(again)


def to_keyed_vectors(
    words: Sequence[str], vectors: ArrayLike, counts: ArrayLike | None = None
) -> KeyedVectors:
    """Put words and their vectors together for gensim.

    Parameters
    ----------
    words : sequence of str
        Each once; the most frequent first, which is what gensim's ``restrict_vocab`` counts on.
    vectors : array, shape (n, size)
        Kept as it is if it is an array of float32 in C order, otherwise copied to one.
    counts : array of int, shape (n,), optional
        How often each word occurs, kept as the attribute ``"count"``.

    Returns
    -------
    gensim.models.KeyedVectors

    Raises
    ------
    ValueError
        If `check_vectors` finds fault, or the counts are not one for each word.
    """
    from gensim.models import KeyedVectors

    words = list(words)
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    check_vectors(matrix, words)
    keyed = KeyedVectors(matrix.shape[1])
    keyed.index_to_key = words
    keyed.key_to_index = {word: row for row, word in enumerate(words)}
    keyed.vectors = matrix
    if counts is not None:
        numbers = np.asarray(counts, dtype=np.int64)
        if numbers.shape != (len(words),):
            raise ValueError(f"expected {len(words)} counts, not an array of {numbers.shape}")
        keyed.expandos["count"] = numbers.copy()
    return keyed


def require_writable(words: Sequence[str], forbidden: str = ASCII_BLANKS) -> None:
    """Raise ValueError if a word is empty or holds a forbidden character."""
    bad = [word for word in words if not word or any(letter in forbidden for letter in word)]
    if bad:
        raise ValueError(
            f"{len(bad)} words are empty or hold white space, which the format has no way to "
            f"write: {first_few(bad)}"
        )
