"""Apply a function to items, such as the shards of a corpus, on the nodes of a Ray cluster.

All that knows Ray is here, and in `conec.training.cluster`. An item is done by one task, whose
results count only once the task has ended: if its worker or node dies, what it sent is dropped and
the item is done again. So the results are those of one machine, for any number of nodes.

Functions, items and results are sent as pickles. Arrays of a function, such as the weights of a
model, are read-only on the nodes, where all processes of a node share them; those of items and
results can be written to. A task writes its files to the driver's folder if its node sees it, as on
a shared file system; otherwise they are sent in pieces. Arrays of results can take the same way.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import re
import secrets
import shutil
import signal
import socket
import threading
import time
import traceback
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from corpora.corpus import Corpus
from corpora.errors import ClusterError, call_with_warnings
from corpora.files import temporary_folder

__all__ = [
    "SETTINGS", "Outcome", "connect", "count_cpus", "count_nodes", "map_on_cluster", "program",
    "require_object_store", "require_program", "run_call",
]  # fmt: skip

PIECE_BYTES = 16 << 20  # of files, sent at a time
ATTEMPTS = 4  # to do an item whose worker or node died
SECONDS = 10.0  # to wait for an answer of a cluster
_AHEAD = 2  # items sent for each CPU, so that none waits for the driver
# What a client of gRPC sends first, and then settings and a call
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CALL = b"/ray.rpc.NodeInfoGcsService/CheckAlive"
# In the headers of an answer, as it is and in the Huffman code of HTTP/2 (RFC 7541)
_GRPC = b"application/grpc", bytes.fromhex("1d75d0620d263d4c4d6564")


# Environment of Ray, which reads it when it is imported
SETTINGS = {
    # Ray would report dead workers on standard output, which may be the output of a command.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    # It would warn that a later version leaves the GPUs of tasks that ask for none visible.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",  # of a cluster that is started here
}


@dataclass
class Outcome:
    """What a task returned.

    Attributes
    ----------
    result : object
    caught : list of (str, type)
        Messages and categories of its warnings, to be issued by the driver.
    """

    result: Any
    caught: list[tuple[str, type[Warning]]]


@dataclass
class _Sent:
    """A task that was sent: its stream of results, and what is needed to send it again."""

    call: bytes
    what: str
    stream: Any = None
    attempts: int = 0
    files: Path | None = None  # folder for the files of the last attempt


@dataclass
class _Call:
    """What a task needs, besides the function: the same for each attempt."""

    key: str  # of the function
    item: Any
    makes_files: bool  # takes ``folder=``
    local_files: dict[str, int]  # sizes of the files that it reads
    directory: str  # working directory of the driver, to which paths are relative


@dataclass
class _Function:
    function: Callable[..., Any]
    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]
    key: str = field(default_factory=lambda: secrets.token_hex(8))


class _TracebackOnNode(Exception):
    """The cause of an error that was raised on a node: the traceback there."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def map_on_cluster(
    function: Callable[..., Any],
    items: Iterable[Any],
    engine: str,
    *,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    folder: Path | None = None,
    makes_files: bool = True,
) -> Generator[Outcome, Any, None]:
    """Apply a function to items, on all CPUs of a cluster.

    Parameters
    ----------
    function : callable
        Takes an item, and ``folder=`` if it makes files. It is sent once to each node; arrays
        that it holds are read-only there.
    items : iterable
        Read as results are taken: at most two items for each CPU ahead.
    engine : str
        "ray" for the cluster of the environment (RAY_ADDRESS, or one that runs on this machine),
        or else a new one on this machine; or HOST:PORT of the head of a cluster.
    initializer, initargs
        Called once in each process before its first item.
    folder : Path, optional
        Folder for files that the function makes. Each call is passed a temporary folder; its files
        are in this folder when the result is yielded.
    makes_files : bool, default True
        If False, the folder is only a way for arrays of results: from nodes that see it, they come
        in temporary files instead of through the object stores.

    Yields
    ------
    Outcome
        In the order of the items.

    Raises
    ------
    ValueError
        If `engine` is not a valid address.
    ImportError
        If Ray is not installed.
    ClusterError
        If the cluster doesn't answer, a node has another version of the project or of Python, lacks
        a file or memory, or several attempts to do an item failed.
    """
    ray = connect(engine)
    sent = _Function(function, initializer, initargs)
    # Not a generator itself, so that these errors are raised at once.
    packed = (_packed(sent.key, makes_files, item) for item in items)
    return _map(ray, _put(ray, sent), sent.key, packed, folder)


def _map(
    ray: Any, stored: Any, key: str, items: Iterator[_Sent], folder: Path | None
) -> Generator[Outcome, Any, None]:
    run = ray.remote(_task()).options(num_returns="streaming", num_cpus=1, max_retries=0)
    waiting: deque[_Sent] = deque()

    def send(task: _Sent) -> None:
        task.attempts += 1
        files = None
        if inbox is not None:
            task.files = inbox / secrets.token_hex(8)
            files = str(task.files)
        # in a list: a reference that is an argument itself would be replaced by its value
        task.stream = run.remote(program(), [stored], task.call, files)

    n_cpus, counted_at = _cpus(ray), time.monotonic()
    with _inbox(folder, key) as inbox:
        try:
            while True:
                if time.monotonic() - counted_at > 1:  # nodes may have joined
                    n_cpus, counted_at = _cpus(ray), time.monotonic()
                while len(waiting) < _AHEAD * n_cpus and (task := next(items, None)):
                    waiting.append(task)
                    send(task)
                if not waiting:
                    return
                outcome = _received(ray, waiting[0], folder)
                if outcome is None:
                    send(waiting[0])
                    continue
                waiting.popleft()
                yield outcome
        finally:
            # After an error or interrupt, or if the caller stops early.
            for task in waiting:
                with suppress(Exception):
                    # The process is killed: an exception that is raised anywhere in it, such as
                    # in an import, would leave it damaged for later tasks.
                    ray.cancel(task.stream, force=True)


@contextmanager
def _inbox(folder: Path | None, key: str) -> Iterator[Path | None]:
    """A folder in `folder` for the files of tasks that are not complete.

    A node that finds its random name sees the folder of the driver.
    """
    if folder is None:
        yield None
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    inbox = Path(os.path.abspath(folder), f".inbox-{key}")
    inbox.mkdir(mode=0o700)
    try:
        yield inbox
    finally:
        # renamed first, since tasks that still run could add files
        with suppress(OSError):
            inbox = inbox.rename(f"{inbox}-closed")
        shutil.rmtree(inbox, ignore_errors=True)


def _received(ray: Any, task: _Sent, folder: Path | None) -> Outcome | None:
    """Take the result of a task, and move its files to a folder; None if it has to be redone."""
    errors = ray.exceptions
    in_file: list[Any] = []
    try:
        for reference in task.stream:
            content, *arrays = ray.get(reference)
            # copies, which can be written to, and leave no memory of the object store in use
            match pickle.loads(content, buffers=in_file or [array.copy() for array in arrays]):
                case ("arrays", sizes):
                    assert task.files is not None
                    in_file = _mapped(task.files / _ARRAYS, sizes)
                case ("piece", name, content):
                    assert task.files is not None
                    task.files.mkdir(mode=0o700, exist_ok=True)
                    with open(task.files / name, "ab") as file:
                        file.write(content)
                case ("unusable", message):
                    raise ClusterError(message)
                case ("error", error, text):
                    raise error from _TracebackOnNode(text)
                case ("result", result, caught):
                    if task.files is not None and task.files.exists() and not in_file:
                        assert folder is not None
                        for path in sorted(task.files.iterdir()):
                            os.replace(path, folder / path.name)
                    return Outcome(result, caught)
        raise AssertionError("a task ended without a result")
    except (errors.ObjectStoreFullError, errors.OutOfDiskError) as error:
        raise ClusterError(_too_small(f"a result of {task.what}", PIECE_BYTES, error)) from error
    except errors.RayTaskError as error:
        raise ClusterError(f"a node can't run the code of this project: {error}") from error
    except errors.RayError as error:
        if task.attempts >= ATTEMPTS:
            raise ClusterError(
                f"{task.what} was begun {ATTEMPTS} times, and each time its worker or node died; "
                f"the last error: {_first_line(error)}. Nodes may have too little memory"
            ) from error
        return None
    finally:
        if task.files is not None:
            shutil.rmtree(task.files, ignore_errors=True)


def count_cpus(engine: str) -> int:
    """CPUs of all nodes at the moment; errors as for `connect`."""
    return _cpus(connect(engine))


def count_nodes(engine: str) -> int:
    """Nodes with CPUs at the moment; errors as for `connect`."""
    return len(_nodes(connect(engine)))


def _nodes(ray: Any) -> list[Any]:
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _cpus(ray: Any) -> int:
    """CPUs of all nodes at the moment, at least 1. It takes some milliseconds."""
    return max(int(ray.cluster_resources().get("CPU", 1)), 1)


def _packed(key: str, makes_files: bool, item: Any) -> _Sent:
    is_shard = isinstance(item, Corpus)
    call = _Call(key, item, makes_files, item.local_files if is_shard else {}, os.getcwd())
    return _Sent(_pickled(call), f"a shard of {item.source}" if is_shard else "a part of the data")


def _pickled(value: Any) -> bytes:
    """Pickle an object, also a function of the user's script."""
    content: bytes = import_module("ray").cloudpickle.dumps(value)
    return content


def _with_arrays(value: Any) -> list[Any]:
    """Pickle an object without its arrays, which follow as arrays of bytes."""
    buffers: list[pickle.PickleBuffer] = []
    content = import_module("ray").cloudpickle.dumps(
        value, protocol=5, buffer_callback=buffers.append
    )
    return [content, *(np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers)]


_ARRAYS = ".arrays"  # name of the file with the arrays of a result
_ALIGNED = 64  # bytes


def _write_arrays(folder: Path, arrays: list[Any]) -> None:
    with open(folder / _ARRAYS, "wb") as file:
        for array in arrays:
            file.write(array)
            file.write(bytes(-len(array) % _ALIGNED))


def _mapped(path: Path, sizes: list[int]) -> list[Any]:
    """Map the arrays of a file into memory; they can be written to."""
    mapped = np.memmap(path, np.uint8, "c")
    starts = np.cumsum([0, *(size + -size % _ALIGNED for size in sizes)])
    return [mapped[start : start + size] for start, size in zip(starts, sizes, strict=False)]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


# The connection


def connect(engine: str) -> Any:
    """Connect to a cluster, and return the module ``ray``.

    The process stays connected. A process that the program has connected is used as it is.

    Raises
    ------
    ValueError, ImportError, ClusterError
        As for `map_on_cluster`.
    """
    address = _checked_address(engine)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise ImportError(
            f"engine={engine!r} needs Ray: pip install 'similarity-encoders[distributed]'"
        ) from error
    if ray.is_initialized():
        used = ray.get_runtime_context().gcs_address
        known = address is None or (address, used) in _connected
        if not known and _resolved(used) != _resolved(str(address)):
            raise ClusterError(
                f"this process is connected to the Ray cluster at {used}, not {address}: call "
                "ray.shutdown() first"
            )
        return ray
    address = address or os.environ.get("RAY_ADDRESS") or None
    is_encrypted = os.environ.get("RAY_USE_TLS", "0") != "0"
    if address is not None and re.fullmatch(_ADDRESS, address) and not is_encrypted:
        _require_answer(address)
    try:
        with _kept_handler(), _quiet_ray():
            if address is None and not _runs_here():
                _use_own_token()
            ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (RuntimeError, ConnectionError, ValueError) as error:
        if "ersion mismatch" in str(error):
            raise ClusterError(
                f"the Ray cluster has another version of Python or Ray than this process: "
                f"{' '.join(str(error).split())}"
            ) from error
        raise ClusterError(
            f"can't connect to a Ray cluster at {address or 'this machine'}: {_first_line(error)}. "
            "If `ray start` said that token authentication is enabled, set RAY_AUTH_MODE=token"
        ) from error
    _connected.add((address or "", ray.get_runtime_context().gcs_address))
    return ray


# Addresses that this process connected to, and those that Ray calls them by: a head that is reached
# at 127.0.0.1 has another one.
_connected: set[tuple[str, str]] = set()
_ADDRESS = r"(\[[0-9a-fA-F:]+\]|[^:/\s\[\]]+):(\d{1,5})"


def _use_own_token() -> None:
    """Have the cluster that is started here take a token that only this process and it know.

    Its servers listen on all networks of the machine. Ray would write a token to the user's home,
    and demand it of each cluster that is started there later.
    """
    is_given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    is_used = os.environ.get("RAY_AUTH_MODE", "token").lower() == "token"
    if is_used and not (is_given or Path("~/.ray/auth_token").expanduser().exists()):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _runs_here() -> bool:
    """Whether `ray start` has started a cluster on this machine."""
    try:
        services = import_module("ray._private.services")
        return services.canonicalize_bootstrap_address(None) is not None
    except (ImportError, AttributeError):  # another version of Ray: it finds out itself
        return True


def _checked_address(engine: str) -> str | None:
    """Return HOST:PORT, or None for "ray"."""
    if engine == "ray":
        return None
    match = re.fullmatch(_ADDRESS, engine) if isinstance(engine, str) else None
    if match is None or not 1 <= int(match[2]) < 1 << 16:
        raise ValueError(
            f'engine must be None, "ray", or HOST:PORT of a Ray cluster, got {engine!r}'
        )
    return engine


def _resolved(address: str) -> str:
    host, port = address.rsplit(":", 1)
    with suppress(OSError):
        host = socket.gethostbyname(host)
    return f"{host}:{port}"


def _require_answer(address: str) -> None:
    """Raise ClusterError unless a server of gRPC answers, as the head of a Ray cluster is."""
    host, port = address.rsplit(":", 1)
    advice = (
        "start a cluster with `ray start --head`, which shows its address, and see that no "
        "firewall is between"
    )
    end = time.monotonic() + SECONDS
    try:
        with socket.create_connection((host.strip("[]"), int(port)), SECONDS) as connection:
            connection.sendall(_call_to(address))
            headers = _headers_of_answer(connection, end)
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        raise ClusterError(
            f"no Ray cluster answers at {address} within {SECONDS:g} s ({reason}): {advice}"
        ) from error
    if not any(name in headers for name in _GRPC):
        raise ClusterError(f"what answers at {address} is not a Ray cluster: {advice}")


_DATA, _HEADERS, _SETTINGS = 0, 1, 4  # types of frames (RFC 9113)


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return b"".join(
        (len(content).to_bytes(3, "big"), bytes((kind, flags)), stream.to_bytes(4, "big"), content)
    )


def _call_to(address: str) -> bytes:
    """What a client of gRPC sends to call a function."""

    def text(content: bytes) -> bytes:
        return bytes((len(content),)) + content

    # names of headers by their numbers in RFC 7541: method, scheme, path, authority, content-type
    headers = b"\x83\x86\x04" + text(_CALL) + b"\x01" + text(address.encode()[:120])
    headers += b"\x0f\x10" + text(_GRPC[0]) + b"\x00" + text(b"te") + text(b"trailers")
    return b"".join(
        (
            _GREETING,
            _frame(_SETTINGS, 0, 0, b""),
            _frame(_HEADERS, 4, 1, headers),  # 4: all headers
            _frame(_DATA, 1, 1, bytes(5)),  # 1: the end; a message of length 0
        )
    )


def _headers_of_answer(connection: socket.socket, end: float) -> bytes:
    """Read frames of HTTP/2 up to the headers of the answer; empty if something else comes."""

    def read(n: int) -> bytes:
        content = b""
        while len(content) < n:
            connection.settimeout(max(end - time.monotonic(), 1e-3))
            received = connection.recv(n - len(content))
            if not received:
                return b""
            content += received
        return content

    is_first = True
    while head := read(9):
        length, kind = int.from_bytes(head[:3], "big"), head[3]
        if is_first and kind != _SETTINGS:
            break
        is_first = False
        content = read(length)
        if kind == _HEADERS:
            return content
    return b""


@contextmanager
def _quiet_ray() -> Iterator[None]:
    """Leave out warnings of Ray, such as that of a token for a cluster that is started here."""
    log = logging.getLogger("ray")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _kept_handler() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray would replace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _put(ray: Any, function: _Function) -> Any:
    """Store the function in the cluster, if each node has enough memory for it."""
    stored = _with_arrays(function)
    needed = sum(map(len, stored)) + 2 * PIECE_BYTES
    nodes = _nodes(ray)
    if not nodes:
        raise ClusterError(
            "no node of the Ray cluster has a CPU for the work: start nodes with `ray start "
            "--address=HOST:PORT`"
        )
    for node in nodes:
        require_object_store(node, "the function and its arguments", needed)
    try:
        return ray.put(stored)
    except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError) as error:
        raise ClusterError(_too_small("the function and its arguments", needed, error)) from error


def require_object_store(node: dict[str, Any], what: str, needed: int) -> None:
    """Raise ClusterError if the object store of a node of ``ray.nodes()`` is too small.

    Parameters
    ----------
    node : dict
    what : str
        Is stored in it, for the message.
    needed : int
        Bytes.
    """
    held = int(node["Resources"].get("object_store_memory", 0))
    if held < needed:
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        raise ClusterError(_too_small(what, needed, name, held))


def _too_small(what: str, needed: int, where: object, held: int | None = None) -> str:
    has = "" if held is None else f", it has {held >> 20} MiB"
    place = _first_line(where) if isinstance(where, BaseException) else f"node {where}"
    return (
        f"an object store is too small for {what}: {-(-needed >> 20)} MiB are needed{has} "
        f"({place}); start nodes with `ray start --object-store-memory={max(needed, 100 << 20)}` "
        "or more"
    )


@cache
def program() -> tuple[str, str]:
    """Return the versions of this project and of Python, which must agree on all nodes.

    That of the project includes a checksum of its source code: results could differ otherwise.
    """
    try:
        number = version("similarity-encoders")
    except PackageNotFoundError:
        number = "unknown"
    root = Path(__file__).resolve().parent.parent
    crc = 0
    for package in ("corpora", "conec"):
        for path in sorted((root / package).rglob("*.py")):
            crc = zlib.crc32(path.read_bytes(), crc)
    return f"{number} (source {crc:08x})", ".".join(platform.python_version_tuple()[:2])


# On a node


def require_program(expected: tuple[str, str]) -> None:
    """Raise ClusterError unless this process has these versions of the project and of Python."""
    if (found := program()) != expected:
        raise ClusterError(
            f"the node {socket.gethostname()} has version {found[0]} of similarity-encoders on "
            f"Python {found[1]}, but the driver has version {expected[0]} on Python {expected[1]}: "
            "install the same on all nodes"
        )


def _task() -> Callable[..., Iterator[list[Any]]]:
    """Return the function of tasks.

    It is sent as code, since it is nested: a node that lacks this project can still report it.
    """

    def task(
        expected: tuple[str, str], stored: list[Any], call: bytes, files: str | None
    ) -> Iterator[list[Any]]:
        import pickle
        import platform
        import socket

        found = None
        try:
            from corpora import ray_engine

            found = ray_engine.program()
        except (ImportError, AttributeError):
            pass
        if found == expected:
            yield from ray_engine.run_call(stored[0], call, files)
            return
        mine = "no version that knows Ray" if found is None else f"version {found[0]}"
        message = (
            f"the node {socket.gethostname()} has {mine} of similarity-encoders on Python "
            f"{'.'.join(platform.python_version_tuple()[:2])}, but this process has version "
            f"{expected[0]} on Python {expected[1]}: install the same on all nodes"
        )
        yield [pickle.dumps(("unusable", message))]

    return task


_loaded: _Function | None = None


def run_call(stored: Any, content: bytes, files: str | None) -> Iterator[list[Any]]:
    """Run a call on a node: yield the files it makes, in pieces, and in the end its result.

    Files are not yielded if this node sees the folder of the driver, and they can be written there.

    Parameters
    ----------
    stored : ray.ObjectRef
        A pickle of the function, and the arrays that it holds.
    content : bytes
        The call, pickled.
    files : str or None
        Folder of the driver to make for the files of the call.

    Yields
    ------
    list of bytes and arrays
        Pickles of tuples with their arrays, which `_received` reads:
        ``("piece", name, bytes)``, ``("arrays", sizes)`` if those of the result are in a file, and
        one of ``("result", result, warnings)``, ``("error", exception, traceback)`` and
        ``("unusable", message)``.
    """
    try:
        call: _Call = pickle.loads(content)
        with suppress(OSError):  # relative paths are relative to it
            os.chdir(call.directory)
        if message := _missing_file(call.local_files):
            yield _with_arrays(("unusable", message))
            return
        function = _function(stored, call.key)
        if not call.makes_files or files is None:
            content, *arrays = _with_arrays(("result", *call_with_warnings(function, call.item)))
            sizes = [len(array) for array in arrays]
            if any(sizes) and files is not None and _is_made(files):
                _write_arrays(Path(files), arrays)
                yield [pickle.dumps(("arrays", sizes))]
                arrays = []
            yield [content, *arrays]
            return
        if _is_made(files):
            function = partial(function, folder=Path(files))
            yield _with_arrays(("result", *call_with_warnings(function, call.item)))
            return
        with temporary_folder("corpora-shard-") as folder:
            result = call_with_warnings(partial(function, folder=folder), call.item)
            for path in sorted(folder.iterdir()):
                with open(path, "rb") as file:
                    while piece := file.read(PIECE_BYTES):
                        yield _with_arrays(("piece", path.name, piece))
            yield _with_arrays(("result", *result))
    except Exception as error:  # raised again by the driver
        yield [_pickled_error(error, traceback.format_exc())]


def _function(stored: Any, key: str) -> Callable[..., Any]:
    """Load the function, once in each process."""
    global _loaded
    if _loaded is None or _loaded.key != key:
        _loaded = None  # frees the memory of the one before
        content, *arrays = import_module("ray").get(stored)
        loaded: _Function = pickle.loads(content, buffers=arrays)
        if loaded.initializer is not None:
            loaded.initializer(*loaded.initargs)
        _loaded = loaded
    return _loaded.function


def _is_made(folder: str) -> bool:
    """Make a folder in one of the driver, if this node sees that one and may write to it."""
    try:
        os.mkdir(folder, 0o700)
    except OSError:
        return False
    return True


def _missing_file(files: dict[str, int]) -> str | None:
    """Describe a file of the driver that this node lacks, or that differs in size."""
    for path, size in files.items():
        try:
            found = os.path.getsize(path)
        except OSError:
            state = "does not exist"
        else:
            if found == size:
                continue
            state = f"has {found:,} bytes, not {size:,}"
        return (
            f"{path} {state} on the node {socket.gethostname()} "
            f"({import_module('ray').util.get_node_ip_address()}): put the files where all nodes "
            "see them under the same path, such as a shared file system, or pass a URI (s3://...)"
        )
    return None


def _pickled_error(error: Exception, text: str) -> bytes:
    try:
        content = _pickled(("error", error, text))
        pickle.loads(content)
    except Exception:  # an exception that can't be pickled
        content = pickle.dumps(("error", RuntimeError(_first_line(error)), text))
    return content
