"""The known words that are most similar to a query."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import partial
from numbers import Number
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from conec.embedding import NO_EMBEDDINGS, Embedder, WeightName
from conec.gensim_names import takes_gensim_names
from conec.linalg import normalize
from conec.neighbor_index import NeighborIndex
from conec.quantization import Rows
from conec.search import Nearest, exact_similarities, search
from conec.types import FloatArray
from corpora.checks import ParameterError, check_flag, check_integer, shown, word_list

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

logger = logging.getLogger(__name__)
Self = TypeVar("Self", bound="NearestNeighbors")

_QUERIES = 1 << 12  # words whose vectors are read at a time
_SPARE = 16  # words that an index returns more than asked for: its order is not exact
_QUERIES_OF = "expected a list of words or an array of vectors"
_QUERY = "expected a word, a list of words or a vector of numbers"


class NearestNeighbors(Embedder):
    """Word vectors for gensim, and the known words that are most similar to a query."""

    @property
    def wv(self) -> KeyedVectors:
        """The rows of W1, word2vec's embeddings, as gensim's KeyedVectors.

        A vector that is replaced in it, by ``wv[word] = ...`` or `intersect_word2vec_format`, is
        replaced in `W1` as well. Words that are added to it are not added to the model. Training
        multiplies the changes of a word's vector by its ``wv.vectors_lockf``: 0 freezes it.
        """
        return self._keyed_vectors("W1", self.W1)

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
        return self._keyed_vectors("context_embeddings", self.context_embeddings)

    def _keyed_vectors(self, name: WeightName, vectors: FloatArray) -> KeyedVectors:
        if not len(self.vocabulary):
            raise RuntimeError("the model has no vocabulary yet: call fit")
        if name not in self._keyed:
            from conec.interop.keyed_vectors import ModelVectors

            self._keyed[name] = ModelVectors(self.vocabulary, partial(self.replace_rows, name))
            if name == "W1" and self._lock_factors is not None:
                self._keyed[name].vectors_lockf = np.array(self._lock_factors)
        keyed = self._keyed[name]
        if keyed.outdated:
            keyed.update(vectors, self._lengths(name, vectors))
        return keyed

    @takes_gensim_names
    def most_similar(
        self,
        positive: str | Sequence[str] | npt.ArrayLike,
        topn: int = 10,
        *,
        approximate: bool = False,
    ) -> list[tuple[str, float]]:
        """The known words whose `context_embeddings` are most similar.

        Parameters
        ----------
        positive : str, list of str, or array of shape (d,)
            A known word, or a vector from `embed` or `embed_word`. Embeddings of several words
            are scaled to unit length and averaged, as in gensim.
        topn : int
            Maximum number of words.
        approximate : bool
            Search the index (see `build_index`) instead of comparing all words. Similarities are
            exact, but words may be missed.

        Returns
        -------
        list of (str, float)
            Words, without those in `positive`, and their cosine similarities. Of equally similar
            words, the more frequent one is first.

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
            If the model has no `context_embeddings`, or no index of them and `approximate` is
            True.
        """
        topn = check_integer("topn", topn, 0)
        words, vector = _query_words(positive), self.query_vector(positive)
        index = self.vocabulary.index
        excluded = np.array([[index[word] for word in words or ()]], np.int64)
        return self._with_words(self._search(vector[None], topn, excluded, approximate))[0]

    def predict_output_word(
        self, context_words_list: Sequence[str | int], topn: int = 10
    ) -> list[tuple[str, float]] | None:
        """The words that are most probable in the middle of a context, as in gensim.

        Parameters
        ----------
        context_words_list : list of str or int
            Words of the context, or their ids. Unknown words are ignored.
        topn : int
            Maximum number of words.

        Returns
        -------
        list of (str, float) or None
            Words and probabilities: the softmax over all words of the products of the context's
            embedding with the rows of W2. None if no word of the context is known.

        Raises
        ------
        RuntimeError
            If the model has no vocabulary, or no W2, as after `quantize` or `from_vectors`.
        """
        topn = check_integer("topn", topn, 0)
        if isinstance(context_words_list, str) or not isinstance(context_words_list, Iterable):
            raise ParameterError(
                f"context_words_list must be a list of words, got {shown(context_words_list)}"
            )
        if not len(self.vocabulary):
            raise RuntimeError("the model has no vocabulary yet: call fit")
        if not self.W2.any():
            raise RuntimeError(
                "the model has no weights of the last layer (W2), which training creates and "
                "quantize leaves out"
            )
        index, n_words = self.vocabulary.index, len(self.vocabulary)
        ids = [
            index.get(word, -1) if isinstance(word, str) else check_integer("an id", word, 0)
            for word in context_words_list
        ]
        ids = [i for i in ids if 0 <= i < n_words]
        if not ids:
            return None
        context = self.W1[ids].sum(axis=0, dtype=np.float64)
        if self.config.cbow_mean:
            context /= len(ids)
        scores = (self.W2 @ context.astype(np.float32)).astype(np.float64)
        p = np.exp(scores - scores.max())
        p /= p.sum()
        best = np.argsort(-p, kind="stable")[:topn]
        return [(self.vocabulary.words[i], float(p[i])) for i in best]

    def most_similar_batch(
        self,
        queries: Sequence[Any] | npt.ArrayLike,
        topn: int = 10,
        *,
        approximate: bool = False,
    ) -> list[list[tuple[str, float]]]:
        """The most similar words of many queries, with the results of `most_similar` for each.

        Many queries are compared with all words in one product of matrices, which is faster
        than one query after the other. Memory does not depend on the number of queries,
        except for that of the result.

        Parameters
        ----------
        queries : list, or array of shape (n, d)
            Known words, or vectors; each query may be anything that `most_similar` takes.
        topn : int
            Maximum number of words for each query.
        approximate : bool
            As in `most_similar`.

        Returns
        -------
        list of lists of (str, float)
            Words and cosine similarities of each query.

        Raises
        ------
        TypeError, KeyError, ValueError, RuntimeError
            As `most_similar`.
        """
        return self._with_words(self.nearest(queries, topn, approximate=approximate))

    def nearest(
        self,
        queries: Sequence[Any] | npt.ArrayLike,
        topn: int = 10,
        *,
        approximate: bool = False,
    ) -> Nearest:
        """As `most_similar_batch`, with arrays as the result.

        Returns
        -------
        Nearest
            `ids` of words (``model.vocabulary.words[id]``), int64, -1 for no word, and
            `similarities`, float32, NaN for no word. Both have the shape (n, k), where k is `topn`,
            or V if that is less.
        """
        topn = check_integer("topn", topn, 0)
        vectors = self._searched()
        if _is_batch_of_words(queries):
            ids = self._known_ids(cast("Sequence[str]", queries))
            n, width = len(ids), min(topn, len(vectors))
            result = Nearest(np.empty((n, width), np.int64), np.empty((n, width), np.float32))
            for start in range(0, n, _QUERIES):
                part = slice(start, start + _QUERIES)
                rows = np.asarray(vectors[ids[part]], np.float32)
                found = self._search(rows, topn, ids[part, None], approximate)
                result.ids[part], result.similarities[part] = found
            return result
        if isinstance(queries, (list, tuple)) and any(
            isinstance(query, str) or _query_words(query) is not None for query in queries
        ):
            matrix = np.stack([self.query_vector(query) for query in queries])
            words = [_query_words(query) or [] for query in queries]
            index = self.vocabulary.index
            excluded = np.full((len(words), max(map(len, words))), -1, np.int64)
            for row, group in enumerate(words):
                excluded[row, : len(group)] = [index[word] for word in group]
            return self._search(matrix, topn, excluded, approximate)
        return self._search(self._query_matrix(queries), topn, None, approximate)

    def build_index(
        self: Self,
        *,
        n_lists: int | None = None,
        n_probes: int = 20,
        progress: bool = False,
    ) -> Self:
        """Build an approximate index of `context_embeddings`: lists of near vectors (IVF).

        `most_similar` and `most_similar_batch` search it with ``approximate=True``; the
        similarities that they return are computed from the embeddings themselves. `save` writes
        the index to the folder of the model, and `load` maps it into memory. It is dropped when
        the embeddings change.

        Parameters
        ----------
        n_lists : int, optional
            Number of lists; by default ``2 * sqrt(V)``.
        n_probes : int
            Number of lists that are searched for a query; more take more time and find more
            neighbors.
        progress : bool
            Show a bar.

        Returns
        -------
        The model itself.

        Raises
        ------
        RuntimeError
            If the model has no `context_embeddings`.
        """
        if n_lists is not None:
            n_lists = check_integer("n_lists", n_lists, 1, 1 << 24)
        n_probes = check_integer("n_probes", n_probes, 1, 1 << 24)
        vectors = self._searched()
        self._lengths("context_embeddings", vectors)
        started = time.perf_counter()
        self.neighbor_index = NeighborIndex.build(
            vectors, n_lists, n_probes, seed=self.config.seed, workers=self.config.workers,
            progress=progress,
        )  # fmt: skip
        logger.info("index of neighbors: %.1f s", time.perf_counter() - started)
        return self

    @property
    def neighbor_index(self) -> NeighborIndex | None:
        """The index of `context_embeddings`; None if none was built, or they have changed."""
        index: NeighborIndex | None = self._cache.get("index")
        if index is not None and index.vectors is not self.stored("context_embeddings"):
            return None
        return index

    @neighbor_index.setter
    def neighbor_index(self, index: NeighborIndex | None) -> None:
        self._cache["index"] = index

    def query_vector(self, query: str | Sequence[str] | npt.ArrayLike) -> FloatArray:
        """The embedding of a known word, or the given vector itself, checked.

        Parameters and errors are those of `most_similar`.

        Returns
        -------
        float32 array of shape (d,)
        """
        if isinstance(query, str):
            rows = np.asarray(self._searched()[self._known_ids([query])], np.float32)
            found: FloatArray = rows[0]
            return found
        self._searched()
        if (words := _query_words(query)) is not None:
            units = normalize(np.stack([self.query_vector(word) for word in words]))
            return self.query_vector(units.mean(axis=0))
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

    def _query_matrix(self, queries: Any) -> FloatArray:
        """Vectors as an array of shape (n, d), checked."""
        size = self.config.vector_size
        if isinstance(queries, (list, tuple)) and not len(queries):
            return np.zeros((0, size), np.float32)
        if queries is None or isinstance(queries, (str, Mapping, Number, Set)):
            raise ParameterError(f"{_QUERIES_OF}, got {shown(queries)}")
        try:
            matrix = np.ascontiguousarray(queries, np.float32)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"{_QUERIES_OF}, got {shown(queries)}") from error
        if matrix.ndim != 2 or matrix.shape[1] != size:
            raise ParameterError(
                f"queries must be a list of words or an array of shape (n, {size}), got shape "
                f"{matrix.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1) | ~matrix.any(axis=1))
        if len(bad):
            raise ValueError(
                f"vector {bad[0]} (counted from 0) is zero or not finite, so it has no similar "
                "words"
            )
        return matrix

    def _searched(self) -> Rows:
        """The vectors that are searched, as they are stored."""
        vectors = self.stored("context_embeddings")
        if vectors is None:
            raise RuntimeError(NO_EMBEDDINGS)
        if not len(self.vocabulary):
            raise RuntimeError("the model has no vocabulary yet: call fit")
        return vectors

    def _known_ids(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Ids of words that have neighbors."""
        index = self.vocabulary.index
        ids = np.fromiter((index.get(word, -1) for word in words), np.int64, len(words))
        if len(unknown := np.flatnonzero(ids < 0)):
            raise KeyError(
                f"{words[unknown[0]]!r} is not in the vocabulary. Pass texts that contain it to "
                "embed_word and search for the vector that it returns"
            )
        lengths = self._lengths("context_embeddings", self._searched())
        if len(zeros := np.flatnonzero(lengths[ids] == 0)):
            raise ValueError(
                f"{words[zeros[0]]!r} has no context words in the corpus, so its embedding is zero"
            )
        return ids

    def _search(
        self,
        queries: FloatArray,
        topn: int,
        excluded: npt.NDArray[np.int64] | None,
        approximate: bool,
    ) -> Nearest:
        vectors, workers = self._searched(), self.config.workers
        if not check_flag("approximate", approximate):
            lengths = self._lengths("context_embeddings", vectors)
            return search(vectors, lengths, queries, topn, excluded, workers=workers)
        index = self.neighbor_index
        if index is None:
            raise RuntimeError(
                "the model has no index of its embeddings, or they have changed since: call "
                "build_index, or search with approximate=False"
            )
        n_excluded = 0 if excluded is None else excluded.shape[1]
        k = min(topn, len(vectors))
        candidates = index.candidates(queries, k + n_excluded + _SPARE, workers=workers)
        return exact_similarities(vectors, queries, candidates, k, excluded)

    def _with_words(self, found: Nearest) -> list[list[tuple[str, float]]]:
        words = self.vocabulary.words
        return [
            [(words[i], score) for i, score in zip(ids, scores, strict=True) if i >= 0]
            for ids, scores in zip(found.ids.tolist(), found.similarities.tolist(), strict=True)
        ]


def _is_batch_of_words(queries: object) -> bool:
    if isinstance(queries, np.ndarray):
        return queries.ndim == 1 and all(isinstance(word, str) for word in queries)
    return (
        isinstance(queries, (list, tuple))
        and len(queries) > 0
        and all(isinstance(word, str) for word in queries)
    )


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
