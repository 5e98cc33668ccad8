"""Agreement of cosine similarities with human ratings of word pairs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from conec.interop.checks import check_vectors

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class SimilarityResult:
    """Agreement with human ratings.

    Attributes
    ----------
    spearman, pearson : float
        Correlation of cosine similarity and rating over the `n` pairs; NaN if either is constant.
    n : int
        Pairs that went in.
    n_oov : int
        Pairs with a word that has no vector, or only a zero vector. They are among the `n` if
        they were counted as similarity 0, otherwise not.
    """

    spearman: float
    pearson: float
    n: int
    n_oov: int

    def to_dict(self) -> dict[str, float | int]:
        """Return the attributes as a dict, for JSON."""
        return asdict(self)


def checked_vectors(vectors: KeyedVectors, limit: int | None = None) -> NDArray[np.float32]:
    """Return the first `limit` vectors, shape (n, size), or raise ValueError if they are bad."""
    matrix: NDArray[np.float32] = vectors.vectors[:limit]
    check_vectors(matrix, vectors.index_to_key[:limit])
    return matrix


def first_index(words: list[str], *, case_insensitive: bool) -> dict[str, int]:
    """Map every word to its index; of words that differ in case only, the first counts."""
    index: dict[str, int] = {}
    for i, word in enumerate(words):
        index.setdefault(word.upper() if case_insensitive else word, i)
    return index


def word_similarity(
    vectors: KeyedVectors,
    pairs: StrPath | Iterable[tuple[str, str, float]],
    *,
    case_insensitive: bool = True,
    oov: Literal["skip", "zero", "error"] = "skip",
) -> SimilarityResult:
    """Correlate cosine similarities with human ratings.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        The word vectors. Left as they are.
    pairs : path or iterable of (str, str, float)
        Word pairs with a rating: a file (see `corpora.datasets.read_word_pairs`) or what
        `corpora.datasets.load` returns for such a set.
    case_insensitive : bool, default=True
        Whether case is ignored. Of several words that differ in case only, the first in the
        vocabulary counts, which is the most frequent one if it is sorted.
    oov : {"skip", "zero", "error"}, default="skip"
        What becomes of a pair with a word that has no vector or only a zero vector: it is left
        out, counts as similarity 0, or is an error.

    Returns
    -------
    SimilarityResult

    Raises
    ------
    ValueError
        If fewer than two pairs are left, a vector holds NaN or infinity, a line of the file is
        malformed, or a word is missing and `oov` is "error".

    Notes
    -----
    Gives what ``KeyedVectors.evaluate_word_pairs`` gives, up to rounding.

    Examples
    --------
    >>> from gensim.models import KeyedVectors
    >>> vectors = KeyedVectors(2)
    >>> vectors.add_vectors(["up", "high", "down"], [[0, 1], [0.1, 1], [0, -1]])
    >>> rated = [("up", "high", 9.0), ("up", "down", 1.0), ("high", "down", 2.0)]
    >>> word_similarity(vectors, rated).spearman
    1.0
    """
    # Imported here since scipy.stats alone takes longer to import than everything else.
    from scipy import stats

    from corpora.datasets import read_word_pairs

    if oov not in ("skip", "zero", "error"):
        raise ValueError(f"oov must be 'skip', 'zero' or 'error', not {oov!r}")
    rated = list(read_word_pairs(pairs) if isinstance(pairs, (str, os.PathLike)) else pairs)
    matrix = checked_vectors(vectors)
    index = first_index(vectors.index_to_key, case_insensitive=case_insensitive)

    def row(word: str) -> int:
        return index.get(word.upper() if case_insensitive else word, -1)

    rows = np.array([(row(a), row(b)) for a, b, _ in rated], dtype=np.int64).reshape(-1, 2)
    scores = np.array([score for _, _, score in rated], dtype=np.float64)
    left, right = (matrix[rows[:, side]].astype(np.float64) for side in (0, 1))
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    known = (rows >= 0).all(axis=1) & (norms > 0)
    if oov == "error" and not known.all():
        a, b, _ = rated[int(np.flatnonzero(~known)[0])]
        raise ValueError(f"the pair ({a!r}, {b!r}) has a word without a vector")
    cosine = np.zeros(len(rated))
    np.divide((left * right).sum(axis=1), norms, out=cosine, where=known)
    n_oov = int((~known).sum())
    if oov == "skip":
        cosine, scores = cosine[known], scores[known]
    if len(scores) < 2:
        raise ValueError(
            f"a correlation needs at least 2 pairs: of {len(rated)}, {n_oov} have a word without "
            f"a vector"
        )
    return SimilarityResult(
        spearman=float(stats.spearmanr(cosine, scores).statistic),
        pearson=float(stats.pearsonr(cosine, scores).statistic),
        n=len(scores),
        n_oov=n_oov,
    )
