"""Words of a text with the relevance of what they stand for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

_WORD = re.compile(r"\w+(?:['’]\w+)*")


class Piece(NamedTuple):
    """A word, or what is between words."""

    text: str
    relevance: float


def colour_words(
    text: str,
    relevances: Mapping[str, float],
    analyzer: Callable[[str], Sequence[str]] | None = None,
) -> list[Piece]:
    """Cut a text into words and what is between them, each with a relevance.

    A feature's relevance is shared evenly among the words that stand for it, so that words
    sum to what they explain.

    Parameters
    ----------
    text : str
    relevances : mapping from str to float
        Of features by name.
    analyzer : callable, optional
        From a word to names of features; by default the word in lower case.

    Returns
    -------
    list of Piece
        Their texts together are the text.
    """
    of_word = analyzer or (lambda word: [word.lower()])
    places = [(m.start(), m.end(), of_word(m.group())) for m in _WORD.finditer(text)]
    times = Counter(name for _, _, names in places for name in names)
    pieces, end = [], 0
    for start, stop, names in places:
        if start > end:
            pieces.append(Piece(text[end:start], 0.0))
        shares = (relevances.get(name, 0.0) / times[name] for name in names)
        pieces.append(Piece(text[start:stop], float(sum(shares))))
        end = stop
    if end < len(text):
        pieces.append(Piece(text[end:], 0.0))
    return pieces
