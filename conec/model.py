"""The Context Encoder: what a user holds. It delegates to the other modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
import numpy.typing as npt
from scipy import sparse

import corpora
from conec import contexts, persistence, training
from conec.config import Config, check_integer, check_number
from conec.contexts import Window
from conec.types import (
    BoolArray,
    CbowGradient,
    CorpusLike,
    FloatArray,
    Negatives,
    Normalize,
    StrPath,
    Weighting,
)
from conec.vocabulary import Vocabulary
from corpora.counting import count
from corpora.tokens import TokenStream

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Callback = Callable[["ContextEncoder"], object]


class ContextEncoder:
    """Word embeddings that also exist for words never seen and for the sense at hand.

    CBOW with negative sampling, read as a Similarity Encoder: a sparse binary vector
    of context words times W1 is an embedding, which W2 compares with target words. A
    word's embedding is therefore its context vector times W1, be the contexts those of
    a whole corpus or of a single document (thesis, chapter 7).

    Parameters are those of gensim's ``Word2Vec`` where it has them.

    Parameters
    ----------
    vector_size : int
        Dimensions d of the embeddings.
    window : int
        Context words on either side, at most.
    min_window : int
        Each position's window is drawn uniformly from `min_window` to `window`; equal
        to `window`, it is constant (gensim's ``shrink_windows=False``).
    negative : int
        Noise words for each position.
    negatives : {"shared", "exact"}
        Whether a batch of positions shares its noise words, which is several times
        faster, or each position draws its own and takes a step of its own.
    shared, batch_size : int
        With shared noise words: how many, and for how many positions. Each then counts
        ``negative / shared``.
    min_count : int
        Words seen less often are left out.
    max_vocab_size : int, optional
        At most so many words, the most frequent.
    sample : float
        Threshold of subsampling frequent words; 0 for none.
    ns_exponent : float
        Noise words are drawn by their count to this power.
    alpha, min_alpha : float
        Learning rate at the start and at the end of training. By default it starts at
        0.1, or at 0.025 with the sum or with word2vec's gradient.
    epochs : int
        Passes over the corpus.
    cbow_mean : bool
        Mean or sum of the context words.
    cbow_gradient : {"corrected", "word2vec"}
        With the mean, the true gradient, or that of word2vec.c and gensim, which does
        not divide by the number of context words.
    workers : int
        Threads.
    seed : int
        Same seed, same vectors, with one worker.
    deterministic : bool
        Same vectors with any number of workers: training then uses one thread, other
        steps use all.

    Attributes
    ----------
    W1, W2 : float32 arrays of shape (V, d)
        Weights of the first and the last layer.
    vocabulary : Vocabulary
        Words, counts and ids.
    loss_history_ : list of float
        Mean loss of a position in each epoch.
    context_embeddings : float32 array of shape (V, d) or None
        Global context vectors times W1, by `build_contexts`.

    Examples
    --------
    >>> from gensim.test.utils import datapath
    >>> model = ContextEncoder(vector_size=20, min_count=2, epochs=2, seed=1)
    >>> model = model.fit(datapath("lee_background.cor"))
    >>> model.wv["government"].shape
    (20,)
    >>> model.embed("the hospital reported no further casualties".split()).shape
    (6, 20)
    """

    def __init__(
        self,
        *,
        vector_size: int = 200,
        window: int = 5,
        min_window: int = 1,
        negative: int = 13,
        negatives: Negatives = "shared",
        shared: int = 32,
        batch_size: int = 64,
        min_count: int = 5,
        max_vocab_size: int | None = None,
        sample: float = 1e-4,
        ns_exponent: float = 0.75,
        alpha: float | None = None,
        min_alpha: float = 1e-4,
        epochs: int = 5,
        cbow_mean: bool = True,
        cbow_gradient: CbowGradient = "corrected",
        workers: int = 1,
        seed: int = 1,
        deterministic: bool = False,
    ) -> None:
        parameters = dict(locals())
        del parameters["self"]
        self.config = Config(**parameters)
        self.vocabulary = Vocabulary([], [])
        self.W1 = np.zeros((0, vector_size), np.float32)
        self.W2 = np.zeros((0, vector_size), np.float32)
        self.context_embeddings: FloatArray | None = None
        self.loss_history_: list[float] = []
        self._runs = 0
        self._training: training.TrainingState | None = None
        self._cache: dict[str, Any] = {}

    def __repr__(self) -> str:
        c = self.config
        return (
            f"ContextEncoder({len(self.vocabulary)} words, vector_size={c.vector_size}, "
            f"window={c.window}, epochs={len(self.loss_history_)})"
        )

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    # Training

    def fit(
        self,
        corpus: CorpusLike,
        *,
        callbacks: Callback | Iterable[Callback] = (),
        checkpoint: StrPath | None = None,
        checkpoint_minutes: float = 10,
        checkpoint_epochs: int | None = None,
        progress: bool = False,
    ) -> ContextEncoder:
        """Count the words, train, and build the global contexts.

        Parameters
        ----------
        corpus : Corpus, path or iterable of lists of str
            What `corpora.open` takes, such as a file with a document a line.
        callbacks, checkpoint, checkpoint_minutes, checkpoint_epochs
            As in `train`.
        progress : bool
            Show bars.

        Returns
        -------
        ContextEncoder
            The model itself.

        Raises
        ------
        FileNotFoundError, CorpusError
            If the corpus cannot be read, or only once.
        ValueError
            If it is empty or no word is frequent enough.
        """
        source = corpora.open(corpus)
        if not source.reiterable:
            raise corpora.NotReiterableError(
                f"{source.source} can be read once only, and fit makes two passes: give a "
                "list, a file, or an object whose __iter__ starts anew"
            )
        if checkpoint is not None:
            persistence.check_writable(checkpoint)
        self.build_vocab(source, progress=progress)
        return self.train(
            source,
            callbacks=callbacks,
            checkpoint=checkpoint,
            checkpoint_minutes=checkpoint_minutes,
            checkpoint_epochs=checkpoint_epochs,
            progress=progress,
        )

    def build_vocab(
        self, corpus: CorpusLike, *, update: bool = False, progress: bool = False
    ) -> ContextEncoder:
        """Count the words of a corpus and make room for their weights.

        Parameters
        ----------
        corpus : Corpus, path or iterable of lists of str
        update : bool
            Add to the vocabulary at hand instead of starting anew: counts add up, and
            new words need `min_count` occurrences in this corpus.
        progress : bool
            Show a bar.

        Raises
        ------
        ValueError
            If the corpus is empty, or no word is frequent enough: the message says
            which `min_count` would leave words.
        """
        counts = count(corpora.open(corpus), workers=self.config.workers, progress=progress)
        return self.build_vocab_from_freq(counts.words, update=update)

    def build_vocab_from_freq(
        self, word_freq: Mapping[str, int], *, update: bool = False
    ) -> ContextEncoder:
        """Make a vocabulary of words whose counts are known.

        Parameters
        ----------
        word_freq : mapping of str to int
        update : bool
            As in `build_vocab`.
        """
        c = self.config
        if not update or not len(self.vocabulary):
            self.vocabulary = Vocabulary.from_counts(
                word_freq, min_count=c.min_count, max_size=c.max_vocab_size
            )
            self.W1, self.W2 = training.initial_weights(len(self), c.vector_size, c.seed)
            self.loss_history_ = []
            self._runs = 0
        else:
            old = self.vocabulary
            self.vocabulary, origin = old.merged(
                word_freq, min_count=c.min_count, max_size=c.max_vocab_size
            )
            new = origin < 0
            fresh = training.initial_weights(int(new.sum()), c.vector_size, c.seed, first=len(old))
            for name, rows in zip(("W1", "W2"), fresh, strict=True):
                # index 0 stands in where a word is new, and is overwritten
                weights = getattr(self, name)[np.where(new, 0, origin)]
                weights[new] = rows
                setattr(self, name, weights)
        self.context_embeddings = None
        self._training = None
        self._changed()
        return self

    def train(
        self,
        corpus: CorpusLike | TokenStream,
        *,
        epochs: int | None = None,
        start_alpha: float | None = None,
        end_alpha: float | None = None,
        callbacks: Callback | Iterable[Callback] = (),
        checkpoint: StrPath | None = None,
        checkpoint_minutes: float = 10,
        checkpoint_epochs: int | None = None,
        resume_from: StrPath | None = None,
        build_contexts: bool = True,
        progress: bool = False,
    ) -> ContextEncoder:
        """Train on a corpus, with the vocabulary at hand.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        epochs : int, optional
        start_alpha, end_alpha : float, optional
            By default as the model was made. A run that is resumed keeps its own.
        callbacks : callable or iterable of these
            Each is called with the model after each epoch; objects that have a method
            ``on_epoch_end`` have that called, as in gensim.
        checkpoint : path, optional
            Folder to save the model to, every `checkpoint_minutes` and every
            `checkpoint_epochs`, when training is interrupted (Ctrl-C) and at the end. It
            is a model like any other.
        resume_from : path, optional
            A checkpoint of an interrupted run on the same corpus, to go on with: the
            model's own weights and parameters are replaced by those of the checkpoint.
            With one worker the result is that of a run without interruption, bit for
            bit.
        build_contexts : bool
            Compute the embeddings of global contexts on this corpus at the end.
        progress : bool
            Show bars.

        Raises
        ------
        ValueError
            If there is no vocabulary, the corpus has none of its words, or it is not
            the one that the interrupted run had.
        TrainingDiverged
            If the learning rate is too high.
        KeyboardInterrupt
            After Ctrl-C. The model keeps what it has learned.
        """
        model = self if resume_from is None else type(self).load(resume_from)
        if resume_from is not None and model._training is None:
            raise ValueError(f"{resume_from} is a model, but no checkpoint of a training run")
        if not len(model.vocabulary):
            raise ValueError("there is no vocabulary yet: call build_vocab, or fit")
        if checkpoint is not None:
            persistence.check_writable(checkpoint)
        single = callable(callbacks) or hasattr(callbacks, "on_epoch_end")
        notify: list[Any] = [callbacks] if single else list(cast("Iterable[Any]", callbacks))
        stream = model._encode(corpus, progress)
        state = model._state(stream, epochs, start_alpha, end_alpha, resume_from)
        # nothing can be refused any more
        self.__dict__ = model.__dict__
        # memory-mapped weights of a loaded model become ordinary ones
        self.W1, self.W2 = (np.array(W, np.float32, order="C") for W in (self.W1, self.W2))
        self.context_embeddings = None
        self._training = state
        self._runs = state.run + 1
        self._changed()

        def on_epoch(loss: float) -> None:
            self.loss_history_.append(loss)
            self._changed()
            for callback in notify:
                getattr(callback, "on_epoch_end", callback)(self)

        try:
            training.train(
                self.W1,
                self.W2,
                stream,
                self.vocabulary,
                self.config,
                state,
                on_epoch=on_epoch,
                checkpoint=None if checkpoint is None else lambda: self.save(checkpoint),
                checkpoint_seconds=60 * checkpoint_minutes,
                checkpoint_epochs=checkpoint_epochs,
                progress=progress,
            )
        finally:
            # what a callback asked for, before an interruption, may be out of date
            self._changed()
        if checkpoint is not None and build_contexts:
            # contexts take a while: an interruption there shall not cost the weights
            self.save(checkpoint)
        self._training = None
        if build_contexts:
            self.build_contexts(stream, progress=progress)
        if checkpoint is not None:
            self.save(checkpoint)
        return self

    def _state(
        self,
        stream: TokenStream,
        epochs: int | None,
        start_alpha: float | None,
        end_alpha: float | None,
        resume_from: StrPath | None,
    ) -> training.TrainingState:
        fingerprint = stream.fingerprint()
        if resume_from is not None and self._training is not None:
            if self._training.fingerprint != fingerprint:
                raise ValueError(
                    f"the corpus is not the one that {resume_from} was trained on, so that "
                    "run cannot go on; train without resume_from to train further on it"
                )
            return self._training
        c = self.config
        return training.TrainingState(
            epochs=c.epochs if epochs is None else check_integer("epochs", epochs, 1),
            start_alpha=(
                c.start_alpha
                if start_alpha is None
                else check_number("start_alpha", start_alpha, 0)
            ),
            end_alpha=c.min_alpha if end_alpha is None else check_number("end_alpha", end_alpha, 0),
            fingerprint=fingerprint,
            run=self._runs,
        )

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
        self,
        corpus: CorpusLike | TokenStream,
        *,
        window: int | None = None,
        weighting: Weighting = "uniform",
        normalize: Normalize = "max",
        diagonal: float = 0.0,
        memory: int = 1 << 30,
        progress: bool = False,
    ) -> ContextEncoder:
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
        self._changed()
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
        self, tokens: Sequence[str], a: float = ..., *, return_found: Literal[False] = ...
    ) -> FloatArray: ...

    @overload
    def embed(
        self, tokens: Sequence[str], a: float = ..., *, return_found: Literal[True]
    ) -> tuple[FloatArray, BoolArray]: ...

    def embed(
        self, tokens: Sequence[str], a: float = 0.6, *, return_found: bool = False
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
        a: float = 0.6,
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
        tokens = [token for text in texts for token in text]
        words, matrix = self._local(tokens, offsets)
        row = words.index(word) if texts else 0
        local = matrix[row] if texts else sparse.csr_matrix((1, len(self)), dtype=np.float32)
        vectors, found = self._combine([word], local, a)
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

    # Other programs

    @classmethod
    def from_vectors(
        cls,
        vectors: KeyedVectors | StrPath,
        corpus: CorpusLike | None = None,
        *,
        progress: bool = False,
        **parameters: Any,
    ) -> ContextEncoder:
        """Make a Context Encoder of word vectors: they become W1.

        Parameters
        ----------
        vectors : KeyedVectors or path
            A path is that of a file in word2vec format, text or binary.
        corpus : Corpus, path or iterable of lists of str, optional
            Text to take the words' counts and global contexts from. Without it, counts
            are those of `vectors`, if it has any, and only local contexts can be used.
        **parameters
            Of `ContextEncoder`, such as `window`.

        Raises
        ------
        ValueError
            If a vector holds NaN or infinity, or `vector_size` is another.
        """
        from conec.interop import check_vectors, load_word2vec

        keyed: Any = vectors
        if not hasattr(keyed, "index_to_key"):
            keyed = load_word2vec(keyed)
        check_vectors(keyed, size=parameters.get("vector_size"))
        model = cls(**{"min_count": 0, **parameters, "vector_size": keyed.vectors.shape[1]})
        words = list(keyed.index_to_key)
        source = None if corpus is None else corpora.open(corpus)
        if source is not None:
            if not source.reiterable:
                raise corpora.NotReiterableError(
                    f"{source.source} can be read once only, and fit makes two passes: give a "
                    "list, a file, or an object whose __iter__ starts anew"
                )
            seen = count(source, workers=model.config.workers, progress=progress).words
            counts = np.array([seen.get(word, 0) for word in words])
        elif "count" in keyed.expandos:
            counts = np.array([keyed.get_vecattr(word, "count") for word in words])
        else:
            counts = np.zeros(len(words), np.int64)
        order = np.argsort(-counts, kind="stable")
        model.vocabulary = Vocabulary([words[i] for i in order], counts[order])
        model.W1 = np.array(keyed.vectors[order], np.float32, order="C")
        model.W2 = np.zeros_like(model.W1)
        if source is not None:
            model.build_contexts(source, progress=progress)
        return model

    @classmethod
    def from_gensim(
        cls, word2vec: Any, corpus: CorpusLike | None = None, *, progress: bool = False
    ) -> ContextEncoder:
        """Make a Context Encoder of gensim's ``Word2Vec``, with its parameters.

        Parameters
        ----------
        word2vec : gensim.models.Word2Vec
        corpus : Corpus, path or iterable of lists of str, optional
            Text to take the global contexts from; counts are those of the model.

        Raises
        ------
        TypeError
            If it is no ``Word2Vec``.
        """
        if not hasattr(word2vec, "wv"):
            raise TypeError(f"a gensim Word2Vec is needed, not {type(word2vec).__name__}")
        model = cls.from_vectors(
            word2vec.wv,
            window=word2vec.window,
            min_window=1 if getattr(word2vec, "shrink_windows", True) else word2vec.window,
            negative=word2vec.negative or 5,
            sample=word2vec.sample or 0.0,
            ns_exponent=word2vec.ns_exponent,
            cbow_mean=bool(word2vec.cbow_mean),
            cbow_gradient="word2vec",
            alpha=float(word2vec.alpha),
            min_alpha=float(word2vec.min_alpha),
            epochs=word2vec.epochs,
        )
        if getattr(word2vec, "syn1neg", None) is not None:
            index = word2vec.wv.key_to_index
            model.W2 = np.array(word2vec.syn1neg[[index[w] for w in model.vocabulary.words]])
        if corpus is not None:
            model.build_contexts(corpus, progress=progress)
        return model

    # Disk

    def save(self, path: StrPath) -> None:
        """Write the model to a folder: safetensors and JSON, no pickle.

        An older model there is replaced in one step; if anything goes wrong it stays.

        Raises
        ------
        OSError
            If the folder cannot be written, or holds something else.
        """
        weights = {"W1": self.W1, "W2": self.W2}
        if self.context_embeddings is not None:
            weights["context_embeddings"] = self.context_embeddings
        about = {
            "config": self.config.to_dict(),
            "loss_history": self.loss_history_,
            "runs": self._runs,
            "training": None if self._training is None else self._training.to_dict(),
        }
        vocabulary = {
            "words": self.vocabulary.words,
            "counts": self.vocabulary.counts.tolist(),
        }
        persistence.save(path, about, vocabulary, weights)

    @classmethod
    def load(cls, path: StrPath) -> ContextEncoder:
        """Read a model that `save` or a checkpoint wrote; its weights are memory-mapped.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ModelError
            If it is damaged, something else, or of a newer version.
        """
        about, words, weights = persistence.load(path)
        try:
            model = cls(**Config.from_dict(about["config"]).to_dict())
            model.vocabulary = Vocabulary(words["words"], words["counts"])
            model.loss_history_ = training.floats(about["loss_history"])
            model._runs = check_integer("runs", about["runs"], 0)
            if about["training"] is not None:
                model._training = training.TrainingState.from_dict(about["training"])
        except (KeyError, TypeError, ValueError) as error:
            raise persistence.ModelError(f"{path} is damaged: {error!r}") from error
        if weights["W1"].shape[1] != model.config.vector_size:
            raise persistence.ModelError(
                f"{path} is damaged: vectors of size {weights['W1'].shape[1]}, not "
                f"{model.config.vector_size}"
            )
        model.W1, model.W2 = weights["W1"], weights["W2"]
        model.context_embeddings = weights.get("context_embeddings")
        return model


def _checked(tokens: Sequence[str]) -> list[str]:
    if isinstance(tokens, str):
        raise TypeError("a list of tokens is needed, not a string: use text.split()")
    return list(tokens)


def _unit(vectors: FloatArray) -> FloatArray:
    """Rows of length 1; zero rows stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit
