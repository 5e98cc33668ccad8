"""Callbacks and checkpoints of training, the same for all models."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from corpora.checks import check_integer, check_number

__all__ = ["CheckpointSchedule", "as_callback"]


def as_callback(callbacks: Any) -> Callable[[Any], bool]:
    """Combine callbacks into one.

    Parameters
    ----------
    callbacks : callable, object with ``on_epoch_end``, or iterable of these
        Each is called with the model after each epoch. If it has a method ``on_epoch_end``, as in
        gensim, this method is called instead.

    Returns
    -------
    callable
        Takes the model, calls all callbacks, and returns whether training should stop: whether
        one of them returned True (other truthy values do not count).

    Raises
    ------
    TypeError
        If one is neither callable nor has such a method.
    """
    single = callable(callbacks) or hasattr(callbacks, "on_epoch_end")
    given: Iterable[Any] = (
        (callbacks,) if single or not isinstance(callbacks, Iterable) else tuple(callbacks)
    )
    functions = [getattr(callback, "on_epoch_end", callback) for callback in given]
    for function in functions:
        if not callable(function):
            raise TypeError(
                f"a callback must be callable or have a method on_epoch_end, got {function!r}"
            )

    def call_all(model: Any) -> bool:
        answers = [function(model) for function in functions]
        return any(answer is True for answer in answers)

    return call_all


class CheckpointSchedule:
    """Decides when the next checkpoint is due.

    Parameters
    ----------
    minutes : float
        Minutes between checkpoints; infinity if only `epochs` counts.
    epochs : int, optional
        Number of epochs between additional checkpoints.

    Raises
    ------
    ValueError
        If `minutes` is negative or `epochs` is less than 1.
    """

    def __init__(self, minutes: float, epochs: int | None) -> None:
        if minutes != math.inf:
            check_number("checkpoint_minutes", minutes, 0)
        self._seconds = 60 * minutes
        self._epochs = None if epochs is None else check_integer("checkpoint_epochs", epochs, 1)
        self._last = time.monotonic()

    def is_due(self, epoch: int | None = None) -> bool:
        """Return whether to write a checkpoint now.

        Parameters
        ----------
        epoch : int, optional
            Number of finished epochs, if the last one has just been finished.
        """
        by_epoch = epoch is not None and self._epochs is not None and epoch % self._epochs == 0
        return by_epoch or time.monotonic() - self._last >= self._seconds

    def written(self) -> None:
        """Restart the clock after a checkpoint has been written."""
        self._last = time.monotonic()
