"""What a model is made of, and what it says before it embeds: contexts, neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

import corpora
from conec import contexts
from conec.config import Config
from conec.contexts import Window
from conec.contexts.mapping import ContextMap
from conec.linalg import normalize
from conec.types import CorpusLike, FloatArray, IntArray, Normalize, Weighting
from conec.vocabulary import Vocabulary
from corpora.encoding import TokenStream

if TYPE_CHECKING:
    from gensim.models import KeyedVectors
    from scipy import sparse

    from conec.senses import SenseInventory

Self = TypeVar("Self", bound="WordVectors")


class Numbered(NamedTuple):
    """A text in numbers."""

    words: list[str]
    """The distinct tokens, in order of first appearance."""
    ids: IntArray
    """Of each token in the vocabulary; below 0 for none."""
    rows: IntArray
    """The place of each token among the distinct ones; below 0 for a break."""


class WordVectors:
    """A vocabulary and weights, context vectors, and queries.

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
        """Forget what was derived from the weights, and is made again when asked for."""
        self._cache = {}

    def _forget(self) -> None:
        """Forget all that a corpus said of the weights, too."""
        self.context_embeddings = self.context_map = self.sense_inventory = None
        self._changed()

    # Context vectors

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
        text = self._numbered(tokens)
        return text.words, self._local(text, self._window(window, weighting), normalize)

    def _numbered(self, tokens: Sequence[str]) -> Numbered:
        if isinstance(tokens, str):
            raise TypeError("a list of tokens is needed, not a string: use text.split()")
        tokens = list(tokens)
        if not len(self):
            raise RuntimeError("there is no vocabulary yet: call fit")
        words = list(dict.fromkeys(token for token in tokens if token != corpora.BREAK))
        indices = self.vocabulary.index, {word: i for i, word in enumerate(words)}
        ids, rows = (
            np.fromiter((index.get(token, -1) for token in tokens), np.int32, len(tokens))
            for index in indices
        )
        return Numbered(words, ids, rows)

    def _local(
        self,
        text: Numbered,
        window: Window,
        normalize: Normalize = "max",
        offsets: npt.ArrayLike | None = None,
    ) -> sparse.csr_matrix:
        """Context vectors of the distinct words of a text."""
        return contexts.local_contexts(
            text.ids,
            len(self),
            window,
            targets=text.rows,
            n_targets=len(text.words),
            offsets=offsets,
            normalize=normalize,
        )

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
            self._cache["unit_W1"] = normalize(self.W1)
        rows: FloatArray = self._cache["unit_W1"]
        return rows

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
        vector, keyed = self._similar_to(positive), self.wv_context
        found: list[tuple[str, float]] = (
            keyed.most_similar(positive, topn=topn)
            if isinstance(positive, str)
            else keyed.similar_by_vector(vector, topn=topn)
        )
        return found

    def _similar_to(self, positive: str | npt.ArrayLike) -> FloatArray:
        """The vector of a known word, or one that was given; errors as in `most_similar`."""
        keyed = self.wv_context
        if isinstance(positive, str):
            if positive not in self.vocabulary:
                raise KeyError(
                    f"{positive!r} is not in the vocabulary: give embed_word texts that it "
                    "stands in, and search for the vector that it returns"
                )
            own: FloatArray = keyed[positive]
            if not own.any():
                raise ValueError(f"{positive!r} has no contexts, so nothing is similar to it")
            return own
        vector = np.asarray(positive, np.float32)
        if vector.shape != (self.config.vector_size,):
            raise ValueError(
                f"a vector of shape ({self.config.vector_size},) is needed, not {vector.shape}"
            )
        if not np.isfinite(vector).all() or not vector.any():
            raise ValueError("the vector is zero or not finite, so nothing is similar to it")
        return vector
