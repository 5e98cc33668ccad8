"""Files that several packages here read: text by lines, and ``config.json`` of what was saved."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.files import missing_file

CONFIG = "config.json"


def text_lines(
    path: str | os.PathLike[str], failure: type[ValueError]
) -> Iterator[tuple[int, str]]:
    """Numbers of lines, from 1, and lines of a text file; those that are blank are left out.

    Compressed files are read by their suffix.

    Parameters
    ----------
    path : str or path
    failure : type
        Of the error of a line that is not UTF-8; it says which line.

    Raises
    ------
    FileNotFoundError
    """
    from smart_open import open as smart_open

    name = os.fspath(path)
    if "://" not in name and not os.path.exists(name):
        raise missing_file(name)
    # bytes, as a line that is no text is to be told by its number
    with smart_open(name, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise failure(f"{name}, line {number} is not UTF-8: {error.reason}") from error
            if text.strip():
                yield number, text


def read_about(
    folder: Path, form: str, newest: int, name: str, failure: type[ValueError]
) -> dict[str, Any]:
    """Read ``config.json`` of a folder that holds a model.

    Parameters
    ----------
    folder : Path
    form : str
        What its ``format`` has to be.
    newest : int
        Highest version that can be read.
    name : str
        Of the format, for errors.
    failure : type
        Of the error.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    failure
        If it holds something else, or is of a newer version.
    """
    if not folder.exists():
        kind = name.split()[-1].lower()
        raise FileNotFoundError(errno.ENOENT, f"No {kind}: there is no such folder", str(folder))
    try:
        about = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise failure(f"{folder} is no {name}: {error}") from error
    version = about.get("format_version") if isinstance(about, dict) else None
    if type(version) is not int or about.get("format") != form:
        raise failure(f"{folder} is no {name}: its {CONFIG} does not say so")
    if version > newest:
        raise failure(
            f"{folder} has format version {version}; this version of similarity-encoders reads "
            f"up to {newest}: update it"
        )
    found: dict[str, Any] = about
    return found
