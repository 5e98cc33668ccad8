"""The output of WikiExtractor: articles in <doc> tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from corpora.readers.base import Document, Reader, TextFile


@dataclass(frozen=True)
class WikiExtractor(Reader):
    """Articles as ``<doc ...>``, a title line, paragraphs and ``</doc>``.

    Parameters
    ----------
    unit : {"document", "paragraph"}, default "document"
        What is a document of the corpus: an article, or each line of one.
    title : bool, default True
        Whether the title is part of the article (for paragraphs: the first).
    """

    name = "wikiextractor"
    unit: Literal["document", "paragraph"] = "document"
    title: bool = True

    def __post_init__(self) -> None:
        if self.unit not in ("document", "paragraph"):
            raise ValueError(f"unit is 'document' or 'paragraph', not {self.unit!r}")

    @classmethod
    def sniff(cls, head: bytes) -> bool:  # noqa: D102
        return head.lstrip().startswith(b"<doc id=")

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        begun = 0  # the line of <doc>, 0 outside of articles
        lines: list[str] = []
        for number, line in file.numbered_lines():
            if line.startswith("<doc ") and line.rstrip().endswith(">"):
                if begun:
                    raise file.error("<doc> is not closed before the next begins", begun)
                begun = number
            elif line.rstrip().endswith("</doc>"):
                if not begun:
                    raise file.error("</doc> without a <doc> before it", number)
                begun = 0
                # Some versions do not begin a line for it.
                if last := line.rstrip().removesuffix("</doc>").strip():
                    lines.append(last)
                texts = lines if self.title else lines[1:]
                lines = []
                if self.unit == "paragraph":
                    yield from texts
                else:
                    yield "\n".join(texts)
            elif line and not line.isspace():
                if not begun:
                    raise file.error(f"text outside of <doc>: {line[:60]!r}", number)
                lines.append(line)
        if begun:
            raise file.error("<doc> is not closed at the end of the file", begun)
