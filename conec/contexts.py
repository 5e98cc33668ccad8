"""Context vectors: which words stand around a word, as sparse matrices.

A word's global context vector is the average over its occurrences in a corpus, its
local one over those in a document (thesis, section 7.1); times W1, either gives an
embedding (Eq. 7.1).

A corpus is read once, in segments. A segment's positions are grouped by word, and a
word's co-occurrences are then summed in one dense row, which costs no sort of pairs.
Segments that are not the only one wait on disk and are added block by block.
"""

from __future__ import annotations

import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
from scipy import sparse

from conec.types import FloatArray, IntArray, Normalize, Weighting

if TYPE_CHECKING:
    from corpora.tokens import TokenStream

_BLOCK = 1 << 21  # entries counted at a time by a thread, about


@dataclass(frozen=True)
class Window:
    """What counts as context, and how much.

    Parameters
    ----------
    size : int
        Words on either side.
    weighting : {"uniform", "distance", "subsampled"}
        Weight 1; or 1 / distance; or what training sees on average: the probability
        that the window drawn reaches so far and that subsampling keeps the word.
    smallest : int
        The smallest window that training draws, for "subsampled".
    keep : float32 array of shape (V,), optional
        Probability that subsampling keeps each word, for "subsampled".
    """

    size: int = 5
    weighting: Weighting = "uniform"
    smallest: int = 1
    keep: FloatArray | None = None

    def __post_init__(self) -> None:
        _check_choice("weighting", self.weighting, Weighting)
        if self.weighting == "subsampled" and self.keep is None:
            raise ValueError("weighting='subsampled' needs the probabilities `keep`")

    def weights(self) -> npt.NDArray[np.float64]:
        """Weight at each distance from 0 to the window's size."""
        distance = np.arange(self.size + 1, dtype=np.float64)
        if self.weighting == "distance":
            return 1 / np.maximum(distance, 1)
        if self.weighting == "subsampled":
            drawn = self.size - self.smallest + 1
            return np.minimum(self.size + 1 - distance, drawn) / drawn
        return np.ones(self.size + 1)

    def column_weights(self) -> FloatArray | None:
        """Weight of each context word, None for 1."""
        return self.keep if self.weighting == "subsampled" else None


def global_contexts(
    stream: TokenStream,
    n_words: int,
    window: Window | None = None,
    *,
    diagonal: float = 0.0,
    normalize: Normalize = "count",
    memory: int = 1 << 30,
    workers: int = 1,
    progress: bool = False,
) -> sparse.csr_matrix:
    """Average context vector of each word over a corpus.

    Parameters
    ----------
    stream : TokenStream
    n_words : int
        Size V of the vocabulary.
    window : Window, optional
        By default 5 words on either side, each with weight 1.
    diagonal : float
        So many times a word's own count is added to its own column. The thesis does
        so, with 1, for the analogy task (section 7.2).
    normalize : {"count", "max", "none"}
        Divide each row by the word's number of occurrences, by its largest entry, or
        not at all.
    memory : int
        Bytes. What needs more, counting or the result, goes to temporary files.
    workers : int
        Threads. The result does not depend on it.
    progress : bool
        Show a bar.

    Returns
    -------
    csr_matrix of float32, shape (V, V)
        Row i is the context vector of word i. If it is larger than `memory` its arrays
        are memory-mapped; the files go with it.
    """
    row_counts: list[npt.NDArray[np.int64]] = [np.zeros(1, np.int64)]
    columns, values = _Store(np.int32, memory // 2), _Store(np.float32, memory // 2)
    blocks = _blocks(
        stream, n_words, window or Window(), diagonal, normalize, memory, workers, progress
    )
    for block in blocks:
        row_counts.append(np.diff(block.indptr))
        columns.append(block.columns)
        values.append(block.values)
    indptr = np.cumsum(np.concatenate(row_counts))
    return _csr(values.array(), columns.array(), indptr, (n_words, n_words))


def global_embeddings(
    stream: TokenStream,
    matrix: FloatArray,
    window: Window | None = None,
    *,
    diagonal: float = 0.0,
    normalize: Normalize = "count",
    memory: int = 1 << 30,
    workers: int = 1,
    progress: bool = False,
) -> FloatArray:
    """``global_contexts(...) @ matrix`` without holding the V x V matrix.

    Parameters
    ----------
    matrix : float32 array of shape (V, d)
        W1.

    Returns
    -------
    float32 array of shape (V, d)
    """
    from conec.kernels.contexts import rows_times_matrix

    matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    result = np.zeros_like(matrix)

    def multiply(block: _Block) -> None:
        out = result[block.row : block.row + len(block.indptr) - 1]
        rows_times_matrix(block.indptr, block.columns, block.values, matrix, out)

    blocks = _blocks(
        stream,
        len(matrix),
        window or Window(),
        diagonal,
        normalize,
        memory,
        workers,
        progress,
        then=multiply,
    )
    deque(blocks, maxlen=0)
    return result


def local_contexts(
    ids: IntArray,
    n_words: int,
    window: Window | None = None,
    *,
    targets: IntArray | None = None,
    n_targets: int | None = None,
    offsets: npt.ArrayLike | None = None,
    normalize: Normalize = "max",
) -> sparse.csr_matrix:
    """Average context vectors within a document.

    Parameters
    ----------
    ids : int32 array
        The document; below 0 are positions that are no context words.
    n_words : int
        Size V of the vocabulary.
    window : Window, optional
        By default 5 words on either side, each with weight 1 / distance.
    targets : int32 array, optional
        The row that each position counts for, below 0 for none; `ids` by default.
    n_targets : int, optional
        Number of rows; V by default.
    offsets : array of int, optional
        Borders of several texts in `ids` that no window crosses.
    normalize : {"count", "max", "none"}
        As in `global_contexts`.

    Returns
    -------
    csr_matrix of float32, shape (n_targets, V)
    """
    from conec.kernels.contexts import count_rows, group_positions

    window = window or Window(weighting="distance")
    targets = ids if targets is None else targets
    n_rows = n_words if n_targets is None else n_targets
    border = _borders(np.array([0]) if offsets is None else np.asarray(offsets), 0, len(ids))
    starts, order = group_positions(targets, 0, len(targets), n_rows)
    room = 2 * window.size * len(ids)
    counts, columns, values = count_rows(
        ids, border, starts, order, 0, n_rows, window.weights(), n_words, room
    )
    block = _Block(0, _indptr(counts), columns, values)
    block = _finish(block, window.column_weights(), np.diff(starts), 0.0, normalize)
    return _csr(block.values, block.columns, block.indptr, (n_rows, n_words))


@dataclass
class _Block:
    """Some consecutive rows."""

    row: int
    indptr: npt.NDArray[np.int64]
    columns: IntArray
    values: npt.NDArray[Any]


@dataclass
class _Segment:
    """The blocks of a segment of the corpus, which all segments cut alike."""

    pieces: Sequence[Callable[[], _Block]]


def _blocks(
    stream: TokenStream,
    n_words: int,
    window: Window,
    diagonal: float,
    normalize: Normalize,
    memory: int,
    workers: int,
    progress: bool,
    then: Callable[[_Block], None] | None = None,
) -> Iterator[_Block]:
    """Finished blocks of rows, from first to last."""
    from tqdm import tqdm

    _check_choice("normalize", normalize, Normalize)
    if len(stream) and int(stream.ids.max()) >= n_words:
        raise ValueError(f"the corpus has word ids up to {stream.ids.max()}, not below {n_words}")
    ids, n = np.asarray(stream.ids), len(stream)
    counts = np.bincount(ids[ids >= 0], minlength=n_words) if n else np.zeros(n_words, np.int64)
    # an id costs 4 bytes for its place in `order` and one in `border`; blocks the rest
    length = min(max(memory // 10, 1 << 10), 2**31 - 1 - 2 * window.size)
    segments = [(start, min(start + length, n)) for start in range(0, n, length)]
    rows = _cut_rows(counts, window.size, n_words)
    folder = tempfile.mkdtemp(prefix="conec-contexts-") if len(segments) > 1 else None
    executor = ThreadPoolExecutor(workers)
    try:
        with tqdm(
            total=len(rows) * (len(segments) + (len(segments) > 1)),
            desc="contexts",
            unit=" blocks",
            disable=None if progress else True,
        ) as bar:
            if folder is not None:
                spilled = []
                for number, span in enumerate(segments):
                    count = _counter(stream, n_words, window, span)
                    for k, block in enumerate(_map(executor, count, rows, workers)):
                        np.savez(
                            f"{folder}/{number}-{k}.npz",
                            indptr=block.indptr,
                            columns=block.columns,
                            values=block.values,
                        )
                        bar.update()
                spilled = [
                    [f"{folder}/{number}-{k}.npz" for number in range(len(segments))]
                    for k in range(len(rows))
                ]

                def make(k: int) -> _Block:
                    return _sum_files(spilled[k], rows[k][0], n_words)

            else:
                count = _counter(stream, n_words, window, segments[0] if segments else (0, 0))

                def make(k: int) -> _Block:
                    return count(rows[k])

            def finished(k: int) -> _Block:
                row, stop = rows[k]
                block = _finish(
                    make(k), window.column_weights(), counts[row:stop], diagonal, normalize
                )
                if then is not None:
                    then(block)
                return block

            for block in _map(executor, finished, range(len(rows)), workers):
                bar.update()
                yield block
    finally:
        executor.shutdown(cancel_futures=True)
        if folder is not None:
            rmtree(folder, ignore_errors=True)


def _counter(
    stream: TokenStream, n_words: int, window: Window, span: tuple[int, int]
) -> Callable[[tuple[int, int]], _Block]:
    """A function that counts some rows in a segment of the corpus."""
    from conec.kernels.contexts import count_rows, group_positions

    first, stop = span
    low, high = max(0, first - window.size), min(len(stream), stop + window.size)
    ids = np.asarray(stream.ids[low:high])
    border = _borders(stream.offsets, low, high)
    starts, order = group_positions(ids, first - low, stop - low, n_words)
    weights = window.weights()

    def count(rows: tuple[int, int]) -> _Block:
        row, row_stop = rows
        occurrences = np.diff(starts[row : row_stop + 1])
        room = int(np.minimum(occurrences * 2 * window.size, n_words).sum())
        counts, columns, values = count_rows(
            ids, border, starts, order, row, row_stop, weights, n_words, room
        )
        return _Block(row, _indptr(counts), columns, values)

    return count


def _borders(offsets: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[np.uint8]:
    """1 at the positions of [low, high) where a document begins, and at `low`."""
    border = np.zeros(high - low, np.uint8)
    inside = offsets[np.searchsorted(offsets, low) : np.searchsorted(offsets, high)]
    border[inside - low] = 1
    border[:1] = 1
    return border


def _cut_rows(
    counts: npt.NDArray[np.int64], window: int, n_words: int
) -> list[tuple[int, int]]:
    """Rows in blocks of about `_BLOCK` entries at most."""
    bound = np.cumsum(np.minimum(counts * 2 * window, n_words))
    rows, row = [], 0
    while row < n_words:
        before = int(bound[row - 1]) if row else 0
        stop = max(row + 1, int(np.searchsorted(bound, before + _BLOCK, side="right")))
        rows.append((row, stop))
        row = stop
    return rows


def _map(
    executor: ThreadPoolExecutor, function: Callable[[Any], _Block], items: Any, workers: int
) -> Iterator[_Block]:
    """Results in order, a few computed ahead."""
    waiting: deque[Future[_Block]] = deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) > workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _sum_files(files: Sequence[str], row: int, n_words: int) -> _Block:
    total = None
    for file in files:
        with np.load(file) as part:
            indptr = part["indptr"]
            shape = (len(indptr) - 1, n_words)
            matrix = sparse.csr_matrix((part["values"], part["columns"], indptr), shape=shape)
        total = matrix if total is None else total + matrix
    assert total is not None
    total.sort_indices()
    return _Block(row, total.indptr.astype(np.int64), total.indices.astype(np.int32), total.data)


def _finish(
    block: _Block,
    column_weights: FloatArray | None,
    counts: npt.NDArray[np.int64],
    diagonal: float,
    normalize: Normalize,
) -> _Block:
    """Weigh the columns, add the diagonal, normalise, and store as float32."""
    values = block.values
    n_rows = len(block.indptr) - 1
    row_of = np.repeat(np.arange(n_rows), np.diff(block.indptr))
    if column_weights is not None:
        values = values * column_weights[block.columns]
    if diagonal:
        shape = (n_rows, int(max(block.columns.max(initial=0), block.row + n_rows - 1)) + 1)
        own = (np.arange(n_rows), block.row + np.arange(n_rows))
        matrix = sparse.csr_matrix((values, block.columns, block.indptr), shape=shape)
        matrix = matrix + sparse.csr_matrix((diagonal * counts, own), shape=shape)
        matrix.sort_indices()
        values, row_of = matrix.data, np.repeat(np.arange(n_rows), np.diff(matrix.indptr))
        block = _Block(
            block.row, matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), values
        )
    if normalize != "none":
        if normalize == "count":
            divisor = counts.astype(np.float64)
        else:
            divisor = np.zeros(n_rows)
            np.maximum.at(divisor, row_of, values)
        values = values / divisor[row_of]
    return _Block(block.row, block.indptr, block.columns, values.astype(np.float32))


class _Store:
    """An array that grows: in memory up to a limit, from there in a temporary file."""

    def __init__(self, dtype: npt.DTypeLike, limit: int) -> None:
        self._dtype = np.dtype(dtype)
        self._limit = limit
        self._parts: list[npt.NDArray[Any]] = []
        self._size = 0
        self._path: Path | None = None

    def append(self, part: npt.NDArray[Any]) -> None:
        self._parts.append(np.asarray(part, self._dtype))
        self._size += len(part)
        if self._path is not None or self._size * self._dtype.itemsize > self._limit:
            self._spill()

    def _spill(self) -> None:
        if self._path is None:
            handle, name = tempfile.mkstemp(prefix="conec-contexts-")
            open(handle, "wb").close()
            self._path = Path(name)
            weakref.finalize(self, self._path.unlink, missing_ok=True)
        with open(self._path, "ab") as file:
            for part in self._parts:
                part.tofile(file)
        self._parts = []

    def array(self) -> npt.NDArray[Any]:
        """All parts as one array."""
        if self._path is None:
            parts, self._parts = self._parts, []
            return np.concatenate(parts) if parts else np.empty(0, self._dtype)
        mapped = np.memmap(self._path, self._dtype, "c")
        # the file's name may go: the map holds the file itself
        self._path.unlink()
        return mapped


def _indptr(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _csr(
    values: npt.NDArray[Any],
    columns: npt.NDArray[Any],
    indptr: npt.NDArray[np.int64],
    shape: tuple[int, int],
) -> sparse.csr_matrix:
    # a 32-bit indptr where it suffices, so that SciPy does not widen the columns
    narrow = indptr.astype(np.int32) if indptr[-1] < 2**31 else indptr
    matrix = sparse.csr_matrix(shape, dtype=np.float32)
    matrix.data, matrix.indices, matrix.indptr = values, columns, narrow
    return matrix


def _check_choice(name: str, value: str, allowed: Any) -> None:
    if value not in get_args(allowed):
        raise ValueError(f"{name} is one of {', '.join(get_args(allowed))}, not {value!r}")
