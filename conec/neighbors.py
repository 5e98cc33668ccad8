"""The known words that are most similar to a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec.embedding import NO_EMBEDDINGS, Embedder
from conec.linalg import normalize
from conec.types import FloatArray
from corpora.checks import ParameterError, check_integer, shown, word_list

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

_QUERY = "expected a word, a list of words or a vector of numbers"


class NearestNeighbors(Embedder):
    """Word vectors for gensim, and the known words that are most similar to a query."""

    @property
    def wv(self) -> KeyedVectors:
        """The rows of W1, word2vec's embeddings, as gensim's KeyedVectors.

        Words that are added to it, and vectors that are replaced in it, change neither `W1` nor
        what `save` writes.
        """
        return self._keyed("wv", self.W1)

    @property
    def wv_context(self) -> KeyedVectors:
        """`context_embeddings` as gensim's KeyedVectors.

        Raises
        ------
        RuntimeError
            If the model has no `context_embeddings`.
        """
        if self.context_embeddings is None:
            raise RuntimeError(NO_EMBEDDINGS)
        return self._keyed("wv_context", self.context_embeddings)

    def _keyed(self, name: str, vectors: FloatArray) -> KeyedVectors:
        from conec.interop import to_keyed_vectors

        if not len(self.vocabulary):
            raise RuntimeError("the model has no vocabulary yet: call fit")
        if name not in self._cache:
            lengths = self._lengths("W1" if name == "wv" else "context_embeddings", vectors)
            words, counts = self.vocabulary.words, self.vocabulary.counts
            keyed = to_keyed_vectors(words, vectors, counts)
            keyed.norms = np.where(lengths == 0, np.float32(1), lengths)
            self._cache[name] = keyed
        return self._cache[name]

    def most_similar(
        self, positive: str | Sequence[str] | npt.ArrayLike, topn: int = 10
    ) -> list[tuple[str, float]]:
        """The known words whose `context_embeddings` are most similar.

        Parameters
        ----------
        positive : str, list of str, or array of shape (d,)
            A known word, or a vector from `embed` or `embed_word`. Embeddings of several words
            are scaled to unit length and averaged, as in gensim.
        topn : int
            Maximum number of words.

        Returns
        -------
        list of (str, float)
            Words, without those in `positive`, and their cosine similarities.

        Raises
        ------
        TypeError
            If `positive` or `topn` has the wrong type.
        KeyError
            If the word is not in the vocabulary. `embed_word` makes a vector for such a word
            from its contexts.
        ValueError
            If the vector is zero, not finite, or has another shape, or `topn` is negative.
        RuntimeError
            If the model has no `context_embeddings`.
        """
        check_integer("topn", topn, 0)
        words, vector, keyed = _query_words(positive), self.query_vector(positive), self.wv_context
        similar: list[tuple[str, float]] = (
            keyed.similar_by_vector(vector, topn=topn)
            if words is None
            else keyed.most_similar(words, topn=topn)
        )
        return similar

    def query_vector(self, query: str | Sequence[str] | npt.ArrayLike) -> FloatArray:
        """The embedding of a known word, or the given vector itself, checked.

        Parameters and errors are those of `most_similar`.

        Returns
        -------
        float32 array of shape (d,)
        """
        keyed = self.wv_context
        if isinstance(query, str):
            if query not in self.vocabulary:
                raise KeyError(
                    f"{query!r} is not in the vocabulary. Pass texts that contain it to "
                    "embed_word and search for the vector that it returns"
                )
            embedding: FloatArray = keyed[query]
            if not embedding.any():
                raise ValueError(
                    f"{query!r} has no context words in the corpus, so its embedding is zero"
                )
            return embedding
        if (words := _query_words(query)) is not None:
            rows = normalize(np.stack([self.query_vector(word) for word in words]))
            return self.query_vector(rows.mean(axis=0))
        try:
            vector = np.asarray(query, np.float32)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"{_QUERY}, got {shown(query)}") from error
        size = self.config.vector_size
        if vector.shape != (size,):
            raise ValueError(f"the vector must have shape ({size},), got {vector.shape}")
        if not np.isfinite(vector).all() or not vector.any():
            raise ValueError("the vector is zero or not finite, so it has no similar words")
        return vector


def _query_words(query: Any) -> list[str] | None:
    """The words of a query; None for a vector. ParameterError for anything else."""
    if query is None or isinstance(query, (Mapping, Number, Set)):
        raise ParameterError(f"{_QUERY}, got {shown(query)}")
    if isinstance(query, str):
        return [query]
    is_sequence = isinstance(query, (list, tuple, np.ndarray))
    if is_sequence and any(isinstance(word, str) for word in query):
        return word_list("positive", query)
    return None
