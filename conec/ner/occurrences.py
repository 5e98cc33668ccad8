"""Features of a token from the other occurrences of its word in the document.

A name in an unclear context often occurs elsewhere in the document in a clear one, or in full:
"Blackburn" after "Peter Blackburn". As in a Context Encoder, a word is described by its local
contexts in the document, here by their words and shapes instead of vectors [1]_.

References
----------
.. [1] H. L. Chieu, H. T. Ng (2003), Named entity recognition with a maximum entropy approach,
   CoNLL.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from conec.ner.documents import Row
from conec.ner.standard import lower_with_zeros, short_shape

_MOST = 20  # words with more occurrences in a document are rarely names


def occurrence_features(document: Sequence[Sequence[Row]]) -> list[list[list[str]]]:
    """Compute the features of all tokens of a document from other occurrences of their words.

    Only words that are capitalized somewhere in the document have such features, or all words
    with letters if the document has no capitals.

    Parameters
    ----------
    document : sequence of sentences
        Sentences of rows that start with the word.

    Returns
    -------
    list of list of list of str
        For each token, from all other occurrences of its word (in lower case, digits as 0):

        - the words before and after them
        - their shapes, also together with those of the words before and after, and whether they
          start a sentence
        - for capitalized ones, the sequence of capitalized words that contains them: the number
          of words in it before and after, these words, and the words around the sequence

    Examples
    --------
    >>> document = [[("Peter",), ("Blackburn",), ("won",)], [("Then",), ("Blackburn",), ("left",)]]
    >>> [name for name in occurrence_features(document)[1][1] if "peter" in name]
    ['other[-1]=peter', 'other.name=peter']
    """
    lower = [[lower_with_zeros(row[0]) for row in sentence] for sentence in document]
    short = [[short_shape(row[0]) for row in sentence] for sentence in document]
    occurrences: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for s, words in enumerate(lower):
        for i, word in enumerate(words):
            occurrences[word].append((s, i))
    capitalized = {
        word
        for words, shapes in zip(lower, short, strict=True)
        for word, shape in zip(words, shapes, strict=True)
        if "X" in shape
    }
    features: list[list[list[str]]] = [[[] for _ in words] for words in lower]
    for word, places in occurrences.items():
        if not 1 < len(places) <= _MOST or not any(map(str.isalpha, word)):
            continue
        if capitalized and word not in capitalized:
            continue
        contexts = [_context(lower[s], short[s], i) for s, i in places]
        counts = Counter(name for names in contexts for name in names)
        for (s, i), names in zip(places, contexts, strict=True):
            features[s][i] = [name for name, n in counts.items() if n > (name in names)]
    return features


def _context(words: Sequence[str], shapes: Sequence[str], i: int) -> dict[str, None]:
    """Features from one occurrence, in order and without repetitions."""
    n, shape = len(words), shapes[i]
    before, after = words[i - 1] if i else "", words[i + 1] if i + 1 < n else ""
    names = [
        f"other[-1]={before}",
        f"other[1]={after}",
        f"other.short={shape}" + "^" * (not i),
        f"other.short[-1|0]={shapes[i - 1] if i else ''}|{shape}",
        f"other.short[0|1]={shape}|{shapes[i + 1] if i + 1 < n else ''}",
    ]
    if shape.startswith("X"):
        first, stop = i, i + 1
        while first and shapes[first - 1].startswith("X"):
            first -= 1
        while stop < n and shapes[stop].startswith("X"):
            stop += 1
        if stop - first < n:  # not a headline in capitals
            names.append(f"other.place={min(i - first, 2)}|{min(stop - 1 - i, 2)}")
            names += [f"other.name={words[j]}" for j in range(first, stop) if j != i]
            names.append(f"other.before={words[first - 1] if first else ''}")
            names.append(f"other.after={words[stop] if stop < n else ''}")
    return dict.fromkeys(names)
