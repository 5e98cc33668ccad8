"""Arguments of the wrong type are named, by every method that takes words, texts or settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
from conec.evaluation import analogies, word_similarity
from conec.interop import to_keyed_vectors

TEXT = [["a", "b", "c", "d"], ["a", "c", "b", "e"], ["d", "e", "a", "f"]] * 20
MODEL = conec.ContextEncoder(vector_size=4, min_count=1, epochs=1, sample=0).fit(TEXT)
MODEL.build_senses(TEXT)
VECTORS = to_keyed_vectors(list("abcd"), np.random.default_rng(0).normal(size=(4, 3)))

# what other libraries return or take, and what is left of missing data
OTHERS = st.sampled_from(
    [
        None, 7, 2.5, float("nan"), True, b"a", {"a": 1}, {"a"}, [], [1, 2], [None], [["a"], ["b"]],
        [("a", 1)], np.arange(3), np.array([["a", "b"]]), "a b", ["a", float("nan")], object(), len,
        np.float32(1), 10**30, float("inf"), "", [""], ["ann\ud83d"], "zorb", range(3),
    ]
)  # fmt: skip
METHODS: dict[str, Callable[[Any], object]] = {
    "embed": MODEL.embed,
    "embed a": lambda x: MODEL.embed(["a"], x),
    "embed senses": lambda x: MODEL.embed(["a"], senses=x),
    "embed_word": MODEL.embed_word,
    "embed_word contexts": lambda x: MODEL.embed_word("a", x),
    "most_similar": MODEL.most_similar,
    "most_similar topn": lambda x: MODEL.most_similar("a", topn=x),
    "most_similar_batch": MODEL.most_similar_batch,
    "most_similar_batch topn": lambda x: MODEL.most_similar_batch(["a"], topn=x),
    "senses": MODEL.senses,
    "local_contexts": MODEL.local_contexts,
    "local_contexts window": lambda x: MODEL.local_contexts(["a"], window=x),
    "local_contexts weighting": lambda x: MODEL.local_contexts(["a"], weighting=x),
    "explain_similarity": lambda x: MODEL.explain_similarity(x, "b", ["a b"]),
    "explain_similarity other": lambda x: MODEL.explain_similarity("a", x, ["a b"]),
    "explain_similarity contexts": lambda x: MODEL.explain_similarity("a", "b", x),
    "build_senses settings": lambda x: MODEL.build_senses(TEXT, x),
    "build_senses words": lambda x: MODEL.build_senses(TEXT, words=x),
    "learn_map config": lambda x: MODEL.learn_map(TEXT, x),
    "learn_map exclude": lambda x: MODEL.learn_map(TEXT, exclude=x),
    "build_vocab_from_freq": MODEL.build_vocab_from_freq,
    "counts": lambda x: conec.Vocabulary(["a", "b"], x),
    "words": lambda x: conec.Vocabulary(x, [1, 2]),
    "to_keyed_vectors": lambda x: to_keyed_vectors(x, np.eye(2)),
    "to_keyed_vectors counts": lambda x: to_keyed_vectors(["a", "b"], np.eye(2), x),
    "from_vectors": conec.ContextEncoder.from_vectors,
    "word_similarity": lambda x: word_similarity(VECTORS, x),
    "word_similarity vectors": lambda x: word_similarity(x, [("a", "b", 1), ("b", "c", 2)]),
    "analogies": lambda x: analogies(VECTORS, x),
    "analogies section": lambda x: analogies(VECTORS, {"s": x}),
    "window": lambda x: conec.ContextEncoder(window=x),
    "clean": lambda x: conec.ExtendedContextEncoder(clean=x),
    "features": conec.ExtendedContextEncoder,
}
# messages of Python and its libraries about what they were passed
RAW = re.compile(
    r"object is not|has no attribute|has no len|not supported between|unsupported operand|"
    r"could not convert|invalid literal|cannot convert|too large to convert|unhashable|"
    r"inhomogeneous|ufunc|index .* out of bounds|Maximum allowed size|not enough values"
)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=30)
@given(other=OTHERS)
def test_values_of_other_types_give_no_raw_error(name: str, other: Any) -> None:
    state, message = dict(MODEL.__dict__), ""
    try:
        METHODS[name](other)
    except UnicodeError:
        raise
    except (TypeError, ValueError, KeyError, FileNotFoundError) as error:
        message = str(error)
    finally:
        MODEL.__dict__ = state
    assert not RAW.search(message), f"{name}({other!r}): {message}"


def test_several_words_are_a_query() -> None:
    expected = MODEL.wv_context.most_similar(["a", "b"], topn=3)
    for words in (["a", "b"], ("a", "b"), np.array(["a", "b"])):
        found = MODEL.most_similar(words, topn=3)
        assert [word for word, _ in found] == [word for word, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-6)
    assert [word for word, _ in expected] != ["a", "b"]
    with pytest.raises(KeyError, match="'zorb' is not in the vocabulary"):
        MODEL.most_similar(["a", "zorb"])
    with pytest.raises(TypeError, match="topn must be an integer >= 0, got '3'"):
        MODEL.most_similar("a", topn="3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="topn must be an integer >= 0, got -1"):
        MODEL.most_similar("a", topn=-1)


def test_ratings_and_questions() -> None:
    pairs = [("a", "b", 1.0), ("a", "c", 2.0), ("b", "c", float("nan"))]
    with pytest.raises(ValueError, match="the rating of pair 2 must be a finite number, got nan"):
        word_similarity(VECTORS, pairs)
    with pytest.raises(TypeError, match="Pass model.wv"):
        word_similarity(MODEL, pairs[:2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a question of section 's' must be a list of str"):
        analogies(VECTORS, {"s": ["abcd"]})


def test_custom_features_that_return_something_else() -> None:
    def made(feature: Any, **more: Any) -> Any:
        model = conec.ExtendedContextEncoder([feature], min_count=1, vector_size=2, **more)
        return model.build_vocab(TEXT)

    with pytest.raises(TypeError, match="must return one list of names per token, got None"):
        made(lambda sentence: None)
    with pytest.raises(TypeError, match="must return one list of names per token, got a str"):
        made(lambda sentence: ["name"] * len(sentence.tokens))
    with pytest.raises(TypeError, match="the result of clean for document 0, position 0"):
        made(lambda sentence: [[]] * len(sentence.tokens), clean=lambda token: 7)
