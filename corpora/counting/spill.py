"""Spill words and counts to disk, partitioned by hash, so that they can be merged in parts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.files import temporary_files_in

__all__ = ["PackedWords", "SpillFile", "partition_ranges", "write_spill_file"]

_WRITTEN_WORDS = 1 << 14  # words written at a time


class PackedWords(NamedTuple):
    """Words and their counts or ids in arrays, without a Python object per word.

    Attributes
    ----------
    bounds : int64 array of shape (n + 1,)
    data : uint8 array
        Word ``i`` is ``data[bounds[i]:bounds[i + 1]]``, encoded as UTF-8.
    values : int64 array of shape (n,)
    """

    bounds: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]
    values: npt.NDArray[np.int64]

    def pairs(self) -> Iterator[tuple[str, int]]:
        """Yield the words and their values."""
        data, bounds = self.data.tobytes(), self.bounds.tolist()
        for start, stop, n in zip(bounds, bounds[1:], self.values.tolist(), strict=False):
            yield data[start:stop].decode("utf-8", "surrogatepass"), n


class SpillFile(NamedTuple):
    """A file of distinct words, partitioned by the first bits of their hashes.

    The file holds the lengths and values of all words, followed by their bytes.

    Attributes
    ----------
    path : Path
    n_words, n_bytes : int64 arrays of shape (n_partitions + 1,)
        Cumulative numbers of words and bytes: totals of all preceding partitions.
    """

    path: Path
    n_words: npt.NDArray[np.int64]
    n_bytes: npt.NDArray[np.int64]

    def read(self, first: int, stop: int) -> PackedWords:
        """Read the words of the partitions from `first` to before `stop`."""
        n = int(self.n_words[stop] - self.n_words[first])
        size = int(self.n_bytes[stop] - self.n_bytes[first])
        with open(self.path, "rb") as file:
            file.seek(16 * int(self.n_words[first]))
            table = np.fromfile(file, np.int64, 2 * n).reshape(n, 2)
            file.seek(16 * int(self.n_words[-1]) + int(self.n_bytes[first]))
            data = np.fromfile(file, np.uint8, size)
        bounds = np.zeros(n + 1, np.int64)
        np.cumsum(table[:, 0], out=bounds[1:])
        return PackedWords(bounds, data, table[:, 1].copy())


def write_spill_file(
    folder: Path,
    order: npt.NDArray[np.uint32],
    n_words: npt.NDArray[np.int64],
    n_bytes: npt.NDArray[np.int64],
    entries: npt.NDArray[np.int64],
    arena: npt.NDArray[np.uint8],
) -> SpillFile:
    """Write the words of a table in the order of their partitions.

    Raises
    ------
    OSError
        If the disk is full or the folder can't be written to; the message names TMPDIR.
    """
    from corpora.counting.kernels import gather

    path = folder / f"words-{secrets.token_hex(8)}"
    with temporary_files_in(folder.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
        with open(path, "wb") as numbers, open(path, "r+b") as data:
            data.seek(16 * len(order))
            for start in range(0, len(order), _WRITTEN_WORDS):
                words = PackedWords(*gather(order[start : start + _WRITTEN_WORDS], entries, arena))
                numbers.write(np.stack([np.diff(words.bounds), words.values], 1).data)
                data.write(words.data.data)
    return SpillFile(path, n_words, n_bytes)


def partition_ranges(files: list[SpillFile], memory: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of partitions whose words fit in memory; at least one partition each."""
    # Memory of a table with room for twice the words, and of the arrays read from one file.
    size: npt.NDArray[Any] = sum(
        (100 * np.diff(file.n_words) + 3 * np.diff(file.n_bytes) for file in files),
        np.zeros(1, np.int64),
    )
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    first = 0
    while first < len(size):
        stop = int(np.searchsorted(total, total[first] + memory, side="right")) - 1
        stop = max(first + 1, stop)
        yield first, stop
        first = stop
