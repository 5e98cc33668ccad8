"""Files of token vectors: NumPy, Parquet, Arrow, TSV and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.output import COMPRESSED, open_output

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from conec.types import BoolArray, FloatArray

_LARGEST_COLUMN = 1 << 28  # characters; each needs four bytes
_COLUMNS = ("document", "position", "token", "found")
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
    token : list of n str
    found : bool array of shape (n,)
        Whether the token has an embedding.
    vector : float32 array of shape (n, d)
    """

    document: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    token: list[str]
    found: BoolArray
    vector: FloatArray

    def rows(self) -> Iterable[tuple[int, int, str, bool, list[float]]]:
        """Document, position, token, whether it has an embedding, and vector of each token."""
        return zip(
            self.document.tolist(), self.position.tolist(), self.token, self.found.tolist(),
            self.vector.tolist(), strict=True,
        )  # fmt: skip


Writer = Callable[[Iterable[TokenVectors], int], None]


def writer(out: str) -> Writer:
    """Choose a function to write a file by its suffix.

    Parameters
    ----------
    out : str
        Path, or "-" for standard output.

    Returns
    -------
    callable
        It takes blocks of tokens with their vectors, and the number of dimensions.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    ImportError
        If pyarrow, which Parquet and Arrow need, is not installed.
    """
    if out == "-":
        return partial(_write_tsv, out=out)
    suffixes = Path(out).suffixes
    if suffixes[-1:] == [".npz"]:
        return partial(_write_npz, out=out)
    if suffixes[-1:] in ([".parquet"], [".arrow"]):
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f"{out}: writing {suffixes[-1]} needs pyarrow: "
                "pip install 'similarity-encoders[parquet]'"
            ) from error
        return partial(_write_table, out=out)
    kind = suffixes[-2:-1] if suffixes and suffixes[-1] in COMPRESSED else suffixes[-1:]
    if kind == [".tsv"]:
        return partial(_write_tsv, out=out)
    if kind == [".jsonl"]:
        return partial(_write_jsonl, out=out)
    raise ValueError(f"{out}: the suffix {_SUFFIXES}")


def _write_tsv(blocks: Iterable[TokenVectors], size: int, out: str) -> None:
    values = "\t".join(["%.9g"] * size)
    with open_output(out) as write:
        write("\t".join([*_COLUMNS, *(f"v{i}" for i in range(size))]) + "\n")
        for block in blocks:
            for document, position, token, found, vector in block.rows():
                if any(mark in token for mark in "\t\r\n"):
                    raise ValueError(
                        f"TSV cannot hold the token {token!r}: write .jsonl, .npz or .parquet"
                    )
                start = f"{document}\t{position}\t{token}\t{int(found)}\t"
                write(start + values % tuple(vector) + "\n")


def _write_jsonl(blocks: Iterable[TokenVectors], size: int, out: str) -> None:
    # nine digits identify a float32; json.dumps would write seventeen
    values = ", ".join(["%.9g"] * size)
    with open_output(out) as write:
        for block in blocks:
            for *about, vector in block.rows():
                start = json.dumps(dict(zip(_COLUMNS, about, strict=True)), ensure_ascii=False)
                write(f'{start[:-1]}, "vector": [{values % tuple(vector)}]}}\n')


def _write_table(blocks: Iterable[TokenVectors], size: int, out: str) -> None:
    """Write a table with a column of lists of fixed size, a block at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from corpora.checks import check_encodable
    from corpora.files import atomic_path

    kinds = pa.int64(), pa.int64(), pa.string(), pa.bool_()
    schema = pa.schema(
        [*zip(_COLUMNS, kinds, strict=True), ("vector", pa.list_(pa.float32(), size))]
    )

    def table_writer(file: Any) -> Any:
        if out.endswith(".arrow"):
            return pa.ipc.new_file(file, schema)
        # vectors are hardly compressible, and have no values that occur several times
        kinds = dict.fromkeys(_COLUMNS, "zstd") | {"vector.list.element": "none"}
        return pq.ParquetWriter(file, schema, compression=kinds, use_dictionary=["token"])

    with (
        atomic_path(out, seeks=True) as path,
        open(path, "wb") as file,
        table_writer(file) as table,
    ):
        for block in blocks:
            check_encodable(block.token, f"{out}: a token")
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.vector.ravel()), size)
            columns = [getattr(block, name) for name in _COLUMNS]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            table.write_batch(pa.record_batch([*arrays, vectors], schema=schema))


def _write_npz(blocks: Iterable[TokenVectors], size: int, out: str) -> None:
    import numpy as np

    from corpora.files import atomic_path

    with atomic_path(out, seeks=True) as path, open(path, "wb") as file:
        read = list(blocks)
        token = [token for block in read for token in block.token]
        longest = max(map(len, token), default=0)
        if longest * len(token) > _LARGEST_COLUMN:
            raise ValueError(
                f"{out}: an array of {len(token):,} tokens, each as long as the longest of "
                f"{longest:,} characters, is too large; write .jsonl, .tsv or .parquet"
            )
        empty = {
            "document": np.zeros(0, np.int64),
            "position": np.zeros(0, np.int64),
            "found": np.zeros(0, np.bool_),
            "vector": np.zeros((0, size), np.float32),
        }
        arrays = {
            name: np.concatenate([start, *(getattr(block, name) for block in read)])
            for name, start in empty.items()
        }
        del read
        np.savez(
            file,
            document=arrays["document"],
            position=arrays["position"],
            token=np.array(token, np.str_),
            found=arrays["found"],
            vector=arrays["vector"],
        )
