"""The Context Encoder: how it is trained and kept; what it gives is in `embedding`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy as np

import corpora
from conec import persistence
from conec.config import Config, check_integer, check_number
from conec.contexts.mapping import ContextMap
from conec.explaining import Explainer
from conec.interop import models
from conec.senses.files import read_senses, senses_part
from conec.training import chunks as ranges
from conec.training import loop as training
from conec.training.checkpoint import TrainingState, floats
from conec.training.weights import check_weights, initial_weights, zero_rows
from conec.types import (
    CbowGradient,
    CorpusLike,
    Init,
    Negatives,
    StrPath,
)
from conec.vocabulary import Vocabulary
from corpora.counting import count
from corpora.encoding import TokenStream

Callback = Callable[["ContextEncoder"], object]


class ContextEncoder(Explainer):
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
        0.6, or at 0.025 with the sum or with word2vec's gradient.
    alpha_exponent : float, optional
        Frequent words, which take many steps, take smaller ones: the learning rate of a
        word is ``alpha * count ** -alpha_exponent``. By default 0.25; or 0, the same rate
        for all words as in word2vec, with the sum or with word2vec's gradient. With 0, a
        good alpha is 0.15.
    epochs : int
        Passes over the corpus.
    cbow_mean : bool
        Mean or sum of the context words.
    cbow_gradient : {"corrected", "word2vec"}
        With the mean, the true gradient, or that of word2vec.c and gensim, which does
        not divide by the number of context words.
    init : {"word2vec", "glorot"}
        How weights begin: W1 uniform in ±0.5/d and W2 zero, or both uniform in
        ±4·sqrt(6/(V+d)), as in the thesis's experiments.
    workers : int
        Threads.
    seed : int
        Same seed, same vectors, with one worker.
    deterministic : bool
        Same vectors, to the bit, with any number of workers; up to 8 of them train. It
        takes a little longer, and other vectors than without come out.

    Attributes
    ----------
    W1, W2 : float32 arrays of shape (V, d)
        Weights of the first and the last layer.
    vocabulary : Vocabulary
        Words, counts and ids.
    loss_history_ : list of float
        Mean loss of a position in each epoch; NaN if no word had a context.
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
        shared: int = 20,
        batch_size: int = 64,
        min_count: int = 5,
        max_vocab_size: int | None = None,
        sample: float = 1e-4,
        ns_exponent: float = 0.75,
        alpha: float | None = None,
        min_alpha: float = 1e-4,
        alpha_exponent: float | None = None,
        epochs: int = 5,
        cbow_mean: bool = True,
        cbow_gradient: CbowGradient = "corrected",
        init: Init = "word2vec",
        workers: int = 1,
        seed: int = 1,
        deterministic: bool = False,
    ) -> None:
        parameters = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        super().__init__(Config(**parameters))
        self.loss_history_: list[float] = []
        self._runs = 0
        self._training: TrainingState | None = None

    def __repr__(self) -> str:
        c = self.config
        return (
            f"ContextEncoder({len(self.vocabulary)} words, vector_size={c.vector_size}, "
            f"window={c.window}, epochs={len(self.loss_history_)})"
        )

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
        counts = count(
            corpora.open(corpus),
            # words at hand are counted however rare they are in the new text
            min_count=1 if update else self.config.min_count,
            workers=self.config.workers,
            progress=progress,
        )
        return self.build_vocab_from_freq(
            counts.words, update=update, frequencies=counts.frequencies
        )

    def build_vocab_from_freq(
        self,
        word_freq: Mapping[str, int],
        *,
        update: bool = False,
        frequencies: Mapping[int, int] | None = None,
    ) -> ContextEncoder:
        """Make a vocabulary of words whose counts are known.

        Parameters
        ----------
        word_freq : mapping of str to int
        update : bool
            As in `build_vocab`.
        frequencies : mapping of int to int, optional
            As in `Vocabulary.from_counts`.
        """
        c = self.config
        if not update or not len(self.vocabulary):
            self.vocabulary = Vocabulary.from_counts(
                word_freq,
                min_count=c.min_count,
                max_size=c.max_vocab_size,
                frequencies=frequencies,
            )
            self.W1, self.W2 = initial_weights(len(self), c.vector_size, c.seed, c.init)
            self.loss_history_ = []
            self._runs = 0
        else:
            old = self.vocabulary
            self.vocabulary, origin = old.merged(
                word_freq, min_count=c.min_count, max_size=c.max_vocab_size
            )
            new = origin < 0
            fresh = initial_weights(int(new.sum()), c.vector_size, c.seed, c.init, first=len(old))
            for name, rows in zip(("W1", "W2"), fresh, strict=True):
                # index 0 stands in where a word is new, and is overwritten
                weights = zero_rows(len(origin), c.vector_size)
                np.take(getattr(self, name), np.where(new, 0, origin), axis=0, out=weights)
                weights[new] = rows
                setattr(self, name, weights)
        self._training = None
        self._forget()
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
            With one worker or ``deterministic=True`` the result is that of a run without
            interruption, bit for bit.
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
        model = self if resume_from is None else self._reload(resume_from)
        if resume_from is not None and model._training is None:
            raise ValueError(f"{resume_from} is a model, but no checkpoint of a training run")
        if not len(model.vocabulary):
            raise ValueError("there is no vocabulary yet: call build_vocab, or fit")
        for name in ("W1", "W2"):
            shape = len(model.vocabulary), model.config.vector_size
            check_weights(name, getattr(model, name), shape)
        if checkpoint is not None:
            persistence.check_writable(checkpoint)
        single = callable(callbacks) or hasattr(callbacks, "on_epoch_end")
        notify: list[Any] = [callbacks] if single else list(cast("Iterable[Any]", callbacks))
        stream = model._encode(corpus, progress)
        state = model._state(stream, epochs, start_alpha, end_alpha, resume_from)
        # nothing can be refused any more
        self.__dict__ = model.__dict__
        for name in ("W1", "W2"):  # memory-mapped weights of a loaded model become ordinary ones
            if isinstance(weights := getattr(self, name), np.memmap):
                setattr(self, name, zero_rows(*weights.shape))
                getattr(self, name)[:] = weights
        self._training = state
        self._runs = state.run + 1
        self._forget()

        def on_epoch(loss: float) -> None:
            self.loss_history_.append(loss)
            self._changed()
            for callback in notify:
                getattr(callback, "on_epoch_end", callback)(self)

        try:
            training.train(
                self._step(stream, state),
                stream,
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
            self._forget()
        if checkpoint is not None and build_contexts:
            # contexts take a while: an interruption there shall not cost the weights
            self.save(checkpoint)
        self._training = None
        if build_contexts:
            self.learn_map(stream, progress=progress)
        if checkpoint is not None:
            self.save(checkpoint)
        return self

    def _step(self, stream: TokenStream, state: TrainingState) -> ranges.Step:
        return ranges.Step(self.W1, self.W2, stream, self.vocabulary, self.config, state)

    def _state(
        self,
        stream: TokenStream,
        epochs: int | None,
        start_alpha: float | None,
        end_alpha: float | None,
        resume_from: StrPath | None,
    ) -> TrainingState:
        fingerprint = stream.fingerprint()
        if resume_from is not None and self._training is not None:
            if self._training.fingerprint != fingerprint:
                raise ValueError(
                    f"the corpus is not the one that {resume_from} was trained on, so that "
                    "run cannot go on; train without resume_from to train further on it"
                )
            if self._training.range_tokens != ranges.range_tokens(self.config, len(stream)):
                raise ValueError(
                    f"{resume_from} was written by a version that cuts the corpus otherwise: "
                    "load it and train further, or go on with that version"
                )
            if self._training.next_range * self._training.range_tokens >= max(1, len(stream)):
                raise ValueError(f"{resume_from} is damaged: it is beyond the end of the corpus")
            return self._training
        c = self.config
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
            range_tokens=ranges.range_tokens(c, len(stream)),
        )

    from_vectors = classmethod(models.from_vectors)
    from_gensim = classmethod(models.from_gensim)

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
            # JSON has no NaN: the loss of an epoch in which no word had a context
            "loss_history": [x if math.isfinite(x) else None for x in self.loss_history_],
            "runs": self._runs,
            "training": None if self._training is None else self._training.to_dict(),
        }
        vocabulary = {
            "words": self.vocabulary.words,
            "counts": self.vocabulary.counts.tolist(),
        }
        persistence.save(path, about, vocabulary, weights, self._parts())

    def _parts(self) -> dict[str, persistence.Part]:
        """What is saved beside words and weights."""
        parts = {}
        if self.sense_inventory is not None:
            parts[persistence.SENSES] = senses_part(self.sense_inventory)
        # one learned in the middle of an epoch, by a callback, is out of date
        if self.context_map is not None and self._training is None:
            parts[persistence.MAP] = self.context_map.part()
        return parts

    def _reload(self, path: StrPath) -> ContextEncoder:
        return type(self).load(path)

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
            model.loss_history_ = floats(about["loss_history"])
            model._runs = check_integer("runs", about["runs"], 0)
            if about["training"] is not None:
                model._training = TrainingState.from_dict(about["training"])
        except (KeyError, TypeError, ValueError) as error:
            raise persistence.ModelError(f"{path} is damaged: {error!r}") from error
        if weights["W1"].shape[1] != model.config.vector_size:
            raise persistence.ModelError(
                f"{path} is damaged: vectors of size {weights['W1'].shape[1]}, not "
                f"{model.config.vector_size}"
            )
        model.W1, model.W2 = weights["W1"], weights["W2"]
        model.context_embeddings = weights.get("context_embeddings")
        model.context_map = ContextMap.read(path, model.config.vector_size)
        model.sense_inventory = read_senses(path, *model.W1.shape)
        return model
