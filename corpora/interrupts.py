"""Signals that stop a program: Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

__all__ = [
    "STOPPED",
    "PendingSignal",
    "Terminated",
    "deferred_interrupt",
    "exit_status",
    "terminable",
]

# SIGHUP means that the terminal was closed; Windows does not have it
_TERMINATING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Terminated(SystemExit):
    """The program received SIGTERM or SIGHUP.

    If it is not caught, the exit status of the program is that of shells, 128 + the signal's
    number.

    Parameters
    ----------
    number : int
        Number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        return f"terminated by {signal.Signals(self.number).name}"


STOPPED = (KeyboardInterrupt, Terminated)
"""Exceptions raised when a signal stops the program."""


def exit_status(error: BaseException) -> int:
    """Return the exit status for one of `STOPPED`: 128 + the signal's number, as in shells."""
    return 128 + (error.number if isinstance(error, Terminated) else signal.SIGINT)


def _raise(number: int, frame: FrameType | None = None) -> NoReturn:
    if number == signal.SIGINT:
        signal.default_int_handler(number, frame)
    raise Terminated(number)


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and SIGHUP, so that temporary files are deleted.

    By default, these signals end the process at once. Nothing is changed outside the main thread,
    or for a signal that the program handles or ignores (as under ``nohup``).

    If a signal arrives during a call of compiled code, Python may raise a SystemError; it is
    replaced by the exception of the signal.
    """
    with _handling(_raise, _TERMINATING):
        try:
            yield
        except SystemError as error:
            cause: BaseException | None = error
            while isinstance(cause, SystemError):  # one for each call that the signal passed
                cause = cause.__cause__ or cause.__context__
            if isinstance(cause, STOPPED):
                raise cause from None
            raise


class PendingSignal:
    """A signal that has arrived, but has not been acted on."""

    def __init__(self) -> None:
        self.number: int | None = None

    def is_set(self) -> bool:
        """Whether a signal has arrived."""
        return self.number is not None

    def raise_if_set(self) -> None:
        """Raise KeyboardInterrupt or `Terminated` if a signal has arrived."""
        if self.number is not None:
            number, self.number = self.number, None
            _raise(number)


@contextmanager
def deferred_interrupt() -> Iterator[PendingSignal]:
    """Record Ctrl-C, SIGTERM and SIGHUP instead of stopping between any two instructions.

    The caller checks for a signal at points where weights and state are consistent, and raises
    the exception there. A second signal raises its exception at once. Nothing is changed outside
    the main thread, or for a signal that the program handles or ignores.

    Yields
    ------
    PendingSignal
        Set once a signal has arrived. If the caller has not raised it when the block ends, it is
        raised then.
    """
    pending = PendingSignal()

    def note(number: int, frame: FrameType | None) -> None:
        if pending.is_set():
            _raise(number, frame)
        pending.number = number

    with _handling(note, (signal.SIGINT, *_TERMINATING)):
        yield pending
    pending.raise_if_set()


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], Any], numbers: Iterable[int]
) -> Iterator[None]:
    """Handle signals within a block, unless the program has its own handler or ignores them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def handle(number: int, frame: FrameType | None) -> None:
        _leave_closed(terminals)
        handler(number, frame)

    handle.is_ours = True  # type: ignore[attr-defined]
    replaced = {}
    for number in numbers:
        earlier = signal.getsignal(number)
        is_default = earlier in (signal.SIG_DFL, signal.default_int_handler)
        if is_default or getattr(earlier, "is_ours", False):
            replaced[number] = earlier
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, earlier in replaced.items():
            # a generator that is closed late, or in another thread, must not restore anything
            with suppress(ValueError):
                if signal.getsignal(number) is handle:
                    signal.signal(number, earlier)


def _leave_closed(terminals: list[int]) -> None:
    """Discard output to terminals that were closed: write errors would prevent saving."""
    for descriptor in terminals:
        if not os.isatty(descriptor):
            with suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, descriptor)
                os.close(null)
