"""Hash tables of words that count or encode text in compiled code and spill to disk if full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.counting.spill import PackedWords, SpillFile, partition_ranges, write_spill_file
from corpora.jit import announce_compilation

__all__ = ["Located", "WordTable", "load", "merge", "pack"]

_INITIAL_WORDS = 8  # initial capacity
_MAX_WORDS = 1 << 31  # the capacity of 32-bit numbers in a table that is half full
_DECODED_WORDS = 1 << 16  # words converted to strings at a time
_CACHE_BYTES = 1 << 25  # tables of this size fit in the CPU cache, which makes merging fast


def pack(words: Mapping[str, int]) -> PackedWords:
    """Pack words and their values into arrays."""
    # str.encode raises TypeError for keys that are not strings.
    encoded = [str.encode(word, "utf-8", "surrogatepass") for word in words]
    bounds = np.fromiter(chain((0,), map(len, encoded)), np.int64, len(encoded) + 1)
    np.cumsum(bounds, out=bounds)
    values = np.fromiter(words.values(), np.int64, len(encoded))
    return PackedWords(bounds, np.frombuffer(b"".join(encoded), np.uint8), values)


class Located(NamedTuple):
    """The words of documents, from `WordTable.locate`."""

    text: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    """Word ``j`` is ``text[starts[j]:stops[j]]``, encoded as UTF-8."""
    stops: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    """Id of each word; -1 for unknown words."""
    codes: npt.NDArray[np.int32]
    """The same, with a number of at least the size of the table for each unknown word; -1 for empty
    words."""
    offsets: npt.NDArray[np.int64]
    """Words ``offsets[i]:offsets[i + 1]`` are those of document ``i``."""

    def packed(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Bounds and data: word ``j`` is ``data[bounds[j]:bounds[j + 1]]``."""
        from corpora.counting.kernels import gather_words

        bounds, data = gather_words(self.text, self.starts, self.stops)
        return bounds, data


def load() -> None:
    """Load or compile the compiled code; has to be called before threads use it."""
    with announce_compilation("word counting"):
        table = WordTable()
        table.count(b"a\n")
        table.encode(b"a\n", np.zeros(2, np.int32), np.zeros(2, np.int64))
        table.add(pack({"b": 1}))
        list(table.pairs(1))


class WordTable:
    """A hash table of words and their counts, or their ids.

    Parameters
    ----------
    memory : int, optional
        Maximum number of bytes. A table that would need more is written to a file and emptied.
    folder : Path, optional
        Folder for these files; required with `memory`.
    factor : uint64, optional
        Factor of the hash function, for tests.

    Attributes
    ----------
    spilled : list of SpillFile
        Files written so far. A word can be in several files and in the table.
    """

    def __init__(
        self,
        memory: int | None = None,
        folder: Path | None = None,
        *,
        factor: np.uint64 | None = None,
    ) -> None:
        kernels = self._kernels
        self.memory = memory
        self.folder = folder
        self.spilled: list[SpillFile] = []
        self._factor = kernels.FACTOR if factor is None else factor
        self._state = np.zeros(kernels.STATE_SIZE, np.int64)
        self._entries = np.zeros((_INITIAL_WORDS + 1, 2), np.int64)
        self._arena = np.zeros(8 * _INITIAL_WORDS, np.uint8)
        self._slots = np.zeros(2 * _INITIAL_WORDS, np.uint64)

    @property
    def _kernels(self) -> Any:
        # slow to import, and modules cannot be pickled
        from corpora.counting import kernels

        return kernels

    def __len__(self) -> int:
        return int(self._state[self._kernels.WORDS])

    @property
    def tokens(self) -> int:
        """Number of words read by `count`."""
        return int(self._state[self._kernels.TOKENS])

    @property
    def documents(self) -> int:
        """Number of lines with words read by `count`."""
        return int(self._state[self._kernels.DOCUMENTS])

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._entries.nbytes + self._arena.nbytes + self._slots.nbytes

    def count(self, block: bytes) -> None:
        """Count the words of a block of whole lines, encoded as UTF-8."""
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
            self._grow_or_spill()

    def encode(
        self, block: bytes, ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int64]
    ) -> tuple[int, int, int]:
        """Look up the words of a block of whole lines, encoded as UTF-8.

        Parameters
        ----------
        block : bytes
        ids, lengths : arrays of at least ``len(block) // 2 + 1`` elements, overwritten
            Ids of the words in the table, and the number of ids for each line that has words.

        Returns
        -------
        n_ids, n_lines, n_words : int
        """
        text = np.frombuffer(block, np.uint8)
        n_ids, n_lines, n_words = self._kernels.encode_text(
            text, self._factor, self._slots, self._entries, self._arena, ids, lengths
        )
        return n_ids, n_lines, n_words

    def locate(self, text: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]) -> Located:
        """Find the words of documents, and look them up; threads can share the table.

        Parameters
        ----------
        text : uint8 array
            Encoded as UTF-8, not writable.
        bounds : int64 array of shape (n_documents + 1,)
            Document ``i`` is ``text[bounds[i]:bounds[i + 1]]``. Each document ends with whitespace.
        """
        found, seen = self._scratch(len(text) // 2 + 1)
        offsets = np.empty(len(bounds), np.int64)
        n = self._kernels.locate_words(
            text, bounds, self._factor, self._slots, self._entries, self._arena, len(self),
            seen, *found, offsets,
        )  # fmt: skip
        starts, stops, ids, codes = (array[:n] for array in found)
        return Located(text, starts, stops, ids, codes, offsets)

    def locate_lines(
        self, text: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
    ) -> Located | None:
        """Look up words that are lines; None if their number is not that of `offsets`.

        Parameters
        ----------
        text : uint8 array
            Encoded as UTF-8, not writable; each word is followed by a line end. Empty words get
            the id and code -1.
        offsets : int64 array of shape (n_documents + 1,)
            Words ``offsets[i]:offsets[i + 1]`` are those of document ``i``.
        """
        n = int(np.count_nonzero(text == ord("\n")))
        if n != offsets[-1]:
            return None
        found, seen = self._scratch(n)
        self._kernels.locate_lines(
            text, self._factor, self._slots, self._entries, self._arena, len(self), seen, *found
        )
        starts, stops, ids, codes = found
        return Located(text, starts, stops, ids, codes, offsets)

    def _scratch(self, n: int) -> tuple[Any, Any]:
        """Arrays for at most n words: starts, stops, ids and codes; and a hash table."""
        found = tuple(np.empty(n, dtype) for dtype in (np.int64, np.int64, np.int32, np.int32))
        return found, np.zeros(1 << (2 * n).bit_length(), np.int32)

    def add(self, words: PackedWords) -> None:
        """Add counts of words, or new words with their ids."""
        data = words.data.view()
        data.flags.writeable = False  # a separate type for Numba: compile only one
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
            self._grow_or_spill()

    def take(self) -> PackedWords:
        """Return all words in order of insertion; the table must not be used afterwards."""
        n = len(self)
        self._slots = np.zeros(0, np.uint64)  # frees memory for the copies
        bounds, values = self._entries[: n + 1, 0].copy(), self._entries[:n, 1].copy()
        return PackedWords(bounds, self._arena[: bounds[n]], values)

    def spill(self) -> None:
        """Write all words to a file and empty the table."""
        n = len(self)
        if not n:
            return
        assert self.folder is not None
        # The slots serve as a buffer: they are cleared afterwards anyway.
        order = self._slots.view(np.uint32)[:n]
        n_words, n_bytes = self._kernels.order_by_part(
            n, self._factor, self._entries, self._arena, order
        )
        file = write_spill_file(self.folder, order, n_words, n_bytes, self._entries, self._arena)
        self.spilled.append(file)
        self.clear()

    def clear(self) -> None:
        """Remove all words; the numbers of tokens and documents stay."""
        self._slots.fill(0)
        self._state[[self._kernels.WORDS, self._kernels.BYTES]] = 0

    def frequencies(self) -> dict[int, int]:
        """Return the number of words by count."""
        counts, n = np.unique(self._entries[: len(self), 1], return_counts=True)
        return dict(zip(counts.tolist(), n.tolist(), strict=True))

    def pairs(self, min_count: int) -> Iterator[tuple[str, int]]:
        """Yield the words with at least `min_count` occurrences, and their counts."""
        frequent = np.flatnonzero(self._entries[: len(self), 1] >= min_count).astype(np.uint32)
        for start in range(0, len(frequent), _DECODED_WORDS):
            numbers = frequent[start : start + _DECODED_WORDS]
            words = PackedWords(*self._kernels.gather(numbers, self._entries, self._arena))
            yield from words.pairs()

    def _grow_or_spill(self) -> None:
        """Enlarge the table, or spill it if that would exceed the memory limit."""
        used, needed = self._state[[self._kernels.BYTES, self._kernels.NEEDED]].tolist()
        words, size = len(self._entries) - 1, len(self._arena)
        if len(self) >= words:
            words *= 2
        if used + needed > size:
            size = max(2 * size, used + needed)
        too_large = self.memory is not None and 32 * words + size > self.memory
        if len(self) and (too_large or words > _MAX_WORDS):
            self.spill()
            return
        # In place, which can avoid copying large arrays.
        self._arena.resize(size, refcheck=False)
        if words >= len(self._entries):
            self._entries.resize((words + 1, 2), refcheck=False)
            self._slots = np.zeros(0, np.uint64)  # freed before the larger array is allocated
            self._slots = np.zeros(2 * words, np.uint64)
            self._kernels.fill_slots(
                len(self), self._factor, self._slots, self._entries, self._arena
            )


def merge(
    files: list[SpillFile], memory: int, *, factor: np.uint64 | None = None
) -> Iterator[WordTable]:
    """Add up the counts in spill files, in tables of distinct words, in bounded memory.

    Parameters
    ----------
    files : list of SpillFile
        Files of tables with the same `factor`.
    memory : int
        Approximate number of bytes to use.
    factor : uint64, optional
        As for `WordTable`.

    Yields
    ------
    WordTable
        The same object each time, with other words; a word occurs in one table only.
    """
    table = WordTable(factor=factor)
    for first, stop in partition_ranges(files, min(memory, _CACHE_BYTES)):
        table.clear()
        for file in files:
            table.add(file.read(first, stop))
        yield table
