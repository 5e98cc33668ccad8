"""Plain text: each line, paragraph or file is a document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from corpora.readers.base import Document, Reader, TextFile


@dataclass(frozen=True)
class Text(Reader):
    """Plain text.

    Parameters
    ----------
    unit : {"line", "paragraph", "file"}, default "line"
        The unit that becomes a document. Paragraphs are separated by blank lines.
    """

    name = "text"
    unit: Literal["line", "paragraph", "file"] = "line"

    def __post_init__(self) -> None:
        if self.unit not in ("line", "paragraph", "file"):
            raise ValueError(f"unit must be 'line', 'paragraph' or 'file', got {self.unit!r}")

    @property
    def splittable(self) -> bool:  # noqa: D102
        return self.unit == "line"

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        if self.unit == "line":
            return file.lines()
        if self.unit == "file":
            return iter(["\n".join(file.lines())])
        return _paragraphs(file)


def _paragraphs(file: TextFile) -> Iterator[str]:
    lines: list[str] = []
    for line in file.lines():
        if line and not line.isspace():
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
