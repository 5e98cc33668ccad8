"""Telling why the first use takes a moment: code is compiled for this processor, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["compiling"]

PATIENCE = 0.5  # seconds without a word; loading what was compiled before takes less
_loaded: set[str] = set()


@contextmanager
def compiling(what: str) -> Iterator[None]:
    """Show a line with the time taken, if a block that loads or compiles code takes long.

    It is shown if standard error is a terminal, and logged in any case. Compiled code is
    kept on disk, so it comes once for each processor and version. A second block of the
    same name in a process runs as it is.

    Parameters
    ----------
    what : str
        What is compiled, as in "training".
    """
    if what in _loaded:
        yield
        return
    done = threading.Event()

    def tell() -> None:
        if done.wait(PATIENCE):
            return
        from tqdm import tqdm

        label = f"compiling {what} for this processor, once"
        logging.getLogger(__name__).info("%s", label)
        with tqdm(desc=label, bar_format="{desc}: {elapsed}", disable=None) as bar:
            while not done.wait(0.25):
                bar.refresh()

    thread = threading.Thread(target=tell, name="corpora-compiling", daemon=True)
    thread.start()
    try:
        yield
        _loaded.add(what)
    finally:
        done.set()
        thread.join()
