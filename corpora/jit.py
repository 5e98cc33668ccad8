"""Just-in-time compilation: a cache of compiled code that works everywhere, and announcements."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["announce_compilation", "compiled"]

logger = logging.getLogger(__name__)

# Seconds to wait before announcing anything; loading code from the cache takes less.
PATIENCE = 0.5
_REPORTED = 0.05  # seconds; shorter times are not logged
_loaded: set[str] = set()


@functools.cache
def _cache_class() -> Any:
    from numba.core.caching import FunctionCache, IndexDataCacheFile

    class Cache(FunctionCache):  # type: ignore[misc]
        """Compiled code of a function on disk, which is compiled again if it cannot be read.

        Numba's own cache raises an error in the first call of a function if the disk is full, or
        a file was truncated by a crash. It also keeps code whose function has not changed, but
        calls functions in other files that have.
        """

        def __init__(self, function: Any) -> None:
            super().__init__(function)
            stamp = self._impl.locator.get_source_stamp(), _imported_code(function.__module__)
            self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            """Load compiled code; return None if it is not cached.

            Numba's own method first loads all that it needs to compile functions. Compiled code
            needs only the addresses of functions, which takes 0.4 s and 45 MB less.
            """
            try:
                if not _runtime_is_linked():
                    return super().load_overload(sig, target_context)
                with self._guard_against_spurious_io_errors():
                    return self._load_overload(sig, target_context)
            except Exception as error:  # whatever unpickling damaged content raises
                logger.info("compiled code in %s is damaged (%r)", self.cache_path, error)
                with suppress(OSError):
                    self.flush()
                return None

        def save_overload(self, sig: Any, data: Any) -> None:
            """Save compiled code if that is possible."""
            try:
                super().save_overload(sig, data)
            except Exception as error:
                logger.info("compiled code is not saved to %s (%r)", self.cache_path, error)

    return Cache


@functools.cache
def _imported_code(module: str) -> str:
    """Checksum of a module, and of the modules of the same package that it imports."""
    package = module.partition(".")[0]
    files: dict[str, bytes] = {}
    modules = [module]
    while modules:
        name = modules.pop()
        if name in files or name.partition(".")[0] != package or name not in sys.modules:
            continue
        files[name] = b""
        with suppress(OSError):
            files[name] = Path(sys.modules[name].__file__ or "").read_bytes()
        for value in list(vars(sys.modules[name]).values()):
            attribute = "__name__" if isinstance(value, ModuleType) else "__module__"
            if isinstance(origin := getattr(value, attribute, None), str):
                modules.append(origin)
    return hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()


@functools.cache
def _runtime_is_linked() -> bool:
    """Link Numba's memory management to compiled code; False if this version has another one."""
    try:
        from llvmlite import binding
        from numba.core.runtime import _nrt_python

        # as `numba.core.runtime.nrt` does, which also compiles functions
        for name, address in _nrt_python.c_helpers.items():
            binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)
    except (ImportError, AttributeError):
        return False
    return True


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function to be compiled by `numba.njit`, with a cache on disk where possible.

    The cache is in the folder that NUMBA_CACHE_DIR names, next to the source files, or in the
    user's cache. If none of them can be written to, as in a container without a writable home,
    it is in a temporary folder of the user. If that fails, too, nothing is cached.

    Parameters
    ----------
    **options
        As for `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        import numba  # slow to import

        dispatcher = numba.njit(**options)(function)
        with suppress(RuntimeError, OSError):  # no folder for the cache
            dispatcher._cache = _cache(function)
        return dispatcher

    return decorate


def _cache(function: Callable[..., Any]) -> Any:
    import numba

    try:
        return _cache_class()(function)
    except RuntimeError:
        earlier = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(_private_folder())
        try:
            return _cache_class()(function)
        finally:
            numba.config.CACHE_DIR = earlier


def _private_folder() -> Path:
    """Return the user's temporary folder for compiled code, which no other user can write to.

    Raises
    ------
    OSError
        If it cannot be made, or belongs to another user.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"corpora-numba-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    # code is run from there, so it must not come from others
    is_private = about.st_uid == user and not about.st_mode & 0o077
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and not is_private):
        raise PermissionError(f"{folder} is not a private folder of this user")
    return folder


@contextmanager
def announce_compilation(what: str) -> Iterator[None]:
    """Show a message with the elapsed time if a block spends long compiling code.

    The message is shown if standard error is a terminal, and logged in any case. Compiled code
    is cached on disk, so this happens once per processor and version; loading it takes part of a
    second in each process. The time is logged. Once a block has succeeded,
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
        message = f"compiling {what} for this processor, once"
        logger.info("%s", message)
        if sys.stderr is None or not sys.stderr.isatty():
            return
        from tqdm import tqdm

        with tqdm(desc=message, bar_format="{desc}: {elapsed}") as bar:
            while not done.wait(0.25):
                bar.refresh()

    thread = threading.Thread(target=announce, name="corpora-compilation", daemon=True)
    thread.start()
    started = time.perf_counter()
    try:
        yield
        _loaded.add(what)
        if (seconds := time.perf_counter() - started) >= _REPORTED:
            logger.info("code for %s: compiled or loaded in %.1f s", what, seconds)
    finally:
        done.set()
        thread.join()
