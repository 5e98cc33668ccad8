"""The Context Encoder: how it is trained and kept; what it gives is in `embedding`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy as np

import corpora
from conec import persistence
from conec.config import Config, documents_parameters, takes_parameters_of
from conec.contexts.mapping import ContextMap
from conec.explaining import Explainer
from conec.interop import models
from conec.senses.files import read_senses, senses_part
from conec.training import chunks as ranges
from conec.training import loop as training
from conec.training.checkpoint import TrainingState, floats
from conec.training.weights import check_weights, initial_weights, zero_rows
from conec.types import CorpusLike, StrPath
from conec.vocabulary import Vocabulary
from corpora.checks import check_integer, check_number
from corpora.counting import count
from corpora.encoding import TokenStream

Callback = Callable[["ContextEncoder"], object]


@documents_parameters
class ContextEncoder(Explainer):
    """Word embeddings that also exist for words never seen and for the sense at hand.

    CBOW with negative sampling, read as a Similarity Encoder: a sparse binary vector
    of context words times W1 is an embedding, which W2 compares with target words. A
    word's embedding is therefore its context vector times W1, be the contexts those of
    a whole corpus or of a single document (thesis, chapter 7).

    Parameters are those of gensim's ``Word2Vec`` where it has them.

    Parameters
    ----------
    {parameters}

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

    @takes_parameters_of(Config)
    def __init__(self, **parameters: Any) -> None:
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
            If it is damaged, something else, or of a newer version; or if it was trained with
            features: `conec.load` and `ExtendedContextEncoder.load` read such models.
        """
        if cls is ContextEncoder and persistence.has_part(path, persistence.FEATURES):
            raise persistence.ModelError(
                f"{path} is an ExtendedContextEncoder, which was trained with features: load it "
                "with conec.load or ExtendedContextEncoder.load"
            )
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
