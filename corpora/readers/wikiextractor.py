"""Output of WikiExtractor: articles in <doc> tags."""

from __future__ import annotations

import re
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
        The unit that becomes a document: an article, or each line of one.
    title : bool, default True
        Whether to include the title (for paragraphs: as the first paragraph).
    """

    name = "wikiextractor"
    signature = re.compile(rb"\s*<doc id=")
    unit: Literal["document", "paragraph"] = "document"
    title: bool = True

    def __post_init__(self) -> None:
        if self.unit not in ("document", "paragraph"):
            raise ValueError(f"unit must be 'document' or 'paragraph', got {self.unit!r}")

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        opened = 0  # line number of the current <doc>; 0 outside of articles
        lines: list[str] = []
        for number, line in file.numbered_lines():
            if line.startswith("<doc ") and line.rstrip().endswith(">"):
                if opened:
                    raise file.error("<doc> is not closed before the next <doc>", opened)
                opened = number
            elif line.rstrip().endswith("</doc>"):
                if not opened:
                    raise file.error("</doc> without a preceding <doc>", number)
                opened = 0
                # Some versions write </doc> at the end of the last paragraph.
                if last := line.rstrip().removesuffix("</doc>").strip():
                    lines.append(last)
                texts = lines if self.title else lines[1:]
                lines = []
                if self.unit == "paragraph":
                    yield from texts
                else:
                    yield "\n".join(texts)
            elif line and not line.isspace():
                if not opened:
                    raise file.error(f"text outside of <doc>: {line[:60]!r}", number)
                lines.append(line)
        if opened:
            raise file.error("<doc> is not closed at the end of the file", opened)
