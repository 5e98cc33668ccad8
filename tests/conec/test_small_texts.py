"""Warnings about texts of which little is trained on, and pruning while words are counted."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest
from gensim.models import Word2Vec
from hypothesis import given
from hypothesis import strategies as st

import conec
from corpora.counting import count, count_pruned

RNG = np.random.default_rng(0)
WORDS = [f"w{i}" for i in range(40)]
TEXT = [RNG.choice(WORDS, 8).tolist() for _ in range(100)]


def test_the_first_example_of_gensim_says_what_to_set() -> None:
    sentences = [["cat", "say", "meow"], ["dog", "say", "woof"]]
    with pytest.warns(UserWarning, match=r"Subsampling with sample=0.0001 leaves 2.* set sample="):
        conec.ContextEncoder(min_count=1).fit(sentences)


def test_subsampling_that_leaves_little() -> None:
    settings = {"vector_size": 4, "min_count": 1, "epochs": 3}
    with pytest.warns(UserWarning, match=r"little was learned: only \d\.\d% .* set sample=0.01"):
        conec.ContextEncoder(**settings, sample=3e-4).fit(TEXT)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conec.ContextEncoder(**settings, sample=0.01).fit(TEXT)  # type: ignore[arg-type]


def test_min_count_that_leaves_little() -> None:
    rare = [[f"{word}-{i}-{j}" for j, word in enumerate(words)] for i, words in enumerate(TEXT)]
    text = [*rare, ["a", "b"] * 6]
    with pytest.warns(UserWarning, match=r"only 1\.5% of the words .* lower min_count \(5\)"):
        conec.ContextEncoder(vector_size=4, sample=0).fit(text)


@pytest.mark.parametrize(("n", "sample"), [(3, 0), (40, 1e-2), (300, 1e-3), (5000, 1e-4)])
def test_a_gentle_sample(n: int, sample: float) -> None:
    vocabulary = conec.Vocabulary([f"w{i}" for i in range(n)], np.full(n, 7))
    assert vocabulary.gentle_sample() == sample
    assert vocabulary.kept_share(0) == 1
    assert vocabulary.kept_share(sample) > 0.25


texts = st.lists(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6), min_size=1, max_size=8
)


@given(texts, st.integers(1, 6))
def test_pruning_is_that_of_gensim(text: list[list[str]], limit: int) -> None:
    expected = Word2Vec(min_count=1, max_vocab_size=limit)
    total, documents = expected.scan_vocab(text)
    counts = count_pruned(text, limit)
    assert counts.words == dict(expected.raw_vocab)
    assert (counts.tokens, counts.documents) == (total, documents)
    assert counts.frequencies == Counter(expected.raw_vocab.values())
    if limit > 8:
        assert counts.words == count(text).words


def test_pruning_in_training() -> None:
    text = [["a", "b"], ["a", "c"], ["a", "d"], ["a", "e"], ["a", "f"], ["a", "b"]] * 3
    encoder = conec.ContextEncoder(vector_size=4, min_count=1, max_vocab_size=2, sample=0)
    encoder.build_vocab(text)
    assert encoder.vocabulary.words == list(count_pruned(text, 2).words)
    assert len(encoder) < 6
    with pytest.raises(ValueError, match="max_final_vocab"):
        conec.ExtendedContextEncoder(max_vocab_size=2)
    old = conec.config.Config.from_dict({"max_vocab_size": 7})
    assert (old.max_vocab_size, old.max_final_vocab) == (None, 7)
