"""Counting words: one pass over a corpus, in parallel where it can be cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpora.corpus import Corpus


@dataclass
class Counts:
    """What a corpus holds.

    Attributes
    ----------
    words : dict of str to int
        Occurrences of each word, in the order of first appearance.
    documents, sentences, tokens : int
        A document without sentence breaks is one sentence; breaks are no tokens.
    """

    words: dict[str, int] = field(default_factory=dict)
    documents: int = 0
    sentences: int = 0
    tokens: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of another part of the corpus."""
        words = self.words
        get = words.get
        for word, n in other.words.items():
            words[word] = get(word, 0) + n
        self.documents += other.documents
        self.sentences += other.sentences
        self.tokens += other.tokens

    def coverage(self, min_count: int) -> tuple[int, float]:
        """Types seen at least `min_count` times, and their share of all tokens."""
        kept = [n for n in self.words.values() if n >= min_count]
        return len(kept), sum(kept) / self.tokens if self.tokens else 0.0


def count(corpus: Corpus, *, workers: int | None = None, progress: bool = False) -> Counts:
    """Count the words of a corpus.

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
    """
    from corpora.parallel import map_shards

    total = Counts()
    label = "counting" if progress else None
    for part in map_shards(_count_shard, corpus, workers=workers, progress=label):
        if total.documents == 0:
            total = part
        else:
            total.add(part)
    return total


def _count_shard(documents: Iterable[list[str]]) -> Counts:
    words: Counter[str] = Counter()
    n_documents = 0
    # Counter.update is a loop in C; many small documents are joined for it
    pending: list[str] = []
    for document in documents:
        n_documents += 1
        pending += document
        if len(pending) > 100_000:
            words.update(pending)
            pending.clear()
    words.update(pending)
    breaks = words.pop("", 0)
    return Counts(dict(words), n_documents, n_documents + breaks, sum(words.values()))
