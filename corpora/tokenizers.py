"""Tokenisers by name, sentences and phrases; none needs a download."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corpora.errors import NotReiterableError
from corpora.readers import BREAK, with_breaks

if TYPE_CHECKING:
    from corpora.corpus import Corpus

__all__ = ["TOKENIZERS", "Tokenizer", "phrases", "split_sentences", "tokenizer"]

Tokenize = Callable[[str], list[str]]

TOKENIZERS = ("whitespace", "treebank", "tweet", "regexp")
"""The names that :func:`tokenizer` knows."""

# The sentence splitter learns abbreviations from a corpus; these are for when
# there is none to learn from.
_ABBREVIATIONS = """
    mr mrs ms dr prof st sr jr rev hon gen col capt lt sgt gov sen rep pres vs etc e.g i.e cf al
    inc ltd co corp dept univ assn bros no vol ed eds pp approx u.s u.k u.n d.c a.m p.m ph.d b.c
    a.d jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
"""


@dataclass(frozen=True)
class Tokenizer:
    r"""A named tokeniser; see :func:`tokenizer`.

    Parameters
    ----------
    name : str
        One of :data:`TOKENIZERS`.
    pattern : str, default r"\w+"
        For "regexp", what a token looks like.
    """

    name: str = "whitespace"
    pattern: str = r"\w+"

    def __call__(self, text: str) -> list[str]:
        """Cut one text into tokens."""
        if self.name == "whitespace":
            return text.split()
        tokenize = _load(self.name, self.pattern)
        if self.name == "treebank":
            # The Treebank rules take the full stop off at the end of a text only.
            return [token for part in split_sentences(text) for token in tokenize(part)]
        return tokenize(text)


def tokenizer(name: str | Tokenize = "whitespace", *, pattern: str = r"\w+") -> Tokenize:
    r"""Look up a tokeniser.

    Parameters
    ----------
    name : str or callable, default "whitespace"
        "whitespace" (:meth:`str.split`), "treebank" (NLTK's improved Treebank
        rules, sentence by sentence), "tweet" (NLTK's, keeps emoticons, tags
        and handles), "regexp" (all matches of `pattern`); or a function from a
        text to its tokens, which is returned as it is.
    pattern : str, default r"\w+"
        For "regexp", what a token looks like.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists those there are.
    """
    if callable(name):
        return name
    if name not in TOKENIZERS:
        raise ValueError(f"unknown tokeniser {name!r}; they are: {', '.join(TOKENIZERS)}")
    return Tokenizer(name, pattern)


@functools.lru_cache(maxsize=8)
def _load(name: str, pattern: str) -> Tokenize:
    if name == "regexp":
        # Much as NLTK's RegexpTokenizer, without the seconds that NLTK takes to
        # load; and a group in the pattern does not change what a token is.
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
    """Cut a text into sentences.

    NLTK's Punkt rules with a fixed list of common English abbreviations in
    place of a trained model, so that nothing has to be downloaded. Each line
    of the text is cut by itself: a line end always ends a sentence.
    """
    splitter = _sentence_splitter()
    sentences: list[str] = []
    for line in text.split("\n"):
        sentences += splitter.tokenize(line)
    return sentences


@dataclass(frozen=True)
class _Joined:
    """Joins the phrases in a document, sentence by sentence."""

    model: Any

    def __call__(self, tokens: list[str]) -> list[str]:
        if BREAK not in tokens:
            return list(self.model[tokens])
        return with_breaks(self.model[sentence] for sentence in _sentences(tokens))


def _sentences(tokens: list[str]) -> Iterator[list[str]]:
    start = 0
    for position, token in enumerate(tokens):
        if token == BREAK:
            yield tokens[start:position]
            start = position + 1
    yield tokens[start:]


def phrases(
    corpus: Corpus,
    *,
    min_count: float = 5,
    threshold: float = 10.0,
    scoring: str = "default",
    delimiter: str = "_",
    connector_words: frozenset[str] = frozenset(),
) -> Corpus:
    """Join pairs of words that go together often, as in "new_york".

    Learns in one pass, with gensim's Phrases; apply it again to the result
    for phrases of three words and four.

    Parameters
    ----------
    corpus : Corpus
        The corpus to learn from, which is also the one to be joined.
    min_count : float, default 5
        Leave out words and pairs with fewer occurrences.
    threshold : float, default 10.0
        The score that a pair must exceed; higher gives fewer phrases.
    scoring : {"default", "npmi"}, default "default"
        How pairs are scored; "npmi" lies between -1 and 1.
    delimiter : str, default "_"
        What joins the words.
    connector_words : frozenset of str, optional
        Words that phrases may have inside, uncounted, such as "of" and "the".

    Returns
    -------
    Corpus
        The same corpus with joined words, joined anew in each pass.

    Raises
    ------
    NotReiterableError
        If `corpus` can be read only once.
    """
    if not corpus.reiterable:
        raise NotReiterableError(
            f"phrases are learnt in a pass of their own, but {corpus.source} can be read only "
            "once; use a list, a class with __iter__, or a file"
        )
    from gensim.models.phrases import Phrases

    learnt = Phrases(
        (sentence for document in corpus for sentence in _sentences(document)),
        min_count=min_count,
        threshold=threshold,
        scoring=scoring,
        delimiter=delimiter,
        connector_words=connector_words,
    )
    return corpus.map(_Joined(learnt.freeze()))
