"""``conec embed``: a vector for each token of a text."""

from __future__ import annotations

import os
import sys
import zlib
from contextlib import AbstractContextManager, closing, nullcontext
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conec.cli.options import GlobalShare, Model, load_model, require_contexts
from corpora.cli.options import (
    Address,
    Engine,
    Overwrite,
    Reading,
    Resume,
    engine_of,
    option,
    output_file,
    reads_corpus,
    report_skipped,
)

if TYPE_CHECKING:
    from conec import ContextEncoder
    from conec.cli.vector_output import Written
    from corpora import Corpus


class Dtype(str, Enum):
    """Types of vectors."""

    float32 = "float32"
    float16 = "float16"


class ShardFormat(str, Enum):
    """Formats of files that ``conec embed --shards`` writes."""

    npz = "npz"
    parquet = "parquet"
    arrow = "arrow"
    tsv = "tsv"
    jsonl = "jsonl"


@reads_corpus(source="-")
def embed(
    model: Model,
    reading: Reading,
    a: GlobalShare = 0.8,
    out: Annotated[
        str,
        output_file(
            "File to write: .npz, .parquet, .arrow, .tsv or .jsonl; the last two can be compressed "
            "(.tsv.gz). "
            "- writes TSV to standard output. With --shards, a folder.",
            "--out",
            metavar="FILE",
            kind="conec.TokenVectors",
        ),
    ] = "-",
    shards: Annotated[
        ShardFormat | None,
        option(
            "The output is a folder with a file of this format for each shard of the text. "
            "Several threads or machines work on files at the same time.",
            "--shards",
            is_eager=True,
        ),
    ] = None,
    dtype: Annotated[
        Dtype,
        typer.Option("--dtype", help="Type of the vectors. float16 takes half the space."),
    ] = Dtype.float32,
    workers: Annotated[
        int, typer.Option(min=1, max=1 << 10, help="Threads. They do not change the vectors.")
    ] = 1,
    engine: Engine = None,
    address: Address = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a vector for each token of a text, computed from its context.

    The output has the number of the document, the position of the token in it (both from 0), the
    token, whether an embedding was found, and the vector. If a token is unknown and no known word
    is around it, its vector is zero and "found" is false. Blank lines do not count as documents.

    An .npz file has the arrays document, position, token, found and vector. The vectors are
    written while the text is read; only the other arrays are kept in memory. In .parquet and
    .arrow files, the column vector has lists of fixed size.

    An interrupted run can be continued with --resume, unless the file is compressed.

    With --shards, the output is a folder of files such as 00000.parquet, each for about 4 MiB of
    the text, and vectors.json, which lists them. Documents are numbered through all files. With
    --engine ray, the nodes of a cluster write the files themselves if they see the folder;
    otherwise the files are sent to this machine.

    \b
      conec embed news.model new.txt --out new.npz --clean lower --tokenize regexp
      conec embed news.model s3://bucket/news/ --out /shared/vectors --shards parquet --engine ray
      echo "we went zorbing down the hill" | conec embed news.model --a 0 | head -3
    """  # noqa: D301
    from conec.cli.vector_shards import embed_shards
    from corpora.cli.shards import Run

    encoder = load_model(model)
    if a > 0 and encoder.sense_inventory is None:
        require_contexts(encoder)
    where = engine_of(engine, address)
    corpus = reading.open()
    about = {"model": _checksum(model), "a": a, "dtype": dtype.value, "options": vars(reading)}
    # A bar would be between the lines of the output.
    label = None if out == "-" and sys.stdout.isatty() else "embedding"
    with report_skipped() as skipped:
        if shards is None:
            done = _write_file(
                encoder, corpus, a, out, dtype.value, about, workers, where, label, resume,
                overwrite,
            )  # fmt: skip
            skipped.append(corpus.skipped)
        else:
            run = Run(
                out, shards.value, about, workers=workers, engine=where,
                threads=corpus.is_plain_text, label=label, resume=resume, overwrite=overwrite,
            )  # fmt: skip
            done, n_skipped = embed_shards(encoder, corpus, a, dtype.value, run)
            skipped.append(n_skipped)
    typer.echo(
        f"{done.documents:,} documents, {done.tokens:,} tokens, {done.without:,} of them without "
        "an embedding" + ("" if out == "-" else f": {out}"),
        err=True,
    )


def _write_file(
    encoder: ContextEncoder,
    corpus: Corpus,
    a: float,
    out: str,
    dtype: str,
    about: Any,
    workers: int,
    engine: str | None,
    label: str | None,
    resume: bool,
    overwrite: bool,
) -> Written:
    from conec.cli.token_blocks import token_blocks
    from conec.cli.vector_output import vector_output
    from corpora.parallel import in_background, progress_bar

    size = encoder.config.vector_size
    with (
        vector_output(out, size, dtype, about, resume=resume, overwrite=overwrite) as output,
        _shared_folder(out, engine) as folder,
        progress_bar(corpus, label),
    ):
        blocks = token_blocks(
            encoder, corpus, a, dtype, workers=workers, engine=engine, folder=folder,
            n_before=output.n_before,
        )  # fmt: skip
        # vectors are written while the next ones are computed; Ray needs the main thread
        with closing(in_background(blocks) if engine is None else blocks) as computed:
            for block in computed:
                output.add(block)
    return output.done


def _shared_folder(out: str, engine: str | None) -> AbstractContextManager[Path | None]:
    """A folder through which nodes that see the output pass vectors."""
    from corpora.files import temporary_folder

    if engine is None or out == "-":
        return nullcontext()
    return temporary_folder(".tmp-conec-", os.path.dirname(os.path.realpath(out)))


def _checksum(model: Path) -> int:
    """Checksum of a model: of its manifest, which has those of its files."""
    manifest = model / "manifest.json"
    return zlib.crc32(manifest.read_bytes()) if manifest.is_file() else 0
