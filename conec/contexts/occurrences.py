"""Windows, and sums over the contexts of each word's occurrences in a corpus.

Sums are those over all occurrences (`all_context_sums`), or over exactly as many random ones of
each word as are wanted (`context_sums`). Threads process different columns of the vectors, so that
results do not depend on their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec.training.weights import zero_rows
from conec.types import FloatArray, Weighting
from corpora.callbacks import progress_bar
from corpora.checks import check_choice, check_integer
from corpora.jit import announce_compilation

if TYPE_CHECKING:
    from corpora.encoding import TokenStream

PIECE = 1 << 16  # tokens that are processed at a time
_LINE = 16  # columns: those of a cache line are processed by the same thread

Counts = npt.NDArray[np.int64]
Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Window:
    """The size of a context, and the weights of its words.

    Parameters
    ----------
    size : int
        Words on each side.
    weighting : {"uniform", "distance", "subsampled", "sif"}
        "uniform": weight 1. "distance": 1 / distance. "subsampled": the average weight in
        training, which is the probability that the drawn window reaches this distance, times
        the probability that subsampling keeps the word. "sif": the probability that the drawn
        window reaches this distance, times the smooth inverse frequency of the word.
    smallest : int
        The smallest window that training draws, for "subsampled" and "sif".
    keep : float32 array of shape (V,), optional
        Weight > 0 of each word; required for "subsampled" (the probability that it is kept) and
        "sif" (its smooth inverse frequency).
    """

    size: int = 5
    weighting: Weighting = "uniform"
    smallest: int = 1
    keep: FloatArray | None = None

    def __post_init__(self) -> None:
        # integers of NumPy could overflow
        object.__setattr__(self, "size", check_integer("window", self.size, 1))
        check_choice("weighting", self.weighting, Weighting)
        if self._as_training:
            smallest = check_integer("smallest", self.smallest, 1, self.size)
            object.__setattr__(self, "smallest", smallest)
            if self.keep is None:
                raise ValueError(f"weighting={self.weighting!r} requires `keep`, weights of words")

    @property
    def _as_training(self) -> bool:
        return self.weighting in ("subsampled", "sif")

    def distance_weights(self) -> npt.NDArray[np.float64]:
        """Weight at each distance from 0 to `size`."""
        distance = np.arange(self.size + 1, dtype=np.float64)
        if self.weighting == "distance":
            return 1 / np.maximum(distance, 1)
        if self._as_training:
            drawn = self.size - self.smallest + 1
            return np.minimum(self.size + 1 - distance, drawn) / drawn
        return np.ones(self.size + 1)

    def word_weights(self, n_words: int) -> FloatArray:
        """Weight of each context word; an empty array if all weights are 1."""
        if not self._as_training or self.keep is None:
            return np.empty(0, np.float32)
        keep = np.ascontiguousarray(self.keep, np.float32)
        if keep.shape != (n_words,):
            raise ValueError(f"keep must have shape ({n_words},), got {keep.shape}")
        return keep


@dataclass(frozen=True)
class ContextKind:
    """A kind of context: which words it has, with which weights, and their vectors.

    Attributes
    ----------
    window : Window
        Its words and their weights, which must be those of training: "subsampled" or "sif".
    vectors : float32 array of shape (V, d)
    scales : float32 array of shape (V,), optional
        Factors of the vectors.
    """

    window: Window
    vectors: FloatArray
    scales: FloatArray | None = None

    def weights(self) -> FloatArray:
        """Weight of each context word; its vector is multiplied by it."""
        weights = self.window.word_weights(len(self.vectors))
        return weights if self.scales is None else weights * self.scales


def spans(n_tokens: int, share: float = 1.0) -> list[tuple[int, int]]:
    """Pieces of a text, spread evenly, that have a share of its tokens."""
    # many pieces even of a short text, so that they resemble all of it
    length = PIECE if share >= 1 else min(PIECE, max(1, n_tokens >> 8))
    starts = range(0, n_tokens, length)
    return [
        (start, min(start + length, n_tokens))
        for number, start in enumerate(starts)
        if int((number + 1) * share) > int(number * share) or share >= 1
    ]


def count_occurrences(stream: TokenStream, n_words: int, pieces: Spans) -> Counts:
    """Number of occurrences of each word in pieces of a text."""
    from conec.contexts.kernels import count_words

    counts = np.zeros(n_words, np.int64)
    for start, stop in pieces:
        counts += count_words(np.asarray(stream.ids[start:stop]), n_words)
        stream.release(start, stop)
    return counts


def context_sums(
    stream: TokenStream,
    kinds: Sequence[ContextKind],
    pieces: Spans,
    counts: Counts,
    wanted: npt.NDArray[Any],
    *,
    key: int,
    words: npt.NDArray[np.int64] | None = None,
    workers: int = 1,
    progress: bool = False,
) -> list[FloatArray]:
    """Sum the contexts of some occurrences of each word.

    Parameters
    ----------
    stream : TokenStream
    kinds : sequence of ContextKind
    pieces : sequence of (start, stop)
        From `spans`; occurrences are chosen in these parts of the text. Contexts may reach
        beyond them.
    counts : int64 array of shape (V,)
        From `count_occurrences` for the same pieces.
    wanted : array of int, shape (V,)
        Number of occurrences to choose of each word, without replacement; at most all.
    key : int
        Determines the random choice.
    words : int64 array of shape (n,), optional
        Words whose contexts are wanted; by default all. `wanted` must be 0 for others.
    workers : int
        Threads. The result does not depend on their number.
    progress : bool
        Show a bar.

    Returns
    -------
    list of float32 arrays of shape (n, d)
        For each kind, sums of the vectors of context words. Divided by the smaller of `counts`
        and `wanted`, they are means over occurrences.
    """
    from conec.contexts.kernels import add_contexts, add_wide_contexts, choose

    n_words = len(counts)
    offsets = np.asarray(stream.offsets, np.int64)
    rows = np.arange(n_words)
    if words is not None:
        rows[words] = np.arange(len(words))
    remaining, needed = counts.copy(), np.minimum(counts, wanted).astype(np.int32)

    def adder(kind: ContextKind, out: FloatArray) -> _Adder:
        window, vectors = kind.window, with_contiguous_rows(kind.vectors)
        weights, distance = kind.weights(), window.distance_weights().astype(np.float32)
        add: Any = add_contexts
        if wide := bool((distance[1:] == 1).all()):
            add = add_wide_contexts

        def of_part(part: Any, low: int, positions: Any) -> _Columns:
            of_tokens = np.where(part < 0, np.float32(0), weights[part])
            near = window.size if wide else distance
            return lambda columns: add(
                part, low, offsets, positions, rows, near, of_tokens, vectors, out, *columns
            )

        return of_part

    def chosen(ids: Any, start: int, stop: int) -> npt.NDArray[np.int64]:
        positions: npt.NDArray[np.int64] = choose(
            ids, start, stop, remaining, needed, np.uint64(key)
        )
        return positions

    n_rows = n_words if words is None else len(words)
    return _sums(stream, kinds, pieces, n_rows, adder, chosen, workers, progress)


def all_context_sums(
    stream: TokenStream,
    kinds: Sequence[ContextKind],
    *,
    workers: int = 1,
    progress: bool = False,
) -> list[FloatArray]:
    """Sum the contexts of all occurrences of each word; parameters as for `context_sums`.

    Returns
    -------
    list of float32 arrays of shape (V, d)
    """
    from conec.contexts.kernels import add_all_contexts

    offsets = np.asarray(stream.offsets, np.int64)

    def adder(kind: ContextKind, out: FloatArray) -> _Adder:
        window, vectors, weights = kind.window, with_contiguous_rows(kind.vectors), kind.weights()

        def of_part(part: Any, low: int, inner: Any) -> _Columns:
            return lambda columns: add_all_contexts(
                part, low, *inner - low, offsets, window.size, window.smallest, weights, vectors,
                out, *columns,
            )  # fmt: skip

        return of_part

    def everything(_: Any, start: int, stop: int) -> npt.NDArray[np.int64]:
        return np.array([start, stop])

    n_words = len(kinds[0].vectors)
    return _sums(stream, kinds, spans(len(stream)), n_words, adder, everything, workers, progress)


_Columns = Callable[[tuple[int, int]], None]
_Adder = Callable[[Any, int, Any], _Columns]


def _sums(
    stream: TokenStream,
    kinds: Sequence[ContextKind],
    pieces: Spans,
    n_rows: int,
    adder: Callable[[ContextKind, FloatArray], _Adder],
    choose: Callable[[Any, int, int], npt.NDArray[np.int64]],
    workers: int,
    progress: bool,
) -> list[FloatArray]:
    """Sums of contexts in the pieces of a text; threads process different columns."""
    ids = np.asarray(stream.ids)
    sums = [zero_rows(n_rows, kind.vectors.shape[1]) for kind in kinds]
    adders = [adder(kind, out) for kind, out in zip(kinds, sums, strict=True)]
    margin = max(kind.window.size for kind in kinds)
    with announce_compilation("context vectors"):
        for add in adders:
            add(ids[:0], 0, choose(ids, 0, 0))((0, 0))
    slices = _columns(sums[0].shape[1], workers)
    with (
        ThreadPoolExecutor(len(slices), thread_name_prefix="conec") as executor,
        progress_bar(
            total=sum(stop - start for start, stop in pieces),
            desc="contexts",
            unit=" words",
            unit_scale=True,
            shown=progress,
        ) as bar,
    ):
        for start, stop in pieces:
            positions = choose(ids, start, stop)
            low, high = max(0, start - margin), min(len(ids), stop + margin)
            part = ids[low:high]
            parts = [add(part, low, positions) for add in adders]

            def add_columns(columns: tuple[int, int], parts: list[_Columns] = parts) -> None:
                for add in parts:
                    add(columns)

            if len(slices) == 1:
                add_columns(slices[0])
            else:
                deque(executor.map(add_columns, slices), maxlen=0)
            stream.release(low, stop)
            bar.update(stop - start)
    return sums


def with_contiguous_rows(vectors: FloatArray) -> FloatArray:
    """The same float32 vectors, copied unless rows are contiguous, as kernels expect."""
    if vectors.dtype == np.float32 and vectors.strides[1] == 4:
        return vectors
    return np.ascontiguousarray(vectors, np.float32)


def _columns(size: int, workers: int) -> list[tuple[int, int]]:
    """First column and number of columns for each thread."""
    lines = -(-size // _LINE)
    edges = np.linspace(0, lines, min(workers, lines) + 1).astype(int) * _LINE
    edges[-1] = size
    return [(int(a), int(b - a)) for a, b in pairwise(edges)]
