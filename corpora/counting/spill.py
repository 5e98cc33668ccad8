"""Words and counts that wait on disk, ordered by hash, until all can be added up."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.files import temporary_files_in

__all__ = ["Run", "Words", "ranges", "temporary_folder", "write_run"]

_CHUNK = 1 << 14  # words written at a time


class Words(NamedTuple):
    """Words and their counts or ids, without an object for each.

    Attributes
    ----------
    bounds : int64 array of shape (n + 1,)
    data : uint8 array
        Word ``i`` is ``data[bounds[i]:bounds[i + 1]]``, in UTF-8.
    values : int64 array of shape (n,)
    """

    bounds: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]
    values: npt.NDArray[np.int64]

    def pairs(self) -> Iterator[tuple[str, int]]:
        """Yield each word and its value."""
        data, bounds = self.data.tobytes(), self.bounds.tolist()
        for start, stop, n in zip(bounds, bounds[1:], self.values.tolist(), strict=False):
            yield data[start:stop].decode("utf-8", "surrogatepass"), n


class Run(NamedTuple):
    """A file of different words in parts, by the first bits of their hashes.

    First come the lengths and values of all words, then their bytes.

    Attributes
    ----------
    path : Path
    n_words, n_bytes : int64 arrays of shape (parts + 1,)
        In all parts before each.
    """

    path: Path
    n_words: npt.NDArray[np.int64]
    n_bytes: npt.NDArray[np.int64]

    def read(self, first: int, stop: int) -> Words:
        """Read the words of some parts."""
        n, size = (int(before[stop] - before[first]) for before in (self.n_words, self.n_bytes))
        with open(self.path, "rb") as file:
            file.seek(16 * int(self.n_words[first]))
            table = np.fromfile(file, np.int64, 2 * n).reshape(n, 2)
            file.seek(16 * int(self.n_words[-1]) + int(self.n_bytes[first]))
            data = np.fromfile(file, np.uint8, size)
        bounds = np.zeros(n + 1, np.int64)
        np.cumsum(table[:, 0], out=bounds[1:])
        return Words(bounds, data, table[:, 1].copy())


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Name a folder for temporary files, which whoever writes the first of them makes."""
    folder = Path(tempfile.gettempdir()) / f"corpora-words-{secrets.token_hex(8)}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_run(
    folder: Path,
    order: npt.NDArray[np.uint32],
    n_words: npt.NDArray[np.int64],
    n_bytes: npt.NDArray[np.int64],
    entries: npt.NDArray[np.int64],
    arena: npt.NDArray[np.uint8],
) -> Run:
    """Write the words of a table, in the order given.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; the message names TMPDIR.
    """
    from corpora.counting.kernels import gather

    path = folder / f"run-{secrets.token_hex(8)}"
    with temporary_files_in(folder.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
        with open(path, "wb") as numbers, open(path, "r+b") as data:
            data.seek(16 * len(order))
            for start in range(0, len(order), _CHUNK):
                words = Words(*gather(order[start : start + _CHUNK], entries, arena))
                numbers.write(np.stack([np.diff(words.bounds), words.values], 1).data)
                data.write(words.data.data)
    return Run(path, n_words, n_bytes)


def ranges(runs: list[Run], memory: int) -> Iterator[tuple[int, int]]:
    """Cut the parts into ranges, the words of which fit in memory, or of a single part."""
    # Beside a table of up to twice the words: lengths, values and bounds of one run.
    size: npt.NDArray[Any] = sum(
        (100 * np.diff(run.n_words) + 3 * np.diff(run.n_bytes) for run in runs),
        np.zeros(1, np.int64),
    )
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    first = 0
    while first < len(size):
        stop = int(np.searchsorted(before, before[first] + memory, side="right")) - 1
        stop = max(first + 1, stop)
        yield first, stop
        first = stop
