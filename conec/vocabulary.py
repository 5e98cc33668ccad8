"""The vocabulary: which words a model knows, and what their counts imply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt


class Vocabulary:
    """Words in order of falling frequency; a word's id is its place.

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
    """

    def __init__(self, words: Iterable[str], counts: npt.ArrayLike) -> None:
        self.words = list(words)
        self.counts = np.asarray(counts, dtype=np.int64)
        if self.counts.shape != (len(self.words),):
            raise ValueError(
                f"{len(self.words)} words need as many counts, not shape {self.counts.shape}"
            )
        if (self.counts < 0).any():
            bad = self.words[int(np.argmax(self.counts < 0))]
            raise ValueError(f"the count of {bad!r} is negative")
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
        """Keep the words seen often enough, the most frequent first.

        Ties are in alphabetical order, so the ids depend on the counts alone.

        Parameters
        ----------
        counts : mapping of str to int
        min_count : int
            Words seen less often are left out.
        max_size : int, optional
            At most so many words.
        frequencies : mapping of int to int, optional
            How many words have each count, for the message of the error, if `counts` is
            without the rare ones.

        Raises
        ------
        ValueError
            If the corpus has no words, or none is frequent enough: the message says
            which `min_count` would leave words.
        """
        # the empty word marks a break between sentences
        kept = sorted(
            ((word, n) for word, n in counts.items() if word and n >= min_count),
            key=lambda item: (-item[1], item[0]),
        )
        if not kept:
            seen = frequencies or Counter(n for word, n in counts.items() if word)
            if not seen:
                raise ValueError("the corpus is empty: it has no words")
            most, least = max(seen), min(seen)
            n = seen[most]
            raise ValueError(
                f"no word occurs {min_count} times (min_count): the most frequent of "
                f"{sum(seen.values())} words has {most}; min_count={most} would leave {n} "
                f"word{'s' if n > 1 else ''}, min_count={least} all"
            )
        kept = kept[:max_size]
        return cls([word for word, _ in kept], [n for _, n in kept])

    @cached_property
    def n_tokens(self) -> int:
        """Occurrences of all words."""
        return int(self.counts.sum())

    def keep_probability(self, sample: float) -> npt.NDArray[np.float32]:
        """Probability that subsampling keeps an occurrence of each word.

        As in word2vec.c: ``(sqrt(f / sample) + 1) * sample / f`` for a relative
        frequency f; 1 for all words if `sample` is 0, and for words never seen.

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

    def sif(self, scale: float = 1e-5) -> npt.NDArray[np.float32]:
        """Weights of words in a mean: ``scale / (scale + f)`` for a relative frequency f.

        Smooth inverse frequency (Arora, Liang & Ma 2017): frequent words say little.

        Returns
        -------
        float32 array of shape (V,)
        """
        share = self.counts / max(self.n_tokens, 1)
        return (scale / (scale + share)).astype(np.float32)

    def rates(self, exponent: float) -> npt.NDArray[np.float32]:
        """By what each word's learning rate is multiplied: ``count ** -exponent``.

        Words that take many steps take smaller ones, as in Adagrad (Duchi, Hazan & Singer
        2011), but for the cost of keeping sums of squared gradients.

        Returns
        -------
        float32 array of shape (V,)
        """
        rates = np.maximum(self.counts, 1).astype(np.float64) ** -exponent
        return rates.astype(np.float32)

    def noise(self, exponent: float) -> npt.NDArray[np.float64]:
        """Probability that each word is drawn as noise: its count to the power `exponent`.

        Words never seen are not drawn, unless none was seen: then all are alike.

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
        """Add the counts of new text, and the new words that are frequent in it.

        No word at hand is dropped: with `max_size`, only so many new ones are added,
        the most frequent, as there is room for.

        Returns
        -------
        vocabulary : Vocabulary
            Again in order of frequency.
        origin : int64 array of shape (V_new,)
            The old id of each word, -1 for a new one.
        """
        total = dict(zip(self.words, self.counts.tolist(), strict=True))
        new = {}
        for word, n in counts.items():
            if word in total:
                total[word] += int(n)
            elif n >= min_count and word:
                new[word] = int(n)
        if max_size is not None and len(total) + len(new) > max_size:
            order = sorted(new.items(), key=lambda item: (-item[1], item[0]))
            new = dict(order[: max(0, max_size - len(total))])
        vocabulary = Vocabulary.from_counts(total | new, min_count=0)
        origin = [self.index.get(word, -1) for word in vocabulary.words]
        return vocabulary, np.array(origin, np.int64)


def noise_table(
    probability: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Tables to draw from a distribution by inverting it, in constant time.

    Of x uniform in [0, 1), the word is the first w with ``cumulated[w] > x``; the search
    begins at ``guide[int(x * len(guide))]`` (Chen & Asau 1974) and takes a step or two.

    Returns
    -------
    cumulated : float64 array of shape (V,)
    guide : int32 array of shape (V,)
    """
    n = len(probability)
    cumulated = np.cumsum(probability)
    # against rounding: the search ends at the last word that can be drawn
    cumulated[np.flatnonzero(probability)[-1] :] = 2.0
    guide = np.searchsorted(cumulated, np.arange(n) / n, side="right")
    return cumulated, guide.astype(np.int32)
