"""What a model gives once it has weights: context vectors, embeddings, queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

import corpora
from conec import contexts
from conec.config import Config, check_choice
from conec.contexts import Window
from conec.mapping import ContextMap, MapConfig, learn
from conec.senses import Sense, SenseInventory, SenseSettings, word_vectors
from conec.smoothing import smoothed
from conec.types import BoolArray, Choice, CorpusLike, FloatArray, Normalize, Weighting
from conec.vocabulary import Vocabulary
from conec.weights import unit
from corpora.tokens import TokenStream

if TYPE_CHECKING:
    from gensim.models import KeyedVectors
    from scipy import sparse

Self = TypeVar("Self", bound="Embedder")


class Embedder:
    """A vocabulary and weights, and the context vectors that turn them into embeddings.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    vocabulary : Vocabulary
    W1, W2 : float32 arrays of shape (V, d)
    context_embeddings : float32 array of shape (V, d) or None
        The words' embeddings with their global contexts, by `learn_map` or
        `build_contexts`.
    context_map : ContextMap or None
        From contexts to word vectors, by `learn_map`.
    sense_inventory : SenseInventory or None
        The words' senses, by `build_senses`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.vocabulary = Vocabulary([], [])
        self.W1 = np.zeros((0, config.vector_size), np.float32)
        self.W2 = np.zeros((0, config.vector_size), np.float32)
        self.context_embeddings: FloatArray | None = None
        self.context_map: ContextMap | None = None
        self.sense_inventory: SenseInventory | None = None
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
        """Take the thesis's embeddings: global context vectors times W1.

        They become `context_embeddings`, and `embed` adds local ones as they are. W1's
        rows are brought to unit length first, as in the thesis's experiments. The matrix
        of context vectors itself is not held.

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
        self.context_map = None
        self._changed()
        return self

    def learn_map(
        self: Self,
        corpus: CorpusLike | TokenStream,
        config: MapConfig | None = None,
        *,
        exclude: Iterable[str] = (),
        memory: int = 1 << 30,
        progress: bool = False,
    ) -> Self:
        """Learn better embeddings, of known words and of contexts: what training ends with.

        `context_embeddings` become rows of W1, smoothed by what the rest of the network
        says of each word (`conec.smoothing`). They beat rows of W1 and global context
        vectors times W1. `context_map` brings local contexts to where the words'
        vectors are (`conec.mapping`). `embed` and `embed_word` mix the two, as Eq. 7.1
        does; `build_contexts` goes back to the thesis's embeddings.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
            The text that the model was trained on, or some of it.
        config : MapConfig, optional
        exclude : iterable of str
            Words that the map does not learn from, such as those to test with.
        memory : int
            As in `global_contexts`.
        progress : bool
            Show bars.

        Raises
        ------
        ValueError
            If weights hold NaN, or the corpus has no word of the vocabulary.
        """
        from conec.interop.checks import check_vectors

        config = config or MapConfig(near=self.config.window)
        check_vectors(self.W1, self.vocabulary.words)
        stream = self._encode(corpus, progress)
        # vectors of another program may come without W2
        other = self.W2 if self.W2.any() else self.W1
        said = contexts.global_embeddings(
            stream,
            np.hstack([self.W1, other]),
            self._window(None, "sif"),
            memory=memory,
            workers=self.config.workers,
            progress=progress,
        )
        counts = self.vocabulary.counts
        smooth = smoothed(self.W1, self.W2, said, counts, config.smoothing)
        learned = learn(
            stream,
            self.vocabulary,
            self._unit_W1(),
            config,
            seed=self.config.seed,
            workers=self.config.workers,
            exclude=exclude,
            progress=progress,
        )
        self._changed()
        self.context_embeddings, self.context_map = smooth, learned
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
        weighting : {"uniform", "distance", "subsampled", "sif"}
            Context words weigh 1; or 1 / distance; or what they weigh in training on
            average; or that without subsampling, times the smooth inverse frequency
            of the word.
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
        window: int | Window | None = None,
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
            window if isinstance(window, Window) else self._window(window, weighting),
            targets=targets,
            n_targets=len(words),
            offsets=offsets,
            normalize=normalize,
        )
        return words, matrix

    def _window(self, size: int | None, weighting: Weighting) -> Window:
        c = self.config
        size = c.window if size is None else size
        keep = None
        if weighting == "subsampled":
            keep = self.vocabulary.keep_probability(c.sample)
        elif weighting == "sif":
            keep = self.vocabulary.sif()
        return Window(size, weighting, min(c.min_window, size), keep)

    def _unit_W1(self) -> FloatArray:
        if "unit_W1" not in self._cache:
            self._cache["unit_W1"] = unit(self.W1)
        rows: FloatArray = self._cache["unit_W1"]
        return rows

    # Senses

    def build_senses(
        self: Self,
        corpus: CorpusLike | TokenStream,
        settings: SenseSettings | None = None,
        *,
        words: Iterable[str] | None = None,
        progress: bool = False,
    ) -> Self:
        """Induce the words' senses: clusters of the contexts that they have in a corpus.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        settings : SenseSettings, optional
        words : iterable of str, optional
            Those whose senses are wanted; by default all that occur often enough.
        progress : bool
            Show bars.

        Raises
        ------
        KeyError
            If one of the `words` is unknown.
        ValueError
            If the corpus has no word of the vocabulary.
        """
        from conec.senses.induction import induce

        ids = None if words is None else np.array([self._known(w) for w in words], np.int64)
        self.sense_inventory = induce(
            self._encode(corpus, progress),
            self.W1,
            self.vocabulary,
            settings,
            words=ids,
            seed=self.config.seed,
            workers=self.config.workers,
            progress=progress,
        )
        self._changed()
        return self

    def senses(self, word: str) -> list[Sense]:
        """The senses of a word, the most frequent first.

        Parameters
        ----------
        word : str

        Returns
        -------
        list of Sense
            Empty if the word was too rare to have any.

        Raises
        ------
        KeyError
            If the word is unknown.
        RuntimeError
            If senses were not built.
        """
        row = self._known(word)
        return self._senses().describe(row, self._word_vectors()[row], self.vocabulary)

    def _known(self, word: str) -> int:
        if word not in self.vocabulary:
            raise KeyError(f"{word!r} is not in the vocabulary, and has no senses")
        return self.vocabulary.index[word]

    def _senses(self) -> SenseInventory:
        if self.sense_inventory is None:
            raise RuntimeError("senses were not built: call build_senses with the corpus")
        return self.sense_inventory

    def _word_vectors(self) -> FloatArray:
        if "word_vectors" not in self._cache:
            self._cache["word_vectors"] = word_vectors(self.W1)
        vectors: FloatArray = self._cache["word_vectors"]
        return vectors

    def _in_sense(
        self, tokens: list[str], a: float, choice: Choice
    ) -> tuple[list[str], FloatArray]:
        """Distinct tokens and their embeddings in the senses that fit a document."""
        check_choice("senses", choice, Choice)
        inventory = self._senses()
        if "sense_window" not in self._cache:
            self._cache["sense_window"] = inventory.settings.context(self.vocabulary)
        words, matrix = self._local(tokens, window=self._cache["sense_window"])
        local = unit(np.asarray(matrix @ self._unit_W1(), np.float32) @ inventory.map)
        ids = [self.vocabulary.index.get(word, -1) for word in words]
        return words, inventory.mix(ids, self._word_vectors(), local, a, hard=choice == "hard")

    # Embeddings

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        senses: Choice | None = ...,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        senses: Choice | None = ...,
        return_found: Literal[True],
    ) -> tuple[FloatArray, BoolArray]: ...

    def embed(
        self,
        tokens: Sequence[str],
        a: float = 0.8,
        *,
        senses: Choice | None = None,
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a document, each in the sense at hand.

        ``a * y_global + (1 - a) * y_local``, brought to unit length; `a` is 0 for words
        that the model does not know. After `learn_map`, the two are the word's row of
        `context_embeddings` and its mapped local context; after `build_contexts` they are
        ``x_global @ W1`` and ``x_local @ W1`` (Eq. 7.1).

        Parameters
        ----------
        tokens : sequence of str
            A document; all occurrences of a word in it share an embedding.
        a : float
            Share of the global context, from 0 to 1. With `build_contexts` the thesis's
            is 0.6.
        senses : {"soft", "hard"}, optional
            In place of its global context, a word has the sense that fits its local one
            ("hard"), or the mean of its senses by how well they do ("soft"); local
            contexts are mapped to the space of the words' vectors. See `build_senses`.
            A good `a` is then 0.8.
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
            If global contexts, or senses, are asked for and were not built.
        """
        tokens = _checked(tokens)
        if senses is None:
            words, local = self._embed_local(tokens)
            vectors, found = self._combine(words, local, a)
        else:
            if not 0 <= a <= 1:
                raise ValueError(f"a is a share from 0 to 1, not {a!r}")
            words, vectors = self._in_sense(tokens, a, senses)
            found = np.asarray(vectors.any(axis=1))
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
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = ...,
        a: float = ...,
        *,
        return_found: Literal[True],
    ) -> tuple[FloatArray, bool]: ...

    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = (),
        a: float = 0.8,
        *,
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
        if isinstance(contexts, str):
            contexts = [contexts]
        texts = [text.split() if isinstance(text, str) else list(text) for text in contexts]
        for text in texts:
            if word not in text:
                raise ValueError(f"{word!r} does not stand in the context {' '.join(text)!r}")
        offsets = np.cumsum([0] + [len(text) for text in texts])
        words, local = self._embed_local([token for text in texts for token in text], offsets)
        here = [words.index(word)] if texts else []
        # without texts there is no local context
        own = local[here] if texts else np.zeros((1, self.config.vector_size), np.float32)
        vectors, found = self._combine([word], own, a)
        return (vectors[0], bool(found[0])) if return_found else vectors[0]

    def _embed_local(
        self, tokens: list[str], offsets: npt.ArrayLike | None = None
    ) -> tuple[list[str], FloatArray]:
        """Distinct tokens and the embeddings of their local contexts."""
        if self.context_map is None:
            words, matrix = self._local(tokens, offsets)
            return words, np.asarray(matrix @ self._unit_W1(), np.float32)
        if "map_windows" not in self._cache:
            self._cache["map_windows"] = self.context_map.config.windows(self.vocabulary)
        kinds = []
        for window in self._cache["map_windows"]:
            words, matrix = self._local(tokens, offsets, window, normalize="none")
            kinds.append(unit(np.asarray(matrix @ self._unit_W1(), np.float32)))
        number = {word: i for i, word in enumerate(words)}
        rows = [number[token] for token in tokens if token != corpora.BREAK]
        occurrences = np.bincount(np.array(rows, np.int64), minlength=len(words))
        return words, self.context_map.transform(np.stack(kinds), occurrences)

    def _combine(
        self, words: list[str], local: FloatArray, a: float
    ) -> tuple[FloatArray, BoolArray]:
        """Eq. 7.1 for some words and the embeddings of their local contexts."""
        if not 0 <= a <= 1:
            raise ValueError(f"a is a share from 0 to 1, not {a!r}")
        known = np.fromiter((self.vocabulary.index.get(w, -1) for w in words), np.int64, len(words))
        is_known = known >= 0
        result = local.copy()
        if a > 0 and is_known.any():
            if self.context_embeddings is None:
                raise RuntimeError(
                    "embeddings of known words were not made: call learn_map or build_contexts "
                    "with the corpus, or use a=0 for local contexts alone"
                )
            result[is_known] *= np.float32(1 - a)
            result[is_known] += np.float32(a) * self.context_embeddings[known[is_known]]
        result = unit(result)
        found: BoolArray = np.asarray(result.any(axis=1))
        return result, found

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
            raise RuntimeError(
                "embeddings of known words were not made: call learn_map or build_contexts"
            )
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
