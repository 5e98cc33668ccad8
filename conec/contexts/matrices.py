"""Context vectors: which words stand around a word, as sparse matrices.

A word's global context vector is the average over its occurrences in a corpus, its
local one over those in a document (thesis, section 7.1); times W1, either gives an
embedding (Eq. 7.1).
"""

from __future__ import annotations

from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec.contexts.counting import Block, Counting, Rows, normalized
from conec.contexts.window import Window
from conec.types import FloatArray, IntArray, Normalize
from corpora.checks import check_choice
from corpora.jit import announce_compilation

if TYPE_CHECKING:
    from scipy import sparse

    from corpora.encoding import TokenStream


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
        Bytes to use, about, beside a few arrays of length V. What needs more, counting
        or the result, goes to temporary files.
    workers : int
        Threads. The result does not depend on it; on `memory` it depends by the
        rounding of sums, if weights are no whole numbers.
    progress : bool
        Show a bar.

    Returns
    -------
    csr_matrix of float32, shape (V, V)
        Row i is the context vector of word i. If it is larger than `memory` its arrays
        are memory-mapped; the files go with it.

    Raises
    ------
    ValueError
        If an argument is out of range, or the corpus has ids that are.
    """
    work = Counting(stream, n_words, window or Window(), diagonal, normalize, memory, workers)
    rows = Rows(np.float32, int(memory) // 4)
    with closing(work.blocks(progress)) as blocks:
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
    progress: bool = False,
) -> FloatArray:
    """``global_contexts(...) @ matrix`` without holding the V x V matrix.

    Parameters
    ----------
    matrix : float32 array of shape (V, d)
        W1.
    window, diagonal, normalize, memory, workers, progress
        As in `global_contexts`.

    Returns
    -------
    float32 array of shape (V, d)
    """
    from conec.contexts.kernels import rows_times_matrix

    matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    result = np.zeros_like(matrix)

    def multiply(block: Block) -> None:
        rows_times_matrix(block.indptr, block.columns, block.values, matrix, result[block.rows])

    work = Counting(stream, len(matrix), window or Window(), diagonal, normalize, memory, workers)
    with closing(work.blocks(progress, multiply)) as blocks:
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
        Where several texts begin in `ids`, in rising order; no window crosses these.
    normalize : {"count", "max", "none"}
        As in `global_contexts`.

    Returns
    -------
    csr_matrix of float32, shape (n_targets, V)
    """
    from conec.contexts.kernels import count_rows, group_positions, lay_out

    check_choice("normalize", normalize, Normalize)
    window = window or Window(weighting="distance")
    ids = np.asarray(ids, np.int32)
    targets = ids if targets is None else np.asarray(targets, np.int32)
    n_rows = n_words if n_targets is None else n_targets
    if targets.shape != ids.shape or targets.max(initial=-1) >= n_rows:
        raise ValueError(f"targets are one row below {n_rows} for each of {len(ids)} positions")
    # only the columns in use, so that the cost depends on the document alone
    known = ids >= 0
    words, place = np.unique(ids[known], return_inverse=True)
    if words.max(initial=-1) >= n_words:
        raise ValueError(f"the document has word ids up to {words.max()}, not below {n_words}")
    compact = np.full(len(ids), -1, np.int32)
    compact[known] = place
    borders = np.asarray([0] if offsets is None else offsets).astype(np.int64)
    keep = window.word_weights(n_words)
    weights, n = window.distance_weights(), len(words)
    with announce_compilation("context vectors of texts"):
        text, first, stop = lay_out(compact, borders, 0, len(ids))
        starts, order = group_positions(lay_out(targets, borders, 0, 0)[0], first, stop, n_rows)
        counts = np.diff(starts)
        room = int(np.minimum(counts * 2 * window.size, n).sum())
        own = keep[words] if len(keep) else keep
        indptr, columns, values = count_rows(
            text, starts, order, 0, n_rows, weights, own, 0.0, n, room
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
    # of 32 bits where that suffices, so that SciPy does not widen the columns
    matrix.indptr = indptr.astype(np.int32 if len(values) < 2**31 else np.int64)
    return matrix
