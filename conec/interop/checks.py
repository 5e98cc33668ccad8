"""Checks of word vectors, and conversion to gensim's class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

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
