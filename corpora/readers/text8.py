"""Text without line ends, such as text8: any size in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpora.readers.base import Document, Reader, TextFile


@dataclass(frozen=True)
class Text8(Reader):
    """One long run of words parted by white space, such as text8 or text9.

    The file is one document, which need not fit in memory. It is therefore
    handed on in pieces, each a document of its own to whoever reads the
    corpus: windows that would reach over the border of two pieces are cut
    there, about one in a thousand with the default.

    Parameters
    ----------
    document_length : int or None, default 10_000
        Tokens in each piece; None gives the whole file as one list, which
        needs memory for all of its tokens.
    """

    name = "text8"
    document_length: int | None = 10_000

    def __post_init__(self) -> None:
        if self.document_length is not None and self.document_length < 1:
            raise ValueError(f"document_length is at least 1, not {self.document_length}")

    @classmethod
    def sniff_paths(cls, paths: Sequence[str]) -> bool:  # noqa: D102
        return all(os.path.basename(path).startswith(("text8", "text9")) for path in paths)

    @classmethod
    def sniff(cls, head: bytes) -> bool:  # noqa: D102
        # A first line of a MiB or more is hardly a line.
        return len(head) >= 1 << 20 and b"\n" not in head

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        length = self.document_length
        tokens: list[str] = []
        rest = ""
        for chunk in file.chunks():
            words = (rest + chunk).split()
            # The last word may go on in the next chunk.
            rest = words.pop() if words and not chunk[-1].isspace() else ""
            tokens += words
            if length is not None and len(tokens) >= length:
                whole = len(tokens) - len(tokens) % length
                for start in range(0, whole, length):
                    yield tokens[start : start + length]
                tokens = tokens[whole:]
        if rest:
            tokens.append(rest)
        # The last word can make one piece full, but never more than one.
        if tokens:
            yield tokens
