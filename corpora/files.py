"""Finding files to read, and writing files so that a broken one never looks whole."""

from __future__ import annotations

import difflib
import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_folder", "atomic_path", "find_paths", "temporary_files_in"]

StrPath = str | os.PathLike[str]

# Errors of the disk itself, as opposed to those of the program that writes.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


def is_uri(path: str) -> bool:
    """Whether a path names something elsewhere, such as ``s3://bucket/key``."""
    return "://" in path


def missing_file(path: str) -> FileNotFoundError:
    """Build the error for a path that does not exist, with what is near it."""
    folder, name = os.path.split(os.path.normpath(path))
    folder = folder or "."
    if os.path.isdir(folder):
        names = sorted(os.listdir(folder))
        lower = {n.lower(): n for n in names}
        near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, 3, 0.6)]
        near += [n for n in names if n.startswith(name) and n not in near][:2]
        hint = (
            f"near it: {', '.join(near)}" if near else f"the folder {folder} exists but has no such"
        )
    else:
        while folder not in ("", ".") and not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        hint = f"its folder does not exist either, only {folder or '.'} does"
    return FileNotFoundError(errno.ENOENT, f"No such file or folder ({hint})", path)


def find_paths(source: str) -> list[str]:
    """List the files that a path, folder or glob stands for, in sorted order.

    Folders are searched with all that is below them; hidden files are left out.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    if source == "-" or is_uri(source) or os.path.isfile(source):
        return [source]
    if os.path.isdir(source):
        found = _files_below(source)
        if not found:
            raise FileNotFoundError(errno.ENOENT, "The folder holds no files", source)
        return found
    if os.path.exists(source):  # a named pipe, or /dev/stdin
        return [source]
    if glob.has_magic(source):
        matches = sorted(glob.glob(source, recursive=True), key=_natural)
        found = []
        for match in matches:
            found += _files_below(match) if os.path.isdir(match) else [match]
        found = list(dict.fromkeys(found))  # a folder may match, and files in it
        if not found:
            raise FileNotFoundError(errno.ENOENT, "No file matches", source)
        return found
    raise missing_file(source)


def _natural(path: str) -> list[str]:
    return path.split(os.sep)


def _files_below(folder: str) -> list[str]:
    found = []
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(at, name) for name in names if not name.startswith(".")]
    return sorted(found, key=_natural)


@contextmanager
def temporary_files_in(folder: StrPath) -> Iterator[None]:
    """Have an OSError from writing temporary files name their folder, and TMPDIR."""
    try:
        yield
    except OSError as error:
        message = f"{error.strerror} (temporary files; TMPDIR names another folder)"
        raise type(error)(error.errno, message, os.fspath(folder)) from error


def _checked_target(path: StrPath) -> Path:
    if is_uri(os.fspath(path)):
        raise ValueError(f"only a local file can be replaced in one step, not {path}")
    # A link is followed, so that it stays and what it points to is replaced.
    target = Path(os.path.realpath(path))
    parent = target.parent
    if not parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "The folder to write to does not exist", str(parent))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "The folder cannot be written to", str(parent))
    return target


def _untouched(error: OSError, target: Path) -> OSError:
    state = "what was there before is untouched" if target.exists() else "nothing was left there"
    return type(error)(error.errno, f"{error.strerror}: it was not written; {state}", str(target))


@contextmanager
def atomic_path(path: StrPath) -> Iterator[Path]:
    """Write a file that is either whole or not there.

    Parameters
    ----------
    path : str or path
        The local file to make or to replace.

    Yields
    ------
    Path
        A path in the same folder, with the same suffixes, to write to. When
        the block ends it is renamed to `path`; on any error or interrupt it is
        deleted, and what `path` held before is still there.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        If `path` cannot be written to; raised before anything is done.
    OSError
        If the disk is full or fails; the message names `path`.

    Examples
    --------
    >>> with atomic_path("words.txt.gz") as temporary:  # doctest: +SKIP
    ...     write(temporary)
    """
    target = _checked_target(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "A folder is in the place of the file", str(path))
    temporary = target.with_name(f".tmp-{secrets.token_hex(4)}-{target.name}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise _untouched(error, target) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


class _NotNow(Exception):
    """Leaves a folder unwritten."""


def check_folder(path: StrPath, *, marker: str | None = None) -> None:
    """Make sure that `atomic_folder` can write a folder, before hours of work and not after.

    A folder is made beside it and deleted, which is the one sure test: of rights, read-only disks,
    typing errors. Parameters and errors are the same.
    """
    with suppress(_NotNow), atomic_folder(path, marker=marker):
        raise _NotNow


@contextmanager
def atomic_folder(path: StrPath, *, marker: str | None = None) -> Iterator[Path]:
    """Write a folder that is either whole or not there.

    Parameters
    ----------
    path : str or path
        The local folder to make or to replace.
    marker : str, optional
        Name of a file that every folder of this kind holds. A folder that is
        already there is replaced only if it is empty or has this file, so that
        a wrong path does not delete someone's work.

    Yields
    ------
    Path
        An empty folder beside `path` to fill. When the block ends it takes the
        place of `path`; on any error or interrupt it is deleted. The old
        folder is kept whole until the new one is in its place.

    Raises
    ------
    FileNotFoundError, PermissionError, NotADirectoryError
        If `path` cannot be written to; raised before anything is done.
    FileExistsError
        If `path` is a folder with other things in it (see `marker`).
    OSError
        If the disk is full or fails; the message names `path`.
    """
    target = _checked_target(path)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "A file is in the place of the folder", str(path))
    if marker and target.is_dir() and os.listdir(target) and not (target / marker).exists():
        raise FileExistsError(
            errno.EEXIST, f"The folder holds other things (no {marker}); not replaced", str(path)
        )
    token = secrets.token_hex(4)
    temporary = target.with_name(f".tmp-{token}-{target.name}")
    old = target.with_name(f".old-{token}-{target.name}")
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            os.rename(target, old)
        os.rename(temporary, target)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise _untouched(error, old if old.exists() else target) from error
        raise
    finally:
        if old.exists() and not target.exists():
            os.rename(old, target)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(temporary, ignore_errors=True)
