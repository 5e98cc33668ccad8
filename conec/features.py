"""Features of tokens, which extended Context Encoders take as inputs beside context words.

"There is no reason why this input vector should not contain other features about the target
word as well" (thesis, section 7.1): its case, its part of speech, its position, its letters.
A feature is a function from a sentence to names, any number for each token; each name that
training saw gets a row of weights. Any callable of that form is one::

    def in_list(sentence):  # a gazetteer
        return [["city"] if token in CITIES else [] for token in sentence.tokens]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from conec.config import check_integer
from conec.types import JSON, FloatArray, IntArray
from corpora import BREAK

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


# Descriptions, for files

BUILT_IN: dict[str, type] = {
    kind.__name__: kind for kind in (Case, Shape, PartOfSpeech, Affixes, CharNgrams, Position)
}


def name_of(feature: Any) -> str:
    """The name of a feature of the user's: its `name`, or that of its function or class."""
    return str(getattr(feature, "name", None) or getattr(feature, "__name__", None)
               or type(feature).__name__)  # fmt: skip


def describe(feature: Any) -> JSON:
    """As plain data, for JSON: built-in features whole, others by their name."""
    if type(feature) not in BUILT_IN.values():
        return {"custom": name_of(feature)}
    values = {f.name: getattr(feature, f.name) for f in fields(feature)}
    if isinstance(feature, Position) and feature.of is not None:
        values["of"] = describe(feature.of)
    return {"kind": type(feature).__name__, **values}


def restore(description: Any, given: Mapping[str, Feature]) -> Feature:
    """Make a feature of what `describe` gave.

    Parameters
    ----------
    description : dict
    given : mapping of str to feature
        The user's features, by their names.

    Raises
    ------
    KeyError
        If the user's feature was not given; its name.
    TypeError, ValueError
        If the description is damaged.
    """
    if not isinstance(description, dict):
        raise TypeError(f"{description!r} describes no feature")
    if "custom" in description:
        return given[description["custom"]]
    values = dict(description)
    kind = values.pop("kind", None)
    if kind not in BUILT_IN:
        raise ValueError(f"there is no feature {kind!r}")
    if values.get("of") is not None:
        values["of"] = restore(values["of"], given)
    feature: Feature = BUILT_IN[kind](**values)
    return feature


# The vocabulary of names, and sparse rows


class FeatureRows(NamedTuple):
    """Features of tokens as a sparse matrix in CSR form.

    Attributes
    ----------
    indptr : int64 array of shape (n + 1,)
    indices : int32 array
    values : float32 array
    """

    indptr: npt.NDArray[np.int64]
    indices: IntArray
    values: FloatArray


class FeatureVocabulary:
    """The names that features give, and their rows.

    The n names that a feature gives a token weigh 1/√n each, whether they are known or not:
    no feature outweighs others by giving many.

    Parameters
    ----------
    features : sequence of features
    names : iterable of str
        Row by row, each with the number of its feature before it: ``"0:title"``.
    counts : iterable of int
        Tokens that had each.
    """

    def __init__(
        self, features: Sequence[Feature], names: Iterable[str] = (), counts: Iterable[int] = ()
    ) -> None:
        for feature in features:
            if not callable(feature):
                raise TypeError(f"a feature is a function of a sentence, not {feature!r}")
        self.features = tuple(features)
        self.names = list(names)
        self.counts = np.array(list(counts), np.int64)
        self.index = {name: i for i, name in enumerate(self.names)}
        if len(self.index) != len(self.names) or len(self.counts) != len(self.names):
            raise ValueError("features have other names than counts, or one twice")

    def __len__(self) -> int:
        return len(self.names)

    def of(self, sentence: Sentence) -> Iterator[list[list[str]]]:
        """For each token, the names that each feature gives it.

        Raises
        ------
        ValueError
            If a feature does not give as many sequences as there are tokens.
        """
        columns: list[list[list[str]]] = []
        for number, feature in enumerate(self.features):
            given = feature(sentence)
            if len(given) != len(sentence.tokens):
                raise ValueError(
                    f"the feature {name_of(feature)} gives names for {len(given)} tokens of a "
                    f"sentence that has {len(sentence.tokens)}"
                )
            columns.append([[f"{number}:{name}" for name in names] for names in given])
        for i in range(len(sentence.tokens)):
            yield [column[i] for column in columns]

    def merged(self, counts: Mapping[str, int], min_count: int) -> FeatureVocabulary:
        """Add counts, and names that are frequent enough after those at hand."""
        total = Counter(dict(zip(self.names, self.counts.tolist(), strict=True)))
        total.update(counts)
        new = sorted(
            (name for name, n in counts.items() if n >= min_count and name not in self.index),
            key=lambda name: (-counts[name], name),
        )
        names = [*self.names, *new]
        return FeatureVocabulary(self.features, names, (total[name] for name in names))

    def encode(self, text: Iterable[Sentence]) -> FeatureRows:
        """Rows of all tokens; names that are not known are left out."""
        ends, indices, values = [0], list[int](), list[float]()
        for sentence in text:
            for groups in self.of(sentence):
                for names in groups:
                    known = [self.index[name] for name in names if name in self.index]
                    indices += known
                    values += [len(names) ** -0.5] * len(known)
                ends.append(len(indices))
        return FeatureRows(
            np.array(ends, np.int64), np.array(indices, np.int32), np.array(values, np.float32)
        )
