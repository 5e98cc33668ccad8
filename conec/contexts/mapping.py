"""Linear maps learned from a corpus: from contexts to word vectors, by ridge regression.

**Unseen words** (`ContextMap`). The mean vector of the words around a word is not close to the
word's own vector, because all contexts have some directions in common. A linear map, fitted from
the contexts of known words to their rows of W1, maps the contexts of unseen words to the region of
the known words (Khodak et al. 2018, "A la carte embedding"). Here, one map is for the near
context, which indicates the kind of word, and one for the wide context, which indicates the topic
of the text. Contexts are scaled to unit length first, so that the number of context words does not
matter. Frequent context words and rare target words have lower weights. The mean of the word
vectors is not added to the result.

**Known words** (`smoothed`). A word's row of W1 is noisy, especially if the word is rare. Its row
of W2 and the rows of W2 of the words around it, in a subsampled text, predict its row of W1. The
row plus the prediction is a better embedding than the row or the prediction alone.

**Samples.** Regressions are fitted on a random sample of words in which those with a high weight
are more probable (`conec.linalg.sample_rows`), and the contexts of unseen words are imitated by
random occurrences of these words. With values of `MapConfig` that exceed the counts, everything is
used, except that the text around known words is always subsampled.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.contexts.occurrences import (
    ContextKind,
    Counts,
    Spans,
    Window,
    all_context_sums,
    context_sums,
    count_occurrences,
    spans,
    with_contiguous_rows,
)
from conec.linalg import (
    Moments,
    NotFiniteError,
    NothingToLearn,
    normalize,
    row_lengths,
    sample_rows,
    solve,
)
from conec.types import JSON, FloatArray
from corpora.checks import check_integer, check_number
from corpora.errors import warn
from corpora.saved_data import check_saved_array, check_saved_object

if TYPE_CHECKING:
    from conec.vocabulary import Vocabulary
    from corpora.encoding import TokenStream

logger = logging.getLogger(__name__)

_ROWS = 1 << 8  # rows that are processed at a time
# The text that predicts known words is subsampled, with a lower threshold than in training. Windows
# then reach words further away that are not frequent, which predict better, and less is computed.
_SAMPLE = 1e-5
_OFTEN = 100  # words with fewer occurrences keep all of them, also in short texts
# The thesis's prediction is left out where its weight is smaller: it would take long to compute
_SMALLEST_SHARE = 0.05

# Context maps for unseen words


@dataclass(frozen=True)
class MapConfig:
    """Parameters of `learn_map`: the contexts that the map uses, and its fit.

    Attributes
    ----------
    near : int
        Words on each side in the near context; closer words have higher weights, as in training.
    wide : int
        Words on each side in the wide context, independent of distance.
    sample : float
        The weight of a context word is the probability that subsampling with this threshold
        keeps it; 0 for equal weights.
    n_contexts : int
        Maximum number of occurrences from which a word's context is computed in the fit. The
        number is drawn at random for each word.
    draws : int
        Number of times that each word is used in the fit, with different random occurrences.
    n_words : int or None
        Expected number of words that a regression is fitted on, in each draw. Words are drawn at
        random; those with a high weight in the regression are more probable. None: one for each
        1,024 tokens of the text, but at least 2,048, so that the fit takes a constant share of the
        time of training.
    share : float
        Share of the text from which occurrences are drawn for the fit.
    reliable : float
        Number of occurrences at which a word has half the weight of a very frequent word; the
        vectors of rare words are noisy.
    ridge : float
        Ridge penalty of the maps, relative to the mean variance of the contexts.
    plain : float
        Weight of the unmapped wide context, which is divided by the square root of the number
        of occurrences and added to the mapped contexts. It helps if there are few occurrences.
    smoothing : float
        Weight of the prediction that is added to a known word's row of W1.
    """

    near: int = 5
    wide: int = 60
    sample: float = 1e-4
    n_contexts: int = 64
    draws: int = 1
    n_words: int | None = None
    share: float = 0.25
    reliable: float = 100.0
    ridge: float = 1e-3
    plain: float = 0.7
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        largest = dict.fromkeys(("near", "wide", "n_contexts", "draws"), 1 << 16)
        if self.n_words is not None:
            largest["n_words"] = (1 << 31) - 1
        for name, most in largest.items():  # integers of NumPy could overflow
            object.__setattr__(self, name, check_integer(name, getattr(self, name), 1, most))
        check_number("share", self.share, 0, 1)
        for name in ("sample", "reliable", "ridge", "plain", "smoothing"):
            check_number(name, getattr(self, name), 0)

    def to_dict(self) -> JSON:
        """Return the parameters as plain data for JSON."""
        return asdict(self)

    def words_for(self, stream: TokenStream) -> int:
        """`n_words`, or its default for a text."""
        return max(1 << 11, len(stream) >> 10) if self.n_words is None else self.n_words

    def windows(self, vocabulary: Vocabulary) -> tuple[Window, Window]:
        """Windows of the near and the wide context."""
        keep = vocabulary.keep_probability(self.sample)
        return (
            Window(self.near, "subsampled", 1, keep),
            Window(self.wide, "subsampled", self.wide, keep),
        )


class ContextMap:
    """Linear maps from several kinds of context to word vectors; their results are added.

    Each map is a ridge regression from centered contexts to centered word vectors. The mean of
    the word vectors, which all words share, is not added to the result.

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
            By default 1 for all words.

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
            Embeddings of contexts; zero rows are missing contexts, which contribute nothing.
        occurrences : array of int, shape (n,)
            Number of occurrences from which each context was computed.

        Returns
        -------
        float32 array of shape (n, d)
            Of unit length; zero for words without contexts.

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
        """Return the learned arrays, which are saved together with `config`."""
        return {"mean": self.mean, "weights": self.weights}

    @classmethod
    def from_state(cls, config: JSON, arrays: Mapping[str, FloatArray], size: int) -> ContextMap:
        """Create a map from the results of `MapConfig.to_dict` and `arrays`.

        Raises
        ------
        TypeError, ValueError
            If they are not those of a map for vectors of length `size`.
        """
        for name, shape in (("mean", (2, size)), ("weights", (2, size, size))):
            check_saved_array(name, arrays, "float32", shape)
        config = check_saved_object("the map", config)
        context_map = cls(MapConfig(**config))
        context_map.mean, context_map.weights = arrays["mean"], arrays["weights"]
        return context_map


def learn_context_map(
    stream: TokenStream,
    vocabulary: Vocabulary,
    vectors: FloatArray,
    config: MapConfig,
    *,
    seed: int = 1,
    workers: int = 1,
    engine: str | None = None,
    exclude: Iterable[str] = (),
    progress: bool = False,
) -> ContextMap:
    """Learn a context map from the words of a text.

    Parameters
    ----------
    stream : TokenStream
    vocabulary : Vocabulary
        Its counts determine the weights of context words.
    vectors : float32 array of shape (V, d)
        Word vectors of unit length. Contexts are sums of them, and they are the targets of the
        regression.
    config : MapConfig
    seed : int
    workers : int
        Threads.
    engine : str, optional
        As for `conec.contexts.occurrences.context_sums`.
    exclude : iterable of str
        Words on which the map is not fitted, such as test words. They are still context words.
    progress : bool
        Show bars.

    Returns
    -------
    ContextMap

    Notes
    -----
    With few words, the regression is poorly determined. The maps are therefore weighted means of
    the regression and the identity, which is the thesis's embedding of contexts. For V words, the
    identity has weight d / (V + d).
    """
    began = time.monotonic()
    d = vectors.shape[1]
    excluded = [vocabulary.index[word] for word in exclude if word in vocabulary]
    pieces = spans(len(stream), config.share)
    counts = count_occurrences(stream, len(vectors), pieces)
    everywhere = (
        counts if config.share == 1 else count_occurrences(stream, len(vectors), spans(len(stream)))
    )
    reliability = everywhere / np.maximum(everywhere + config.reliable, 1)
    reliability[excluded] = 0
    moments = [Moments(d) for _ in config.windows(vocabulary)]
    for draw in range(config.draws):
        rng = np.random.default_rng([seed, random_streams.MAP, draw])
        # log-uniform: 1 occurrence is as probable as 2 or 3, as 4 to 7, and so on
        wanted = np.floor(np.exp(rng.uniform(0, np.log(config.n_contexts + 1), len(vectors))))
        # contexts from more occurrences have less noise
        weight = reliability * np.sqrt(np.minimum(wanted, counts))
        words, weight = sample_rows(weight, config.words_for(stream), rng)
        chosen = np.zeros(len(vectors), np.int64)
        chosen[words] = wanted[words]
        key = int(random_streams.key(seed, random_streams.MAP, draw))
        # the text is read once for each kind of context, as memory for one is enough then
        for window, sums in zip(config.windows(vocabulary), moments, strict=True):
            (contexts,) = sampled_contexts(
                stream, vectors, [window], pieces, counts, chosen, words,
                key=key, workers=workers, engine=engine, progress=progress,
            )  # fmt: skip
            for rows in blocks(len(words)):
                X, Y = contexts[rows], normalize(vectors[words[rows]])
                # words without contexts and words with zero vectors are left out
                usable = X.any(axis=1) & Y.any(axis=1)
                sums.add(normalize(X), Y, np.where(usable, weight[rows], 0))
            del contexts
    context_map = ContextMap(config)
    try:
        context_map.solve(moments)
    except NothingToLearn:
        warn(
            "the map of contexts was not learned: too few of the words that it is fitted on have "
            "contexts in the corpus. Embeddings of unknown words are means of their context words"
        )
        context_map.mean = np.zeros((len(moments), d), np.float32)
        context_map.weights = np.zeros((len(moments), d, d), np.float32)
    identity = np.float32(d / (len(vectors) + d))
    context_map.weights *= 1 - identity
    context_map.weights += identity * np.eye(d, dtype=np.float32)
    logger.info("map of contexts: %d draws, %.1f s", config.draws, time.monotonic() - began)
    return context_map


def sampled_contexts(
    stream: TokenStream,
    vectors: FloatArray,
    windows: Sequence[Window],
    pieces: Spans,
    counts: Counts,
    wanted: Counts,
    words: Counts,
    *,
    key: int,
    workers: int = 1,
    engine: str | None = None,
    progress: bool = False,
) -> list[FloatArray]:
    """Contexts of words, each from a random sample of the word's occurrences.

    Parameters
    ----------
    stream : TokenStream
    vectors : float32 array of shape (V, d)
        Vectors of the context words; their directions are added.
    windows : sequence of k Windows
    pieces, counts, wanted, words, key, workers, engine, progress
        As for `conec.contexts.occurrences.context_sums`.

    Returns
    -------
    list of k float32 arrays of shape (n, d)
        Weighted sums of the directions of context words, for each of n words.
    """
    lengths = row_lengths(vectors)
    scales = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return context_sums(
        stream,
        [ContextKind(window, vectors, scales) for window in windows],
        pieces,
        counts,
        wanted,
        key=key,
        words=words,
        workers=workers,
        engine=engine,
        progress=progress,
    )


# Smoothed vectors of known words


@dataclass(frozen=True)
class LinearMap:
    """A linear map from one or several vectors of each word to another vector.

    Each vector is scaled to unit length, centered, and scaled to unit length again before it
    is multiplied; zero vectors stay zero.

    Attributes
    ----------
    means : float32 array of shape (k, d)
        Means over all words of each of the k vectors, scaled to unit length.
    matrices : float32 array of shape (k, d, d')
        The map of each of the k vectors; their results are added.
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
        target_mean: FloatArray | None = None,
        n_words: int = 1 << 31,
        rng: np.random.Generator | None = None,
    ) -> LinearMap:
        """Fit the map by ridge regression.

        Parameters
        ----------
        vectors : sequence of k float32 arrays of shape (V, d)
        targets : float32 array of shape (V, d')
        weights : array-like of shape (V,)
            Weight of each word's squared error, such as its count.
        ridge : float
            Ridge penalty, relative to the mean eigenvalue of the vectors' covariance.
        target_mean : float32 array of shape (d',), optional
            If set, targets are scaled to unit length first, and this mean is subtracted.
        n_words : int
            Expected number of words that the map is fitted on; by default all.
        rng : Generator, optional
            Draws these words.

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
        words, weights = sample_rows(weights, n_words, rng or np.random.default_rng(0))
        roots = np.sqrt(weights).astype(np.float32)[:, None]
        covariance, products = np.zeros((k * d, k * d)), np.zeros((k * d, size))
        for rows in blocks(len(words)):
            X = _standardized([array[words[rows]] for array in vectors], means) * roots[rows]
            Y = targets[words[rows]]
            if target_mean is not None:
                Y = normalize(Y) - target_mean
            covariance += X.T @ X
            products += X.T @ (Y * roots[rows])
        matrices = solve(covariance, products, ridge)
        return cls(means, matrices.reshape(k, d, size).astype(np.float32))

    def __call__(self, vectors: Sequence[FloatArray]) -> FloatArray:
        """Map the k vectors of words, each of shape (n, d), to vectors of shape (n, d')."""
        X = _standardized(vectors, self.means)
        mapped: FloatArray = X @ self.matrices.reshape(X.shape[1], -1)
        return mapped


def smoothed_vectors(
    stream: TokenStream,
    vocabulary: Vocabulary,
    W1: FloatArray,
    W2: FloatArray,
    window: Window,
    config: MapConfig,
    *,
    seed: int = 1,
    workers: int = 1,
    engine: str | None = None,
    progress: bool = False,
) -> FloatArray:
    """Rows of W1 plus their prediction from W2 and a corpus; see `smoothed`.

    Parameters
    ----------
    stream : TokenStream
    vocabulary : Vocabulary
        Its counts are the weights of words in the regression, and determine the subsampling.
    W1, W2 : float32 arrays of shape (V, d)
    window : Window
        Contexts, with weights of words.
    config : MapConfig
    seed : int
    workers : int
        Threads.
    engine : str, optional
        As for `conec.contexts.occurrences.context_sums`.
    progress : bool
        Show a bar.

    Returns
    -------
    float32 array of shape (V, d)
        Of unit length; zero for words without contexts.
    """
    kinds = [ContextKind(window, W2)]
    if _plain_share(*W1.shape) > 0:
        kinds.append(ContextKind(window, W1))
    sample = max(_SAMPLE, _OFTEN / max(vocabulary.n_tokens, 1))
    averages, *plain = all_context_sums(
        stream,
        kinds,
        keep=vocabulary.keep_probability(sample),
        key=int(random_streams.key(seed, random_streams.AVERAGES)),
        workers=workers,
        engine=engine,
        progress=progress,
    )
    return smoothed(
        W1,
        W2,
        averages,
        plain[0] if plain else None,
        vocabulary.counts,
        config.smoothing,
        n_words=config.words_for(stream),
        rng=np.random.default_rng([seed, random_streams.AVERAGES]),
        workers=workers,
    )


def smoothed(
    W1: FloatArray,
    W2: FloatArray,
    contexts2: FloatArray,
    contexts1: FloatArray | None,
    counts: npt.ArrayLike,
    amount: float,
    *,
    n_words: int = 1 << 31,
    rng: np.random.Generator | None = None,
    workers: int = 1,
) -> FloatArray:
    """Rows of W1 plus `amount` times their prediction, scaled to unit length.

    With few words, the regression is poorly determined. The prediction is therefore a weighted
    mean of the regression's and of the thesis's, which is global context vectors times W1. For V
    words and n coefficients in each column of the map, the latter has weight n / (V + n), or 0 if
    `contexts1` is missing.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
    contexts2 : float32 array of shape (V, d)
        Sums of the rows of W2 of the words around each word. The result is written to it.
    contexts1 : float32 array of shape (V, d), optional
        The same sums of the rows of W1.
    counts : array-like of shape (V,)
        Number of occurrences of each word, which is its weight in the regression.
    amount : float
        Weight of the prediction.
    n_words, rng
        As for `LinearMap.fit`.
    workers : int
        Threads.

    Returns
    -------
    float32 array of shape (V, d)
        Zero for words without contexts.
    """
    predict = LinearMap.fit(
        [W2, contexts2], W1, counts, target_mean=mean_direction(W1), n_words=n_words, rng=rng
    )
    n, d = W1.shape
    if contexts1 is not None:
        share, mean = np.float32(2 * d / (n + 2 * d)), mean_direction(contexts1)[None]

    def smooth(rows: slice) -> None:
        has_contexts = contexts2[rows].any(axis=1, keepdims=True)
        predicted = predict([W2[rows], contexts2[rows]])
        if contexts1 is not None:
            predicted *= 1 - share
            predicted += share * _standardized([contexts1[rows]], mean)
        predicted *= np.float32(amount)
        predicted += normalize(W1[rows])
        # words without contexts were never trained
        contexts2[rows] = normalize(predicted) * has_contexts

    with ThreadPoolExecutor(workers, thread_name_prefix="conec") as executor:
        # a thread would have its own heap
        deque((executor.map if workers > 1 else map)(smooth, blocks(n)), maxlen=0)
    return contexts2


def _plain_share(n: int, d: int) -> float:
    """Weight of the thesis's prediction for n words and vectors of length d."""
    share = 2 * d / (n + 2 * d)
    return share if share >= _SMALLEST_SHARE else 0.0


def blocks(n: int) -> list[slice]:
    """Slices of n rows, to bound the memory of intermediate arrays."""
    return [slice(start, min(start + _ROWS, n)) for start in range(0, n, _ROWS)]


def mean_direction(vectors: FloatArray) -> FloatArray:
    """Mean of the nonzero rows, scaled to unit length before; shape (d,).

    Raises
    ------
    NotFiniteError
        If a value is NaN, infinite or too large.
    """
    from conec.contexts.kernels import sum_directions

    total = np.zeros(vectors.shape[1])
    n = sum_directions(with_contiguous_rows(vectors), total)
    if not np.isfinite(total).all():
        raise NotFiniteError("vectors have NaN, infinity or values that are too large")
    mean: FloatArray = (total / max(n, 1)).astype(np.float32)
    return mean


def _standardized(vectors: Sequence[FloatArray], means: FloatArray) -> FloatArray:
    """Standardize the k vectors of each word, and concatenate them; shape (n, k * d)."""
    from conec.contexts.kernels import standardize

    n, d = vectors[0].shape
    result = np.empty((n, len(vectors) * d), np.float32)
    for i, (array, mean) in enumerate(zip(vectors, means, strict=True)):
        standardize(with_contiguous_rows(array), mean, result[:, i * d : (i + 1) * d])
    return result
