"""Tokenisers, sentences and phrases."""

from __future__ import annotations

import pickle
from collections import Counter
from random import Random

import pytest

import corpora
from corpora import BREAK, NotReiterableError
from corpora.phrases import phrases
from corpora.tokenizers import TOKENIZERS, split_sentences, tokenizer


@pytest.mark.parametrize(
    ("name", "text", "tokens"),
    [
        ("whitespace", "It's  3 o'clock.\n", ["It's", "3", "o'clock."]),
        ("treebank", "I can't. Go!", ["I", "ca", "n't", ".", "Go", "!"]),
        ("tweet", "@you so #good :-) it's", ["@you", "so", "#good", ":-)", "it's"]),
        ("regexp", "It's été, 3.5", ["It", "s", "été", "3", "5"]),
    ],
)
def test_names(name: str, text: str, tokens: list[str]) -> None:
    assert tokenizer(name)(text) == tokens
    assert pickle.loads(pickle.dumps(tokenizer(name)))(text) == tokens
    assert list(corpora.open([text], tokenize=name)) == [tokens]
    assert name in TOKENIZERS


def test_pattern_and_function() -> None:
    assert tokenizer("regexp", pattern="[a-z]+")("ab1cD") == ["ab", "c"]
    assert tokenizer("regexp", pattern="(a|b)c")("ac bc") == ["ac", "bc"]
    assert list(corpora.open(["a,b"], tokenize=lambda text: text.split(","))) == [["a", "b"]]


def test_unknown() -> None:
    with pytest.raises(
        ValueError, match="unknown tokenizer 'words'; the tokenizers are: whitespace"
    ):
        tokenizer("words")


def test_sentences() -> None:
    text = "Dr. Smith of Acme Inc. came at 5 p.m. today. He left!\nA title\nWhy? (No one knows.)"
    assert split_sentences(text) == [
        "Dr. Smith of Acme Inc. came at 5 p.m. today.",
        "He left!",
        "A title",
        "Why?",
        "(No one knows.)",
    ]
    assert split_sentences(" \n") == []


def test_sentences_of_a_corpus_are_cut_before_cleaning() -> None:
    corpus = corpora.open(
        ["One here. Two there.", ["To", "kens."]], sentences=True, clean="wikifil"
    )
    assert list(corpus) == [["one", "here"], ["two", "there"], ["to", "kens"]]


def mixed_documents() -> list[list[str]]:
    """Words in any order, but "york" only after "new"."""
    random = Random(1)
    words = [f"w{number}" for number in range(18)] + ["new", "new york"]
    return [" ".join(random.choices(words, k=8)).split() for _ in range(200)]


def test_phrases() -> None:
    documents = mixed_documents()
    joined = phrases(corpora.open(documents), scoring="npmi", threshold=0.7)
    before = Counter(token for document in documents for token in document)
    counts = Counter(token for document in joined for token in document)
    assert {token for token in counts if "_" in token} == {"new_york"}
    assert counts["new_york"] == before["york"]
    assert counts["new"] == before["new"] - before["york"]
    assert list(joined) == list(joined)
    assert list(pickle.loads(pickle.dumps(joined))) == list(joined)
    assert [" ".join(d).replace("_", " ").split() for d in joined] == documents


def test_phrases_do_not_reach_over_breaks() -> None:
    documents = [*mixed_documents(), ["brand", "new", BREAK, "york", "new", "york"]]
    joined = list(phrases(corpora.open(documents), scoring="npmi", threshold=0.7))
    assert joined[-1] == ["brand", "new", BREAK, "york", "new_york"]


def test_phrases_need_two_passes() -> None:
    with pytest.raises(NotReiterableError, match=r"a separate pass, but a list_iterator"):
        phrases(corpora.open(iter([["a"]])))
