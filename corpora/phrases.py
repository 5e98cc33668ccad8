"""Phrases: join pairs of words that often occur together."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

from corpora.checks import (
    ParameterError,
    check_choice,
    check_number,
    shown,
    word_list,
)
from corpora.corpus import Corpus, Source
from corpora.corpus import open as open_corpus
from corpora.errors import NotReiterableError, warn
from corpora.readers import BREAK, with_breaks

__all__ = ["phrases"]

logger = logging.getLogger(__name__)


def phrases(
    corpus: Corpus | Source,
    *,
    min_count: float = 5,
    threshold: float = 10.0,
    scoring: str = "default",
    delimiter: str = "_",
    connector_words: frozenset[str] = frozenset(),
) -> Corpus:
    """Join pairs of words that often occur together, as in "new_york".

    Phrases are learned in one pass with gensim's Phrases. Apply this function again to the
    result for phrases of three or four words.

    Parameters
    ----------
    corpus : Corpus, path or iterable of documents
        Corpus to learn phrases from, and to apply them to.
    min_count : float, default 5
        Ignore words and pairs that occur less often.
    threshold : float, default 10.0
        Minimum score of a pair; a higher threshold gives fewer phrases.
    scoring : {"default", "npmi"}, default "default"
        Score of a pair; "npmi" is between -1 and 1.
    delimiter : str, default "_"
        String between the words of a phrase.
    connector_words : frozenset of str, optional
        Words that may occur within a phrase without being counted, such as "of" and "the".

    Returns
    -------
    Corpus
        The corpus with phrases joined, in each pass.

    Raises
    ------
    NotReiterableError
        If `corpus` can be read only once.
    """
    check_number("min_count", min_count, 0, above=True)
    if not isinstance(threshold, Real) or math.isnan(threshold):
        raise ParameterError(f"threshold must be a number, got {shown(threshold)}")
    check_choice("scoring", scoring, ("default", "npmi"))
    if not isinstance(delimiter, str):
        raise ParameterError(f"delimiter must be a str, got {shown(delimiter)}")
    corpus = open_corpus(corpus)
    if not corpus.reiterable:
        raise NotReiterableError(
            f"learning phrases needs a separate pass, but {corpus.source} can be read only once; "
            "use a list, an object with __iter__, or a file"
        )
    from gensim.models.phrases import Phrases

    started = time.perf_counter()
    learned = Phrases(
        (sentence for document in corpus for sentence in _sentences(document)),
        min_count=min_count,
        threshold=threshold,
        scoring=scoring,
        delimiter=delimiter,
        connector_words=frozenset(word_list("connector_words", connector_words)),
    )
    model = learned.freeze()
    logger.info(
        "learned %d phrases from %s in %.1f s",
        len(model.phrasegrams),
        corpus.source,
        time.perf_counter() - started,
    )
    if not model.phrasegrams:
        warn(
            f"no phrases were found in {corpus.source} with min_count={min_count:g} and "
            f"threshold={threshold:g}: lower them, or leave the search for phrases out"
        )
    return corpus.map(_JoinPhrases(model))


@dataclass(frozen=True)
class _JoinPhrases:
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
