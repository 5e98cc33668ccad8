"""Counting words: one pass over a corpus, in parallel where it can be cut."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .errors import CorpusError

if TYPE_CHECKING:
    from .corpus import Corpus

__all__ = ["Counts", "count", "read_vocabulary", "vocabulary_lines"]

# Tokens counted at a time: many documents at once, but few enough that their
# tokens are still in the processor's cache.
_BLOCK = 4096


@dataclass
class Counts:
    """What a corpus holds.

    Attributes
    ----------
    words : dict of str to int
        Occurrences of each word, in the order of first appearance.
    documents, sentences, tokens : int
        A document without sentence breaks is one sentence; breaks are no tokens.
    skipped : int
        Lines dropped for bytes that cannot be decoded (``errors="skip"``).
    """

    words: dict[str, int] = field(default_factory=dict)
    documents: int = 0
    sentences: int = 0
    tokens: int = 0
    skipped: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of another part of the corpus."""
        words = self.words
        get = words.get
        for word, n in other.words.items():
            words[word] = get(word, 0) + n
        self.documents += other.documents
        self.sentences += other.sentences
        self.tokens += other.tokens
        self.skipped += other.skipped

    def coverage(self, min_count: int) -> tuple[int, float]:
        """Types seen at least `min_count` times, and their share of all tokens."""
        kept = [n for n in self.words.values() if n >= min_count]
        return len(kept), sum(kept) / self.tokens if self.tokens else 0.0

    def most_common(self, *, min_count: int = 1, max_size: int | None = None) -> dict[str, int]:
        """Return the frequent words, the most frequent first, ties in alphabetical order.

        Parameters
        ----------
        min_count : int, default 1
            Words seen less often are left out.
        max_size : int, optional
            At most so many words.

        Returns
        -------
        dict of str to int
            Occurrences of each word.

        Raises
        ------
        ValueError
            If there are no words at all, or none is frequent enough.
        """
        if not self.words:
            raise ValueError("the corpus holds no words")
        kept = [(word, n) for word, n in self.words.items() if n >= min_count]
        if not kept:
            raise ValueError(
                f"no word occurs {min_count} times: the most frequent of {len(self.words)} has "
                f"{max(self.words.values())}"
            )
        kept.sort(key=lambda item: (-item[1], item[0]))
        return dict(kept[:max_size])


def count(corpus: Corpus, *, workers: int | None = None, progress: bool = False) -> Counts:
    """Count the words of a corpus.

    Memory grows with the number of different words, not with the corpus.

    Parameters
    ----------
    corpus : Corpus
        What `corpora.open` returns.
    workers : int, optional
        Processes; all cores by default. The result does not depend on it.
    progress : bool
        Show a bar.

    Returns
    -------
    Counts

    Raises
    ------
    CorpusError
        If something is wrong with the contents of a file.
    """
    from .parallel import map_shards

    total: Counts | None = None
    label = "counting" if progress else None
    parts = map_shards(_count_shard, corpus, workers=workers, progress=label)
    with contextlib.closing(cast(Generator[Counts, None, None], parts)):
        for part in parts:
            if total is None:
                total = part
            else:
                total.add(part)
    return total or Counts()


def _count_shard(shard: Corpus) -> Counts:
    words: Counter[str] = Counter()
    n_documents = 0
    # Counter.update is a loop in C; many small documents are joined for it
    pending: list[str] = []
    for document in shard:
        n_documents += 1
        pending += document
        if len(pending) > _BLOCK:
            words.update(pending)
            pending.clear()
    words.update(pending)
    breaks = words.pop("", 0)
    return Counts(
        dict(words), n_documents, n_documents + breaks, sum(words.values()), shard.skipped
    )


def vocabulary_lines(words: dict[str, int]) -> Iterator[str]:
    r"""Yield the lines of a vocabulary file: word, tab, count, ``\n``.

    Raises
    ------
    CorpusError
        If a word holds a tab or line end, so that the file could not be read again.
    """
    for word, n in words.items():
        if "\t" in word or "\n" in word or "\r" in word:
            raise CorpusError(
                f"the word {word!r} holds a tab or line end, which a vocabulary file cannot; any "
                "cleaning step, such as nfc, cuts such words at white space"
            )
        yield f"{word}\t{n}\n"


def read_vocabulary(path: str | Path) -> dict[str, int]:
    """Read a vocabulary file, as ``corpora count`` writes it.

    Parameters
    ----------
    path : path
        Lines of word, tab, count; compressed or not.

    Returns
    -------
    dict of str to int
        Occurrences of each word, in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says what is near.
    CorpusError
        If a line is not a word and its count, a word comes twice, or there is no line.
    """
    from .readers import TextFile

    file = TextFile(str(path))
    words: dict[str, int] = {}
    for number, line in file.numbered_lines():
        word, tab, n = line.partition("\t")
        if not (tab and word and n.isascii() and n.isdigit()):
            raise file.error(f"expected a word, a tab and its count, found {line[:60]!r}", number)
        if word in words:
            raise file.error(f"the word {word!r} comes a second time", number)
        words[word] = int(n)
    if not words:
        raise file.error("the vocabulary holds no words")
    return words
