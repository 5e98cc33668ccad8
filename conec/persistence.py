"""Replacing folders that are not written by `corpora.model_folder` yet."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from conec.types import StrPath


def check_writable(path: StrPath, *, marker: str, names: Set[str]) -> None:
    """Raise the OSError that `save` would raise, before hours of work.

    Parameters
    ----------
    path : path
    marker, names
        As in `whole_folder`.

    Raises
    ------
    OSError
        If `path` cannot be written, or holds something other than a model.
    """

    class Given(Exception):
        """Up before anything was replaced."""

    with contextlib.suppress(Given), whole_folder(path, marker=marker, names=names):
        raise Given


@contextlib.contextmanager
def whole_folder(path: StrPath, *, marker: str, names: Set[str]) -> Iterator[Path]:
    """A folder to write to, which is then put to `path` whole.

    Parameters
    ----------
    path : path
    marker : str
        A file that tells a folder that may be replaced.
    names : set of str
        What such a folder holds; others are not replaced. Hidden files may go.
    """
    from corpora.files import atomic_folder

    target = Path(path)
    if target.is_dir():
        found = {name for name in os.listdir(target) if not name.startswith(".")}
        others = sorted(found - names)
        if others:
            some = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
            raise FileExistsError(
                errno.EEXIST, f"The folder holds other things ({some}); not replaced", str(target)
            )
    with atomic_folder(path, marker=marker) as folder:
        yield folder


def write_json(path: Path, data: Any, indent: int | None = None) -> None:
    """Write JSON in UTF-8."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    # half a surrogate pair, which undecodable bytes of a corpus may become, is no UTF-8;
    # written with a backslash it is JSON nevertheless
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
