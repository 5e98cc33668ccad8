"""Find files to read; write files and folders so that they are either complete or absent."""

from __future__ import annotations

import ctypes
import errno
import functools
import glob
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import filterfalse
from pathlib import Path
from typing import Any

from corpora.checks import closest
from corpora.interrupts import terminable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "INDEX_OF_SHARDS",
    "atomic_path",
    "check_folder",
    "check_output",
    "find_paths",
    "is_system_file",
    "replace_folder",
    "temporary_files_in",
    "temporary_folder",
    "temporary_parent",
]

INDEX_OF_SHARDS = "shards.json"
"""Lists the files of a folder with a file for each shard of a text."""

StrPath = str | os.PathLike[str]
# Takes a folder, and whether a dead process left it; returns the relative names of files to delete.
Contents = Callable[[Path, bool], Collection[str]]

# Errors of the disk itself, as opposed to those of the program that writes.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_TMPDIR = "temporary files; TMPDIR names another folder"
_DAY = 24 * 60 * 60  # seconds
_READER_SECONDS = 10.0  # to wait for a process that reads a named pipe
_LONGEST_PATH, _BLANKS_IN_PATH = 1000, 8  # strings beyond these limits are texts, not paths


def is_uri(path: str) -> bool:
    """Whether a path names a remote object, such as ``s3://bucket/key``."""
    return "://" in path


def missing_file(path: str) -> FileNotFoundError:
    """Build the error for a path that does not exist, with the closest matches."""
    if "\n" in path or len(path) > _LONGEST_PATH or path.count(" ") > _BLANKS_IN_PATH:
        hint = "is it a text, not a path? Pass texts in a list"
        return FileNotFoundError(
            errno.ENOENT, f"No such file or folder ({hint})", f"{path[:60]}..."
        )
    if os.path.islink(path):
        hint = f"it is a symbolic link to {os.readlink(path)}, which does not exist"
        return FileNotFoundError(errno.ENOENT, f"No such file or folder ({hint})", path)
    folder, name = os.path.split(os.path.normpath(path))
    folder = folder or "."
    if os.path.isdir(folder):
        matches = closest(name, sorted(os.listdir(folder)), 4)
        hint = (
            f"closest matches: {', '.join(matches)}"
            if matches
            else f"the folder {folder} exists, but contains nothing with a similar name"
        )
    else:
        while folder not in ("", ".") and not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        hint = f"its folder does not exist either; only {folder or '.'} exists"
    return FileNotFoundError(errno.ENOENT, f"No such file or folder ({hint})", path)


_SYSTEM_NAMES = {
    "__macosx", ".ds_store", ".localized", "icon\r",
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",
    ".directory", "@eadir",
}  # fmt: skip
_LOCK_FILES = "~$"  # of Microsoft Office


def is_system_file(path: str) -> bool:
    r"""Whether a file of a folder or archive is hidden, or was added by an operating system.

    Examples are ``.DS_Store``, ``__MACOSX/._name`` and ``Icon\r`` of macOS, ``Thumbs.db`` and
    ``$RECYCLE.BIN`` of Windows, and ``~$name`` of its office programs.

    Parameters
    ----------
    path : str
        Relative to the folder or archive, with ``/`` or the separator of the system.
    """
    names = path.replace(os.sep, "/").split("/")
    return any(
        (name.startswith(".") and name not in (".", "..")) or _is_of_system(name) for name in names
    )


def _is_of_system(name: str) -> bool:
    return name.startswith(_LOCK_FILES) or name.lower() in _SYSTEM_NAMES


def is_desktop_file(path: str) -> bool:
    """Whether a file was added to a folder by an operating system, such as ``.DS_Store``.

    Unlike those of `is_system_file`, other hidden files do not count: they may be a user's.
    """
    name = os.path.basename(path)
    is_attributes = name.startswith("._") and len(name) > 2  # of another file, by macOS
    return is_attributes or name.lower() in _SYSTEM_NAMES


def find_paths(source: str) -> list[str]:
    """List the files that a path, folder, glob or URI refers to, in sorted order.

    Folders are searched recursively; hidden files, those that an operating system adds (see
    `is_system_file`), and named pipes, sockets and devices are skipped. Of folders that
    ``corpora clean --shards`` has written, only the texts are listed.

    Raises
    ------
    FileNotFoundError
        If there are no such files; the message lists the closest matches.
    """
    if is_uri(source):
        from corpora.remote import find_objects

        return _without_index(find_objects(source))
    if source == "-" or os.path.isfile(source):
        return [source]
    if os.path.isdir(source):
        paths = _without_index(_files_below(source))
        if not paths:
            raise FileNotFoundError(errno.ENOENT, "The folder holds no files", source)
        return paths
    if os.path.exists(source):  # a named pipe, or /dev/stdin
        return [source]
    if glob.has_magic(source):
        matches = sorted(glob.glob(source, recursive=True), key=_natural)
        paths = []
        for match in matches:
            # Hidden files match only if the pattern names them.
            if not (any(map(_is_of_system, _natural(match))) or _is_special(match)):
                paths += _files_below(match) if os.path.isdir(match) else [match]
        paths = list(dict.fromkeys(paths))  # a pattern may match a folder and files in it
        if not paths:
            raise FileNotFoundError(errno.ENOENT, "No file matches", source)
        return paths
    raise missing_file(source)


def _without_index(paths: list[str]) -> list[str]:
    """Leave out the two files of folders of shards that are not a part of the text."""
    names = {INDEX_OF_SHARDS, "manifest.json"}
    split = [os.path.split(path) for path in paths]
    found = [{folder for folder, name in split if name == index} for index in names]
    folders = set.intersection(*found)
    return [
        path
        for path, (folder, name) in zip(paths, split, strict=True)
        if not (folder in folders and name in names)
    ]


def _natural(path: str) -> list[str]:
    return path.split(os.sep)


def _files_below(folder: str) -> list[str]:
    paths = []
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_system_file(name)]
        paths += [os.path.join(at, name) for name in names if not is_system_file(name)]
    return sorted(filterfalse(_is_special, paths), key=_natural)


# Temporary files and folders, locked by the process that owns them


def _lock(descriptor: int, *, seconds: float = 0) -> bool | None:
    """Lock a file or folder; False if another process has it, None if locks are not supported."""
    deadline = time.monotonic() + seconds
    while fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.002)
        except OSError:  # for example, on a network share without locks
            return None
    return None


def _release(descriptor: int) -> None:
    # Unlocked and not only closed: a process forked meanwhile may hold the same descriptor.
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _open_for_lock(path: Path) -> int | None:
    """Open a file or folder to lock it; None if that is impossible."""
    if fcntl is None:
        return None
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except OSError:
        return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still names the file that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def _owned(make: Callable[[], Path]) -> tuple[Path, int | None]:
    """Make a temporary file or folder and lock it."""
    while True:
        path = make()
        descriptor = _open_for_lock(path)
        if descriptor is None:
            if fcntl is None or path.exists():
                return path, None
            continue
        # Before it is locked, another process may consider it a leftover, lock it and remove it.
        if _lock(descriptor) is not False and _is_at(descriptor, path):
            return path, descriptor
        os.close(descriptor)


@contextmanager
def _abandoned(path: Path, age: float = _DAY) -> Iterator[bool]:
    """Whether the process that made a temporary has died; locked while the block runs.

    Where locks are not supported, it counts as dead after `age` seconds.
    """
    descriptor = _open_for_lock(path)
    try:
        locked = None if descriptor is None else _lock(descriptor)
        if locked and descriptor is not None:
            yield _is_at(descriptor, path)
        elif locked is None:
            try:
                yield time.time() - os.lstat(path).st_mtime > age
            except FileNotFoundError:
                yield False
        else:
            yield False
    finally:
        if descriptor is not None:
            _release(descriptor)


def _label(name: str) -> str:
    """Shorten a name if, with the prefix of a temporary, it would exceed 255 bytes."""
    if len(os.fsencode(name)) <= 240:
        return name
    return f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}-{name[-40:]}"


def _temporary_for(target: Path, kind: str = "tmp") -> Path:
    return target.with_name(f".{kind}-{secrets.token_hex(4)}-{_label(target.name)}")


def _temporaries_of(target: Path, kinds: str = "tmp|old") -> list[Path]:
    pattern = re.compile(rf"\.({kinds})-[0-9a-f]{{8}}-{re.escape(_label(target.name))}")
    return _matching(target.parent, pattern)


def _matching(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]
    except OSError:
        return []


def _remove_leftovers(target: Path, contents: Contents) -> None:
    """Remove temporaries that dead processes left next to a target; put a displaced folder back."""
    recover(target)
    for path in _temporaries_of(target):
        # Those of another user may be impossible to read or to remove.
        with _abandoned(path) as dead, suppress(OSError):
            if dead and path.is_dir() and not path.is_symlink():
                _move_desktop_files(path, target)
                _remove_listed(path, contents(path, True))
            elif dead:
                path.unlink(missing_ok=True)


def recover(target: Path, wait: float = 1.0) -> None:
    """Put a folder back that a killed save had moved aside; wait if a live save has moved it.

    A folder is moved aside for a moment only if the system cannot exchange two names (see
    `replace_folder`), and stays there only if the process is killed in that moment.
    """
    deadline = time.monotonic() + wait
    while not os.path.lexists(target):
        late = time.monotonic() > deadline
        aside = _temporaries_of(target, "old")
        for path in aside:
            with _abandoned(path, 0 if late else _DAY) as dead, suppress(OSError):
                if dead:
                    os.rename(path, target)
        if late or not aside:
            return
        time.sleep(0.005)


def is_missing(path: StrPath) -> bool:
    """Whether a folder does not exist and is not being replaced at the moment."""
    target = Path(os.path.realpath(path))
    for _ in range(3):
        # Look for the folder last: one that was set aside may have been put back meanwhile.
        if _temporaries_of(target, "old") or os.path.lexists(target):
            return False
        time.sleep(0.001)
    return True


@contextmanager
def temporary_folder(prefix: str, parent: StrPath | None = None) -> Iterator[Path]:
    """Make a temporary folder and remove it at the end.

    Folders with this prefix that killed processes left are removed first.

    Parameters
    ----------
    prefix : str
        Prefix of its name.
    parent : path, optional
        Folder to make it in; by default that of `tempfile`, which TMPDIR sets.

    Yields
    ------
    Path
        The folder; only this user can read it.

    Raises
    ------
    OSError
        If it cannot be made; the message names the parent.
    """
    why = _TMPDIR if parent is None else "temporary files"
    parent = temporary_parent() if parent is None else Path(parent)
    for path in _matching(parent, re.compile(rf"{re.escape(prefix)}[0-9a-f]{{12}}")):
        with _abandoned(path) as dead:
            # Other users may write to the parent: remove only folders of this user.
            if dead and (not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid()):
                shutil.rmtree(path, ignore_errors=True)

    def make() -> Path:
        path = parent / f"{prefix}{secrets.token_hex(6)}"
        try:
            path.mkdir(mode=0o700)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} ({why})", str(parent)) from error
        return path

    path, descriptor = _owned(make)
    try:
        with terminable():
            yield path
    except OSError as error:
        # Errors of writing to a full disk have no file name. In the temporary folder of an output,
        # `_disk_errors` adds that of the output.
        name = error.filename if isinstance(error.filename, str) else ""
        is_inside = not name or name.startswith(str(path))
        if why == _TMPDIR and error.errno in _DISK_ERRORS and is_inside:
            raise OSError(error.errno, f"{error.strerror} ({why})", str(parent)) from error
        raise
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if descriptor is not None:
            _release(descriptor)


def temporary_parent() -> Path:
    """Folder for temporary files: that of TMPDIR, or else the system's.

    If neither can be written to, it is that of TMPDIR, and writing to it raises the error.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path(os.environ.get("TMPDIR") or "/tmp")


@contextmanager
def temporary_files_in(folder: StrPath) -> Iterator[None]:
    """Add the folder of temporary files, and TMPDIR, to the message of an OSError."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({_TMPDIR})", os.fspath(folder)) from error


# Replacement in one step


def _checked_target(path: StrPath) -> Path:
    if is_uri(os.fspath(path)) or _was_uri(path):
        raise ValueError(
            f"writing to {path} is not supported, only to local paths and mounted file systems: "
            "write to a local path, and copy the result"
        )
    if not os.fspath(path):
        raise FileNotFoundError(errno.ENOENT, "The path to write to is empty", "''")
    # Links are followed: the link stays, and its target is replaced.
    target = Path(os.path.realpath(path))
    parent = target.parent
    if target.is_symlink():
        raise OSError(errno.ELOOP, "The link points to itself", str(path))
    check_parent(parent)
    if _is_foreign(target):
        raise PermissionError(
            errno.EPERM, "This belongs to another user, in a folder with the sticky bit", str(path)
        )
    if os.path.ismount(target):  # found now, and not by the last step of a long run
        raise OSError(
            errno.EBUSY, "A mount point cannot be replaced; choose another path", str(path)
        )
    return target


def _was_uri(path: StrPath) -> bool:
    """Whether a path was made from a URI: ``Path("s3://bucket/a")`` is ``s3:/bucket/a``."""
    scheme = Path(path).parts[:1]
    is_scheme = bool(scheme and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+:", scheme[0]))
    return is_scheme and not os.path.exists(scheme[0])


def check_parent(folder: Path) -> None:
    """Raise an OSError unless files can be created in a folder."""
    if not folder.exists():
        raise FileNotFoundError(errno.ENOENT, "The folder to write to does not exist", str(folder))
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "This is a file, not a folder", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "The folder cannot be written to", str(folder))


def _is_foreign(target: Path) -> bool:
    """Whether a file or folder of another user must not be replaced, as in /tmp."""
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    try:
        owners = {0, os.lstat(target).st_uid, os.stat(target.parent).st_uid}
        is_sticky = bool(os.stat(target.parent).st_mode & stat.S_ISVTX)
    except OSError:
        return False
    return is_sticky and user not in owners


@contextmanager
def _disk_errors(target: Path, temporary: Path) -> Iterator[None]:
    """Have errors of the disk or the temporary name the target, and say what state it is in."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        inside = name.startswith(str(temporary))
        if error.errno is None or not (inside or (not name and error.errno in _DISK_ERRORS)):
            raise
        state = "the earlier content is unchanged" if target.exists() else "nothing was left there"
        message = f"{error.strerror}: not written; {state}"
        place = str(target) + name[len(str(temporary)) :] if inside else str(target)
        raise OSError(error.errno, message, place) from error


def sync(path: Path) -> None:
    """Force a file or folder to the disk, where the system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows cannot open folders; a file may be unreadable to its owner
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise
    finally:
        os.close(descriptor)


@functools.cache
def _exchange_function() -> Callable[[bytes, bytes], int] | None:
    """Return the system call that exchanges two names, if it exists; it returns 0 or -1."""
    here, linux_exchange, darwin_swap = -100, 2, 2
    function: Any
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            function = library.renameat2
            function.argtypes = [
                ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint
            ]  # fmt: skip
            return lambda a, b: int(function(here, a, here, b, linux_exchange))
        if sys.platform == "darwin":
            function = library.renamex_np
            function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint]
            return lambda a, b: int(function(a, b, darwin_swap))
    except (OSError, AttributeError, TypeError):  # a C library without it; Windows
        pass
    return None


def exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two folders in one step; False where the system cannot.

    Raises
    ------
    OSError
        If the system can, but not these two.
    """
    function = _exchange_function()
    if function is None:
        return False
    if function(os.fsencode(first), os.fsencode(second)) == 0:
        return True
    number = ctypes.get_errno()
    # EPERM comes from sandboxes that forbid system calls they do not know.
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(number, os.strerror(number), str(second))


def _nothing(_folder: Path, _leftover: bool) -> Collection[str]:
    return ()


@contextmanager
def atomic_path(path: StrPath, *, seeks: bool = False) -> Iterator[Path]:
    """Write a file that is either complete or absent.

    Parameters
    ----------
    path : str or path
        The local file to make or to replace. A file that is replaced keeps its mode; its other
        names (hard links) keep the earlier content. A symbolic link stays, and its target is
        replaced. A device or named pipe is not replaced but written to directly, and so is
        an open file of this process (``/dev/stdout``, ``/dev/fd/3``).
    seeks : bool
        Whether the block moves within the file. A device or pipe then receives a copy of the
        complete file.

    Yields
    ------
    Path
        A path in the same folder, with the same suffixes, to write to. When
        the block ends it is renamed to `path`; on any error or interrupt it is
        deleted, and the earlier content of `path` stays.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        If `path` cannot be written to; raised before anything is done.
    OSError
        If the disk is full or fails; the message names `path`.

    Examples
    --------
    >>> with atomic_path("words.txt") as temporary:
    ...     _ = temporary.write_text("fire")
    >>> Path("words.txt").read_text()
    'fire'
    """
    check_output(path)
    if _is_special(path) and not seeks:
        with _named(path), _reader_of(path):
            yield Path(path)
        return
    opened = _open_descriptor(path)
    if opened is not None or _is_special(path):
        with _reader_of(path), temporary_folder("corpora-output-") as folder:
            yield folder / Path(path).name
            with _named(path):
                _copy_to(os.open(path, os.O_WRONLY) if opened is None else os.dup(opened), folder)
        return
    target = Path(os.path.realpath(path))
    _remove_leftovers(target, _nothing)
    mode = _mode(target)

    def make() -> Path:
        temporary = _temporary_for(target)
        with _disk_errors(target, temporary):
            make_file(temporary, mode)
        return temporary

    temporary, descriptor = _owned(make)
    try:
        with terminable(), _disk_errors(target, temporary):
            yield temporary
            if mode is not None:
                temporary.chmod(mode)
            sync(temporary)
            os.replace(temporary, target)
            sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
        if descriptor is not None:
            _release(descriptor)


def check_output(path: StrPath) -> None:
    """Raise the error that `atomic_path` would raise, before any work is done.

    Parameters
    ----------
    path : str or path
        As in `atomic_path`. URIs are not supported.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError, OSError
        If `path` cannot be written to.
    """
    if _is_special(path) or _open_descriptor(path) is not None:
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "This cannot be written to", os.fspath(path))
        return
    target = _checked_target(path)
    if target.is_dir() or os.fspath(path).endswith(os.sep):
        raise IsADirectoryError(errno.EISDIR, "This is a folder, not a file", os.fspath(path))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "The file is read-only", os.fspath(path))


def is_replaced(path: StrPath) -> bool:
    """Whether `atomic_path` replaces a file, unlike devices, pipes and open files."""
    return not _is_special(path) and _open_descriptor(path) is None


# The names of open files of a process, with links resolved up to the number
_DESCRIPTOR = re.compile(r"/proc/(?:self|thread-self|(\d+))(?:/task/\d+)?/fd/(\d+)")


def _open_descriptor(path: StrPath) -> int | None:
    """Number of the open file of this process that a path names, such as ``/dev/stdout``.

    The file that it belongs to must not be replaced: it may be a log that others write to.
    """
    name = os.fspath(path)
    for _ in range(40):
        try:
            name = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))
            if found := _DESCRIPTOR.fullmatch(name):
                is_own = found[1] is None or int(found[1]) == os.getpid()
                return int(found[2]) if is_own and os.path.exists(name) else None
            name = os.path.join(os.path.dirname(name), os.readlink(name))
        except (OSError, ValueError):
            return None
    return None


def _copy_to(descriptor: int, folder: Path) -> None:
    """Copy a complete temporary file to an open file, and close the open file."""
    with open(descriptor, "wb") as out:
        for name in os.listdir(folder):
            with open(folder / name, "rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)


@contextmanager
def _named(path: StrPath) -> Iterator[None]:
    """Add the name of a device or pipe to errors of writing to it."""
    try:
        yield
    except BrokenPipeError:  # the reader has ended
        raise
    except OSError as error:
        if error.errno not in _DISK_ERRORS or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


@contextmanager
def _reader_of(path: StrPath) -> Iterator[None]:
    """Wait until another process reads a named pipe, and keep the pipe open for writing.

    Opening it would wait for ever if no process reads it.

    Raises
    ------
    OSError
        If no process has opened it for a few seconds.
    """
    if not Path(path).is_fifo():
        yield
        return
    deadline = time.monotonic() + _READER_SECONDS
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() >= deadline:
                raise OSError(
                    errno.ENXIO,
                    f"No process has read this named pipe for {_READER_SECONDS:g} seconds; start "
                    "the reader first",
                    os.fspath(path),
                ) from None
        time.sleep(0.02)
    try:
        yield
    finally:
        os.close(descriptor)


def _is_special(path: StrPath) -> bool:
    """Whether a path is a device, named pipe or socket."""
    try:
        kind = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def _mode(path: Path) -> int | None:
    """Permissions of a file or folder, None if it does not exist."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None


def make_file(path: Path, mode: int | None) -> None:
    """Make an empty file with a mode, or the default one; its mode is never wider in between."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    os.close(os.open(path, flags, 0o666 if mode is None else (mode & 0o700) | 0o600))
    if mode is not None:
        path.chmod(mode | 0o600)


def relative_files(folder: Path) -> list[str]:
    """List all files below a folder, hidden ones and links included, relative to it."""
    paths = []
    for at, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(at, name))]
        paths += [os.path.relpath(os.path.join(at, name), folder) for name in names + links]
    return sorted(paths)


def _remove_listed(folder: Path, names: Collection[str]) -> None:
    """Delete listed files, and folders that are empty afterwards; nothing else.

    The last listed file stays if any other file does: it is the manifest, which says which files
    may be deleted.
    """
    for parent in {folder, *((folder / name).parent for name in names)}:
        with suppress(OSError):
            parent.chmod(0o700)  # files in a read-only folder could not be deleted
    for name in list(names)[:-1]:
        with suppress(OSError):
            (folder / name).unlink()
    for name in list(names)[-1:]:
        if set(relative_files(folder)) <= {name}:
            with suppress(OSError):
                (folder / name).unlink()
    for at, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            os.rmdir(at)


class _NotNow(Exception):
    """Leaves the block of `replace_folder` without replacing the folder."""


def check_folder(path: StrPath, contents: Contents) -> None:
    """Raise the error that `replace_folder` would raise, before any work is done.

    Parameters
    ----------
    path, contents
        As in `replace_folder`.

    Raises
    ------
    OSError
        If `path` cannot be written to, or `contents` raises it.
    """
    with suppress(_NotNow), replace_folder(path, contents):
        raise _NotNow


@contextmanager
def replace_folder(path: StrPath, contents: Contents) -> Iterator[Path]:
    """Write a folder that replaces an earlier one in one step.

    At any moment, even after a crash of the process or the machine, `path` is either the earlier
    folder or the new one, complete. On Linux and macOS the two names are exchanged in one system
    call. Where this is not supported, the earlier folder is renamed to ``.old-XXXXXXXX-NAME`` and
    the new one to ``NAME``; if the process dies in between, `recover` undoes the first step.

    Temporary folders (``.tmp-XXXXXXXX-NAME``) of processes that died are removed.

    Parameters
    ----------
    path : str or path
        The local folder to make or to replace. Its mode, and those of its files, are kept.
    contents : callable
        Takes a folder and a bool. Returns the relative names of all files in the folder, or
        raises FileExistsError if it holds anything that must not be deleted. If the second
        argument is True, the folder is the temporary folder of a dead process: it returns the
        files to delete and does not raise. Only listed files are deleted.

    Yields
    ------
    Path
        An empty folder next to `path`, to be filled.

    Raises
    ------
    FileNotFoundError, PermissionError, NotADirectoryError
        If `path` cannot be written to; raised before anything is done.
    FileExistsError
        If `contents` raises it.
    OSError
        If the disk is full or fails; the message names `path`.
    """
    target = _checked_target(path)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "This is a file, not a folder", str(path))
    _remove_leftovers(target, contents)
    if target.exists():
        contents(target, False)
    mode = _mode(target)

    def make() -> Path:
        temporary = _temporary_for(target)
        with _disk_errors(target, temporary):
            temporary.mkdir(mode=0o777 if mode is None else 0o700)
            if mode is not None:
                temporary.chmod(mode | 0o700)
        return temporary

    temporary, descriptor = _owned(make)
    published = False
    try:
        with terminable(), _disk_errors(target, temporary):
            yield temporary
            for name in relative_files(temporary):
                sync(temporary / name)
            _publish(temporary, target, contents)
            published = True
    finally:
        if not published:
            if descriptor is None or _is_at(descriptor, temporary):
                shutil.rmtree(temporary, ignore_errors=True)
            else:  # exchanged already: the earlier folder, which may hold other files by now
                with suppress(FileNotFoundError):
                    _move_desktop_files(temporary, target)
                    _remove_listed(temporary, contents(temporary, True))
        if descriptor is not None:
            _release(descriptor)


def _publish(temporary: Path, target: Path, contents: Contents) -> None:
    """Replace the target by a complete folder, and remove the earlier one."""
    while True:
        # The lock serializes saves to the same target, and protects the earlier folder while it
        # has the name of a temporary.
        descriptor = _open_for_lock(target)
        try:
            if descriptor is not None:
                _lock(descriptor, seconds=10)
                if not _is_at(descriptor, target):
                    continue
            if os.path.lexists(target):
                _keep_modes(target, temporary, contents(target, False))
            _sync_folders(temporary)
            if _put(temporary, target, contents):
                return
        finally:
            if descriptor is not None:
                _release(descriptor)


def _put(temporary: Path, target: Path, contents: Contents) -> bool:
    """Exchange or rename the folders; False if another process has placed a folder meanwhile."""
    if os.path.lexists(target) and exchange(temporary, target):
        try:
            # Checked again: other files may have been written to the folder meanwhile.
            names = contents(temporary, False)
        except BaseException:
            exchange(temporary, target)
            raise
        _move_desktop_files(temporary, target)
        sync(target.parent)
        _remove_listed(temporary, names)
        return True
    aside = _temporary_for(target, "old")
    placed = True
    try:
        with suppress(FileNotFoundError):
            os.rename(target, aside)
            contents(aside, False)
        try:
            os.rename(temporary, target)
        except OSError as error:
            placed = error.errno not in (errno.ENOTEMPTY, errno.EEXIST)
            if placed:
                raise
        if placed and aside.exists():
            _move_desktop_files(aside, target)
        sync(target.parent)
    finally:
        if aside.exists() and not os.path.lexists(target):
            os.rename(aside, target)
        if aside.exists():
            names = contents(aside, True)
            try:
                _remove_listed(aside, names)
            except KeyboardInterrupt:
                _remove_listed(aside, names)
                raise
    return placed


def _move_desktop_files(old: Path, new: Path) -> None:
    """Move files of the operating system to the folder that replaces an old one.

    Those in nested folders that the new folder does not have are deleted.
    """
    for name in filter(is_desktop_file, relative_files(old)):
        with suppress(OSError):
            if (new / name).parent.is_dir() and not os.path.lexists(new / name):
                os.rename(old / name, new / name)
            else:
                (old / name).unlink()


def _keep_modes(old: Path, new: Path, names: Collection[str]) -> None:
    folders = {os.path.dirname(name) for name in names} - {""}
    for name in sorted({*names, *folders}):
        mode = _mode(old / name)
        if mode is not None and (new / name).exists():
            (new / name).chmod(mode)
    mode = _mode(old)
    if mode is not None:
        new.chmod(mode)


def _sync_folders(folder: Path) -> None:
    for at, _, _ in os.walk(folder):
        sync(Path(at))
