"""Text files with molecules: single ones, folders and archives."""

from __future__ import annotations

import os
from collections.abc import Iterator

from corpora.errors import CorpusError
from corpora.files import find_paths
from corpora.readers import TextFile
from corpora.readers.stream import archive_members, is_archive, plain_suffix

__all__ = ["Lines", "suffix_of", "text_files"]


class Lines:
    """The numbered lines of a file, one of which can be put back.

    Parameters
    ----------
    file : TextFile

    Attributes
    ----------
    path : str
    number : int
        Of the last line that was read, counted from 1.
    """

    def __init__(self, file: TextFile) -> None:
        self.path = file.path
        self.number = 0
        self._lines = file.numbered_lines()
        self._next: str | None = None

    def read(self) -> str | None:
        """Return the next line, or None at the end."""
        if self._next is not None:
            line, self._next = self._next, None
        else:
            self.number, line = next(self._lines, (self.number, None))  # type: ignore[assignment]
        return line

    def read_content(self) -> str | None:
        """Return the next line that is not blank, or None at the end."""
        while (line := self.read()) is not None:
            if line and not line.isspace():
                return line
        return None

    def error(self, message: str, line: int | None = None) -> CorpusError:
        """Create an error that names the file and a line, by default the last one."""
        return CorpusError(message, path=self.path, line=self.number if line is None else line)


def text_files(
    source: str | os.PathLike[str], suffixes: tuple[str, ...] = (), encoding: str = "utf-8"
) -> Iterator[TextFile]:
    """Yield the files that a path, folder, glob or archive contains.

    Parameters
    ----------
    source : str or path
    suffixes : tuple of str
        Of a folder or archive, only files with these are read; () for all.
    encoding : str

    Raises
    ------
    FileNotFoundError
        If there are no files; the message lists the closest matches.
    """
    paths = find_paths(os.fspath(source))
    for path in paths:
        if is_archive(path):
            for name, member in archive_members(path):
                if not suffixes or plain_suffix(name) in suffixes:
                    yield TextFile(f"{path}/{name}", encoding, file=member)
        elif len(paths) == 1 or not suffixes or plain_suffix(path) in suffixes:
            yield TextFile(path, encoding)


def suffix_of(source: str | os.PathLike[str]) -> str:
    """Return the suffix of the first file that a path, folder, glob or archive contains."""
    path = find_paths(os.fspath(source))[0]
    if is_archive(path):
        return next((plain_suffix(name) for name, _ in archive_members(path)), "")
    return plain_suffix(path)
