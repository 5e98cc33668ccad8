"""Tables of words that count or encode text in compiled code, and spill to disk when full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpora.counting.spill import Run, Words, ranges, write_run
from corpora.jit import announce_compilation

__all__ = ["WordTable", "load", "merged", "pack"]

_SMALLEST = 8  # words there is room for at first
_MOST = 1 << 31  # words that 32 bits can number in a table half full
_CHUNK = 1 << 16  # words made strings at a time
_CACHE = 1 << 25  # bytes of words that are added up fast, as a processor's cache holds them


def pack(words: Mapping[str, int]) -> Words:
    """Encode words and their values."""
    # As a function of str, so that what is no word raises TypeError.
    encoded = [str.encode(word, "utf-8", "surrogatepass") for word in words]
    bounds = np.fromiter(chain((0,), map(len, encoded)), np.int64, len(encoded) + 1)
    np.cumsum(bounds, out=bounds)
    values = np.fromiter(words.values(), np.int64, len(encoded))
    return Words(bounds, np.frombuffer(b"".join(encoded), np.uint8), values)


def load() -> None:
    """Load the compiled code, or compile it; to be done before threads need it."""
    with announce_compilation("word counting"):
        table = WordTable()
        table.count(b"a\n")
        table.encode(b"a\n", np.zeros(2, np.int32), np.zeros(2, np.int64))
        table.add(pack({"b": 1}))
        list(table.pairs(1))


class WordTable:
    """Words and their counts, or their ids.

    Parameters
    ----------
    memory : int, optional
        Bytes. What needs more is written to a file, and the table is empty again.
    folder : Path, optional
        Where to write to, with `memory`.
    factor : uint64, optional
        Of the hash function; for tests.

    Attributes
    ----------
    runs : list of Run
        What was written; a word may be in several, and in the table.
    """

    def __init__(
        self,
        memory: int | None = None,
        folder: Path | None = None,
        *,
        factor: np.uint64 | None = None,
    ) -> None:
        from corpora.counting import kernels

        self.memory = memory
        self.folder = folder
        self.runs: list[Run] = []
        self._kernels = kernels
        self._factor = kernels.FACTOR if factor is None else factor
        self._state = np.zeros(kernels.STATE_SIZE, np.int64)
        self._entries = np.zeros((_SMALLEST + 1, 2), np.int64)
        self._arena = np.zeros(8 * _SMALLEST, np.uint8)
        self._slots = np.zeros(2 * _SMALLEST, np.uint64)

    def __len__(self) -> int:
        return int(self._state[self._kernels.WORDS])

    @property
    def tokens(self) -> int:
        """Words that `count` has read."""
        return int(self._state[self._kernels.TOKENS])

    @property
    def documents(self) -> int:
        """Lines with words that `count` has read."""
        return int(self._state[self._kernels.DOCUMENTS])

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        return self._entries.nbytes + self._arena.nbytes + self._slots.nbytes

    def count(self, block: bytes) -> None:
        """Count the words of whole lines in UTF-8."""
        text = np.frombuffer(block, np.uint8)
        at = in_line = 0
        while True:
            at, in_line = self._kernels.count_text(
                text,
                at,
                in_line,
                self._factor,
                self._slots,
                self._entries,
                self._arena,
                self._state,
            )
            if at == len(text):
                return
            self._make_room()

    def encode(
        self, block: bytes, ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int64]
    ) -> tuple[int, int, int]:
        """Look up the words of whole lines in UTF-8.

        Parameters
        ----------
        block : bytes
        ids, lengths : arrays, written
            Values of the words that the table has, and how many of them there are in
            each line with words. Each has room for ``len(block) // 2 + 1``.

        Returns
        -------
        n_ids, n_lines, n_words : int
        """
        text = np.frombuffer(block, np.uint8)
        n_ids, n_lines, n_words = self._kernels.encode_text(
            text, self._factor, self._slots, self._entries, self._arena, ids, lengths
        )
        return n_ids, n_lines, n_words

    def add(self, words: Words) -> None:
        """Add counts, or new words with their ids."""
        data = words.data.view()
        data.flags.writeable = False  # for Numba this is a type of its own: compile only one
        at = 0
        while True:
            at = self._kernels.add_words(
                data,
                words.bounds,
                words.values,
                at,
                self._factor,
                self._slots,
                self._entries,
                self._arena,
                self._state,
            )
            if at == len(words.values):
                return
            self._make_room()

    def take(self) -> Words:
        """Take all words out, in the order in which they came; the table is of no use then."""
        n = len(self)
        self._slots = np.zeros(0, np.uint64)  # given back, so that copies have room
        bounds, values = self._entries[: n + 1, 0].copy(), self._entries[:n, 1].copy()
        return Words(bounds, self._arena[: bounds[n]], values)

    def spill(self) -> None:
        """Write all words to a file, and forget them."""
        n = len(self)
        if not n:
            return
        assert self.folder is not None
        # The slots are of no use for this, and would have to be emptied anyway.
        order = self._slots.view(np.uint32)[:n]
        n_words, n_bytes = self._kernels.order_by_part(
            n, self._factor, self._entries, self._arena, order
        )
        run = write_run(self.folder, order, n_words, n_bytes, self._entries, self._arena)
        self.runs.append(run)
        self.clear()

    def clear(self) -> None:
        """Forget all words, but not how many there were."""
        self._slots.fill(0)
        self._state[[self._kernels.WORDS, self._kernels.BYTES]] = 0

    def frequencies(self) -> dict[int, int]:
        """How many words have each count."""
        counts, n = np.unique(self._entries[: len(self), 1], return_counts=True)
        return dict(zip(counts.tolist(), n.tolist(), strict=True))

    def pairs(self, min_count: int) -> Iterator[tuple[str, int]]:
        """Yield the words with at least some count, and the counts."""
        kept = np.flatnonzero(self._entries[: len(self), 1] >= min_count).astype(np.uint32)
        for start in range(0, len(kept), _CHUNK):
            chosen = kept[start : start + _CHUNK]
            yield from Words(*self._kernels.gather(chosen, self._entries, self._arena)).pairs()

    def _make_room(self) -> None:
        """Have the table grow; or empty it, if that needs more memory than there is."""
        used, needed = self._state[[self._kernels.BYTES, self._kernels.NEEDED]].tolist()
        words, room = len(self._entries) - 1, len(self._arena)
        if len(self) >= words:
            words *= 2
        if used + needed > room:
            room = max(2 * room, used + needed)
        limit = self.memory is not None and 32 * words + room > self.memory
        if len(self) and (limit or words > _MOST):
            self.spill()
            return
        # In place, which need not copy what is large.
        self._arena.resize(room, refcheck=False)
        if words >= len(self._entries):
            self._entries.resize((words + 1, 2), refcheck=False)
            self._slots = np.zeros(0, np.uint64)  # given back first
            self._slots = np.zeros(2 * words, np.uint64)
            self._kernels.fill_slots(
                len(self), self._factor, self._slots, self._entries, self._arena
            )


def merged(runs: list[Run], memory: int, *, factor: np.uint64 | None = None) -> Iterator[WordTable]:
    """Add up the counts in runs, as tables of different words, in bounded memory.

    Parameters
    ----------
    runs : list of Run
        Of tables with the same `factor`.
    memory : int
        Bytes, about.
    factor : uint64, optional
        As for `WordTable`.

    Yields
    ------
    WordTable
        The same object, with other words; all words with one hash come together.
    """
    table = WordTable(factor=factor)
    for first, stop in ranges(runs, min(memory, _CACHE)):
        table.clear()
        for run in runs:
            table.add(run.read(first, stop))
        yield table
