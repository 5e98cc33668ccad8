"""Conversion of words and vectors to gensim's class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from conec.interop.checks import check_vectors
from corpora.checks import shown

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


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
