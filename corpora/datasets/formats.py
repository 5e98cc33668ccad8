"""Readers of the small files: word pairs with a score, analogy questions, BATS relations."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.errors import CorpusError
from corpora.readers import text_lines

StrPath = str | os.PathLike[str]
Question = tuple[str, str, str, str]


class WordPair(NamedTuple):
    """Two words and how similar people say they are."""

    word1: str
    word2: str
    score: float


def _lines(source: StrPath | Iterable[str]) -> Iterator[tuple[str | None, int, str]]:
    """Yield file name (None for lines in memory), line number and line, without blank lines."""
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        for number, line in text_lines(name):
            yield name, number, line.strip()
        return
    for number, line in enumerate(source, 1):
        if stripped := line.strip():
            yield None, number, stripped


def read_word_pairs(source: StrPath | Iterable[str]) -> list[WordPair]:
    """Read word pairs with a score.

    Parameters
    ----------
    source : path or iterable of str
        A file (also ``.xz`` or ``.gz``), or its lines: ``word1 word2 score``, separated by tabs or
        else by blanks. More columns are ignored; so are empty lines and those that start with
        ``#``.

    Returns
    -------
    list of WordPair
        In the order of the file.

    Raises
    ------
    CorpusError
        A `ValueError`: a line with fewer than three columns, or a third that is no finite
        number.
    """
    pairs = []
    for path, number, line in _lines(source):
        if line.startswith("#"):
            continue
        columns = line.split("\t") if "\t" in line else line.split()
        words = [column.strip() for column in columns[:2]]
        try:
            score = float(columns[2])
        except (IndexError, ValueError):
            score = math.nan
        if not all(words) or not math.isfinite(score):
            raise CorpusError(
                f"expected 'word1 word2 score', found {line[:80]!r}", path=path, line=number
            )
        pairs.append(WordPair(words[0], words[1], score))
    return pairs


def read_analogies(source: StrPath | Iterable[str]) -> dict[str, list[Question]]:
    """Read analogy questions in the format of word2vec's ``questions-words.txt``.

    Parameters
    ----------
    source : path or iterable of str
        A file (also ``.xz`` or ``.gz``), or its lines. A line ``: name`` starts a section, every
        other line holds four words: a is to b as c is to d. Empty lines are ignored.

    Returns
    -------
    dict of str to list of (str, str, str, str)
        The questions by section, in the order of the file.

    Raises
    ------
    CorpusError
        A `ValueError`: a line that does not hold four words, or a question before the first
        section.

    Notes
    -----
    T. Mikolov, K. Chen, G. Corrado, J. Dean (2013), arXiv:1301.3781.
    """
    sections: dict[str, list[Question]] = {}
    questions: list[Question] | None = None
    for path, number, line in _lines(source):
        if line.startswith(":"):
            questions = sections.setdefault(line.lstrip(": "), [])
            continue
        words = line.split()
        if len(words) != 4:
            raise CorpusError(
                f"expected a question of 4 words, found {len(words)}: {line[:80]!r}",
                path=path,
                line=number,
            )
        if questions is None:
            raise CorpusError(
                "a question comes before the first ': section' line", path=path, line=number
            )
        questions.append((words[0], words[1], words[2], words[3]))
    return sections


def read_bats(paths: Iterable[StrPath]) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Read relations of the Bigger Analogy Test Set.

    Parameters
    ----------
    paths : iterable of path
        One file for each relation; lines of ``word <tab> answer/answer/...``.

    Returns
    -------
    dict of str to list of (str, tuple of str)
        The pairs by relation (the file's name without suffix): a word and its accepted answers.

    Raises
    ------
    CorpusError
        A `ValueError`: a line without two columns.

    Notes
    -----
    A. Gladkova, A. Drozd, S. Matsuoka (2016), NAACL Student Research Workshop.
    """
    relations: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for relation in paths:
        pairs = []
        for path, number, line in _lines(relation):
            word, *answers = line.split(maxsplit=1)
            if not answers:
                raise CorpusError(
                    f"expected 'word answers', found {line[:80]!r}", path=path, line=number
                )
            pairs.append((word, tuple(answers[0].split("/"))))
        relations[Path(relation).name.split(".txt")[0]] = pairs
    return relations
