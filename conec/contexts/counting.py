"""Counting co-occurrences in a corpus of any size, a block of rows at a time.

A corpus is read once, in segments. A segment's positions are grouped by word, and a
word's co-occurrences are then summed in one dense row, which costs no sort of pairs.
Segments that are not the only one wait on disk and are added block by block.
"""

from __future__ import annotations

import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from conec.types import IntArray, Normalize
from corpora.checks import check_choice, check_integer, check_number
from corpora.files import temporary_files_in
from corpora.jit import announce_compilation

if TYPE_CHECKING:
    from conec.contexts.window import Window
    from corpora.encoding import TokenStream

_SMALLEST = 1 << 12  # tokens of a segment and entries of a block, at least
_LARGEST = 1 << 21  # entries of a block, at most


@dataclass
class Block:
    """Some consecutive rows."""

    row: int
    indptr: npt.NDArray[np.int64]
    columns: IntArray
    values: npt.NDArray[Any]

    @property
    def rows(self) -> slice:
        """Their numbers."""
        return slice(self.row, self.row + len(self.indptr) - 1)


_Make: TypeAlias = Callable[[int, int], Block]  # rows from, to
_Counts: TypeAlias = npt.NDArray[np.int64]


class Counting:
    """Counting the contexts in one corpus."""

    def __init__(
        self,
        stream: TokenStream,
        n_words: int,
        window: Window,
        diagonal: float,
        normalize: Normalize,
        memory: int,
        workers: int,
    ) -> None:
        check_choice("normalize", normalize, Normalize)
        check_number("diagonal", diagonal, 0)
        check_number("memory", memory, 0)
        if len(stream) and int(stream.ids.max()) >= n_words:
            raise ValueError(
                f"the corpus has word ids up to {stream.ids.max()}, not below {n_words}"
            )
        self._stream, self._n_words, self._window = stream, n_words, window
        self._diagonal, self._normalize = float(diagonal), normalize
        self._workers = check_integer("workers", workers, 1)
        # a quarter of the memory for the text of a segment and the order of its
        # positions, 4 bytes each; a quarter for blocks, of some 64 bytes an entry
        quarter = int(memory) // 4
        longest = 2**30 - 2 * window.size
        self._segment = min(max(quarter // 8, n_words, _SMALLEST), longest)
        self._entries = min(max(quarter // (64 * workers), _SMALLEST), _LARGEST)

    def blocks(
        self, progress: bool, then: Callable[[Block], None] | None = None
    ) -> Generator[Block, None, None]:
        """Finished blocks of rows, from first to last; the threads call `then` with each."""
        from tqdm import tqdm

        from conec.contexts.kernels import count_words

        def finish(row: int, stop: int) -> Block:
            block = normalized(make(row, stop), counts[row:stop], self._normalize)
            if then is not None:
                then(block)
            return block

        n, step = len(self._stream), self._segment
        ids = np.asarray(self._stream.ids)
        with announce_compilation("context vectors"):
            counts: npt.NDArray[np.int64] = count_words(ids[:0], self._n_words)
            make, _, _ = self._counter(0, 0)
            finish(0, 0)
        segments = [(start, min(start + step, n)) for start in range(0, n, step)] or [(0, 0)]
        counts = count_words(ids, self._n_words)
        executor = ThreadPoolExecutor(self._workers, thread_name_prefix="conec")
        bar = tqdm(
            total=int(counts.sum()) * (1 if len(segments) == 1 else 2),
            desc="contexts",
            unit=" words",
            unit_scale=True,
            disable=None if progress else True,
        )
        try:
            if len(segments) == 1:
                make, bound, _ = self._counter(*segments[0])
            else:
                parts, bound_of_sum = [], np.zeros(self._n_words, np.int64)
                for segment in segments:
                    make, bound, occurrences = self._counter(*segment)
                    rows = Rows(np.float64, 0)
                    for block in self._map(executor, make, bound):
                        rows.append(block)
                        bound_of_sum[block.rows] += np.diff(block.indptr)
                        bar.update(int(occurrences[block.rows].sum()))
                    parts.append(rows)
                make, bound = _adder(parts, self._n_words), bound_of_sum

            for block in self._map(executor, finish, bound):
                bar.update(int(counts[block.rows].sum()))
                yield block
        finally:
            executor.shutdown(cancel_futures=True)
            bar.close()

    def _counter(self, first: int, stop: int) -> tuple[_Make, _Counts, _Counts]:
        """What counts rows in a segment, a bound for their entries, and occurrences."""
        from conec.contexts.kernels import count_rows, group_positions, lay_out

        size, n_words = self._window.size, self._n_words
        low, high = max(0, first - size), min(len(self._stream), stop + size)
        offsets = self._stream.offsets
        borders = offsets[np.searchsorted(offsets, low) : np.searchsorted(offsets, high)] - low
        ids = np.asarray(self._stream.ids[low:high])
        text, first, stop = lay_out(ids, borders.astype(np.int64), first - low, stop - low)
        starts, order = group_positions(text, first, stop, n_words)
        weights, keep = self._window.distance_weights(), self._window.word_weights(n_words)
        occurrences = np.diff(starts)
        bound = np.minimum(occurrences * (2 * size + (self._diagonal > 0)), n_words)

        def make(row: int, row_stop: int) -> Block:
            room = int(bound[row:row_stop].sum())
            return Block(
                row,
                *count_rows(
                    text,
                    starts,
                    order,
                    row,
                    row_stop,
                    weights,
                    keep,
                    self._diagonal,
                    n_words,
                    room,
                ),
            )

        return make, bound, occurrences

    def _map(
        self, executor: ThreadPoolExecutor, make: _Make, bound: _Counts
    ) -> Generator[Block, None, None]:
        """All blocks in order, a few computed ahead."""
        waiting: deque[Future[Block]] = deque()
        for row, stop in _cut(bound, self._entries):
            waiting.append(executor.submit(make, row, stop))
            if len(waiting) > self._workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _cut(bound: _Counts, entries: int) -> Generator[tuple[int, int], None, None]:
    """Rows in blocks of at most so many entries, or of a single row."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(bound)])
    row = 0
    while row < len(bound):
        stop = int(np.searchsorted(before, before[row] + entries, side="right")) - 1
        stop = max(row + 1, stop)
        yield row, stop
        row = stop


def _adder(parts: list[Rows], n_words: int) -> _Make:
    """What adds rows of several matrices."""
    from scipy import sparse

    def make(row: int, stop: int) -> Block:
        total = sparse.csr_matrix((stop - row, n_words))
        for part in parts:
            block = part.read(row, stop)
            own = sparse.csr_matrix((block.values, block.columns, block.indptr), total.shape)
            total = total + own
        total.sort_indices()
        return Block(row, total.indptr.astype(np.int64), total.indices, total.data)

    return make


def normalized(block: Block, counts: _Counts, normalize: Normalize) -> Block:
    """Normalise rows, and store as float32."""
    values, length = block.values, np.diff(block.indptr)
    if normalize != "none":
        if normalize == "count":
            divisor = counts.astype(np.float64)
        else:
            divisor = np.ones(len(length))
            filled = length > 0
            divisor[filled] = np.maximum.reduceat(values, block.indptr[:-1][filled])
        values = values / np.repeat(divisor, length)
    columns = block.columns.astype(np.int32, copy=False)
    return Block(block.row, block.indptr, columns, values.astype(np.float32))


class Rows:
    """Blocks that come one after another, put together."""

    def __init__(self, dtype: npt.DTypeLike, limit: int) -> None:
        self._indptr = _Store(np.int64, limit)
        self._indptr.append(np.zeros(1, np.int64))
        self._columns, self._values = _Store(np.int32, limit), _Store(dtype, limit)
        self._size = 0

    def append(self, block: Block) -> None:
        """Add the rows that come next."""
        self._indptr.append(block.indptr[1:] + self._size)
        self._columns.append(block.columns)
        self._values.append(block.values)
        self._size += len(block.columns)

    def read(self, row: int, stop: int) -> Block:
        """Some rows, copied; threads may do so at the same time."""
        indptr = self._indptr.read(row, stop + 1)
        part = int(indptr[0]), int(indptr[-1])
        return Block(row, indptr - part[0], self._columns.read(*part), self._values.read(*part))

    def arrays(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[Any]]:
        """Their indptr, columns and values."""
        return self._indptr.array(), self._columns.array(), self._values.array()


class _Store:
    """An array that grows: in memory up to a limit, from there in a file without a name."""

    def __init__(self, dtype: npt.DTypeLike, limit: int) -> None:
        self._dtype = np.dtype(dtype)
        self._limit = limit  # bytes
        self._parts: list[npt.NDArray[Any]] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        self._lock = Lock()

    def append(self, part: npt.NDArray[Any]) -> None:
        self._parts.append(np.array(part, self._dtype))
        self._size += part.size
        if self._size * self._dtype.itemsize > self._limit:
            with temporary_files_in(tempfile.gettempdir()):
                self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        for part in self._parts:
            self._file.write(part.data)
        self._file.flush()
        self._parts = []

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """A copy of some elements: pages of a mapped file would count as memory in use."""
        if self._file is None:
            return np.concatenate([np.empty(0, self._dtype), *self._parts])[start:stop]
        part = np.empty(stop - start, self._dtype)
        with self._lock:
            self._file.seek(start * self._dtype.itemsize)
            self._file.readinto(part.data)  # type: ignore[attr-defined]
        return part

    def array(self) -> npt.NDArray[Any]:
        """All parts as one array, which keeps the file until it is no longer used."""
        if self._file is None:
            parts, self._parts = self._parts, []
            return np.concatenate(parts) if parts else np.empty(0, self._dtype)
        mapped = np.memmap(self._file, self._dtype, "c", shape=(self._size,))
        self._file.close()
        return mapped
