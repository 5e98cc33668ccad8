"""Linear maps learned from a corpus: from contexts to word vectors, by ridge regression.

**Unseen words** (`ContextMap`). The mean vector of the words around a word is not close to the
word's own vector: it is pulled towards what all contexts have in common. A linear map from the
contexts of known words to their rows of W1 moves unseen words to the region of the known ones
(Khodak et al. 2018, "A la carte embedding"). Here, one map is for the near context, which shows
the kind of word, and one for the wide context, which shows the topic of the text. Contexts are
scaled to unit length first, so that the number of context words does not matter; frequent context
words and rare target words have lower weights; and the mean of the word vectors is not added to
the result.

**Known words** (`smoothed`). A word's row of W1 is noisy, especially if the word is rare. Its row
of W2 and the rows of W2 of the words around it predict it; the row plus the prediction is a better
embedding than either of them.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.contexts.matrices import Window
from conec.linalg import Moments, NothingToLearn, normalize, solve
from conec.types import JSON, FloatArray, IntArray
from corpora.checks import check_integer, check_number

if TYPE_CHECKING:
    from conec.vocabulary import Vocabulary
    from corpora.encoding import TokenStream

logger = logging.getLogger(__name__)

_ROWS = 1 << 14  # rows that are processed at a time
_PIECE = 1 << 21  # tokens of text that are processed at a time

# Context maps for unseen words


@dataclass(frozen=True)
class MapConfig:
    """Contexts that a map uses, and parameters of its fit.

    Attributes
    ----------
    near : int
        Words on each side in the near context; closer ones have higher weights, as in training.
    wide : int
        Words on each side in the wide context, all with the same weight.
    sample : float
        The weight of a context word is the probability that subsampling with this threshold
        keeps it; 0 for equal weights.
    n_contexts : int
        Largest number of occurrences from which a word's context is made; the number is drawn
        for each word.
    draws : int
        How many times each word is used, with contexts from different occurrences.
    reliable : float
        Number of occurrences at which a word has half the weight of a very frequent one: the
        vectors of rare words are mostly noise.
    ridge : float
        Penalty on the squares of the maps' weights, relative to the mean variance of contexts.
    plain : float
        Weight of the wide context itself, divided by the square root of the number of
        occurrences, when it is added to the mapped contexts; it helps if there are few.
    smoothing : float
        Weight of the prediction that is added to a known word's row of W1.
    """

    near: int = 5
    wide: int = 60
    sample: float = 1e-4
    n_contexts: int = 64
    draws: int = 2
    reliable: float = 100.0
    ridge: float = 1e-3
    plain: float = 0.7
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        for name in ("near", "wide", "n_contexts", "draws"):
            check_integer(name, getattr(self, name), 1, 1 << 16)
        for name in ("sample", "reliable", "ridge", "plain", "smoothing"):
            check_number(name, getattr(self, name), 0)

    def to_dict(self) -> JSON:
        """Convert to plain data, for JSON."""
        return asdict(self)

    def windows(self, vocabulary: Vocabulary) -> tuple[Window, Window]:
        """Windows of the near and the wide context."""
        keep = vocabulary.keep_probability(self.sample)
        return (
            Window(self.near, "subsampled", 1, keep),
            Window(self.wide, "subsampled", self.wide, keep),
        )


class ContextMap:
    """Linear maps from kinds of context to word vectors; their results are added.

    Each is a ridge regression on centered contexts and word vectors. The mean of the word
    vectors, which all words share, is not added to the result.

    Parameters
    ----------
    config : MapConfig, optional

    Attributes
    ----------
    mean : float32 array of shape (k, d)
        Mean of each kind of context.
    weights : float32 array of shape (k, d, d)
        The map of each kind of context.
    """

    def __init__(self, config: MapConfig | None = None) -> None:
        self.config = config or MapConfig()
        self.mean = np.zeros((0, 0), np.float32)
        self.weights = np.zeros((0, 0, 0), np.float32)

    def fit(
        self, X: FloatArray, Y: FloatArray, sample_weight: npt.ArrayLike | None = None
    ) -> ContextMap:
        """Fit the maps to contexts and the vectors of the same words.

        Parameters
        ----------
        X : array of shape (k, n, d)
            Embeddings of the contexts of n words, for each kind of context.
        Y : array of shape (n, d)
        sample_weight : array of shape (n,), optional
            By default 1 for all.

        Raises
        ------
        ValueError
            If shapes do not match, a value is not finite, or no word has a positive weight.
        """
        if X.ndim != 3 or X.shape[1:] != Y.shape:
            raise ValueError(f"contexts of shape {X.shape} do not match vectors of {Y.shape}")
        weight = np.ones(len(Y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weight.shape != (len(Y),):
            raise ValueError(f"sample_weight must have shape ({len(Y)},), got {weight.shape}")
        moments = [Moments(Y.shape[1]) for _ in X]
        for kind, sums in zip(X, moments, strict=True):
            sums.add(kind, Y, weight)
        return self.solve(moments)

    def solve(self, moments: Sequence[Moments]) -> ContextMap:
        """Fit the maps to sums of products, one for each kind of context."""
        solved = [sums.ridge(self.config.ridge) for sums in moments]
        self.mean = np.stack([mean for mean, _ in solved]).astype(np.float32)
        self.weights = np.stack([weights for _, weights in solved]).astype(np.float32)
        return self

    def transform(self, X: FloatArray, occurrences: npt.ArrayLike = 1) -> FloatArray:
        """Map contexts to word vectors.

        Parameters
        ----------
        X : array of shape (k, n, d)
            Embeddings of contexts; rows of zeros stand for missing contexts and add nothing.
        occurrences : array of int, shape (n,)
            Number of occurrences that each context is made from.

        Returns
        -------
        float32 array of shape (n, d)
            Of unit length; zero without a context.

        Raises
        ------
        ValueError
            If k or d differ from those of `fit`.
        """
        if X.ndim != 3 or (len(X), X.shape[2]) != self.mean.shape:
            raise ValueError(
                f"contexts must have shape (k, n, d) with (k, d) = {self.mean.shape}, got {X.shape}"
            )
        total = np.zeros(X.shape[1:], np.float32)
        for kind, mean, weights in zip(X, self.mean, self.weights, strict=True):
            total += np.where(kind.any(axis=1)[:, None], (kind - mean) @ weights, np.float32(0))
        root = np.sqrt(np.maximum(occurrences, 1)).astype(np.float32).reshape(-1, 1)
        return normalize(normalize(total) + np.float32(self.config.plain) / root * X[-1])

    def arrays(self) -> dict[str, FloatArray]:
        """The learned arrays, to be saved with `config`."""
        return {"mean": self.mean, "weights": self.weights}

    @classmethod
    def from_state(cls, config: JSON, arrays: Mapping[str, FloatArray], size: int) -> ContextMap:
        """Create a map from the parameters of its config, and its arrays.

        Raises
        ------
        TypeError, ValueError
            If they do not belong to a map of vectors of length `size`.
        """
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != {"mean": (2, size), "weights": (2, size, size)}:
            raise ValueError(f"a map of vectors of length {size} has no arrays {shapes}")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("the map has values that are not finite")
        context_map = cls(MapConfig(**config))
        context_map.mean = arrays["mean"].astype(np.float32, copy=False)
        context_map.weights = arrays["weights"].astype(np.float32, copy=False)
        return context_map


def learn_context_map(
    stream: TokenStream,
    vocabulary: Vocabulary,
    vectors: FloatArray,
    config: MapConfig,
    *,
    seed: int = 1,
    workers: int = 1,
    exclude: Iterable[str] = (),
    progress: bool = False,
) -> ContextMap:
    """Learn a context map from the words of a text.

    Parameters
    ----------
    stream : TokenStream
    vocabulary : Vocabulary
        Its counts give the weights of context words.
    vectors : float32 array of shape (V, d)
        Word vectors of unit length: contexts are sums of them, and they are the targets of the
        map.
    config : MapConfig
    seed : int
    workers : int
        Threads.
    exclude : iterable of str
        Words not to learn from, such as those of a test. They still serve as context words.
    progress : bool
        Show bars.

    Returns
    -------
    ContextMap
        With few words, the map is poorly determined: with n words, a share d / (n + d) of each
        map is the identity, which leaves contexts as they are, as in the thesis.
    """
    from conec.contexts.kernels import count_words

    windows = config.windows(vocabulary)
    began = time.monotonic()
    counts = count_words(np.asarray(stream.ids), len(vectors))
    reliability = counts / np.maximum(counts + config.reliable, 1)
    reliability[[vocabulary.index[word] for word in exclude if word in vocabulary]] = 0
    moments = [Moments(vectors.shape[1]) for _ in windows]
    for draw in range(config.draws):
        X, n = sampled_contexts(
            stream,
            vectors,
            windows,
            counts,
            config,
            seed=seed,
            draw=draw,
            workers=workers,
            progress=progress,
        )
        # contexts from more occurrences have less noise
        weight = reliability * np.sqrt(n)
        for kind, sums in zip(X, moments, strict=True):
            # words without contexts, or with zero vectors, are left out
            usable = kind.any(axis=1) & vectors.any(axis=1)
            sums.add(normalize(kind), vectors, np.where(usable, weight, 0))
    context_map, d = ContextMap(config), vectors.shape[1]
    try:
        context_map.solve(moments)
    except NothingToLearn:
        context_map.mean = np.zeros((len(windows), d), np.float32)
        context_map.weights = np.zeros((len(windows), d, d), np.float32)
    identity = np.float32(d / (len(vectors) + d))
    context_map.weights *= 1 - identity
    context_map.weights += identity * np.eye(d, dtype=np.float32)
    logger.info("map of contexts: %d draws, %.1f s", config.draws, time.monotonic() - began)
    return context_map


def sampled_contexts(
    stream: TokenStream,
    vectors: FloatArray,
    windows: Sequence[Window],
    counts: npt.NDArray[np.int64],
    config: MapConfig,
    *,
    seed: int = 1,
    draw: int = 0,
    workers: int = 1,
    progress: bool = False,
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Contexts of all words, each from a random sample of its occurrences.

    Parameters
    ----------
    stream : TokenStream
    vectors : float32 array of shape (V, d)
        Vectors of the context words.
    windows : sequence of k Windows
    counts : int64 array of shape (V,)
        Occurrences of each word in the stream.
    config : MapConfig
    seed, draw : int
        Number of the draw.
    workers : int
        Threads. The result does not depend on them.
    progress : bool
        Show a bar.

    Returns
    -------
    contexts : float32 array of shape (k, V, d)
        Weighted sums of the vectors of context words.
    occurrences : int64 array of shape (V,)
        Number of occurrences that each is made from.
    """
    from tqdm import tqdm

    from conec.contexts.kernels import lay_out, sum_by_word

    n_words = len(vectors)
    rng = np.random.default_rng([seed, random_streams.MAP, draw])
    # log-uniform: 1 occurrence is as probable as 2 or 3, as 4 to 7, and so on
    wanted = np.floor(np.exp(rng.uniform(0, np.log(config.n_contexts + 1), n_words)))
    share = np.minimum(wanted / np.maximum(counts, 1), 1)
    sums = np.zeros((len(windows), *vectors.shape), np.float32)
    occurrences = np.zeros(n_words, np.int64)
    kinds = [
        (window.distance_weights().astype(np.float32), window.word_weights(n_words), out)
        for window, out in zip(windows, sums, strict=True)
    ]
    with (
        ThreadPoolExecutor(workers, thread_name_prefix="conec") as executor,
        tqdm(
            total=len(stream), desc="map", unit=" words", unit_scale=True, disable=not progress
        ) as bar,
    ):
        for ids, offsets in _pieces(stream):
            text, _, _ = lay_out(ids, offsets, 0, len(ids))
            sampled = (text >= 0) & (rng.random(len(text)) < share[np.maximum(text, 0)])
            positions = np.flatnonzero(sampled)
            occurrences += np.bincount(text[positions], minlength=n_words)

            def add(part: int, text: IntArray = text, positions: Any = positions) -> None:
                for weights, keep, out in kinds:
                    sum_by_word(text, positions, part, workers, weights, keep, vectors, out)

            deque(executor.map(add, range(workers)), maxlen=0)
            bar.update(len(ids))
    return sums, occurrences


def _pieces(stream: TokenStream) -> Iterator[tuple[IntArray, npt.NDArray[np.int64]]]:
    """Pieces of the text, with the offsets of the documents in each.

    Documents may be cut, so that memory is bounded; a few contexts are shorter for that.
    """
    for start in range(0, len(stream), _PIECE):
        ids = np.asarray(stream.ids[start : start + _PIECE])
        first, last = np.searchsorted(stream.offsets, (start, start + len(ids)), "right")
        inside = stream.offsets[first:last] - start
        yield ids, np.concatenate([np.zeros(1, np.int64), inside[inside < len(ids)]])


# Smoothed vectors of known words


@dataclass(frozen=True)
class LinearMap:
    """A linear map from one or several vectors of a word to another vector.

    Each vector is scaled to unit length, centered, and scaled to unit length again before it
    is multiplied; zero vectors stay zero.

    Attributes
    ----------
    means : float32 array of shape (k, d)
        Means of the k vectors, scaled to unit length, over all words.
    matrices : float32 array of shape (k, d, d')
    """

    means: FloatArray
    matrices: FloatArray

    @classmethod
    def fit(
        cls,
        vectors: Sequence[FloatArray],
        targets: FloatArray,
        weights: npt.ArrayLike,
        *,
        ridge: float = 1e-3,
    ) -> LinearMap:
        """Fit by least squares with a penalty on the map.

        Parameters
        ----------
        vectors : sequence of k float32 arrays of shape (V, d)
        targets : float32 array of shape (V, d')
        weights : array-like of shape (V,)
            Weight of each word's squared error, such as its count.
        ridge : float
            Penalty, relative to the mean eigenvalue of the vectors' covariance.

        Raises
        ------
        ValueError
            If the shapes do not match.
        """
        n, size = targets.shape
        if any(array.shape != vectors[0].shape or len(array) != n for array in vectors):
            raise ValueError(
                f"vectors must all have the same shape, with a row for each of {n} targets, got "
                + ", ".join(str(array.shape) for array in vectors)
            )
        weights = np.asarray(weights, np.float64)
        if weights.shape != (n,):
            raise ValueError(f"weights must have shape ({n},), got {weights.shape}")
        k, d = len(vectors), vectors[0].shape[1]
        means = np.stack([mean_direction(array) for array in vectors])
        covariance, products = np.zeros((k * d, k * d)), np.zeros((k * d, size))
        for rows in blocks(n):
            X = _standardized([array[rows] for array in vectors], means)
            weighted = (X * weights[rows, None]).astype(np.float32)
            covariance += weighted.T @ X
            products += weighted.T @ targets[rows]
        matrices = solve(covariance, products, ridge)
        return cls(means, matrices.reshape(k, d, size).astype(np.float32))

    def __call__(self, vectors: Sequence[FloatArray]) -> FloatArray:
        """Map the k vectors of words, each of shape (n, d), to vectors of shape (n, d')."""
        X = _standardized(vectors, self.means)
        mapped: FloatArray = X @ self.matrices.reshape(X.shape[1], -1)
        return mapped


def smoothed(
    W1: FloatArray,
    W2: FloatArray,
    contexts: FloatArray,
    counts: npt.ArrayLike,
    amount: float,
) -> FloatArray:
    """Rows of W1 plus `amount` times their prediction, scaled to unit length.

    With few words, the map is poorly determined: for V words and n coefficients in each column
    of the map, a share n / (V + n) of the prediction is the embedding of the word's contexts
    as it is, which is the thesis's prediction.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
    contexts : float32 array of shape (V, 2 * d)
        Global context vectors times W1 and times W2, side by side.
    counts : array-like of shape (V,)
        Occurrences of each word: its weight in the regression.
    amount : float
        Weight of the prediction.

    Returns
    -------
    float32 array of shape (V, d)
        Zero for words without contexts.
    """
    result = normalize(W1)
    n, d = W1.shape
    contexts1, contexts2 = contexts[:, :d], contexts[:, d:]
    predict = LinearMap.fit([W2, contexts2], result - mean_direction(W1), counts)
    mean = mean_direction(contexts1)[None]
    plain = np.float32(2 * d / (n + 2 * d))
    for rows in blocks(n):
        predicted = (1 - plain) * predict([W2[rows], contexts2[rows]])
        predicted += plain * _standardized([contexts1[rows]], mean)
        mixed = normalize(result[rows] + np.float32(amount) * predicted)
        # words that never had a context were never trained
        result[rows] = mixed * contexts[rows].any(axis=1, keepdims=True)
    return result


def blocks(n: int) -> list[slice]:
    """Slices of n rows that are small enough for intermediate arrays."""
    return [slice(start, min(start + _ROWS, n)) for start in range(0, n, _ROWS)]


def mean_direction(vectors: FloatArray) -> FloatArray:
    """Mean of the rows scaled to unit length, without zero rows; shape (d,)."""
    total, n = np.zeros(vectors.shape[1]), 0
    for rows in blocks(len(vectors)):
        directions = normalize(vectors[rows])
        total += directions.sum(axis=0, dtype=np.float64)
        n += int(directions.any(axis=1).sum())
    return (total / max(n, 1)).astype(np.float32)


def _standardized(vectors: Sequence[FloatArray], means: FloatArray) -> FloatArray:
    """All vectors of each word side by side, shape (n, k * d)."""
    standardized = []
    for array, mean in zip(vectors, means, strict=True):
        nonzero = array.any(axis=1, keepdims=True)
        standardized.append(normalize((normalize(array) - mean) * nonzero))
    return np.hstack(standardized)
