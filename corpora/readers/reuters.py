"""Reuters-21578 as distributed: SGML files of 1,000 newswire stories each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from corpora.cleaning import replace_spans, unescape
from corpora.readers.base import Document, Reader, TextFile

_TAG, _TAG_END = re.compile(r"</?[A-Z]+"), re.compile(">")
_NAMES = re.compile(r"(?:^|[/\\])(?:reut2-|reuters21578\.t)[^/\\]*$", re.I)
# Control characters of the newswire, written as character references such as &#2;
_CONTROL = re.compile(r"&#(?:[0-8]|1[0-9]|2[0-9]|3[01]|127);?")


@dataclass(frozen=True)
class Reuters(Reader):
    """Reuters-21578: a file, the folder with all files, or the archive.

    Stories without the requested part are skipped: of the 21,578 stories, 19,043 have a body.

    Parameters
    ----------
    part : {"body", "title", "all"}, default "body"
        Part of each story to read. "all" is the whole text, including title and dateline, and
        the text of stories without a marked body.
    """

    name = "reuters"
    suffixes = (".sgm", ".sgml")
    signature = re.compile(rb"<!DOCTYPE lewis")
    path_pattern = folder_pattern = _NAMES
    encoding = "latin-1"
    part: Literal["body", "title", "all"] = "body"

    def __post_init__(self) -> None:
        if self.part not in ("body", "title", "all"):
            raise ValueError(f"part must be 'body', 'title' or 'all', got {self.part!r}")

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        for number, story in _stories(file):
            name = "TEXT" if self.part == "all" else self.part.upper()
            opening = story.find("<TEXT" if name == "TEXT" else f"<{name}>")
            if opening < 0:
                continue
            start = story.find(">", opening) + 1
            end = story.find(f"</{name}>", start)
            if end < 0:
                raise file.error(f"<{name}> is not closed in this <REUTERS>", number)
            text = story[start:end]
            if self.part == "all":
                text = replace_spans(text, _TAG, _TAG_END, ">", " ")
            if text:
                yield unescape(_CONTROL.sub(" ", text))


def _stories(file: TextFile) -> Iterator[tuple[int, str]]:
    """Yield the line number and the lines of each story."""
    opened = 0  # line number of the current <REUTERS>; 0 outside of stories
    lines: list[str] = []
    for number, line in file.numbered_lines():
        if line.startswith("<REUTERS"):
            if opened:
                raise file.error("<REUTERS> is not closed before the next <REUTERS>", opened)
            opened = number
        if opened:
            lines.append(line)
        if "</REUTERS>" in line:
            if not opened:
                raise file.error("</REUTERS> without a preceding <REUTERS>", number)
            yield opened, "\n".join(lines)
            lines = []
            opened = 0
    if opened:
        raise file.error("<REUTERS> is not closed at the end of the file", opened)
