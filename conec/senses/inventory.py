"""Senses of words: clusters of the contexts that their occurrences have.

An occurrence's context vector times W1 lies where contexts lie, and not where words do:
frequent directions drown what tells words apart. A linear map, learned by ridge regression
from the words' mean contexts to their vectors (Khodak et al., 2018, A La Carte Embedding),
brings it there. A word's occurrences are clustered in that space; each cluster is a sense.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from conec.contexts import Window
from conec.linalg import normalize
from conec.types import FloatArray, IntArray
from conec.vocabulary import Vocabulary
from corpora.checks import check_integer, check_number

_SHARPNESS = 10.0  # of a soft choice: concentration of a sense's occurrences on the sphere


@dataclass(frozen=True)
class SenseSettings:
    """How senses are induced, and what embeddings they have.

    Parameters
    ----------
    window : int
        Words on either side of an occurrence, with weights that fall linearly.
    smoothing : float
        A context word whose share of the corpus is p weighs ``smoothing / (smoothing + p)``
        (Arora et al., 2017).
    ridge : float
        Regularisation of the map, in mean eigenvalues of the contexts' second moments.
    word_share : float
        Share of the word's own vector in the embedding of a sense, from 0 to 1.
    min_occurrences : int
        Words that occur less often have no senses.
    sample : int
        Occurrences of a word that are clustered, at most.
    most, threshold, smallest
        As in `conec.senses.clustering.cluster`.
    examples : int
        Example contexts of each sense, those nearest to it.
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
        for name in ("window", "most"):
            check_integer(name, getattr(self, name), 1)
        for name in ("min_occurrences", "sample"):
            check_integer(name, getattr(self, name), 2)
        check_integer("examples", self.examples, 0)
        for name in ("smoothing", "ridge"):
            if check_number(name, getattr(self, name), 0) == 0:
                raise ValueError(f"{name} must be more than 0")
        for name, low in (("word_share", 0), ("threshold", -1), ("smallest", 0)):
            if not low <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is from {low} to 1, not {getattr(self, name)!r}")

    def context(self, vocabulary: Vocabulary) -> Window:
        """What counts as context, and how much."""
        return Window(self.window, "sif", 1, vocabulary.sif(self.smoothing))


@dataclass(frozen=True)
class Sense:
    """A sense of a word.

    Attributes
    ----------
    embedding : float32 array of shape (d,)
        Of unit length, in the space of the words' vectors: ``model.wv`` finds neighbours.
    share : float
        Of the word's occurrences.
    examples : tuple of tuple of str
        Words of the vocabulary around some occurrences, with the word.
    """

    embedding: FloatArray
    share: float
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SenseInventory:
    """The senses of all words, one after another.

    Attributes
    ----------
    starts : int64 array of shape (V + 1,)
        Word i has the senses from ``starts[i]`` to ``starts[i + 1]``, the most frequent first.
    centres : float32 array of shape (n, d)
        Mean direction of their mapped contexts, of unit length.
    shares : float32 array of shape (n,)
    examples : int32 array of shape (n, examples, 11)
        Ids of the words around occurrences; -1 beyond the ends.
    map : float32 array of shape (d, d)
        From contexts to words.
    settings : SenseSettings
    """

    starts: npt.NDArray[np.int64]
    centres: FloatArray
    shares: FloatArray
    examples: IntArray
    map: FloatArray
    settings: SenseSettings = field(default_factory=SenseSettings)

    def __len__(self) -> int:
        return len(self.centres)

    def __post_init__(self) -> None:
        n, d = self.centres.shape
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
            raise ValueError("the parts of a sense inventory do not fit together")

    def of(self, word: int) -> slice:
        """The places of a word's senses."""
        return slice(int(self.starts[word]), int(self.starts[word + 1]))

    def embeddings(self, word: int, vector: FloatArray) -> FloatArray:
        """Of a word's senses, shape (senses, d), given the word's own unit vector."""
        share = np.float32(self.settings.word_share)
        return normalize(share * vector + (1 - share) * self.centres[self.of(word)])

    def describe(self, word: int, vector: FloatArray, vocabulary: Vocabulary) -> list[Sense]:
        """A word's senses, given its own unit vector."""
        where, words = self.of(word), vocabulary.words
        parts = zip(
            self.embeddings(word, vector), self.shares[where], self.examples[where], strict=True
        )
        return [
            Sense(
                embedding,
                float(share),
                tuple(tuple(words[i] for i in row if i >= 0) for row in rows if (row >= 0).any()),
            )
            for embedding, share, rows in parts
        ]

    def choose(self, word: int, local: FloatArray, *, hard: bool = False) -> FloatArray:
        """How well each sense of a word fits a context: probabilities, shape (senses,).

        Parameters
        ----------
        word : int
        local : float32 array of shape (d,)
            A mapped context, of unit length; or zero, then the shares are what is known.
        hard : bool
            1 for the sense that fits best, 0 for others.
        """
        where = self.of(word)
        score = np.log(self.shares[where]) + np.float32(_SHARPNESS) * (self.centres[where] @ local)
        weight: FloatArray = np.exp(score - score.max())
        if hard:
            weight = (np.arange(len(score)) == score.argmax()).astype(np.float32)
        weight /= weight.sum()
        return weight

    def mix(
        self, ids: Sequence[int], vectors: FloatArray, local: FloatArray, a: float, *, hard: bool
    ) -> FloatArray:
        """Embeddings of words in context, in the sense that fits it.

        Parameters
        ----------
        ids : sequence of int, of length n
            Below 0 for unknown words, whose embeddings are their contexts.
        vectors : float32 array of shape (V, d)
            Of words, by `word_vectors`.
        local : float32 array of shape (n, d)
            Mapped contexts, of unit length or zero.
        a : float
            Share of the sense.
        hard : bool
            Take the sense that fits best, not the mean of all by how well they do.

        Returns
        -------
        float32 array of shape (n, d)
            Of unit length; zero for unknown words without context.
        """
        result = local.copy()
        for i, word in enumerate(ids):
            if word >= 0 and a > 0:
                own = vectors[word]
                if self.starts[word] < self.starts[word + 1]:
                    own = self.choose(word, local[i], hard=hard) @ self.embeddings(word, own)
                result[i] = a * own + (1 - a) * local[i]
        return normalize(result)


def word_vectors(W1: FloatArray) -> FloatArray:
    """Rows of W1 less their mean, of unit length; shape (V, d)."""
    return normalize(W1 - W1.mean(axis=0, dtype=np.float64).astype(np.float32))
