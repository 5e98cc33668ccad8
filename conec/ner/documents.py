"""Input of taggers and their features: documents of sentences of tokens, and their tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from corpora.readers import TaggedDocument

Row: TypeAlias = tuple[str, ...]
"""A token: the word, and further columns such as its part of speech."""


def read_documents(X: Iterable[Any]) -> tuple[list[TaggedDocument], bool]:
    """Convert documents or sentences to documents of sentences of rows.

    Parameters
    ----------
    X : iterable of documents, or of sentences
        A document is a sequence of sentences, a sentence a sequence of tokens. A token is a
        string, or a tuple of strings that starts with the word, as in `corpora.Corpus.tagged`: a
        tuple is always a token, unless it contains other sequences. Each plain sentence becomes
        a document.

    Returns
    -------
    documents : list of documents
    nested : bool
        False for plain sentences.

    Raises
    ------
    TypeError
        If `X` is a string, or a token is not a string or tuple of strings.
    ValueError
        If documents and sentences are mixed, or a token is an empty string.
    """
    if isinstance(X, (str, bytes)):
        raise TypeError("documents are lists of sentences of tokens, not a string: split it first")
    documents: list[TaggedDocument] = []
    kinds: set[bool] = set()
    for number, item in enumerate(X):
        where = f"item {number}"
        content = _sequence(item, where)
        nested = any(_is_sentence(part) for part in content)
        if content:
            kinds.add(nested)
        if len(kinds) > 1:
            raise ValueError(
                f"{where} is a {'document' if nested else 'sentence'}, but earlier items are not: "
                "pass only documents of sentences, or only sentences"
            )
        sentences = content if nested or not content else [content]
        documents.append([_rows(s, f"{where}, sentence {n}") for n, s in enumerate(sentences)])
    nested = kinds != {False}
    # an empty item is a sentence without tokens, or a document without sentences
    return [document or [[]] for document in documents] if not nested else documents, nested


def read_tags(y: Iterable[Any], documents: Sequence[TaggedDocument]) -> list[list[list[str]]]:
    """Convert tags to lists of the same form as documents.

    Parameters
    ----------
    y : iterable
        Tags of the tokens, as documents of sentences, or as the sentences of all documents.
    documents : sequence of documents

    Raises
    ------
    TypeError
        If a tag is not a string.
    ValueError
        If the numbers of documents, sentences or tokens differ.
    """
    tagged, nested = read_documents(y)
    sizes = [len(sentence) for document in documents for sentence in document]
    sentences = [[row[0] for row in sentence] for document in tagged for sentence in document]
    if nested and len(tagged) != len(documents):
        raise ValueError(f"there are {len(documents)} documents, but tags of {len(tagged)}")
    if len(sentences) != len(sizes):
        raise ValueError(f"there are {len(sizes)} sentences, but tags of {len(sentences)}")
    for number, (tags, size) in enumerate(zip(sentences, sizes, strict=True)):
        if len(tags) != size:
            raise ValueError(f"sentence {number} has {size} tokens, but {len(tags)} tags")
    in_order = iter(sentences)
    return [[next(in_order) for _ in document] for document in documents]


def _sequence(item: Any, where: str) -> Sequence[Any]:
    if isinstance(item, (str, bytes)):
        raise TypeError(
            f"{where} is a string, {item[:40]!r}, but must be a sentence: a list of tokens"
        )
    if not isinstance(item, Iterable):
        raise TypeError(f"{where} is {item!r}, but must be a list of tokens or of sentences")
    return item if isinstance(item, (list, tuple)) else list(item)


def _is_sentence(part: Any) -> bool:
    """Whether it is a sentence, not a token."""
    if isinstance(part, tuple):
        return not part or not isinstance(part[0], str)
    return not isinstance(part, str) and isinstance(part, Iterable)


def _rows(sentence: Any, where: str) -> list[Row]:
    rows: list[Row] = []
    for i, token in enumerate(_sequence(sentence, where)):
        row = token if isinstance(token, tuple) else (token,)
        if not row or not all(isinstance(value, str) for value in row):
            raise TypeError(
                f"token {i} of {where} is {token!r}, not a string or a tuple of strings"
            )
        if not row[0]:
            raise ValueError(
                f"token {i} of {where} is empty: leave it out, breaks between sentences are added "
                "automatically"
            )
        rows.append(row)
    return rows
