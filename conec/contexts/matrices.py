"""Context vectors as sparse matrices: the counts of the words that occur around each word.

A word's global context vector is the average over its occurrences in a corpus; its local
context vector is the average over its occurrences in a document (thesis, section 7.1). Both
are multiplied by W1 to get embeddings (Eq. 7.1).

The corpus is read once, in segments. The positions of a segment are grouped by word, and the
co-occurrences of each word are summed in a dense row, so that pairs of words are never sorted. If
there are several segments, their counts are stored in temporary files and added block by block.
"""

from __future__ import annotations

import logging
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from conec.contexts.occurrences import Window
from conec.types import FloatArray, IntArray, Normalize
from corpora.callbacks import progress_bar
from corpora.checks import check_choice, check_integer, check_number
from corpora.files import temporary_files_in, temporary_parent
from corpora.jit import announce_compilation
from corpora.parallel import map_on_engine

if TYPE_CHECKING:
    from scipy import sparse

    from corpora.encoding import TokenStream

logger = logging.getLogger(__name__)

_SMALLEST = 1 << 12  # minimum number of tokens in a segment, and of entries in a block
_LARGEST = 1 << 21  # maximum number of entries in a block


def global_contexts(
    stream: TokenStream,
    n_words: int,
    window: Window | None = None,
    *,
    diagonal: float = 0.0,
    normalize: Normalize = "count",
    memory: int = 1 << 30,
    workers: int = 1,
    engine: str | None = None,
    progress: bool = False,
) -> sparse.csr_matrix:
    """Average context vector of each word in a corpus.

    Parameters
    ----------
    stream : TokenStream
    n_words : int
        Size V of the vocabulary.
    window : Window, optional
        By default 5 words on each side, each with weight 1.
    diagonal : float
        Each word's count times this factor is added to its own column. The thesis uses 1
        for the analogy task (section 7.2).
    normalize : {"count", "max", "none"}
        Divide each row by the word's number of occurrences, by its largest entry, or not
        at all.
    memory : int
        Approximate number of bytes to use, in addition to a few arrays of length V. Larger
        intermediate and final results go to temporary files.
    workers : int
        Threads. The result does not depend on their number. If weights are not integers, it
        depends on `memory` up to rounding.
    engine : str, optional
        Where to count: by default on this machine; "ray" or HOST:PORT on a Ray cluster, as for
        :func:`corpora.count`. The text of a segment, 8 bytes per token, is sent to each node. Does
        not change the result.
    progress : bool
        Show a bar.

    Returns
    -------
    csr_matrix of float32, shape (V, V)
        Row i is the context vector of word i. If it is larger than `memory`, its arrays are
        memory-mapped from temporary files, which are deleted together with the matrix.

    Raises
    ------
    ValueError
        If an argument is out of range, or the corpus has word ids >= V.
    """
    counter = ContextCounter(
        stream, n_words, window or Window(), diagonal, normalize, memory, workers, engine
    )
    rows = SparseRows(np.float32, int(memory) // 4)
    with closing(counter.blocks(progress, _unchanged)) as blocks:
        for block in blocks:
            rows.append(block)
    indptr, columns, values = rows.arrays()
    return _csr(values, columns, indptr, (n_words, n_words))


def global_embeddings(
    stream: TokenStream,
    matrix: FloatArray,
    window: Window | None = None,
    *,
    diagonal: float = 0.0,
    normalize: Normalize = "count",
    memory: int = 1 << 30,
    workers: int = 1,
    engine: str | None = None,
    progress: bool = False,
) -> FloatArray:
    """``global_contexts(...) @ matrix``, without the V x V matrix in memory.

    Parameters
    ----------
    stream : TokenStream
    matrix : float32 array of shape (V, d)
        For example W1.
    window, diagonal, normalize, memory, workers, engine, progress
        As in `global_contexts`.

    Returns
    -------
    float32 array of shape (V, d)
    """
    matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    result = np.empty_like(matrix)
    counter = ContextCounter(
        stream, len(matrix), window or Window(), diagonal, normalize, memory, workers, engine
    )
    with closing(counter.blocks(progress, partial(_times, matrix))) as blocks:
        for block in blocks:
            result[block.rows] = block.values
    return result


def _unchanged(block: Block) -> Block:
    return block


def _times(matrix: FloatArray, block: Block) -> DenseBlock:
    from conec.contexts.kernels import rows_times_matrix

    product = np.zeros((len(block.indptr) - 1, matrix.shape[1]), np.float32)
    rows_times_matrix(block.indptr, block.columns, block.values, matrix, product)
    return DenseBlock(block.row, product)


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
        Word ids of the document; values below 0 are positions without a context word.
    n_words : int
        Size V of the vocabulary.
    window : Window, optional
        By default 5 words on each side, each with weight 1 / distance.
    targets : int32 array, optional
        Row of the result to which each position is added; negative for none. By default `ids`.
    n_targets : int, optional
        Number of rows; by default V.
    offsets : array of int, optional
        Starts of several texts in `ids`, in ascending order; windows do not cross them.
    normalize : {"count", "max", "none"}
        As in `global_contexts`.

    Returns
    -------
    csr_matrix of float32, shape (n_targets, V)

    Raises
    ------
    ValueError
        If `targets` does not have one row < `n_targets` for each position, or an id is >= V.
    """
    from conec.contexts.kernels import count_rows, group_positions, lay_out

    check_choice("normalize", normalize, Normalize)
    window = window or Window(weighting="distance")
    ids = np.asarray(ids, np.int32)
    targets = ids if targets is None else np.asarray(targets, np.int32)
    n_rows = n_words if n_targets is None else n_targets
    if targets.shape != ids.shape or targets.max(initial=-1) >= n_rows:
        raise ValueError(
            f"targets must have one row < {n_rows} for each of {len(ids)} positions, got "
            f"shape {targets.shape} and rows up to {targets.max(initial=-1)}"
        )
    # count only the columns in use, so that the cost depends only on the length of the document
    known = ids >= 0
    words, columns_of_ids = np.unique(ids[known], return_inverse=True)
    if words.max(initial=-1) >= n_words:
        raise ValueError(f"word ids must be < {n_words}, got ids up to {words.max()}")
    compact = np.full(len(ids), -1, np.int32)
    compact[known] = columns_of_ids
    borders = np.asarray([0] if offsets is None else offsets).astype(np.int64)
    keep = window.word_weights(n_words)
    weights, n = window.distance_weights(), len(words)
    with announce_compilation("context vectors of texts"):
        text, first, stop = lay_out(compact, borders, 0, len(ids))
        starts, order = group_positions(lay_out(targets, borders, 0, 0)[0], first, stop, n_rows)
        counts = np.diff(starts)
        size = int(np.minimum(counts * 2 * window.size, n).sum())
        indptr, columns, values = count_rows(
            text,
            starts,
            order,
            0,
            n_rows,
            weights,
            keep[words] if len(keep) else keep,
            0.0,
            n,
            size,
        )
    block = normalized(Block(0, indptr, words[columns], values), counts, normalize)
    return _csr(block.values, block.columns, indptr, (n_rows, n_words))


def _csr(
    values: npt.NDArray[Any],
    columns: npt.NDArray[Any],
    indptr: npt.NDArray[np.int64],
    shape: tuple[int, int],
) -> sparse.csr_matrix:
    from scipy import sparse

    matrix = sparse.csr_matrix(shape, dtype=np.float32)
    matrix.data, matrix.indices = values, columns
    # 32 bits if possible, so that SciPy does not convert the columns to 64 bits
    matrix.indptr = indptr.astype(np.int32 if len(values) < 2**31 else np.int64)
    return matrix


# Counting in blocks of rows


@dataclass
class Block:
    """Consecutive rows of a sparse matrix."""

    row: int
    indptr: npt.NDArray[np.int64]
    columns: IntArray
    values: npt.NDArray[Any]

    @property
    def rows(self) -> slice:
        """The rows of the whole matrix that the block holds."""
        return slice(self.row, self.row + len(self.indptr) - 1)


@dataclass
class DenseBlock:
    """Consecutive rows of a matrix."""

    row: int
    values: FloatArray

    @property
    def rows(self) -> slice:
        """The rows of the whole matrix that the block holds."""
        return slice(self.row, self.row + len(self.values))


AnyBlock = TypeVar("AnyBlock", Block, DenseBlock)
_MakeBlock: TypeAlias = Callable[[int, int], Block]  # from first row and end of rows
_Counts: TypeAlias = npt.NDArray[np.int64]


class ContextCounter:
    """Counts the context words of each word in a corpus, one block of rows at a time.

    Parameters are those of `global_contexts`.
    """

    def __init__(
        self,
        stream: TokenStream,
        n_words: int,
        window: Window,
        diagonal: float,
        normalize: Normalize,
        memory: int,
        workers: int,
        engine: str | None = None,
    ) -> None:
        check_choice("normalize", normalize, Normalize)
        check_number("diagonal", diagonal, 0)
        check_number("memory", memory, 0)
        if len(stream) and int(stream.ids.max()) >= n_words:
            raise ValueError(
                f"word ids must be < {n_words}, but the corpus has ids up to {stream.ids.max()}"
            )
        self._stream, self._n_words, self._window = stream, n_words, window
        self._diagonal, self._normalize = float(diagonal), normalize
        self._workers = check_integer("workers", workers, 1)
        self._engine = engine
        # a quarter of the memory is for the text of a segment and the order of its positions (4
        # bytes each), and a quarter for blocks (about 64 bytes per entry)
        quarter = int(memory) // 4
        longest = 2**30 - 2 * window.size
        self._segment = min(max(quarter // 8, n_words, _SMALLEST), longest)
        self._entries = min(max(quarter // (64 * workers), _SMALLEST), _LARGEST)

    def blocks(
        self, progress: bool, then: Callable[[Block], AnyBlock]
    ) -> Generator[AnyBlock, None, None]:
        """Yield the results of `then`, a function of finished blocks of rows, in order."""
        from conec.contexts.kernels import count_words

        n, step, began = len(self._stream), self._segment, time.monotonic()
        ids = np.asarray(self._stream.ids)
        with announce_compilation("context vectors"):
            counts: npt.NDArray[np.int64] = count_words(ids[:0], self._n_words)
            make, _, _ = self._counter(0, 0)
            _Finished(make, counts, self._normalize, then)(0, 0)
        segments = [(start, min(start + step, n)) for start in range(0, n, step)] or [(0, 0)]
        counts = count_words(ids, self._n_words)
        executor = ThreadPoolExecutor(self._workers, thread_name_prefix="conec")
        bar = progress_bar(
            total=int(counts.sum()) * (1 if len(segments) == 1 else 2),
            desc="contexts",
            unit=" words",
            unit_scale=True,
            shown=progress,
        )
        try:
            if len(segments) == 1:
                make, bound, _ = self._counter(*segments[0])
            else:
                counted, bound_of_sum = [], np.zeros(self._n_words, np.int64)
                for segment in segments:
                    make, bound, occurrences = self._counter(*segment)
                    rows = SparseRows(np.float64, 0)
                    for block in self._map(executor, make, bound, self._engine):
                        rows.append(block)
                        bound_of_sum[block.rows] += np.diff(block.indptr)
                        bar.update(int(occurrences[block.rows].sum()))
                    counted.append(rows)
                    del make  # frees the text of this segment before the next one is laid out
                    logger.debug("contexts: tokens %d to %d counted", *segment)
                make, bound = _adder(counted, self._n_words), bound_of_sum

            finish = _Finished(make, counts, self._normalize, then)
            # what is added up is in files of this machine
            where = self._engine if len(segments) == 1 else None
            for block in self._map(executor, finish, bound, where):
                bar.update(int(counts[block.rows].sum()))
                yield block
            logger.info(
                "contexts: %d tokens in %d segments, %.1f s",
                n, len(segments), time.monotonic() - began,
            )  # fmt: skip
        finally:
            executor.shutdown(cancel_futures=True)
            bar.close()

    def _counter(self, first: int, stop: int) -> tuple[_MakeBlock, _Counts, _Counts]:
        """Count one segment.

        Returns
        -------
        make : callable
            Counts the given rows.
        bound : int64 array of shape (V,)
            Upper bound of the number of entries in each row.
        occurrences : int64 array of shape (V,)
        """
        from conec.contexts.kernels import group_positions, lay_out

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

        make = _CountedRows(text, starts, order, weights, keep, self._diagonal, n_words, bound)
        return make, bound, occurrences

    def _map(
        self,
        executor: ThreadPoolExecutor,
        make: Callable[[int, int], Any],
        bound: _Counts,
        engine: str | None,
    ) -> Generator[Any, None, None]:
        """Yield all blocks in order; threads, or a cluster, compute a few blocks ahead."""
        if engine is not None:
            yield from map_on_engine(partial(_of_range, make), _split(bound, self._entries), engine)
            return
        pending: deque[Future[Any]] = deque()
        for row, stop in _split(bound, self._entries):
            pending.append(executor.submit(make, row, stop))
            if len(pending) > self._workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@dataclass
class _CountedRows:
    """Counts given rows of a segment; parameters as of `conec.contexts.kernels.count_rows`."""

    text: IntArray
    starts: npt.NDArray[np.int64]
    order: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]
    keep: npt.NDArray[Any]
    diagonal: float
    n_words: int
    bound: _Counts

    def __call__(self, row: int, stop: int) -> Block:
        from conec.contexts.kernels import count_rows

        counted = count_rows(
            self.text,
            self.starts,
            self.order,
            row,
            stop,
            self.weights,
            self.keep,
            self.diagonal,
            self.n_words,
            int(self.bound[row:stop].sum()),
        )
        return Block(row, *counted)


@dataclass
class _Finished:
    """Makes blocks, normalizes them, and applies a function to them."""

    make: _MakeBlock
    counts: _Counts
    normalize: Normalize
    then: Callable[[Block], Any]

    def __call__(self, row: int, stop: int) -> Any:
        return self.then(normalized(self.make(row, stop), self.counts[row:stop], self.normalize))


def _of_range(make: Callable[[int, int], Any], rows: tuple[int, int]) -> Any:
    return make(*rows)


def _split(bound: _Counts, entries: int) -> Generator[tuple[int, int], None, None]:
    """Split rows into blocks of at most `entries` entries, or of a single row."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(bound)])
    row = 0
    while row < len(bound):
        stop = int(np.searchsorted(before, before[row] + entries, side="right")) - 1
        stop = max(row + 1, stop)
        yield row, stop
        row = stop


def _adder(matrices: list[SparseRows], n_words: int) -> _MakeBlock:
    """Return a function that adds the given rows of several matrices."""
    from scipy import sparse

    def make(row: int, stop: int) -> Block:
        total = sparse.csr_matrix((stop - row, n_words))
        for matrix in matrices:
            block = matrix.read(row, stop)
            counts = sparse.csr_matrix((block.values, block.columns, block.indptr), total.shape)
            total = total + counts
        total.sort_indices()
        return Block(row, total.indptr.astype(np.int64), total.indices, total.data)

    return make


def normalized(block: Block, counts: _Counts, normalize: Normalize) -> Block:
    """Normalize rows, and convert them to float32."""
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


# Storing blocks


class SparseRows:
    """A sparse matrix to which blocks of rows are appended.

    Parameters
    ----------
    dtype : dtype
        Type of the values.
    limit : int
        An array with more bytes than this is moved to a temporary file.
    """

    def __init__(self, dtype: npt.DTypeLike, limit: int) -> None:
        self._indptr = _GrowingArray(np.int64, limit)
        self._indptr.append(np.zeros(1, np.int64))
        self._columns, self._values = _GrowingArray(np.int32, limit), _GrowingArray(dtype, limit)
        self._size = 0

    def append(self, block: Block) -> None:
        """Append the next rows."""
        self._indptr.append(block.indptr[1:] + self._size)
        self._columns.append(block.columns)
        self._values.append(block.values)
        self._size += len(block.columns)

    def read(self, row: int, stop: int) -> Block:
        """Copy the rows from `row` to `stop`; several threads may call it at the same time."""
        indptr = self._indptr.read(row, stop + 1)
        span = int(indptr[0]), int(indptr[-1])
        return Block(row, indptr - span[0], self._columns.read(*span), self._values.read(*span))

    def arrays(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[Any]]:
        """Return indptr, columns and values."""
        return self._indptr.array(), self._columns.array(), self._values.array()


class _GrowingArray:
    """An array that grows: in memory up to a limit, then in an unnamed temporary file."""

    def __init__(self, dtype: npt.DTypeLike, limit: int) -> None:
        self._dtype = np.dtype(dtype)
        self._limit = limit  # bytes
        self._pieces: list[npt.NDArray[Any]] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        self._lock = Lock()

    def append(self, piece: npt.NDArray[Any]) -> None:
        self._pieces.append(np.array(piece, self._dtype))
        self._size += piece.size
        if self._size * self._dtype.itemsize > self._limit:
            with temporary_files_in(temporary_parent()):
                self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        for piece in self._pieces:
            self._file.write(piece.data)
        self._file.flush()
        self._pieces = []

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Copy some elements; a memory map would count as memory in use."""
        if self._file is None:
            return np.concatenate([np.empty(0, self._dtype), *self._pieces])[start:stop]
        elements = np.empty(stop - start, self._dtype)
        with self._lock:
            self._file.seek(start * self._dtype.itemsize)
            self._file.readinto(elements.data)  # type: ignore[attr-defined]
        return elements

    def array(self) -> npt.NDArray[Any]:
        """The whole array, memory-mapped if it is in a file; nothing can be appended any more."""
        if self._file is None:
            pieces, self._pieces = self._pieces, []
            return np.concatenate(pieces) if pieces else np.empty(0, self._dtype)
        mapped = np.memmap(self._file, self._dtype, "c", shape=(self._size,))
        self._file.close()
        return mapped
