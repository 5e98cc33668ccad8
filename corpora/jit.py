"""Announce just-in-time compilation, which makes the first use on a machine slow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["announce_compilation"]

logger = logging.getLogger(__name__)

# Seconds to wait before announcing anything; loading code from the cache takes less.
PATIENCE = 0.5
_loaded: set[str] = set()


@contextmanager
def announce_compilation(what: str) -> Iterator[None]:
    """Show a message with the elapsed time if a block spends long compiling code.

    The message is shown if standard error is a terminal, and logged in any case. Compiled code
    is cached on disk, so this happens once per processor and version. Once a block has succeeded,
    later blocks with the same `what` in the same process run without a message.

    Parameters
    ----------
    what : str
        What the compiled code does, for the message, e.g. "training".
    """
    if what in _loaded:
        yield
        return
    done = threading.Event()

    def announce() -> None:
        if done.wait(PATIENCE):
            return
        from tqdm import tqdm

        message = f"compiling {what} for this processor, once"
        logger.info("%s", message)
        with tqdm(desc=message, bar_format="{desc}: {elapsed}", disable=None) as bar:
            while not done.wait(0.25):
                bar.refresh()

    thread = threading.Thread(target=announce, name="corpora-compilation", daemon=True)
    thread.start()
    try:
        yield
        _loaded.add(what)
    finally:
        done.set()
        thread.join()
