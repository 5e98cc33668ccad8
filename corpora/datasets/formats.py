"""Read word pairs with scores, analogy questions, and BATS relations."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.checks import shown
from corpora.errors import CorpusError
from corpora.readers import text_lines

StrPath = str | os.PathLike[str]
Question = tuple[str, str, str, str]

_BLANKS = re.compile(r"[ \t]+")  # no-break spaces are parts of words


class WordPair(NamedTuple):
    """Two words and a human rating of their similarity."""

    word1: str
    word2: str
    score: float


def _lines(
    source: StrPath | Iterable[str], encoding: str, errors: str
) -> Iterator[tuple[str | None, int, str]]:
    """Yield file name (None for lines in memory), line number and line, without blank lines."""
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        for number, line in text_lines(name, encoding=encoding, errors=errors):
            yield name, number, line.strip()
        return
    if not isinstance(source, Iterable):
        raise TypeError(f"expected a path or lines of text, got {shown(source)}")
    for number, line in enumerate(source, 1):
        if not isinstance(line, str):
            raise TypeError(f"expected a path or lines of text, got {shown(line)} as line {number}")
        if stripped := line.strip():
            yield None, number, stripped


def read_word_pairs(
    source: StrPath | Iterable[str], *, encoding: str = "utf-8", errors: str = "strict"
) -> list[WordPair]:
    """Read word pairs with scores.

    Parameters
    ----------
    source : path or iterable of str
        A file (compressed or not), or its lines: ``word1 word2 score``, separated by tabs or
        else by spaces. Additional columns, empty lines, and lines that start with ``#`` are
        ignored.
    encoding, errors : str
        Encoding of the file, and handling of bytes that can't be decoded, as for `corpora.open`.

    Returns
    -------
    list of WordPair
        In the order of the file.

    Raises
    ------
    CorpusError
        A `ValueError`: if a line has fewer than three columns, or the third column is not a
        finite number.
    """
    pairs = []
    for path, number, line in _lines(source, encoding, errors):
        if line.startswith("#"):
            continue
        columns = line.split("\t") if "\t" in line else _BLANKS.split(line)
        words = [column.strip() for column in columns[:2]]
        try:
            score = float(columns[2])
        except (IndexError, ValueError):
            score = math.nan
        if not all(words) or not math.isfinite(score):
            raise CorpusError(
                f"expected 'word1 word2 score', got {line[:80]!r}", path=path, line=number
            )
        pairs.append(WordPair(words[0], words[1], score))
    return pairs


def read_analogies(
    source: StrPath | Iterable[str], *, encoding: str = "utf-8", errors: str = "strict"
) -> dict[str, list[Question]]:
    """Read analogy questions in the format of word2vec's ``questions-words.txt``.

    Parameters
    ----------
    source : path or iterable of str
        A file (compressed or not), or its lines. A line ``: name`` starts a section; any other
        line has four words: a is to b as c is to d. Empty lines are ignored.
    encoding, errors : str
        Encoding of the file, and handling of bytes that can't be decoded, as for `corpora.open`.

    Returns
    -------
    dict of str to list of (str, str, str, str)
        The questions by section, in the order of the file.

    Raises
    ------
    CorpusError
        A `ValueError`: if a line does not have four words, or a question precedes the first
        section.

    Notes
    -----
    T. Mikolov, K. Chen, G. Corrado, J. Dean (2013), arXiv:1301.3781.
    """
    sections: dict[str, list[Question]] = {}
    questions: list[Question] | None = None
    for path, number, line in _lines(source, encoding, errors):
        if line.startswith(":"):
            questions = sections.setdefault(line.lstrip(": "), [])
            continue
        words = _BLANKS.split(line)
        if len(words) != 4:
            raise CorpusError(
                f"expected a question of 4 words, got {len(words)}: {line[:80]!r}",
                path=path,
                line=number,
            )
        if questions is None:
            raise CorpusError(
                "expected a line ': section' before the first question", path=path, line=number
            )
        questions.append((words[0], words[1], words[2], words[3]))
    return sections


def read_bats(
    paths: Iterable[StrPath], *, encoding: str = "utf-8", errors: str = "strict"
) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Read relations of the Bigger Analogy Test Set.

    Parameters
    ----------
    paths : iterable of path
        One file per relation, with lines of ``word <tab> answer/answer/...``.
    encoding, errors : str
        Encoding of the file, and handling of bytes that can't be decoded, as for `corpora.open`.

    Returns
    -------
    dict of str to list of (str, tuple of str)
        Pairs of a word and its accepted answers, by relation (file name without suffix).

    Raises
    ------
    CorpusError
        A `ValueError`: if a line does not have two columns.

    Notes
    -----
    A. Gladkova, A. Drozd, S. Matsuoka (2016), NAACL Student Research Workshop.
    """
    relations: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for relation in paths:
        pairs = []
        for path, number, line in _lines(relation, encoding, errors):
            word, *answers = line.split("\t", 1) if "\t" in line else _BLANKS.split(line, 1)
            if not (word and answers and answers[0]):
                raise CorpusError(
                    f"expected 'word answers', got {line[:80]!r}", path=path, line=number
                )
            pairs.append((word, tuple(answers[0].split("/"))))
        relations[Path(relation).name.split(".txt")[0]] = pairs
    return relations
