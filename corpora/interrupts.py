"""Handle Ctrl-C at safe points of training instead of between any two instructions."""

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

    The caller checks the event at points where weights and state are consistent, and raises the
    exception there. A second Ctrl-C raises it at once. In other threads than the main thread, or
    if a custom handler for SIGINT is installed, the handler is left in place and the event is never
    set.

    Yields
    ------
    threading.Event
        Set once Ctrl-C has been pressed.
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
