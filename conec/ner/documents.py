"""Validate the input of taggers: documents of sentences of tokens, and their tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeAlias

from corpora.checks import are_tokens, check_token, shown
from corpora.readers import TaggedDocument

Row: TypeAlias = tuple[str, ...]
"""A token: the word, and further columns such as its part of speech."""


def read_documents(X: Iterable[Any], *, name: str = "X") -> tuple[list[TaggedDocument], bool]:
    """Convert documents or sentences to documents of sentences of rows.

    Parameters
    ----------
    X : iterable of documents, or of sentences
        A document is a sequence of sentences, a sentence a sequence of tokens. A token is a
        string, or a tuple of strings that starts with the word, as in `corpora.Corpus.tagged`: a
        tuple is always a token, unless it contains other sequences. If sentences are passed, each
        becomes a document.
    name : {"X", "y"}
        Name of the argument, for errors; "y" contains tags instead of tokens.

    Returns
    -------
    documents : list of documents
    nested : bool
        Whether `X` contains documents; False for sentences.

    Raises
    ------
    TypeError
        If `X` is not an iterable of documents or sentences, or a token is not a string or tuple
        of strings.
    ValueError
        If documents and sentences are mixed, or a token is an empty string or contains half of a
        surrogate pair.
    """
    unit = "token" if name == "X" else "tag"
    if isinstance(X, (str, bytes)) or not isinstance(X, Iterable):
        raise TypeError(
            f"{name} must be a list of documents or of sentences, as lists of {unit}s, got "
            f"{_short(X)}"
        )
    if isinstance(X, (Mapping, Set)) or _is_table(X):
        raise TypeError(
            f"{name} must be a list of documents or of sentences, got a {type(X).__name__}: pass "
            "a list, such as one of its columns"
        )
    documents: list[TaggedDocument] = []
    kinds: set[bool] = set()
    for number, item in enumerate(X):
        where = f"item {number}" + ("" if name == "X" else f" of {name}")
        content = _sequence(item, where, unit)
        nested = any(_is_sentence(part) for part in content)
        if content:
            kinds.add(nested)
        if len(kinds) > 1:
            raise ValueError(
                f"{where} is a {'document' if nested else 'sentence'}, but earlier items are not: "
                "pass either documents or sentences"
            )
        sentences = content if nested or not content else [content]
        documents.append(
            [_rows(s, f"{where}, sentence {n}", unit) for n, s in enumerate(sentences)]
        )
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
        If the numbers of documents, sentences or tokens differ, or a tag is empty.
    """
    tagged, nested = read_documents(y, name="y")
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


def _is_table(value: object) -> bool:
    """Whether a value is a frame or table, which is iterated by column or row."""
    return hasattr(value, "columns") or hasattr(value, "column_names")


def _short(value: object) -> str:
    kind = f"the string {value[:40]!r}" if isinstance(value, (str, bytes)) else repr(value)[:60]
    return kind + (": split it into tokens first" if isinstance(value, str) else "")


def _sequence(item: Any, where: str, unit: str) -> Sequence[Any]:
    if isinstance(item, (str, bytes)):
        raise TypeError(f"{where} must be a sentence (a list of {unit}s), got {_short(item)}")
    if not isinstance(item, Iterable) or isinstance(item, (Mapping, Set)) or _is_table(item):
        raise TypeError(f"{where} must be a list of {unit}s or of sentences, got {shown(item)}")
    if type(item).__module__.startswith("spacy.tokens"):  # a document or a part of one
        return [token.text for token in item]
    return item if isinstance(item, (list, tuple)) else list(item)


def _is_sentence(part: Any) -> bool:
    """Whether a part of an item is a sentence; otherwise it is a token."""
    if isinstance(part, tuple):
        return not part or not isinstance(part[0], str)
    return not isinstance(part, (str, bytes)) and isinstance(part, Iterable)


def _rows(sentence: Any, where: str, unit: str) -> list[Row]:
    rows: list[Row] = []
    for i, token in enumerate(_sequence(sentence, where, unit)):
        row = token if isinstance(token, tuple) else (token,)
        if not row or not all(isinstance(value, str) for value in row):
            raise TypeError(
                f"{unit} {i} of {where} must be a string or a tuple of strings, got {token!r}"
            )
        if unit == "tag" and "\0" in row[0]:
            raise ValueError(f"tag {i} of {where} contains a NUL character: {row[0]!r}")
        if not row[0]:
            hint = " (breaks between sentences are added automatically)" if unit == "token" else ""
            raise ValueError(f"{unit} {i} of {where} is an empty string: remove it{hint}")
        rows.append(row)
    if not are_tokens([value for row in rows for value in row]):
        for i, row in enumerate(rows):
            for value in row:
                check_token(value, f"{unit} {i} of {where}")
    return rows
