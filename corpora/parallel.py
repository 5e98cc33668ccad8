"""Apply a function to all shards of a corpus: in processes, in threads, or on a Ray cluster.

Code that works on shards knows only this module, not where they are done.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from corpora.callbacks import progress_bar as bar_of
from corpora.checks import check_integer
from corpora.corpus import Corpus
from corpora.errors import call_with_warnings, warn

if TYPE_CHECKING:
    from corpora.ray_engine import Outcome

__all__ = [
    "cores", "engine_cpus", "in_background", "map_on_engine", "map_shards", "progress_bar",
    "shards_of",
]  # fmt: skip

logger = logging.getLogger(__name__)

T = TypeVar("T")

SHARD_BYTES = 16 << 20
_ITEMS_AHEAD = 2


def map_shards(
    function: Callable[..., T],
    corpus: Corpus,
    *,
    workers: int | None = None,
    engine: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    only: Container[int] | None = None,
    progress: str | None = None,
    force_bar: bool = False,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    threads: bool = False,
    folder: Path | None = None,
) -> Generator[T, Any, None]:
    """Apply a function to each shard of a corpus.

    The shards depend on the corpus only, so the results are the same for any number of workers
    and nodes.

    Parameters
    ----------
    function : callable
        Takes a shard (a `Corpus`), and ``folder=`` if a folder is passed, and returns a result.
        It is sent to each worker process only once, so it may be a :func:`functools.partial` with
        large arguments.
    corpus : Corpus
        A corpus that can't be split (see :meth:`Corpus.shards`) is a single shard; with an engine,
        a warning says so if it is large.
    workers : int, optional
        Number of processes or threads; by default one per available core. With one worker or one
        shard, everything runs in the calling process and thread. Without effect with an engine.
    engine : str, optional
        By default this machine. "ray" uses all CPUs of a Ray cluster: that of RAY_ADDRESS, one that
        runs on this machine, or else a new one on this machine. HOST:PORT names the head of a
        cluster.
    shard_bytes : int, default 16 MiB
        Approximate size of a shard, as stored.
    only : container of int, optional
        Numbers of the shards to process (`Corpus.number`); by default all.
    progress : str, optional
        Label of a progress bar with rate and remaining time, shown if standard error is a
        terminal. By default there is no bar.
    force_bar : bool, default False
        Show the bar even if standard error is not a terminal.
    initializer : callable, optional
        Called once in each process before the first shard, with `initargs`. Not called if
        threads are used.
    initargs : tuple, optional
        Arguments of `initializer`.
    threads : bool, default False
        Use threads instead of processes, for functions that spend most of their time in compiled
        code that releases the GIL. Without effect with an engine.
    folder : Path, optional
        Folder for files that the function makes. Results name them relative to it: on a cluster,
        the function is passed another folder, and its files are moved to this one before the
        result is yielded. Names must differ between shards.

    Yields
    ------
    object
        The results, in the order of the shards. Up to two results per worker are computed ahead.

    Raises
    ------
    ValueError
        If `workers` or `shard_bytes` is less than 1, `engine` is not a valid address, or a corpus
        for an engine can be read only once.
    ImportError
        If the engine is not installed.
    ClusterError
        If a cluster doesn't answer, or its nodes can't do the work; see `corpora.ray_engine`.
    CorpusError
        If the contents of a file are invalid. This and any other exception of `function` is
        raised again in the calling process, and the workers are stopped.
    """
    if workers is not None:
        workers = check_integer("workers", workers, 1)
    check_integer("shard_bytes", shard_bytes, 1)
    if engine is not None and not corpus.reiterable:
        raise ValueError(
            f"{corpus.source} can be read only once, and can't be sent to the nodes of a cluster: "
            "write it to a file that all nodes see"
        )
    shards = shards_of(corpus, shard_bytes)
    if only is not None:
        shards = [shard for shard in shards if shard.number in only]
    if engine is not None:
        if len(shards) == 1 and (corpus.size or 0) > 2 * shard_bytes and only is None:
            warn(
                f"{corpus.source} can't be cut, so that one CPU of the cluster does all the work: "
                "store it as several files, or as uncompressed text with a document per line"
            )
        return _on_cluster(
            function,
            shards,
            engine,
            progress,
            force_bar,
            initializer,
            initargs,
            folder,
        )
    if folder is not None:
        function = partial(function, folder=folder)
    workers = min(workers or cores(), len(shards))
    # Not a generator itself, so that invalid arguments raise an error at once.
    if workers <= 1:
        return _in_process(function, shards, progress, force_bar, initializer, initargs)
    if threads:
        return _in_threads(function, shards, workers, progress, force_bar)
    return _in_pool(function, shards, workers, progress, force_bar, initializer, initargs)


def map_on_engine(
    function: Callable[[Any], T], items: Iterable[Any], engine: str, folder: Path | None = None
) -> Generator[T, Any, None]:
    """Apply a function to items that are not shards of a corpus, on a cluster.

    Parameters
    ----------
    function : callable
        Takes an item. Arrays that it holds, such as the weights of a model, are read-only.
    items : iterable
        Each needs enough work to pay for being sent: some tenths of a second.
    engine : str
        As for `map_shards`.
    folder : Path, optional
        Nodes that see it pass large results in temporary files there.

    Yields
    ------
    object
        The results, in the order of the items.

    Raises
    ------
    ValueError, ImportError, ClusterError
        As for `map_shards`, and any exception of the function.
    """
    from corpora.ray_engine import map_on_cluster

    return _in_order(map_on_cluster(function, items, engine, folder=folder, makes_files=False))


def engine_cpus(engine: str) -> int:
    """Return the number of CPUs of a cluster; errors as for `map_shards`."""
    from corpora.ray_engine import count_cpus

    return count_cpus(engine)


def in_background(items: Generator[T, Any, Any]) -> Generator[T, Any, None]:
    """Compute the items of a generator in a thread, while earlier ones are used.

    Parameters
    ----------
    items : generator
        Should spend most of its time in code that releases the GIL.

    Yields
    ------
    object
        The items, in order. Up to two are computed ahead. An exception of the generator is raised
        again.
    """
    results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    space, closed = threading.Semaphore(_ITEMS_AHEAD), threading.Event()

    def compute() -> None:
        try:
            with closing(items):
                for item in items:
                    results.put((item, None))
                    space.acquire()
                    if closed.is_set():
                        return
            results.put((None, StopIteration()))
        except BaseException as error:
            results.put((None, error))

    # Nobody waits for the thread, which may wait for input that never comes.
    threading.Thread(target=compute, name="corpora-background", daemon=True).start()
    try:
        while True:
            item, error = results.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
            space.release()
    finally:
        closed.set()
        space.release()


@contextmanager
def progress_bar(corpus: Corpus, label: str | None, *, force: bool = False) -> Iterator[None]:
    """Show how much of a corpus has been read, while a block reads it.

    Parameters
    ----------
    corpus : Corpus
        The corpus that the block reads.
    label : str or None
        Label of the bar; None shows no bar.
    force : bool, default False
        Show the bar even if standard error is not a terminal.
    """
    with _bar(corpus.size, label, force) as update:
        corpus.on_read(update)
        try:
            yield
        finally:
            corpus.on_read(None)


def shards_of(corpus: Corpus, shard_bytes: int = SHARD_BYTES) -> list[Corpus]:
    """Cut a corpus into the shards that `map_shards` processes."""
    size = corpus.size
    if size is None:
        # Remote files: one shard per file.
        return corpus.shards(1 << 20) if corpus.reiterable else [corpus]
    return corpus.shards(max(1, -(-size // shard_bytes)))


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _bar(total: int | None, label: str | None, force: bool) -> Iterator[Callable[[int], None]]:
    if label is None:
        yield lambda _: None
        return
    with bar_of(
        shown=True,
        always=force,
        total=total,
        desc=label,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
    ) as bar:

        def update(size: int) -> None:
            bar.update(size)

        yield update


def _in_process(
    function: Callable[[Corpus], T],
    shards: list[Corpus],
    label: str | None,
    force: bool,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> Generator[T, Any, None]:
    if initializer is not None:
        initializer(*initargs)
    with _bar(_total(shards), label, force) as update:
        for shard in shards:
            shard.on_read(update)
            try:
                result = function(shard)
            finally:
                shard.on_read(None)
            yield result


def _in_pool(
    function: Callable[[Corpus], T],
    shards: list[Corpus],
    workers: int,
    label: str | None,
    force: bool,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> Generator[T, Any, None]:
    # Unlike the standard library's pool, this one needs no ``__main__`` guard in the user's
    # script and is safe in a process with threads: nothing is forked, and the workers do not run
    # the script again. It is installed with scikit-learn.
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.backend import resource_tracker

    with _blocked_signals():  # an interrupted constructor would leave semaphores behind
        resource_tracker.ensure_running()
        pool = ProcessPoolExecutor(
            workers, initializer=_start, initargs=(os.getpid(), function, initializer, initargs)
        )

    def submit(shard: Corpus) -> Any:
        with _blocked_signals():
            return pool.submit(_run, shard)

    waiting: deque[tuple[Any, int]] = deque()
    finished = False
    try:
        with _bar(_total(shards), label, force) as update:
            for (result, caught), size in _ahead(submit, shards, workers, waiting):
                update(size)
                _issue(caught)
                yield result
        finished = True
    finally:
        # After an error or interrupt, or if the caller stops early, unfinished work is discarded.
        if not finished:
            _settle(waiting)
        pool.shutdown(wait=True, kill_workers=not finished)


def _on_cluster(
    function: Callable[..., T],
    shards: list[Corpus],
    engine: str,
    label: str | None,
    force: bool,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    folder: Path | None,
) -> Generator[T, Any, None]:
    from corpora.ray_engine import count_nodes, map_on_cluster

    results: Generator[T, Any, None] = _in_order(
        map_on_cluster(
            function, shards, engine, initializer=initializer, initargs=initargs, folder=folder
        )
    )

    n_nodes = count_nodes(engine)
    if label is not None:
        label += f" on {n_nodes} node{'s' if n_nodes > 1 else ''}"

    def with_bar() -> Generator[T, Any, None]:
        began = time.monotonic()
        with closing(results), _bar(_total(shards), label, force) as update:
            for result, shard in zip(results, shards, strict=True):
                update(shard.size or 0)
                yield result
        seconds, n_bytes = time.monotonic() - began, _total(shards) or 0
        logger.info(
            "%d shards on %d nodes: %.1f s, %.1f MB/s",
            len(shards), count_nodes(engine), seconds, n_bytes / 1e6 / max(seconds, 1e-6),
        )  # fmt: skip

    return with_bar()


def _in_order(outcomes: Generator[Outcome, Any, None]) -> Generator[Any, Any, None]:
    """Yield the results of a cluster, and issue the warnings."""
    with closing(outcomes):
        for outcome in outcomes:
            _issue(outcome.caught)
            yield outcome.result


def _issue(caught: list[tuple[str, type[Warning]]]) -> None:
    """Issue warnings of a worker in this process."""
    for message, category in caught:
        warn(message, category)


# If one is sent to the whole process group, the parent handles it and ends its workers.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGHUP", "SIGTERM")
            if hasattr(signal, name)]  # fmt: skip


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Block signals in processes that are started within the block; they inherit the mask."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


class _Stopped(BaseException):
    """Raised in a thread to end its work."""


def _in_threads(
    function: Callable[[Corpus], T],
    shards: list[Corpus],
    workers: int,
    label: str | None,
    force: bool,
) -> Generator[T, Any, None]:
    stopped, lock = threading.Event(), threading.Lock()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="corpora")
    try:
        with _bar(_total(shards), label, force) as update:

            def on_read(size: int) -> None:
                # Threads can't be killed; each checks whether to stop whenever it reads.
                if stopped.is_set():
                    raise _Stopped
                with lock:
                    update(size)

            def run(shard: Corpus) -> T:
                shard.on_read(on_read)
                try:
                    return function(shard)
                finally:
                    shard.on_read(None)

            for result, _ in _ahead(
                lambda shard: pool.submit(run, shard), shards, workers, deque()
            ):
                yield result
    finally:
        stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
    submit: Callable[[Corpus], Any],
    shards: list[Corpus],
    workers: int,
    waiting: deque[tuple[Any, int]],
) -> Iterator[tuple[Any, int]]:
    """Yield results in order, with the sizes of their shards; `waiting` holds submitted work."""
    for shard in shards:
        waiting.append((submit(shard), shard.size or 0))
        # Limits the results held in memory; and the process pool sends no more work than this
        # to its workers, on which _settle depends.
        if len(waiting) > 2 * workers:
            yield _take(waiting)
    while waiting:
        yield _take(waiting)


def _take(waiting: deque[tuple[Any, int]]) -> tuple[Any, int]:
    future, size = waiting.popleft()
    return future.result(), size


def _total(shards: list[Corpus]) -> int | None:
    sizes = [shard.size for shard in shards]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _settle(waiting: deque[tuple[Any, int]]) -> None:
    """Wait until the pool has sent all work to its workers; killed earlier, it prints an error."""
    # An interrupt may have come after work was submitted, but before it was added to `waiting`.
    time.sleep(0.05)
    for _ in range(100):
        if all(future.running() or future.done() for future, _ in waiting):
            return
        time.sleep(0.01)


_PARENT_SECONDS = 0.5  # between two checks whether the parent process is still running

_function: Callable[[Corpus], Any] | None = None


def _start(
    parent: int,
    function: Callable[[Corpus], Any],
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> None:
    global _function
    _function = function
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with(parent: int) -> None:
    """End this process when its parent has died, for any reason: the results have no reader."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)


def _run(shard: Corpus) -> tuple[Any, list[tuple[str, type[Warning]]]]:
    assert _function is not None
    return call_with_warnings(_function, shard)
