"""Tokenizers by name, and sentence splitting; nothing has to be downloaded."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from corpora.deprecated import deprecated_names

__all__ = ["TOKENIZERS", "Tokenizer", "split_sentences", "tokenizer"]

__getattr__ = deprecated_names(__name__, {"phrases": "corpora.phrases.phrases"})

Tokenize = Callable[[str], list[str]]

TOKENIZERS = ("whitespace", "treebank", "tweet", "regexp")
"""Names of the available tokenizers."""

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
    pattern: str = r"\w+"

    def __call__(self, text: str) -> list[str]:
        """Split a text into tokens."""
        if self.name == "whitespace":
            return text.split()
        tokenize = _load(self.name, self.pattern)
        if self.name == "treebank":
            # The Treebank rules separate a full stop only at the end of a text.
            return [token for sentence in split_sentences(text) for token in tokenize(sentence)]
        return tokenize(text)


def tokenizer(name: str | Tokenize = "whitespace", *, pattern: str = r"\w+") -> Tokenize:
    r"""Look up a tokenizer by name.

    Parameters
    ----------
    name : str or callable, default "whitespace"
        "whitespace" (:meth:`str.split`), "treebank" (NLTK's improved Treebank rules, sentence by
        sentence), "tweet" (NLTK's tweet tokenizer, which keeps emoticons, hashtags and handles),
        or "regexp" (all matches of `pattern`). A function that takes a text and returns its
        tokens is returned unchanged.
    pattern : str, default r"\w+"
        For "regexp": the pattern of a token.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists all names.
    """
    if callable(name):
        return name
    if name not in TOKENIZERS:
        raise ValueError(f"unknown tokenizer {name!r}; the tokenizers are: {', '.join(TOKENIZERS)}")
    return Tokenizer(name, pattern)


@functools.lru_cache(maxsize=8)
def _load(name: str, pattern: str) -> Tokenize:
    if name == "regexp":
        # Like NLTK's RegexpTokenizer, but NLTK takes seconds to import; and a token is the whole
        # match even if the pattern has groups.
        find = re.compile(pattern, re.MULTILINE | re.DOTALL).finditer
        return lambda text: [match[0] for match in find(text)]
    from nltk import tokenize

    loaded = tokenize.NLTKWordTokenizer() if name == "treebank" else tokenize.TweetTokenizer()
    function: Tokenize = loaded.tokenize
    return function


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
