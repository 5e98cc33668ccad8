"""Windows, and sums over the contexts of each word's occurrences in a corpus.

Sums are those over all occurrences (`all_context_sums`), or over exactly as many random ones of
each word as are wanted (`context_sums`). Threads, and tasks on a cluster, process different columns
of the vectors, so that results do not depend on their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec.training.weights import zero_rows
from conec.types import FloatArray, Weighting
from corpora.callbacks import progress_bar
from corpora.checks import check_choice, check_integer
from corpora.jit import announce_compilation
from corpora.parallel import engine_cpus, map_on_engine

if TYPE_CHECKING:
    from corpora.encoding import TokenStream

PIECE = 1 << 16  # tokens that are processed at a time
SENT_TOKENS = 1 << 27  # tokens that are sent to the nodes of a cluster at a time
_GAPS = 32  # tokens around a piece that are read for each word of a window, if some are removed
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
    engine: str | None = None,
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
    engine : str, optional
        Where to sum: by default on this machine; "ray" or HOST:PORT on a Ray cluster, as for
        :func:`corpora.count`. It uses at most d / 16 CPUs. Does not change the result.
    progress : bool
        Show a bar.

    Returns
    -------
    list of float32 arrays of shape (n, d)
        For each kind, sums of the vectors of context words. Divided by the smaller of `counts`
        and `wanted`, they are means over occurrences.
    """
    from conec.contexts.kernels import choose

    n_words = len(counts)
    rows = np.arange(n_words)
    if words is not None:
        rows[words] = np.arange(len(words))
    remaining, needed = counts.copy(), np.minimum(counts, wanted).astype(np.int32)

    def chosen(ids: Any, start: int, stop: int) -> npt.NDArray[np.int64]:
        positions: npt.NDArray[np.int64] = choose(
            ids, start, stop, remaining, needed, np.uint64(key)
        )
        return positions

    n_rows = n_words if words is None else len(words)
    adders = [_SomeContexts(kind.window, kind.weights(), rows) for kind in kinds]
    return _sums(stream, kinds, adders, pieces, n_rows, chosen, workers, engine, progress)


def all_context_sums(
    stream: TokenStream,
    kinds: Sequence[ContextKind],
    *,
    keep: FloatArray | None = None,
    key: int = 0,
    workers: int = 1,
    engine: str | None = None,
    progress: bool = False,
) -> list[FloatArray]:
    """Sum the contexts of all occurrences of each word, of the whole text or a subsampled one.

    Parameters
    ----------
    stream, kinds, workers, engine, progress
        As for `context_sums`.
    keep : float32 array of shape (V,), optional
        Probability that a token of each word remains in the text, as for the subsampling of
        training: the words around a gap become neighbors. By default all remain.
    key : int
        Determines which tokens remain.

    Returns
    -------
    list of float32 arrays of shape (V, d)
    """

    def everything(_: Any, start: int, stop: int) -> npt.NDArray[np.int64]:
        return np.array([start, stop])

    n_words, pieces = len(kinds[0].vectors), spans(len(stream))
    if keep is None:
        keep = np.ones(n_words, np.float32)
    adders = [_AllContexts(kind.window, kind.weights(), keep, np.uint64(key)) for kind in kinds]
    return _sums(stream, kinds, adders, pieces, n_words, everything, workers, engine, progress)


@dataclass(frozen=True)
class _Part:
    """A part of a text.

    Attributes
    ----------
    ids : int32 array of shape (n,)
    low : int
        Position of the first token in the text.
    positions : int64 array
        Positions whose contexts are added; for all of a range, its first position and its end.
    offsets : int64 array
        Starts of the documents in the part, and the end of the last one.
    """

    ids: npt.NDArray[np.int32]
    low: int
    positions: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]


# Adds some columns of the first vectors to those of the second: the first, and their number
_AddColumns = Callable[[FloatArray, FloatArray, tuple[int, int]], None]


@dataclass(frozen=True)
class _SomeContexts:
    """Adds the contexts of chosen occurrences."""

    window: Window
    weights: FloatArray
    rows: npt.NDArray[np.int64]

    @property
    def margin(self) -> int:
        return self.window.size

    def of_part(self, part: _Part) -> _AddColumns:
        from conec.contexts.kernels import add_contexts, add_wide_contexts

        distance = self.window.distance_weights().astype(np.float32)
        add: Any = add_contexts
        near: Any = distance
        if (distance[1:] == 1).all():
            add, near = add_wide_contexts, self.window.size
        of_tokens = np.where(part.ids < 0, np.float32(0), self.weights[part.ids])
        return lambda vectors, out, columns: add(
            part.ids, part.low, part.offsets, part.positions, self.rows, near, of_tokens, vectors,
            out, *columns,
        )  # fmt: skip


@dataclass(frozen=True)
class _AllContexts:
    """Adds the contexts of all occurrences in a text that may be subsampled."""

    window: Window
    weights: FloatArray
    keep: FloatArray
    key: np.uint64

    @property
    def margin(self) -> int:
        return self.window.size * (1 if self.keep.min(initial=1) >= 1 else _GAPS)

    def of_part(self, part: _Part) -> _AddColumns:
        from conec.contexts.kernels import add_all_contexts

        first, stop = part.positions - part.low
        return lambda vectors, out, columns: add_all_contexts(
            part.ids, part.low, first, stop, part.offsets, self.keep, self.key,
            self.window.size, self.window.smallest, self.weights, vectors, out, *columns,
        )  # fmt: skip


_Adders = Sequence[_SomeContexts | _AllContexts]


def _sums(
    stream: TokenStream,
    kinds: Sequence[ContextKind],
    adders: _Adders,
    pieces: Spans,
    n_rows: int,
    choose: Callable[[Any, int, int], npt.NDArray[np.int64]],
    workers: int,
    engine: str | None,
    progress: bool,
) -> list[FloatArray]:
    """Sums of contexts in the pieces of a text, by threads or on a cluster."""
    ids = np.asarray(stream.ids)
    all_vectors = [with_contiguous_rows(kind.vectors) for kind in kinds]
    sums = [zero_rows(n_rows, vectors.shape[1]) for vectors in all_vectors]
    margin = max(adder.margin for adder in adders)

    def part_of(start: int, stop: int) -> _Part:
        positions = choose(ids, start, stop)
        low, high = max(0, start - margin), min(len(ids), stop + margin)
        first = max(int(np.searchsorted(stream.offsets, low, side="right")) - 1, 0)
        end = int(np.searchsorted(stream.offsets, high)) + 1
        return _Part(ids[low:high], low, positions, stream.offsets[first:end].astype(np.int64))

    def parts() -> Iterator[_Part]:
        for start, stop in pieces:
            yield part_of(start, stop)
            stream.release(max(0, start - margin), stop)
            bar.update(stop - start)

    with progress_bar(
        total=sum(stop - start for start, stop in pieces),
        desc="contexts",
        unit=" words",
        unit_scale=True,
        shown=progress,
    ) as bar:
        if engine is not None:
            _add_on_engine(adders, parts(), all_vectors, sums, engine)
            return sums
        with announce_compilation("context vectors"):
            _add(adders, part_of(0, 0), all_vectors, sums, (0, 0))
        slices = _columns(sums[0].shape[1], workers)
        with ThreadPoolExecutor(len(slices), thread_name_prefix="conec") as executor:
            for part in parts():
                add = partial(_add_columns, [adder.of_part(part) for adder in adders])
                if len(slices) == 1:
                    add(all_vectors, sums, slices[0])
                else:
                    run = partial(add, all_vectors, sums)
                    deque(executor.map(run, slices), maxlen=0)
    return sums


def _add_columns(
    adders: Sequence[_AddColumns],
    all_vectors: Sequence[FloatArray],
    sums: Sequence[FloatArray],
    columns: tuple[int, int],
) -> None:
    """Add some columns of the contexts of each kind."""
    for add, vectors, out in zip(adders, all_vectors, sums, strict=True):
        add(vectors, out, columns)


def _add_on_engine(
    adders: _Adders,
    parts: Iterator[_Part],
    all_vectors: Sequence[FloatArray],
    sums: Sequence[FloatArray],
    engine: str,
) -> None:
    """Add the contexts in parts of a text on a cluster, whose tasks have different columns.

    The text is sent in segments, and the sums so far with each: a task of the next segment goes on
    with them.
    """
    slices = [
        slice(start, start + n) for start, n in _columns(sums[0].shape[1], engine_cpus(engine))
    ]  # fmt: skip
    while segment := _next_segment(parts):
        items = (
            tuple([array[:, columns].copy() for array in arrays] for arrays in (all_vectors, sums))
            for columns in slices
        )  # fmt: skip
        added = map_on_engine(partial(_add_segment, adders, segment), items, engine)
        with closing(added):
            for columns, results in zip(slices, added, strict=True):
                for out, result in zip(sums, results, strict=True):
                    out[:, columns] = result


def _next_segment(parts: Iterator[_Part]) -> list[_Part]:
    segment: list[_Part] = []
    n = 0
    for part in parts:
        segment.append(part)
        n += len(part.ids)
        if n >= SENT_TOKENS:
            break
    return segment


def _add_segment(
    adders: _Adders, parts: Sequence[_Part], item: tuple[list[FloatArray], list[FloatArray]]
) -> list[FloatArray]:
    """Add the contexts in parts of a text to sums, which are returned."""
    all_vectors, sums = item
    for part in parts:
        _add(adders, part, all_vectors, sums, (0, sums[0].shape[1]))
    return sums


def _add(
    adders: _Adders,
    part: _Part,
    all_vectors: Sequence[FloatArray],
    sums: Sequence[FloatArray],
    columns: tuple[int, int],
) -> None:
    _add_columns([adder.of_part(part) for adder in adders], all_vectors, sums, columns)


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
