"""An approximate index of word vectors: lists of vectors that are near each other.

Vectors are clustered by k-means, and each cluster has a list of its vectors (an inverted file, IVF;
Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search", section IV). A query
is compared with the vectors of the lists whose centers are nearest to it. Queries of a batch that
search the same list are multiplied with its vectors in one product of matrices, which is why
batches are several times as fast as in a graph of neighbors, where each query takes its own way.
"""

from __future__ import annotations

import functools
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.linalg import normalize
from conec.quantization import Rows, compact
from conec.search import directions, highest_scores
from conec.types import FloatArray, IntArray
from corpora.checks import check_integer
from corpora.errors import warn
from corpora.saved_data import check_saved_array, check_saved_object, checked_indptr

if TYPE_CHECKING:
    from corpora.model_folder import FolderReader, FolderWriter

__all__ = ["NeighborIndex"]

_NAME = "index"
_ROWS = 1 << 13  # vectors that are added at a time
_SAMPLE, _ITERATIONS = 64, 8  # of k-means: vectors for each list, and passes over them
_QUERIES = 1 << 12  # queries that are searched together
# Vectors of a list that are multiplied at a time. Products of small matrices are faster.
_BLOCK = 256


@dataclass(frozen=True)
class NeighborIndex:
    """Lists of vectors that are near each other.

    Attributes
    ----------
    vectors : float32 array or CompactRows of shape (V, d)
        The vectors that are indexed. The index is out of date once the model has others.
    n_probes : int
        Number of lists that are searched for a query.
    centers : float32 array of shape (L, d)
        Mean direction of each list, of unit length.
    starts : int64 array of shape (L + 1,)
        List i has the vectors ``ids[starts[i]:starts[i + 1]]``.
    ids : int32 array of shape (n,)
        All vectors that are not zero.
    codes : int8 array of shape (n * d,)
        The directions of these vectors, rounded. Each block of up to 256 vectors of a list is
        stored as a matrix of shape (d, size of the block).
    scales : float32 array of shape (n,)
        Factors of the codes of each vector.
    """

    vectors: Rows
    n_probes: int
    centers: FloatArray
    starts: npt.NDArray[np.int64]
    ids: IntArray
    codes: npt.NDArray[np.int8]
    scales: FloatArray

    @classmethod
    def build(
        cls,
        vectors: Rows,
        n_lists: int | None,
        n_probes: int,
        *,
        seed: int = 1,
        workers: int = 1,
        progress: bool = False,
    ) -> NeighborIndex:
        """Cluster the vectors, and make a list of each cluster.

        Parameters
        ----------
        vectors : float32 array or CompactRows of shape (V, d)
        n_lists : int or None
            None: ``2 * sqrt(V)``.
        n_probes : int
        seed : int
        workers : int
            Threads. With one, the same index is built each time.
        progress : bool
            Show a bar.
        """
        from tqdm import tqdm

        n_words, d = vectors.shape
        parts = [slice(start, min(n_words, start + _ROWS)) for start in range(0, n_words, _ROWS)]
        words = np.concatenate(
            [part.start + np.flatnonzero(vectors[part].any(axis=1)) for part in parts]
        ).astype(np.int32)
        n = len(words)
        n_lists = min(n, n_lists or round(2 * n**0.5))
        lists = np.empty(n, np.int64)
        with (
            _thread_pools().limit(limits=workers),
            tqdm(total=n, desc=_NAME, unit="word", disable=None if progress else True) as bar,
        ):
            centers = _centers(vectors, words, n_lists, seed)
            scales = np.ones(n_lists, np.float32)
            for start in range(0, n, _ROWS):
                part = slice(start, min(n, start + _ROWS))
                rows = np.asarray(vectors[words[part]], np.float32)
                lists[part] = highest_scores(centers, scales, rows, 1)[:, 0]
                bar.update(len(rows))
        order = np.argsort(lists, kind="stable")
        starts = np.zeros(n_lists + 1, np.int64)
        np.cumsum(np.bincount(lists, minlength=n_lists), out=starts[1:])
        codes, scales = np.empty(n * d, np.int8), np.empty(n, np.float32)
        for block in (block for i in range(n_lists) for block in _blocks(starts, i)):
            rows = directions(np.asarray(vectors[words[order[block]]], np.float32))
            small = compact(_NAME, rows, "int8")
            codes[d * block.start : d * block.stop] = small.codes.T.ravel()
            scales[block] = small.scales
        return cls(vectors, n_probes, centers, starts, words[order], codes, scales)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(array.nbytes for array in self._arrays().values())

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "centers": self.centers, "starts": self.starts, "ids": self.ids, "codes": self.codes,
            "scales": self.scales,
        }  # fmt: skip

    def candidates(self, queries: FloatArray, k: int, *, workers: int = 1) -> npt.NDArray[np.int64]:
        """Ids of words near each query, in no order.

        Parameters
        ----------
        queries : float32 array of shape (n, d)
            None is zero.
        k : int
            Number of words.
        workers : int
            Threads.

        Returns
        -------
        int64 array of shape (n, k)
            -1 where fewer are found.
        """
        n = len(queries)
        size = min(_QUERIES, max(1, -(-n // workers)))
        parts = [queries[start : start + size] for start in range(0, n, size)]
        if not parts or not len(self.ids):
            return np.full((n, k), -1, np.int64)
        find = functools.partial(self._candidates, k=k)
        # a second thread of BLAS slows down products of small matrices
        with _thread_pools().limit(limits=1, user_api="blas"):
            if len(parts) == 1:
                return find(parts[0])
            with ThreadPoolExecutor(workers, thread_name_prefix="conec") as executor:
                return np.concatenate(list(executor.map(find, parts)))

    def _candidates(self, queries: FloatArray, k: int) -> npt.NDArray[np.int64]:
        from conec.kernels import select, widen_codes

        n_lists, d = self.centers.shape
        n_probes = min(self.n_probes, n_lists)
        unit = directions(queries)
        probes = highest_scores(self.centers, np.ones(n_lists, np.float32), unit, n_probes).ravel()
        by_list = np.argsort(probes, kind="stable")
        lists, firsts = np.unique(probes[by_list], return_index=True)
        owners = np.split(by_list // n_probes, firsts[1:])
        best = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        buffer = np.empty(_BLOCK * d, np.float32)
        for i, rows in zip(lists.tolist(), owners, strict=True):
            some = unit[rows]
            for block in _blocks(self.starts, i):
                size = block.stop - block.start
                matrix = buffer[: d * size]
                widen_codes(self.codes[d * block.start : d * block.stop], matrix)
                scores = some @ matrix.reshape(d, size)
                select(scores, self.scales[block], block.start, rows, best, found)
        return np.where(found < 0, -1, self.ids[found])

    # Files

    def write_to(self, folder: FolderWriter) -> None:
        """Write the index to an open model folder."""
        folder.write_json(f"{_NAME}.json", {"n_probes": self.n_probes})
        folder.write_arrays(f"{_NAME}.safetensors", self._arrays())

    @classmethod
    def read_from(cls, folder: FolderReader, vectors: Rows) -> NeighborIndex | None:
        """Map the index of an open model folder into memory; None if there is no index.

        An index of an earlier version is left out with a warning.

        Raises
        ------
        ModelError
            If it is damaged, or is not an index of vectors of this shape.
        """
        names = f"{_NAME}.json", f"{_NAME}.safetensors"
        if f"{_NAME}.usearch" in folder.names:
            warn("the index of neighbors was made by an earlier version: call build_index again")
            return None
        if folder.names.isdisjoint(names):
            return None
        data = folder.read_json(names[0])
        with folder.checking(names[0]):
            data = check_saved_object("the index", data, ("n_probes",))
            n_probes = check_integer("n_probes", data["n_probes"], 1)
        with folder.checking(names[1]):
            arrays = {
                name: array.view(np.ndarray) for name, array in folder.map_arrays(names[1]).items()
            }
            n_words, d = vectors.shape
            centers = check_saved_array("centers", arrays, "float32", (None, d))
            ids = check_saved_array("ids", arrays, "int32", (None,))
            starts = check_saved_array("starts", arrays, "int64", (len(centers) + 1,))
            checked_indptr("starts", starts, len(centers), len(ids))
            if len(ids) and (ids.min() < 0 or ids.max() >= n_words):
                raise ValueError(f"ids must be from 0 to {n_words - 1}")
            codes = check_saved_array("codes", arrays, "int8", (d * len(ids),), finite=False)
            scales = check_saved_array("scales", arrays, "float32", (len(ids),))
        return cls(vectors, n_probes, centers, starts, ids, codes, scales)


def _centers(vectors: Rows, words: IntArray, n_lists: int, seed: int) -> FloatArray:
    """Mean directions of clusters of a sample of the vectors."""
    if not n_lists:
        return np.zeros((0, vectors.shape[1]), np.float32)
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rng = np.random.default_rng([seed, random_streams.INDEX])
    size = min(len(words), _SAMPLE * n_lists)
    sample = np.sort(rng.choice(words, size, replace=False))
    rows = directions(np.asarray(vectors[sample], np.float32))
    random_state = int(rng.integers(1 << 32))
    means = KMeans(
        n_lists, init="random", n_init=1, max_iter=_ITERATIONS, random_state=random_state
    )
    with warnings.catch_warnings():  # equal vectors
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(rows)
    return normalize(means.cluster_centers_)


def _blocks(starts: npt.NDArray[np.int64], i: int) -> list[slice]:
    """Slices of the vectors of a list."""
    first, last = int(starts[i]), int(starts[i + 1])
    return [slice(start, min(last, start + _BLOCK)) for start in range(first, last, _BLOCK)]


@functools.cache
def _thread_pools() -> Any:
    """Controller of thread pools, which takes a millisecond to create."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
