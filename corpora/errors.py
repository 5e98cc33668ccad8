"""Errors that all packages share, and warnings that point to the caller."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

__all__ = ["CorpusError", "ModelError", "NotReiterableError", "warn"]

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = tuple(f"{_ROOT / name}{os.sep}" for name in ("conec", "corpora", "simec"))


class CorpusError(ValueError):
    """Something is wrong with the contents of a corpus.

    Parameters
    ----------
    message : str
        What is wrong and, where known, how to mend it.
    path : str or path, optional
        The file in which it is wrong.
    line : int, optional
        The line in that file, counted from 1.
    offset : int, optional
        The byte in that file (after decompression), counted from 0.

    Attributes
    ----------
    path, line, offset
        As given; None where not known.
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
        where = [] if self.path is None else [self.path]
        if line is not None:
            where.append(f"line {line}")
        if offset is not None:
            where.append(f"byte {offset}")
        # All of the text goes into args, so that the error survives the way
        # back from a worker process unchanged.
        super().__init__(f"{', '.join(where)}: {message}" if where else message)


class NotReiterableError(CorpusError):
    """A second pass was asked of a corpus that can be read only once."""


class ModelError(ValueError):
    """A folder that holds no model, one of another kind or of a newer version, or a damaged one."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn with the place of the first caller outside of these packages."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGES):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level + 1)
