"""Parquet tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from corpora.readers.base import Document, Reader, TextFile

_BATCH_ROWS = 1024


@dataclass(frozen=True)
class Parquet(Reader):
    """A Parquet table with one document per row; needs the extra ``parquet``.

    Parameters
    ----------
    column : str, default "text"
        Column with the documents: strings, or lists of tokens; either may be stored as
        categories. Rows without a value (null) are left out and counted in
        :attr:`corpora.Corpus.skipped`.
    """

    name = "parquet"
    suffixes = (".parquet",)
    signature = re.compile(rb"PAR1")
    aliases = {"field": "column"}  # noqa: RUF012
    column: str = "text"

    def read(self, file: TextFile) -> Iterator[Document]:
        """Yield the documents.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        CorpusError
            If the file is damaged, lacks the column, the column has another type, or a token is
            null. Damage is detected if the file has checksums of its pages, or if it makes the
            table unreadable or its texts invalid UTF-8.
        """
        try:
            import pyarrow as pa
        except ImportError as error:
            raise ImportError(
                "reading Parquet needs pyarrow: pip install 'similarity-encoders[parquet]'"
            ) from error
        with file.binary() as stream:
            batches = self._batches(file, stream)
            before = 0
            while True:
                try:
                    column = next(batches, None)
                    if column is None:
                        return
                    # Includes a check that texts are UTF-8.
                    column.validate(full=True)
                    values = column.to_pylist()
                except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
                    if isinstance(error, OSError) and error.errno is not None:
                        raise  # an error of the disk: pyarrow's own have no number
                    raise file.error(
                        f"not a Parquet file, or a damaged one ({error}); copy or download it again"
                    ) from error
                for row, value in enumerate(values, before + 1):
                    if value is None:
                        file.skip()
                    elif isinstance(value, list) and None in value:
                        raise file.error(
                            f"row {row}: token {value.index(None)} of the column {self.column!r} "
                            "is null; expected strings"
                        )
                    else:
                        yield value
                before += len(values)

    def _batches(self, file: TextFile, stream: IO[bytes]) -> Iterator[Any]:
        """Yield the column in pieces, as Arrow arrays."""
        import pyarrow.parquet as pq

        table = pq.ParquetFile(stream, page_checksum_verification=True)
        names = table.schema_arrow.names
        if self.column not in names:
            raise file.error(f"the table has no column {self.column!r}; its columns: {names}")
        if names.count(self.column) > 1:
            raise file.error(f"the table has several columns {self.column!r}")
        kind = table.schema_arrow.field(self.column).type
        if not (_is_text(kind) or _is_text(_values(kind))):
            raise file.error(
                f"the column {self.column!r} must hold strings or lists of strings, got {kind}"
            )
        n_rows = 0
        for batch in table.iter_batches(_BATCH_ROWS, columns=[self.column]):
            n_rows += len(batch)
            yield batch.column(0)
        if n_rows != table.metadata.num_rows:
            raise file.error(
                f"the file is damaged: it declares {table.metadata.num_rows} rows, but holds "
                f"{n_rows}; copy or download it again"
            )


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _values(kind: Any) -> Any:
    """The type of the values of a list, or the type itself."""
    import pyarrow as pa

    is_list = (
        pa.types.is_list,
        pa.types.is_large_list,
        pa.types.is_fixed_size_list,
        pa.types.is_list_view,
        pa.types.is_large_list_view,
    )
    return kind.value_type if any(is_kind(kind) for is_kind in is_list) else kind
