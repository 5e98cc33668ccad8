"""Text without line ends, such as text8, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from corpora.readers.base import Document, Reader, TextFile

# Longer ones are refused, so that a file of another kind does not fill the memory.
_LONGEST_WORD = 1 << 27


@dataclass(frozen=True)
class Text8(Reader):
    """One long sequence of words separated by whitespace, such as text8 or text9.

    The file is a single document, which may not fit in memory. It is therefore split into
    documents of a fixed length. A context window ends at such a split; with the default length
    this affects about one window in a thousand.

    Parameters
    ----------
    document_length : int or None, default 10_000
        Tokens per document. None reads the file as one document, which needs memory for all of
        its tokens.
    """

    name = "text8"
    signature = re.compile(rb"[^\n]{1048576}")  # no line end in the first MiB
    path_pattern = re.compile(r"(?:^|[/\\])text[89][^/\\]*$")
    document_length: int | None = 10_000

    def __post_init__(self) -> None:
        if self.document_length is not None and self.document_length < 1:
            raise ValueError(f"document_length must be >= 1, got {self.document_length}")

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        length = self.document_length
        tokens: list[str] = []
        incomplete: list[str] = []  # pieces of a word that may continue in the next chunk
        size = 0
        for chunk in file.chunks():
            words = chunk.split()
            starts, ends = chunk[0].isspace(), chunk[-1].isspace()
            if incomplete and (starts or ends or len(words) > 1):
                if not starts:
                    incomplete.append(words.pop(0))
                tokens.append("".join(incomplete))
                incomplete, size = [], 0
            if words and not ends:
                incomplete.append(words.pop())
                size += len(incomplete[-1])
                if size > _LONGEST_WORD:
                    raise file.error(
                        f"a word has more than {_LONGEST_WORD:,} characters; text8 needs words "
                        "that are separated by whitespace"
                    )
            tokens += words
            if length is not None and len(tokens) >= length:
                whole = len(tokens) - len(tokens) % length
                for start in range(0, whole, length):
                    yield tokens[start : start + length]
                tokens = tokens[whole:]
        if incomplete:
            tokens.append("".join(incomplete))
        # This last word can complete one document, but not more than one.
        if tokens:
            yield tokens
