"""Training: epochs, learning rate, threads, progress, interruptions.

The token stream is cut into ranges of equal length (see `conec.training.chunks` for how threads
share them). What a range does is fixed by the seed, the epoch and its place, so a run
that stopped between two ranges goes on as if it had not.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np

from conec.config import Config
from conec.training import chunks as ranges
from conec.training.checkpoint import TrainingState

if TYPE_CHECKING:
    from corpora.encoding import TokenStream


class TrainingDiverged(ArithmeticError):
    """The loss is no longer a number."""


def train(
    step: ranges.Step,
    stream: TokenStream,
    config: Config,
    state: TrainingState,
    *,
    on_epoch: Callable[[float], None],
    checkpoint: Callable[[], None] | None = None,
    checkpoint_seconds: float | None = None,
    checkpoint_epochs: int | None = None,
    progress: bool = False,
) -> None:
    """Train weights in place until `state` is finished.

    Parameters
    ----------
    step : Step
        What trains them on a range.
    stream : TokenStream
    config : Config
    state : TrainingState
        Kept up to date; a run that was interrupted goes on from it.
    on_epoch : callable
        Called after each epoch with its mean loss.
    checkpoint : callable, optional
        Saves the model and `state`. Called every `checkpoint_seconds` and every
        `checkpoint_epochs`, while no thread trains, and when training is interrupted.
    progress : bool
        Show a bar: words a second, time left, loss.

    Raises
    ------
    TrainingDiverged
        If the loss is no number any more.
    KeyboardInterrupt
        After Ctrl-C: all threads have finished their ranges, and weights and `state`
        belong together.
    """
    from tqdm import tqdm

    run = ranges.run_in_rounds if config.deterministic else ranges.run_freely
    length = state.range_tokens
    n_ranges = -(-len(stream) // length)
    # words are counted as they were read, so that rates compare with other programs
    per_token = stream.n_raw / max(len(stream), 1)
    saved = time.monotonic()
    with (
        tqdm(
            total=stream.n_raw * state.epochs,
            initial=int(per_token * (state.epoch * len(stream) + state.next_range * length)),
            desc="training",
            unit=" words",
            unit_scale=True,
            disable=None if progress else True,
        ) as bar,
        _interrupt_held_back() as interrupted,
    ):

        def checkpoint_is_due() -> bool:
            return (
                checkpoint is not None
                and checkpoint_seconds is not None
                and time.monotonic() - saved >= checkpoint_seconds
            )

        def tick(done: int) -> bool:
            """Show how far it is; say whether to stop, for a checkpoint or for good."""
            n = state.epoch * len(stream) + min(done * length, len(stream))
            bar.update(int(n * per_token) - bar.n)
            return interrupted.is_set() or checkpoint_is_due()

        try:
            while not state.finished:
                run(step, state, n_ranges, config.workers, tick)
                loss, positions = float(np.sum(state.losses)), int(np.sum(state.positions))
                done = state.next_range == n_ranges
                if not np.isfinite(loss) or (done and not step.finite):
                    raise TrainingDiverged(
                        f"the loss is {loss} in epoch {state.epoch + 1}: the learning rate "
                        f"(alpha={state.start_alpha:g}) is too high for these settings"
                    )
                if done:
                    mean = loss / positions if positions else float("nan")
                    state.epoch += 1
                    state.next_range, state.losses, state.positions = 0, [], []
                    bar.set_postfix(epoch=f"{state.epoch}/{state.epochs}", loss=f"{mean:.4f}")
                    on_epoch(mean)
                epochs_up = done and checkpoint_epochs and state.epoch % checkpoint_epochs == 0
                tick(state.next_range)
                if interrupted.is_set():
                    raise KeyboardInterrupt
                if checkpoint is not None and (epochs_up or checkpoint_is_due()):
                    checkpoint()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            if checkpoint is not None:
                checkpoint()
            raise


@contextmanager
def _interrupt_held_back() -> Iterator[threading.Event]:
    """Note Ctrl-C rather than raise it, which could be between any two instructions.

    Weights and state would no longer belong together then. Whoever presses it again
    does not want to wait, and gets the exception at once.
    """
    pressed = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed  # only the main thread is told, and another's handler stays
        return

    def note(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            signal.default_int_handler(number, frame)
        pressed.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
