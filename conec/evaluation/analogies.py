"""Analogy questions: a is to b as c is to which word?"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from conec.evaluation.similarity import checked_vectors, first_index
from conec.types import StrPath
from corpora.checks import check_choice, check_integer, shown, token_list

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Questions: TypeAlias = "StrPath | Mapping[str, Iterable[Sequence[str]]] | Iterable[str]"

logger = logging.getLogger(__name__)

# size of the largest temporary array (questions in a batch times words)
_BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class AnalogyResult:
    """Numbers of analogy questions and correct answers.

    Attributes
    ----------
    sections : dict of str to (int, int)
        Numbers of correct answers and of questions by section, in the order of the file.
    n_skipped : int
        Number of questions that were skipped because one of their words has no vector, has a
        zero vector, or is not among the first `restrict_vocab` words.
    """

    sections: dict[str, tuple[int, int]]
    n_skipped: int

    @property
    def correct(self) -> int:
        """Number of correct answers in all sections."""
        return sum(correct for correct, _ in self.sections.values())

    @property
    def total(self) -> int:
        """Number of questions in all sections, without skipped ones."""
        return sum(total for _, total in self.sections.values())

    @property
    def accuracy(self) -> float:
        """Share of correct answers, from 0 to 1; NaN if there were no questions."""
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
        """Return all results as plain data for JSON; accuracies that are NaN become None."""
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
    encoding: str = "utf-8",
    errors: str = "strict",
) -> AnalogyResult:
    """Answer analogy questions and count the correct answers.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        Word vectors, most frequent words first; they are not changed.
    questions : path, mapping or iterable of str
        A file in the format of ``questions-words.txt``, its lines, or a mapping of section to
        questions of four words, such as ``corpora.datasets.load("questions-words")``.
    restrict_vocab : int or None, default=30_000
        Use only the first `restrict_vocab` words: questions with other words are skipped, and
        answers are searched only among these words. None: all words.
    method : {"3cosadd", "3cosmul"}, default="3cosadd"
        The answer to a : b = c : ? is the word x with the largest cos(x, b) - cos(x, a) +
        cos(x, c) [1]_, or the largest cos'(x, b) cos'(x, c) / cos'(x, a) with cos' =
        (1 + cos) / 2 [2]_. The words a, b and c are excluded.
    case_insensitive : bool, default=True
        Ignore case. Of words that differ only in case, the first in the vocabulary is used for a
        question word, and all of them are excluded as answers.
    batch_size : int, optional
        Number of questions at a time. By default, temporary arrays have at most 64 MB.
    encoding, errors : str
        Encoding of the file, and handling of bytes that can't be decoded, as for `corpora.open`.

    Returns
    -------
    AnalogyResult

    Raises
    ------
    ValueError
        If a line is malformed (the message names file and line), there are no questions, or a
        vector contains NaN or infinity.

    Notes
    -----
    The counts equal those of ``KeyedVectors.evaluate_word_analogies`` with the same
    `restrict_vocab`, with one exception: if the five best candidates are all spellings of a, b
    and c, gensim counts the question as wrong, while this function tries further candidates.

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
    check_choice("method", method, ("3cosadd", "3cosmul"))
    if restrict_vocab is not None:
        check_integer("restrict_vocab", restrict_vocab, 1)
    if batch_size is not None:
        check_integer("batch_size", batch_size, 1)
    begin = time.perf_counter()
    by_section = _sections(questions, encoding, errors)

    matrix = checked_vectors(vectors, restrict_vocab).astype(np.float32, copy=False)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    usable = norms[:, 0] > 0
    unit = np.zeros_like(matrix)
    np.divide(matrix, norms, out=unit, where=norms > 0)

    words = vectors.index_to_key[: len(unit)]
    index = first_index(words, case_insensitive=case_insensitive)
    # a zero vector has no direction, so its word counts as missing
    index = {word: i for word, i in index.items() if usable[i]}
    names: list[str] = []
    rows: list[list[int]] = []
    section_of: list[int] = []
    n_skipped = 0
    for number, (name, section) in enumerate(by_section.items()):
        names.append(name)
        for question in section:
            row = [index.get(w.upper() if case_insensitive else w, -1) for w in question]
            if -1 in row:
                n_skipped += 1
            else:
                rows.append(row)
                section_of.append(number)

    quadruples = np.array(rows, dtype=np.int64).reshape(-1, 4)
    # the index of the first spelling represents all spellings of a word
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
    # if all words are excluded, argmax returns a question word, which is not an answer
    correct &= (quadruples[:, :3] != quadruples[:, 3:]).all(axis=1)

    seconds = time.perf_counter() - begin
    logger.info(
        "answered %d analogy questions, skipped %d, in %.1f s", len(quadruples), n_skipped, seconds
    )
    sections = np.array(section_of, dtype=np.int64)
    n_questions = np.bincount(sections, minlength=len(names))
    n_correct = np.bincount(sections[correct], minlength=len(names))
    return AnalogyResult(
        sections={n: (int(n_correct[i]), int(n_questions[i])) for i, n in enumerate(names)},
        n_skipped=n_skipped,
    )


def _sections(
    questions: Questions, encoding: str, errors: str
) -> Mapping[str, Iterable[Sequence[str]]]:
    from corpora.datasets import read_analogies

    if not isinstance(questions, Mapping):
        questions = read_analogies(questions, encoding=encoding, errors=errors)
    sections = {}
    for name, section in questions.items():
        if isinstance(section, str) or not isinstance(section, Iterable):
            raise TypeError(f"section {name!r} must be a list of questions, got {shown(section)}")
        where = f"a question of section {name!r}"
        sections[name] = [tuple(token_list(q, where, surrogates=True)) for q in section]
        for question in sections[name]:
            if len(question) != 4:
                raise ValueError(
                    f"section {name!r}: a question must have 4 words, got {question!r}"
                )
    if not any(sections.values()):
        raise ValueError("there are no analogy questions")
    return sections


def _add(unit: NDArray[np.float32], batch: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compute 3CosAdd of all words, shape (questions, words), up to a factor per question."""
    target: NDArray[np.float32] = unit[batch[:, 1]]
    target -= unit[batch[:, 0]]
    target += unit[batch[:, 2]]
    return target @ unit.T


def _mul(unit: NDArray[np.float32], batch: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compute 3CosMul of all words, shape (questions, words)."""
    # consecutive questions share words, so each word is compared once per batch
    distinct, positions = np.unique(batch[:, :3], return_inverse=True)
    positions = positions.reshape(-1, 3)
    shifted = unit[distinct] @ unit.T
    shifted += 1
    shifted *= 0.5
    scores: NDArray[np.float32] = shifted[positions[:, 1]]
    scores *= shifted[positions[:, 2]]
    scores /= shifted[positions[:, 0]] + np.float32(1e-6)
    return scores


def _exclude(
    scores: NDArray[np.float32],
    asked: NDArray[np.int64],
    spelling: NDArray[np.int64],
    usable: NDArray[np.bool_],
) -> None:
    """Set the scores of words that cannot be answers to minus infinity."""
    np.put_along_axis(scores, asked, -np.inf, axis=1)
    if not usable.all():
        scores[:, ~usable] = -np.inf
    others = np.flatnonzero((spelling != np.arange(len(spelling))) & (spelling >= 0))
    others = others[np.isin(spelling[others], asked)]
    for other in others:
        scores[(asked == spelling[other]).any(axis=1), other] = -np.inf
