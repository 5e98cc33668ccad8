"""Reuters-21578, as distributed: SGML files of 1,000 newswire stories each."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from corpora.readers.base import Document, Reader, TextFile

_TITLE = re.compile(r"<TITLE>(.*?)</TITLE>", re.S)
_BODY = re.compile(r"<BODY>(.*?)</BODY>", re.S)
_TEXT = re.compile(r"<TEXT[^>]*>(.*?)</TEXT>", re.S)
_TAG = re.compile(r"</?[A-Z]+[^>]*>")
# Control characters of the wire, written as &#2; and the like.
_CONTROL = re.compile(r"&#(?:[0-8]|1[0-9]|2[0-9]|3[01]|127);?")


@dataclass(frozen=True)
class Reuters(Reader):
    """Reuters-21578: a file, the folder of all files, or their archive.

    Stories without the part that is asked for are left out: of the 21,578,
    19,043 have a body.

    Parameters
    ----------
    part : {"body", "title", "all"}, default "body"
        What to read of each story; "all" is the whole text, with title,
        dateline and, in the unprocessed stories, what stands for a body.
    """

    name = "reuters"
    suffixes = (".sgm", ".sgml")
    encoding = "latin-1"
    part: Literal["body", "title", "all"] = "body"

    def __post_init__(self) -> None:
        if self.part not in ("body", "title", "all"):
            raise ValueError(f"part is 'body', 'title' or 'all', not {self.part!r}")

    @classmethod
    def sniff_paths(cls, paths: Sequence[str]) -> bool:  # noqa: D102
        names = [os.path.basename(path).lower() for path in paths]
        return any(name.startswith(("reut2-", "reuters21578.t")) for name in names)

    @classmethod
    def sniff(cls, head: bytes) -> bool:  # noqa: D102
        return head.startswith(b"<!DOCTYPE lewis")

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        for story in _stories(file):
            text = self._text(story)
            if text:
                yield html.unescape(_CONTROL.sub(" ", text))

    def _text(self, story: str) -> str:
        if self.part == "all":
            found = _TEXT.search(story)
            return _TAG.sub(" ", found[1]) if found else ""
        found = (_BODY if self.part == "body" else _TITLE).search(story)
        return found[1] if found else ""


def _stories(file: TextFile) -> Iterator[str]:
    begun = 0
    lines: list[str] = []
    for number, line in file.numbered_lines():
        if line.startswith("<REUTERS"):
            if begun:
                raise file.error("<REUTERS> is not closed before the next begins", begun)
            begun = number
        if begun:
            lines.append(line)
        if "</REUTERS>" in line:
            yield "\n".join(lines)
            lines = []
            begun = 0
    if begun:
        raise file.error("<REUTERS> is not closed at the end of the file", begun)
