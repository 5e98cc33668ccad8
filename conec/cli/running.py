"""A run of training as the command line does it: checks, checkpoints, a summary."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from conec import ContextEncoder, ExtendedContextEncoder, ModelError, persistence
from conec.cli.options import load_model
from corpora import Corpus
from corpora.cli.app import INTERRUPTED, fail
from corpora.cli.options import report_skipped
from corpora.counting import Counts, count
from corpora.encoding import TokenStream
from corpora.files import check_folder

if TYPE_CHECKING:
    from conec.training.checkpoint import TrainingState

# Parameters that a model which is trained further may have anew.
_OF_A_RUN = {"epochs": "epochs", "alpha": "start_alpha", "min_alpha": "end_alpha"}


def check_target(out: Path) -> ContextEncoder | None:
    """Make sure that a model can be written, before hours of training and not after.

    Returns
    -------
    ContextEncoder or None
        The model of the interrupted run that is there.

    Raises
    ------
    OSError
        If `out` cannot be written, or holds something other than a model.
    """
    check_folder(out, marker=persistence.WEIGHTS)
    model = _load(out)
    return model if model is not None and model._training is not None else None


def _load(path: Path) -> ContextEncoder | None:
    try:
        return load_model(path)
    except (FileNotFoundError, ModelError):
        return None


class Run:
    """One run of training.

    Parameters
    ----------
    corpus : Corpus
    out : Path
        Where checkpoints and the model go.
    checkpoint_every : tuple of float and int or None
        Minutes and epochs between checkpoints.
    progress : bool
        Show bars on a terminal, lines elsewhere.
    """

    def __init__(
        self,
        corpus: Corpus,
        out: Path,
        checkpoint_every: tuple[float, int | None],
        progress: bool,
    ) -> None:
        self.corpus = corpus
        self.out = out
        self.checkpoint_every = checkpoint_every
        terminal = sys.stderr.isatty()
        self.bars = progress and terminal
        self.lines = progress and not terminal
        self._counts: Counts | None = None

    def start(self, given: dict[str, Any]) -> None:
        """Train a new model."""
        model = ContextEncoder(**given)
        self._count(model)
        self._train(model, self._encode(model))

    def update(self, other: Path, given: dict[str, Any]) -> None:
        """Train a model further."""
        model = load_model(other)
        if model._training is not None:
            raise ValueError(f"training of {other} was interrupted: finish it with --resume first")
        more = {_OF_A_RUN[name]: value for name, value in given.items() if name in _OF_A_RUN}
        rest = {name: value for name, value in given.items() if name not in _OF_A_RUN}
        _require_same(rest, model.config.to_dict(), f"the model {other}")
        self._count(model, update=True)
        self._train(model, self._encode(model), **more)

    def resume(self, model: ContextEncoder | None, given: dict[str, Any]) -> None:
        """Go on with an interrupted run.

        Raises
        ------
        FileNotFoundError, ModelError, ValueError
            If there is none, it had other parameters, or another corpus.
        """
        if model is None or model._training is None:
            load_model(self.out)  # raises the error that says what is wrong with it
            raise ValueError(f"{self.out} is a finished model: there is nothing to resume")
        state = model._training
        its = model.config.to_dict()
        its |= {name: getattr(state, there) for name, there in _OF_A_RUN.items()}
        _require_same(given, its, f"the interrupted run in {self.out}")
        stream = self._encode(model)
        if stream.fingerprint() != state.fingerprint:
            raise ValueError(
                f"{self.corpus.source} is not the text that the run in {self.out} was interrupted "
                "on, or it is read with other options (--clean, --tokenize, ...)"
            )
        self._say(f"going on after {_done(state)}")
        self._train(model, stream, resume_from=self.out)

    def _count(self, model: ContextEncoder, *, update: bool = False) -> None:
        if not self.corpus.reiterable:
            name = "standard input" if self.corpus.source == "-" else self.corpus.source
            raise ValueError(
                f"{name} can be read only once, and words are counted before "
                "training: write the text to a file"
            )
        if isinstance(model, ExtendedContextEncoder):
            model.build_vocab(self.corpus, update=update, progress=self.bars)
            return
        self._counts = count(
            self.corpus,
            # words at hand are counted however rare they are in the new text
            min_count=1 if update else model.config.min_count,
            workers=model.config.workers,
            progress=self.bars,
        )
        model.build_vocab_from_freq(
            self._counts.words, update=update, frequencies=self._counts.frequencies
        )

    def _encode(self, model: ContextEncoder) -> TokenStream:
        with report_skipped() as skipped:
            if isinstance(model, ExtendedContextEncoder):
                stream: TokenStream = model.encode(self.corpus, progress=self.bars)
                skipped.append(self.corpus.skipped)
                return stream
            stream = TokenStream.encode(
                self.corpus,
                model.vocabulary.index,
                workers=model.config.workers,
                progress=self.bars,
            )
            skipped.append(stream.skipped)
        return stream

    def _train(self, model: ContextEncoder, stream: TokenStream, **more: Any) -> None:
        # a checkpoint stands within an epoch, so its first one is left out of the rate
        ends: list[float] = [] if more.get("resume_from") else [time.monotonic()]

        def on_epoch(model: ContextEncoder) -> None:
            ends.append(time.monotonic())
            if self.lines:
                state = model._training
                of = f"{state.epoch} of {state.epochs}" if state else str(len(ends))
                self._say(f"epoch {of}: loss {model.loss_history_[-1]:.4f}")

        before = len(model.loss_history_)
        try:
            model.train(
                stream,
                callbacks=on_epoch,
                checkpoint=self.out,
                checkpoint_minutes=self.checkpoint_every[0],
                checkpoint_epochs=self.checkpoint_every[1],
                progress=self.bars,
                **more,
            )
        except KeyboardInterrupt:
            self._interrupted()
        self._summary(model, stream, model.loss_history_[before:], ends)

    def _interrupted(self) -> None:
        model = _load(self.out)
        state = None if model is None else model._training
        if state is None:
            fail("interrupted before there was anything to save", INTERRUPTED)
        fail(
            f"interrupted after {_done(state)}; saved to {self.out}. To go on: the same command "
            "with --resume",
            INTERRUPTED,
        )

    def _summary(
        self, model: ContextEncoder, stream: TokenStream, losses: list[float], ends: list[float]
    ) -> None:
        words = f"{len(model):,}"
        if self._counts is not None and self._counts.tokens:
            kept = sum(self._counts.words.get(word, 0) for word in model.vocabulary.words)
            words += (
                f" of {self._counts.types:,} different ones, which make up "
                f"{kept / self._counts.tokens:.1%} of {self._counts.tokens:,}"
            )
        rows = {"words": words, "loss": " ".join(f"{loss:.4f}" for loss in losses)}
        if len(ends) > 1 and ends[-1] > ends[0]:
            rate = stream.n_raw * (len(ends) - 1) / (ends[-1] - ends[0])
            rows["speed"] = f"{rate:,.0f} words/s in training"
        rows["saved"] = f"{self.out} ({model.config.vector_size} dimensions)"
        for name, value in rows.items():
            typer.echo(f"{name:6} {value}")

    def _say(self, message: str) -> None:
        if self.lines or self.bars:
            typer.echo(message, err=True)


def _done(state: TrainingState) -> str:
    return f"{state.epoch} of {state.epochs} epochs" + (" and a part" if state.next_range else "")


def _require_same(given: dict[str, Any], its: dict[str, Any], where: str) -> None:
    """Raise ValueError if the command line asks for other parameters than a model has."""
    for name, value in given.items():
        if value != its[name]:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} of {where} is {its[name]}, not {value}; leave it out")
