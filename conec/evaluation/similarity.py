"""Correlation of cosine similarities with human ratings of word pairs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from conec.interop.checks import check_vectors
from conec.types import StrPath
from corpora.checks import ParameterError, check_choice, shown

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


@dataclass(frozen=True)
class SimilarityResult:
    """Correlation with human ratings.

    Attributes
    ----------
    spearman, pearson : float
        Correlation of cosine similarity and rating over `n` pairs; NaN if either is constant.
    n : int
        Number of pairs that were used.
    n_oov : int
        Number of pairs with a word that has no vector or a zero vector. With ``oov="zero"`` they
        are included in `n`.
    """

    spearman: float
    pearson: float
    n: int
    n_oov: int

    def to_dict(self) -> dict[str, float | int]:
        """Return the attributes as a dict, for JSON."""
        return asdict(self)


def checked_vectors(vectors: KeyedVectors, limit: int | None = None) -> NDArray[np.float32]:
    """Return the first `limit` vectors, shape (n, size); an error if they are invalid."""
    if not hasattr(vectors, "index_to_key"):
        hint = ". Pass model.wv" if hasattr(vectors, "wv") else ""
        raise TypeError(f"vectors must be gensim's KeyedVectors, got {shown(vectors)}{hint}")
    matrix: NDArray[np.float32] = vectors.vectors[:limit]
    check_vectors(matrix, vectors.index_to_key[:limit])
    return matrix


def first_index(words: list[str], *, case_insensitive: bool) -> dict[str, int]:
    """Map words (upper case if case-insensitive) to the index of their first spelling."""
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
    encoding: str = "utf-8",
    errors: str = "strict",
) -> SimilarityResult:
    """Correlate cosine similarities with human ratings.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        Word vectors; they are not changed.
    pairs : path or iterable of (str, str, float)
        Word pairs with a rating: a file (see `corpora.datasets.read_word_pairs`) or the result of
        `corpora.datasets.load` for such a data set.
    case_insensitive : bool, default=True
        Ignore case. Of words that differ only in case, the first in the vocabulary is used,
        usually the most frequent one.
    oov : {"skip", "zero", "error"}, default="skip"
        Handling of pairs with a word that has no vector or a zero vector: "skip" ignores them,
        "zero" counts them as similarity 0, "error" raises ValueError.
    encoding, errors : str
        Encoding of the file, and handling of bytes that can't be decoded, as for `corpora.open`.

    Returns
    -------
    SimilarityResult

    Raises
    ------
    TypeError
        If a pair does not have two words and a number.
    ValueError
        If fewer than two pairs remain, a vector contains NaN or infinity, a line of the file is
        malformed, or a word has no vector and `oov` is "error".

    Notes
    -----
    The result equals that of ``KeyedVectors.evaluate_word_pairs``, up to rounding.

    Examples
    --------
    >>> from gensim.models import KeyedVectors
    >>> vectors = KeyedVectors(2)
    >>> vectors.add_vectors(["up", "high", "down"], [[0, 1], [0.1, 1], [0, -1]])
    >>> rated = [("up", "high", 9.0), ("up", "down", 1.0), ("high", "down", 2.0)]
    >>> word_similarity(vectors, rated).spearman
    1.0
    """
    # imported here because scipy.stats takes longer to import than everything else
    from scipy import stats

    from corpora.datasets import read_word_pairs

    check_choice("oov", oov, ("skip", "zero", "error"))
    if not isinstance(pairs, (str, Iterable, os.PathLike)):
        raise TypeError(f"pairs must be a path or a list of word pairs, got {shown(pairs)}")
    if isinstance(pairs, (str, os.PathLike)):
        pairs = read_word_pairs(pairs, encoding=encoding, errors=errors)
    rated = list(pairs)
    for number, pair in enumerate(rated):
        _check_pair(pair, number)
    matrix = checked_vectors(vectors)
    index = first_index(vectors.index_to_key, case_insensitive=case_insensitive)

    def row(word: str) -> int:
        return index.get(word.upper() if case_insensitive else word, -1)

    rows = np.array([(row(a), row(b)) for a, b, _ in rated], dtype=np.int64).reshape(-1, 2)
    scores = np.array([score for _, _, score in rated], dtype=np.float64)
    left, right = (matrix[rows[:, side]].astype(np.float64) for side in (0, 1))
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    has_vectors = (rows >= 0).all(axis=1) & (norms > 0)
    if oov == "error" and not has_vectors.all():
        a, b, _ = rated[int(np.flatnonzero(~has_vectors)[0])]
        raise ValueError(f"the pair ({a!r}, {b!r}) contains a word without a vector")
    cosine = np.zeros(len(rated))
    np.divide((left * right).sum(axis=1), norms, out=cosine, where=has_vectors)
    n_oov = int((~has_vectors).sum())
    if oov == "skip":
        cosine, scores = cosine[has_vectors], scores[has_vectors]
    if len(scores) < 2:
        raise ValueError(
            f"a correlation needs at least 2 pairs, got {len(scores)}: {n_oov} of {len(rated)} "
            "pairs contain a word without a vector"
        )
    return SimilarityResult(
        spearman=float(stats.spearmanr(cosine, scores).statistic),
        pearson=float(stats.pearsonr(cosine, scores).statistic),
        n=len(scores),
        n_oov=n_oov,
    )


def _check_pair(pair: Any, number: int) -> None:
    """Raise TypeError or ValueError unless a pair has two words and a finite rating."""
    values = tuple(pair) if isinstance(pair, Iterable) and not isinstance(pair, str) else ()
    if len(values) != 3 or not all(isinstance(word, str) for word in values[:2]):
        raise TypeError(f"pair {number} must be (word, word, rating), got {pair!r:.80}")
    if not isinstance(values[2], Real) or not math.isfinite(values[2]):
        raise ParameterError(
            f"the rating of pair {number} must be a finite number, got {shown(values[2])}"
        )
