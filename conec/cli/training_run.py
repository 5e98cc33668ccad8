"""A run of ``conec train``: checks, checkpoints, progress and summary."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import typer

from conec import ContextEncoder, ExtendedContextEncoder, ModelError
from conec.cli.options import load_model
from conec.training.loop import untrained
from corpora import Corpus
from corpora.cli.app import fail, report_warnings
from corpora.cli.options import report_skipped
from corpora.counting import Counts
from corpora.encoding import TokenStream
from corpora.interrupts import STOPPED, exit_status

if TYPE_CHECKING:
    from conec.training.chunks import TrainingState

_TRAINED_WORDS = 30_000_000  # in all epochs of a short text together
# parameters that can be changed when a model is trained further, and their names in
# `ContextEncoder.train` and `TrainingState`
_CHANGEABLE = {"epochs": "epochs", "alpha": "start_alpha", "min_alpha": "end_alpha"}


def check_target(out: Path) -> ContextEncoder | None:
    """Check that a model can be written, before hours of training.

    Returns
    -------
    ContextEncoder or None
        The model of an interrupted run in this folder, if there is one.

    Raises
    ------
    OSError
        If `out` cannot be written, or holds anything other than a Context Encoder.
    """
    model = _load_if_any(out)
    return model if model is not None and model.training_state is not None else None


def _load_if_any(path: Path) -> ContextEncoder | None:
    try:
        return load_model(path)
    except (FileNotFoundError, ModelError):
        return None


def epochs_for(n_tokens: int) -> int:
    """Number of epochs for a text: 5 for long ones, up to 20 for short ones."""
    return min(20, max(5, round(_TRAINED_WORDS / max(1, n_tokens))))


class TrainingRun:
    """A training run.

    Parameters
    ----------
    corpus : Corpus
    out : Path
        Folder for checkpoints and the trained model.
    checkpoint_every : tuple of float and int or None
        Minutes and epochs between checkpoints.
    progress : bool
        Show bars on a terminal, and a line per epoch elsewhere.
    engine, n_shards
        As for `ContextEncoder.train`.
    """

    def __init__(
        self,
        corpus: Corpus,
        out: Path,
        checkpoint_every: tuple[float, int | None],
        progress: bool,
        engine: str | None = None,
        n_shards: int | None = None,
    ) -> None:
        self.corpus = corpus
        self.engine, self.n_shards = engine, n_shards
        self.out = out
        self.checkpoint_every = checkpoint_every
        self.progress = progress
        self.lines = progress and not sys.stderr.isatty()
        self._counts: Counts | None = None
        self._chosen = ""

    def start(self, parameters: dict[str, Any]) -> None:
        """Train a new model; `parameters` are those of `Config` that are not default."""
        model = ContextEncoder(**parameters)
        self._build_vocab(model)
        self._choose_by_size(model, parameters)
        self._train(model, self._encode(model))

    def update(self, other: Path, changes: dict[str, Any]) -> None:
        """Train another model further.

        Raises
        ------
        FileNotFoundError, ModelError, ValueError
            If `other` is not a finished model, or `changes` has parameters that cannot be
            changed.
        """
        model = load_model(other)
        if model.training_state is not None:
            raise ValueError(
                f"the training of {other} was interrupted: finish it with --resume first"
            )
        arguments = {_CHANGEABLE[n]: value for n, value in changes.items() if n in _CHANGEABLE}
        fixed = {n: value for n, value in changes.items() if n not in _CHANGEABLE}
        _require_same(fixed, model.config.to_dict(), f"the model {other}")
        self._build_vocab(model, update=True)
        self._train(model, self._encode(model), **arguments)

    def resume(self, model: ContextEncoder | None, changes: dict[str, Any]) -> None:
        """Continue the interrupted run of a model in `out`.

        Raises
        ------
        FileNotFoundError, ModelError, ValueError
            If `out` holds no interrupted run, or parameters or corpus differ from it.
        """
        if model is None or model.training_state is None:
            load_model(self.out)  # raises a specific error if it is missing or damaged
            raise ValueError(
                f"{self.out} is a finished model: there is nothing to resume. To train it on more "
                "text, use --update-from"
            )
        state = model.training_state
        parameters = model.config.to_dict()
        parameters |= {name: getattr(state, attribute) for name, attribute in _CHANGEABLE.items()}
        _require_same(changes, parameters, f"the interrupted run in {self.out}")
        stream = self._encode(model)
        if stream.fingerprint() != state.fingerprint:
            raise ValueError(
                f"{self.corpus.source} is not the text that the interrupted run in {self.out} was "
                "trained on, or it is read with other options (--clean, --tokenize, ...)"
            )
        self._report(f"continuing after {_progress(state)}")
        self._train(model, stream, resume_from=self.out)

    def _build_vocab(self, model: ContextEncoder, *, update: bool = False) -> None:
        if not self.corpus.reiterable:
            name = "standard input" if self.corpus.source == "-" else self.corpus.source
            raise ValueError(
                f"{name} can be read only once, but words are counted before training: write the "
                "text to a file"
            )
        if isinstance(model, ExtendedContextEncoder):
            model.build_vocab(self.corpus, update=update, progress=self.progress)
            return
        self._counts = model.count_words(
            self.corpus, update=update, engine=self.engine, progress=self.progress
        )
        model.build_vocab_from_freq(
            self._counts.words, update=update, frequencies=self._counts.frequencies
        )

    def _choose_by_size(self, model: ContextEncoder, given: dict[str, Any]) -> None:
        """Choose `sample` and `epochs` by the size of the text, unless they are given."""
        assert self._counts is not None
        size = self._counts.tokens
        values: dict[str, Any] = {
            "epochs": epochs_for(size),
            "sample": model.vocabulary.gentle_sample(),
        }
        chosen = {name: value for name, value in values.items() if name not in given}
        model.config = replace(model.config, **chosen)
        if chosen:
            options = " ".join(f"--{name} {value:g}" for name, value in chosen.items())
            self._chosen = f"{options} for a text of {size:,} words"
            self._report(f"chosen: {self._chosen}")

    def _encode(self, model: ContextEncoder) -> TokenStream:
        with report_skipped() as skipped:
            if isinstance(model, ExtendedContextEncoder):
                stream: TokenStream = model.encode_corpus(self.corpus, progress=self.progress)
                skipped.append(self.corpus.skipped)
                return stream
            stream = TokenStream.encode(
                self.corpus,
                model.vocabulary.index,
                workers=model.config.workers,
                engine=self.engine,
                progress=self.progress,
            )
            skipped.append(stream.skipped)
        return stream

    def _train(self, model: ContextEncoder, stream: TokenStream, **arguments: Any) -> None:
        # a resumed run may start within an epoch, so its first epoch does not count for the speed
        epoch_ends: list[float] = [] if arguments.get("resume_from") else [time.monotonic()]

        def on_epoch(model: ContextEncoder) -> None:
            epoch_ends.append(time.monotonic())
            state = model.training_state
            if self.lines:
                epoch = f"{state.epoch} of {state.epochs}" if state else str(len(epoch_ends))
                self._report(f"epoch {epoch}: loss {model.loss_history_[-1]:.4f}")
            if state is not None and state.finished:
                _require_learned(model, stream, state)

        n_before = len(model.loss_history_)
        try:
            with report_warnings():
                model.train(
                    stream,
                    callbacks=on_epoch,
                    checkpoint=self.out,
                    checkpoint_minutes=self.checkpoint_every[0],
                    checkpoint_epochs=self.checkpoint_every[1],
                    engine=self.engine,
                    n_shards=self.n_shards,
                    progress=self.progress,
                    **arguments,
                )
        except STOPPED as error:
            self._fail_interrupted(exit_status(error))
        self._summarize(model, stream, model.loss_history_[n_before:], epoch_ends)

    def _fail_interrupted(self, status: int) -> NoReturn:
        model = _load_if_any(self.out)
        state = None if model is None else model.training_state
        if state is None:
            fail("interrupted before there was anything to save", status)
        fail(
            f"interrupted after {_progress(state)}; saved to {self.out}. To continue, run the same "
            "command with --resume",
            status,
        )

    def _summarize(
        self,
        model: ContextEncoder,
        stream: TokenStream,
        losses: list[float],
        epoch_ends: list[float],
    ) -> None:
        words = f"{len(model):,}"
        if self._counts is not None and self._counts.tokens:
            n_kept = sum(self._counts.words.get(word, 0) for word in model.vocabulary.words)
            words += (
                f" of {self._counts.types:,} different words, covering "
                f"{n_kept / self._counts.tokens:.1%} of {self._counts.tokens:,} tokens"
            )
        rows = {"chosen": self._chosen} if self._chosen else {}
        rows |= {"words": words, "loss": " ".join(f"{loss:.4f}" for loss in losses)}
        if len(epoch_ends) > 1 and epoch_ends[-1] > epoch_ends[0]:
            speed = stream.n_raw * (len(epoch_ends) - 1) / (epoch_ends[-1] - epoch_ends[0])
            rows["speed"] = f"{speed:,.0f} words/s in training"
        rows["saved"] = f"{self.out} ({model.config.vector_size} dimensions)"
        for name, value in rows.items():
            typer.echo(f"{name:6} {value}")

    def _report(self, message: str) -> None:
        if self.progress:
            typer.echo(message, err=True)


def _require_learned(model: ContextEncoder, stream: TokenStream, state: TrainingState) -> None:
    """Raise ValueError at the end of a run that learned nothing, so that it saves no model."""
    losses = model.loss_history_[-state.epoch :]
    if not np.isfinite(losses).any():
        raise ValueError(untrained(losses, 0, stream, model.vocabulary, model.config))


def _progress(state: TrainingState) -> str:
    return f"{state.epoch} of {state.epochs} epochs" + (
        " and part of the next" if state.next_chunk else ""
    )


def _require_same(changes: dict[str, Any], parameters: dict[str, Any], owner: str) -> None:
    """Raise ValueError if options differ from the parameters of an existing model."""
    for name, value in changes.items():
        if value != parameters[name]:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"{option} of {owner} is {parameters[name]} and cannot be changed to {value}: "
                "leave the option out"
            )
