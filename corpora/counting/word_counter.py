"""Counts of words that grow: first in a Counter, then in tables, then on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from corpora.counting.spill import Run, Words
from corpora.counting.word_table import WordTable, merged, pack

__all__ = ["Packed", "Tally"]

# Different words that a Counter may hold before they go to a table.
_MOST = 1 << 18
# Tables of more bytes reach another process by way of a file.
_SENT = 1 << 26


class Packed(NamedTuple):
    """A tally, for another process."""

    recent: dict[str, int]
    words: Words | None
    runs: list[Run]
    breaks: int


class Tally:
    """Words and their counts; few of them need no compiled code.

    Parameters
    ----------
    memory : int
        Bytes. What needs more is written to files.
    folder : Path
        Where to write to.
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
        if len(self._recent) > _MOST:
            self._flush()

    def add(self, packed: Packed) -> None:
        """Add another tally, but for its breaks."""
        self.update(packed.recent)
        if packed.words is not None:
            table = self._get_table()
            table.add(packed.words)
            table.runs += packed.runs

    def add_table(self, table: WordTable) -> None:
        """Add a table, which is of no use then."""
        if self._table is None:
            self._table = table
            table.memory = self.memory
            return
        self._table.memory = self.memory
        self._table.runs += table.runs
        self._table.add(table.take())

    def pack(self) -> Packed:
        """Pack what was counted; the tally is of no use then."""
        self._take_breaks()
        words, runs = None, []
        if self._table is not None:
            if self._table.nbytes > _SENT:
                self._table.spill()
            words, runs = self._table.take(), self._table.runs
        return Packed(self._recent, words, runs, self._breaks)

    def result(self, min_count: int) -> tuple[dict[str, int], dict[int, int]]:
        """Return the result; the tally is of no use then.

        Returns
        -------
        words : dict of str to int
            Those with `min_count` at least, the most frequent first, ties in alphabetical
            order.
        frequencies : dict of int to int
            How many words have each count, rare ones included.
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
        # Two sorts by one thing each take a third of the time of one by both.
        pairs.sort(key=itemgetter(0))
        pairs.sort(key=itemgetter(1), reverse=True)
        return dict(pairs), dict(frequencies)

    def _tables(self) -> Iterator[WordTable]:
        """Yield all words in one table after another; the last one has to be done with."""
        table, self._table = self._get_table(), None
        if not table.runs:
            yield table
            return
        table.spill()
        runs = table.runs
        del table  # room for the others
        yield from merged(runs, self.memory)

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
