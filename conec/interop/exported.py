"""Folders of exported files, which a later export replaces only if they are unchanged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conec.types import StrPath
from corpora.files import check_folder, is_desktop_file, relative_files, replace_folder
from corpora.saved_data import parse_json

__all__ = ["RECORD", "check_export_folder", "export_folder", "record", "require_exported"]

RECORD = "conec-export.json"
"""File with the checksums of exported files; a later export replaces only these."""


@contextmanager
def export_folder(folder: StrPath) -> Iterator[Path]:
    """Replace a folder by the files that are written to the temporary folder, all or none.

    Parameters
    ----------
    folder : path
        A folder to create, or an earlier export to replace.

    Yields
    ------
    Path
        The temporary folder.

    Raises
    ------
    FileExistsError
        If `folder` holds files that are not from an earlier export, or were changed since.
    OSError
        If it cannot be written.
    """
    with replace_folder(folder, exported_files) as temporary:
        yield temporary
        checksums = {name: _sha256(temporary / name) for name in relative_files(temporary)}
        (temporary / RECORD).write_text(record(checksums))


def check_export_folder(folder: StrPath) -> None:
    """Raise the OSError that `export_folder` would raise, before any work is done."""
    check_folder(folder, exported_files)


def exported_files(folder: Path, is_leftover: bool) -> Collection[str]:
    """Names of all files of a folder; FileExistsError if one is not from an export."""
    names = [name for name in relative_files(folder) if name != RECORD]
    if not is_leftover:
        names = [name for name in names if not is_desktop_file(name)]
        require_exported(folder, names)
    # the record is last in the list and deleted last, so that after a crash the remaining files
    # can still be recognized
    return [*names, RECORD] if (folder / RECORD).exists() else names


def require_exported(folder: Path, names: Iterable[str]) -> None:
    """Raise FileExistsError unless all files are unchanged files of an earlier export."""
    try:
        checksums = dict(parse_json((folder / RECORD).read_bytes())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        checksums = {}
    for name in names:
        if checksums.get(name) != _sha256(folder / name):
            why = "was changed after" if name in checksums else "is not from"
            raise FileExistsError(
                errno.EEXIST,
                f"Nothing is replaced: {name} {why} an export of vectors. Choose another folder",
                os.fspath(folder),
            )


def record(checksums: Mapping[str, str]) -> str:
    """Content of the file `RECORD`: the SHA-256 checksums of exported files."""
    return json.dumps({"sha256": checksums}, indent=1)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    if not path.is_symlink():  # an export never writes links
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
