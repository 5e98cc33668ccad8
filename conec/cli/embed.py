"""``conec embed``: a vector for each token of a text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from conec.cli.options import GlobalShare, Model, load_model, require_contexts
from corpora import BREAK, with_breaks
from corpora.cli.options import Reading, output_file, reads_corpus, report_skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conec import ContextEncoder
    from conec.cli.vector_files import TokenVector
    from conec.types import BoolArray, FloatArray
    from corpora import Corpus


@reads_corpus(source="-")
def embed(
    model: Model,
    reading: Reading,
    a: GlobalShare = 0.8,
    out: Annotated[
        str,
        output_file(
            "File to write: .npz, .tsv or .jsonl; the last two can be compressed (.tsv.gz). "
            "- writes TSV to standard output.",
            "--out",
            metavar="FILE",
        ),
    ] = "-",
) -> None:
    """Write a vector for each token of a text, computed from its context.

    The output has the number of the document, the position of the token in it (both from 0), the
    token, whether an embedding was found, and the vector. If a token is unknown and no known word
    is around it, its vector is zero and "found" is false. Blank lines do not count as documents.

    An .npz file has the arrays document, position, token, found and vector. It is built in
    memory; the other formats are written while the text is read.

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

    def token_vectors() -> Iterator[TokenVector]:
        nonlocal n_documents, n_tokens, n_without
        for tokens, vectors, has_embedding in _embedded(encoder, corpus, a):
            for position, (token, vector, found) in enumerate(
                zip(tokens, vectors, has_embedding, strict=True)
            ):
                if token != BREAK:
                    yield n_documents, position, token, bool(found), vector
                    n_tokens += 1
                    n_without += not found
            n_documents += 1

    # A bar would be between the lines of the output.
    label = None if out == "-" and sys.stdout.isatty() else "embedding"
    with report_skipped() as skipped, progress_bar(corpus, label):
        write(token_vectors(), encoder.config.vector_size)
        skipped.append(corpus.skipped)
    typer.echo(
        f"{n_documents:,} documents, {n_tokens:,} tokens, {n_without:,} of them without an "
        "embedding" + ("" if out == "-" else f": {out}"),
        err=True,
    )


def _embedded(
    encoder: ContextEncoder, corpus: Corpus, a: float
) -> Iterator[tuple[list[str], FloatArray, BoolArray]]:
    """Tokens of each document with breaks, their vectors, and whether they have an embedding."""
    import numpy as np

    from conec import ExtendedContextEncoder
    from conec.extended.training import documents_of

    if not isinstance(encoder, ExtendedContextEncoder):
        for tokens in corpus:
            yield tokens, *encoder.embed(tokens, a, return_found=True)
        return
    for document in documents_of(corpus):
        vectors, has_embedding = encoder.embed(document, a, return_found=True)
        if document and isinstance(document[0], str):
            yield list(cast("Sequence[str]", document)), vectors, has_embedding
            continue
        # for sentences of rows, `embed` returns no rows for breaks
        tokens = with_breaks([row[0] for row in sentence] for sentence in document)
        is_token = np.array([token != BREAK for token in tokens], np.bool_)
        with_zeros = np.zeros((len(tokens), vectors.shape[1]), np.float32)
        with_zeros[is_token] = vectors
        is_found = is_token.copy()
        is_found[is_token] = has_embedding
        yield tokens, with_zeros, is_found
