"""The usual features of a named-entity CRF: words, affixes, shapes, parts of speech, chunks.

Each token has a list of strings, such as ``word=London`` or ``pos[-1]=IN``: attributes that
are there or not. Those of the words around are among them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from conec.ner.documents import Row

_DIGIT = re.compile(r"\d")
_RUN = re.compile(r"(.)\1+")
COLUMNS = ("word", "pos", "chunk")
"""What the values of a token are, as far as they are looked at."""


def word_shape(word: str) -> str:
    """Capitals as X, other letters as x, digits as d; the rest as it is.

    >>> word_shape("McDonald-97")
    'XxXxxxxx-dd'
    """
    return "".join(
        "X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word
    )


def normalized(word: str) -> str:
    """Lower case, and each digit as 0."""
    return _DIGIT.sub("0", word.lower())


def standard_features(
    sentence: Sequence[Row], *, window: int = 2, affix: int = 4
) -> list[list[str]]:
    """Features of the tokens of a sentence.

    Parameters
    ----------
    sentence : sequence of tuples of str
        Tokens: the word, and its part of speech and its chunk where these are known.
        More columns are not looked at.
    window : int
        How far tokens around are looked at.
    affix : int
        Length of the longest prefix and suffix.

    Returns
    -------
    list of list of str
        - of the word: itself, prefixes and suffixes of its lower-case form, its shape
          (`word_shape`), a hyphen in it, its place at either end of the sentence
        - of each token in the window: lower-case form with digits as 0, shape without
          repetitions, part of speech, chunk; or that the sentence ends before
        - of the pairs with the tokens before and after: these, except chunks, at a time;
          and the shapes of all three

    Examples
    --------
    >>> standard_features([("In",), ("Rome",)], window=1, affix=1)[1][:5]
    ['bias', 'word=Rome', 'prefix1=r', 'suffix1=e', 'shape=Xxxx']
    """
    words = [row[0] for row in sentence]
    shapes = [word_shape(word) for word in words]
    of_each = {
        "lower": [normalized(word) for word in words],
        "short": [_RUN.sub(r"\1", shape) for shape in shapes],
    }
    for column, name in enumerate(COLUMNS[1:], start=1):
        if all(len(row) > column for row in sentence):
            of_each[name] = [row[column] for row in sentence]
    short, n = of_each["short"], len(words)
    found = []
    for i, word in enumerate(words):
        names = ["bias", f"word={word}"]
        lower = of_each["lower"][i]
        for size in range(1, min(affix, len(lower)) + 1):
            names += [f"prefix{size}={lower[:size]}", f"suffix{size}={lower[-size:]}"]
        names.append(f"shape={shapes[i]}")
        names += ["first"] * (i == 0) + ["last"] * (i == n - 1) + ["hyphen"] * ("-" in word)
        for name, values in of_each.items():
            names += around(name, values, i, window)
            if name != "chunk" and window:
                names += pairs(name, values, i)
        names += [f"out[{k}]" for k in range(-window, window + 1) if not 0 <= i + k < n]
        before, after = short[i - 1] if i else "", short[i + 1] if i + 1 < n else ""
        names.append(f"shapes={before}|{short[i]}|{after}")
        found.append(names)
    return found


def around(name: str, values: Sequence[str], i: int, window: int) -> list[str]:
    """Features that say what a token and each one in the window have; an empty string is none."""
    first, stop = max(0, i - window), min(len(values), i + window + 1)
    return [f"{name}[{j - i}]={values[j]}" for j in range(first, stop) if values[j]]


def pairs(name: str, values: Sequence[str], i: int) -> list[str]:
    """Features that say what a token has together with the one before and the one after."""
    return [
        f"{name}[{j - i}|{j - i + 1}]={values[j]}|{values[j + 1]}"
        for j in (i - 1, i)
        if j >= 0 and j + 1 < len(values) and (values[j] or values[j + 1])
    ]
