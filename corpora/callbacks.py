"""Callbacks, checkpoints and progress of training, the same for all models."""

from __future__ import annotations

import logging
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from corpora.checks import check_integer, check_number

__all__ = [
    "HOOKS",
    "Callbacks",
    "CheckpointSchedule",
    "as_callback",
    "progress_bar",
    "progress_lines",
]

LOG_SECONDS = 60.0  # between two lines of progress in a log
_progress = logging.getLogger("corpora.progress")
_lines_only = False


HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")
"""Methods of gensim's callbacks."""


class Callbacks:
    """Callbacks of a training run, from `as_callback`; to be called after each epoch.

    Parameters
    ----------
    callbacks : iterable of callables and of objects with hooks
    hooks : sequence of str
        Hooks that training calls.
    """

    def __init__(self, callbacks: Iterable[Any], hooks: Sequence[str]) -> None:
        self._functions: dict[str, list[Any]] = {hook: [] for hook in HOOKS}
        for callback in callbacks:
            own = {hook: getattr(callback, hook) for hook in hooks if hasattr(callback, hook)}
            for hook, function in (own or {"on_epoch_end": callback}).items():
                if not callable(function):
                    raise TypeError(
                        f"a callback must be callable or have a method {' or '.join(hooks)}, got "
                        f"{function!r}"
                    )
                self._functions[hook].append(function)

    def __call__(self, model: Any) -> bool:
        """Report the end of an epoch; return whether a callback returned True, to stop."""
        answers = [function(model) for function in self._functions["on_epoch_end"]]
        return any(answer is True for answer in answers)

    def report(self, hook: str, model: Any) -> None:
        """Call the method `hook` of the callbacks that have it."""
        for function in self._functions[hook]:
            function(model)


def as_callback(callbacks: Any, hooks: Sequence[str] = ("on_epoch_end",)) -> Callbacks:
    """Combine callbacks into one.

    Parameters
    ----------
    callbacks : callable, object with hooks, or iterable of these
        A callable is called with the model after each epoch. Of an object with methods among
        `hooks`, these are called instead.
    hooks : sequence of str
        Those of `HOOKS` that training calls.

    Returns
    -------
    Callbacks
        To be called with the model after each epoch. It calls all callbacks, and returns whether
        training should stop: whether one of them returned True (other truthy values do not
        count).

    Raises
    ------
    TypeError
        If one is neither callable nor has such a method.
    """
    single = callable(callbacks) or any(hasattr(callbacks, hook) for hook in hooks)
    given = (callbacks,) if single or not isinstance(callbacks, Iterable) else callbacks
    return Callbacks(given, hooks)


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


def progress_bar(
    iterable: Iterable[Any] | None = None, *, shown: bool, always: bool = False, **options: Any
) -> Any:
    """Create a progress bar on a terminal; elsewhere, a line per minute is logged.

    Parameters
    ----------
    iterable : iterable, optional
        Yielded by the bar.
    shown : bool
        Whether to show progress at all.
    always : bool
        Show the bar even if standard error is not a terminal, as in a notebook.
    **options
        Options of `tqdm`, such as `total`, `desc` and `unit`.

    Returns
    -------
    tqdm, or a bar without effect
    """
    if not shown:
        return _HiddenBar(iterable)
    from tqdm import tqdm

    if sys.stderr is not None and (sys.stderr.isatty() or (always and not _lines_only)):
        return tqdm(iterable, **options)
    is_sized = options.get("total") is not None or hasattr(iterable, "__len__")
    amount = "{percentage:.0f} %, {n_fmt} of {total_fmt}" if is_sized else "{n_fmt}"
    left = ", {remaining} left" if is_sized else ""
    return tqdm(
        iterable, file=_LogLines(), mininterval=LOG_SECONDS, maxinterval=max(LOG_SECONDS, 10),
        delay=LOG_SECONDS or 1e-9, **options,
        bar_format=f"{{desc}}: {amount}{{unit}}, {{elapsed}} elapsed{left}{{postfix}}",
    )  # fmt: skip


class _HiddenBar:
    """A bar that is not shown, with the methods of a bar; importing tqdm would take 8 MB."""

    n = 0

    def __init__(self, iterable: Iterable[Any] | None) -> None:
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable or ())

    def __enter__(self) -> _HiddenBar:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def _ignore(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    update = refresh = close = set_postfix = set_postfix_str = _ignore


class _LogLines:
    """A file for a progress bar, which logs each update of the bar as a line."""

    def write(self, text: str) -> None:
        """Log what a bar shows, without control characters."""
        line = re.sub(r"[\r\n]|\x1b\[\w", "", text).strip()
        if line:
            _progress.info("%s", line)

    def flush(self) -> None:
        """Do nothing: lines are complete."""


@contextmanager
def progress_lines(report: Callable[[str], object]) -> Iterator[None]:
    """Pass lines of progress to a function, instead of showing bars, while a block runs.

    Parameters
    ----------
    report : callable
        Takes a line.
    """
    global _lines_only

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report(record.getMessage())

    handler = Handler()
    earlier = _lines_only, _progress.level
    _lines_only = True
    _progress.addHandler(handler)
    _progress.setLevel(logging.INFO)
    try:
        yield
    finally:
        _progress.removeHandler(handler)
        _lines_only = earlier[0]
        _progress.setLevel(earlier[1])
