"""Tokenisers, sentences and phrases."""

from __future__ import annotations

import pickle
import re
import unicodedata
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    assert tokenizer("regexp", pattern="a*")("baab é नa") == ["aa", "a"]  # no empty tokens
    assert list(corpora.open(["a,b"], tokenize=lambda text: text.split(","))) == [["a", "b"]]


SCRIPTS = {
    "Devanagari": "हिन्दी भाषा में",
    "Bengali": "বাংলা ভাষা র\u200c্যাব",
    "Tamil": "தமிழ் மொழி",
    "Telugu": "తెలుగు భాష",
    "Malayalam": "അവന്\u200d വന്നു",
    "Sinhala": "ශ්\u200dරී ලංකා",
    "Arabic": "كَتَبَ الطَّالِبُ",
    "Hebrew": "שָׁלוֹם עוֹלָם",
    "Persian": "می\u200cخواهم کتاب\u200cها",
    "Thai": "ภาษาไทย กำลัง",
    "Khmer": "ភាសា ខ្មែរ",
    "Burmese": "မြန်မာ စာ",
    "Yoruba": "ẹ̀kọ́ ọ̀rẹ́",
    "Korean": "한국어 단어",
    "Chinese": "我喜欢 茶",
    "decomposed": unicodedata.normalize("NFD", "café naïve Việt 한국어"),
    "Turkish": "İstanbul".lower() + " x",
    "soft hyphen": "co\u00adoperate a\u2060b",
    "digits": "10² ½ x_y ٣٤",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_marks_stay_with_their_letter(script: str) -> None:
    text = SCRIPTS[script]
    assert tokenizer("regexp")(f"({text}), {text}!") == [*text.split(), *text.split()]
    assert list(corpora.open([text], tokenize="regexp", clean="nfd"))[0] == [
        unicodedata.normalize("NFD", word) for word in text.split()
    ]
    if script not in ("soft hyphen", "digits"):
        assert tokenizer("regexp", pattern=r"\w+|[^\w\s]")(f"{text},") == [*text.split(), ","]
        assert tokenizer("treebank")(text) == tokenizer("tweet")(text) == text.split()


def test_marks_without_a_letter_are_not_words() -> None:
    assert tokenizer("regexp")("\u0301 a \u0301b c\u200c d\u200d \u200ce") == [
        "a", "b", "c", "d\u200d", "e",
    ]  # fmt: skip


@given(st.text(st.sampled_from("aZ9_ .,'-\n@\xb2\xe9\u03c9\u044f\u0561\u2019\u1ec7")))
def test_text_without_marks_is_split_as_by_the_pattern(text: str) -> None:
    words = re.findall(r"\w+", text)
    assert tokenizer("regexp")(text) == words
    assert tokenizer("regexp")(text + " \u0939\u093f") == [*words, "\u0939\u093f"]


TWEET = [
    "hello", ":)", ":-(", "<3", "http://example.com/a_b(c)", "@user", "#tag-x", "don't", "1.5",
    "...",
    "+1 (800) 555-1234", ". . .", "a.b@c.de", "<b>", "&amp;", "555 1234", "?!", "!!!!!!", "-->",
    "\U0001f44d\U0001f3fd", "e-mail", "12:30", "x", "a", "U.S.", "  ", "\n", "1", "800", "(555)",
    "is",
]  # fmt: skip


@given(st.integers(0, 1000))
@settings(max_examples=15)
def test_long_tweets_are_split_as_by_nltk(seed: int) -> None:
    from nltk.tokenize import TweetTokenizer

    text = " ".join(Random(seed).choices(TWEET, k=700))
    assert tokenizer("tweet")(text) == TweetTokenizer().tokenize(text)


def test_tweets_of_references_to_surrogates() -> None:
    assert tokenizer("tweet")("&#55296; x") == ["\ufffd", "x"]


def test_unknown() -> None:
    with pytest.raises(
        ValueError, match="unknown tokenizer 'words'; the tokenizers are: whitespace"
    ):
        tokenizer("words")


@pytest.mark.parametrize("pattern", ["(", "[a", "*", 3, None, b"a"])
def test_patterns_that_are_not_regular_expressions(pattern: Any) -> None:
    with pytest.raises(ValueError, match="pattern must be a regular expression, got"):
        tokenizer("regexp", pattern=pattern)


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
