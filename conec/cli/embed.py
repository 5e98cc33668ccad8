"""``conec embed``: a vector for each token of a text."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conec.cli.options import GlobalShare, Model, load_model, require_contexts
from corpora import BREAK, with_breaks
from corpora.cli.options import Reading, output_file, reads_corpus, report_skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from conec import ContextEncoder
    from conec.cli.vector_files import TokenVectors
    from conec.types import FloatArray
    from corpora import Corpus

    Embedded: TypeAlias = "tuple[list[str], FloatArray]"

_GROUP_TOKENS = 1 << 14  # tokens that are written at a time


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
            "- writes TSV to standard output.",
            "--out",
            metavar="FILE",
        ),
    ] = "-",
    workers: Annotated[
        int, typer.Option(min=1, max=1 << 10, help="Threads. They do not change the vectors.")
    ] = 1,
) -> None:
    """Write a vector for each token of a text, computed from its context.

    The output has the number of the document, the position of the token in it (both from 0), the
    token, whether an embedding was found, and the vector. If a token is unknown and no known word
    is around it, its vector is zero and "found" is false. Blank lines do not count as documents.

    An .npz file has the arrays document, position, token, found and vector. It is built in
    memory; the other formats are written while the text is read. In .parquet and .arrow files,
    the column vector has lists of fixed size.

    \b
      conec embed news.model new.txt --out new.npz --clean lower --tokenize regexp
      echo "we went zorbing down the hill" | conec embed news.model --a 0 | head -3
    """  # noqa: D301
    from conec.cli.vector_files import writer
    from corpora.parallel import progress_bar

    write = writer(out)
    encoder = load_model(model)
    if a > 0 and encoder.sense_inventory is None:
        require_contexts(encoder)
    corpus = reading.open()
    n_documents = n_tokens = n_without = 0

    def blocks() -> Iterator[TokenVectors]:
        nonlocal n_documents, n_tokens, n_without
        for documents in _groups(_embedded(encoder, corpus, a, workers)):
            block = _block(documents, n_documents)
            n_documents += len(documents)
            n_tokens += len(block.token)
            n_without += len(block.token) - int(block.found.sum())
            yield block

    # A bar would be between the lines of the output.
    label = None if out == "-" and sys.stdout.isatty() else "embedding"
    with report_skipped() as skipped, progress_bar(corpus, label):
        write(blocks(), encoder.config.vector_size)
        skipped.append(corpus.skipped)
    typer.echo(
        f"{n_documents:,} documents, {n_tokens:,} tokens, {n_without:,} of them without an "
        "embedding" + ("" if out == "-" else f": {out}"),
        err=True,
    )


def _embedded(
    encoder: ContextEncoder, corpus: Corpus, a: float, workers: int
) -> Iterator[Embedded]:
    """Tokens of each document with breaks, and their vectors; zero rows for breaks."""
    import numpy as np

    from conec import ExtendedContextEncoder
    from conec.extended.training import documents_of

    waiting: deque[Any] = deque()  # documents that were read, but not returned

    def read(documents: Iterable[Any]) -> Iterator[Any]:
        for document in documents:
            waiting.append(document)
            yield document

    if not isinstance(encoder, ExtendedContextEncoder):
        for vectors in encoder.embed_batch(read(corpus), a, workers=workers):
            yield waiting.popleft(), vectors
        return
    for vectors in encoder.embed_batch(read(documents_of(corpus)), a):
        document = waiting.popleft()
        if document and isinstance(document[0], str):
            yield list(document), vectors
            continue
        # for sentences of rows, `embed` returns no rows for breaks
        tokens = with_breaks([row[0] for row in sentence] for sentence in document)
        is_token = np.array([token != BREAK for token in tokens], np.bool_)
        with_zeros = np.zeros((len(tokens), vectors.shape[1]), np.float32)
        with_zeros[is_token] = vectors
        yield tokens, with_zeros


def _groups(documents: Iterable[Embedded]) -> Iterator[list[Embedded]]:
    """Group documents, so that arrays are long enough for fast functions."""
    group: list[Embedded] = []
    size = 0
    for tokens, vectors in documents:
        group.append((tokens, vectors))
        size += len(tokens) + 1
        if size >= _GROUP_TOKENS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _block(documents: list[Embedded], number: int) -> TokenVectors:
    """The tokens of documents as arrays, without breaks; the first document has the number."""
    import numpy as np

    from conec.cli.vector_files import TokenVectors

    lengths = np.array([len(tokens) for tokens, _ in documents])
    tokens = [token for tokens, _ in documents for token in tokens]
    document = np.repeat(number + np.arange(len(documents)), lengths)
    position = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    vectors = np.concatenate([vectors for _, vectors in documents])
    if BREAK in tokens:
        kept = np.array([token != BREAK for token in tokens], np.bool_)
        document, position, vectors = document[kept], position[kept], vectors[kept]
        tokens = [token for token in tokens if token != BREAK]
    return TokenVectors(document, position, tokens, np.asarray(vectors.any(axis=1)), vectors)
