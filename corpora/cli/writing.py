"""Write a corpus in another format: in constant memory, in parallel, atomically."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.output import COMPRESSED, encode_text, open_output

if TYPE_CHECKING:
    from corpora.cli.shards import Run
    from corpora.corpus import Corpus

__all__ = ["SERIALIZERS", "serialize", "write_bytes", "write_parquet", "write_text_shards"]

_BLOCK = 1 << 20
_NOT_IN_COLUMN = re.compile(r"[ \t\r\n]|-DOCSTART-$")

Serializer = Callable[["Corpus"], Iterator[str]]


def line_of(tokens: list[str]) -> str:
    """Join tokens into one line, without breaks between sentences; may be empty."""
    text = " ".join(tokens)
    # A break leaves two adjacent spaces, or a space at the start or end; searching the string for
    # these is faster than searching the list for the break.
    if "\n" in text or "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    return text


def _text(corpus: Corpus) -> Iterator[str]:
    return (line + "\n" for line in map(line_of, corpus) if line)


def _text8(corpus: Corpus) -> Iterator[str]:
    # Each piece starts with a space, as shards do not know which one is the first; `write_bytes`
    # drops the first space.
    return (" " + line for line in map(line_of, corpus) if line)


def _json(document: str | list[str]) -> str:
    return json.dumps({"text": document}, ensure_ascii=False) + "\n"


def _jsonl_stored(corpus: Corpus) -> Iterator[str]:
    return map(_json, corpus.stored())


def _jsonl_tokens(corpus: Corpus) -> Iterator[str]:
    return map(_json, corpus)


def _conll_rows(corpus: Corpus) -> Iterator[str]:
    for document in corpus.tagged():
        # Tabs, because columns may contain blanks.
        rows = ["".join("\t".join(row) + "\n" for row in sentence) for sentence in document]
        yield "-DOCSTART-\n\n" + "\n".join(rows) + "\n"


def _conll_words(corpus: Corpus) -> Iterator[str]:
    for tokens in corpus:
        for token in tokens:
            if _NOT_IN_COLUMN.search(token):
                raise ValueError(
                    f"the word {token!r} can't be written in a column; use --clean or --tokenize"
                )
        text = "\n".join(tokens)
        yield f"-DOCSTART-\n\n{text}\n\n"


SERIALIZERS: dict[str, Serializer] = {
    "text": _text,
    "text8": _text8,
    "jsonl": _jsonl_stored,
    "jsonl-tokens": _jsonl_tokens,
    "conll": _conll_words,
    "conll-rows": _conll_rows,
}
"""Functions that yield a corpus as text. The texts of shards can be concatenated."""


def serialize(
    corpus: Corpus,
    serializer: str,
    out: str,
    *,
    workers: int | None,
    engine: str | None = None,
    label: str,
    skipped: list[int],
) -> Iterator[bytes]:
    """Yield a corpus as bytes, serialized by several processes if it can be split.

    Parameters
    ----------
    corpus : Corpus
    serializer : str
        One of `SERIALIZERS`.
    out : str
        Output file; temporary files are written to the same folder.
    workers : int or None
    engine : str or None
        As for `corpora.parallel.map_shards`.
    label : str
        Label of the progress bar.
    skipped : list of int
        Numbers of skipped lines are appended to it.
    """
    from corpora.files import temporary_folder
    from corpora.parallel import map_shards, progress_bar

    if engine is None and (workers == 1 or len(corpus.shards(2)) == 1):
        # No temporary files, so that the first documents of a stream are written at once.
        with progress_bar(corpus, label):
            # The output of a pipe is written document by document.
            live = out == "-" and not corpus.reiterable
            yield from _encoded(SERIALIZERS[serializer](corpus), out, 0 if live else 1 << 16)
        skipped.append(corpus.skipped)
        return
    parent = None if out == "-" else os.path.dirname(os.path.realpath(out))
    with temporary_folder(".tmp-corpora-", parent) as folder:
        shards = map_shards(
            partial(_write_shard, serializer=serializer, out=out),
            corpus,
            workers=workers,
            engine=engine,
            progress=label,
            folder=folder,
        )
        # Close explicitly, so that no worker is writing when the folder is deleted.
        with closing(shards):
            for name, n_skipped in shards:
                path = folder / name
                with open(path, "rb") as file:
                    while block := file.read(_BLOCK):
                        yield block
                path.unlink()
                skipped.append(n_skipped)


def _write_shard(shard: Corpus, serializer: str, out: str, folder: Path) -> tuple[str, int]:
    name = secrets.token_hex(8)
    with open(folder / name, "wb") as file:
        file.writelines(_encoded(SERIALIZERS[serializer](shard), out))
    return name, shard.skipped


def _encoded(texts: Iterable[str], out: str, min_size: int = 1 << 16) -> Iterator[bytes]:
    pending: list[str] = []
    size = 0
    for text in texts:
        pending.append(text)
        size += len(text)
        if size > min_size:
            yield encode_text("".join(pending), out)
            pending, size = [], 0
    if pending:
        yield encode_text("".join(pending), out)


def write_text_shards(corpus: Corpus, serializer: str, run: Run) -> int:
    """Write a folder with a file for each shard of a corpus; see `corpora.cli.shards`.

    Returns
    -------
    int
        Number of lines that were skipped.
    """
    from corpora.cli.options import SHARDS
    from corpora.cli.shards import Folder, write_shards
    from corpora.files import INDEX_OF_SHARDS
    from corpora.parallel import SHARD_BYTES

    folder = Folder(SHARDS, 3, INDEX_OF_SHARDS, SHARD_BYTES)
    write = partial(_write_file, serializer=serializer)
    return write_shards(write, corpus, folder, run, about={"format": run.suffix})[1]


def _write_file(shard: Corpus, path: Path, _: None, serializer: str) -> dict[str, int]:
    documents = 0

    def texts() -> Iterator[str]:
        nonlocal documents
        for text in SERIALIZERS[serializer](shard):
            documents += 1
            yield text

    blocks = _encoded(texts(), str(path))
    if path.suffix == ".parquet":
        write_parquet(str(path), blocks)
    else:
        write_bytes(str(path), blocks)
    return {"documents": documents}


def write_bytes(out: str, blocks: Iterator[bytes], *, drop_first: bool = False) -> None:
    """Write blocks to a file or standard output.

    Parameters
    ----------
    out : str
        See `corpora.output.open_output`.
    blocks : iterator of bytes
    drop_first : bool
        Whether to omit the first byte.
    """
    with open_output(out) as write:
        for block in blocks:
            write(block[1:] if drop_first else block)
            drop_first = False
            if out == "-":
                sys.stdout.flush()


_ROW_GROUP = 8 << 20  # bytes of JSON


def write_parquet(out: str, blocks: Iterator[bytes]) -> None:
    """Write lines of JSON, as `serialize` makes them, to a Parquet table.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If `out` is standard output or has the suffix of a compressed file, or some documents are
        texts and others lists of tokens.
    """
    if out == "-" or out.lower().endswith(COMPRESSED):
        raise ValueError(
            "Parquet files are compressed internally and can't be written to standard output; use "
            "--out NAME.parquet"
        )
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(
            "writing Parquet needs pyarrow: pip install 'similarity-encoders[parquet]'"
        ) from error
    from corpora.files import atomic_path

    with atomic_path(out, seeks=True) as path, ExitStack() as stack:
        writer: Any = None
        for lines in _row_groups(blocks):
            documents = [json.loads(line)["text"] for line in lines]
            if writer is None:
                tokens = bool(documents) and isinstance(documents[0], list)
                kind = pa.list_(pa.string()) if tokens else pa.string()
                schema = pa.schema([("text", kind)])
                writer = stack.enter_context(
                    pq.ParquetWriter(
                        str(path), schema, compression="zstd", write_page_checksum=True
                    )
                )
            try:
                table = pa.table({"text": documents}, schema=schema)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise ValueError(
                    "some documents are texts and others lists of tokens, which a column of "
                    "Parquet can't hold; use --tokenize, or convert to jsonl"
                ) from error
            writer.write_table(table)


def _row_groups(blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Group lines into row groups; at least one group, which may be empty."""
    group: list[bytes] = []
    size = 0
    first = True
    incomplete: list[bytes] = []  # beginning of a line that continues in the next block
    for block in blocks:
        if b"\n" not in block:
            incomplete.append(block)
            continue
        *lines, last = b"".join([*incomplete, block]).split(b"\n")
        incomplete = [last]
        for line in lines:
            group.append(line)
            size += len(line)
            if size > _ROW_GROUP:
                yield group
                group, size, first = [], 0, False
    if group or first:
        yield group
