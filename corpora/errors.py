"""Errors shared by all packages, and warnings that point to the caller."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = [
    "ClusterError",
    "CorpusError",
    "ModelError",
    "NotReiterableError",
    "call_with_warnings",
    "cut_middle",
    "warn",
]

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = tuple(f"{_ROOT / name}{os.sep}" for name in ("conec", "corpora", "simec"))


_LONGEST, _BEGINNING, _END = 1500, 900, 300  # characters


def cut_middle(message: str) -> str:
    """Cut the middle out of a message that quotes a long part of a file."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[:_BEGINNING]} ... {message[-_END:]}"


class CorpusError(ValueError):
    """The contents of a corpus are invalid.

    Parameters
    ----------
    message : str
        What is wrong and how to fix it.
    path : str or path, optional
        File with the error.
    line : int, optional
        Line in that file, counted from 1.
    offset : int, optional
        Byte in that file (after decompression), counted from 0.

    Attributes
    ----------
    path, line, offset
        As passed; None if unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        offset: int | None = None,
    ) -> None:
        self.path = None if path is None else os.fspath(path)
        self.line = line
        self.offset = offset
        place = [] if self.path is None else [self.path]
        if line is not None:
            place.append(f"line {line}")
        if offset is not None:
            place.append(f"byte {offset}")
        # args holds the whole text, so that pickling, as between processes, preserves it.
        super().__init__(cut_middle(f"{', '.join(place)}: {message}" if place else message))


class NotReiterableError(CorpusError):
    """A corpus that can be read only once was read again."""


class ModelError(ValueError):
    """A folder holds no loadable model: it is damaged, of another kind, or of a newer version."""

    def __init__(self, message: str) -> None:
        super().__init__(cut_middle(message))


class ClusterError(OSError):
    """A cluster of machines can't be used, or some of its nodes; the message says why."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points to the first caller outside these packages."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGES):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def call_with_warnings(
    function: Callable[[Any], Any], item: Any
) -> tuple[Any, list[tuple[str, type[Warning]]]]:
    """Return the result for an item, and the warnings, which another process issues."""
    with warnings.catch_warnings(record=True) as caught:
        result = function(item)
    return result, [(str(warning.message), warning.category) for warning in caught]
