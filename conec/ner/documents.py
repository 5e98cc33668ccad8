"""Validate the input of taggers: documents of sentences of tokens, and their tags."""

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
        tuple is always a token, unless it contains other sequences. If sentences are passed, each
        becomes a document.

    Returns
    -------
    documents : list of documents
    nested : bool
        Whether `X` contains documents; False for sentences.

    Raises
    ------
    TypeError
        If `X` is a string, or a token is not a string or tuple of strings.
    ValueError
        If documents and sentences are mixed, or a token is an empty string.
    """
    if isinstance(X, (str, bytes)):
        raise TypeError(
            f"expected documents or sentences as lists of tokens, got the string {X[:40]!r}: split "
            "it into tokens first"
        )
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
                "pass either documents or sentences"
            )
        sentences = content if nested or not content else [content]
        documents.append([_rows(s, f"{where}, sentence {n}") for n, s in enumerate(sentences)])
    nested = kinds != {False}
    # an empty item is a sentence without tokens, or a document without sentences
    return [document or [[]] for document in documents] if not nested else documents, nested


def read_tags(y: Iterable[Any], documents: Sequence[TaggedDocument]) -> list[list[list[str]]]:
    """Convert tags to lists with the structure of the documents.

    Parameters
    ----------
    y : iterable
        Tags of the tokens, by document and sentence, or by sentence for all documents.
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
        raise ValueError(f"there are {len(documents)} documents, but tags for {len(tagged)}")
    if len(sentences) != len(sizes):
        raise ValueError(f"there are {len(sizes)} sentences, but tags for {len(sentences)}")
    for number, (tags, size) in enumerate(zip(sentences, sizes, strict=True)):
        if len(tags) != size:
            raise ValueError(f"sentence {number} has {size} tokens, but {len(tags)} tags")
    in_order = iter(sentences)
    return [[next(in_order) for _ in document] for document in documents]


def _sequence(item: Any, where: str) -> Sequence[Any]:
    if isinstance(item, (str, bytes)):
        raise TypeError(
            f"{where} must be a sentence (a list of tokens), got the string {item[:40]!r}: split "
            "it into tokens first"
        )
    if not isinstance(item, Iterable):
        raise TypeError(f"{where} must be a list of tokens or of sentences, got {item!r}")
    return item if isinstance(item, (list, tuple)) else list(item)


def _is_sentence(part: Any) -> bool:
    """Whether a part of an item is a sentence; otherwise it is a token."""
    if isinstance(part, tuple):
        return not part or not isinstance(part[0], str)
    return not isinstance(part, str) and isinstance(part, Iterable)


def _rows(sentence: Any, where: str) -> list[Row]:
    rows: list[Row] = []
    for i, token in enumerate(_sequence(sentence, where)):
        row = token if isinstance(token, tuple) else (token,)
        if not row or not all(isinstance(value, str) for value in row):
            raise TypeError(
                f"token {i} of {where} must be a string or a tuple of strings, got {token!r}"
            )
        if not row[0]:
            raise ValueError(
                f"token {i} of {where} is an empty string: remove it (breaks between sentences are "
                "added automatically)"
            )
        rows.append(row)
    return rows
