"""The Context Encoder: training and files.

Embeddings are in `conec.embedding`, queries in `conec.neighbors`.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

import corpora
from conec.config import PARAMETERS, Config, documents_parameters, takes_parameters_of
from conec.contexts.mapping import ContextMap
from conec.embedding import WEIGHTS, WeightName
from conec.gensim_names import GensimNames, takes_gensim_names, translated
from conec.neighbor_index import NeighborIndex
from conec.neighbors import NearestNeighbors
from conec.quantization import CompactRows, Dtype, Rows, compact
from conec.senses.inventory import SenseInventory
from conec.training import chunks, loop
from conec.training.chunks import TrainingState
from conec.training.weights import check_weights, initial_weights, zero_rows
from conec.types import CorpusLike, StrPath
from conec.vocabulary import Vocabulary
from corpora.callbacks import HOOKS, CheckpointSchedule, as_callback
from corpora.checks import check_choice, check_integer, check_number, shown
from corpora.counting import Counts, count, count_pruned
from corpora.encoding import TokenStream
from corpora.errors import ModelError, warn
from corpora.hub import HubModel
from corpora.model_folder import (
    FolderReader,
    FolderWriter,
    check_writable,
    open_folder,
    write_folder,
)
from corpora.saved_data import check_saved_array, check_saved_object, saved_numbers

if TYPE_CHECKING:
    from gensim.models import KeyedVectors
    from scipy import sparse

    from conec.training.shards import Plan, ShardedTraining
    from simec.explain import Explanation

logger = logging.getLogger(__name__)

KIND = "conec.ContextEncoder"  # of model folders
FORMAT_VERSION = 4  # with quantized weights; all other models are written in version 3
_FLOAT32_VERSION = 3
_LOCK_FACTORS = "vectors_lockf"  # name in the file of the weights
LOW_ALPHA = 0.15  # a lower initial learning rate suits word2vec's gradient only

Callback = Callable[["ContextEncoder"], object]


@documents_parameters
class ContextEncoder(HubModel, GensimNames, NearestNeighbors):
    """Word embeddings for known words, for unknown words, and for words in context.

    CBOW with negative sampling, understood as a Similarity Encoder: a sparse binary vector of
    context words times W1 is an embedding, and its products with rows of W2 are similarities to
    target words. The embedding of a word is therefore its context vector times W1, whether the
    contexts come from a whole corpus or from a single document (thesis, chapter 7).

    Parameters that gensim's ``Word2Vec`` has too have the same names. Its other parameters and
    methods are accepted if their meaning is the same; for the rest, the error names the
    counterpart.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    config : Config
        The parameters.
    vocabulary : Vocabulary
        Words, counts and ids.
    W1, W2 : float32 arrays of shape (V, d)
        Weights of the first and the last layer.
    context_embeddings : float32 array of shape (V, d) or None
        The best embeddings of the known words; see `learn_map` and `build_contexts`.
    context_map : ContextMap or None
        Maps local contexts to word vectors; from `learn_map`.
    sense_inventory : SenseInventory or None
        Senses of words; from `build_senses`.
    loss_history_ : list of float
        Mean loss per position of each epoch; NaN if no word had a context.
    training_state : TrainingState or None
        Progress of an unfinished training run; None if no run is unfinished.
    corpus_count, corpus_total_words : int or None
        Documents and tokens that `build_vocab` counted last; None if unknown.

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

    _reads_features: ClassVar[bool] = False  # whether a model with features can be read

    @takes_parameters_of(Config)
    def __init__(self, *corpus: Any, **parameters: Any) -> None:
        kind = type(self).__name__
        if corpus:
            raise TypeError(
                f"{kind}() takes parameters by name only. Pass the corpus to fit: "
                f"{kind}(...).fit(corpus)"
            )
        super().__init__(Config(**translated(kind, PARAMETERS, parameters)))
        self.loss_history_: list[float] = []
        self.training_state: TrainingState | None = None
        self.corpus_count: int | None = None
        self.corpus_total_words: int | None = None
        self._runs = 0

    def __repr__(self) -> str:
        c = self.config
        return (
            f"{type(self).__name__}({len(self.vocabulary)} words, vector_size={c.vector_size}, "
            f"window={c.window}, epochs={len(self.loss_history_)})"
        )

    # Training

    @takes_gensim_names
    def fit(
        self,
        corpus: CorpusLike,
        *,
        callbacks: Callback | Iterable[Callback] = (),
        checkpoint: StrPath | None = None,
        checkpoint_minutes: float = 10,
        checkpoint_epochs: int | None = None,
        engine: str | None = None,
        n_shards: int | None = None,
        progress: bool = False,
    ) -> ContextEncoder:
        """Build the vocabulary, train, and call `learn_map`.

        Parameters
        ----------
        corpus : Corpus, path or iterable of lists of str
            Anything that `corpora.open` takes, such as a file with one document per line.
        callbacks, checkpoint, checkpoint_minutes, checkpoint_epochs, engine, n_shards
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
            If the corpus cannot be read, or can be read only once.
        ValueError
            If the corpus is empty, or no word occurs `min_count` times.
        """
        source = corpora.open(corpus)
        _require_reiterable(source, "fit")
        check_checkpoint_options(checkpoint, checkpoint_minutes, checkpoint_epochs)
        self._check_shards(engine, n_shards)
        self.build_vocab(source, engine=engine, progress=progress)
        return self.train(
            source,
            callbacks=callbacks,
            checkpoint=checkpoint,
            checkpoint_minutes=checkpoint_minutes,
            checkpoint_epochs=checkpoint_epochs,
            engine=engine,
            n_shards=n_shards,
            progress=progress,
        )

    @takes_gensim_names
    def build_vocab(
        self,
        corpus: CorpusLike,
        *,
        update: bool = False,
        engine: str | None = None,
        progress: bool = False,
    ) -> ContextEncoder:
        """Count the words of a corpus and create their weights.

        Parameters
        ----------
        corpus : Corpus, path or iterable of lists of str
        update : bool
            Extend the vocabulary instead of replacing it: counts are added, and new words need
            `min_count` occurrences in this corpus.
        engine : str, optional
            Where to count; see :func:`corpora.count`. With `max_vocab_size`, on this machine.
        progress : bool
            Show a bar.

        Returns
        -------
        ContextEncoder
            The model itself.

        Raises
        ------
        ValueError
            If the corpus is empty, or no word occurs `min_count` times; the message says which
            `min_count` would keep words.
        """
        started = time.perf_counter()
        counts = self.count_words(
            corpora.open(corpus), update=update, engine=engine, progress=progress
        )
        self.build_vocab_from_freq(
            counts.words,
            update=update,
            frequencies=counts.frequencies,
            corpus_count=counts.documents,
        )
        self.corpus_total_words = counts.tokens  # with rare words
        logger.info(
            "vocabulary: %d of %d words, %d tokens, %.1f s",
            len(self), counts.types, counts.tokens, time.perf_counter() - started,
        )  # fmt: skip
        return self

    def count_words(
        self,
        corpus: corpora.Corpus,
        *,
        update: bool = False,
        engine: str | None = None,
        progress: bool = False,
    ) -> Counts:
        """Count the words of a corpus for `build_vocab`."""
        # known words are counted even if they are rare in the new text
        min_count = 1 if update else self.config.min_count
        if (limit := self.config.max_vocab_size) is not None:
            return count_pruned(corpus, limit, min_count=min_count, progress=progress)
        return count(
            corpus,
            min_count=min_count,
            workers=self.config.workers,
            engine=engine,
            progress=progress,
        )

    @takes_gensim_names
    def build_vocab_from_freq(
        self,
        word_freq: Mapping[str, int],
        *,
        update: bool = False,
        frequencies: Mapping[int, int] | None = None,
        corpus_count: int | None = None,
    ) -> ContextEncoder:
        """Create the vocabulary and its weights from word counts.

        Parameters
        ----------
        word_freq : mapping of str to int
        update : bool
            As in `build_vocab`.
        frequencies : mapping of int to int, optional
            As in `Vocabulary.from_counts`.
        corpus_count : int, optional
            Number of documents, which becomes the attribute.

        Returns
        -------
        ContextEncoder
            The model itself.
        """
        c = self.config
        if not update or not len(self.vocabulary):
            self.vocabulary = Vocabulary.from_counts(
                word_freq,
                min_count=c.min_count,
                max_size=c.max_final_vocab,
                frequencies=frequencies,
            )
            self.W1, self.W2 = initial_weights(len(self), c.vector_size, c.seed, c.init)
            self._keyed, self._lock_factors = {}, None
            self.loss_history_ = []
            self._runs = 0
        else:
            self.require_float32("build_vocab with update=True")
            old, lock_factors = self.vocabulary, self.lock_factors
            self.vocabulary, origin = old.merged(
                word_freq, min_count=c.min_count, max_size=c.max_final_vocab
            )
            new = origin < 0
            initial = initial_weights(int(new.sum()), c.vector_size, c.seed, c.init, first=len(old))
            for name, rows in zip(("W1", "W2"), initial, strict=True):
                # new words take row 0 here, which is overwritten below
                weights = zero_rows(len(origin), c.vector_size)
                np.take(getattr(self, name), np.where(new, 0, origin), axis=0, out=weights)
                weights[new] = rows
                setattr(self, name, weights)
            if lock_factors is not None:
                lock_factors = np.where(new, np.float32(1), lock_factors[origin])
            self._keyed, self._lock_factors = {}, lock_factors
        self.corpus_count, self.corpus_total_words = corpus_count, sum(word_freq.values())
        self.training_state = None
        self._drop_learned()
        return self

    @takes_gensim_names
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
        learn_map: bool | None = None,
        engine: str | None = None,
        n_shards: int | None = None,
        progress: bool = False,
    ) -> ContextEncoder:
        """Train on a corpus with the current vocabulary and weights.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        epochs : int, optional
            Passes over the corpus; by default the model's `epochs`.
        start_alpha, end_alpha : float, optional
            Initial and final learning rate; by default the model's `alpha` and `min_alpha`. A
            resumed run keeps its own epochs and learning rates.
        callbacks : callable, object with hooks, or iterable of these
            A callable is called with the model after each epoch. Of an object with gensim's
            methods ``on_train_begin``, ``on_epoch_begin``, ``on_epoch_end`` or
            ``on_train_end``, these are called instead. If a callback returns True after an
            epoch, training ends.
        checkpoint : path, optional
            Folder to save the model to: every `checkpoint_minutes`, every `checkpoint_epochs`,
            when training is interrupted (Ctrl-C), and at the end. A checkpoint can be loaded
            like any model.
        checkpoint_minutes : float
        checkpoint_epochs : int, optional
            By default, only the time counts.
        resume_from : path, optional
            A checkpoint of an interrupted run on the same corpus, which is continued. The
            model's weights and parameters are replaced by those of the checkpoint. With one
            worker or ``deterministic=True``, the result is bit-identical to that of an
            uninterrupted run.
        learn_map : bool, optional
            Call `learn_map` on the corpus at the end. By default it is called, but if `epochs` is
            passed, only when its results are first used, so that a loop of calls learns one map.
            The encoded corpus is kept until then.
        engine : str, optional
            Where to train: by default in this process. "ray" or HOST:PORT trains shards of the
            corpus on the nodes of a Ray cluster, with `workers` threads for each shard.
        n_shards : int, optional
            Number of shards. With one worker the result depends on it, but not on the nodes that
            train them. By default all CPUs of the cluster are used. Without `engine`, the shards
            are trained one after the other in this process, with the same result.
        progress : bool
            Show bars.

        Returns
        -------
        ContextEncoder
            The model itself.

        Raises
        ------
        ValueError
            If an argument is invalid, there is no vocabulary, the corpus contains none of its
            words, no word has a context, or the corpus is not that of the interrupted run.
        TrainingDiverged
            If the learning rate is too high.
        ImportError, ClusterError
            If Ray is not installed, or the cluster does not answer or can't do the work.
        KeyboardInterrupt
            After Ctrl-C. The model keeps what it has learned.

        Warns
        -----
        UserWarning
            If subsampling or `min_count` left few words with a context, or if the learning rate
            is that of word2vec, too low for the true gradient.
        """
        check_checkpoint_options(checkpoint, checkpoint_minutes, checkpoint_epochs)
        self._check_shards(engine, n_shards)
        model = self if resume_from is None else self._load_checkpoint(resume_from)
        if not len(model.vocabulary):
            raise ValueError("the model has no vocabulary yet: call build_vocab, or fit")
        model.require_float32("train")
        for name in ("W1", "W2"):
            shape = len(model.vocabulary), model.config.vector_size
            try:
                check_weights(name, getattr(model, name), shape)
            except ValueError as error:
                if resume_from is None:
                    raise
                raise ModelError(f"{resume_from} is damaged: {error}") from error
        notify = as_callback(callbacks, HOOKS)
        schedule = CheckpointSchedule(checkpoint_minutes, checkpoint_epochs)
        started = time.perf_counter()
        stream = model.encode_corpus(corpus, engine=engine, progress=progress)
        if stream is not corpus:
            logger.info("encoding: %d tokens, %.1f s", len(stream), time.perf_counter() - started)
        plan = model._plan(stream, engine, n_shards)
        state = model._new_state(stream, epochs, start_alpha, end_alpha, resume_from, plan)
        model._require_contexts(stream)
        if resume_from is None and not self._runs and state.start_alpha < LOW_ALPHA:
            model._warn_of_low_alpha(state.start_alpha)
        # all checks have passed: only now does a checkpoint replace this model
        self.__dict__ = model.__dict__
        self.writable("W1")
        self.writable("W2")
        self.training_state = state
        self._runs = state.run + 1
        self._drop_learned()

        n_before, n_positions = len(self.loss_history_), 0
        notify.report("on_train_begin", self)

        def on_epoch(loss: float, n: int) -> bool:
            nonlocal n_positions
            n_positions += n
            self.loss_history_.append(loss)
            self.weights_changed()
            return notify(self)

        try:
            with self._trainer(stream, state, engine) as trainer:
                loop.train(
                    trainer,
                    stream,
                    self.config,
                    state,
                    on_epoch=on_epoch,
                    on_epoch_begin=lambda: notify.report("on_epoch_begin", self),
                    checkpoint=None if checkpoint is None else lambda: self.save(checkpoint),
                    schedule=schedule,
                    progress=progress,
                )
        finally:
            # a callback may have computed results from weights that have changed since
            self._drop_learned()
        losses = self.loss_history_[n_before:]
        if problem := loop.untrained(losses, n_positions, stream, self.vocabulary, self.config):
            warn(problem)
        if checkpoint is not None and learn_map is not False:
            # learn_map takes a while: an interruption must not cost the weights
            self.save(checkpoint)
        self.training_state = None
        if learn_map is None and epochs is not None and checkpoint is None:
            self.learn_map_later(stream)
        elif learn_map is not False:
            self.learn_map(stream, engine=engine, progress=progress)
        if checkpoint is not None:
            self.save(checkpoint)
        notify.report("on_train_end", self)
        return self

    def _require_contexts(self, stream: TokenStream) -> None:
        """Raise ValueError if no word of the corpus has a context, whatever the parameters."""
        if not stream.has_neighbors:
            raise ValueError(
                "no word of the corpus has a context, so there is nothing to learn: no document or "
                "sentence has two words of the vocabulary next to each other. Pass longer "
                "documents, or lower min_count"
            )

    def _warn_of_low_alpha(self, alpha: float) -> None:
        if self.config.is_gradient_of_mean:
            warn(
                f"alpha={alpha:g} is very low for the true gradient of the mean, so vectors will "
                f"hardly change. Leave alpha out (it is then {Config().start_alpha}), or pass "
                'cbow_gradient="word2vec" to the constructor: its gradient is the larger one of '
                "gensim, for which 0.025 is usual"
            )

    def _chunk_trainer(self, stream: TokenStream, state: TrainingState) -> chunks.ChunkTrainer:
        return chunks.ChunkTrainer(
            self.W1, self.W2, stream, self.vocabulary, self.config, state, self.lock_factors
        )

    def _check_shards(self, engine: str | None, n_shards: int | None) -> None:
        """Check parameters of training on shards before any work is done."""
        if engine is None and n_shards is None:
            return
        if self._reads_features:
            raise ValueError(
                "models with features train on this machine only: leave engine and n_shards out"
            )
        if self.config.deterministic:
            raise ValueError(
                "deterministic=True is for threads of one machine: leave it out with engine or "
                "n_shards. With workers=1, results depend on the number of shards only"
            )
        if n_shards is not None:
            check_integer("n_shards", n_shards, 1)

    def _plan(self, stream: TokenStream, engine: str | None, n_shards: int | None) -> Plan | None:
        """Divide a corpus into shards; None if it is trained as a whole."""
        if n_shards is None and self.training_state is not None:
            n_shards = self.training_state.n_shards or None
        if engine is None and n_shards is None:
            return None
        from conec.training import shards

        if n_shards is None:
            assert engine is not None
            from conec.training.cluster import default_shards

            n_shards = default_shards(engine, self.config.workers)
            n_shards = min(n_shards, shards.most_shards(len(stream)))
        return shards.plan(len(stream), n_shards, self.config.workers)

    @contextmanager
    def _trainer(
        self, stream: TokenStream, state: TrainingState, engine: str | None
    ) -> Iterator[chunks.ChunkTrainer | ShardedTraining]:
        if not state.n_shards:
            yield self._chunk_trainer(stream, state)
            return
        from conec.training.shards import LocalShards, Shared

        shared = Shared(self.vocabulary, self.config, state, self.lock_factors)
        weights = self.W1, self.W2
        trainer: ShardedTraining
        if engine is None:
            trainer = LocalShards(weights, stream, shared)
        else:
            from conec.training.cluster import ClusterShards

            trainer = ClusterShards(weights, stream, shared, engine)
        with closing(trainer):
            yield trainer

    def _load_checkpoint(self, path: StrPath) -> ContextEncoder:
        model = self._load_same_kind(path)
        if model.training_state is None:
            raise ValueError(f"{path} is a finished model, not a checkpoint of a training run")
        return model

    def _load_same_kind(self, path: StrPath) -> ContextEncoder:
        return type(self).load(path, verify=True)  # training reads all weights anyway

    def _new_state(
        self,
        stream: TokenStream,
        epochs: int | None,
        start_alpha: float | None,
        end_alpha: float | None,
        resume_from: StrPath | None,
        plan: Plan | None,
    ) -> TrainingState:
        fingerprint = stream.fingerprint()
        c = self.config
        n_shards = 0 if plan is None else plan.n_shards
        chunk_tokens = chunks.chunk_tokens(c, len(stream)) if plan is None else plan.chunk_tokens
        if resume_from is not None and self.training_state is not None:
            state = self.training_state
            if state.fingerprint != fingerprint:
                raise ValueError(
                    f"the corpus is not the one that {resume_from} was trained on, so its run "
                    "cannot be resumed. To train the model further on this corpus, load it and "
                    "call train without resume_from"
                )
            if state.n_shards != n_shards:
                raise ValueError(
                    f"the run of {resume_from} trains "
                    f"{f'{state.n_shards} shards' if state.n_shards else 'the corpus as a whole'}"
                    f", which cannot be changed to n_shards={n_shards}"
                )
            if state.chunk_tokens != chunk_tokens:
                raise ValueError(
                    f"{resume_from} was written by a version that divides the corpus into "
                    "chunks of another length, so its run cannot be resumed. Resume it with that "
                    "version, or load it and call train without resume_from"
                )
            if state.next_chunk * state.chunk_tokens >= max(1, len(stream)):
                raise ValueError(
                    f"{resume_from} is damaged: it has more completed chunks than the corpus has"
                )
            return state
        return TrainingState(
            epochs=c.epochs if epochs is None else check_integer("epochs", epochs, 1),
            start_alpha=(
                c.start_alpha
                if start_alpha is None
                else check_number("start_alpha", start_alpha, 0)
            ),
            end_alpha=c.min_alpha if end_alpha is None else check_number("end_alpha", end_alpha, 0),
            fingerprint=fingerprint,
            run=self._runs,
            chunk_tokens=chunk_tokens,
            n_shards=n_shards,
        )

    # Models of other programs

    @classmethod
    def from_vectors(
        cls,
        vectors: KeyedVectors | StrPath,
        corpus: CorpusLike | None = None,
        *,
        progress: bool = False,
        **parameters: Any,
    ) -> ContextEncoder:
        """Create a Context Encoder from word vectors, which become W1.

        Parameters
        ----------
        vectors : KeyedVectors or path
            Word vectors, or a file in word2vec format, text or binary.
        corpus : Corpus, path or iterable of lists of str, optional
            Text for the words' counts and for `learn_map`. Without it, counts are taken from
            `vectors`, if it has any, and `embed` can only use local contexts (``a=0``).
        progress : bool
            Show bars.
        **parameters
            Parameters of `ContextEncoder`, such as `window`.

        Raises
        ------
        ValueError
            If a vector contains NaN or infinity, or `vector_size` does not match the vectors.
        """
        from conec.interop.checks import check_vectors
        from conec.interop.word2vec import load_word2vec

        keyed: Any = vectors
        if not hasattr(keyed, "index_to_key"):
            if not isinstance(keyed, (str, os.PathLike)):
                raise TypeError(f"vectors must be KeyedVectors or a path, got {shown(keyed)}")
            keyed = load_word2vec(keyed)
        check_vectors(keyed, size=parameters.get("vector_size"))
        model = cls(**{"min_count": 0, **parameters, "vector_size": keyed.vectors.shape[1]})
        words = list(keyed.index_to_key)
        source = None if corpus is None else corpora.open(corpus)
        if source is not None:
            _require_reiterable(source, "from_vectors")
            word_freq = count(source, workers=model.config.workers, progress=progress).words
            counts = np.array([word_freq.get(word, 0) for word in words])
        elif "count" in keyed.expandos:
            counts = np.array([keyed.get_vecattr(word, "count") for word in words])
        else:
            counts = np.zeros(len(words), np.int64)
        order = np.argsort(-counts, kind="stable")
        model.vocabulary = Vocabulary([words[i] for i in order], counts[order])
        model.W1 = np.array(keyed.vectors[order], np.float32, order="C")
        model.W2 = np.zeros_like(model.W1)
        if source is not None:
            model.learn_map(source, progress=progress)
        return model

    @classmethod
    def from_gensim(
        cls, word2vec: Any, corpus: CorpusLike | None = None, *, progress: bool = False
    ) -> ContextEncoder:
        """Create a Context Encoder from gensim's ``Word2Vec``, with its parameters.

        Parameters
        ----------
        word2vec : gensim.models.Word2Vec
        corpus : Corpus, path or iterable of lists of str, optional
            Text for `learn_map`; counts are taken from the gensim model.
        progress : bool
            Show bars.

        Raises
        ------
        TypeError
            If `word2vec` is not a ``Word2Vec``.
        """
        if not hasattr(word2vec, "wv"):
            raise TypeError(
                f"word2vec must be a gensim Word2Vec, got {type(word2vec).__name__}. For "
                "KeyedVectors, use from_vectors"
            )
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
            index, W2 = word2vec.wv.key_to_index, np.asarray(word2vec.syn1neg)
            if W2.shape != model.W1.shape or W2.dtype.kind != "f" or not np.isfinite(W2).all():
                raise ValueError(
                    f"syn1neg of the Word2Vec must have shape {model.W1.shape} and finite values, "
                    f"got {W2.dtype} of shape {W2.shape}"
                )
            rows = [index[word] for word in model.vocabulary.words]
            model.W2 = W2[rows].astype(np.float32, copy=False)
        factors = np.asarray(getattr(word2vec.wv, "vectors_lockf", [1]))
        if factors.shape == (len(model),):
            index = word2vec.wv.key_to_index
            model.set_lock_factors(factors[[index[word] for word in model.vocabulary.words]])
        if corpus is not None:
            model.learn_map(corpus, progress=progress)
        return model

    # Explanations

    def explain_similarity(
        self,
        word_or_tokens: str | Sequence[str],
        other: str | npt.ArrayLike,
        contexts: Sequence[str | Sequence[str]] = (),
        a: float = 0.8,
        *,
        global_contexts: sparse.csr_matrix | None = None,
    ) -> Explanation:
        """Attribute the similarity of a word's embedding to its context words.

        See `conec.explain.explain_similarity` for details.

        Parameters
        ----------
        word_or_tokens : str or sequence of str
            A word, known or not, or a text with ``"___"`` in the place of the word.
        other : str or array of shape (d,)
            A known word, or a vector from `embed` or `embed_word`.
        contexts : sequence of texts
            Texts that contain the word, as for `embed_word`.
        a : float
            Weight of the word's own embedding if it is known.
        global_contexts : csr_matrix of shape (V, V), optional
            The result of `global_contexts` for the text and settings of `build_contexts`.

        Returns
        -------
        simec.explain.Explanation
            Relevances of context words, of shape (1, V). Their sum plus `bias` is the cosine.
        """
        from conec.explain import explain_similarity

        return explain_similarity(
            self, word_or_tokens, other, contexts, a, global_contexts=global_contexts
        )

    # Files

    @takes_gensim_names
    def save(self, path: StrPath) -> None:
        """Write the model to a folder of safetensors and JSON files, without pickle.

        An older model in the folder is replaced in one step; if an error occurs, it stays
        unchanged. The files are:

        ``config.json``
            parameters, losses, and the state of an unfinished training run
        ``vocabulary.json``
            words and their counts, the most frequent first
        ``weights.safetensors``
            `W1`, `W2`, and `context_embeddings` and ``wv.vectors_lockf`` if there are any
        ``map.*``, ``senses.*``, ``features.*``
            JSON and safetensors of `context_map`, `sense_inventory` and the features of an
            `ExtendedContextEncoder`, for models that have them
        ``index.json``, ``index.safetensors``
            the index of `build_index`, for models that have one

        Parameters
        ----------
        path : path

        Raises
        ------
        ValueError
            If `W1`, `W2` or `context_embeddings` do not have the shape of the vocabulary.
        OSError
            If the folder cannot be written, or contains anything other than a Context Encoder.
        """
        with write_folder(path, KIND, self.format_version) as folder:
            self.write_to(folder)

    @property
    def format_version(self) -> int:
        """Version of the format that `save` writes: the lowest one that can hold the model."""
        return FORMAT_VERSION if self.is_quantized else _FLOAT32_VERSION

    def quantize(self, dtype: Dtype = "int8") -> ContextEncoder:
        """A smaller copy of the model, to be saved and used where memory is scarce.

        `W1` and `context_embeddings` are stored in float16, or in 8 bits with a scale for each
        word, and converted to float32 where rows of them are needed. `W2`, which only training and
        `learn_map` use, is left out. `embed`, `embed_word`, `most_similar` and senses work as
        before; `W1`, `wv` and `wv_context` convert all rows when they are used. The copy shares
        the vocabulary and the other parts of the model, and has no index of neighbors.

        Parameters
        ----------
        dtype : {"float16", "int8"}

        Returns
        -------
        ContextEncoder
            Of the same class. It cannot be trained.

        Raises
        ------
        RuntimeError
            If the model has no vocabulary, is quantized already, or its training is unfinished.
        ValueError
            If weights are not finite, or too large for float16.
        """
        check_choice("dtype", dtype, Dtype)
        self.require_float32("quantize")
        if not len(self.vocabulary):
            raise RuntimeError("the model has no vocabulary yet: call fit")
        if self.training_state is not None:
            raise RuntimeError(
                "the training of this model is not finished: call train with resume_from first"
            )
        small = copy.copy(self)
        small.weights_changed()
        small.set_stored("W1", compact("W1", self.W1, dtype))
        # an array of zeros that takes no memory
        small.W2 = np.broadcast_to(np.float32(0), self.W1.shape)
        if self.context_embeddings is not None:
            embeddings = compact("context_embeddings", self.context_embeddings, dtype)
            small.set_stored("context_embeddings", embeddings)
        return small

    def write_to(self, folder: FolderWriter) -> None:
        """Write the model's files to an open folder, which may be nested in another model's."""
        weights = self._weights_to_save()
        training = None if self.training_state is None else self.training_state.to_dict()
        if training is not None:
            training["losses"] = _without_nan(training["losses"])
        data = {
            "config": self.config.to_dict(),
            "loss_history": _without_nan(self.loss_history_),
            "runs": self._runs,
            "training": training,
        }
        folder.write_json("config.json", data, indent=1)
        folder.write_json("vocabulary.json", self.vocabulary.to_dict())
        folder.write_arrays("weights.safetensors", weights)
        # a map that a callback learned in the middle of training is out of date
        if self.context_map is not None and self.training_state is None:
            folder.write_json("map.json", self.context_map.config.to_dict())
            folder.write_arrays("map.safetensors", self.context_map.arrays())
        if self.sense_inventory is not None:
            folder.write_json("senses.json", self.sense_inventory.to_dict())
            folder.write_arrays("senses.safetensors", self.sense_inventory.arrays())
        if (index := self.neighbor_index) is not None:
            index.write_to(folder)

    def _weights_to_save(self) -> dict[str, npt.NDArray[Any]]:
        """W1, W2 and `context_embeddings`; ValueError if they could not be loaded again."""
        weights: dict[str, Rows | None] = {name: self.stored(name) for name in WEIGHTS}
        if self.is_quantized:
            del weights["W2"]
        shape = len(self), self.config.vector_size
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, rows in weights.items():
            if rows is None:
                continue
            if rows.shape != shape:
                raise ValueError(f"{name} must have shape {shape} to be saved, got {rows.shape}")
            if isinstance(rows, CompactRows):
                arrays |= rows.arrays(name)
            else:
                arrays[name] = rows.astype(np.float32, copy=False)
        if (factors := self.lock_factors) is not None and not self.is_quantized:
            arrays[_LOCK_FACTORS] = factors
        return arrays

    @classmethod
    @takes_gensim_names
    def load(cls, path: StrPath, *, verify: bool = False) -> ContextEncoder:
        """Read a saved model or a checkpoint from a folder; its weights are memory-mapped.

        Parameters
        ----------
        path : path
        verify : bool, default False
            Also verify the checksum of the weights, which reads the whole file. The checksums
            of all other files are always verified.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ModelError
            If the folder is damaged, holds another kind of model, or was written by a newer
            version; or if the model was trained with features, which `conec.load` and
            `ExtendedContextEncoder.load` read.
        """
        with open_model(path, verify=verify) as folder:
            return cls.read_from(folder)

    @classmethod
    def read_from(cls, folder: FolderReader) -> ContextEncoder:
        """Read a model from an open folder; errors as in `load`."""
        if has_features(folder) and not cls._reads_features:
            raise ModelError(
                f"{folder.path} is an ExtendedContextEncoder, which was trained with features. "
                "Load it with conec.load or ExtendedContextEncoder.load"
            )
        data = folder.read_json("config.json")
        with folder.checking("config.json"):
            keys = ("config", "loss_history", "runs", "training")
            data = check_saved_object("the configuration", data, keys)
            model = cls(**Config.from_dict(check_saved_object("config", data["config"])).to_dict())
            model.loss_history_ = saved_numbers("loss_history", data["loss_history"], nan=True)
            model._runs = check_integer("runs", data["runs"], 0)
            if data["training"] is not None:
                model.training_state = TrainingState.from_dict(data["training"])
        words = folder.read_json("vocabulary.json", limit=None)
        with folder.checking("vocabulary.json"):
            model.vocabulary = Vocabulary.from_dict(words)
        shape = len(model), model.config.vector_size
        arrays = folder.map_arrays("weights.safetensors")
        with folder.checking("weights.safetensors"):
            for name, rows in _weights_of(arrays, shape, folder.version).items():
                model.set_stored(name, rows)
            if _LOCK_FACTORS in arrays:
                model.set_lock_factors(
                    check_saved_array(_LOCK_FACTORS, arrays, "float32", shape[:1])
                )
        model.weights_file = str(folder.path / "weights.safetensors")
        if state := _read_part(folder, "map"):
            with folder.checking("map.json"):
                model.context_map = ContextMap.from_state(*state, shape[1])
        if state := _read_part(folder, "senses"):
            with folder.checking("senses.json"):
                model.sense_inventory = SenseInventory.from_state(*state, *shape)
        if (embeddings := model.stored("context_embeddings")) is not None:
            model.neighbor_index = NeighborIndex.read_from(folder, embeddings)
        return model


def check_checkpoint_options(
    checkpoint: StrPath | None, minutes: float = 10, epochs: int | None = None
) -> None:
    """Check the checkpoint options of `train` before any work is done.

    Raises
    ------
    ValueError
        If `checkpoint_minutes` or `checkpoint_epochs` is invalid.
    OSError
        If the checkpoint could not be written.
    """
    CheckpointSchedule(minutes, epochs)
    if checkpoint is not None:
        check_writable(checkpoint, KIND)


@contextmanager
def open_model(path: StrPath, *, verify: bool = False) -> Iterator[FolderReader]:
    """Open the folder of a Context Encoder, with or without features; errors as in `load`."""
    with open_folder(path, KIND, FORMAT_VERSION, verify=verify, what="Context Encoder") as folder:
        yield folder


def has_features(folder: FolderReader) -> bool:
    """Whether a folder holds an `ExtendedContextEncoder`, even if it is damaged."""
    return not folder.names.isdisjoint({"features.json", "features.safetensors"})


def _weights_of(
    arrays: Mapping[str, npt.NDArray[Any]], shape: tuple[int, int], version: int
) -> dict[WeightName, Rows]:
    """Weights from the arrays of a file; ValueError if one is invalid.

    Whether their values are finite is checked when they are used: reading them all would take as
    long as reading the file.
    """
    # only quantized models have no W2
    quantized = version >= FORMAT_VERSION and "W2" not in arrays
    weights: dict[WeightName, Rows] = {}
    for name in WEIGHTS:
        if name == "W2" and quantized:
            weights[name] = np.broadcast_to(np.float32(0), shape)
        elif name in arrays and quantized and arrays[name].dtype != np.float32:
            dtype: Dtype = "float16" if arrays[name].dtype == np.float16 else "int8"
            weights[name] = CompactRows.from_arrays(name, arrays, shape, dtype)
        elif name in arrays or name != "context_embeddings":
            weights[name] = check_saved_array(name, arrays, "float32", shape, finite=False)
    return weights


def _read_part(folder: FolderReader, name: str) -> tuple[Any, dict[str, npt.NDArray[Any]]] | None:
    """Data and arrays of an optional part of a model; None if the model does not have it."""
    files = f"{name}.json", f"{name}.safetensors"
    if folder.names.isdisjoint(files):
        return None
    return folder.read_json(files[0]), folder.read_arrays(files[1])


def _without_nan(losses: Sequence[float]) -> list[float | None]:
    """Losses for JSON: None in place of NaN, the loss of an epoch without contexts."""
    return [loss if math.isfinite(loss) else None for loss in losses]


def _require_reiterable(source: corpora.Corpus, method: str) -> None:
    if not source.reiterable:
        raise corpora.NotReiterableError(
            f"{source.source} can be read only once, but {method} reads the corpus twice. Pass a "
            "list, a file, or an object whose __iter__ returns a new iterator"
        )
