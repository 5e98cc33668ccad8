"""Count words in one pass over a corpus, in bounded memory, in parallel if it can be split."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from corpora.checks import check_integer, check_number
from corpora.corpus import Corpus, Source
from corpora.corpus import open as open_corpus
from corpora.counting.spill import PackedWords, SpillFile
from corpora.counting.word_table import WordTable, load, merge, pack
from corpora.files import temporary_folder, temporary_parent
from corpora.parallel import cores, map_shards

__all__ = ["Counts", "PackedCounts", "WordCounter", "count", "uses_compiled_code"]

logger = logging.getLogger(__name__)

# Smaller corpora are read before compiled code would be loaded.
COMPILED_BYTES = 1 << 20
# Tokens counted at a time: many documents at once, but few enough to stay in the CPU cache.
_BLOCK_TOKENS = 4096
# Distinct words in a Counter before they are moved to a table.
_COUNTER_WORDS = 1 << 18
# Larger tables are sent to another process in a file.
_SENT_BYTES = 1 << 26


@dataclass
class Counts:
    """Numbers of words, tokens, sentences and documents in a corpus.

    Attributes
    ----------
    words : dict of str to int
        Occurrences of the words with at least `min_count` occurrences; the most frequent first,
        ties in alphabetical order.
    documents, sentences, tokens : int
        A document without sentence breaks counts as one sentence. Breaks do not count as tokens.
    skipped : int
        Lines dropped: their bytes can't be decoded (``errors="skip"``), or their text is null.
    min_count : int
        Words that occur less often are missing from `words`, but included in all other numbers.
    frequencies : dict of int to int
        Number of words by number of occurrences; by default computed from `words`.
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
        """Number of distinct words, including rare ones."""
        return sum(self.frequencies.values())

    def coverage(self, min_count: int) -> tuple[int, float]:
        """Return the number of words with at least `min_count` occurrences, and their share.

        Returns
        -------
        types : int
            Number of distinct words.
        share : float
            Fraction of all tokens that are one of these words.
        """
        frequent = {n: types for n, types in self.frequencies.items() if n >= min_count}
        tokens = sum(n * types for n, types in frequent.items())
        return sum(frequent.values()), tokens / self.tokens if self.tokens else 0.0

    def most_common(self, max_size: int | None = None) -> dict[str, int]:
        """Return the most frequent words.

        Parameters
        ----------
        max_size : int, optional
            Maximum number of words.

        Returns
        -------
        dict of str to int
            Occurrences of each word.

        Raises
        ------
        ValueError
            If the corpus has no words, or none with `min_count` occurrences.
        """
        if not self.frequencies:
            raise ValueError("the corpus holds no words")
        if not self.words:
            highest = max(self.frequencies)
            raise ValueError(
                f"no word occurs {self.min_count} times: the most frequent of {self.types} words "
                f"occurs {highest} times; use a lower min_count"
            )
        return dict(islice(self.words.items(), max_size))


def uses_compiled_code(corpus: Corpus) -> bool:
    """Whether a corpus is read by compiled code: plain text that is not small."""
    size = corpus.size
    return (size is None or size >= COMPILED_BYTES) and corpus.is_plain_text


def count(
    corpus: Corpus | Source,
    *,
    min_count: int = 1,
    memory: int = 1 << 30,
    workers: int | None = None,
    engine: str | None = None,
    progress: bool = False,
) -> Counts:
    """Count the words of a corpus.

    Words that do not fit in `memory` are spilled to temporary files; Python strings are created
    only for words with at least `min_count` occurrences. Plain text with a document per line and
    words separated by whitespace is counted by compiled code.

    Parameters
    ----------
    corpus : Corpus, path or iterable of documents
        Anything that `corpora.open` takes.
    min_count : int, default 1
        Leave words that occur less often out of the result.
    memory : int, default 1 GiB
        Approximate number of bytes to use, in addition to the result. Does not change the result.
    workers : int, optional
        Number of threads for plain text, or else of processes; by default one per core. Does not
        change the result.
    engine : str, optional
        Where to count: by default on this machine. "ray" uses all CPUs of a Ray cluster: that of
        the environment variable RAY_ADDRESS, one that runs on this machine, or else a new one on
        this machine; HOST:PORT names the head of a cluster. All nodes must see the files. Does not
        change the result, and `workers` has no effect with it.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Counts

    Raises
    ------
    ClusterError
        If the cluster can't be reached, or its nodes can't do the work.
    CorpusError
        If the contents of a file are invalid.
    OSError
        If temporary files can't be written; the message names their folder.
    ValueError
        If `memory` or `workers` is less than 1.
    """
    check_number("memory", memory, 1)
    check_number("min_count", min_count, 0)
    if workers is not None:
        workers = check_integer("workers", workers, 1)
    corpus = open_corpus(corpus)
    label = "counting" if progress else None
    compiled = uses_compiled_code(corpus)
    started = time.perf_counter()
    with _temporary_folder() as folder:
        if compiled and engine is None:
            counts, counter = _count_with_threads(corpus, memory, workers, label, folder)
        else:
            counts, counter = _count_shards(
                corpus, memory, workers, label, folder, engine, compiled
            )
        counts.words, counts.frequencies = counter.result(min_count)
    counts.min_count = min_count
    logger.info(
        "counted %d tokens, %d distinct words and %d documents in %.1f s",
        counts.tokens,
        counts.types,
        counts.documents,
        time.perf_counter() - started,
    )
    return counts


def _count_with_threads(
    corpus: Corpus, memory: int, workers: int | None, label: str | None, folder: Path
) -> tuple[Counts, WordCounter]:
    """Count plain text in tables that threads take turns to use: few tables have to be merged."""
    load()
    memory_per_shard = memory // _max_parallel(corpus, workers)
    tables: list[WordTable] = []  # not in use by any thread

    def count_shard(shard: Corpus) -> int:
        table = tables.pop() if tables else WordTable(memory_per_shard, folder)
        for block in shard.utf8_blocks():
            table.count(block)
        tables.append(table)
        return shard.skipped

    skipped_lines = map_shards(count_shard, corpus, workers=workers, progress=label, threads=True)
    with contextlib.closing(skipped_lines):
        skipped = sum(skipped_lines)
    documents = sum(table.documents for table in tables)
    tokens = sum(table.tokens for table in tables)
    counter = WordCounter(memory, folder)
    while tables:
        table = tables.pop()
        counter.memory = memory - sum(other.nbytes for other in tables)
        counter.add_table(table)
    return Counts({}, documents, documents, tokens, skipped), counter


def _count_shards(
    corpus: Corpus,
    memory: int,
    workers: int | None,
    label: str | None,
    folder: Path,
    engine: str | None,
    compiled: bool,
) -> tuple[Counts, WordCounter]:
    # One half for counting the shards, the other half for the total.
    memory_per_shard = memory // 2 // _max_parallel(corpus, workers)
    counts, counter = Counts(), WordCounter(memory // 2, folder)
    count_shard = _count_plain_shard if compiled else _count_shard
    shards = map_shards(
        partial(count_shard, memory=memory_per_shard),
        corpus,
        workers=workers,
        engine=engine,
        progress=label,
        folder=folder,
    )
    with contextlib.closing(shards):
        for shard in shards:
            counter.add(shard.words.moved_to(folder))
            counts.documents += shard.documents
            counts.sentences += shard.documents + shard.words.breaks
            counts.tokens += shard.tokens - shard.words.breaks
            counts.skipped += shard.skipped
    return counts, counter


def _max_parallel(corpus: Corpus, workers: int | None) -> int:
    """Return the maximum number of shards that are counted at the same time."""
    return len(corpus.shards(max(workers or cores(), 1)))


class _ShardCounts(NamedTuple):
    """Counts of a shard; `tokens` includes breaks."""

    words: PackedCounts
    documents: int
    tokens: int
    skipped: int


def _count_shard(shard: Corpus, memory: int, folder: Path) -> _ShardCounts:
    counter = WordCounter(memory, folder)
    n_documents = n_tokens = 0
    # Counter.update loops in C; short documents are concatenated for it.
    pending: list[str] = []
    for document in shard:
        n_documents += 1
        pending += document
        if len(pending) > _BLOCK_TOKENS:
            n_tokens += len(pending)
            counter.update(pending)
            pending.clear()
    counter.update(pending)
    return _ShardCounts(counter.pack(), n_documents, n_tokens + len(pending), shard.skipped)


def _count_plain_shard(shard: Corpus, memory: int, folder: Path) -> _ShardCounts:
    load()
    table = WordTable(memory, folder)
    for block in shard.utf8_blocks():
        table.count(block)
    documents, tokens = table.documents, table.tokens
    words = PackedCounts({}, table.take(), table.spilled, 0)
    return _ShardCounts(words, documents, tokens, shard.skipped)


class PackedCounts(NamedTuple):
    """Contents of a `WordCounter`, to be sent to another process."""

    recent: dict[str, int]
    words: PackedWords | None
    spilled: list[SpillFile]
    breaks: int

    def moved_to(self, folder: Path) -> PackedCounts:
        """Return the same, with its files in another folder."""
        return self._replace(
            spilled=[file._replace(path=folder / file.path.name) for file in self.spilled]
        )


class WordCounter:
    """Counts words: at first in a Counter, then in a compiled table, then in files.

    Compiled code is loaded only if there are many distinct words.

    Parameters
    ----------
    memory : int
        Bytes to use; counts that need more are spilled to files.
    folder : Path
        Folder for these files.
    """

    def __init__(self, memory: int, folder: Path) -> None:
        self.memory = memory
        self._folder = folder
        self._recent: Counter[str] = Counter()
        self._table: WordTable | None = None
        self._breaks = 0

    def update(self, tokens: Iterable[str] | Mapping[str, int]) -> None:
        """Count tokens, or add counts."""
        self._recent.update(tokens)
        if len(self._recent) > _COUNTER_WORDS:
            self._flush()

    def add(self, packed: PackedCounts) -> None:
        """Add the words of another counter, without its breaks."""
        self.update(packed.recent)
        if packed.words is not None:
            table = self._get_table()
            table.add(packed.words)
            table.spilled += packed.spilled

    def add_table(self, table: WordTable) -> None:
        """Add the words of a table, which must not be used afterwards."""
        if self._table is None:
            self._table = table
            table.memory = self.memory
            return
        self._table.memory = self.memory
        self._table.spilled += table.spilled
        self._table.add(table.take())

    def pack(self) -> PackedCounts:
        """Pack all counts for another process; the counter must not be used afterwards."""
        self._take_breaks()
        words, spilled = None, []
        if self._table is not None:
            if self._table.nbytes > _SENT_BYTES:
                self._table.spill()
            words, spilled = self._table.take(), self._table.spilled
        return PackedCounts(self._recent, words, spilled, self._breaks)

    def result(self, min_count: int) -> tuple[dict[str, int], dict[int, int]]:
        """Return the counts; the counter must not be used afterwards.

        Returns
        -------
        words : dict of str to int
            Words with at least `min_count` occurrences; the most frequent first, ties in
            alphabetical order.
        frequencies : dict of int to int
            Number of words by number of occurrences, including rare words.
        """
        self._take_breaks()
        if self._table is None:
            frequencies = Counter(self._recent.values())
            pairs = [pair for pair in self._recent.items() if pair[1] >= min_count]
        else:
            self._flush()
            frequencies, pairs = Counter(), []
            for table in self._tables():
                frequencies.update(table.frequencies())
                pairs.extend(table.pairs(min_count))
        # Sorting twice by one key takes a third of the time of sorting once by both keys.
        pairs.sort(key=itemgetter(0))
        pairs.sort(key=itemgetter(1), reverse=True)
        return dict(pairs), dict(frequencies)

    def _tables(self) -> Iterator[WordTable]:
        """Yield all words, in tables to be used one at a time."""
        table, self._table = self._get_table(), None
        if not table.spilled:
            yield table
            return
        table.spill()
        spilled = table.spilled
        del table  # frees memory for the tables to come
        yield from merge(spilled, self.memory)

    def _flush(self) -> None:
        self._take_breaks()
        self._get_table().add(pack(self._recent))
        self._recent.clear()

    def _take_breaks(self) -> None:
        self._breaks += self._recent.pop("", 0)

    def _get_table(self) -> WordTable:
        if self._table is None:
            self._table = WordTable(self.memory, self._folder)
        return self._table


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Create a folder for temporary files.

    If this fails, writing the first file raises the error: most corpora need no files.
    """
    prefix = "corpora-words-"
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder(prefix))
        except OSError:
            folder = temporary_parent() / f"{prefix}{secrets.token_hex(8)}"
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder
