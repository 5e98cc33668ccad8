"""Word senses: clusters of the contexts in which a word occurs.

Context vectors times W1 and word vectors occupy different regions of the space: all contexts
share directions that dominate the differences between words. A linear map removes these
directions. It is fitted by ridge regression from the words' mean contexts to their vectors
(Khodak et al. 2018, "A la carte embedding"). The contexts of a word's occurrences are mapped and
clustered; each cluster is a sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from conec.contexts import Window
from conec.linalg import normalize
from conec.types import JSON, FloatArray, IntArray
from conec.vocabulary import Vocabulary
from corpora.checks import check_integer, check_number
from corpora.errors import warn
from corpora.saved_data import check_saved_array, check_saved_object, checked_indptr

SHARPNESS = 10.0  # concentration of a sense's contexts on the sphere, for the choice of senses
_FORMAT_VERSION = 1
_FILE_TYPES: dict[str, type] = {
    "starts": np.int64, "centres": np.float32, "shares": np.float32, "examples": np.int32,
    "map": np.float32,
}  # fmt: skip


@dataclass(frozen=True)
class SenseSettings:
    """Parameters for inducing and embedding senses.

    Parameters
    ----------
    window : int
        Context words on each side of an occurrence, with linearly decreasing weights.
    smoothing : float
        The weight of a context word with relative frequency p is ``smoothing / (smoothing + p)``
        (Arora et al., 2017).
    ridge : float
        Ridge penalty of the map, relative to the mean eigenvalue of the contexts' second moments.
    word_share : float
        Weight of the word's own vector in the embedding of a sense, from 0 to 1.
    min_occurrences : int
        Words that occur less often have no senses.
    sample : int
        Maximum number of occurrences of a word that are clustered.
    most, threshold, smallest
        As in `conec.senses.clustering.cluster`.
    examples : int
        Number of example contexts of each sense: those nearest to its center.
    """

    window: int = 10
    smoothing: float = 3e-4
    ridge: float = 0.3
    word_share: float = 0.75
    min_occurrences: int = 50
    sample: int = 500
    most: int = 6
    threshold: float = 0.3
    smallest: float = 0.05
    examples: int = 3

    def __post_init__(self) -> None:
        lows = {"window": 1, "most": 1, "min_occurrences": 2, "sample": 2, "examples": 0}
        for name, low in lows.items():
            high = 1 << 16 if name == "window" else None
            self._set(name, check_integer(name, getattr(self, name), low, high))
        for name in ("smoothing", "ridge"):
            self._set(name, check_number(name, getattr(self, name), 0, above=True))
        for name, low in (("word_share", 0), ("threshold", -1), ("smallest", 0)):
            self._set(name, check_number(name, getattr(self, name), low, 1))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # converts NumPy scalars to plain numbers

    def context(self, vocabulary: Vocabulary) -> Window:
        """The window and weights of context words."""
        return Window(self.window, "sif", 1, vocabulary.sif(self.smoothing))


@dataclass(frozen=True)
class Sense:
    """A sense of a word.

    Attributes
    ----------
    embedding : float32 array of shape (d,)
        Of unit length, in the space of the word vectors: find its neighbors with ``model.wv``.
    share : float
        Relative frequency among the word's occurrences.
    examples : tuple of tuple of str
        Words of the vocabulary around some occurrences, with the word itself.
    """

    embedding: FloatArray
    share: float
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SenseInventory:
    """The senses of all words, stored in the order of word ids.

    Attributes
    ----------
    starts : int64 array of shape (V + 1,)
        The senses of word i are rows ``starts[i]`` to ``starts[i + 1]`` (exclusive) of the other
        arrays, the most frequent first.
    centers : float32 array of shape (n, d)
        Mean direction of the mapped contexts of each sense, of unit length.
    shares : float32 array of shape (n,)
        Relative frequency of each sense among the word's occurrences.
    examples : int32 array of shape (n, examples, 11)
        Ids of the words around occurrences; -1 beyond the ends of a text.
    map : float32 array of shape (d, d)
        Linear map from contexts to word vectors: ``context @ map``.
    settings : SenseSettings
    """

    starts: npt.NDArray[np.int64]
    centers: FloatArray
    shares: FloatArray
    examples: IntArray
    map: FloatArray
    settings: SenseSettings = field(default_factory=SenseSettings)

    def __len__(self) -> int:
        return len(self.centers)

    def __post_init__(self) -> None:
        n, d = self.centers.shape
        if (
            self.starts[:1].tolist() != [0]
            or self.starts[-1] != n
            or (np.diff(self.starts) < 0).any()
            or self.shares.shape != (n,)
            or self.examples.ndim != 3
            or len(self.examples) != n
            or self.examples.max(initial=-1) >= len(self.starts) - 1
            or self.map.shape != (d, d)
        ):
            raise ValueError("the shapes of the sense inventory's arrays do not fit together")

    @property
    def centres(self) -> FloatArray:
        """Deprecated name of `centers`."""
        warn("SenseInventory.centres is deprecated, use centers", DeprecationWarning)
        return self.centers

    # Senses of a word

    def of(self, word: int) -> slice:
        """The rows of the senses of a word, given by its id."""
        return slice(int(self.starts[word]), int(self.starts[word + 1]))

    def embeddings(self, word: int, vector: FloatArray) -> FloatArray:
        """Embeddings of the senses of a word with an id and a unit vector; shape (senses, d)."""
        share = np.float32(self.settings.word_share)
        return normalize(share * vector + (1 - share) * self.centers[self.of(word)])

    def describe(self, word: int, vector: FloatArray, vocabulary: Vocabulary) -> list[Sense]:
        """The senses of a word with an id and a unit vector."""
        rows, words = self.of(word), vocabulary.words
        senses = zip(
            self.embeddings(word, vector), self.shares[rows], self.examples[rows], strict=True
        )
        return [
            Sense(
                embedding,
                float(share),
                tuple(
                    tuple(words[i] for i in ids if i >= 0) for ids in examples if (ids >= 0).any()
                ),
            )
            for embedding, share, examples in senses
        ]

    def choose(self, word: int, local: FloatArray, *, hard: bool = False) -> FloatArray:
        """Probability of each sense of a word in a context.

        Parameters
        ----------
        word : int
            Id of the word.
        local : float32 array of shape (d,)
            A mapped context, of unit length; if it is zero, the probabilities are the shares.
        hard : bool
            Return 1 for the most probable sense and 0 for the others.

        Returns
        -------
        float32 array of shape (senses,)
        """
        rows = self.of(word)
        score = np.log(self.shares[rows]) + np.float32(SHARPNESS) * (self.centers[rows] @ local)
        weight: FloatArray = np.exp(score - score.max())
        if hard:
            weight = (np.arange(len(score)) == score.argmax()).astype(np.float32)
        weight /= weight.sum()
        return weight

    def mix(
        self,
        ids: Sequence[int],
        vectors: FloatArray | Mapping[int, FloatArray],
        local: FloatArray,
        a: float,
        *,
        hard: bool,
    ) -> FloatArray:
        """Embeddings of words in the senses that fit their contexts.

        Parameters
        ----------
        ids : sequence of int, of length n
            Ids of words; -1 for an unknown word, whose embedding is its context.
        vectors : float32 array of shape (V, d), or mapping of int to arrays of shape (d,)
            Word vectors, as from `word_vectors`, by the ids of words.
        local : float32 array of shape (n, d)
            Mapped contexts, of unit length or zero.
        a : float
            Weight of the sense; the weight of the context is ``1 - a``.
        hard : bool
            Use the most probable sense instead of the weighted mean of all senses.

        Returns
        -------
        float32 array of shape (n, d)
            Of unit length; zero for unknown words without known context words.
        """
        result = local.copy()
        for i, word in enumerate(ids):
            if word >= 0 and a > 0:
                vector = vectors[word]
                if self.starts[word] < self.starts[word + 1]:
                    weights = self.choose(word, local[i], hard=hard)
                    vector = weights @ self.embeddings(word, vector)
                result[i] = a * vector + (1 - a) * local[i]
        return normalize(result)

    # Files

    def to_dict(self) -> JSON:
        """Return the settings as plain data for JSON."""
        return {"format_version": _FORMAT_VERSION, "settings": asdict(self.settings)}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by their names in files."""
        arrays: dict[str, npt.NDArray[Any]]
        arrays = {"starts": self.starts, "centres": self.centers, "shares": self.shares,
                  "examples": self.examples, "map": self.map}  # fmt: skip
        return {name: array.astype(_FILE_TYPES[name]) for name, array in arrays.items()}

    @classmethod
    def from_state(
        cls, data: JSON, arrays: Mapping[str, npt.NDArray[Any]], n_words: int, size: int
    ) -> SenseInventory:
        """Create an inventory from the results of `to_dict` and `arrays`.

        Parameters
        ----------
        data : dict
        arrays : dict of str to array
        n_words, size : int
            Shape of the model's weights.

        Raises
        ------
        KeyError, TypeError, ValueError
            If they are damaged, belong to another model, or were written by a newer version.
        """
        data = check_saved_object("senses", data, ("format_version", "settings"))
        version = check_integer("format_version", data["format_version"], 1)
        if version > _FORMAT_VERSION:
            raise ValueError(
                f"the senses have format version {version}, but this version of "
                f"similarity-encoders reads up to {_FORMAT_VERSION}: update it"
            )
        settings = SenseSettings(**check_saved_object("settings", data["settings"]))
        if {name: array.dtype for name, array in arrays.items()} != _FILE_TYPES:
            raise ValueError(
                "a sense inventory must have the arrays "
                + ", ".join(f"{name} ({kind.__name__})" for name, kind in _FILE_TYPES.items())
            )
        n = len(check_saved_array("centres", arrays, "float32", (None, size)))
        for name, shape in (("shares", (n,)), ("map", (size, size))):
            check_saved_array(name, arrays, "float32", shape)
        check_saved_array("examples", arrays, "int32", (n, None, None))
        checked_indptr("starts", arrays["starts"], n_words, n)
        if (arrays["shares"] <= 0).any() or (arrays["shares"] > 1.001).any():
            raise ValueError("shares must be positive, and at most 1")
        if arrays["examples"].min(initial=-1) < -1:
            raise ValueError("examples must be ids of words, or -1")
        renamed = {"centers" if name == "centres" else name: arrays[name] for name in _FILE_TYPES}
        inventory = cls(**renamed, settings=settings)
        if len(inventory.starts) != n_words + 1 or len(inventory.map) != size:
            raise ValueError("the number of words or the vector size is not that of the model")
        return inventory


def word_vectors(W1: FloatArray) -> FloatArray:
    """Rows of W1 minus their mean, scaled to unit length; shape (V, d)."""
    return normalize(W1 - W1.mean(axis=0, dtype=np.float64).astype(np.float32))
