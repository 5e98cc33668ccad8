"""Exact search for the word vectors with the highest cosine similarities to queries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from conec.quantization import Rows
from conec.types import FloatArray

__all__ = ["Nearest", "directions", "exact_similarities", "highest_scores", "search"]

_QUERIES = 512  # queries that are multiplied at a time
_SCORES = 1 << 19  # products of a block, which stay in the cache until they are compared
_FEWEST_ROWS, _MOST_ROWS = 1024, 1 << 15  # word vectors of a block
_SPARE = 16  # candidates more than asked for: rounding may change their order
_PAIRS = 1 << 12  # pairs of candidate and query whose vectors are copied at a time


class Nearest(NamedTuple):
    """The nearest words of queries, the most similar first.

    Attributes
    ----------
    ids : int64 array of shape (n, k)
        Ids of words; -1 where there are fewer than k.
    similarities : float32 array of shape (n, k)
        Cosine similarities; NaN where there are fewer than k.
    """

    ids: npt.NDArray[np.int64]
    similarities: FloatArray


def search(
    vectors: Rows,
    lengths: FloatArray,
    queries: FloatArray,
    topn: int,
    exclude: npt.NDArray[np.int64] | None = None,
    *,
    workers: int = 1,
) -> Nearest:
    """Find the word vectors with the highest cosine similarities to each query.

    Products of all word vectors and a block of queries are computed block by block, and candidates
    are selected from each block. Memory beyond the result is a few MB, whatever n and V.

    Parameters
    ----------
    vectors : float32 array or CompactRows of shape (V, d)
        May be memory-mapped.
    lengths : float32 array of shape (V,)
        Lengths of the vectors.
    queries : float32 array of shape (n, d)
        None is zero.
    topn : int
    exclude : int64 array of shape (n, e), optional
        Ids that are left out of the results of each query; -1 for no id.
    workers : int
        Threads; with more than one, each computes its products alone.

    Returns
    -------
    Nearest
        k is `topn`, or V if that is less. Of equal similarities, the word with the lower id is
        first. Similarities do not depend on the other queries.
    """
    n, n_words = len(queries), len(vectors)
    k = min(topn, n_words)
    result = Nearest(np.full((n, k), -1, np.int64), np.full((n, k), np.nan, np.float32))
    if not n or not k:
        return result
    n_excluded = 0 if exclude is None else exclude.shape[1]
    n_candidates = min(n_words, topn + n_excluded + _SPARE)
    # lengths below the smallest normal number have infinite inverses
    smallest = np.finfo(np.float32).tiny
    scales = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > smallest)

    def find(part: slice) -> None:
        ids = highest_scores(vectors, scales, queries[part], n_candidates)
        found = exact_similarities(
            vectors, queries[part], ids, k, None if exclude is None else exclude[part]
        )
        result.ids[part], result.similarities[part] = found

    # smaller blocks where threads would otherwise have nothing to do
    size = min(_QUERIES, -(-n // workers))
    parts = [slice(start, min(n, start + size)) for start in range(0, n, size)]
    if workers == 1 or len(parts) == 1:
        for part in parts:
            find(part)
        return result
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(workers, thread_name_prefix="conec") as executor,
    ):
        list(executor.map(find, parts))
    return result


def highest_scores(
    vectors: Rows, scales: FloatArray, queries: FloatArray, k: int
) -> npt.NDArray[np.int64]:
    """Find the vectors whose products with each query are highest.

    Parameters
    ----------
    vectors : float32 array or CompactRows of shape (V, d)
    scales : float32 array of shape (V,)
        Factors of the products.
    queries : float32 array of shape (n, d)
        None is zero.
    k : int

    Returns
    -------
    int64 array of shape (n, k)
        Ids of vectors, in no order.
    """
    from conec.kernels import select

    n, n_words = len(queries), len(vectors)
    size = min(n_words, max(_FEWEST_ROWS, min(_MOST_ROWS, _SCORES // n)))
    buffer = np.empty(n * size, np.float32)
    best = np.full((n, k), -np.inf, np.float32)
    ids = np.full((n, k), -1, np.int64)
    # with queries of unit length, scores cannot overflow before they are scaled, unless vectors do
    unit, order = directions(queries), np.arange(n)
    for start in range(0, n_words, size):
        rows = np.asarray(vectors[start : start + size], np.float32)
        scores = buffer[: n * len(rows)].reshape(n, len(rows))
        np.matmul(unit, rows.T, out=scores)
        select(scores, scales[start : start + len(rows)], start, order, best, ids)
    return ids


def directions(queries: FloatArray) -> FloatArray:
    """Scale vectors, none of which is zero, to unit length; squares cannot overflow."""
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries, dtype=np.float64))
    result: FloatArray = (queries / lengths[:, None]).astype(np.float32)
    return result


def exact_similarities(
    vectors: Rows,
    queries: FloatArray,
    candidates: npt.NDArray[np.int64],
    topn: int,
    exclude: npt.NDArray[np.int64] | None = None,
) -> Nearest:
    """Sort candidates by their similarities, which are computed in float64.

    Parameters
    ----------
    vectors, queries, topn, exclude
        As for `search`.
    candidates : int64 array of shape (n, c)
        Ids of word vectors; -1 for no candidate.

    Returns
    -------
    Nearest
        k is `topn`.
    """
    from conec.kernels import cosines

    n, c = candidates.shape
    flat = candidates.reshape(-1)
    similarities = np.empty(n * c, np.float32)
    for start in range(0, n * c, _PAIRS):
        pairs = slice(start, min(n * c, start + _PAIRS))
        rows = np.ascontiguousarray(vectors[np.maximum(flat[pairs], 0)], np.float32)
        owners = np.arange(pairs.start, pairs.stop, dtype=np.int64) // c
        cosines(rows, queries, owners, similarities[pairs])
    similarities = similarities.reshape(n, c)
    invalid = candidates < 0
    if exclude is not None:
        for column in exclude.T:
            invalid |= candidates == column[:, None]
    similarities[invalid] = -np.inf
    order = np.lexsort((candidates, -similarities), axis=1)[:, :topn]
    result = Nearest(np.full((n, topn), -1, np.int64), np.full((n, topn), np.nan, np.float32))
    chosen = np.take_along_axis(invalid, order, 1)
    width = order.shape[1]
    result.ids[:, :width] = np.where(chosen, -1, np.take_along_axis(candidates, order, 1))
    result.similarities[:, :width] = np.where(
        chosen, np.float32(np.nan), np.take_along_axis(similarities, order, 1)
    )
    return result
