"""Induction of word senses: the occurrences of each word are clustered by their contexts."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.contexts import Window, global_embeddings
from conec.linalg import normalize, solve
from conec.senses.clustering import cluster
from conec.senses.inventory import SenseInventory, SenseSettings, word_vectors
from conec.types import FloatArray, IntArray
from corpora.callbacks import progress_bar
from corpora.jit import announce_compilation
from corpora.parallel import map_on_engine

if TYPE_CHECKING:
    from conec.vocabulary import Vocabulary
    from corpora.encoding import TokenStream

_REACH = 5  # words on each side of an example
_BATCH = 2048  # words per batch; an interruption waits for the end of the batch
_SENT = 256  # words per task of a cluster


def ridge_map(
    contexts: FloatArray, vectors: FloatArray, counts: npt.NDArray[np.int64], ridge: float
) -> FloatArray:
    """Ridge regression from words' mean contexts to their vectors.

    Parameters
    ----------
    contexts : float32 array of shape (V, d)
        Of unit length or zero.
    vectors : float32 array of shape (V, d)
    counts : int64 array of shape (V,)
        The weight of a word is the square root of its count.
    ridge : float
        As in `SenseSettings`.

    Returns
    -------
    float32 array of shape (d, d)
        ``contexts @ map`` approximates the vectors.
    """
    X = contexts.astype(np.float64)
    weighted = X * np.sqrt(counts)[:, None]
    return solve(weighted.T @ X, weighted.T @ vectors, ridge).astype(np.float32)


def induce(
    stream: TokenStream,
    W1: FloatArray,
    vocabulary: Vocabulary,
    settings: SenseSettings | None = None,
    *,
    words: npt.NDArray[np.int64] | None = None,
    seed: int = 1,
    workers: int = 1,
    engine: str | None = None,
    progress: bool = False,
) -> SenseInventory:
    """Induce the senses of words from a corpus.

    Parameters
    ----------
    stream : TokenStream
    W1 : float32 array of shape (V, d)
    vocabulary : Vocabulary
    settings : SenseSettings, optional
    words : int64 array, optional
        Ids of the words to induce senses for; by default all words.
    seed : int
    workers : int
        Threads. The result does not depend on their number.
    engine : str, optional
        Where to cluster: by default on this machine; "ray" or HOST:PORT on a Ray cluster, as for
        :func:`corpora.count`. The text, 8 bytes per token, is sent to each node. Does not change
        the result.
    progress : bool
        Show bars.

    Returns
    -------
    SenseInventory
    """
    from conec.contexts.kernels import group_positions, lay_out

    settings = settings or SenseSettings()
    window = settings.context(vocabulary)
    rows = normalize(W1)
    means = global_embeddings(
        stream, rows, window, workers=workers, engine=engine, progress=progress
    )
    map_ = ridge_map(normalize(means), word_vectors(W1), vocabulary.counts, settings.ridge)
    with announce_compilation("senses"):
        ids, borders = np.asarray(stream.ids), stream.offsets.astype(np.int64)
        text, first, stop = lay_out(ids, borders, 0, len(ids))
        starts, order = group_positions(text, first, stop, len(W1))
    frequent = np.diff(starts) >= settings.min_occurrences
    chosen = np.flatnonzero(frequent) if words is None else np.unique(words[frequent[words]])
    search = _Search(text, starts, order, rows @ map_, window, settings, seed)
    n_senses = np.zeros(len(W1) + 1, np.int64)
    results: list[_Senses] = []
    bar = progress_bar(chosen, desc="senses", unit=" words", shown=progress)
    with closing(_search_all(search, chosen.tolist(), workers, engine)) as found:
        for word, senses in zip(chosen.tolist(), found, strict=True):
            n_senses[word + 1] = len(senses[0])
            results.append(senses)
            bar.update()
    bar.close()
    d, width = W1.shape[1], 2 * _REACH + 1
    empty = (
        np.zeros((0, d), np.float32), np.zeros(0, np.float32),
        np.zeros((0, settings.examples, width), np.int32),
    )  # fmt: skip
    centers, shares, examples = (np.concatenate(p) for p in zip(empty, *results, strict=True))
    return SenseInventory(np.cumsum(n_senses), centers, shares, examples, map_, settings)


_Senses = tuple[FloatArray, FloatArray, IntArray]


def _search_all(
    search: _Search, words: list[int], workers: int, engine: str | None
) -> Generator[_Senses, None, None]:
    """Yield the senses of words, found by threads or on a cluster."""
    size = _BATCH if engine is None else _SENT
    batches = (words[start : start + size] for start in range(0, len(words), size))
    if engine is not None:
        with closing(map_on_engine(search.each, batches, engine)) as found:
            for senses in found:
                yield from senses
        return
    from threadpoolctl import threadpool_limits

    # the bits of BLAS vary with its threads; nodes of a cluster have one for each process
    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(workers, thread_name_prefix="conec") as executor,
    ):
        for batch in batches:
            yield from executor.map(search, batch)


@dataclass(frozen=True)
class _Search:
    """A function from a word id to the word's senses: centers, shares and examples."""

    text: IntArray
    starts: npt.NDArray[np.int64]
    order: IntArray
    matrix: FloatArray
    window: Window
    settings: SenseSettings
    seed: int

    def __call__(self, word: int) -> _Senses:
        s = self.settings
        rng = np.random.default_rng([self.seed, random_streams.SENSES, word])
        positions = self.order[self.starts[word] : self.starts[word + 1]].astype(np.int64)
        if len(positions) > s.sample:
            positions = np.sort(rng.choice(positions, s.sample, replace=False))
        vectors = self.contexts(positions)
        has_context = vectors.any(axis=1)
        positions, vectors = positions[has_context], vectors[has_context]
        if not len(vectors):
            return self._result([], len(positions))
        labels = cluster(
            vectors, rng, most=s.most, threshold=s.threshold, smallest=s.smallest
        )  # fmt: skip
        return self._result(list(self._senses(positions, vectors, labels)), len(positions))

    def each(self, words: list[int]) -> list[_Senses]:
        """Senses of several words."""
        return [self(word) for word in words]

    def contexts(self, positions: npt.NDArray[np.int64]) -> FloatArray:
        """Mapped contexts of occurrences, scaled to unit length."""
        from conec.contexts.kernels import occurrence_vectors

        out = np.empty((len(positions), self.matrix.shape[1]), np.float32)
        weights = self.window.distance_weights().astype(np.float32)
        keep = self.window.word_weights(len(self.matrix))
        occurrence_vectors(self.text, positions, weights, keep, self.matrix, out)
        return normalize(out)

    def _senses(
        self, positions: npt.NDArray[np.int64], vectors: FloatArray, labels: IntArray
    ) -> Iterator[tuple[FloatArray, int, IntArray]]:
        """Yield the center, the size and the examples of each cluster."""
        for label in range(labels.max() + 1):
            members = labels == label
            center = normalize(vectors[members].sum(axis=0))
            nearest = np.argsort(-(vectors[members] @ center), kind="stable")
            nearest = nearest[: self.settings.examples]
            yield center, int(members.sum()), self._examples(positions[members][nearest])

    def _examples(self, positions: npt.NDArray[np.int64]) -> IntArray:
        """Ids of the words around positions; -1 beyond the ends of a text."""
        examples = np.full((self.settings.examples, 2 * _REACH + 1), -1, np.int32)
        for row, position in zip(examples, positions.tolist(), strict=False):
            row[_REACH] = self.text[position]
            for step in (-1, 1):
                for distance in range(1, _REACH + 1):
                    # negative ids are breaks between sentences or documents
                    if (word := self.text[position + step * distance]) < 0:
                        break
                    row[_REACH + step * distance] = word
        return examples

    def _result(self, senses: list[Any], n: int) -> _Senses:
        d = self.matrix.shape[1]
        return (
            np.array([center for center, _, _ in senses], np.float32).reshape(-1, d),
            np.array([size / n for _, size, _ in senses], np.float32),
            np.array([rows for _, _, rows in senses], np.int32).reshape(
                len(senses), self.settings.examples, 2 * _REACH + 1
            ),
        )
