"""gensim's word vectors with norms that follow changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from gensim.models import KeyedVectors

from conec.linalg import row_lengths

__all__ = ["WordVectors"]


class WordVectors(KeyedVectors):  # type: ignore[misc]
    """Word vectors to which words can be added, and whose vectors can be replaced, at any time.

    gensim keeps the norms of vectors that it computed once, so that later changes give cosines
    beyond 1, or errors. Here, norms are computed again after a change by `add_vector`,
    `add_vectors`, ``vectors[word] = ...`` or any method that replaces the array `vectors`, and
    after an assignment to `vectors`. Changes of values within this array go unnoticed; call
    ``fill_norms(force=True)`` after them.

    Copies and pickles are plain `KeyedVectors`.
    """

    norms: Any
    vectors: Any

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "vectors":  # also by gensim, which sorts and resizes
            super().__setattr__("norms", None)
        super().__setattr__(name, value)

    def fill_norms(self, force: bool = False) -> None:
        """Compute the norms of all vectors; 1 for vectors of zeros, whose cosines are then 0."""
        if force or self.norms is None or len(self.norms) != len(self.vectors):
            self.norms = row_lengths(self.vectors)  # in blocks: gensim makes a copy of all vectors
            self.norms[self.norms == 0] = 1

    def add_vector(self, key: Any, vector: Any) -> int:
        """Add a word; see gensim."""
        self.norms = None
        position: int = super().add_vector(key, vector)
        return position

    def add_vectors(
        self, keys: Any, weights: Any, extras: Any = None, replace: bool = False
    ) -> None:
        """Add words, or replace their vectors; see gensim."""
        self.norms = None
        super().add_vectors(keys, weights, extras, replace)
        self.allocate_vecattrs()  # new words have a count of 0

    def intersect_word2vec_format(self, *args: Any, **kwargs: Any) -> None:
        """Replace the vectors of words that a file contains; see gensim."""
        self.vectors = self.vectors.copy()  # written in place; the model keeps its own
        super().intersect_word2vec_format(*args, **kwargs)
        self.norms = None

    def unit_normalize_all(self) -> None:
        """Scale all vectors to unit length; the model from which they come keeps its own."""
        self.vectors = self.vectors.copy()
        super().unit_normalize_all()

    def __reduce__(self) -> tuple[Any, ...]:
        # gensim reads plain KeyedVectors without this package
        state = self.__dict__ | {"norms": None}
        if not np.asarray(self.vectors).any(axis=1).all():
            self.fill_norms()
            state["norms"] = self.norms
        return KeyedVectors, (self.vector_size,), state
