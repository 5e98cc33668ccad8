"""Unseen words: the tasks, and how vectors of words are scored on them.

A word is given as the texts in which it occurs, with `MARK` in its place.

nonce
    Definitional nonces (Herbelot & Baroni 2017): find a known word from the first sentence of its
    article. Mean reciprocal rank of its own vector among those of all words, and the median rank,
    by cosine.
chimera
    Chimeras (Lazaridou, Marelli & Baroni 2017): a made-up word, in 2, 4 or 6 sentences. Spearman's
    correlation of the cosines to up to 6 known words with human ratings, averaged over all trials.
crw
    Contextual Rare Words (Khodak et al. 2018), here the development set of Schick & Schütze
    (2019): a rare word, in 1 to 64 randomly drawn sentences, is compared with a known one.
    Spearman's correlation over all pairs, averaged over several draws.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize

MARK = "___"
LENGTHS = ("l2", "l4", "l6")
CONTEXTS = (1, 2, 4, 8, 16, 32, 64)
DRAWS = 5  # numbers of contexts of the rare words
PARTS = ("train", "test")

Floats = npt.NDArray[np.float32]
Text = list[str]


class Nonce(NamedTuple):
    """A known word and its definition."""

    word: str
    texts: list[Text]


class Trial(NamedTuple):
    """Texts with a made-up word, and how similar people rated other words to it."""

    texts: list[Text]
    probes: list[str]
    ratings: list[float]


class RarePair(NamedTuple):
    """A known word, a rare one, and their similarity."""

    known: str
    rare: str
    score: float


class RareWords(NamedTuple):
    """Pairs, and the sentences of each rare word."""

    pairs: list[RarePair]
    texts: dict[str, list[Text]]

    def part(self, part: str, known: Container[str]) -> RareWords:
        """Half of the rare words that are compared with a known one, and their pairs."""
        pairs = [pair for pair in self.pairs if pair.known in known]
        rare = sorted({pair.rare for pair in pairs})
        order = np.random.default_rng(5).permutation(len(rare))
        middle = len(rare) // 2
        chosen = order[:middle] if part == "train" else order[middle:]
        half = {rare[i] for i in chosen}
        texts = {word: sentences for word, sentences in self.texts.items() if word in half}
        return RareWords([pair for pair in pairs if pair.rare in half], texts)

    def drawn(self, n: int, draw: int) -> dict[str, list[Text]]:
        """`n` of the sentences of each word, or all if there are fewer; a draw has a number.

        Within a draw, a smaller sample is the beginning of a larger one.
        """
        sample = {}
        for i, (word, texts) in enumerate(sorted(self.texts.items())):
            order = np.random.default_rng([draw, i]).permutation(len(texts))
            sample[word] = [texts[j] for j in order[:n]]
        return sample


class Tasks(NamedTuple):
    """One part of all tasks."""

    nonces: list[Nonce]
    chimeras: dict[str, list[Trial]]
    rare: RareWords


# Reading


def read(part: str, known: Container[str]) -> Tasks:
    """Read one part of all tasks; the known words determine which rare ones it has."""
    chimeras = {length: read_chimeras(length, part) for length in LENGTHS}
    return Tasks(read_nonces(part), chimeras, read_rare_words().part(part, known))


def read_nonces(part: str) -> list[Nonce]:
    """Words and definitions of a part: 700 for development, 300 for testing."""
    lines = _lines("definitional_nonces", f"{part}.txt")
    nonces = []
    for line in lines:
        if not line.startswith("#"):
            word, text = line.split("\t")[:2]
            nonces.append(Nonce(word.strip(), [text.split()]))
    return nonces


def read_chimeras(length: str, part: str) -> list[Trial]:
    """Trials of a part: 220 for development, 110 for testing."""
    trials = []
    for line in _lines("chimeras", f"dataset.{length}.fixed.{part}.txt"):
        _, passage, probes, ratings = line.split("\t")[:4]
        # the mark may be attached to a word; a few sentences lack it, for all methods alike
        texts = [text.replace(MARK, f" {MARK} ").split() for text in passage.split("@@")]
        trials.append(
            Trial(
                [text for text in texts if MARK in text],
                [probe.strip() for probe in probes.split(",")],
                [float(rating) for rating in ratings.split(",")],
            )
        )
    return trials


def read_rare_words() -> RareWords:
    """All pairs and sentences, with the rare word marked."""
    pairs = [RarePair(*line.split("\t")[:2], float(line.split("\t")[2])) for line in _pairs()]
    texts: dict[str, list[Text]] = {}
    for line in _lines("crw_dev", "contexts.tsv"):
        word, text = line.split("\t")
        marked = [MARK if token == word else token for token in text.split()]
        texts.setdefault(word, []).append(marked)
    return RareWords(pairs, texts)


def rare_vocabulary() -> set[str]:
    """The rare words, which the training text of the vectors must not contain."""
    return {line.split("\t")[1] for line in _pairs()}


def _pairs() -> list[str]:
    return _lines("crw_dev", "CRW-550.txt")


def _lines(name: str, end: str) -> list[str]:
    """The nonempty lines of a file of a data set."""
    from corpora import datasets
    from corpora.readers import text_lines

    (path,) = [p for p in datasets.paths(name) if p.name.removesuffix(".xz").endswith(end)]
    return [line for _, line in text_lines(path)]


# Scores


def nonce_ranks(vectors: Floats, own: Sequence[int], known: Floats) -> npt.NDArray[np.int64]:
    """The rank of each word's own vector among all, from 1, by cosine; ties count as better."""
    similarity = normalize(vectors) @ normalize(known).T
    rows = np.arange(len(own))
    mine = similarity[rows, own].copy()
    similarity[rows, own] = -np.inf
    ranks: npt.NDArray[np.int64] = 1 + (similarity >= mine[:, None]).sum(axis=1)
    return ranks


def chimera_score(
    vectors: Floats, trials: Sequence[Trial], index: dict[str, int], known: Floats
) -> float:
    """Mean of Spearman's correlations; 0 for a trial whose cosines are all equal."""
    scores = []
    for vector, trial in zip(normalize(vectors), trials, strict=True):
        at = [i for i, probe in enumerate(trial.probes) if probe in index]
        cosines = normalize(known[[index[trial.probes[i]] for i in at]]) @ vector
        scores.append(spearman(cosines, [trial.ratings[i] for i in at]))
    return float(np.mean(scores))


def rare_score(
    vectors: dict[str, Floats], pairs: Sequence[RarePair], index: dict[str, int], known: Floats
) -> float:
    """Spearman's correlation over pairs, whose first word is known."""
    left = normalize(known[[index[pair.known] for pair in pairs]])
    right = normalize(np.stack([vectors[pair.rare] for pair in pairs]))
    return spearman((left * right).sum(axis=1), [pair.score for pair in pairs])


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Spearman's rank correlation; 0 if either side is constant or has fewer than 2 values."""
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
