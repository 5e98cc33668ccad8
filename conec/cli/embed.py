"""``conec embed`` and ``conec oov``: vectors of the words of a text, and of a new word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, cast

import typer

from conec.cli.options import (
    InSpace,
    Model,
    Share,
    Space,
    TopN,
    load_model,
    require_contexts,
    vectors_of,
)
from conec.cli.queries import show
from corpora import BREAK, with_breaks
from corpora.cli.app import fail
from corpora.cli.options import Clean, Reading, Tokenize, reads_corpus, report_skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conec import ContextEncoder
    from conec.cli.vectors import Row
    from conec.types import BoolArray, FloatArray
    from corpora import Corpus


@reads_corpus(source="-", format="text")
def embed(
    model: Model,
    reading: Reading,
    a: Share = 0.8,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="FILE",
            help="File to write: .npz, .tsv or .jsonl, the latter also .gz and the like; - is TSV "
            "to standard output.",
        ),
    ] = "-",
) -> None:
    """Write a vector for each token of a text, in the sense that it has there.

    With each vector: number of the document and position in it, both from 0, the token, and
    whether it has any context. Where a token is unknown and so is all around it, the vector is
    zero and "found" is false. Blank lines are no documents.

    An .npz file holds arrays document, position, token, found and vector, and is made in memory;
    the others are written as the text is read.

    \b
      conec embed news.model new.txt --out new.npz --clean lower --tokenize regexp
      echo "we went zorbing down the hill" | conec embed news.model --a 0 | head -3
    """  # noqa: D301
    from conec.cli.vectors import writer

    write = writer(out)
    encoder = load_model(model)
    if a > 0 and encoder.sense_inventory is None:
        require_contexts(encoder)
    corpus = reading.open()
    n_documents = n_tokens = n_lost = 0

    def rows() -> Iterator[Row]:
        nonlocal n_documents, n_tokens, n_lost
        for tokens, vectors, has_context in _embedded(encoder, corpus, a):
            for position, (token, vector, has) in enumerate(
                zip(tokens, vectors, has_context, strict=True)
            ):
                if token != BREAK:
                    yield n_documents, position, token, bool(has), vector
                    n_tokens += 1
                    n_lost += not has
            n_documents += 1

    with report_skipped() as skipped:
        write(rows(), encoder.config.vector_size)
        skipped.append(corpus.skipped)
    typer.echo(
        f"{n_documents:,} documents, {n_tokens:,} tokens, {n_lost:,} of them without any context"
        + ("" if out == "-" else f": {out}"),
        err=True,
    )


def _embedded(
    encoder: ContextEncoder, corpus: Corpus, a: float
) -> Iterator[tuple[list[str], FloatArray, BoolArray]]:
    """Tokens of each document with breaks, their vectors, and whether they have any context."""
    import numpy as np

    from conec import ExtendedContextEncoder
    from conec.extended.training import documents_of

    if not isinstance(encoder, ExtendedContextEncoder):
        for tokens in corpus:
            yield tokens, *encoder.embed(tokens, a, return_found=True)
        return
    for document in documents_of(corpus):
        vectors, has_context = encoder.embed(document, a, return_found=True)
        if document and isinstance(document[0], str):
            yield list(cast("Sequence[str]", document)), vectors, has_context
            continue
        # of sentences of rows, `embed` gives no vectors for breaks
        tokens = with_breaks([row[0] for row in sentence] for sentence in document)
        is_token = np.array([token != BREAK for token in tokens], np.bool_)
        placed = np.zeros((len(tokens), vectors.shape[1]), np.float32)
        placed[is_token] = vectors
        is_token[is_token] = has_context
        yield tokens, placed, is_token


def oov(
    model: Model,
    word: Annotated[str, typer.Argument(metavar="WORD", help="Any word, known or not.")],
    context: Annotated[
        list[str],
        typer.Option(
            "--context",
            metavar="TEXT",
            help="A text that the word stands in; repeat it for more, which makes a better vector.",
        ),
    ],
    topn: TopN = 10,
    a: Share = 0.8,
    space: InSpace = Space.context,
    clean: Clean = [],  # noqa: B006
    tokenize: Tokenize = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the vector itself.")
    ] = False,
) -> None:
    """Make a vector for a word from texts it stands in, and show its neighbours.

    \b
      conec oov news.model zorbing --context "we went zorbing down the hill" \\
                                   --context "zorbing is a sport from new zealand"
    """  # noqa: D301
    encoder = load_model(model)
    vectors = vectors_of(encoder, space)
    if word in encoder and a > 0:
        require_contexts(encoder)
    reading = Reading(word, clean=clean, tokenize=tokenize)
    pieces = [token for tokens in reading.open([word]) for token in tokens]
    if len(pieces) != 1:
        fail(f"{word!r} is not one word as words are cut here, but {len(pieces)}: {pieces}")
    texts = list(reading.open(context))
    for text in texts:
        if pieces[0] not in text:
            fail(
                f"{pieces[0]!r} is not among the words of {' '.join(text)!r}: is a mark or a "
                "capital in the way? --tokenize regexp and --clean lower take these off"
            )
    vector, found = encoder.embed_word(pieces[0], texts, a, return_found=True)
    if not found:
        fail(f"no word that the model knows is near {pieces[0]!r} in these texts")
    near = vectors.similar_by_vector(vector, topn=topn)
    if as_json:
        result = {"word": pieces[0], "vector": vector.tolist(), "neighbours": dict(near)}
        typer.echo(json.dumps(result, ensure_ascii=False))
    else:
        show(near)
