"""Word vectors as a table in Arrow or Parquet. Requires the extra ``[parquet]`` (pyarrow)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from conec.interop.checks import check_vectors
from conec.types import StrPath
from corpora.checks import check_encodable
from corpora.files import atomic_path

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["check_pyarrow", "save_table"]

_ROWS = 1 << 16  # vectors that are written at a time


def save_table(vectors: KeyedVectors, path: StrPath, *, parquet: bool = False) -> None:
    """Write word vectors as a table with the columns word, count and vector.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        Rows of the table, in their order. ``vector`` holds lists of fixed size, of numbers of the
        type of the matrix. ``count`` is left out if the vectors have no attribute ``"count"``.
    path : path
        The file to create or replace.
    parquet : bool
        Write Parquet; otherwise the file format of Arrow (Feather 2).

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If `check_vectors` finds an error, or a word contains half of a surrogate pair.
    """
    pa = check_pyarrow("pyarrow")
    check_vectors(vectors)
    words: list[str] = vectors.index_to_key
    check_encodable(words, "words")
    matrix = vectors.vectors
    kind = pa.list_(pa.field("element", pa.from_numpy_dtype(matrix.dtype), False), matrix.shape[1])
    columns: dict[str, Any] = {"word": pa.array(words, pa.string())}
    if "count" in vectors.expandos:
        columns["count"] = pa.array(np.asarray(vectors.expandos["count"], np.int64))
    fields = [pa.field(name, column.type, False) for name, column in columns.items()]
    schema = pa.schema([*fields, pa.field("vector", kind, False)])
    with atomic_path(path, seeks=True) as file, _writer(file, schema, parquet) as writer:
        for start in range(0, len(words), _ROWS):
            rows = slice(start, start + _ROWS)
            values = pa.array(np.ascontiguousarray(matrix[rows]).ravel())
            parts = [column[rows] for column in columns.values()]
            block = [*parts, pa.FixedSizeListArray.from_arrays(values, type=kind)]
            writer.write_batch(pa.record_batch(block, schema=schema))


def _writer(file: Any, schema: Any, parquet: bool) -> Any:
    if not parquet:
        return check_pyarrow("pyarrow.ipc").new_file(str(file), schema)
    # vectors are hardly compressible, and have no values that occur several times
    return check_pyarrow("pyarrow.parquet").ParquetWriter(
        str(file), schema, use_dictionary=["word"], write_statistics=["word"],
        compression={"word": "zstd", "count": "zstd", "vector.list.element": "none"},
    )  # fmt: skip


def check_pyarrow(module: str = "pyarrow") -> Any:
    """Import a module of pyarrow; ImportError that names the extra if it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            "writing Arrow and Parquet needs pyarrow: pip install 'similarity-encoders[parquet]'"
        ) from error
