"""Context vectors, embeddings and senses from the weights of a model."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice, pairwise
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

import corpora
from conec import contexts
from conec.config import Config
from conec.contexts import Window
from conec.contexts.mapping import (
    ContextMap,
    MapConfig,
    blocks,
    learn_context_map,
    smoothed_vectors,
)
from conec.linalg import NotFiniteError, mean_row, row_lengths
from conec.linalg import normalize as normalize_rows
from conec.quantization import CompactRows, Rows
from conec.senses.inventory import Sense, SenseInventory, SenseSettings, word_vectors
from conec.sentences import (
    SIF_SCALE,
    Pooling,
    check_texts,
    checked_component,
    first_component,
    pooled,
    without_component,
)
from conec.token_embedding import (
    BATCH_TOKENS,
    Batch,
    EmbeddedTexts,
    MappedContexts,
    PackedTexts,
    SenseContexts,
    TextIndex,
    Texts,
    batches,
    in_order,
    index_batch,
    require_words,
)
from conec.training.weights import zero_rows
from conec.types import (
    BoolArray,
    CorpusLike,
    FloatArray,
    IntArray,
    Normalize,
    SenseChoice,
    StrPath,
    Weighting,
)
from conec.vocabulary import Vocabulary
from corpora.checks import (
    ParameterError,
    check_choice,
    check_flag,
    check_instance,
    check_integer,
    shown,
    table_columns,
    token_list,
    word_list,
)
from corpora.counting.word_table import Located
from corpora.encoding import BREAK_ID, TokenStream
from corpora.errors import ModelError, warn
from corpora.interrupts import terminable
from corpora.parallel import map_on_engine

if TYPE_CHECKING:
    from scipy import sparse

    from conec.interop.keyed_vectors import ModelVectors

logger = logging.getLogger(__name__)
Self = TypeVar("Self", bound="Embedder")

# Tokens of a batch of documents, their embeddings, and which of these are not zero
_Embedded: TypeAlias = tuple[Batch | Located, FloatArray, BoolArray]

NO_EMBEDDINGS = (
    "the model has no embeddings of the known words yet: call learn_map or build_contexts with "
    "the corpus"
)


WeightName: TypeAlias = Literal["W1", "W2", "context_embeddings"]
WEIGHTS: tuple[WeightName, ...] = ("W1", "W2", "context_embeddings")
_LEARNING = threading.RLock()  # held while a map is learned that was deferred
_SENT_BYTES = 16 << 20  # of embeddings, computed together on another machine
_FEW_TOKENS = 512
_TABLES = ("mapped_contexts", "sense_contexts", "text_index")  # names in the cache


class IndexedText(NamedTuple):
    """Texts as arrays of indices, from `index_texts`."""

    words: list[str]
    """The distinct tokens, in order of first appearance."""
    ids: IntArray
    """Id of each token in the vocabulary; -1 for unknown words and breaks."""
    rows: IntArray
    """Index of each token in `words`; -1 for breaks."""
    offsets: npt.NDArray[np.int64]
    """Start of each text in `ids` and `rows`, and the end of the last one."""


def index_texts(texts: Sequence[list[str]], vocabulary: Vocabulary) -> IndexedText:
    """Convert the tokens of texts to indices.

    Parameters
    ----------
    texts : sequence of lists of str
        From `as_tokens` or `as_texts`.
    vocabulary : Vocabulary

    Raises
    ------
    RuntimeError
        If the vocabulary is empty.
    """
    require_words(vocabulary)
    tokens = [token for text in texts for token in text]
    words = list(dict.fromkeys(token for token in tokens if token != corpora.BREAK))
    indices = vocabulary.index, {word: i for i, word in enumerate(words)}
    ids, rows = (
        np.fromiter((index.get(token, -1) for token in tokens), np.int32, len(tokens))
        for index in indices
    )
    offsets = np.cumsum([0, *(len(text) for text in texts)], dtype=np.int64)
    return IndexedText(words, ids, rows, offsets)


def context_vectors(
    text: IndexedText, n_words: int, window: Window, normalize: Normalize = "max"
) -> sparse.csr_matrix:
    """Local context vectors of the distinct tokens of texts; shape (len(text.words), n_words)."""
    return contexts.local_contexts(
        text.ids,
        n_words,
        window,
        targets=text.rows,
        n_targets=len(text.words),
        offsets=text.offsets[:-1],
        normalize=normalize,
    )


class Embedder:
    """A vocabulary with weights, and the embeddings that they provide.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    vocabulary : Vocabulary
    W1, W2 : float32 arrays of shape (V, d)
    context_embeddings : float32 array of shape (V, d) or None
        The best embeddings of the known words, which `wv_context`, `most_similar` and `embed`
        use. After `learn_map` (at the end of training): rows of W1, smoothed with a prediction
        from W2 and the contexts. After `build_contexts`: global context vectors times W1.
    context_map : ContextMap or None
        Maps local contexts to word vectors; from `learn_map`.
    sense_inventory : SenseInventory or None
        Senses of words; from `build_senses`.
    weights_file : str or None
        File that the weights are memory-mapped from, which errors name.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.vocabulary = Vocabulary([], [])
        self._W1: Rows
        self._W2: Rows
        self._context_embeddings: Rows | None
        self.W1 = np.zeros((0, config.vector_size), np.float32)
        self.W2 = np.zeros((0, config.vector_size), np.float32)
        self._context_map: ContextMap | None
        self._not_learned: TokenStream | None  # the corpus of `learn_map_later`
        self._drop_map()
        self.sense_inventory: SenseInventory | None = None
        self._cache: dict[str, Any] = {}
        self._keyed: dict[str, ModelVectors] = {}
        self._lock_factors: FloatArray | None = None
        self.weights_file: str | None = None

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    def __getstate__(self) -> dict[str, Any]:
        self._learn_deferred_map()
        # tables of context words are large, and have functions of this object
        cache = {name: made for name, made in self._cache.items() if name not in _TABLES}
        state = {"_cache": cache, "_keyed": {}, "_lock_factors": self.lock_factors}
        return {**self.__dict__, **state}

    # Weights. Those of a quantized model are converted to float32 where rows of them are needed.

    @property
    def W1(self) -> FloatArray:
        """Weights of the first layer, float32 of shape (V, d)."""
        return cast("FloatArray", self._whole("W1"))

    @W1.setter
    def W1(self, rows: FloatArray) -> None:
        self._W1 = rows

    @property
    def W2(self) -> FloatArray:
        """Weights of the last layer, float32 of shape (V, d)."""
        return cast("FloatArray", self._whole("W2"))

    @W2.setter
    def W2(self, rows: FloatArray) -> None:
        self._W2 = rows

    @property
    def context_embeddings(self) -> FloatArray | None:
        """The best embeddings of the known words, float32 of shape (V, d), or None."""
        return self._whole("context_embeddings")

    @context_embeddings.setter
    def context_embeddings(self, rows: FloatArray | None) -> None:
        self._learn_deferred_map()
        self._context_embeddings = rows

    @property
    def context_map(self) -> ContextMap | None:
        """Maps local contexts to word vectors, or None."""
        self._learn_deferred_map()
        return self._context_map

    @context_map.setter
    def context_map(self, context_map: ContextMap | None) -> None:
        self._learn_deferred_map()
        self._context_map = context_map

    def stored(self, name: WeightName) -> Rows | None:
        """Weights as they are stored: an array, or CompactRows in a quantized model."""
        if name == "context_embeddings":
            self._learn_deferred_map()
        rows: Rows | None = getattr(self, f"_{name}")
        return rows

    def set_stored(self, name: WeightName, rows: Rows) -> None:
        """Replace weights, by an array or CompactRows."""
        setattr(self, f"_{name}", rows)

    def stored_rows(self, name: Literal["W1", "W2"]) -> Rows:
        """As `stored`, for weights that every model has."""
        return cast("Rows", self.stored(name))

    @property
    def is_quantized(self) -> bool:
        """Whether weights are stored in a smaller type than float32; see `quantize`."""
        return any(isinstance(getattr(self, f"_{name}"), CompactRows) for name in WEIGHTS)

    @property
    def dtype_name(self) -> str:
        """Type in which W1 is stored: "float32", "float16" or "int8"."""
        return self._W1.dtype_name if isinstance(self._W1, CompactRows) else "float32"

    def require_float32(self, action: str) -> None:
        """Raise RuntimeError if the model is quantized, so that it cannot learn.

        Parameters
        ----------
        action : str
            Name of the method, for the error.
        """
        if self.is_quantized:
            raise RuntimeError(
                f"{action} needs the weights in float32, but this model is quantized: call it on "
                "the model from which `quantize` made it"
            )

    def _whole(self, name: WeightName) -> FloatArray | None:
        stored = self.stored(name)
        if not isinstance(stored, CompactRows):
            return stored

        def convert() -> FloatArray:
            rows = np.asarray(stored)
            rows.flags.writeable = False  # changes would be lost
            return rows

        result: FloatArray = self._cached(f"float32 {name}", convert)
        return result

    def writable(self, name: WeightName) -> FloatArray:
        """Weights that can be changed in place: memory-mapped ones are copied once."""
        weights = cast("FloatArray", self.stored(name))
        if isinstance(weights, np.memmap):
            weights = zero_rows(*weights.shape)
            weights[:] = self.stored(name)
            self.set_stored(name, weights)
        return weights

    def replace_rows(self, name: WeightName, words: Sequence[str], rows: FloatArray) -> FloatArray:
        """Replace the weights of words.

        Parameters
        ----------
        name : {"W1", "W2", "context_embeddings"}
        words : sequence of str
            Words of the vocabulary.
        rows : array of shape (len(words), d)

        Returns
        -------
        float32 array of shape (V, d)
            The weights.

        Raises
        ------
        RuntimeError
            If the model is quantized.
        """
        self.require_float32("replacing vectors")
        weights = self.writable(name)
        weights[[self.vocabulary.index[word] for word in words]] = rows
        self.weights_changed()
        return weights

    @property
    def lock_factors(self) -> FloatArray | None:
        """``wv.vectors_lockf``: factors of the changes of W1's rows in training, shape (V,).

        None if all are 1.

        Raises
        ------
        ValueError
            If ``wv.vectors_lockf`` has another shape, or a value that is negative or not finite.
        """
        if (keyed := self._keyed.get("W1")) is not None:
            self.set_lock_factors(keyed.vectors_lockf)
        return self._lock_factors

    def set_lock_factors(self, factors: Any) -> None:
        """Set ``wv.vectors_lockf`` of word vectors that are created from now on.

        Parameters
        ----------
        factors : array of shape (V,) or (1,)

        Raises
        ------
        ValueError
            If the shape is wrong, or a value is negative or not finite.
        """
        array, n_words = np.asarray(factors, np.float32), len(self)
        if array.shape not in ((1,), (n_words,)) or not np.isfinite(array).all() or array.min() < 0:
            raise ValueError(
                f"wv.vectors_lockf must have a number >= 0 for each of {n_words} words, 0 to "
                f"freeze its vector and 1 to train it, got {shown(factors)}"
            )
        self._lock_factors = None if (array == 1).all() else np.broadcast_to(array, n_words)

    def encode_corpus(
        self,
        corpus: CorpusLike | TokenStream,
        *,
        engine: str | None = None,
        progress: bool = False,
    ) -> TokenStream:
        """Encode a corpus as word ids, to pass it to several of `train`, `learn_map` and others.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
            A TokenStream is checked and returned.
        engine : str, optional
            Where to encode, as for :func:`corpora.count`. Does not change the result.
        progress : bool
            Show a bar.

        Raises
        ------
        ValueError
            If the corpus is empty or contains no word of the vocabulary, or a TokenStream has
            ids outside of the vocabulary.
        """
        if isinstance(corpus, TokenStream):
            stream = corpus
        else:
            stream = TokenStream.encode(
                corpora.open(corpus),
                self.vocabulary.index,
                workers=self.config.workers,
                engine=engine,
                progress=progress,
            )
        if not len(stream):
            raise ValueError(
                "the corpus contains no word of the vocabulary"
                if stream.n_raw
                else "the corpus is empty. A generator can be read only once: pass a new one"
            )
        lowest, highest = stream.bounds()
        if lowest < BREAK_ID:
            raise ValueError(f"the corpus is damaged: it has the word id {lowest}. Encode it again")
        if highest >= len(self):
            raise ValueError(
                f"the corpus has word ids up to {highest}, but the vocabulary has only "
                f"{len(self)} words. Encode the corpus with this model"
            )
        return stream

    def weights_changed(self) -> None:
        """Drop cached results; to be called after weights were changed in place."""
        self._cache, self.weights_file = {}, None
        for keyed in self._keyed.values():
            keyed.weights_changed()

    def _drop_learned(self) -> None:
        """Drop everything that was derived from the weights and a corpus."""
        self._drop_map()
        self.sense_inventory = None
        self.weights_changed()

    def _drop_map(self) -> None:
        self._context_embeddings = self._context_map = self._not_learned = None

    def learn_map_later(self, stream: TokenStream) -> None:
        """Call `learn_map` when its results are first used, unless training goes on before that.

        Parameters
        ----------
        stream : TokenStream
            From `encode_corpus`.
        """
        self._drop_map()
        self._not_learned = stream

    def _learn_deferred_map(self) -> None:
        if self._not_learned is not None:
            with _LEARNING:
                stream, self._not_learned = self._not_learned, None
                if stream is not None:
                    self.learn_map(stream)

    def _cached(self, name: str, function: Any) -> Any:
        if name not in self._cache:
            self._cache[name] = function()
        return self._cache[name]

    @property
    def normalized_W1(self) -> FloatArray:
        """W1 with rows scaled to unit length; shape (V, d)."""
        rows: FloatArray = self._cached("normalized_W1", lambda: normalize_rows(self.W1))
        return rows

    @property
    def centered_W1(self) -> FloatArray:
        """W1 minus its mean row, with rows scaled to unit length; shape (V, d)."""
        rows: FloatArray = self._cached("centered_W1", lambda: word_vectors(self.W1))
        return rows

    # On a loaded model, these read only the rows that they need, which all processes share; a
    # normalized copy of W1 would be private to each process.

    def unit_rows(self, ids: npt.NDArray[Any]) -> FloatArray:
        """Rows of W1, scaled to unit length.

        Parameters
        ----------
        ids : int array of shape (n,)

        Returns
        -------
        float32 array of shape (n, d)
        """
        with self._finite_weights():
            return normalize_rows(np.asarray(self.stored_rows("W1")[ids], np.float32))

    def centered_rows(self, ids: npt.NDArray[Any]) -> FloatArray:
        """Rows of W1 minus its mean row, scaled to unit length; as for `unit_rows`."""
        rows = self.stored_rows("W1")
        mean = self._cached("mean", lambda: mean_row(rows))
        with self._finite_weights():
            return normalize_rows(np.asarray(rows[ids], np.float32) - mean)

    def times_unit_rows(self, matrix: sparse.csr_matrix) -> FloatArray:
        """Multiply a sparse matrix by W1 with rows of unit length.

        Parameters
        ----------
        matrix : csr_matrix of float32, shape (n, V)

        Returns
        -------
        float32 array of shape (n, d)
        """
        rows = self.stored_rows("W1")
        scales = self._cached("scales", lambda: _inverse(self._lengths("W1", rows)))
        if isinstance(rows, CompactRows):  # only the rows of these words are converted
            ids = np.unique(matrix.indices)
            selected = matrix[:, ids].multiply(scales[ids][None])
            return np.asarray(selected.tocsr() @ rows[ids], np.float32)
        values = matrix.data
        matrix.data = values * scales[matrix.indices]  # restored below: a copy would take longer
        try:
            return np.asarray(matrix @ np.asarray(rows), np.float32)
        finally:
            matrix.data = values

    def _lengths(self, name: str, vectors: Rows) -> FloatArray:
        """Lengths of the rows of weights; an error if one is not finite."""

        def compute() -> FloatArray:
            lengths = row_lengths(vectors)
            bad = np.flatnonzero(~np.isfinite(lengths))
            if len(bad):
                raise self._not_finite(
                    f"{len(bad)} of {len(lengths)} rows of {name} contain NaN, infinity or values "
                    f"that are too large; the first is that of {self.vocabulary.words[bad[0]]!r}"
                )
            return lengths

        result: FloatArray = self._cached(f"lengths of {name}", compute)
        return result

    @contextmanager
    def _finite_weights(self) -> Iterator[None]:
        """Name the weights in errors of results that are not finite."""
        try:
            yield
        except NotFiniteError as error:
            raise self._not_finite(str(error)) from error

    def _not_finite(self, problem: str) -> ValueError:
        # ModelError is a ValueError
        if self.weights_file is not None:
            return ModelError(f"{self.weights_file} is damaged: {problem}")
        return ValueError(problem)

    # Context vectors

    def context_window(self, size: int | None = None, weighting: Weighting = "uniform") -> Window:
        """The window and weights of context words that `global_contexts` uses.

        Parameters
        ----------
        size : int, optional
            Words on each side; by default `config.window`.
        weighting : {"uniform", "distance", "subsampled", "sif"}
        """
        c = self.config
        size = c.window if size is None else check_integer("window", size, 1, 1 << 16)
        keep = None
        if weighting == "subsampled":
            keep = self.vocabulary.keep_probability(c.sample)
        elif weighting == "sif":
            keep = self.vocabulary.sif()
        return Window(size, weighting, min(c.min_window, size), keep)

    def global_contexts(
        self,
        corpus: CorpusLike | TokenStream,
        *,
        window: int | None = None,
        weighting: Weighting = "uniform",
        normalize: Normalize = "count",
        diagonal: float = 0.0,
        memory: int = 1 << 30,
        engine: str | None = None,
        progress: bool = False,
    ) -> sparse.csr_matrix:
        """Global context vectors of all words, as a sparse matrix.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        window : int, optional
            Words on each side; by default as in training.
        weighting : {"uniform", "distance", "subsampled", "sif"}
            Weights of context words. "uniform": 1. "distance": 1 / distance. "subsampled": the
            average weight in training. "sif": the average weight in training without
            subsampling, times the smooth inverse frequency of the word.
        normalize : {"count", "max", "none"}
            Divide each row by the word's count, by its largest entry, or not at all.
        diagonal : float
            The word's count times this factor is added to its own column.
        memory : int
            Approximate number of bytes; larger intermediate results go to temporary files.
        engine : str, optional
            Where to count: by default on this machine, in the model's `workers` threads; "ray" or
            HOST:PORT on a Ray cluster, as for :func:`corpora.count`. Does not change the result.
        progress : bool
            Show a bar.

        Returns
        -------
        csr_matrix of float32, shape (V, V)
        """
        return contexts.global_contexts(
            self.encode_corpus(corpus, progress=progress),
            len(self),
            self.context_window(window, weighting),
            diagonal=diagonal,
            normalize=normalize,
            memory=memory,
            workers=self.config.workers,
            engine=engine,
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
        tokens : sequence of str, or spaCy Doc
            Unknown words keep their position, but are not counted as context.
        window, weighting, normalize
            As in `global_contexts`.

        Returns
        -------
        words : list of str
            The distinct tokens, in order of first appearance.
        matrix : csr_matrix of float32, shape (len(words), V)
        """
        text = index_texts([as_tokens(tokens)], self.vocabulary)
        window_ = self.context_window(window, weighting)
        return text.words, context_vectors(text, len(self), window_, normalize)

    # Embeddings of known words

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
        """Use the thesis's embeddings of known words: global context vectors times W1.

        They replace `context_embeddings`. `context_map` is dropped, so `embed` combines them
        with local context vectors times W1 (Eq. 7.1). Rows of W1 are scaled to unit length
        first, as in the thesis's experiments. The matrix of context vectors is not kept in
        memory.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        window : int, optional
            Words on each side; by default as in training.
        weighting, normalize, diagonal, memory
            As in `global_contexts`.
        progress : bool
            Show a bar.

        Returns
        -------
        The model itself.
        """
        self.require_float32("build_contexts")
        started = time.perf_counter()
        self._not_learned = None
        self.context_embeddings = contexts.global_embeddings(
            self.encode_corpus(corpus, progress=progress),
            self.normalized_W1,
            self.context_window(window, weighting),
            diagonal=diagonal,
            normalize=normalize,
            memory=memory,
            workers=self.config.workers,
            progress=progress,
        )
        self.context_map = None
        self.weights_changed()
        logger.info("global contexts: %.1f s", time.perf_counter() - started)
        return self

    @terminable()
    def learn_map(
        self: Self,
        corpus: CorpusLike | TokenStream,
        config: MapConfig | None = None,
        *,
        exclude: Iterable[str] = (),
        engine: str | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn better embeddings of known words and of contexts; training ends with this.

        `context_embeddings` become rows of W1 plus a prediction of these rows from W2 and the
        contexts; they are better than the rows of W1 alone and than global context vectors
        times W1. `context_map` maps local contexts to word vectors. `embed` and `embed_word`
        combine the two as in Eq. 7.1. See `conec.contexts.mapping` for details. To return to
        the thesis's embeddings, call `build_contexts`.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
            The training corpus, or part of it.
        config : MapConfig, optional
        exclude : iterable of str, or str
            Words that the map is not fitted on, such as test words. A string is one word.
        engine : str, optional
            Where to read the corpus and to sum contexts: by default on this machine; "ray" or
            HOST:PORT on a Ray cluster, as for :func:`corpora.count`. Does not change the result.
        progress : bool
            Show bars.

        Returns
        -------
        The model itself.

        Raises
        ------
        ValueError
            If weights are not finite, or the corpus contains no word of the vocabulary.
        """
        self.require_float32("learn_map")
        if config is None:
            config = MapConfig(near=self.config.window)
        check_instance("config", config, MapConfig)
        excluded = word_list("exclude", exclude)
        _check_finite(self.W1, self.vocabulary.words)
        stream = self.encode_corpus(corpus, engine=engine, progress=progress)
        # vectors imported from another program may lack W2
        W2 = self.W2 if self.W2.any() else self.W1
        # in this order, as the embeddings take as much memory as W1
        context_map = learn_context_map(
            stream,
            self.vocabulary,
            self.W1,
            config,
            seed=self.config.seed,
            workers=self.config.workers,
            engine=engine,
            exclude=excluded,
            progress=progress,
        )
        started = time.perf_counter()
        embeddings = smoothed_vectors(
            stream,
            self.vocabulary,
            self.W1,
            W2,
            self.context_window(None, "sif"),
            config,
            seed=self.config.seed,
            workers=self.config.workers,
            engine=engine,
            progress=progress,
        )
        logger.info("embeddings of known words: %.1f s", time.perf_counter() - started)
        self.weights_changed()
        self._not_learned = None
        self.context_embeddings, self.context_map = embeddings, context_map
        return self

    # Senses

    def build_senses(
        self: Self,
        corpus: CorpusLike | TokenStream,
        settings: SenseSettings | None = None,
        *,
        words: Iterable[str] | None = None,
        engine: str | None = None,
        progress: bool = False,
    ) -> Self:
        """Induce word senses: clusters of the contexts in which each word occurs in a corpus.

        `embed` then gives each token an embedding of the sense that fits its context.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        settings : SenseSettings, optional
        words : iterable of str, or str, optional
            Words, or a single word, to induce senses for; by default all words. Words that occur
            fewer than ``settings.min_occurrences`` times have no senses.
        engine : str, optional
            Where to induce them: by default on this machine; "ray" or HOST:PORT on a Ray cluster,
            as for :func:`corpora.count`. The text, 8 bytes per token, is sent to each node. Does
            not change the result.
        progress : bool
            Show bars.

        Returns
        -------
        The model itself.

        Raises
        ------
        KeyError
            If one of `words` is not in the vocabulary.
        ValueError
            If the corpus contains no word of the vocabulary.
        """
        from conec.senses.induction import induce

        started = time.perf_counter()
        if settings is not None:
            check_instance("settings", settings, SenseSettings)
        ids = None
        if words is not None:
            ids = np.array([self._id_of(w) for w in word_list("words", words)], np.int64)
        self.sense_inventory = induce(
            self.encode_corpus(corpus, engine=engine, progress=progress),
            self.W1,
            self.vocabulary,
            settings,
            words=ids,
            seed=self.config.seed,
            workers=self.config.workers,
            engine=engine,
            progress=progress,
        )
        self.weights_changed()
        logger.info("%d senses: %.1f s", len(self.sense_inventory), time.perf_counter() - started)
        if not len(self.sense_inventory):
            n = self.sense_inventory.settings.min_occurrences
            warn(
                f"no senses were found: none of the words occurs {n} times with a context. Lower "
                "min_occurrences of SenseSettings"
            )
        return self

    def senses(self, word: str) -> list[Sense]:
        """The senses of a word, the most frequent first.

        Parameters
        ----------
        word : str

        Returns
        -------
        list of Sense
            Empty if the word occurs too rarely to have senses.

        Raises
        ------
        KeyError
            If the word is not in the vocabulary.
        RuntimeError
            If `build_senses` was not called.
        """
        row = self._id_of(word)
        vector = self.centered_rows(np.array([row]))[0]
        return self._inventory().describe(row, vector, self.vocabulary)

    def _id_of(self, word: str) -> int:
        _check_word(word)
        if word not in self.vocabulary:
            raise KeyError(f"{word!r} is not in the vocabulary; only known words have senses")
        return self.vocabulary.index[word]

    def _inventory(self) -> SenseInventory:
        if self.sense_inventory is None:
            raise RuntimeError("the model has no senses yet: call build_senses with the corpus")
        return self.sense_inventory

    # Embeddings of tokens

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        senses: SenseChoice = ...,
        per_occurrence: bool = ...,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        senses: SenseChoice = ...,
        per_occurrence: bool = ...,
        return_found: Literal[True],
    ) -> tuple[FloatArray, BoolArray]: ...

    def embed(
        self,
        tokens: Sequence[str],
        a: float = 0.8,
        *,
        senses: SenseChoice = "auto",
        per_occurrence: bool = False,
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a document.

        ``a * y_global + (1 - a) * y_local``, scaled to unit length; `a` is 0 for unknown words.
        After `learn_map`, y_global is the word's row of `context_embeddings` and y_local its
        mapped local context; after `build_contexts` they are ``x_global @ W1`` and
        ``x_local @ W1`` (Eq. 7.1).

        Parameters
        ----------
        tokens : sequence of str, or spaCy Doc
            A document. All occurrences of a word in it get the same embedding, from the contexts
            of all of them, unless `per_occurrence` is set.
        a : float
            Weight of the word's own embedding, from 0 to 1. The thesis uses 0.6, with
            `build_contexts`.
        senses : {"auto", "soft", "hard", "none"}
            How to use the word's senses (see `build_senses`). "hard": y_global is the embedding
            of the sense that fits the local context best. "soft": y_global is the mean of the
            word's senses, weighted by how well they fit. "none": senses are not used. "auto":
            "soft" if senses were built, otherwise "none".
        per_occurrence : bool
            Whether each occurrence of a word gets its own embedding, from its own context.
        return_found : bool
            Also return which tokens have an embedding.

        Returns
        -------
        embeddings : float32 array of shape (len(tokens), d)
            Zero for unknown words without known context words, and for breaks.
        found : bool array of shape (len(tokens),)
            Whether the embedding is not zero; only with ``return_found=True``.

        Raises
        ------
        TypeError
            If a token is not a string; the message names its position.
        ValueError
            If `a` or `senses` is invalid.
        RuntimeError
            If embeddings of known words or senses are needed, but were not computed.
        """
        embedder = self._batch_embedder(a, senses, per_occurrence)
        _, result, found = embedder([as_tokens(tokens)])
        return (result, found) if return_found else result

    def embed_batch(
        self,
        documents: Iterable[str | Sequence[str]],
        a: float = 0.8,
        *,
        senses: SenseChoice = "auto",
        per_occurrence: bool = False,
        workers: int | None = None,
        engine: str | None = None,
        folder: StrPath | None = None,
    ) -> Generator[FloatArray, None, None]:
        """Embeddings of the tokens of many documents, as from `embed`, in constant memory.

        Parameters
        ----------
        documents : iterable of documents
            Each is a list of tokens, or a string, which is split at white space. They may come
            from a generator.
        a : float
        senses : {"auto", "soft", "hard", "none"}
        per_occurrence : bool
            As in `embed`.
        workers : int, optional
            Threads; by default the model's `workers`. They do not change the result.
        engine : str, optional
            Where to embed: by default on this machine; "ray" or HOST:PORT on all CPUs of a Ray
            cluster, as for :func:`corpora.count`. Does not change the result.
        folder : path, optional
            With an engine: a folder of a file system that the nodes share. They pass embeddings in
            temporary files there, not through the object stores of Ray.

        Yields
        ------
        float32 array of shape (n_tokens, d)
            One for each document, in order. Arrays of several documents share memory: copy an
            array that is kept when others are not.

        Raises
        ------
        TypeError
            If a document is not a list of strings; the message names document and position.
        ValueError, RuntimeError
            As in `embed`.
        ClusterError, ImportError
            As for :func:`corpora.count`.
        """
        check_texts(documents, "documents must be an iterable of documents", single=False)
        embed = _Embedding(self, a, senses, per_occurrence)
        n_threads = self._n_threads(workers)

        def embedded() -> Generator[FloatArray, None, None]:
            texts = (
                str(text) if isinstance(text, str) else as_tokens(text, f"document {number}")
                for number, text in enumerate(documents)
            )
            with closing(embed.each(batches(texts), n_threads, engine, folder)) as results:
                for batch, vectors, _ in results:
                    yield from _split(vectors, batch.offsets.tolist())

        return embedded()

    def embed_packed(
        self,
        texts: Iterable[PackedTexts],
        a: float = 0.8,
        *,
        senses: SenseChoice = "auto",
        per_occurrence: bool = False,
        workers: int | None = None,
        engine: str | None = None,
        folder: StrPath | None = None,
    ) -> Generator[EmbeddedTexts, None, None]:
        """As `embed_batch`, for documents without Python objects for their tokens.

        Parameters
        ----------
        texts : iterable of PackedTexts
            For example from `conec.token_embedding.batches_of_lines`.
        a, senses, per_occurrence, workers, engine, folder
            As for `embed_batch`.

        Yields
        ------
        EmbeddedTexts
            One for each element of `texts`, in order.
        """
        embed = _Embedding(self, a, senses, per_occurrence)
        n_threads = self._n_threads(workers)

        def embedded() -> Generator[EmbeddedTexts, None, None]:
            with closing(embed.each(texts, n_threads, engine, folder)) as results:
                for words, vectors, found in results:
                    assert isinstance(words, Located)
                    yield EmbeddedTexts(words, vectors, found)

        return embedded()

    def locate(self, texts: PackedTexts) -> Located:
        """The words of documents, as in the result of `embed_packed`, without vectors."""
        return self._text_index().locate(texts)

    def _text_index(self) -> TextIndex:
        require_words(self.vocabulary)
        # two threads may make it at the same time, which does no harm
        made: TextIndex | None = self._cache.get("text_index")
        if made is None or made.source is not self.vocabulary:
            made = self._cache["text_index"] = TextIndex(self.vocabulary)
        return made

    def _n_threads(self, workers: int | None) -> int:
        return self.config.workers if workers is None else check_integer("workers", workers, 1)

    def _batch_embedder(
        self, a: float, senses: SenseChoice, per_occurrence: bool
    ) -> Callable[[Texts], _Embedded]:
        """Return a function that embeds the tokens of a batch of documents, in any thread.

        It returns the tokens as arrays, their embeddings, and which of these are not zero.
        """
        _check_share(a)
        check_choice("senses", senses, SenseChoice)
        pooled = not check_flag("per_occurrence", per_occurrence)
        if senses == "auto":
            senses = "none" if self.sense_inventory is None else "soft"

        in_senses = None if senses == "none" else self._sense_contexts()
        has_map = self.context_map is not None
        mapped = self._mapped_contexts() if in_senses is None and has_map else None

        def embed(texts: Texts) -> _Embedded:
            batch = self._index(texts)
            if in_senses is not None:
                with self._finite_weights():
                    return batch, *in_senses.embed(batch, a, pooled, hard=senses == "hard")
            if mapped is None:
                tokens = texts.tokens() if isinstance(texts, PackedTexts) else texts
                return batch, *self._embed_thesis(tokens, a, pooled)
            if (
                a > 0
                and self.stored("context_embeddings") is None
                and batch.ids.max(initial=-1) >= 0
            ):
                raise RuntimeError(f"{NO_EMBEDDINGS}, or pass a=0 for local contexts alone")
            with self._finite_weights():
                return batch, *mapped.embed(batch, a, pooled)

        return embed

    def _index(self, texts: Texts) -> Batch | Located:
        """Look up the words of a batch of documents."""
        if isinstance(texts, PackedTexts):
            return self.locate(texts)
        located = None
        # for few tokens, a dict is faster
        if sum(map(len, texts)) >= _FEW_TOKENS:
            located = self._text_index().locate_lists(texts)
        return located or index_batch(texts, self.vocabulary)

    def _embed_thesis(
        self, texts: list[list[str]], a: float, pooled: bool
    ) -> tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of documents from local context vectors times W1 (Eq. 7.1)."""
        results = [np.zeros((0, self.config.vector_size), np.float32)]
        for tokens in texts:
            text = index_texts([tokens], self.vocabulary)
            if not pooled:
                words = [token for token in tokens if token != corpora.BREAK]
                rows = np.where(text.rows < 0, -1, np.cumsum(text.rows >= 0) - 1)
                text = text._replace(words=words, rows=rows.astype(np.int32))
            vectors = self._combine(text.words, self.embed_contexts(text), a)
            # rows of breaks stay zero
            is_word = text.rows >= 0
            result = np.zeros((len(is_word), self.config.vector_size), np.float32)
            result[is_word] = vectors[text.rows[is_word]]
            results.append(result)
        embedded = np.concatenate(results)
        return embedded, np.asarray(embedded.any(axis=1))

    def _mapped_contexts(self) -> MappedContexts:
        """The compiled map of contexts, for the current weights and `context_map`."""
        assert self.context_map is not None
        source = self.context_map, self.stored("context_embeddings")
        made: MappedContexts | None = self._cache.get("mapped_contexts")
        if made is None or any(x is not y for x, y in zip(made.source, source, strict=True)):
            self._lengths("W1", self._W1)  # an error if they are not finite
            made = MappedContexts(source[0], self.vocabulary, self.unit_rows, source[1])
            self._cache["mapped_contexts"] = made
        return made

    def _sense_contexts(self) -> SenseContexts:
        """The compiled choice of senses, for the current weights and `sense_inventory`."""
        inventory = self._inventory()
        made: SenseContexts | None = self._cache.get("sense_contexts")
        if made is None or made.source is not inventory:
            self._lengths("W1", self._W1)
            made = SenseContexts(inventory, self.vocabulary, self.unit_rows, self.centered_rows)
            self._cache["sense_contexts"] = made
        return made

    # Sentences and documents

    def encode(
        self,
        texts: str | Iterable[str | Sequence[str]],
        *,
        pooling: Pooling = "sif",
        normalize: bool = True,
        component: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Vectors of sentences or documents: means of the rows of W1 of their words.

        Unknown words are ignored. For vectors of tokens in their contexts, use `embed_batch`.

        Parameters
        ----------
        texts : str, or iterable of texts
            A string is split at white space; a list of tokens is one text. Words must be written
            as in the vocabulary.
        pooling : {"sif", "mean"}
            "sif": words have smooth inverse frequencies as weights,
            ``1e-3 / (1e-3 + relative frequency)`` (Arora, Liang & Ma 2017). "mean": all words
            have the same weight.
        normalize : bool
            Scale the vectors to unit length.
        component : array of shape (d,), optional
            A direction that is removed from the vectors, from `common_component`.

        Returns
        -------
        float32 array of shape (n_texts, d), or (d,) for a single string
            Zero for texts without known words.

        Raises
        ------
        TypeError
            If a text is not a string or a list of strings; the message names text and position.
        ValueError
            If `pooling` or `component` is invalid.
        RuntimeError
            If the model has no vocabulary.
        """
        check_choice("pooling", pooling, Pooling)
        is_scaled = check_flag("normalize", normalize)
        if component is not None:
            component = checked_component(component, self.config.vector_size)
        single = isinstance(texts, str)
        check_texts(texts)
        vectors = self._pooled([texts] if isinstance(texts, str) else texts, pooling)
        with self._finite_weights():
            vectors = without_component(vectors, component, is_scaled)
        return vectors[0] if single else vectors

    def common_component(
        self, texts: Iterable[str | Sequence[str]], *, pooling: Pooling = "sif"
    ) -> FloatArray:
        """The first principal component of vectors of texts, for `encode`.

        All texts share this direction, which says little about them (Arora, Liang & Ma 2017).
        It is that of the vectors of unit length, which are not centered.

        Parameters
        ----------
        texts : iterable of texts
            As in `encode`; texts like those to be encoded, such as a training set.
        pooling : {"sif", "mean"}
            As in `encode`.

        Returns
        -------
        float32 array of shape (d,)
            Of unit length. Save it with `numpy.save`.

        Raises
        ------
        ValueError
            If no text contains a word of the vocabulary. Other errors are those of `encode`.
        """
        check_choice("pooling", pooling, Pooling)
        check_texts(texts)
        vectors = self._pooled([texts] if isinstance(texts, str) else texts, pooling)
        with self._finite_weights():
            return first_component(vectors)

    def _pooled(self, texts: Iterable[str | Sequence[str]], pooling: Pooling) -> FloatArray:
        vocabulary, weights = self._cache.get("text_weights", (None, None))
        if vocabulary is not self.vocabulary:
            weights = self.vocabulary.sif(SIF_SCALE)
            self._cache["text_weights"] = self.vocabulary, weights
        if pooling == "mean":
            weights = np.ones(len(self), np.float32)
        return pooled(texts, self._index, self.stored_rows("W1"), weights)

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
        """Embedding of one word, from the texts that contain it.

        Parameters
        ----------
        word : str
            Any word, known or not, or a placeholder such as ``"___"``.
        contexts : sequence of texts
            Texts that contain the word: lists of tokens, or strings, which are split at white
            space. All occurrences of the word in them make up its local context.
        a : float
            Weight of the word's own embedding if it is known.
        return_found : bool
            Also return whether the word has an embedding.

        Returns
        -------
        embedding : float32 array of shape (d,)
            Of unit length, or zero for an unknown word without known context words.
        found : bool
            Whether the embedding is not zero; only with ``return_found=True``.

        Raises
        ------
        TypeError
            If the word or a token is not a string.
        ValueError
            If a context does not contain the word, or `a` is out of range.
        RuntimeError
            If the word is known and its embedding is needed, but was not computed.
        """
        _check_word(word)
        texts = as_texts(contexts)
        for text in texts:
            if word not in text:
                raise ValueError(f"the context {' '.join(text)!r} does not contain {word!r}")
        indexed = index_texts(texts, self.vocabulary)
        # without texts there is no local context
        local = (
            self.embed_contexts(indexed)[[indexed.words.index(word)]]
            if texts
            else np.zeros((1, self.config.vector_size), np.float32)
        )
        vector: FloatArray = self._combine([word], local, a)[0]
        return (vector, bool(vector.any())) if return_found else vector

    def embed_contexts(self, text: IndexedText) -> FloatArray:
        """Embeddings of the local contexts of the distinct tokens of texts.

        After `learn_map` they are mapped by `context_map`; otherwise they are local context
        vectors times W1.

        Parameters
        ----------
        text : IndexedText
            From `index_texts`.

        Returns
        -------
        float32 array of shape (len(text.words), d)
        """
        if self.context_map is None:
            matrix = context_vectors(text, len(self), self.context_window(None, "distance"))
            return self.times_unit_rows(matrix)
        mapped = self._mapped_contexts()
        # breaks between the texts keep windows apart
        gap = np.full(mapped.gap, -1, np.int32)
        ids, rows = (
            np.concatenate(
                [part for text_ in np.split(array, text.offsets[1:-1]) for part in (text_, gap)]
            )
            for array in (text.ids, text.rows)
        )
        # the rows are the numbers of the distinct words
        batch = Batch(ids, rows, np.array([0, len(ids)], np.int64))
        with self._finite_weights():
            vectors, _ = mapped.embed(batch, 0, True)
        result = np.empty((len(text.words), self.config.vector_size), np.float32)
        result[rows[rows >= 0]] = vectors[rows >= 0]
        return result

    def _combine(self, words: list[str], local: FloatArray, a: float) -> FloatArray:
        """Combine words with embeddings of their local contexts (Eq. 7.1)."""
        _check_share(a)
        ids = np.fromiter((self.vocabulary.index.get(w, -1) for w in words), np.int64, len(words))
        known = ids >= 0
        result = local.copy()
        if a > 0 and known.any():
            embeddings = self.stored("context_embeddings")
            if embeddings is None:
                raise RuntimeError(f"{NO_EMBEDDINGS}, or pass a=0 for local contexts alone")
            result[known] *= np.float32(1 - a)
            result[known] += np.float32(a) * embeddings[ids[known]]
        with self._finite_weights():
            return normalize_rows(result)


def as_tokens(tokens: Sequence[str], where: str = "tokens") -> list[str]:
    """The tokens of a document; TypeError, with a position, if they are not a list of str."""
    # undecodable bytes of a file may be tokens, too: they are unknown words
    return token_list(tokens, where, surrogates=True)


def _check_share(a: float) -> None:
    if not isinstance(a, Real):
        raise ParameterError(f"a must be a number from 0 to 1, got {a!r}")
    if not 0 <= a <= 1:
        raise ValueError(f"a must be a number from 0 to 1, got {a!r}")


class _Embedding:
    """Embeds batches of documents, here or, as a pickle, on another machine.

    Parameters
    ----------
    model : Embedder
    a, senses, per_occurrence
        As for `Embedder.embed`.
    """

    def __init__(
        self, model: Embedder, a: float, senses: SenseChoice, per_occurrence: bool
    ) -> None:
        self._arguments = model, a, senses, per_occurrence
        self._make()

    def _make(self) -> None:
        model, a, senses, per_occurrence = self._arguments
        self._embed = model._batch_embedder(a, senses, per_occurrence)
        self._vector_size = model.config.vector_size

    def __getstate__(self) -> Any:
        return self._arguments

    def __setstate__(self, arguments: Any) -> None:
        self._arguments = arguments
        self._make()

    def __call__(self, texts: Texts) -> _Embedded:
        return self._embed(texts)

    def all(self, group: Sequence[Texts]) -> list[_Embedded]:
        """Embed some batches."""
        return [self._embed(texts) for texts in group]

    def each(
        self, texts: Iterable[Texts], n_threads: int, engine: str | None, folder: StrPath | None
    ) -> Generator[_Embedded, None, None]:
        """Embed batches in threads, or on a cluster, in order."""
        if engine is None:
            yield from in_order((partial(self, batch) for batch in texts), n_threads)
            return
        n = max(_SENT_BYTES // (4 * self._vector_size * BATCH_TOKENS), 1)
        iterator = iter(texts)
        groups = iter(lambda: list(islice(iterator, n)), [])
        shared = None if folder is None else Path(folder)
        with closing(map_on_engine(self.all, groups, engine, shared)) as results:
            for group in results:
                yield from group


def _split(vectors: FloatArray, bounds: list[int]) -> list[FloatArray]:
    """The parts of an array between bounds."""
    return [vectors[start:stop] for start, stop in pairwise(bounds)]


def _inverse(lengths: FloatArray) -> FloatArray:
    """Inverse lengths; 0 for a length of 0."""
    return np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def as_texts(contexts: Sequence[str | Sequence[str]]) -> list[list[str]]:
    """Texts as lists of tokens; strings are split at white space.

    Raises
    ------
    TypeError
        If `contexts` is not a sequence of texts; the message names number and position.
    """
    if isinstance(contexts, str):
        contexts = [contexts]
    if table_columns(contexts) is not None or not isinstance(contexts, Iterable):
        raise TypeError(f"contexts must be a list of texts, got {shown(contexts)}")
    return [
        text.split() if isinstance(text, str) else as_tokens(text, f"context {number}")
        for number, text in enumerate(contexts)
    ]


def _check_word(word: object) -> None:
    if not isinstance(word, str):
        raise ParameterError(f"a word must be a str, got {shown(word)}")


def _check_finite(W1: FloatArray, words: Sequence[str]) -> None:
    finite = [np.isfinite(W1[rows]).all(axis=1) for rows in blocks(len(W1))]
    bad = np.flatnonzero(~np.concatenate(finite)).tolist() if finite else []
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(W1)} rows of W1 contain NaN or infinity; the first is that of "
            f"{words[bad[0]]!r}"
        )
