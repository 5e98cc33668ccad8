"""Write token vectors as a folder with a file for each shard of the text."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conec.cli.token_blocks import count_documents, token_blocks
from conec.cli.vector_files import Sink, kind_of, writer
from conec.cli.vector_output import Written
from corpora.cli.shards import Folder, Run, write_shards

if TYPE_CHECKING:
    from conec import ContextEncoder
    from corpora import Corpus

KIND = "conec.TokenVectors"
FORMAT_VERSION = 3
SHARD_BYTES = 4 << 20  # of text: some hundreds of MB of vectors


def embed_shards(
    encoder: ContextEncoder, corpus: Corpus, a: float, dtype: str, run: Run
) -> tuple[Written, int]:
    """Embed a corpus, and write a folder of files with a manifest.

    Parameters
    ----------
    encoder : ContextEncoder
    corpus : Corpus
    a : float
    dtype : {"float32", "float16"}
        Type of the vectors.
    run : Run
        Its suffix is the format of the files, as from `kind_of`.

    Returns
    -------
    Written
        Numbers of documents and tokens.
    int
        Number of lines that were skipped.

    Raises
    ------
    ValueError, ModelError, ClusterError, ImportError
        As for `corpora.cli.shards.write_shards`.
    """
    kind_of(f"x.{run.suffix}")  # needs pyarrow

    def first_documents(n_shards: int) -> list[int]:
        """Number of the first document of each shard. The text is read once for it."""
        if n_shards == 1:
            return [0]
        firsts = [0]
        counted = run.map(
            partial(count_documents, encoder=encoder),
            corpus,
            shard_bytes=SHARD_BYTES,
            progress=run.label and "counting documents",
        )
        with closing(counted):
            for n in counted:
                firsts.append(firsts[-1] + n)
        return firsts[:-1]

    totals, skipped = write_shards(
        partial(_write_vectors, encoder=encoder, a=a, dtype=dtype),
        corpus,
        Folder(KIND, FORMAT_VERSION, "vectors.json", SHARD_BYTES),
        run,
        about={"vector_size": encoder.config.vector_size, "dtype": dtype, "a": a},
        plan=first_documents,
    )
    done = Written(
        documents=totals["documents"], tokens=totals["tokens"], without=totals["without"]
    )
    return done, skipped


def _write_vectors(
    shard: Corpus, path: Path, firsts: list[int], encoder: ContextEncoder, a: float, dtype: str
) -> dict[str, int]:
    first = last = firsts[shard.number]
    tokens = without = 0
    with open(path, "wb") as file:
        made = writer(path.suffix[1:], Sink(file), encoder.config.vector_size, dtype, path.name)
        for block in token_blocks(encoder, shard, a, dtype, number=first):
            made.add(block)
            if len(block):
                last = int(block.document[-1]) + 1
            tokens += len(block)
            without += len(block) - int(block.found.sum())
        made.close()
    return {"documents": last - first, "tokens": tokens, "without": without}
