"""JSON lines: one object per line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corpora.readers.base import Document, Reader, TextFile
from corpora.readers.stream import plain_suffix

__all__ = ["JsonLines"]

_BY_LINE = "each line must be a JSON object; convert an array with jq -c '.[]' FILE.json"


def _parse(text: str) -> Any:
    """Parse JSON from text of any origin.

    Raises
    ------
    ValueError
        If it is not valid JSON, is nested too deeply, or a number has too many digits. The
        message is one line, to be completed with the place.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("not valid JSON (brackets are nested too deeply)") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid JSON (not UTF-8: {error.reason})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error})") from None
    except ValueError:  # Python limits the digits of an integer
        raise ValueError("not valid JSON (a number has thousands of digits)") from None


@dataclass(frozen=True)
class JsonLines(Reader):
    """JSON lines; one field of each object holds the document.

    Parameters
    ----------
    field : str, default "text"
        Name of the field with the document: a string, or a list of tokens. Lines in which it is
        null are left out and counted in :attr:`corpora.Corpus.skipped`.
    """

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson", ".json")
    signature = re.compile(rb'\{ ?"[^\n]*\}')
    field: str = "text"

    def accepts(self, path: str) -> bool:  # noqa: D102
        # Data sets come with descriptions in JSON; these are read only if there are no JSON lines.
        return plain_suffix(path) in (".jsonl", ".ndjson")

    @property
    def splittable(self) -> bool:  # noqa: D102
        return True

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        for number, line in file.numbered_lines():
            if not line or line.isspace():
                continue
            try:
                record = _parse(line)
            except ValueError as error:
                reason = _BY_LINE if line.strip() in "[{" else str(error)
                raise file.error(reason, number) from None
            if not isinstance(record, dict):
                advice = f"; {_BY_LINE}" if isinstance(record, list) else ""
                raise file.error(f"expected a JSON object, got {line[:60]!r}{advice}", number)
            if self.field not in record:
                names = ", ".join(sorted(record)[:8]) or "none"
                raise file.error(
                    f"the object has no field {self.field!r}; its fields: {names}", number
                )
            value = record[self.field]
            if line.count(f'"{self.field}"') > 1 and self._is_repeated(line):
                raise file.error(
                    f"the field {self.field!r} occurs more than once in this object", number
                )
            if value is None:
                file.skip()
                continue
            self._check(value, file, number)
            # A character reference may stand for half a surrogate pair.
            if "\\ud" in line or "\\uD" in line:
                value = _encodable(value, file, number)
                if value is None:
                    file.skip()
                    continue
            yield value

    def _is_repeated(self, line: str) -> bool:
        """Whether the document's field is repeated in the outermost object, the last one parsed."""
        last: list[tuple[str, Any]] = []

        def keep(pairs: list[tuple[str, Any]]) -> None:
            last[:] = pairs

        json.loads(line, object_pairs_hook=keep)
        return [name for name, _ in last].count(self.field) > 1

    def _check(self, value: object, file: TextFile, number: int) -> None:
        if isinstance(value, str):
            return
        if isinstance(value, list):
            invalid = next((i for i, token in enumerate(value) if not isinstance(token, str)), None)
            if invalid is None:
                return
            raise file.error(
                f"the field {self.field!r} must be a string or a list of strings, got the token "
                f"{json.dumps(value[invalid])[:60]} at position {invalid}",
                number,
            )
        raise file.error(
            f"the field {self.field!r} must be a string or a list of strings, got "
            f"{json.dumps(value)[:60]}",
            number,
        )


def _encodable(value: Document, file: TextFile, number: int) -> Document | None:
    """The document without halves of surrogate pairs; None if the line is to be left out."""
    if isinstance(value, str):
        return file.without_surrogates(value, number)
    tokens = []
    for token in value:
        whole = file.without_surrogates(token, number)
        if whole is None:
            return None
        tokens.append(whole)
    return tokens
