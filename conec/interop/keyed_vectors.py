"""gensim's word vectors with norms that follow changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from gensim.models import KeyedVectors

from conec.linalg import row_lengths

if TYPE_CHECKING:
    from conec.types import FloatArray
    from conec.vocabulary import Vocabulary

__all__ = ["ModelVectors", "WordVectors"]

_OF_MODELS = ("outdated", "_weights", "_replace")  # attributes that plain KeyedVectors lack


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
    vectors_lockf: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.vectors_lockf = np.ones(1, np.float32)

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
        """Add words, or replace their vectors; see gensim.

        Raises
        ------
        ValueError
            If there is not one vector of the right size for each word.
        """
        keys, rows = self._checked(keys, weights)
        self.norms = None
        super().add_vectors(keys, rows, extras, replace)
        self.allocate_vecattrs()  # new words have a count of 0

    def _checked(self, keys: Any, weights: Any) -> tuple[list[Any], FloatArray]:
        keys = [keys] if isinstance(keys, (str, Integral)) else list(keys)
        rows = np.asarray(weights, np.float32)
        if rows.ndim == 1 and len(keys) == 1:
            rows = rows[None]
        if rows.shape != (len(keys), self.vector_size):
            raise ValueError(
                f"expected {len(keys)} vectors of size {self.vector_size}, got an array of shape "
                f"{rows.shape}"
            )
        return keys, rows

    def intersect_word2vec_format(
        self,
        fname: Any,
        lockf: float = 0.0,
        binary: bool | None = None,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
    ) -> None:
        """Replace the vectors of words that a file contains.

        Parameters
        ----------
        fname : path
            A file that `conec.interop.load_word2vec` reads.
        lockf : float
            `vectors_lockf` of these words: 0 freezes their vectors in further training, 1 trains
            them like all others.
        binary : bool, optional
            By default, the format is detected.
        encoding : str
            Only "utf8".
        unicode_errors : str
            As for `load_word2vec`.

        Raises
        ------
        ValueError
            If the file is damaged, has none of the words, or its vectors have another size.
        """
        from conec.interop.reading import read_vectors

        if encoding.lower().replace("-", "") != "utf8":
            raise ValueError(f"encoding must be 'utf8', got {encoding!r}: convert the file")
        words, rows, _ = read_vectors(
            fname, binary=binary, unicode_errors=unicode_errors, words=self.key_to_index
        )
        factors = np.ones(len(self), np.float32)
        factors[: len(self.vectors_lockf)] = self.vectors_lockf  # one, or one for each word
        factors[[self.key_to_index[word] for word in words]] = lockf
        self.add_vectors(words, rows, replace=True)
        self.vectors_lockf = factors

    def unit_normalize_all(self) -> None:
        """Scale all vectors to unit length; the model from which they come keeps its own."""
        self.vectors = self.vectors.copy()
        super().unit_normalize_all()

    def __reduce__(self) -> tuple[Any, ...]:
        # gensim reads plain KeyedVectors without this package
        state = {k: v for k, v in self.__dict__.items() if k not in _OF_MODELS} | {"norms": None}
        if not np.asarray(self.vectors).any(axis=1).all():
            self.fill_norms()
            state["norms"] = self.norms
        return KeyedVectors, (self.vector_size,), state


class ModelVectors(WordVectors):
    """The weights of a model as word vectors: vectors that are replaced are replaced in the model.

    Parameters
    ----------
    vocabulary : Vocabulary
    replace : callable
        Takes words of the vocabulary and their vectors; returns the model's weights.

    Attributes
    ----------
    outdated : bool
        Whether the weights have changed, so that `update` must be called.
    """

    def __init__(
        self, vocabulary: Vocabulary, replace: Callable[[Sequence[str], FloatArray], FloatArray]
    ) -> None:
        super().__init__(0)
        self.index_to_key = list(vocabulary.words)
        self.key_to_index = dict(vocabulary.index)
        self.expandos["count"] = vocabulary.counts.copy()
        self.outdated = True
        self._weights = np.zeros((len(vocabulary), 0), np.float32)
        self._replace = replace

    def weights_changed(self) -> None:
        """Forget the norms; `update` is called when the vectors are next taken from the model."""
        self.norms, self.outdated = None, True

    def update(self, vectors: FloatArray, lengths: FloatArray) -> None:
        """Take over the weights of the model; words that were added keep their vectors.

        Parameters
        ----------
        vectors : float32 array of shape (V, d)
            Not copied, unless words were added.
        lengths : float32 array of shape (V,)
        """
        self.vector_size = vectors.shape[1]
        added = self.vectors[len(vectors) :]
        self._weights = np.asarray(vectors)
        self.vectors = np.concatenate([vectors, added]) if len(added) else self._weights
        if not len(added):
            self.norms = np.where(lengths == 0, np.float32(1), lengths)
        self.outdated = False

    def add_vectors(
        self, keys: Any, weights: Any, extras: Any = None, replace: bool = False
    ) -> None:
        """Add words, or replace their vectors, which are then replaced in the model as well.

        Raises
        ------
        ValueError
            If there is not one vector of the right size for each word.
        RuntimeError
            If vectors are to be replaced, and the model is quantized.
        """
        keys, rows = self._checked(keys, weights)
        n_words = len(self._weights)
        known = [i for i, key in enumerate(keys) if self.key_to_index.get(key, n_words) < n_words]
        if replace and known:
            # whether no words were added, and vectors not normalized
            is_same, outdated = self.vectors is self._weights, self.outdated
            self._weights = np.asarray(self._replace([keys[i] for i in known], rows[known]))
            self.outdated = outdated  # the vectors here follow below
            if is_same:
                self.vectors = self._weights
                if len(known) == len(keys):
                    return  # gensim would make a copy of all vectors
        super().add_vectors(keys, rows, extras, replace)

    def sort_by_descending_frequency(self) -> None:
        """Do nothing: the words of a model are sorted, and added words come after them."""
