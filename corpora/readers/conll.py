"""Columns, one token a line, as in the CoNLL shared tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from corpora.readers.base import Document, Reader, TaggedDocument, TextFile

BREAK = ""
"""Token that parts sentences in a document: it takes a position but is no word."""

_DOCSTART = "-DOCSTART-"


def with_breaks(sentences: Iterable[Sequence[str]]) -> list[str]:
    """The tokens of sentences, with a :data:`BREAK` between two of them."""
    tokens: list[str] = []
    for number, sentence in enumerate(sentences):
        tokens += [BREAK, *sentence] if number else sentence
    return tokens


@dataclass(frozen=True)
class Conll(Reader):
    """Columns parted by white space, a blank line between sentences.

    Lines that begin with ``-DOCSTART-`` part the documents; a file without
    any is one document.

    Parameters
    ----------
    unit : {"document", "sentence"}, default "document"
        What is a document of the corpus.
    column : int, default 0
        The column that holds the words; negative ones count from the last.
    breaks : bool, default False
        Put the token :data:`corpora.BREAK` between the sentences of a document.
    """

    name = "conll"
    suffixes = (".conll", ".iob", ".iob2", ".bio")
    unit: Literal["document", "sentence"] = "document"
    column: int = 0
    breaks: bool = False

    def __post_init__(self) -> None:
        if self.unit not in ("document", "sentence"):
            raise ValueError(f"unit is 'document' or 'sentence', not {self.unit!r}")
        if self.breaks and self.unit == "sentence":
            raise ValueError("breaks go between the sentences of a document: unit='document'")

    @classmethod
    def sniff(cls, head: bytes) -> bool:  # noqa: D102
        return head.lstrip().startswith(_DOCSTART.encode())

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
                            f"there is no column {self.column} among {width} (counted from 0)",
                            number,
                        )
                if len(row) < width:
                    raise file.error(
                        f"{len(row)} columns where the first line has {width}: {line[:60]!r}",
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
