"""Tokenizers by name, and sentence splitting; nothing has to be downloaded."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from corpora.checks import ParameterError, shown
from corpora.deprecated import deprecated_names

__all__ = ["TOKENIZERS", "Tokenizer", "split_sentences", "tokenizer"]

__getattr__ = deprecated_names(__name__, {"phrases": "corpora.phrases.phrases"})

Tokenize = Callable[[str], list[str]]

TOKENIZERS = ("whitespace", "treebank", "tweet", "regexp")
"""Names of the available tokenizers."""

# The default of "regexp". Python's \\w matches neither combining marks nor joiners.
_WORD = r"\w+"
_UNICODE_WORD = r"""(?x)
    [\p{L}\p{N}_]
    (?: [\p{L}\p{N}_\p{M}\u200D]                               # U+200D: zero-width joiner
      | [\u200C\u00AD\u2060]++ (?=[\p{L}\p{N}_\p{M}\u200D])  # non-joiner, soft hyphen, word joiner
    )*+"""
# Text without marks and joiners: ASCII, and accented Latin, Greek, Cyrillic and Armenian letters.
_WITHOUT_MARKS = re.compile(
    "[\x00-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0590\u1e00-\u200b\u200e-\u205f\u2070-\u20cf"
    "\u2100-\u2cee]*"
)

# NLTK's sentence splitter learns abbreviations from a corpus; these replace a trained model.
_ABBREVIATIONS = """
    mr mrs ms dr prof st sr jr rev hon gen col capt lt sgt gov sen rep pres vs etc e.g i.e cf al
    inc ltd co corp dept univ assn bros no vol ed eds pp approx u.s u.k u.n d.c a.m p.m ph.d b.c
    a.d jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
"""


@dataclass(frozen=True)
class Tokenizer:
    r"""A tokenizer with a name; see :func:`tokenizer`.

    Parameters
    ----------
    name : str
        One of :data:`TOKENIZERS`.
    pattern : str, default r"\w+"
        For "regexp": the pattern of a token.
    """

    name: str = "whitespace"
    pattern: str = _WORD

    def __call__(self, text: str) -> list[str]:
        """Split a text into tokens."""
        if self.name == "whitespace":
            return text.split()
        tokenize = _load(self.name, self.pattern)
        if self.name == "treebank":
            # The Treebank rules separate a full stop only at the end of a text.
            return [token for sentence in split_sentences(text) for token in tokenize(sentence)]
        return tokenize(text)


def tokenizer(name: str | Tokenize = "whitespace", *, pattern: str = _WORD) -> Tokenize:
    r"""Look up a tokenizer by name.

    Parameters
    ----------
    name : str or callable, default "whitespace"
        "whitespace" (:meth:`str.split`), "treebank" (NLTK's improved Treebank rules, sentence by
        sentence), "tweet" (NLTK's tweet tokenizer, which keeps emoticons, hashtags and handles),
        or "regexp" (all matches of `pattern`). A function that takes a text and returns its
        tokens is returned unchanged.
    pattern : str, default r"\w+"
        For "regexp": the pattern of a token. The default finds words of letters, digits and ``_``.
        In it, and in other patterns with ``\w``, marks and joiners stay with their letter as in
        Unicode text segmentation (UAX #29): vowel signs and viramas of Indic scripts, vowels of
        Arabic and Hebrew, accents in decomposed text. Text in scripts without spaces between
        words, such as Chinese, Japanese and Thai, must be segmented first, or by a function.

    Raises
    ------
    ValueError
        If the name is unknown (the message lists all names), or the pattern is invalid.
    """
    if callable(name):
        return name
    if name not in TOKENIZERS:
        raise ValueError(f"unknown tokenizer {name!r}; the tokenizers are: {', '.join(TOKENIZERS)}")
    if name == "regexp":
        _check_pattern(pattern)
    return Tokenizer(name, pattern)


def _check_pattern(pattern: str) -> None:
    import regex

    if not isinstance(pattern, str):
        raise ParameterError(f"pattern must be a regular expression, got {shown(pattern)}")
    try:
        re.compile(pattern)
        regex.compile(pattern)
    except (re.error, regex.error) as error:
        raise ValueError(
            f"pattern must be a regular expression, got {pattern!r}: {error}"
        ) from None


@functools.lru_cache(maxsize=8)
def _load(name: str, pattern: str) -> Tokenize:
    if name == "regexp":
        return _regexp(pattern)
    from nltk import tokenize

    if name == "treebank":
        function: Tokenize = tokenize.NLTKWordTokenizer().tokenize
        return function
    tweet = tokenize.TweetTokenizer().tokenize
    return lambda text: [token for piece in _pieces(text) for token in _scalars(tweet(piece))]


def _regexp(pattern: str) -> Tokenize:
    # Like NLTK's RegexpTokenizer, but NLTK takes seconds to import; and a token is the whole match
    # even if the pattern has groups. Python's engine is the faster one; without marks the results
    # are equal.
    import regex

    find = re.compile(pattern, re.MULTILINE | re.DOTALL).finditer
    find_with_marks = regex.compile(
        _UNICODE_WORD if pattern == _WORD else pattern, regex.MULTILINE | regex.DOTALL
    ).finditer

    def tokenize(text: str) -> list[str]:
        with_marks = not (text.isascii() or _WITHOUT_MARKS.fullmatch(text))
        matches = (find_with_marks if with_marks else find)(text)
        # a pattern such as "a*" also matches between characters; these are not tokens
        return [match[0] for match in matches if match[0]]

    return tokenize


# Characters passed to NLTK's tweet tokenizer at a time; its pattern takes quadratic time.
_PIECE = 1000
# Where a text can be cut, best first; only the last may be within a token
_CUTS = (
    re.compile(r"(?s:.*)(?:\n|(?<=[^\W\d_])\s(?=[^\W\d_]))"),
    re.compile(r"(?s:.*)\s"),
    re.compile(r"(?s:.*)\W(?=\w)"),
)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces of limited length, between letters that are separated by a space.

    The tokenizer's tokens contain spaces only after digits or dots, so tokens stay whole. A token
    may be cut only if there is no such place in a thousand characters.
    """
    start = 0
    while len(text) - start > _PIECE:
        cuts = (pattern.match(text, start, start + _PIECE) for pattern in _CUTS)
        stop = next((cut.end() for cut in cuts if cut), start + _PIECE)
        yield text[start:stop]
        start = stop
    yield text[start:]


def _scalars(tokens: list[str]) -> list[str]:
    """Replace halves of surrogate pairs, which result from references such as ``&#55296;``."""
    if "".join(tokens).isascii():
        return tokens
    return [re.sub("[\ud800-\udfff]", "\ufffd", token) for token in tokens]


@functools.lru_cache(maxsize=1)
def _sentence_splitter() -> Any:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types = set(_ABBREVIATIONS.split())
    return PunktSentenceTokenizer(parameters)


def split_sentences(text: str) -> list[str]:
    """Split a text into sentences.

    Uses NLTK's Punkt rules with a fixed list of common English abbreviations in place of a
    trained model, which would have to be downloaded. A line end always ends a sentence.
    """
    splitter = _sentence_splitter()
    sentences: list[str] = []
    for line in text.split("\n"):
        sentences += splitter.tokenize(line)
    return sentences
