"""The vocabulary: words, their counts and ids, and the probabilities derived from counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from conec.types import JSON
from corpora import BREAK
from corpora.checks import ParameterError, shown
from corpora.saved_data import check_saved_object

_LARGEST = 2**63 - 1


class Vocabulary:
    """Words in order of decreasing frequency; the id of a word is its index.

    Parameters
    ----------
    words : iterable of str
    counts : array-like of int
        Occurrences in the training corpus.

    Attributes
    ----------
    words : list of str
    counts : int64 array of shape (V,)
    index : dict of str to int
        From words to ids.

    Raises
    ------
    TypeError
        If a word is not a string, or a count not an integer.
    ValueError
        If a word occurs twice, a count is negative, their sum is too large for int64, or counts
        do not match the words.
    """

    def __init__(self, words: Iterable[str], counts: npt.ArrayLike) -> None:
        self.words = _checked_words(words)
        self.counts = checked_counts(counts, self.words)
        if self.counts.shape != (len(self.words),):
            raise ValueError(
                f"counts must have one entry for each of {len(self.words)} words, got shape "
                f"{self.counts.shape}"
            )
        self.index = {word: i for i, word in enumerate(self.words)}
        if len(self.index) != len(self.words):
            raise ValueError("a word occurs twice in the vocabulary")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        frequencies: Mapping[int, int] | None = None,
    ) -> Vocabulary:
        """Create a vocabulary of the words that occur often enough, the most frequent first.

        Ties are in alphabetical order, so that ids depend on the counts alone.

        Parameters
        ----------
        counts : mapping of str to int
        min_count : int
            Ignore words that occur less often.
        max_size : int, optional
            Maximum number of words. Words that occur as often as the first word that is left
            out are left out as well, as with a higher `min_count`.
        frequencies : mapping of int to int, optional
            Number of words that occur n times, for each n. Used for the error message if
            `counts` was made without the rare words.

        Raises
        ------
        TypeError
            If a word is not a string, or a count not an integer.
        ValueError
            If the corpus has no words, or no word occurs `min_count` times (the message says
            which `min_count` would keep words), or more than `max_size` words are the most
            frequent, or a count is negative or too large.
        """
        counts = _checked_frequencies(counts)
        # the empty word marks a break between sentences
        kept = [(word, n) for word, n in counts.items() if word != BREAK and n >= min_count]
        kept.sort(key=lambda item: (-item[1], item[0]))
        if not kept:
            frequencies = frequencies or Counter(n for word, n in counts.items() if word != BREAK)
            if not frequencies:
                raise ValueError("the corpus is empty: it has no words")
            highest, lowest = max(frequencies), min(frequencies)
            n_words, n_kept = sum(frequencies.values()), frequencies[highest]
            raise ValueError(
                f"no word occurs {min_count} times (min_count): the most frequent of {n_words} "
                f"words occurs {highest} time{'s' if highest > 1 else ''}. min_count={highest} "
                f"would keep {n_kept} word{'s' if n_kept > 1 else ''}, min_count={lowest} would "
                "keep all"
            )
        if max_size is not None and len(kept) > max_size:
            limit = kept[max_size][1]
            if limit == kept[0][1]:
                n_first = sum(n == limit for _, n in kept)
                raise ValueError(
                    f"at most {max_size} words (max_final_vocab) cannot be chosen by frequency: "
                    f"{n_first} words occur {limit} time{'s' if limit > 1 else ''}, the largest "
                    f"number. Set it to {n_first} or more"
                )
            kept = [(word, n) for word, n in kept if n > limit]
        return cls([word for word, _ in kept], [n for _, n in kept])

    @cached_property
    def n_tokens(self) -> int:
        """Total number of occurrences."""
        return int(self.counts.sum())

    def keep_probability(self, sample: float) -> npt.NDArray[np.float32]:
        """Probability that subsampling keeps an occurrence of each word.

        As in word2vec.c: ``(sqrt(f / sample) + 1) * sample / f`` for a relative
        frequency f; 1 for all words if `sample` is 0, and for words with a count of 0.

        Returns
        -------
        float32 array of shape (V,)
        """
        keep = np.ones(len(self), np.float32)
        seen = self.counts > 0
        if sample:
            share = self.counts[seen] / max(self.n_tokens, 1)
            keep[seen] = np.minimum(1, (np.sqrt(share / sample) + 1) * sample / share)
        return keep

    def kept_share(self, sample: float) -> float:
        """Share of all occurrences that subsampling keeps, on average."""
        keep = self.keep_probability(sample).astype(np.float64)
        return float(self.counts @ keep) / max(self.n_tokens, 1)

    def gentle_sample(self) -> float:
        """The smallest of 1e-4, 1e-3 and 1e-2 for which subsampling keeps a fourth, or else 0.

        In a short text, all words are frequent, so that 1e-4 leaves few of them.
        """
        return next((s for s in (1e-4, 1e-3, 1e-2) if self.kept_share(s) > 0.25), 0.0)

    def sif(self, scale: float = 1e-5) -> npt.NDArray[np.float32]:
        """Weights of words in a mean: ``scale / (scale + f)`` for a relative frequency f.

        Smooth inverse frequency (Arora, Liang & Ma 2017): frequent words are less informative.

        Returns
        -------
        float32 array of shape (V,)
        """
        share = self.counts / max(self.n_tokens, 1)
        return (scale / (scale + share)).astype(np.float32)

    def rates(self, exponent: float) -> npt.NDArray[np.float32]:
        """Factor of each word's learning rate: ``count ** -exponent``.

        Words that are updated often take smaller steps. Adagrad (Duchi, Hazan & Singer 2011)
        does the same with sums of squared gradients in place of counts.

        Returns
        -------
        float32 array of shape (V,)
        """
        rates = np.maximum(self.counts, 1).astype(np.float64) ** -exponent
        return rates.astype(np.float32)

    def noise(self, exponent: float) -> npt.NDArray[np.float64]:
        """Probability that each word is drawn as noise: proportional to ``count ** exponent``.

        Words with a count of 0 are not drawn, unless all counts are 0: then all are equally
        likely.

        Returns
        -------
        float64 array of shape (V,), summing to 1
        """
        seen = self.counts > 0
        if not seen.any():
            return np.full(len(self), 1 / max(len(self), 1))
        p = np.zeros(len(self))
        p[seen] = self.counts[seen].astype(np.float64) ** exponent
        scaled: npt.NDArray[np.float64] = p / p.sum()
        return scaled

    def merged(
        self, counts: Mapping[str, int], *, min_count: int = 1, max_size: int | None = None
    ) -> tuple[Vocabulary, npt.NDArray[np.int64]]:
        """Add the counts of new text, and the words that occur `min_count` times in it.

        All words of this vocabulary are kept. With `max_size`, only the most frequent new words
        are added, up to that size.

        Returns
        -------
        vocabulary : Vocabulary
            Again in order of frequency.
        origin : int64 array of shape (V_new,)
            The old id of each word; -1 for a new word.

        Raises
        ------
        TypeError
            If a word is not a string, or a count not an integer.
        ValueError
            If a count is negative or too large.
        """
        total = dict(zip(self.words, self.counts.tolist(), strict=True))
        new = {}
        for word, n in _checked_frequencies(counts).items():
            if word in total:
                total[word] += n
            elif n >= min_count and word != BREAK:
                new[word] = n
        if max_size is not None and len(total) + len(new) > max_size:
            order = sorted(new.items(), key=lambda item: (-item[1], item[0]))
            new = dict(order[: max(0, max_size - len(total))])
        vocabulary = Vocabulary.from_counts(total | new, min_count=0)
        origin = [self.index.get(word, -1) for word in vocabulary.words]
        return vocabulary, np.array(origin, np.int64)

    # Files

    def to_dict(self) -> JSON:
        """Return words and counts as plain data for JSON."""
        return {"words": self.words, "counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, data: JSON) -> Vocabulary:
        """Create a vocabulary from the result of `to_dict`.

        Raises
        ------
        ValueError
            If the data is damaged.
        """
        data = check_saved_object("the vocabulary", data, ("words", "counts"))
        words, counts = data["words"], data["counts"]
        if not (isinstance(words, list) and isinstance(counts, list) and len(words) == len(counts)):
            raise ValueError("words and counts do not match")
        if not all(type(word) is str for word in words) or not all(
            type(n) is int and 0 <= n < 2**63 for n in counts
        ):
            raise ValueError("words must be strings, and counts integers >= 0")
        return cls(words, counts)


def _checked_words(words: Iterable[str]) -> list[str]:
    """Words as a list of str; ParameterError for other types, which could not be saved."""
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise ParameterError(f"words must be a list of str, got {shown(words)}")
    words = list(words)
    if set(map(type, words)) <= {str}:
        return words
    for word in words:
        if not isinstance(word, str):
            raise ParameterError(
                f"words must be strings, got {word!r} of type {type(word).__name__}. Convert the "
                "tokens of the corpus with str()"
            )
    return [str(word) for word in words]


def _checked_frequencies(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Counts by word as plain int; errors are those of `Vocabulary`."""
    if not isinstance(counts, Mapping):
        raise ParameterError(f"counts must be a dict of words and counts, got {shown(counts)}")
    words = _checked_words(counts)
    numbers = checked_counts(list(counts.values()), words)
    return dict(zip(words, numbers.tolist(), strict=True))


def checked_counts(counts: npt.ArrayLike, words: list[str]) -> npt.NDArray[np.int64]:
    """Counts as int64; ParameterError or ValueError if one is not valid."""
    if not isinstance(counts, Iterable):
        raise ParameterError(f"counts must be a list of integers, got {shown(counts)}")
    values: Any = counts if isinstance(counts, np.ndarray) else list(counts)
    if not (isinstance(values, np.ndarray) or set(map(type, values)) <= {int}):
        values = [_whole(n, i, words) for i, n in enumerate(values)]
    array = np.asarray(values, None if len(values) else np.int64)
    if array.dtype.kind not in "iu":  # also integers beyond the range of int64
        array = np.array([_whole(n, i, words) for i, n in enumerate(values)], object)
    if (array < 0).any():
        first = int(np.argmax(array < 0))
        raise ValueError(f"{_named(first, words)} is negative: {array[first]}")
    # the sum in float64 is exact enough to rule out an overflow
    if float(array.sum(dtype=np.float64)) > _LARGEST / 2 and sum(array.tolist()) > _LARGEST:
        raise ValueError(
            f"the sum of the counts must be at most 2**63 - 1, got {sum(array.tolist())}. Divide "
            "the counts by a common factor"
        )
    return array.astype(np.int64)


def _whole(n: Any, i: int, words: list[str]) -> int:
    is_number = isinstance(n, Real) and not isinstance(n, bool)
    if not is_number or not math.isfinite(n) or n != int(n):
        raise ParameterError(f"{_named(i, words)} must be an integer >= 0, got {shown(n)}")
    return int(n)


def _named(i: int, words: list[str]) -> str:
    return f"the count of {words[i]!r}" if i < len(words) else f"count {i}"


def noise_table(
    probability: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Tables for drawing from a distribution by inversion in constant time.

    For x uniform in [0, 1), the word is the first w with ``cumulated[w] > x``; the search
    starts at ``guide[int(x * len(guide))]`` (Chen & Asau 1974) and takes one or two steps.

    Returns
    -------
    cumulated : float64 array of shape (V,)
    guide : int32 array of shape (V,)
    """
    n = len(probability)
    cumulated = np.cumsum(probability)
    # rounding must not carry the search past the last word of positive probability
    cumulated[np.flatnonzero(probability)[-1] :] = 2.0
    guide = np.searchsorted(cumulated, np.arange(n) / n, side="right")
    return cumulated, guide.astype(np.int32)
