"""Standard features of a named-entity CRF: words, affixes, shapes, parts of speech, chunks.

The features of a token are strings such as ``word=London`` or ``pos[-1]=IN``: binary attributes
of the token and of the tokens around it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from conec.features import without_marks
from conec.ner.documents import Row

_DIGIT = re.compile(r"\d")
_REPEATED = re.compile(r"(.)\1+")
COLUMNS = ("word", "pos", "chunk")
"""Columns of a token that are used for features."""


def word_shape(word: str) -> str:
    """Replace capitals by X, other letters by x, digits by d; other characters stay.

    Combining marks belong to their letter.

    >>> word_shape("McDonald-97")
    'XxXxxxxx-dd'
    """
    return "".join(
        "X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c
        for c in without_marks(word)
    )


def short_shape(word: str) -> str:
    """Shape without repeated characters.

    >>> short_shape("McDonald-97")
    'XxXx-d'
    """
    return _REPEATED.sub(r"\1", word_shape(word))


def lower_with_zeros(word: str) -> str:
    """Convert to lower case, and each digit to 0."""
    return _DIGIT.sub("0", word.lower())


def standard_features(
    sentence: Sequence[Row], *, window: int = 2, affix: int = 4
) -> list[list[str]]:
    """Compute the features of the tokens of a sentence.

    Parameters
    ----------
    sentence : sequence of tuples of str
        Tokens: the word, optionally its part of speech, and its chunk. Further columns are
        ignored.
    window : int
        Number of tokens on each side whose attributes are included.
    affix : int
        Length of the longest prefix and suffix.

    Returns
    -------
    list of list of str
        For each token:

        - the word, its prefixes and suffixes in lower case, its shape (`word_shape`), and whether
          it has a hyphen or is the first or last word of the sentence
        - for each token in the window: the word in lower case with digits as 0, its shape without
          repeated characters, its part of speech and its chunk; or that the position is outside
          of the sentence
        - for the pairs with the previous and the next token: the same attributes except the
          chunk
        - the shapes of the previous token, the token and the next one

    Raises
    ------
    TypeError
        If a token is not a tuple.
    ValueError
        If `window` or `affix` is negative.

    Examples
    --------
    >>> standard_features([("In",), ("Rome",)], window=1, affix=1)[1][:5]
    ['bias', 'word=Rome', 'prefix1=r', 'suffix1=e', 'shape=Xxxx']
    """
    for i, row in enumerate(sentence):
        if isinstance(row, str) or not (row and isinstance(row[0], str)):
            raise TypeError(
                f"token {i} must be a tuple of strings that starts with the word, such as "
                f"('Rome', 'NNP') or ('Rome',), got {row!r}"
            )
    if window < 0 or affix < 0:
        raise ValueError(f"window and affix must be >= 0, got {window} and {affix}")
    words = [row[0] for row in sentence]
    shapes = [word_shape(word) for word in words]
    attributes = {
        "lower": [lower_with_zeros(word) for word in words],
        "short": [_REPEATED.sub(r"\1", shape) for shape in shapes],
    }
    for column, name in enumerate(COLUMNS[1:], start=1):
        if all(len(row) > column for row in sentence):
            attributes[name] = [row[column] for row in sentence]
    short, n = attributes["short"], len(words)
    features = []
    for i, word in enumerate(words):
        names = ["bias", f"word={word}"]
        lower = attributes["lower"][i]
        for size in range(1, min(affix, len(lower)) + 1):
            names += [f"prefix{size}={lower[:size]}", f"suffix{size}={lower[-size:]}"]
        names.append(f"shape={shapes[i]}")
        names += ["first"] * (i == 0) + ["last"] * (i == n - 1) + ["hyphen"] * ("-" in word)
        for name, values in attributes.items():
            names += window_features(name, values, i, window)
            if name != "chunk" and window:
                names += pair_features(name, values, i)
        names += [f"out[{k}]" for k in range(-window, window + 1) if not 0 <= i + k < n]
        before, after = short[i - 1] if i else "", short[i + 1] if i + 1 < n else ""
        names.append(f"shapes={before}|{short[i]}|{after}")
        features.append(names)
    return features


def window_features(name: str, values: Sequence[str], i: int, window: int) -> list[str]:
    """Values of an attribute in the window around token i, without empty values."""
    first, stop = max(0, i - window), min(len(values), i + window + 1)
    return [f"{name}[{j - i}]={values[j]}" for j in range(first, stop) if values[j]]


def pair_features(name: str, values: Sequence[str], i: int) -> list[str]:
    """Pairs of values of an attribute: of token i and of the previous and the next token."""
    return [
        f"{name}[{j - i}|{j - i + 1}]={values[j]}|{values[j + 1]}"
        for j in (i - 1, i)
        if j >= 0 and j + 1 < len(values) and (values[j] or values[j + 1])
    ]
