"""JSON lines: one object per line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from corpora.readers.base import Document, Reader, TextFile

# An escape of a character outside of the Basic Multilingual Plane, or of half of one.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class JsonLines(Reader):
    """JSON lines; one field of each object holds the document.

    Parameters
    ----------
    field : str, default "text"
        Name of the field with the document: a string, or a list of tokens.
    """

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    signature = re.compile(rb'\{ ?"[^\n]*\}')
    field: str = "text"

    @property
    def splittable(self) -> bool:  # noqa: D102
        return True

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        for number, line in file.numbered_lines():
            if not line or line.isspace():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise file.error(f"not valid JSON ({error})", number) from error
            if not isinstance(record, dict):
                raise file.error(f"expected a JSON object, got {line[:60]!r}", number)
            if self.field not in record:
                names = ", ".join(sorted(record)[:8]) or "none"
                raise file.error(
                    f"the object has no field {self.field!r}; its fields: {names}", number
                )
            document = self._document(record[self.field], file, number)
            if _SURROGATE.search(line) is None:
                yield document
            elif (whole := _whole(document, file, number)) is not None:
                yield whole

    def _document(self, value: object, file: TextFile, number: int) -> Document:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(token, str) for token in value):
            return value
        raise file.error(
            f"the field {self.field!r} must be a string or a list of strings, got "
            f"{json.dumps(value)[:60]}",
            number,
        )


def _whole(document: Document, file: TextFile, number: int) -> Document | None:
    """Handle halves of surrogate pairs; None if the line is to be skipped."""
    if isinstance(document, str):
        return file.whole_characters(document, number)
    tokens = []
    for token in document:
        whole = file.whole_characters(token, number)
        if whole is None:
            return None
        tokens.append(whole)
    return tokens
