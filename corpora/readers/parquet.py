"""Parquet tables, as many data sets are given out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from corpora.readers.base import Document, Reader, TextFile

_ROWS = 1024  # read at a time


@dataclass(frozen=True)
class Parquet(Reader):
    """A Parquet table, one document a row; needs the extra ``parquet``.

    Parameters
    ----------
    column : str, default "text"
        The column that holds the documents: strings, or lists of tokens.
        Rows without a value are left out.
    """

    name = "parquet"
    suffixes = (".parquet",)
    column: str = "text"

    @classmethod
    def sniff(cls, head: bytes) -> bool:  # noqa: D102
        return head.startswith(b"PAR1")

    def read(self, file: TextFile) -> Iterator[Document]:
        """Yield each document.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        CorpusError
            If the file is damaged or has no such column.
        """
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise ImportError(
                "reading Parquet needs pyarrow: pip install 'similarity-encoders[parquet]'"
            ) from error
        with file.binary() as stream:
            try:
                table = pq.ParquetFile(stream)
                names = table.schema_arrow.names
                if self.column not in names:
                    raise file.error(f"there is no column {self.column!r}; it has: {names}")
                kind = table.schema_arrow.field(self.column).type
                texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
                lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
                if not (texts or (lists and pa.types.is_string(kind.value_type))):
                    raise file.error(f"the column {self.column!r} holds {kind}, not text or tokens")
                for batch in table.iter_batches(_ROWS, columns=[self.column]):
                    yield from (value for value in batch.column(0).to_pylist() if value is not None)
            except pa.ArrowException as error:
                raise file.error(f"not a whole Parquet file ({error})") from error
