"""Outputs of runs that were interrupted, in the folder ``OUT.partial``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

__all__ = ["check_same_run", "is_continued", "lock", "named_errors"]


def is_continued(folder: Path, out: str, exists: bool, resume: bool, overwrite: bool) -> bool:
    """Whether to continue an interrupted run; otherwise, its folder is removed.

    Parameters
    ----------
    folder : Path
        Folder of the unfinished output.
    out : str
        The output, for errors.
    exists : bool
        Whether the folder holds an interrupted run.
    resume : bool
        Whether to continue it.
    overwrite : bool
        Whether to start from scratch, even if there is one.

    Raises
    ------
    ValueError
        If there is nothing to resume, or an interrupted run is in the way.
    """
    if exists and resume and not overwrite:
        return True
    if resume:
        raise ValueError(
            "--resume and --overwrite exclude each other"
            if exists
            else f"{out} has no interrupted run: leave out --resume"
        )
    if exists and not overwrite:
        raise ValueError(
            f"{folder} holds an interrupted run: continue it with --resume, or start from scratch "
            "with --overwrite"
        )
    shutil.rmtree(folder, ignore_errors=True)
    return False


def check_same_run(run: Any, about: Any, out: str) -> None:
    """Raise ValueError unless an interrupted run had the same input and options."""
    if run != about:
        differing = sorted(k for k in {*run, *about} if run.get(k) != about.get(k))
        raise ValueError(
            f"the interrupted run of {out} had another value of {', '.join(differing)}: use the "
            "same, or start from scratch with --overwrite"
        )


def lock(file: IO[bytes]) -> None:
    """Lock a file of an unfinished output until it is closed, where the system has locks.

    Raises
    ------
    BlockingIOError
        If another process has locked it.
    """
    with suppress(ImportError, AttributeError):
        import fcntl

        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"{Path(file.name).parent} is in use: another process writes the same output"
            ) from None
        except OSError:
            pass  # a network share without locks


@contextmanager
def named_errors(out: str) -> Iterator[None]:
    """Add the name of the output to errors of the disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, f"{error.strerror}: not written", out) from error
