"""Counting words: one pass over a corpus, in bounded memory, in parallel where it can be cut."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpora.counting.plain_text import is_plain, utf8_blocks
from corpora.counting.spill import temporary_folder
from corpora.counting.word_counter import Packed, Tally
from corpora.counting.word_table import WordTable, load
from corpora.errors import CorpusError
from corpora.parallel import cores, map_shards

if TYPE_CHECKING:
    from corpora.corpus import Corpus

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
        Occurrences of the words that have at least `min_count`, the most frequent
        first, ties in alphabetical order.
    documents, sentences, tokens : int
        A document without sentence breaks is one sentence; breaks are no tokens.
    skipped : int
        Lines dropped for bytes that cannot be decoded (``errors="skip"``).
    min_count : int
        Words seen less often are not in `words`, but in all other numbers.
    frequencies : dict of int to int
        How many words have each count; by default those of `words`.
    """

    words: dict[str, int] = field(default_factory=dict)
    documents: int = 0
    sentences: int = 0
    tokens: int = 0
    skipped: int = 0
    min_count: int = 1
    frequencies: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frequencies = self.frequencies or dict(Counter(self.words.values()))

    @property
    def types(self) -> int:
        """Number of different words, rare ones included."""
        return sum(self.frequencies.values())

    def coverage(self, min_count: int) -> tuple[int, float]:
        """Types seen at least `min_count` times, and their share of all tokens."""
        kept = {n: types for n, types in self.frequencies.items() if n >= min_count}
        tokens = sum(n * types for n, types in kept.items())
        return sum(kept.values()), tokens / self.tokens if self.tokens else 0.0

    def most_common(self, max_size: int | None = None) -> dict[str, int]:
        """Return the most frequent words.

        Parameters
        ----------
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
        if not self.frequencies:
            raise ValueError("the corpus holds no words")
        if not self.words:
            most = max(self.frequencies)
            raise ValueError(
                f"no word occurs {self.min_count} times: the most frequent of {self.types} has "
                f"{most}"
            )
        return dict(islice(self.words.items(), max_size))


def count(
    corpus: Corpus,
    *,
    min_count: int = 1,
    memory: int = 1 << 30,
    workers: int | None = None,
    progress: bool = False,
) -> Counts:
    """Count the words of a corpus.

    Words beyond what fits in `memory` wait in temporary files; Python strings are made
    of those that occur `min_count` times only. Plain text, with a document a line and
    words parted by white space, is counted in compiled code.

    Parameters
    ----------
    corpus : Corpus
        What `corpora.open` returns.
    min_count : int, default 1
        Words seen less often are left out of the result.
    memory : int, default 1 GiB
        Bytes to use, about, beside those of the result. The result does not depend on it.
    workers : int, optional
        Threads for plain text, otherwise processes; all cores by default. The result
        does not depend on it.
    progress : bool
        Show a bar.

    Returns
    -------
    Counts

    Raises
    ------
    CorpusError
        If something is wrong with the contents of a file.
    OSError
        If temporary files cannot be written; the message names their folder.
    ValueError
        If `memory` or `workers` is less than 1.
    """
    if memory < 1:
        raise ValueError(f"memory is at least 1, not {memory}")
    label = "counting" if progress else None
    how = _count_plain if is_plain(corpus) else _count_documents
    with temporary_folder() as folder:
        counts, tally = how(corpus, memory, workers, label, folder)
        counts.words, counts.frequencies = tally.result(min_count)
    counts.min_count = min_count
    return counts


def _count_plain(
    corpus: Corpus, memory: int, workers: int | None, label: str | None, folder: Path
) -> tuple[Counts, Tally]:
    load()
    share = memory // _most_at_once(corpus, workers)
    tables: list[WordTable] = []  # that no thread uses at the moment

    def count_shard(shard: Corpus) -> int:
        table = tables.pop() if tables else WordTable(share, folder)
        for block in utf8_blocks(shard):
            table.count(block)
        tables.append(table)
        return shard.skipped

    parts = map_shards(count_shard, corpus, workers=workers, progress=label, threads=True)
    with contextlib.closing(parts):
        skipped = sum(parts)
    documents = sum(table.documents for table in tables)
    tokens = sum(table.tokens for table in tables)
    tally = Tally(memory, folder)
    while tables:
        table = tables.pop()
        tally.memory = memory - sum(other.nbytes for other in tables)
        tally.add_table(table)
    return Counts({}, documents, documents, tokens, skipped), tally


def _count_documents(
    corpus: Corpus, memory: int, workers: int | None, label: str | None, folder: Path
) -> tuple[Counts, Tally]:
    # Half for those that count the shards, half for what they find.
    share = memory // 2 // _most_at_once(corpus, workers)
    counts, tally = Counts(), Tally(memory // 2, folder)
    count_shard = partial(_count_shard, memory=share, folder=folder)
    parts = map_shards(count_shard, corpus, workers=workers, progress=label)
    with contextlib.closing(parts):
        for part in parts:
            tally.add(part.packed)
            counts.documents += part.documents
            counts.sentences += part.documents + part.packed.breaks
            counts.tokens += part.tokens - part.packed.breaks
            counts.skipped += part.skipped
    return counts, tally


def _most_at_once(corpus: Corpus, workers: int | None) -> int:
    """How many shards are counted at the same time, at most."""
    return len(corpus.shards(max(workers or cores(), 1)))


class _Part(NamedTuple):
    """What a shard holds; breaks are among its tokens."""

    packed: Packed
    documents: int
    tokens: int
    skipped: int


def _count_shard(shard: Corpus, memory: int, folder: Path) -> _Part:
    tally = Tally(memory, folder)
    n_documents = n_tokens = 0
    # Counter.update is a loop in C; many small documents are joined for it
    pending: list[str] = []
    for document in shard:
        n_documents += 1
        pending += document
        if len(pending) > _BLOCK:
            n_tokens += len(pending)
            tally.update(pending)
            pending.clear()
    tally.update(pending)
    return _Part(tally.pack(), n_documents, n_tokens + len(pending), shard.skipped)


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
    from corpora.readers import TextFile

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
