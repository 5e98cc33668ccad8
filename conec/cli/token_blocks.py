"""Tokens of a corpus with their vectors, in blocks that depend on its documents alone."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from conec.cli.vector_files import TokenVectors
from conec.token_embedding import batches_of_lines
from corpora import BREAK, with_breaks

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from conec import ContextEncoder
    from conec.types import FloatArray
    from corpora import Corpus

_GROUP_TOKENS = 1 << 13  # tokens of lists that are written at a time


def count_documents(corpus: Corpus, encoder: ContextEncoder) -> int:
    """Number of documents that `token_blocks` numbers; the corpus is read once."""
    if not _is_plain(encoder, corpus):
        return sum(1 for _ in _documents(encoder, corpus))
    return sum(
        bool(text) and (b" " < text[:1] < b"\x7f" or not _is_blank(text))
        for block in corpus.utf8_blocks()
        for text in map(bytes.strip, block.split(b"\n"))
    )


def _is_blank(text: bytes) -> bool:
    return text.decode("utf-8", "surrogatepass").isspace()


def token_blocks(
    encoder: ContextEncoder,
    corpus: Corpus,
    a: float,
    dtype: str,
    *,
    workers: int = 1,
    engine: str | None = None,
    folder: Path | None = None,
    n_before: int = 0,
    number: int = 0,
) -> Generator[TokenVectors, None, None]:
    """Yield the tokens of a corpus in blocks that depend on its documents alone.

    Parameters
    ----------
    encoder : ContextEncoder
    corpus : Corpus
    a : float
    dtype : {"float32", "float16"}
        Type of the vectors.
    workers : int
    engine, folder
        As for `ContextEncoder.embed_batch`.
    n_before : int
        The first `n_before` blocks have no vectors.
    number : int
        Number of the first document.

    Raises
    ------
    ValueError
        If a value is too large for float16.
    """
    how = a, n_before, number
    where: dict[str, Any] = {"workers": workers, "engine": engine, "folder": folder}
    if _is_plain(encoder, corpus):
        blocks = _blocks_of_lines(encoder, corpus, *how, **where)
    else:
        blocks = _blocks_of_lists(encoder, _documents(encoder, corpus), *how, **where)
    for block in blocks:
        yield block if dtype == "float32" else replace(block, vector=_rounded(block.vector))


def _rounded(vectors: FloatArray | None) -> npt.NDArray[np.float16] | None:
    if vectors is None:
        return None
    try:
        with np.errstate(over="raise"):
            return vectors.astype(np.float16)
    except FloatingPointError:
        raise ValueError(
            "--dtype float16: vectors must have values up to 65,504, got "
            f"{np.abs(vectors).max():.5g}; leave out --dtype"
        ) from None


def _is_plain(encoder: ContextEncoder, corpus: Corpus) -> bool:
    from conec import ExtendedContextEncoder

    return corpus.is_plain_text and not isinstance(encoder, ExtendedContextEncoder)


def _documents(encoder: ContextEncoder, corpus: Corpus) -> Iterable[Any]:
    """Documents as lists of tokens, or as sentences of rows for a model with features."""
    from conec import ExtendedContextEncoder
    from conec.extended.training import documents_of

    return documents_of(corpus) if isinstance(encoder, ExtendedContextEncoder) else corpus


def _blocks_of_lines(
    encoder: ContextEncoder,
    corpus: Corpus,
    a: float,
    n_before: int,
    number: int,
    **where: Any,
) -> Iterator[TokenVectors]:
    """Blocks of plain text, without Python objects for its tokens."""

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
    embedded = encoder.embed_packed(texts, a, **where)
    for words, vectors, found in embedded:
        yield block(words, vectors, found)


def _positions(lengths: Any) -> Any:
    """Positions of tokens in documents with some numbers of tokens."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _blocks_of_lists(
    encoder: ContextEncoder,
    documents: Iterable[Any],
    a: float,
    n_before: int,
    number: int,
    **where: Any,
) -> Iterator[TokenVectors]:
    """Blocks of documents that are lists."""
    source = iter(documents)
    for group in islice(_groups((_tokens(text), None) for text in source), n_before):
        yield _block(group, number)
        number += len(group)
    waiting: deque[Any] = deque()  # documents that were read, but not returned

    def read() -> Iterator[Any]:
        for document in source:
            waiting.append(document)
            yield document

    vectors = encoder.embed_batch(read(), a, **where)
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
