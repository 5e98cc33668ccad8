"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from corpora.readers.base import Document, Reader, TextFile


@dataclass(frozen=True)
class JsonLines(Reader):
    """JSON lines, the document in one field of each.

    Parameters
    ----------
    field : str, default "text"
        The field that holds the document: a string, or a list of tokens.
    """

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    field: str = "text"

    @property
    def splittable(self) -> bool:  # noqa: D102
        return True

    @classmethod
    def sniff(cls, head: bytes) -> bool:  # noqa: D102
        return head.startswith((b'{"', b'{ "')) and b"}" in head.split(b"\n", 1)[0]

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        for number, line in file.numbered_lines():
            if not line or line.isspace():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise file.error(f"not valid JSON ({error})", number) from error
            if not isinstance(record, dict):
                raise file.error(f"not a JSON object: {line[:60]!r}", number)
            if self.field not in record:
                has = ", ".join(sorted(record)[:8]) or "none"
                raise file.error(f"there is no field {self.field!r}; it has: {has}", number)
            yield self._document(record[self.field], file, number)

    def _document(self, value: object, file: TextFile, number: int) -> Document:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(token, str) for token in value):
            return value
        raise file.error(
            f"the field {self.field!r} is neither a string nor a list of strings", number
        )
