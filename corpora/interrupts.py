"""Ctrl-C at a moment that suits training, rather than between any two instructions."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["deferred_interrupt"]


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Set an event on Ctrl-C instead of raising KeyboardInterrupt.

    Whoever uses it checks the event where weights and state are consistent, and raises the
    exception then. A second Ctrl-C raises it at once. Only the main thread receives SIGINT, and a
    custom handler is left in place: the event is never set then.

    Yields
    ------
    threading.Event
        Set once Ctrl-C was pressed.
    """
    pressed = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed
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
