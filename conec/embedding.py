"""What a model gives once it has weights: context vectors, embeddings, queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

import corpora
from conec import contexts
from conec.config import Config
from conec.contexts import Window
from conec.mapping import ContextMap, MapConfig, learn
from conec.ridge import unit as _unit
from conec.types import BoolArray, CorpusLike, FloatArray, Normalize, Weighting
from conec.vocabulary import Vocabulary
from corpora.tokens import TokenStream

if TYPE_CHECKING:
    from gensim.models import KeyedVectors
    from scipy import sparse

Self = TypeVar("Self", bound="Embedder")


class Embedder:
    """A vocabulary and W1, and the context vectors that turn them into embeddings.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    vocabulary : Vocabulary
    W1 : float32 array of shape (V, d)
    context_embeddings : float32 array of shape (V, d) or None
        Global context vectors times W1, by `build_contexts`.
    context_map : ContextMap or None
        From contexts to word vectors, by `learn_map`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.vocabulary = Vocabulary([], [])
        self.W1 = np.zeros((0, config.vector_size), np.float32)
        self.context_embeddings: FloatArray | None = None
        self.context_map: ContextMap | None = None
        self._cache: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    def _encode(self, corpus: CorpusLike | TokenStream, progress: bool = False) -> TokenStream:
        if isinstance(corpus, TokenStream):
            stream = corpus
        else:
            stream = TokenStream.encode(
                corpora.open(corpus),
                self.vocabulary.index,
                workers=self.config.workers,
                progress=progress,
            )
        if not len(stream):
            raise ValueError(
                "the corpus has no word of the vocabulary"
                if stream.n_raw
                else "the corpus is empty (a generator that was read before is, too)"
            )
        if stream.ids.max() >= len(self):
            raise ValueError(
                f"the corpus has word ids up to {stream.ids.max()}, but there are {len(self)} words"
            )
        return stream

    def _changed(self) -> None:
        """Forget what was derived from the weights."""
        self._cache = {}
        self.context_map = None

    # Context vectors

    def build_contexts(
        self: Self,
        corpus: CorpusLike | TokenStream,
        *,
        window: int | None = None,
        weighting: Weighting = "uniform",
        normalize: Normalize = "max",
        diagonal: float = 0.0,
        memory: int = 1 << 30,
        progress: bool = False,
    ) -> Self:
        """Compute `context_embeddings`: the words' global context vectors times W1.

        W1's rows are brought to unit length first, as in the thesis's experiments. The
        matrix of context vectors itself is not held.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
            All the text that the contexts shall come from.
        window : int, optional
            By default that of training.
        weighting, normalize, diagonal, memory
            As in `global_contexts`.
        progress : bool
            Show a bar.
        """
        stream = self._encode(corpus, progress)
        self.context_embeddings = contexts.global_embeddings(
            stream,
            self._unit_W1(),
            self._window(window, weighting),
            diagonal=diagonal,
            normalize=normalize,
            memory=memory,
            workers=self.config.workers,
            progress=progress,
        )
        self._cache.pop("wv_context", None)
        return self

    def learn_map(
        self: Self,
        corpus: CorpusLike | TokenStream,
        *,
        near: int | None = None,
        wide: int = 60,
        sample: float = 1e-4,
        n_contexts: int = 64,
        draws: int = 2,
        reliable: float = 100.0,
        ridge: float = 1e-3,
        plain: float = 0.7,
        exclude: Iterable[str] = (),
        progress: bool = False,
    ) -> Self:
        """Learn `context_map`, from contexts to word vectors, on the words of the vocabulary.

        From then on `embed` and `embed_word` give words that the model does not know a vector
        among the rows of W1, where `wv` finds its neighbours. Further training drops the map.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
            The text that the model was trained on, or some of it.
        near : int, optional
            Words on either side that are the near context; by default the window of training.
        wide, sample, n_contexts, draws, reliable, ridge, plain
            As in `MapConfig`.
        exclude : iterable of str
            Words not to learn from, such as those to test with.
        progress : bool
            Show bars.

        Raises
        ------
        ValueError
            If a parameter is out of range, no word has contexts, or W1 holds NaN.
        """
        from conec.interop.checks import check_vectors

        config = MapConfig(
            near=self.config.window if near is None else near,
            wide=wide,
            sample=sample,
            n_contexts=n_contexts,
            draws=draws,
            reliable=reliable,
            ridge=ridge,
            plain=plain,
            seed=self.config.seed,
        )
        check_vectors(self.W1, self.vocabulary.words)
        stream = self._encode(corpus, progress)
        self._cache.pop("map_windows", None)
        self.context_map = learn(
            stream,
            self.vocabulary,
            self._unit_W1(),
            config,
            exclude=exclude,
            progress=progress,
        )
        return self

    def global_contexts(
        self,
        corpus: CorpusLike | TokenStream,
        *,
        window: int | None = None,
        weighting: Weighting = "uniform",
        normalize: Normalize = "count",
        diagonal: float = 0.0,
        memory: int = 1 << 30,
        progress: bool = False,
    ) -> sparse.csr_matrix:
        """Global context vectors of all words, as a sparse matrix.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        window : int, optional
            Words on either side; by default that of training.
        weighting : {"uniform", "distance", "subsampled"}
            Context words weigh 1; or 1 / distance; or what they weigh in training on
            average.
        normalize : {"count", "max", "none"}
            Divide rows by the word's count, by the largest entry, or not at all.
        diagonal : float
            So many times the word's own count is added to its own column.
        memory : int
            Bytes; what needs more goes to temporary files.
        progress : bool
            Show a bar.

        Returns
        -------
        csr_matrix of float32, shape (V, V)
        """
        return contexts.global_contexts(
            self._encode(corpus, progress),
            len(self),
            self._window(window, weighting),
            diagonal=diagonal,
            normalize=normalize,
            memory=memory,
            workers=self.config.workers,
            progress=progress,
        )

    def local_contexts(
        self,
        tokens: Sequence[str],
        *,
        window: int | None = None,
        weighting: Weighting = "distance",
        normalize: Normalize = "max",
    ) -> tuple[list[str], sparse.csr_matrix]:
        """Context vectors of the words of one document.

        Parameters
        ----------
        tokens : sequence of str
            Words that the model does not know take a position, and are no context.
        window, weighting, normalize
            As in `global_contexts`.

        Returns
        -------
        words : list of str
            The distinct tokens, in order of first appearance.
        matrix : csr_matrix of float32, shape (len(words), V)
        """
        return self._local(_checked(tokens), None, window, weighting, normalize)

    def _local(
        self,
        tokens: list[str],
        offsets: npt.ArrayLike | None = None,
        window: int | None = None,
        weighting: Weighting = "distance",
        normalize: Normalize = "max",
    ) -> tuple[list[str], sparse.csr_matrix]:
        if not len(self):
            raise RuntimeError("there is no vocabulary yet: call fit")
        words = list(dict.fromkeys(token for token in tokens if token != corpora.BREAK))
        row = {word: i for i, word in enumerate(words)}
        index = self.vocabulary.index
        ids = np.fromiter((index.get(token, -1) for token in tokens), np.int32, len(tokens))
        targets = np.fromiter((row.get(token, -1) for token in tokens), np.int32, len(tokens))
        matrix = contexts.local_contexts(
            ids,
            len(self),
            self._window(window, weighting),
            targets=targets,
            n_targets=len(words),
            offsets=offsets,
            normalize=normalize,
        )
        return words, matrix

    def _window(self, size: int | None, weighting: Weighting) -> Window:
        c = self.config
        size = c.window if size is None else size
        keep = self.vocabulary.keep_probability(c.sample) if weighting == "subsampled" else None
        return Window(size, weighting, min(c.min_window, size), keep)

    def _unit_W1(self) -> FloatArray:
        if "unit_W1" not in self._cache:
            self._cache["unit_W1"] = _unit(self.W1)
        unit: FloatArray = self._cache["unit_W1"]
        return unit

    # Embeddings

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        use_map: bool = ...,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        use_map: bool = ...,
        return_found: Literal[True],
    ) -> tuple[FloatArray, BoolArray]: ...

    def embed(
        self,
        tokens: Sequence[str],
        a: float = 0.6,
        *,
        use_map: bool = True,
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a document, each in the sense at hand.

        ``(a * x_global + (1 - a) * x_local) @ W1`` (Eq. 7.1), brought to unit length;
        `a` is 0 for words that the model does not know.

        Parameters
        ----------
        tokens : sequence of str
            A document; all occurrences of a word in it share an embedding.
        a : float
            Share of the global context, from 0 to 1.
        use_map : bool
            If a map was learned, take the vectors that it gives for words that the model does
            not know.
        return_found : bool
            Return as well which tokens have an embedding.

        Returns
        -------
        embeddings : float32 array of shape (len(tokens), d)
            Zero where a token has no context at all: it is unknown, and so are the
            words around it.
        found : bool array of shape (len(tokens),)
            False for these; with ``return_found=True`` only.

        Raises
        ------
        ValueError
            If `a` is out of range.
        RuntimeError
            If global contexts are asked for and were not built.
        """
        tokens = _checked(tokens)
        words, matrix = self._local(tokens)
        vectors, found = self._combine(words, matrix, a)
        if use_map:
            self._map_unknown(words, vectors, found, tokens)
        row = {word: i for i, word in enumerate(words)}
        # a sentence break is a token without context
        where = np.fromiter((row.get(token, -1) for token in tokens), np.int64, len(tokens))
        result = np.zeros((len(tokens), self.config.vector_size), np.float32)
        result[where >= 0] = vectors[where[where >= 0]]
        if not return_found:
            return result
        has = np.zeros(len(tokens), np.bool_)
        has[where >= 0] = found[where[where >= 0]]
        return result, has

    @overload
    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = ...,
        a: float = ...,
        *,
        use_map: bool = ...,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = ...,
        a: float = ...,
        *,
        use_map: bool = ...,
        return_found: Literal[True],
    ) -> tuple[FloatArray, bool]: ...

    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = (),
        a: float = 0.6,
        *,
        use_map: bool = True,
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, bool]:
        """Embedding of one word, from the texts that it stands in.

        Parameters
        ----------
        word : str
            Any word, or a mark such as ``"___"`` that stands in its place.
        contexts : sequence of texts
            Each a list of tokens, or a string to split at white space, that has the
            word in it; together they are its local context.
        a : float
            Share of the global context, if the model knows the word.
        use_map : bool
            As in `embed`.
        return_found : bool
            Return as well whether the word has an embedding.

        Returns
        -------
        embedding : float32 array of shape (d,)
            Of unit length, or zero if there is no context at all.
        found : bool
            With ``return_found=True`` only.

        Raises
        ------
        ValueError
            If a context lacks the word, or `a` is out of range.
        """
        from scipy import sparse

        if isinstance(contexts, str):
            contexts = [contexts]
        texts = [text.split() if isinstance(text, str) else list(text) for text in contexts]
        for text in texts:
            if word not in text:
                raise ValueError(f"{word!r} does not stand in the context {' '.join(text)!r}")
        offsets = np.cumsum([0] + [len(text) for text in texts])
        tokens = [token for text in texts for token in text]
        words, matrix = self._local(tokens, offsets)
        row = words.index(word) if texts else 0
        local = matrix[row] if texts else sparse.csr_matrix((1, len(self)), dtype=np.float32)
        vectors, found = self._combine([word], local, a)
        if use_map:
            self._map_unknown([word], vectors, found, tokens, offsets)
        return (vectors[0], bool(found[0])) if return_found else vectors[0]

    def _combine(
        self, words: list[str], local: sparse.csr_matrix, a: float
    ) -> tuple[FloatArray, BoolArray]:
        """Eq. 7.1 for some words and their local context vectors."""
        if not 0 <= a <= 1:
            raise ValueError(f"a is a share from 0 to 1, not {a!r}")
        known = np.fromiter((self.vocabulary.index.get(w, -1) for w in words), np.int64, len(words))
        is_known = known >= 0
        result = np.asarray(local @ self._unit_W1(), dtype=np.float32)
        if a > 0 and is_known.any():
            if self.context_embeddings is None:
                raise RuntimeError(
                    "the global contexts were not built: call build_contexts with the "
                    "corpus, or use a=0 for local contexts alone"
                )
            result[is_known] *= np.float32(1 - a)
            result[is_known] += np.float32(a) * self.context_embeddings[known[is_known]]
        result = _unit(result)
        found: BoolArray = np.asarray(result.any(axis=1))
        return result, found

    def _map_unknown(
        self,
        words: list[str],
        vectors: FloatArray,
        found: BoolArray,
        tokens: list[str],
        offsets: npt.ArrayLike | None = None,
    ) -> None:
        """Put the vectors that the map gives where words are unknown, if a map was learned."""
        rows = [i for i, word in enumerate(words) if word not in self.vocabulary]
        if self.context_map is None or not rows or not tokens:
            return
        if "map_windows" not in self._cache:
            self._cache["map_windows"] = self.context_map.config.windows(self.vocabulary)
        index = {words[row]: i for i, row in enumerate(rows)}
        ids, targets = (
            np.fromiter((known.get(token, -1) for token in tokens), np.int32, len(tokens))
            for known in (self.vocabulary.index, index)
        )
        X = np.stack(
            [
                contexts.local_contexts(
                    ids,
                    len(self),
                    window,
                    targets=targets,
                    n_targets=len(rows),
                    offsets=offsets,
                    normalize="none",
                )
                @ self._unit_W1()
                for window in self._cache["map_windows"]
            ]
        )
        occurrences = np.bincount(targets[targets >= 0], minlength=len(rows))
        unit_X = np.stack([_unit(kind) for kind in X])
        vectors[rows] = self.context_map.transform(unit_X, occurrences)
        found[rows] = vectors[rows].any(axis=1)

    # Queries

    @property
    def wv(self) -> KeyedVectors:
        """The rows of W1 as gensim's KeyedVectors: word2vec's embeddings."""
        return self._keyed("wv", self.W1)

    @property
    def wv_context(self) -> KeyedVectors:
        """The embeddings of global contexts as gensim's KeyedVectors.

        Raises
        ------
        RuntimeError
            If they were not built.
        """
        if self.context_embeddings is None:
            raise RuntimeError("the global contexts were not built: call build_contexts")
        return self._keyed("wv_context", self.context_embeddings)

    def _keyed(self, name: str, vectors: FloatArray) -> KeyedVectors:
        from conec.interop import to_keyed_vectors

        if not len(self.vocabulary):
            raise RuntimeError("there is no vocabulary yet: call fit")
        if name not in self._cache:
            made = to_keyed_vectors(self.vocabulary.words, vectors, self.vocabulary.counts)
            # gensim divides by lengths: words without context would be similar by NaN
            made.fill_norms()
            made.norms[made.norms == 0] = 1
            self._cache[name] = made
        return self._cache[name]

    def most_similar(
        self, positive: str | npt.ArrayLike, topn: int = 10
    ) -> list[tuple[str, float]]:
        """Known words with the most similar embeddings of global contexts.

        Parameters
        ----------
        positive : str or array of shape (d,)
            A known word, or a vector that `embed` or `embed_word` gave.
        topn : int

        Returns
        -------
        list of (str, float)
            Words and their cosine similarities.

        Raises
        ------
        KeyError
            If the word is not known: `embed_word` makes a vector from its contexts.
        ValueError
            If the vector is zero, not finite, or of another size.
        """
        keyed = self.wv_context
        if isinstance(positive, str):
            if positive not in self.vocabulary:
                raise KeyError(
                    f"{positive!r} is not in the vocabulary: give embed_word texts that it "
                    "stands in, and search for the vector that it returns"
                )
            if not self.wv_context[positive].any():
                raise ValueError(f"{positive!r} has no contexts, so nothing is similar to it")
            found: list[tuple[str, float]] = keyed.most_similar(positive, topn=topn)
            return found
        vector = np.asarray(positive, np.float32)
        if vector.shape != (self.config.vector_size,):
            raise ValueError(
                f"a vector of shape ({self.config.vector_size},) is needed, not {vector.shape}"
            )
        if not np.isfinite(vector).all() or not vector.any():
            raise ValueError("the vector is zero or not finite, so nothing is similar to it")
        found = keyed.similar_by_vector(vector, topn=topn)
        return found


def _checked(tokens: Sequence[str]) -> list[str]:
    if isinstance(tokens, str):
        raise TypeError("a list of tokens is needed, not a string: use text.split()")
    return list(tokens)
