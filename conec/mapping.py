"""A map from contexts to word vectors, learned on the words that a model knows.

The mean vector of the words around a word lies elsewhere than its own vector: it is drawn
towards what all contexts have in common. A linear map that was fitted on known words, from
their contexts to their rows of W1, brings words never seen to where known ones are (Khodak et
al. 2018, "A la carte embedding"). Three things are added to that here: the map learns from few
contexts a word, as it will be used; contexts are brought to unit length, so that the number of
contexts does not matter; and what is common to all words stays out of the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conec import contexts, purposes
from conec.config import check_choice, check_integer, check_number
from conec.contexts import Window
from conec.persistence import MAP, ModelError, Part, load_part
from conec.types import JSON, FloatArray, IntArray, StrPath, Weighting
from conec.weights import unit

if TYPE_CHECKING:
    from conec.vocabulary import Vocabulary
    from corpora.tokens import TokenStream

_PIECE = 1 << 21  # tokens of text at a time
_ROWS = 1 << 14  # words whose products are summed at a time


@dataclass(frozen=True)
class MapConfig:
    """What a map takes for contexts, and how it is learned.

    Attributes
    ----------
    window : int
        Words on either side.
    weighting : {"uniform", "distance"}
        Weight 1; or 1 / distance.
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
        Penalty on the squares of the map's weights, as a share of the mean variance of contexts.
    smoothing : float
        So many times what is predicted of a known word's row of W1 is added to it.
    """

    window: int = 20
    weighting: Weighting = "distance"
    sample: float = 1e-4
    n_contexts: int = 64
    draws: int = 2
    reliable: float = 100.0
    ridge: float = 1e-3
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        for name in ("window", "n_contexts", "draws"):
            check_integer(name, getattr(self, name), 1, 1 << 16)
        check_choice("weighting", self.weighting, Weighting)
        if self.weighting not in ("uniform", "distance"):
            raise ValueError("weighting is 'uniform' or 'distance'; `sample` weighs the words")
        for name in ("sample", "reliable", "ridge", "smoothing"):
            check_number(name, getattr(self, name), 0)

    def to_dict(self) -> JSON:
        """As plain data, for JSON."""
        return asdict(self)


class ContextMap:
    """Linear map from context embeddings to word vectors: weighted ridge regression.

    Both sides are centred for the fit. The mean of the word vectors, which all words share, is
    not added again to what the map gives.

    Parameters
    ----------
    config : MapConfig, optional

    Attributes
    ----------
    mean : float32 array of shape (d_in,)
        Of the context embeddings.
    weights : float32 array of shape (d_in, d)
    """

    def __init__(self, config: MapConfig | None = None) -> None:
        self.config = config or MapConfig()
        self.mean = np.zeros(0, np.float32)
        self.weights = np.zeros((0, 0), np.float32)

    @classmethod
    def zero(cls, config: MapConfig, size: int) -> ContextMap:
        """A map that gives zero vectors."""
        made = cls(config)
        made.mean, made.weights = np.zeros(size, np.float32), np.zeros((size, size), np.float32)
        return made

    def fit(
        self, X: FloatArray, Y: FloatArray, sample_weight: npt.ArrayLike | None = None
    ) -> ContextMap:
        """Learn from context embeddings and the vectors of the same words.

        Parameters
        ----------
        X : array of shape (n, d_in)
        Y : array of shape (n, d)
        sample_weight : array of shape (n,), optional
            By default 1 for all.

        Raises
        ------
        ValueError
            If shapes do not match, a value is not finite, or no word has a weight.
        """
        if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y):
            raise ValueError(f"contexts of shape {X.shape} do not match vectors of {Y.shape}")
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weight.shape != (len(X),):
            raise ValueError(f"{len(X)} rows need as many weights, not shape {weight.shape}")
        moments = _Moments(X.shape[1], Y.shape[1])
        moments.add(X, Y, weight)
        return self._solve(moments)

    def _solve(self, moments: _Moments) -> ContextMap:
        from scipy import linalg

        mean, covariance, cross = moments.centred()
        scale = np.trace(covariance) / max(len(covariance), 1)
        if not scale > 0:
            raise ValueError("the contexts are all alike, so there is nothing to learn from them")
        penalty = max(self.config.ridge, 1e-9) * scale
        regular = covariance + penalty * np.eye(len(covariance))
        self.mean = mean.astype(np.float32)
        self.weights = linalg.solve(regular, cross, assume_a="pos").astype(np.float32)
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Word vectors for context embeddings.

        Parameters
        ----------
        X : array of shape (n, d_in)
            A row of zeros is no context, and stays one.

        Returns
        -------
        float32 array of shape (n, d)

        Raises
        ------
        ValueError
            If the shape is another than that of `fit`.
        """
        if X.ndim != 2 or X.shape[1] != len(self.mean):
            raise ValueError(f"the map takes rows of {len(self.mean)} values, not shape {X.shape}")
        Y: FloatArray = ((X - self.mean) @ self.weights).astype(np.float32)
        Y[~X.any(axis=1)] = 0
        return Y

    def part(self) -> Part:
        """What is saved of it with a model."""
        return Part(self.config.to_dict(), {"mean": self.mean, "weights": self.weights})

    @classmethod
    def read(cls, path: StrPath, vector_size: int) -> ContextMap | None:
        """Read the map of a model; None if it has none.

        Raises
        ------
        ModelError
            If it is damaged.
        """
        found = load_part(path, MAP)
        if found is None:
            return None
        arrays = found.arrays
        shapes = {name: array.shape for name, array in arrays.items()}
        try:
            if shapes != {"mean": (vector_size,), "weights": (vector_size, vector_size)}:
                raise ValueError(f"a map of vectors of size {vector_size} has no arrays {shapes}")
            if not all(np.isfinite(array).all() for array in arrays.values()):
                raise ValueError("the map has values that are not finite")
            made = cls(MapConfig(**found.about))
        except (TypeError, ValueError) as error:
            raise ModelError(f"{path} is damaged: {error}") from error
        made.mean, made.weights = (arrays[name].astype("f4", copy=False) for name in shapes)
        return made


class _Moments:
    """Weighted sums of what a regression needs, which can be added to in pieces."""

    def __init__(self, d_in: int, d_out: int) -> None:
        self.total = 0.0
        self.x, self.y = np.zeros(d_in), np.zeros(d_out)
        self.xx, self.xy = np.zeros((d_in, d_in)), np.zeros((d_in, d_out))

    def add(self, X: FloatArray, Y: FloatArray, weight: npt.NDArray[np.float64]) -> None:
        for start in range(0, len(X), _ROWS):
            some = slice(start, start + _ROWS)
            x, y, w = X[some].astype(np.float64), Y[some].astype(np.float64), weight[some]
            if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(w).all()):
                raise ValueError("contexts, vectors or weights hold values that are not finite")
            if (w < 0).any():
                raise ValueError("weights are not negative")
            weighted = w[:, None] * x
            self.total += w.sum()
            self.x += weighted.sum(axis=0)
            self.y += w @ y
            self.xx += weighted.T @ x
            self.xy += weighted.T @ y

    def centred(
        self,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean of the contexts, their covariance, and that with the vectors."""
        if not self.total > 0:
            raise ValueError("no word has both contexts and a weight, so no map can be learned")
        x, y = self.x / self.total, self.y / self.total
        return x, self.xx / self.total - np.outer(x, x), self.xy / self.total - np.outer(x, y)


def learn(
    stream: TokenStream,
    vocabulary: Vocabulary,
    vectors: FloatArray,
    config: MapConfig,
    *,
    seed: int = 1,
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
    exclude : iterable of str
        Words not to learn from, such as those to test with. They are context words nevertheless.
    progress : bool
        Show bars.

    Returns
    -------
    ContextMap
    """
    table = context_table(vocabulary, vectors, config)
    n_words, d = table.shape
    counts = np.zeros(n_words, np.int64)
    for ids, _ in _pieces(stream):
        counts += np.bincount(ids[ids >= 0], minlength=n_words)
    reliability = counts / np.maximum(counts + config.reliable, 1)
    reliability[[vocabulary.index[word] for word in exclude if word in vocabulary]] = 0
    moments = _Moments(d, d)
    for draw in range(config.draws):
        X = unit(
            drawn_contexts(stream, table, counts, config, seed=seed, draw=draw, progress=progress)
        )
        # a word without contexts, and one whose vector is zero, teaches nothing
        taught = X.any(axis=1) & vectors.any(axis=1)
        moments.add(X, vectors, np.where(taught, reliability, 0))
    learned = ContextMap.zero(config, d)
    # contexts have unit length: less than that are rounding errors
    if moments.total > 0 and np.trace(moments.centred()[1]) > 1e-6:
        learned = ContextMap(config)._solve(moments)
    # n words can teach no more than n / d of a map: the rest leaves contexts as they are, as
    # the thesis does
    plain = np.float32(d / (n_words + d))
    learned.weights = (1 - plain) * learned.weights + plain * np.eye(d, dtype=np.float32)
    return learned


def context_table(vocabulary: Vocabulary, vectors: FloatArray, config: MapConfig) -> FloatArray:
    """What each context word adds: its vector times its weight, shape (V, d)."""
    return vocabulary.keep_probability(config.sample)[:, None] * vectors


def drawn_contexts(
    stream: TokenStream,
    table: FloatArray,
    counts: npt.NDArray[np.int64],
    config: MapConfig,
    *,
    seed: int = 1,
    draw: int = 0,
    progress: bool = False,
) -> FloatArray:
    """Context embeddings of all words, each from a few of its occurrences.

    Parameters
    ----------
    stream : TokenStream
    table : float32 array of shape (V, d)
        As from `context_table`.
    counts : int64 array of shape (V,)
        Occurrences of each word in the stream.
    config : MapConfig
    seed, draw : int
        Number of the draw.
    progress : bool
        Show a bar.

    Returns
    -------
    float32 array of shape (V, d)
        Sums over the context words.
    """
    from tqdm import tqdm

    n_words = len(table)
    rng = np.random.default_rng([seed, purposes.MAP, draw])
    # as many words are learned from 1 occurrence as from 2 or 3, from 4 to 7, and so on
    wanted = np.floor(np.exp(rng.uniform(0, np.log(config.n_contexts + 1), n_words)))
    share = np.minimum(wanted / np.maximum(counts, 1), 1)
    window = Window(config.window, config.weighting)
    sums = np.zeros_like(table)
    with tqdm(
        total=len(stream), desc="contexts", unit=" words", unit_scale=True, disable=not progress
    ) as bar:
        for ids, offsets in _pieces(stream):
            taken = (ids >= 0) & (rng.random(len(ids)) < share[ids])
            targets = np.where(taken, ids, np.int32(-1))
            matrix = contexts.local_contexts(
                ids, n_words, window, targets=targets, offsets=offsets, normalize="none"
            )
            rows = np.flatnonzero(np.diff(matrix.indptr))
            sums[rows] += matrix[rows] @ table
            bar.update(len(ids))
    return sums


def _pieces(stream: TokenStream) -> Iterator[tuple[IntArray, npt.NDArray[np.int64]]]:
    """The text in pieces, and where documents begin in each.

    A document may be cut, so that memory is bounded; a few contexts are shorter by that.
    """
    for start in range(0, len(stream), _PIECE):
        ids = np.asarray(stream.ids[start : start + _PIECE])
        first, last = np.searchsorted(stream.offsets, (start, start + len(ids)), "right")
        inside = stream.offsets[first:last] - start
        yield ids, np.concatenate([np.zeros(1, np.int64), inside[inside < len(ids)]])
