"""Parquet files of token vectors.

pyarrow takes longer to write lists of floats than embedding takes to compute them, since it
derives from each value where its list begins and that it is not null. Here, all lists have the
same length, and nothing is null: these levels are the same for all pages.

The format is that of https://parquet.apache.org/docs/file-format/, with structs of parquet.thrift
in Thrift's compact protocol.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from conec.cli.vector_files import Sink, TokenVectors

_MAGIC = b"PAR1"
_PAGE_ROWS = 1 << 12  # a page has at most 2 GiB
# physical types, encodings, codecs, and kinds of pages, repetition and annotations of the format
_BOOLEAN, _INT64, _FLOAT, _BYTE_ARRAY = 0, 2, 4, 6
_PLAIN, _RLE = 0, 3
_UNCOMPRESSED, _ZSTD = 0, 6
_DATA_PAGE = 0
_OPTIONAL, _REPEATED = 1, 2
_UTF8, _LIST = 0, 3
_COLUMNS = (
    ("document", _INT64), ("position", _INT64), ("token", _BYTE_ARRAY), ("found", _BOOLEAN)
)  # fmt: skip


class ParquetTokens:
    """Tokens with vectors as rows of a table; a block is a row group.

    Parameters
    ----------
    sink : Sink
    size : int
        Number of dimensions.
    """

    def __init__(self, sink: Sink, size: int) -> None:
        import pyarrow as pa

        self._sink, self._size = sink, size
        self._codec = pa.Codec("zstd")
        self._groups: list[dict[int, Any]] = []
        self._n = 0
        sink.write(_MAGIC)

    def add(self, block: TokenVectors) -> None:
        """Write a block; one without vectors is skipped, as an earlier run has written it."""
        n, at = len(block), self._sink.position
        values = {
            "document": block.document.astype("<i8", copy=False).tobytes(),
            "position": block.position.astype("<i8", copy=False).tobytes(),
            "token": _byte_arrays(block.bounds, block.text),
            "found": np.packbits(block.found, bitorder="little").tobytes(),
        }
        columns = []
        for name, kind in _COLUMNS:
            start = self._sink.position
            content = _levels(n, 1) + values[name]
            compressed = self._codec.compress(content, asbytes=True)
            header = _page_header(n, len(content), len(compressed))
            self._sink.write(header)
            self._sink.write(compressed)
            sizes = len(header) + len(content), len(header) + len(compressed)
            columns.append(_chunk([name], kind, _ZSTD, n, sizes, start))
        start = self._sink.position
        for first in range(0, n, _PAGE_ROWS):
            rows = min(_PAGE_ROWS, n - first)
            levels = self._first_values(rows) + _levels(rows * self._size, 3)
            n_bytes = 4 * rows * self._size
            length = len(levels) + n_bytes
            self._sink.write(_page_header(rows * self._size, length, length) + levels)
            if block.vector is None:
                self._sink.skip(n_bytes)
            else:
                vectors = block.vector[first : first + rows]
                self._sink.write(np.ascontiguousarray(vectors, "<f4").reshape(-1))
        size = self._sink.position - start
        path = ["vector", "list", "element"]
        columns.append(_chunk(path, _FLOAT, _UNCOMPRESSED, n * self._size, (size, size), start))
        self._groups.append({1: columns, 2: _Long(self._sink.position - at), 3: _Long(n)})
        self._n += n

    def _first_values(self, rows: int) -> bytes:
        """Repetition levels: 0 where a list begins, 1 elsewhere; in runs of equal values."""
        run = _varint(1 << 1) + b"\0"
        if self._size > 1:
            run += _varint((self._size - 1) << 1) + b"\1"
        return _with_length(run * rows)

    def close(self) -> None:
        """Write the footer."""
        import pyarrow as pa

        kinds = pa.int64(), pa.int64(), pa.string(), pa.bool_()
        names = [name for name, _ in _COLUMNS]
        vector = pa.list_(pa.float32(), self._size)
        schema = pa.schema([*zip(names, kinds, strict=True), ("vector", vector)])
        # without it, readers would find lists of any length
        arrow = base64.b64encode(schema.serialize().to_pybytes())
        elements: list[dict[int, Any]] = [{4: b"schema", 5: 5}]
        for name, kind in _COLUMNS:
            element: dict[int, Any] = {1: kind, 3: _OPTIONAL, 4: name.encode()}
            if kind == _BYTE_ARRAY:
                element |= {6: _UTF8, 10: {1: {}}}
            elements.append(element)
        elements += [
            {3: _OPTIONAL, 4: b"vector", 5: 1, 6: _LIST, 10: {3: {}}},
            {3: _REPEATED, 4: b"list", 5: 1},
            {1: _FLOAT, 3: _OPTIONAL, 4: b"element"},
        ]
        footer = _encoded(
            {
                1: 2, 2: elements, 3: _Long(self._n), 4: self._groups,
                5: [{1: b"ARROW:schema", 2: arrow}], 6: b"similarity-encoders",
            }
        )  # fmt: skip
        self._sink.write(footer + len(footer).to_bytes(4, "little") + _MAGIC)


def _byte_arrays(bounds: npt.NDArray[np.int64], text: npt.NDArray[np.uint8]) -> bytes:
    """Strings with the length of each before it, in four bytes."""
    lengths = np.diff(bounds).astype("<u4")
    at = bounds[:-1] + 4 * np.arange(len(lengths))
    result = np.empty(len(text) + 4 * len(lengths), np.uint8)
    is_text = np.ones(len(result), np.bool_)
    for i, part in enumerate(lengths.view(np.uint8).reshape(-1, 4).T):
        result[at + i], is_text[at + i] = part, False
    result[is_text] = text
    return result.tobytes()


def _levels(n: int, level: int) -> bytes:
    """Definition levels of values that are not null: a run of n equal levels."""
    return _with_length(_varint(n << 1) + bytes([level]))


def _with_length(levels: bytes) -> bytes:
    return len(levels).to_bytes(4, "little") + levels


def _page_header(n_values: int, n_bytes: int, n_compressed: int) -> bytes:
    about = {1: n_values, 2: _PLAIN, 3: _RLE, 4: _RLE}
    return _encoded({1: _DATA_PAGE, 2: n_bytes, 3: n_compressed, 5: about})


def _chunk(
    path: list[str], kind: int, codec: int, n_values: int, sizes: tuple[int, int], at: int
) -> dict[int, Any]:
    """Metadata of a column of a row group; sizes are those before and after compression."""
    about = {
        1: kind, 2: [_PLAIN, _RLE], 3: [name.encode() for name in path], 4: codec,
        5: _Long(n_values), 6: _Long(sizes[0]), 7: _Long(sizes[1]), 9: _Long(at),
    }  # fmt: skip
    return {2: _Long(at), 3: about}


# Thrift's compact protocol


class _Long(int):
    """A number that is an i64, not an i32."""


_I32, _I64, _BINARY, _SEQUENCE, _STRUCT = 5, 6, 8, 9, 12


def _kind(value: Any) -> int:
    if isinstance(value, _Long):
        return _I64
    return {int: _I32, bytes: _BINARY, list: _SEQUENCE, dict: _STRUCT}[type(value)]


def _encoded(value: Any) -> bytes:
    """Encode a number, a string, a list, or a struct, which is a dict by numbers of fields."""
    if isinstance(value, int):
        return _varint(value << 1)  # zigzag; none is negative
    if isinstance(value, bytes):
        return _varint(len(value)) + value
    if isinstance(value, list):
        kind, n = _kind(value[0]) if value else _STRUCT, len(value)
        head = bytes([n << 4 | kind]) if n < 15 else bytes([0xF0 | kind]) + _varint(n)
        return head + b"".join(map(_encoded, value))
    fields, last = [], 0
    for number, item in value.items():
        fields.append(bytes([(number - last) << 4 | _kind(item)]) + _encoded(item))
        last = number
    return b"".join(fields) + b"\0"


def _varint(value: int) -> bytes:
    """Seven bits in a byte, the lowest first."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)
