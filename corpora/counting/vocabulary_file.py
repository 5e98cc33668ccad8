"""Vocabulary files: lines of word, tab, count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from corpora.errors import CorpusError
from corpora.readers import TextFile

__all__ = ["read_vocabulary", "vocabulary_lines"]


def vocabulary_lines(words: dict[str, int]) -> Iterator[str]:
    r"""Yield the lines of a vocabulary file: word, tab, count, ``\n``.

    Raises
    ------
    CorpusError
        If a word contains a tab or line end, so that the file could not be read again.
    """
    for word, n in words.items():
        if "\t" in word or "\n" in word or "\r" in word:
            raise CorpusError(
                f"the word {word!r} contains a tab or line end, which a vocabulary file can't "
                "represent; use a cleaning step such as nfc, which splits such words"
            )
        yield f"{word}\t{n}\n"


def read_vocabulary(
    path: str | Path, *, encoding: str = "utf-8", errors: str = "strict"
) -> dict[str, int]:
    """Read a vocabulary file, as written by ``corpora count``.

    Parameters
    ----------
    path : path
        Lines of word, tab, count; compressed or not.
    encoding, errors : str
        Encoding of the file, and handling of bytes that can't be decoded, as for `corpora.open`.

    Returns
    -------
    dict of str to int
        Occurrences of each word, in the order of the file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist; the message lists the closest matches.
    CorpusError
        If a line is not a word and its count, a word is repeated, or the file is empty.
    """
    file = TextFile(str(path), encoding, errors)
    words: dict[str, int] = {}
    for number, line in file.numbered_lines():
        word, tab, n = line.partition("\t")
        if not (tab and word and n.isascii() and n.isdigit()):
            raise file.error(f"expected a word, a tab and its count, got {line[:60]!r}", number)
        if len(n.lstrip("0")) > 18:
            raise file.error(f"counts must be below 10**18, got {n[:30]}", number)
        if word in words:
            raise file.error(f"the word {word!r} is repeated; remove one of the lines", number)
        words[word] = int(n)
    if not words:
        raise file.error("the vocabulary is empty; expected lines of word, tab, count")
    return words
