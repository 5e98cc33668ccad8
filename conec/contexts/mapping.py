"""A map from contexts to word vectors, learned on the words that a model knows.

The mean vector of the words around a word lies elsewhere than its own vector: it is drawn
towards what all contexts have in common. A linear map that was fitted on known words, from
their contexts to their rows of W1, brings words never seen to where known ones are (Khodak et
al. 2018, "A la carte embedding"). Here there is one map for the near context, which tells what
kind of word it is, and one for the wide context, which tells what the text is about; contexts
are brought to unit length first, so that their number does not matter; frequent context words
weigh less; words that are rare teach less; and what all words have in common stays out of the
result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.contexts.window import Window
from conec.linalg import Moments, NothingToLearn, normalize
from conec.types import JSON, FloatArray, IntArray
from corpora.checks import check_integer, check_number

if TYPE_CHECKING:
    from conec.vocabulary import Vocabulary
    from corpora.encoding import TokenStream

_PIECE = 1 << 21  # tokens of text at a time


@dataclass(frozen=True)
class MapConfig:
    """What a map takes for contexts, and how it is learned.

    Attributes
    ----------
    near : int
        Words on either side that are the near context; closer ones weigh more, as in training.
    wide : int
        Words on either side that are the wide context, all alike.
    sample : float
        Frequent words weigh as much as subsampling with this threshold would keep of them;
        0 for all alike.
    n_contexts : int
        A word is learned from 1 to so many of its occurrences, a number drawn anew for each word.
    draws : int
        How many times each word is learned, from other occurrences.
    reliable : float
        A word of so many occurrences weighs half as much as one that has very many: the vectors
        of rare words are noise for the most part.
    ridge : float
        Penalty on the squares of the maps' weights, as a share of the mean variance of contexts.
    plain : float
        So much of the wide context itself, divided by the root of the number of contexts, is
        added to what the maps give, both of unit length: it helps where contexts are few.
    smoothing : float
        So many times what is predicted of a known word's row of W1 is added to it.
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
        """As plain data, for JSON."""
        return asdict(self)

    def windows(self, vocabulary: Vocabulary) -> tuple[Window, Window]:
        """The near and the wide context."""
        keep = vocabulary.keep_probability(self.sample)
        return (
            Window(self.near, "subsampled", 1, keep),
            Window(self.wide, "subsampled", self.wide, keep),
        )


class ContextMap:
    """Linear maps from kinds of context to word vectors, which add up: ridge regressions.

    Both sides are centred for the fit. The mean of the word vectors, which all words share, is
    not added again to what the maps give.

    Parameters
    ----------
    config : MapConfig, optional

    Attributes
    ----------
    mean : float32 array of shape (k, d)
        Of each kind of context.
    weights : float32 array of shape (k, d, d)
    """

    def __init__(self, config: MapConfig | None = None) -> None:
        self.config = config or MapConfig()
        self.mean = np.zeros((0, 0), np.float32)
        self.weights = np.zeros((0, 0, 0), np.float32)

    def fit(
        self, X: FloatArray, Y: FloatArray, sample_weight: npt.ArrayLike | None = None
    ) -> ContextMap:
        """Learn from contexts and the vectors of the same words.

        Parameters
        ----------
        X : array of shape (k, n, d)
            Embeddings of n contexts, of each kind.
        Y : array of shape (n, d)
        sample_weight : array of shape (n,), optional
            By default 1 for all.

        Raises
        ------
        ValueError
            If shapes do not match, a value is not finite, or no word has a weight.
        """
        if X.ndim != 3 or X.shape[1:] != Y.shape:
            raise ValueError(f"contexts of shape {X.shape} do not match vectors of {Y.shape}")
        weight = np.ones(len(Y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weight.shape != (len(Y),):
            raise ValueError(f"{len(Y)} rows need as many weights, not shape {weight.shape}")
        moments = [Moments(Y.shape[1]) for _ in X]
        for kind, sums in zip(X, moments, strict=True):
            sums.add(kind, Y, weight)
        return self.solve(moments)

    def solve(self, moments: Sequence[Moments]) -> ContextMap:
        """Learn from sums, one for each kind of context."""
        solved = [sums.ridge(self.config.ridge) for sums in moments]
        self.mean = np.stack([mean for mean, _ in solved]).astype(np.float32)
        self.weights = np.stack([weights for _, weights in solved]).astype(np.float32)
        return self

    def transform(self, X: FloatArray, occurrences: npt.ArrayLike = 1) -> FloatArray:
        """Word vectors for contexts.

        Parameters
        ----------
        X : array of shape (k, n, d)
            A row of zeros is no context, and adds nothing.
        occurrences : array of int, shape (n,)
            Of how many occurrences each is the context.

        Returns
        -------
        float32 array of shape (n, d)
            Of unit length, or zero where there is no context.

        Raises
        ------
        ValueError
            If the shape is another than that of `fit`.
        """
        if X.ndim != 3 or (len(X), X.shape[2]) != self.mean.shape:
            raise ValueError(f"the map takes contexts of {self.mean.shape}, not shape {X.shape}")
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


def learn(
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
    """Learn a map on the words of a text.

    Parameters
    ----------
    stream : TokenStream
    vocabulary : Vocabulary
        Its counts say how frequent context words are.
    vectors : float32 array of shape (V, d)
        The vectors of the words, of unit length: contexts are made of them, and they are what
        the map shall give.
    config : MapConfig
    seed : int
    workers : int
        Threads.
    exclude : iterable of str
        Words not to learn from, such as those to test with. They are context words nevertheless.
    progress : bool
        Show bars.

    Returns
    -------
    ContextMap
        The fewer words there are, the less can be learned: with n of them, a share d / (n + d)
        of each map leaves contexts as they are, as the thesis does.
    """
    from conec.contexts.kernels import count_words

    windows = config.windows(vocabulary)
    counts = count_words(np.asarray(stream.ids), len(vectors))
    reliability = counts / np.maximum(counts + config.reliable, 1)
    reliability[[vocabulary.index[word] for word in exclude if word in vocabulary]] = 0
    moments = [Moments(vectors.shape[1]) for _ in windows]
    for draw in range(config.draws):
        X, n = drawn_contexts(
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
        # more contexts, less noise
        weight = reliability * np.sqrt(n)
        for kind, sums in zip(X, moments, strict=True):
            # a word without contexts, and one whose vector is zero, teaches nothing
            taught = kind.any(axis=1) & vectors.any(axis=1)
            sums.add(normalize(kind), vectors, np.where(taught, weight, 0))
    learned, d = ContextMap(config), vectors.shape[1]
    try:
        learned.solve(moments)
    except NothingToLearn:
        learned.mean = np.zeros((len(windows), d), np.float32)
        learned.weights = np.zeros((len(windows), d, d), np.float32)
    plain = np.float32(d / (len(vectors) + d))
    learned.weights *= 1 - plain
    learned.weights += plain * np.eye(d, dtype=np.float32)
    return learned


def drawn_contexts(
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
    """Contexts of all words, each from a few of its occurrences.

    Parameters
    ----------
    stream : TokenStream
    vectors : float32 array of shape (V, d)
        Of the context words.
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
        Sums over the context words.
    occurrences : int64 array of shape (V,)
        From how many occurrences each is.
    """
    from tqdm import tqdm

    from conec.contexts.kernels import lay_out, sum_by_word

    n_words = len(vectors)
    rng = np.random.default_rng([seed, random_streams.MAP, draw])
    # as many words are learned from 1 occurrence as from 2 or 3, from 4 to 7, and so on
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
            taken = (text >= 0) & (rng.random(len(text)) < share[np.maximum(text, 0)])
            places = np.flatnonzero(taken)
            occurrences += np.bincount(text[places], minlength=n_words)

            def add(part: int, text: IntArray = text, places: Any = places) -> None:
                for weights, keep, out in kinds:
                    sum_by_word(text, places, part, workers, weights, keep, vectors, out)

            deque(executor.map(add, range(workers)), maxlen=0)
            bar.update(len(ids))
    return sums, occurrences


def _pieces(stream: TokenStream) -> Iterator[tuple[IntArray, npt.NDArray[np.int64]]]:
    """The text in pieces, and where documents begin in each.

    A document may be cut, so that memory is bounded; a few contexts are shorter by that.
    """
    for start in range(0, len(stream), _PIECE):
        ids = np.asarray(stream.ids[start : start + _PIECE])
        first, last = np.searchsorted(stream.offsets, (start, start + len(ids)), "right")
        inside = stream.offsets[first:last] - start
        yield ids, np.concatenate([np.zeros(1, np.int64), inside[inside < len(ids)]])
