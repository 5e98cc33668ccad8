"""Files of token vectors: NumPy, Parquet, Arrow, TSV and JSON lines."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from corpora.checks import check_encodable
from corpora.output import COMPRESSED, encode_text

if TYPE_CHECKING:
    import numpy.typing as npt

    from conec.types import BoolArray

_LARGEST_COLUMN = 1 << 30  # bytes
_COLUMNS = ("document", "position", "token", "found")
# Types of vectors, with the number of digits that identify a value.
DIGITS = {"float32": 9, "float16": 5}
_SUFFIXES = (
    "must be .npz, .parquet, .arrow, .tsv or .jsonl; the last two can be compressed (.tsv.gz)"
)


@dataclass(frozen=True)
class TokenVectors:
    """Consecutive tokens of documents, and their vectors.

    Attributes
    ----------
    document, position : int64 arrays of shape (n,)
        Number of the document, and position of the token in it.
    bounds : int64 array of shape (n + 1,)
    text : uint8 array
        Token j is ``text[bounds[j]:bounds[j + 1]]`` in UTF-8.
    found : bool array of shape (n,)
        Whether the token has an embedding.
    vector : float32 or float16 array of shape (n, d), or None
        None if an earlier run has written the vectors.
    """

    document: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]
    found: BoolArray
    vector: npt.NDArray[np.floating[Any]] | None

    def __len__(self) -> int:
        return len(self.document)

    def tokens(self) -> list[str]:
        """The tokens as strings."""
        data = self.text.tobytes()
        if data.isascii():
            text = data.decode("ascii")
            return [text[start:stop] for start, stop in pairwise(self.bounds.tolist())]
        return [
            data[start:stop].decode("utf-8", "surrogatepass")
            for start, stop in pairwise(self.bounds.tolist())
        ]


class Sink:
    """A binary output, of which an earlier run may have written the first bytes.

    Parameters
    ----------
    file : binary file
    start : int
        Number of bytes that are there already: writing them again has no effect.

    Attributes
    ----------
    position : int
        Number of bytes written.
    """

    closed = False

    def __init__(self, file: IO[bytes], start: int = 0) -> None:
        self._file, self._start, self.position = file, start, 0

    def write(self, data: Any) -> int:
        """Write bytes, or an array."""
        n = memoryview(data).nbytes
        if n and self.position >= self._start:
            left = memoryview(data).cast("B")
            while len(left):  # an unbuffered file may write a part
                left = left[self._file.write(left) :]
        self.position += n
        return n

    def skip(self, n: int) -> None:
        """Skip bytes that an earlier run has written."""
        self.position += n

    def rewrite(self, position: int, data: bytes) -> None:
        """Replace bytes that were written."""
        self._file.seek(position)
        self._file.write(data)
        self._file.seek(self.position)

    # pyarrow calls these

    def tell(self) -> int:
        """Number of bytes written."""
        return self.position

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """Do nothing: whoever opened the file closes it."""

    def writable(self) -> bool:
        """True."""
        return True

    def readable(self) -> bool:
        """False."""
        return False

    def seekable(self) -> bool:
        """False."""
        return False


class VectorWriter(Protocol):
    """Writes blocks of token vectors to a `Sink`."""

    def add(self, block: TokenVectors) -> None:
        """Write a block."""

    def close(self) -> None:
        """Write the end of the file."""

    def state(self) -> dict[str, int]:
        """What a later run has to know to continue, besides the blocks; to pass it as `state`."""


def kind_of(out: str) -> str:
    """Choose a format by the suffix of a path; "-", which is standard output, is TSV.

    Returns
    -------
    str
        "npz", "parquet", "arrow", "tsv" or "jsonl".

    Raises
    ------
    ValueError
        If the suffix is unknown.
    ImportError
        If pyarrow, which Parquet and Arrow need, is not installed.
    """
    if out == "-":
        return "tsv"
    suffixes = Path(out).suffixes
    if suffixes[-1:] in ([".npz"], [".parquet"], [".arrow"]):
        if suffixes[-1] != ".npz":
            try:
                import pyarrow  # noqa: F401
            except ImportError as error:
                raise ImportError(
                    f"{out}: writing {suffixes[-1]} needs pyarrow: "
                    "pip install 'similarity-encoders[parquet]'"
                ) from error
        return suffixes[-1][1:]
    kind = suffixes[-2:-1] if suffixes and suffixes[-1] in COMPRESSED else suffixes[-1:]
    if kind not in ([".tsv"], [".jsonl"]):
        raise ValueError(f"{out}: the suffix {_SUFFIXES}")
    return kind[0][1:]


def writer(
    kind: str, sink: Sink, size: int, dtype: str, out: str, state: dict[str, int] | None = None
) -> VectorWriter:
    """Begin a file, or continue it.

    Parameters
    ----------
    kind : str
        From `kind_of`.
    sink : Sink
    size : int
        Number of dimensions.
    dtype : {"float32", "float16"}
        Type of the vectors of all blocks.
    out : str
        Name of the file, for errors.
    state : dict, optional
        State of the writer that wrote the first blocks.
    """
    kinds: dict[str, Callable[..., VectorWriter]] = {
        "npz": _Npz, "parquet": _Parquet, "arrow": _Arrow, "tsv": _Tsv, "jsonl": _JsonLines
    }  # fmt: skip
    return kinds[kind](sink, size, dtype, out, **(state or {}))


# Text


class _Text:
    """Lines of text."""

    def __init__(self, sink: Sink, size: int, dtype: str, out: str, written: int = 0) -> None:
        self._sink, self._size, self._out = sink, size, out
        self._number = f"%.{DIGITS[dtype]}g"
        sink.write(self._header())
        sink.skip(max(0, written - sink.position))  # blocks of an earlier run

    def _header(self) -> bytes:
        return b""

    def add(self, block: TokenVectors) -> None:
        """Write a block."""
        if block.vector is None:
            return
        rows = zip(
            block.document.tolist(), block.position.tolist(), block.tokens(), block.found.tolist(),
            map(tuple, block.vector.tolist()), strict=True,
        )  # fmt: skip
        self._sink.write(encode_text("".join(self._lines(rows)), self._out))

    def _lines(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing: there is no end."""

    def state(self) -> dict[str, int]:
        """Number of bytes."""
        return {"written": self._sink.position}


class _Tsv(_Text):
    def _header(self) -> bytes:
        names = [*_COLUMNS, *(f"v{i}" for i in range(self._size))]
        return ("\t".join(names) + "\n").encode()

    def _lines(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
        values = "\t".join([self._number] * self._size)
        for document, position, token, found, vector in rows:
            if any(mark in token for mark in "\t\r\n"):
                raise ValueError(
                    f"TSV cannot hold the token {token!r}: write .jsonl, .npz or .parquet"
                )
            yield f"{document}\t{position}\t{token}\t{int(found)}\t{values % vector}\n"


class _JsonLines(_Text):
    def _lines(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
        # json.dumps would write seventeen digits
        values = ", ".join([self._number] * self._size)
        for *about, vector in rows:
            start = json.dumps(dict(zip(_COLUMNS, about, strict=True)), ensure_ascii=False)
            yield f'{start[:-1]}, "vector": [{values % vector}]}}\n'


# Tables


class _Table:
    """A table with a column of lists of fixed size, by pyarrow.

    Sizes of the parts of a file do not depend on the vectors. To continue a file, blocks are
    written again, with zeros as vectors, to a sink that ignores them.
    """

    def __init__(self, sink: Sink, size: int, dtype: str, out: str) -> None:
        import pyarrow as pa

        kinds = pa.int64(), pa.int64(), pa.string(), pa.bool_()
        # Parquet is written faster if no number can be null
        numbers = pa.field("element", pa.from_numpy_dtype(dtype), nullable=False)
        vector = pa.field("vector", pa.list_(numbers, size), nullable=False)
        self._schema = pa.schema([*zip(_COLUMNS, kinds, strict=True), vector])
        self._size, self._dtype, self._out = size, dtype, out
        self._table = self._open(sink)

    def _open(self, sink: Sink) -> Any:
        raise NotImplementedError

    def add(self, block: TokenVectors) -> None:
        """Write a block."""
        import pyarrow as pa

        try:
            block.text.tobytes().decode()
        except UnicodeDecodeError:
            check_encodable(block.tokens(), f"{self._out}: a token")
        vectors = block.vector
        if vectors is None:
            vectors = np.zeros((len(block), self._size), self._dtype)
        bounds = pa.py_buffer(block.bounds.astype(np.int32))
        arrays = [
            pa.array(block.document),
            pa.array(block.position),
            pa.StringArray.from_buffers(len(block), bounds, pa.py_buffer(block.text)),
            pa.array(block.found),
            pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.ravel()), type=self._schema.field("vector").type
            ),
        ]
        self._table.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the end of the file."""
        self._table.close()

    def state(self) -> dict[str, int]:
        """Empty: the blocks are enough."""
        return {}


class _Arrow(_Table):
    def _open(self, sink: Sink) -> Any:
        import pyarrow as pa

        return pa.ipc.new_file(sink, self._schema)


class _Parquet(_Table):
    def _open(self, sink: Sink) -> Any:
        import pyarrow.parquet as pq

        # vectors are hardly compressible, and have no values that occur several times; nobody
        # looks for their largest values
        return pq.ParquetWriter(
            sink,
            self._schema,
            compression=dict.fromkeys(_COLUMNS, "zstd") | {"vector.list.element": "none"},
            use_dictionary=["token"],
            write_statistics=list(_COLUMNS),
        )


# NumPy


class _Npz:
    """Arrays in an uncompressed zip archive, of which the vectors come first.

    They are written as they come. The lengths and the checksum before them are written in the
    end, when they are known. All other arrays are kept in memory until then.

    The layout is that of PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3.
    """

    def __init__(self, sink: Sink, size: int, dtype: str, out: str, checksum: int = 0) -> None:
        self._sink, self._size, self._out = sink, size, out
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._checksum = checksum  # of the vectors
        self._blocks: list[TokenVectors] = []
        self._directory: list[bytes] = []
        self._n = self._longest = 0
        sink.write(self._start())

    def _start(self) -> bytes:
        """Everything before the vectors; its length does not depend on their number."""
        header = _npy_header(self._dtype.str, f"({self._n}, {self._size})")
        n_bytes = self._dtype.itemsize * self._n * self._size
        checksum = _joined_checksum(zlib.crc32(header), self._checksum, n_bytes)
        return _local_header("vector.npy", checksum, len(header) + n_bytes) + header

    def add(self, block: TokenVectors) -> None:
        """Write the vectors of a block."""
        self._n += len(block)
        # other bytes than the first of a character have the bits 10xxxxxx
        n_characters = np.append(0, np.cumsum((block.text & 0xC0) != 0x80))
        lengths = np.diff(n_characters[block.bounds])
        self._longest = max(self._longest, int(lengths.max(initial=0)))
        column = 4 * self._longest * self._n
        if column > max(_LARGEST_COLUMN, 4 * self._size * self._n):
            raise ValueError(
                f"{self._out}: an array of {self._n:,} tokens, each as long as the longest of "
                f"{self._longest:,} characters, is too large; write .jsonl, .tsv or .parquet"
            )
        if block.vector is None:
            self._sink.skip(self._dtype.itemsize * self._size * len(block))
        else:
            vectors = np.ascontiguousarray(block.vector, self._dtype).reshape(-1)
            self._checksum = zlib.crc32(vectors.data, self._checksum)
            self._sink.write(vectors)
        columns = block.document, block.position, block.bounds, block.text, block.found
        self._blocks.append(TokenVectors(*columns, None))

    def close(self) -> None:
        """Write all other arrays, and the directory of the archive."""
        start = self._start()
        self._sink.rewrite(0, start)
        self._directory.append(_directory_entry(start, "vector.npy", 0))
        for name, kind in (("document", "<i8"), ("position", "<i8"), ("found", "|b1")):
            columns = (getattr(block, name).astype(kind, copy=False) for block in self._blocks)
            self._write(name, kind, columns)
        self._write("token", f"<U{self._longest}", map(self._characters, self._blocks))
        at, directory = self._sink.position, b"".join(self._directory)
        self._sink.write(directory + _directory_end(len(self._directory), len(directory), at))

    def _characters(self, block: TokenVectors) -> npt.NDArray[np.uint32]:
        """Tokens as NumPy stores strings."""
        from corpora.counting.kernels import decode_words

        characters = np.empty((len(block), self._longest), "<u4")
        decode_words(block.text, block.bounds, characters)
        return characters

    def _write(self, name: str, kind: str, columns: Iterable[npt.NDArray[Any]]) -> None:
        name, at = f"{name}.npy", self._sink.position
        header = _npy_header(kind, f"({self._n},)")
        n_bytes = len(header) + self._n * np.dtype(kind).itemsize
        self._sink.write(_local_header(name, 0, n_bytes) + header)
        checksum = zlib.crc32(header)
        for column in columns:
            if column.nbytes:
                data = np.ascontiguousarray(column).view(np.uint8)
                checksum = zlib.crc32(data.data, checksum)
                self._sink.write(data)
        local = _local_header(name, checksum, n_bytes)
        self._sink.rewrite(at, local)
        self._directory.append(_directory_entry(local, name, at))

    def state(self) -> dict[str, int]:
        """Checksum of the vectors."""
        return {"checksum": self._checksum}


def _npy_header(kind: str, shape: str) -> bytes:
    """Header of an .npy file, of 128 bytes."""
    about = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + about.ljust(117).encode() + b"\n"


# in all headers: version 4.5 (long files), no flags, not compressed, at 1980-01-01
_COMMON = struct.pack("<5H", 45, 0, 0, 0, 33)
_LONG = 0xFFFFFFFF  # the number is in the extra field


def _local_header(name: str, checksum: int, n_bytes: int) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, n_bytes, n_bytes)
    sizes = struct.pack("<LLLHH", checksum, _LONG, _LONG, len(name), len(extra))
    return b"PK\3\4" + _COMMON + sizes + name.encode() + extra


def _directory_entry(local: bytes, name: str, at: int) -> bytes:
    """The entry of a file in the directory, from its local header and the header's position."""
    checksum, *_ = struct.unpack_from("<L", local, 14)
    _, _, n_bytes, _ = struct.unpack_from("<HHQQ", local, 30 + len(name))
    extra = struct.pack("<HHQQQ", 1, 24, n_bytes, n_bytes, at)
    sizes = struct.pack("<LLLHH", checksum, _LONG, _LONG, len(name), len(extra))
    other = struct.pack("<HHHLL", 0, 0, 0, 0o600 << 16, _LONG)
    made_by = struct.pack("<H", 3 << 8 | 45)  # Unix
    return b"PK\1\2" + made_by + _COMMON + sizes + other + name.encode() + extra


def _directory_end(n: int, n_bytes: int, at: int) -> bytes:
    long = b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, n, n, n_bytes, at)
    locator = b"PK\6\7" + struct.pack("<LQL", 0, at + n_bytes, 1)
    return long + locator + b"PK\5\6" + struct.pack("<4HLLH", 0, 0, n, n, _LONG, _LONG, 0)


def _joined_checksum(first: int, second: int, n_bytes: int) -> int:
    """CRC-32 of two parts of a file from those of each, and the length of the second.

    As `crc32_combine` of zlib: zeros that follow the first part multiply its checksum, a vector
    of bits, by a power of a matrix. Row i of a matrix is here the product with bit i.
    """

    def times(matrix: list[int], vector: int) -> int:
        product = 0
        for row in matrix:
            product ^= row if vector & 1 else 0
            vector >>= 1
        return product

    power = [0xEDB88320, *(1 << i for i in range(31))]  # one zero bit
    bits = 8 * n_bytes
    while bits:
        if bits & 1:
            first = times(power, first)
        power = [times(power, row) for row in power]
        bits >>= 1
    return first ^ second
