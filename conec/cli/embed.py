"""``conec embed``: a vector for each token of a text."""

from __future__ import annotations

import sys
import zlib
from collections import deque
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conec.cli.options import GlobalShare, Model, load_model, require_contexts
from corpora import BREAK, with_breaks
from corpora.cli.options import (
    Address,
    Engine,
    Reading,
    engine_of,
    output_file,
    reads_corpus,
    report_skipped,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from conec import ContextEncoder
    from conec.cli.vector_files import TokenVectors
    from conec.types import FloatArray
    from corpora import Corpus

_GROUP_TOKENS = 1 << 13  # tokens of lists that are written at a time


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
    engine: Engine = None,
    address: Address = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue an interrupted run, which is in FILE.partial, with the same model, text "
            "and options. The result is that of an uninterrupted run. Not for compressed files.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Start from scratch even if FILE.partial holds an interrupted run. A finished "
            "FILE is replaced in any case.",
        ),
    ] = False,
) -> None:
    """Write a vector for each token of a text, computed from its context.

    The output has the number of the document, the position of the token in it (both from 0), the
    token, whether an embedding was found, and the vector. If a token is unknown and no known word
    is around it, its vector is zero and "found" is false. Blank lines do not count as documents.

    An .npz file has the arrays document, position, token, found and vector. The vectors are
    written while the text is read; only the other arrays are kept in memory. In .parquet and
    .arrow files, the column vector has lists of fixed size.

    An interrupted run can be continued with --resume.

    \b
      conec embed news.model new.txt --out new.npz --clean lower --tokenize regexp
      echo "we went zorbing down the hill" | conec embed news.model --a 0 | head -3
    """  # noqa: D301
    from conec.cli.vector_output import vector_output
    from corpora.parallel import in_background, progress_bar

    encoder = load_model(model)
    if a > 0 and encoder.sense_inventory is None:
        require_contexts(encoder)
    where = engine_of(engine, address)
    corpus = reading.open()
    about = {"model": _checksum(model), "a": a, "options": vars(reading)}
    size = encoder.config.vector_size
    # A bar would be between the lines of the output.
    label = None if out == "-" and sys.stdout.isatty() else "embedding"
    with (
        vector_output(out, size, about, resume=resume, overwrite=overwrite) as output,
        report_skipped() as skipped,
        progress_bar(corpus, label),
    ):
        blocks = _blocks(encoder, corpus, a, workers, where, output.n_before)
        # Vectors are written while the next ones are computed. Ray needs the main thread.
        with closing(in_background(blocks) if where is None else blocks) as computed:
            for block in computed:
                output.add(block)
        skipped.append(corpus.skipped)
    done = output.done
    typer.echo(
        f"{done.documents:,} documents, {done.tokens:,} tokens, {done.without:,} of them without "
        "an embedding" + ("" if out == "-" else f": {out}"),
        err=True,
    )


def _checksum(model: Path) -> int:
    """Checksum of a model: of its manifest, which has those of its files."""
    manifest = model / "manifest.json"
    return zlib.crc32(manifest.read_bytes()) if manifest.is_file() else 0


def _blocks(
    encoder: ContextEncoder,
    corpus: Corpus,
    a: float,
    workers: int,
    engine: str | None,
    n_before: int,
) -> Generator[TokenVectors, Any, None]:
    """The tokens of a corpus in blocks that depend on its documents alone.

    The first `n_before` blocks have no vectors.
    """
    from conec import ExtendedContextEncoder
    from conec.extended.training import documents_of

    if isinstance(encoder, ExtendedContextEncoder):
        yield from _blocks_of_lists(encoder, documents_of(corpus), a, n_before, None, engine)
    elif corpus.is_plain_text:
        yield from _blocks_of_lines(encoder, corpus, a, workers, engine, n_before)
    else:
        yield from _blocks_of_lists(encoder, corpus, a, n_before, workers, engine)


def _blocks_of_lines(
    encoder: ContextEncoder,
    corpus: Corpus,
    a: float,
    workers: int,
    engine: str | None,
    n_before: int,
) -> Iterator[TokenVectors]:
    """Blocks of plain text, without Python objects for its tokens."""
    import numpy as np

    from conec.cli.vector_files import TokenVectors
    from conec.token_embedding import batches_of_lines

    number = 0

    def block(words: Any, vectors: FloatArray | None, found: Any) -> TokenVectors:
        nonlocal number
        lengths = np.diff(words.offsets)
        lengths = lengths[lengths > 0]
        documents = number + np.arange(len(lengths))
        number += len(lengths)
        bounds, text = words.packed()
        document, position = np.repeat(documents, lengths), _positions(lengths)
        return TokenVectors(document, position, bounds, text, found, vectors)

    texts = batches_of_lines(corpus.utf8_blocks())
    for text in islice(texts, n_before):
        words = encoder.locate(text)
        yield block(words, None, np.zeros(len(words.ids), np.bool_))
    embedded = encoder.embed_packed(texts, a, workers=workers, engine=engine)
    for words, vectors, found in embedded:
        yield block(words, vectors, found)


def _positions(lengths: Any) -> Any:
    """Positions of tokens in documents with some numbers of tokens."""
    import numpy as np

    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _blocks_of_lists(
    encoder: ContextEncoder,
    documents: Iterable[Any],
    a: float,
    n_before: int,
    workers: int | None,
    engine: str | None,
) -> Iterator[TokenVectors]:
    """Blocks of documents that are lists."""
    number = 0
    source = iter(documents)
    for group in islice(_groups((_tokens(text), None) for text in source), n_before):
        yield _block(group, number)
        number += len(group)
    waiting: deque[Any] = deque()  # documents that were read, but not returned

    def read() -> Iterator[Any]:
        for document in source:
            waiting.append(document)
            yield document

    vectors = encoder.embed_batch(read(), a, workers=workers, engine=engine)
    for group in _groups(_embedded(waiting.popleft(), rows) for rows in vectors):
        yield _block(group, number)
        number += len(group)


def _tokens(document: Any) -> list[str]:
    """Tokens of a document with breaks; also of a list of sentences of rows."""
    if not document or isinstance(document[0], str):
        return list(document)
    return with_breaks([row[0] for row in sentence] for sentence in document)


def _embedded(document: Any, vectors: FloatArray) -> tuple[list[str], FloatArray]:
    """Tokens of a document with breaks, and their vectors; zero rows for breaks."""
    import numpy as np

    tokens = _tokens(document)
    if len(vectors) == len(tokens):
        return tokens, vectors
    # for sentences of rows, `embed` returns no rows for breaks
    is_token = np.array([token != BREAK for token in tokens], np.bool_)
    with_zeros = np.zeros((len(tokens), vectors.shape[1]), np.float32)
    with_zeros[is_token] = vectors
    return tokens, with_zeros


def _groups(
    documents: Iterable[tuple[list[str], FloatArray | None]],
) -> Iterator[list[tuple[list[str], FloatArray | None]]]:
    """Group documents, so that arrays are long enough for fast functions."""
    group: list[tuple[list[str], FloatArray | None]] = []
    size = 0
    for tokens, vectors in documents:
        group.append((tokens, vectors))
        size += len(tokens) + 1
        if size >= _GROUP_TOKENS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _block(documents: list[tuple[list[str], FloatArray | None]], number: int) -> TokenVectors:
    """The tokens of documents as arrays, without breaks; the first document has the number."""
    import numpy as np

    from conec.cli.vector_files import TokenVectors

    lengths = np.array([len(tokens) for tokens, _ in documents])
    tokens = [token for tokens, _ in documents for token in tokens]
    document, position = np.repeat(number + np.arange(len(documents)), lengths), _positions(lengths)
    parts = [vectors for _, vectors in documents if vectors is not None]
    vectors = np.concatenate(parts) if parts else None
    if BREAK in tokens:
        kept = np.array([token != BREAK for token in tokens], np.bool_)
        document, position = document[kept], position[kept]
        vectors = None if vectors is None else vectors[kept]
        tokens = [token for token in tokens if token != BREAK]
    encoded = [token.encode("utf-8", "surrogatepass") for token in tokens]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    text = np.frombuffer(b"".join(encoded), np.uint8)
    found = np.zeros(len(tokens), np.bool_) if vectors is None else vectors.any(axis=1)
    return TokenVectors(document, position, bounds, text, np.asarray(found), vectors)
