"""What the tagger and its features take: documents of sentences of tokens, and their tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = tuple[str, ...]
"""A token: its word, and what else is known of it, such as its part of speech."""
Sentence: TypeAlias = list[Row]
Document: TypeAlias = list[Sentence]


def read_documents(X: Iterable[Any]) -> tuple[list[Document], bool]:
    """Documents in one form, whichever of the forms allowed they come in.

    Parameters
    ----------
    X : iterable of documents, or of sentences
        A document is a sequence of sentences, a sentence one of tokens. A token is a
        string, or a tuple of strings of which the first is the word, as
        `corpora.Corpus.tagged` gives them: a tuple is always a token, unless it has other
        sequences in it. Plain sentences are documents of one sentence each.

    Returns
    -------
    documents : list of Document
    nested : bool
        False for plain sentences.

    Raises
    ------
    TypeError
        If it is a string, or a token is none.
    ValueError
        If documents and sentences are mixed, or a token is an empty string.
    """
    if isinstance(X, (str, bytes)):
        raise TypeError("documents are lists of sentences of tokens, not a string: cut it first")
    found: list[Document] = []
    kinds: set[bool] = set()
    for number, item in enumerate(X):
        where = f"item {number}"
        content = _sequence(item, where)
        nested = any(_is_sentence(part) for part in content)
        if content:
            kinds.add(nested)
        if len(kinds) > 1:
            raise ValueError(
                f"{where} is a {'document' if nested else 'sentence'}, and what stands before it "
                "is not: give documents of sentences, or sentences alone"
            )
        sentences = content if nested or not content else [content]
        found.append([_read(s, f"{where}, sentence {n}") for n, s in enumerate(sentences)])
    nested = kinds != {False}
    # an empty item is a sentence without tokens, or a document without sentences
    return [document or [[]] for document in found] if not nested else found, nested


def read_tags(y: Iterable[Any], documents: Sequence[Document]) -> list[list[list[str]]]:
    """Tags of documents, in the same form.

    Parameters
    ----------
    y : iterable
        Tags of the tokens, in documents of sentences, or in sentences alone, be they the
        sentences of all documents.
    documents : sequence of Document

    Raises
    ------
    TypeError
        If a tag is no string.
    ValueError
        If they are not as many as the tokens.
    """
    tagged, nested = read_documents(y)
    sizes = [len(sentence) for document in documents for sentence in document]
    flat = [[row[0] for row in sentence] for document in tagged for sentence in document]
    if nested and len(tagged) != len(documents):
        raise ValueError(f"there are {len(documents)} documents, but tags of {len(tagged)}")
    if len(flat) != len(sizes):
        raise ValueError(f"there are {len(sizes)} sentences, but tags of {len(flat)}")
    for number, (tags, size) in enumerate(zip(flat, sizes, strict=True)):
        if len(tags) != size:
            raise ValueError(f"sentence {number} has {size} tokens, but {len(tags)} tags")
    rest = iter(flat)
    return [[next(rest) for _ in document] for document in documents]


def _sequence(item: Any, where: str) -> Sequence[Any]:
    if isinstance(item, (str, bytes)):
        raise TypeError(
            f"{where} is a string, {item[:40]!r}, where a sentence, a list of tokens, belongs"
        )
    if not isinstance(item, Iterable):
        raise TypeError(f"{where} is {item!r}, where a list of tokens or of sentences belongs")
    return item if isinstance(item, (list, tuple)) else list(item)


def _is_sentence(part: Any) -> bool:
    """Whether it is a sentence, and not a token."""
    if isinstance(part, tuple):
        return not part or not isinstance(part[0], str)
    return not isinstance(part, str) and isinstance(part, Iterable)


def _read(sentence: Any, where: str) -> Sentence:
    rows: Sentence = []
    for place, token in enumerate(_sequence(sentence, where)):
        row = token if isinstance(token, tuple) else (token,)
        if not row or not all(isinstance(value, str) for value in row):
            raise TypeError(
                f"token {place} of {where} is {token!r}, not a string or a tuple of strings"
            )
        if not row[0]:
            raise ValueError(f"token {place} of {where} is empty: breaks are put in by themselves")
        rows.append(row)
    return rows
