"""Parquet tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from corpora.readers.base import Document, Reader, TextFile

_BATCH_ROWS = 1024


@dataclass(frozen=True)
class Parquet(Reader):
    """A Parquet table with one document per row; needs the extra ``parquet``.

    Parameters
    ----------
    column : str, default "text"
        Column with the documents: strings, or lists of tokens. Rows without a value are skipped.
    """

    name = "parquet"
    suffixes = (".parquet",)
    signature = re.compile(rb"PAR1")
    column: str = "text"

    def read(self, file: TextFile) -> Iterator[Document]:
        """Yield the documents.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        CorpusError
            If the file is damaged, lacks the column, or the column has another type.
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
                    raise file.error(
                        f"the table has no column {self.column!r}; its columns: {names}"
                    )
                kind = table.schema_arrow.field(self.column).type
                texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
                lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
                if not (texts or (lists and pa.types.is_string(kind.value_type))):
                    raise file.error(
                        f"the column {self.column!r} must hold strings or lists of strings, got "
                        f"{kind}"
                    )
                for batch in table.iter_batches(_BATCH_ROWS, columns=[self.column]):
                    yield from (value for value in batch.column(0).to_pylist() if value is not None)
            except pa.ArrowException as error:
                raise file.error(
                    f"not a Parquet file, or a damaged one ({error}); copy or download it again"
                ) from error
