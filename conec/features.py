"""Features of tokens, which extended Context Encoders take as inputs beside context words.

"There is no reason why this input vector should not contain other features about the target
word as well" (thesis, section 7.1): its case, its part of speech, its position, its letters.
A feature is a function from a sentence to names, any number for each token; each name that
training saw gets a row of weights. Any callable of that form is one::

    def in_list(sentence):  # a gazetteer
        return [["city"] if token in CITIES else [] for token in sentence.tokens]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, cast

from corpora import BREAK
from corpora.checks import check_integer

Clean: TypeAlias = "Callable[[str], str]"
Rows: TypeAlias = "Sequence[Sequence[str]]"
"""A sentence: the columns of each token, the token itself first."""
Document: TypeAlias = "Sequence[str] | Sequence[Rows]"
"""Tokens with breaks between sentences, or sentences of rows as `Corpus.tagged` gives them."""


class Sentence(NamedTuple):
    """What features look at.

    Attributes
    ----------
    tokens : list of str
        As they stand in the text.
    words : list of str
        As the vocabulary has them.
    rows : sequence of sequences of str
        All columns of each token, the token itself first.
    """

    tokens: list[str]
    words: list[str]
    rows: Rows


class Feature(Protocol):
    """From a sentence to the names of each of its tokens."""

    def __call__(self, sentence: Sentence, /) -> Sequence[Sequence[str]]:
        """As many sequences of names as the sentence has tokens; they may be empty."""


def sentences(document: Document, clean: Clean | None = None) -> list[Sentence]:
    """Cut a document into sentences.

    Parameters
    ----------
    document : sequence
        Tokens with breaks between sentences, or sentences of rows.
    clean : callable, optional
        From a token to the form that the vocabulary has. What it leaves nothing of stays as
        it is, as an empty token is a break.

    Raises
    ------
    TypeError
        If the document is a string, or mixes both forms.
    """
    if isinstance(document, str):
        raise TypeError("a document is a list of tokens or of sentences: use text.split()")
    flat = [isinstance(item, str) for item in document]
    if not any(flat):
        parts = [[tuple(row) for row in rows if row[0] != BREAK] for rows in _checked(document)]
    elif all(flat):
        parts = [[]]
        for token in cast("Sequence[str]", document):
            if token == BREAK:
                parts.append([])
            else:
                parts[-1].append((token,))
    else:
        raise TypeError("a document is a list of tokens or of sentences, not of both")
    result = []
    for rows in parts:
        tokens = [row[0] for row in rows]
        words = tokens if clean is None else [clean(token) or token for token in tokens]
        result.append(Sentence(tokens, words, rows))
    return result


def _checked(document: Document) -> Iterator[Rows]:
    for rows in document:
        for row in rows:
            if isinstance(row, str) or not row:
                raise TypeError(
                    "a sentence is a list of rows, each the columns of a token, such as "
                    f"('London', 'NNP'); {row!r} is none"
                )
        yield rows


# Features


@dataclass(frozen=True)
class Case:
    """How a token is capitalised: upper, title, lower, mixed, digits or other.

    Parameters
    ----------
    mark_first : bool
        Tell the first token of a sentence from others: its case says less.
    """

    mark_first: bool = True

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """One name for each token."""
        first = " first" if self.mark_first else ""
        return [[_case(t) + ("" if i else first)] for i, t in enumerate(sentence.tokens)]


def _case(token: str) -> str:
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
    """A token with X for capitals, x for other letters, d for digits.

    Parameters
    ----------
    longest : int
        Runs of a sign are cut to so many.
    """

    longest: int = 2

    def __post_init__(self) -> None:
        check_integer("longest", self.longest, 1)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """One name for each token."""
        return [[self._of(token)] for token in sentence.tokens]

    def _of(self, token: str) -> str:
        shape: list[str] = []
        for c in token:
            sign = "X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c
            if shape[-self.longest :] != [sign] * self.longest:
                shape.append(sign)
        return "".join(shape)


@dataclass(frozen=True)
class PartOfSpeech:
    """What a column says of a token.

    Parameters
    ----------
    column : int
        The token itself is column 0.
    """

    column: int = 1

    def __post_init__(self) -> None:
        check_integer("column", self.column, 1)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """One name for each token; ValueError if rows lack the column."""
        for row in sentence.rows:
            if len(row) <= self.column:
                raise ValueError(
                    f"{row[0]!r} has no column {self.column}, which {self} reads: give documents "
                    "as sentences of rows, such as [('London', 'NNP'), ('calls', 'VBZ')]"
                )
        return [[row[self.column]] for row in sentence.rows]


@dataclass(frozen=True)
class Affixes:
    """The first and the last letters of a word.

    Parameters
    ----------
    lengths : tuple of int
    """

    lengths: tuple[int, ...] = (1, 2, 3, 4)

    def __post_init__(self) -> None:
        lengths = tuple(check_integer("lengths", n, 1) for n in self.lengths)
        object.__setattr__(self, "lengths", lengths)  # JSON gives a list

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """Two names for each length that a word has."""
        return [
            [a for n in self.lengths if n <= len(word) for a in (f"{word[:n]}-", f"-{word[-n:]}")]
            for word in sentence.words
        ]


@dataclass(frozen=True)
class CharNgrams:
    """Sequences of letters, with < and > for the ends of a word, as in fastText.

    Parameters
    ----------
    min_n, max_n : int
        Their lengths.
    buckets : int, optional
        Put them into so many buckets, by a checksum; by default each has a row of its own.
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
        """As many names for each token as its word has n-grams."""
        known: dict[str, list[str]] = {}
        for word in sentence.words:
            if word not in known:
                known[word] = self._of(f"<{word}>")
        return [known[word] for word in sentence.words]

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
    """Neighbours by their place: the word before, the word after, and so on.

    Parameters
    ----------
    window : int
        So many on either side.
    of : feature, optional
        Their names by this feature; by default neighbours are named by their words.
    """

    window: int = 1
    of: Feature | None = None

    def __post_init__(self) -> None:
        check_integer("window", self.window, 1)

    def __call__(self, sentence: Sentence, /) -> list[list[str]]:
        """The names of the neighbours, with their places."""
        words = sentence.words
        names = [[word] for word in words] if self.of is None else self.of(sentence)
        found = []
        for i in range(len(words)):
            own: list[str] = []
            for place in range(-self.window, self.window + 1):
                if 0 <= i + place < len(words) and place:
                    own += [f"{place:+d} {name}" for name in names[i + place]]
                elif place:
                    own.append(f"{place:+d}")  # beyond the sentence
            found.append(own)
        return found
