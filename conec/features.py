"""Features of tokens, as additional inputs of an `ExtendedContextEncoder`.

"There is no reason why this input vector should not contain other features about the target
word as well" (thesis, section 7.1): its case, part of speech, position or letters.
A feature is a function that takes a sentence and returns a list of names for each token; each
name that occurs in training has a row of weights. Custom features are functions of this form::

    def in_list(sentence):  # a gazetteer
        return [["city"] if token in CITIES else [] for token in sentence.tokens]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, cast
from unicodedata import category

from corpora import BREAK
from corpora.checks import check_flag, check_integer, shown, token_list

__all__ = [
    "Affixes", "Case", "CharNgrams", "Feature", "PartOfSpeech", "Position", "Sentence", "Shape",
    "sentences", "without_marks",
]  # fmt: skip

Clean: TypeAlias = "Callable[[str], str]"
TokenRows: TypeAlias = "Sequence[Sequence[str]]"
"""A sentence: the columns of each token, the token itself first."""
Document: TypeAlias = "Sequence[str] | Sequence[TokenRows]"
"""Tokens with breaks between sentences, or sentences of rows as `Corpus.tagged` yields them."""


class Sentence(NamedTuple):
    """A sentence, the argument of a feature.

    Attributes
    ----------
    tokens : list of str
        The raw tokens of the text.
    words : list of str
        The tokens in the form in which the vocabulary has them.
    rows : sequence of sequences of str
        All columns of each token, the token itself first.
    """

    tokens: list[str]
    words: list[str]
    rows: TokenRows


class Feature(Protocol):
    """A function that takes a sentence and returns a list of names for each token."""

    def __call__(self, sentence: Sentence, /) -> Sequence[Sequence[str]]:
        """Return one sequence of names per token; it may be empty."""


def sentences(
    document: Document, clean: Clean | None = None, where: str = "the document"
) -> list[Sentence]:
    """Split a document into sentences.

    Parameters
    ----------
    document : sequence
        Tokens with breaks between sentences, or sentences of rows.
    clean : callable, optional
        Function from a token to its form in the vocabulary. A token for which it returns "" is
        left unchanged, because an empty token marks a break.
    where : str
        The document in messages, such as "document 3".

    Raises
    ------
    TypeError
        If the document is a string or mixes both forms, a sentence is not a list of rows, or a
        token is not a string.
    """
    if isinstance(document, Iterator):
        raise TypeError(
            f"{where} is a {type(document).__name__}, which can be read only once. Pass lists"
        )
    parts: list[list[tuple[str, ...]]]
    if isinstance(document, (list, tuple)) and document and not _has_tokens(document):
        parts = [
            [row for row in _rows(rows, f"{where}, sentence {number}") if row[0] != BREAK]
            for number, rows in enumerate(cast("Sequence[TokenRows]", document))
        ]
    else:
        parts = [[]]
        for token in token_list(document, where, surrogates=True):
            if token == BREAK:
                parts.append([])
            else:
                parts[-1].append((token,))
    result = []
    for rows in parts:
        tokens = [row[0] for row in rows]
        words = tokens
        if clean is not None:
            cleaned = [clean(token) or token for token in tokens]
            words = token_list(cleaned, f"the result of clean for {where}", surrogates=True)
        result.append(Sentence(tokens, words, rows))
    return result


def _has_tokens(document: Sequence[object]) -> bool:
    """Whether a document has tokens, and not sentences of rows; not all of them may be valid."""
    return any(isinstance(item, str) for item in document) or not all(
        isinstance(item, (list, tuple)) for item in document
    )


def _rows(sentence: TokenRows, where: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for number, row in enumerate(sentence):
        if isinstance(row, str) or not isinstance(row, Iterable) or not row:
            raise TypeError(
                f"{where}, row {number}: expected the columns of a token, such as "
                f"('London', 'NNP'), got {shown(row)}"
            )
        rows.append(tuple(token_list(row, f"{where}, row {number}", surrogates=True)))
    return rows


# Features


@dataclass(frozen=True)
class Case:
    """Capitalization of a token: upper, title, lower, mixed, digits or other.

    Parameters
    ----------
    mark_first : bool
        Distinguish the first token of a sentence, whose case is less informative.
    """

    mark_first: bool = True

    def __post_init__(self) -> None:
        check_flag("mark_first", self.mark_first)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """Return one name per token."""
        first = " first" if self.mark_first else ""
        return [[_case(t) + ("" if i else first)] for i, t in enumerate(sentence.tokens)]


def without_marks(token: str) -> str:
    """Remove combining marks and joiners, which belong to the letter before them."""
    if token.isascii():
        return token
    return "".join(c for c in token if category(c)[0] != "M" and c not in "\u200c\u200d")


def _case(token: str) -> str:
    token = without_marks(token)
    if token.isupper():
        return "upper" if len(token) > 1 else "letter"
    if token.islower():
        return "lower"
    if token[:1].isupper():
        return "title" if token.istitle() or token[1:].islower() else "title mixed"
    if any(c.isupper() for c in token):
        return "mixed"
    return "digits" if any(c.isdigit() for c in token) else "other"


@dataclass(frozen=True)
class Shape:
    """Shape of a token: X for capitals, x for other letters, d for digits.

    Parameters
    ----------
    longest : int
        Maximum length of a run of the same character.
    """

    longest: int = 2

    def __post_init__(self) -> None:
        check_integer("longest", self.longest, 1, 1 << 10)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """Return one name per token."""
        return [[self._of(token)] for token in sentence.tokens]

    def _of(self, token: str) -> str:
        shape: list[str] = []
        for c in without_marks(token):
            sign = "X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c
            if shape[-self.longest :] != [sign] * self.longest:
                shape.append(sign)
        return "".join(shape)


@dataclass(frozen=True)
class PartOfSpeech:
    """A column of the token's row, such as its part of speech.

    Parameters
    ----------
    column : int
        Index of the column; 0 is the token itself.
    """

    column: int = 1

    def __post_init__(self) -> None:
        check_integer("column", self.column, 1)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """Return one name per token; ValueError if a row does not have the column."""
        for row in sentence.rows:
            if len(row) <= self.column:
                raise ValueError(
                    f"{row[0]!r} has no column {self.column}, which {self} reads. Pass documents "
                    "as sentences of rows, such as [('London', 'NNP'), ('calls', 'VBZ')]"
                )
        return [[row[self.column]] for row in sentence.rows]


@dataclass(frozen=True)
class Affixes:
    """Prefixes and suffixes of a word.

    Parameters
    ----------
    lengths : tuple of int
    """

    lengths: tuple[int, ...] = (1, 2, 3, 4)

    def __post_init__(self) -> None:
        lengths = tuple(check_integer("lengths", n, 1) for n in self.lengths)
        object.__setattr__(self, "lengths", lengths)  # JSON gives a list

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """Return two names per token for each length."""
        return [
            [a for n in self.lengths if n <= len(word) for a in (f"{word[:n]}-", f"-{word[-n:]}")]
            for word in sentence.words
        ]


@dataclass(frozen=True)
class CharNgrams:
    """Character n-grams, with < and > for the ends of a word, as in fastText.

    Parameters
    ----------
    min_n, max_n : int
        Smallest and largest n.
    buckets : int, optional
        Hash n-grams into this many buckets; by default each n-gram has its own row.
    """

    min_n: int = 3
    max_n: int = 6
    buckets: int | None = None

    def __post_init__(self) -> None:
        check_integer("min_n", self.min_n, 1)
        check_integer("max_n", self.max_n, self.min_n)
        if self.buckets is not None:
            check_integer("buckets", self.buckets, 1)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """Return the n-grams of each token."""
        by_word: dict[str, list[str]] = {}
        for word in sentence.words:
            if word not in by_word:
                by_word[word] = self._of(f"<{word}>")
        return [by_word[word] for word in sentence.words]

    def _of(self, word: str) -> list[str]:
        from zlib import crc32  # the same in every process, unlike hash()

        grams = [
            word[i : i + n]
            for n in range(self.min_n, min(self.max_n, len(word)) + 1)
            for i in range(len(word) - n + 1)
        ]
        if self.buckets is None:
            return grams
        return [str(crc32(g.encode("utf-8", "surrogatepass")) % self.buckets) for g in grams]


@dataclass(frozen=True)
class Position:
    """Neighboring words with their relative positions: the word before, the word after, ...

    Parameters
    ----------
    window : int
        Number of neighbors on each side.
    of : feature, optional
        Name neighbors by this feature; by default they are named by their words.
    """

    window: int = 1
    of: Feature | None = None

    def __post_init__(self) -> None:
        check_integer("window", self.window, 1, 1 << 10)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """Return the names of each token's neighbors, prefixed with their relative positions."""
        words = sentence.words
        names = [[word] for word in words] if self.of is None else self.of(sentence)
        result = []
        for i in range(len(words)):
            neighbors: list[str] = []
            for step in range(-self.window, self.window + 1):
                if 0 <= i + step < len(words) and step:
                    neighbors += [f"{step:+d} {name}" for name in names[i + step]]
                elif step:
                    neighbors.append(f"{step:+d}")  # beyond the sentence
            result.append(neighbors)
        return result
