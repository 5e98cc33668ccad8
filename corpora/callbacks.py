"""Callbacks of training: called with the model after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["as_callback"]


def as_callback(callbacks: Any) -> Callable[[Any], bool]:
    """Combine callbacks into one.

    Parameters
    ----------
    callbacks : callable, object with ``on_epoch_end``, or iterable of these
        Each is called with the model after each epoch. Objects that have a method
        ``on_epoch_end`` have that called, as in gensim.

    Returns
    -------
    callable
        Takes the model, calls all of them, and returns whether one asked to stop training:
        by returning True (not just any true value).

    Raises
    ------
    TypeError
        If one can't be called.
    """
    single = callable(callbacks) or hasattr(callbacks, "on_epoch_end")
    given: Iterable[Any] = (callbacks,) if single else tuple(callbacks)
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
