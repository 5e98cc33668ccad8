"""Analogy questions: a is to b as c is to which word?"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from conec.evaluation.similarity import checked_vectors, first_index

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

StrPath = str | os.PathLike[str]
Questions = StrPath | Mapping[str, Iterable[Sequence[str]]] | Iterable[str]

# Bytes of the largest temporary array (questions of a batch times words).
_BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class AnalogyResult:
    """How many analogy questions were answered right.

    Attributes
    ----------
    sections : dict of str to (int, int)
        Right answers and questions asked, by section, in the order of the file.
    n_skipped : int
        Questions left out because one of their words has no vector, only a zero vector, or is
        not among the words that were searched.
    """

    sections: dict[str, tuple[int, int]]
    n_skipped: int

    @property
    def correct(self) -> int:
        """Right answers in all sections."""
        return sum(correct for correct, _ in self.sections.values())

    @property
    def total(self) -> int:
        """Questions asked in all sections, without those skipped."""
        return sum(total for _, total in self.sections.values())

    @property
    def accuracy(self) -> float:
        """Share of right answers, from 0 to 1; NaN if no question was asked."""
        return _share(self.sections.values())

    @property
    def semantic(self) -> float:
        """Accuracy in the sections whose name does not start with ``gram``."""
        return _share(n for name, n in self.sections.items() if not name.startswith("gram"))

    @property
    def syntactic(self) -> float:
        """Accuracy in the sections whose name starts with ``gram``."""
        return _share(n for name, n in self.sections.items() if name.startswith("gram"))

    def to_dict(self) -> dict[str, object]:
        """Return everything as a dict for JSON; an accuracy over no questions is None."""
        shares = {name: getattr(self, name) for name in ("accuracy", "semantic", "syntactic")}
        return {
            **{name: None if math.isnan(value) else value for name, value in shares.items()},
            "correct": self.correct,
            "total": self.total,
            "n_skipped": self.n_skipped,
            "sections": {
                name: {"correct": correct, "total": total}
                for name, (correct, total) in self.sections.items()
            },
        }


def _share(counts: Iterable[tuple[int, int]]) -> float:
    pairs = list(counts)
    total = sum(n for _, n in pairs)
    return sum(correct for correct, _ in pairs) / total if total else math.nan


def analogies(
    vectors: KeyedVectors,
    questions: Questions,
    *,
    restrict_vocab: int | None = 30_000,
    method: Literal["3cosadd", "3cosmul"] = "3cosadd",
    case_insensitive: bool = True,
    batch_size: int | None = None,
) -> AnalogyResult:
    """Answer analogy questions and count the right answers.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        The word vectors, most frequent words first. Left as they are.
    questions : path, mapping or iterable of str
        A file in the format of ``questions-words.txt``, its lines, or a mapping of section to
        questions of four words, such as ``corpora.datasets.load("questions-words")``.
    restrict_vocab : int or None, default=30_000
        Ask only questions whose four words are among so many first words, and look for the answer
        among these. None for all words.
    method : {"3cosadd", "3cosmul"}, default="3cosadd"
        The answer to a : b = c : ? is the word x with the largest cos(x, b) - cos(x, a) +
        cos(x, c) [1]_, or the largest cos'(x, b) cos'(x, c) / cos'(x, a) with cos' =
        (1 + cos) / 2 [2]_. The words a, b and c themselves are no answers.
    case_insensitive : bool, default=True
        Whether case is ignored. Of several words that differ in case only, the first in the
        vocabulary gives the vector of a question word, and none of them is an answer.
    batch_size : int, optional
        Questions at a time; by default so many that a temporary array has 64 MB.

    Returns
    -------
    AnalogyResult

    Raises
    ------
    ValueError
        If a line is malformed (it names file and line), there are no questions, or a vector holds
        NaN or infinity.

    Notes
    -----
    Counts are those of ``KeyedVectors.evaluate_word_analogies`` with the same `restrict_vocab`.
    The one exception: if the five words nearest to the answer are all spellings of a, b and c,
    gensim gives up, and the search here goes on.

    References
    ----------
    .. [1] T. Mikolov, W. Yih, G. Zweig (2013), Linguistic regularities in continuous space word
       representations, NAACL.
    .. [2] O. Levy, Y. Goldberg (2014), Linguistic regularities in sparse and explicit word
       representations, CoNLL.

    Examples
    --------
    >>> from gensim.models import KeyedVectors
    >>> vectors = KeyedVectors(3)
    >>> words = ["man", "king", "woman", "queen", "apple"]
    >>> vectors.add_vectors(words, [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1], [1, 1, -1]])
    >>> analogies(vectors, [": royal", "man king woman queen"]).accuracy
    1.0
    """
    if method not in ("3cosadd", "3cosmul"):
        raise ValueError(f"method must be '3cosadd' or '3cosmul', not {method!r}")
    if restrict_vocab is not None and restrict_vocab < 1:
        raise ValueError(f"restrict_vocab must be at least 1 or None, not {restrict_vocab}")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    by_section = _sections(questions)

    matrix = checked_vectors(vectors, restrict_vocab).astype(np.float32, copy=False)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    usable = norms[:, 0] > 0
    unit = np.zeros_like(matrix)
    np.divide(matrix, norms, out=unit, where=norms > 0)

    words = vectors.index_to_key[: len(unit)]
    index = first_index(words, case_insensitive=case_insensitive)
    # A zero vector has no direction, so its word is treated as one that is not there.
    index = {word: i for word, i in index.items() if usable[i]}
    names: list[str] = []
    rows: list[list[int]] = []
    section_of: list[int] = []
    n_skipped = 0
    for number, (name, asked) in enumerate(by_section.items()):
        names.append(name)
        for question in asked:
            row = [index.get(w.upper() if case_insensitive else w, -1) for w in question]
            if -1 in row:
                n_skipped += 1
            else:
                rows.append(row)
                section_of.append(number)

    quadruples = np.array(rows, dtype=np.int64).reshape(-1, 4)
    # The first index stands for all spellings of a word.
    spelling = np.array(
        [index.get(w.upper() if case_insensitive else w, -1) for w in words], dtype=np.int64
    )
    answers = np.empty(len(quadruples), dtype=np.int64)
    step = batch_size or max(1, _BATCH_BYTES // (4 * max(1, len(unit))))
    for start in range(0, len(quadruples), step):
        batch = quadruples[start : start + step]
        scores = _add(unit, batch) if method == "3cosadd" else _mul(unit, batch)
        _exclude(scores, batch[:, :3], spelling, usable)
        answers[start : start + step] = scores.argmax(axis=1)
    correct = spelling[answers] == quadruples[:, 3]
    # If all words are excluded, argmax gives a question word: that is no answer.
    correct &= (quadruples[:, :3] != quadruples[:, 3:]).all(axis=1)

    member = np.array(section_of, dtype=np.int64)
    totals = np.bincount(member, minlength=len(names))
    rights = np.bincount(member[correct], minlength=len(names))
    return AnalogyResult(
        sections={n: (int(rights[i]), int(totals[i])) for i, n in enumerate(names)},
        n_skipped=n_skipped,
    )


def _sections(questions: Questions) -> Mapping[str, Iterable[Sequence[str]]]:
    from corpora.datasets import read_analogies

    if not isinstance(questions, Mapping):
        questions = read_analogies(questions)
    sections = {name: [tuple(question) for question in qs] for name, qs in questions.items()}
    for name, asked in sections.items():
        for question in asked:
            if len(question) != 4:
                raise ValueError(f"section {name!r}: {question!r} is not a question of 4 words")
    if not any(sections.values()):
        raise ValueError("there are no analogy questions")
    return sections


def _add(unit: NDArray[np.float32], batch: NDArray[np.int64]) -> NDArray[np.float32]:
    """3CosAdd of all words, shape (questions, words), up to a positive factor per question."""
    target: NDArray[np.float32] = unit[batch[:, 1]]
    target -= unit[batch[:, 0]]
    target += unit[batch[:, 2]]
    return target @ unit.T


def _mul(unit: NDArray[np.float32], batch: NDArray[np.int64]) -> NDArray[np.float32]:
    """3CosMul of all words, shape (questions, words)."""
    # Questions that follow each other share words, so each word is compared once per batch.
    distinct, place = np.unique(batch[:, :3], return_inverse=True)
    place = place.reshape(-1, 3)
    shifted = unit[distinct] @ unit.T
    shifted += 1
    shifted *= 0.5
    scores: NDArray[np.float32] = shifted[place[:, 1]]
    scores *= shifted[place[:, 2]]
    scores /= shifted[place[:, 0]] + np.float32(1e-6)
    return scores


def _exclude(
    scores: NDArray[np.float32],
    asked: NDArray[np.int64],
    spelling: NDArray[np.int64],
    usable: NDArray[np.bool_],
) -> None:
    """Set scores to minus infinity where the word is no answer."""
    np.put_along_axis(scores, asked, -np.inf, axis=1)
    if not usable.all():
        scores[:, ~usable] = -np.inf
    others = np.flatnonzero((spelling != np.arange(len(spelling))) & (spelling >= 0))
    others = others[np.isin(spelling[others], asked)]
    for other in others:
        scores[(asked == spelling[other]).any(axis=1), other] = -np.inf
