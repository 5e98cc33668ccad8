"""One token per line, in columns, as in the CoNLL shared tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from corpora.readers.base import Document, Reader, TaggedDocument, TextFile

BREAK = ""
"""Token between two sentences of a document. It takes up a position but is not a word."""

_DOCSTART = "-DOCSTART-"


def with_breaks(sentences: Iterable[Sequence[str]]) -> list[str]:
    """Concatenate sentences, with a :data:`BREAK` between two of them."""
    tokens: list[str] = []
    for number, sentence in enumerate(sentences):
        tokens += [BREAK, *sentence] if number else sentence
    return tokens


@dataclass(frozen=True)
class Conll(Reader):
    """Columns separated by whitespace, with a blank line between sentences.

    Lines that begin with ``-DOCSTART-`` separate documents; a file without such a line is one
    document.

    Parameters
    ----------
    unit : {"document", "sentence"}, default "document"
        The unit that becomes a document.
    column : int, default 0
        Column with the words, from 0; negative numbers count from the last column.
    breaks : bool, default False
        Insert the token :data:`corpora.BREAK` between the sentences of a document.
    """

    name = "conll"
    suffixes = (".conll", ".iob", ".iob2", ".bio")
    signature = re.compile(rb"\s*-DOCSTART-")
    unit: Literal["document", "sentence"] = "document"
    column: int = 0
    breaks: bool = False

    def __post_init__(self) -> None:
        if self.unit not in ("document", "sentence"):
            raise ValueError(f"unit must be 'document' or 'sentence', got {self.unit!r}")
        if self.breaks and self.unit == "sentence":
            raise ValueError("breaks=True needs unit='document', got unit='sentence'")

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        column = self.column
        for document in self.tagged(file):
            sentences = [[row[column] for row in sentence] for sentence in document]
            if self.unit == "sentence":
                yield from sentences
            else:
                yield with_breaks(sentences) if self.breaks else [*chain(*sentences)]

    def tagged(self, file: TextFile) -> Iterator[TaggedDocument]:  # noqa: D102
        width = 0
        sentences: TaggedDocument = []
        rows: list[tuple[str, ...]] = []
        for number, line in file.numbered_lines():
            row = tuple(line.split())
            if row and row[0] != _DOCSTART:
                if not width:
                    width = len(row)
                    if not -width <= self.column < width:
                        raise file.error(
                            f"there is no column {self.column}: the line has {width} columns, "
                            "counted from 0",
                            number,
                        )
                if len(row) < width:
                    raise file.error(
                        f"expected {width} columns as in the first line, got {len(row)}: "
                        f"{line[:60]!r}",
                        number,
                    )
                rows.append(row)
                continue
            if rows:
                sentences.append(rows)
                rows = []
            if row and sentences:
                yield sentences
                sentences = []
        if rows:
            sentences.append(rows)
        if sentences:
            yield sentences
