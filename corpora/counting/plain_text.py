"""Corpora of plain text, a document a line, which compiled code can read as bytes."""

from __future__ import annotations

from collections.abc import Iterator

from corpora.corpus import Corpus
from corpora.readers.sources import FilePart
from corpora.readers.text import Text
from corpora.tokenizers import Tokenizer

__all__ = ["is_plain", "utf8_blocks"]

# Below so many bytes the general way is done before compiled code is loaded.
SMALLEST = 1 << 20

_WHITESPACE = (None, str.split, Tokenizer("whitespace"))


def is_plain(corpus: Corpus) -> bool:
    """Whether the tokens of a corpus are what white space parts in lines, and it is not small."""
    size = corpus.size
    return (
        (size is None or size >= SMALLEST)
        and corpus._clean is None
        and corpus._tokenize in _WHITESPACE
        and not corpus._sentences
        and not corpus._maps
        and all(
            isinstance(part, FilePart) and type(part.reader) is Text and part.reader.unit == "line"
            for part in corpus._parts
        )
    )


def utf8_blocks(corpus: Corpus) -> Iterator[bytes]:
    """Begin a pass over a plain corpus: whole lines, many at a time.

    Raises
    ------
    NotReiterableError
        If it can be read only once and has been.
    CorpusError
        If bytes cannot be decoded, or a compressed file is damaged.
    """
    meter = corpus._claim()
    for part in corpus._parts:
        assert isinstance(part, FilePart)
        yield from part.utf8_blocks(meter)
