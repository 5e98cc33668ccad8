"""The training loop: epochs, threads, progress, checkpoints and interruptions.

The token stream is cut into chunks of equal length. The random draws of a chunk depend only on
the seed, the run, the epoch and the chunk's number, so a run that stopped between two chunks can
be continued exactly. Threads train on chunks in parallel: lock-free (Hogwild), or in synchronous
rounds with bit-identical results.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from conec.config import Config
from conec.training.chunks import CHUNKS_PER_ROUND, ChunkTrainer, TrainingState
from corpora.callbacks import progress_bar
from corpora.interrupts import STOPPED, deferred_interrupt

if TYPE_CHECKING:
    from conec.training.shards import ShardedTraining
    from conec.vocabulary import Vocabulary
    from corpora.callbacks import CheckpointSchedule
    from corpora.encoding import TokenStream

logger = logging.getLogger(__name__)

UPDATE_INTERVAL = 0.05  # seconds between updates of the progress bar
_FEW = 0.1  # share of the words


def untrained(
    losses: Sequence[float],
    n_positions: int,
    stream: TokenStream,
    vocabulary: Vocabulary,
    config: Config,
) -> str:
    """Describe a run that trained on few words, and say what to set; "" for other runs.

    Parameters
    ----------
    losses : sequence of float
        Of its epochs; NaN if no word had a context.
    n_positions : int
        Number of words that it trained on, in all epochs.
    stream : TokenStream
    vocabulary : Vocabulary
    config : Config
    """
    n_idle, n_epochs = sum(math.isnan(loss) for loss in losses), len(losses)
    if not n_epochs:
        return ""
    trained = n_positions / (n_epochs * len(stream))
    in_vocabulary = len(stream) / max(1, stream.n_raw)
    if n_idle == n_epochs:
        result = "nothing was learned: no word had a context, so the losses are NaN"
    elif n_idle:
        result = f"in {n_idle} of {n_epochs} epochs no word had a context: nothing was learned"
    elif trained < _FEW:
        result = f"little was learned: only {trained:.1%} of the words had a context"
    elif in_vocabulary < _FEW:
        return (
            f"only {in_vocabulary:.1%} of the words of the corpus are in the vocabulary: lower "
            f"min_count ({config.min_count}), or train on more text"
        )
    else:
        return ""
    kept = vocabulary.kept_share(config.sample)
    if kept > 0.5:
        return f"{result}. Documents need at least two words that occur min_count times"
    return (
        f"{result}. Subsampling with sample={config.sample:g} leaves {kept:.1%} of the words: set "
        f"sample={vocabulary.gentle_sample():g}, or train on more text"
    )


class TrainingDiverged(ArithmeticError):
    """The loss is no longer finite."""


def train(
    trainer: ChunkTrainer | ShardedTraining,
    stream: TokenStream,
    config: Config,
    state: TrainingState,
    *,
    on_epoch: Callable[[float, int], object],
    on_epoch_begin: Callable[[], object] | None = None,
    checkpoint: Callable[[], None] | None = None,
    schedule: CheckpointSchedule | None = None,
    progress: bool = False,
) -> None:
    """Train weights in place until `state` is finished.

    Parameters
    ----------
    trainer : ChunkTrainer or ShardedTraining
        Trains on single chunks in the threads of this process, or on shards.
    stream : TokenStream
    config : Config
    state : TrainingState
        Updated in place; an interrupted run continues from it.
    on_epoch : callable
        Called after each epoch with its mean loss and the number of words that were trained.
        If it returns True, training ends and `state` is finished.
    on_epoch_begin : callable, optional
        Called before each epoch, but not before the rest of an interrupted one.
    checkpoint : callable, optional
        Saves the model and `state`. Called as `schedule` says, and when training is
        interrupted; threads are stopped meanwhile.
    schedule : CheckpointSchedule, optional
    progress : bool
        Show a bar with words per second, remaining time and loss.

    Raises
    ------
    TrainingDiverged
        If the loss is no longer finite.
    KeyboardInterrupt, Terminated
        After Ctrl-C, or SIGTERM or SIGHUP, when all threads have completed their chunks and
        `state` matches the weights.
    """
    run: Callable[[Callable[[int], bool]], None]
    if isinstance(trainer, ChunkTrainer):
        length = state.chunk_tokens
        n_chunks = -(-len(stream) // length)
        in_threads = run_in_rounds if config.deterministic else run_hogwild
        run = partial(in_threads, trainer, state, n_chunks, config.workers)
        description = "synchronous rounds" if config.deterministic else "lock-free"
    else:  # its cycles are counted like chunks
        length, n_chunks, run = trainer.cycle_tokens, trainer.n_cycles, trainer.run
        description = trainer.description
    # progress counts all words of the corpus, known or not, as other programs do
    raw_per_token = stream.n_raw / max(len(stream), 1)
    logger.info(
        "training: %d tokens, epochs %d to %d, %d threads, %s",
        len(stream), state.epoch + 1, state.epochs, config.workers,
        description,
    )  # fmt: skip
    began = time.monotonic()
    with (
        progress_bar(
            total=stream.n_raw * state.epochs,
            initial=int(raw_per_token * (state.epoch * len(stream) + state.next_chunk * length)),
            desc="training",
            unit=" words",
            unit_scale=True,
            shown=progress,
        ) as bar,
        deferred_interrupt() as interrupted,
    ):

        def is_due(epoch: int | None = None) -> bool:
            return checkpoint is not None and schedule is not None and schedule.is_due(epoch)

        def tick(n_done: int) -> bool:
            """Update the bar; return whether the threads must stop."""
            n = state.epoch * len(stream) + min(n_done * length, len(stream))
            bar.update(int(n * raw_per_token) - bar.n)
            return interrupted.is_set() or is_due()

        try:
            epoch_began, first_chunk = time.monotonic(), state.next_chunk
            begins = first_chunk == 0
            while not state.finished:
                if begins and on_epoch_begin is not None:
                    on_epoch_begin()
                begins = False
                run(tick)
                loss, positions = float(np.sum(state.losses)), int(np.sum(state.positions))
                epoch_done = state.next_chunk == n_chunks
                if not np.isfinite(loss) or (epoch_done and not trainer.finite):
                    raise TrainingDiverged(
                        f"the loss is {loss} in epoch {state.epoch + 1}: the learning rate "
                        f"(alpha={state.start_alpha:g}) is too high for these settings"
                    )
                if epoch_done:
                    mean = loss / positions if positions else float("nan")
                    seconds = time.monotonic() - epoch_began
                    words = raw_per_token * max(0, len(stream) - first_chunk * length)
                    state.epoch += 1
                    state.next_chunk, state.losses, state.positions = 0, [], []
                    figures = {} if isinstance(trainer, ChunkTrainer) else trainer.figures
                    bar.set_postfix(
                        epoch=f"{state.epoch}/{state.epochs}", loss=f"{mean:.4f}", **figures
                    )
                    logger.info(
                        "epoch %d of %d: loss %.4f, %.1f s, %.0f words/s%s",
                        state.epoch, state.epochs, mean, seconds, words / max(seconds, 1e-9),
                        "".join(f", {name} {value}" for name, value in figures.items()),
                    )  # fmt: skip
                    if on_epoch(mean, positions) is True and not state.finished:
                        logger.info("stopped by a callback after epoch %d", state.epoch)
                        state.epochs = state.epoch
                tick(state.next_chunk)
                interrupted.raise_if_set()
                if is_due(state.epoch if epoch_done else None):
                    assert checkpoint is not None
                    assert schedule is not None
                    checkpoint()
                    schedule.written()
                    logger.debug(
                        "checkpoint after %d epochs and %d of %d chunks",
                        state.epoch, state.next_chunk, n_chunks,
                    )  # fmt: skip
                if epoch_done:
                    epoch_began, first_chunk, begins = time.monotonic(), 0, True
        except STOPPED:
            if checkpoint is not None:
                checkpoint()
            raise
    logger.info("training took %.1f s", time.monotonic() - began)


def run_hogwild(
    trainer: ChunkTrainer,
    state: TrainingState,
    n_chunks: int,
    n_threads: int,
    tick: Callable[[int], bool],
) -> None:
    """Train on the remaining chunks of an epoch, or until `tick` returns True.

    All threads update the weights concurrently, without locks (Niu et al. 2011, "Hogwild!").
    Results therefore depend on timing; with one thread they are bit-identical.

    Threads take chunks in order, and complete every chunk that they took, even after Ctrl-C or
    an error in another thread. `state.next_chunk` is therefore exact.
    """
    lock = threading.Lock()
    stop = threading.Event()
    results: dict[int, tuple[float, int]] = {}
    first = state.next_chunk
    numbers = iter(range(first, n_chunks))

    def work(_: int) -> None:
        scratch = trainer.train_scratch()
        while not stop.is_set():
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            results[number] = trainer.train(number, scratch)

    try:
        _in_threads(work, n_threads, lambda: tick(first + len(results)), stop)
    finally:
        stopped = first  # after an error in one thread, others may have completed later chunks
        while stopped in results:
            stopped += 1
        state.losses += [results[number][0] for number in range(first, stopped)]
        state.positions += [results[number][1] for number in range(first, stopped)]
        state.next_chunk = stopped


def run_in_rounds(
    trainer: ChunkTrainer,
    state: TrainingState,
    n_chunks: int,
    n_threads: int,
    tick: Callable[[int], bool],
) -> None:
    """Train as `run_hogwild` does, with bit-identical results for any number of threads.

    The chunks of a round are trained independently: a row that several of them use is copied
    for each of them at the start of the round. At the end, the copies are merged in a fixed
    order.

    A round that has begun is completed, even after Ctrl-C.
    """
    stop = threading.Event()
    rounds = _Rounds(trainer, state, n_chunks, min(n_threads, CHUNKS_PER_ROUND), stop)
    _in_threads(rounds.work, rounds.n_threads, lambda: tick(state.next_chunk), stop)


class _Rounds:
    """State that the threads of `run_in_rounds` share."""

    def __init__(
        self,
        trainer: ChunkTrainer,
        state: TrainingState,
        n_chunks: int,
        n_threads: int,
        stop: threading.Event,
    ) -> None:
        self._trainer, self._state, self._n_chunks = trainer, state, n_chunks
        self.n_threads, self._stop = n_threads, stop
        self._counts = trainer.counts()
        self._scratch = trainer.merge_scratch()
        self._buffers = [trainer.buffer() for _ in range(CHUNKS_PER_ROUND)]  # reused
        self._trained = threading.Barrier(n_threads)
        self._merged_all = threading.Barrier(n_threads, self._finish)
        scratch = trainer.plan_scratch()
        self._next_plans = [trainer.plan(n, scratch) for n in self._chunks(state.next_chunk)]
        trainer.count([], self._next_plans, self._counts, 0, 1)
        self._begin()

    def _chunks(self, start: int) -> range:
        """The chunks of the round that begins with chunk `start`."""
        return range(start, min(start + CHUNKS_PER_ROUND, self._n_chunks))

    def _begin(self) -> None:
        """Prepare a round. If `stop` is set, the round is empty, which ends all threads."""
        self._now, self._plans = self._chunks(self._state.next_chunk), self._next_plans
        if self._stop.is_set():
            self._now = range(0)
        self._next = self._chunks(self._now.stop)
        self._results: list[Any] = [None] * len(self._now)
        self._next_plans = [self._trainer.empty_plan] * len(self._next)
        # shared by the threads, which take the next index when they are free
        self._to_train = iter(range(len(self._now)))
        self._to_plan = iter(range(len(self._next)))

    def work(self, thread: int) -> None:
        """Train until the last chunk, or until `stop` is set."""
        trainer, n_threads = self._trainer, self.n_threads
        train_scratch, plan_scratch = trainer.train_scratch(), trainer.plan_scratch()
        try:
            while self._now:
                for i in self._to_train:
                    copies = trainer.train_on_copies(
                        self._plans[i], self._counts, train_scratch, self._buffers[i]
                    )
                    self._results[i], self._buffers[i] = copies, copies.buffer
                # plan the next round while other threads still train
                for i in self._to_plan:
                    self._next_plans[i] = trainer.plan(self._next[i], plan_scratch)
                self._trained.wait()
                trainer.merge(self._results, self._counts, self._scratch, thread, n_threads)
                trainer.count(self._plans, self._next_plans, self._counts, thread, n_threads)
                self._merged_all.wait()
        except BaseException:
            self._trained.abort()
            self._merged_all.abort()
            raise

    def _finish(self) -> None:
        """Record a completed round and prepare the next; the barrier runs this in one thread."""
        self._state.losses += [result.loss for result in self._results]
        self._state.positions += [result.n_positions for result in self._results]
        self._state.next_chunk = self._now.stop
        self._begin()


def _in_threads(
    work: Callable[[int], None],
    n_threads: int,
    tick: Callable[[], bool],
    stop: threading.Event,
) -> None:
    """Run `work` in threads, and set `stop` when `tick` returns True or after an error.

    Returns when all threads have ended, even after Ctrl-C, and raises the first of their errors.
    """
    errors: list[BaseException] = []

    def guarded(thread: int) -> None:
        try:
            work(thread)
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [
        threading.Thread(target=guarded, args=(i,), name=f"conec-{i}", daemon=True)
        for i in range(n_threads)
    ]
    for thread in threads:
        thread.start()
    interrupt = None
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(UPDATE_INTERVAL)
            if tick():
                stop.set()
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):
            try:
                for thread in threads:
                    thread.join()
            except STOPPED as error:  # a second signal: wait anyway, threads end soon
                interrupt = error
    if errors:
        raise errors[0]
    if interrupt is not None:
        raise interrupt
