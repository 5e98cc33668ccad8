"""Training from which nothing can be learned, or was learned, says so."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import conec
import corpora
from conec.cli import app
from conec.contexts.mapping import MapConfig
from conec.features import Case
from conec.interop import to_keyed_vectors
from conec.ner import Tagger
from conec.senses.inventory import SenseSettings
from corpora.encoding import TokenStream
from corpora.phrases import phrases

PAIRS = [["a", "b"], ["b", "c"], ["c", "a"]]


def model(**parameters: Any) -> conec.ContextEncoder:
    defaults = {"vector_size": 4, "min_count": 1, "sample": 0, "epochs": 2}
    return conec.ContextEncoder(**{**defaults, **parameters})


@pytest.mark.parametrize("parameters", [{}, {"workers": 2}, {"deterministic": True}], ids=str)
def test_subsampling_that_leaves_nothing(parameters: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match=r"nothing was learned: .* sample=1e-12 .* set sample=0"):
        trained = model(sample=1e-12, **parameters).fit(PAIRS)
    assert all(map(math.isnan, trained.loss_history_))
    assert not trained.W2.any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = model(**parameters).fit(PAIRS)
    assert np.isfinite(trained.loss_history_).all()


def test_single_epochs_without_a_context() -> None:
    with pytest.warns(UserWarning, match=r"in \d+ of 30 epochs no word had a context"):
        model(sample=0.03, epochs=30).fit(PAIRS)


@pytest.mark.parametrize(
    "corpus",
    [[["a"], ["b"], ["c"]] * 9, [["a", "", "b"]] * 9, ["a", "b"] * 9, [["a", "rare"], *["a"] * 9]],
    ids=["words", "sentences", "texts", "rare"],
)
def test_documents_of_one_word(corpus: list[Any]) -> None:
    with pytest.raises(ValueError, match="no word of the corpus has a context.*lower min_count"):
        model(min_count=9).fit(corpus)
    if not isinstance(corpus[-1], str):
        with pytest.raises(ValueError, match="no word of the corpus has a context"):
            conec.ExtendedContextEncoder(min_count=9, vector_size=2).fit(corpus)
    before = model(min_count=9).build_vocab(corpus)
    weights = before.W1.copy()
    with pytest.raises(ValueError, match="no word of the corpus has a context"):
        before.train(corpus)
    assert np.array_equal(before.W1, weights)


def test_features_are_learned_without_contexts() -> None:
    trained = conec.ExtendedContextEncoder(
        [Case()], min_count=1, vector_size=2, sample=0, epochs=2, feature_dropout=0
    )
    trained.build_vocab([["a"], ["B"]] * 9).train([["a"], ["B"]] * 9, learn_map=False)
    assert np.isfinite(trained.loss_history_).all()


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "", "other"]), max_size=4), max_size=8),
    st.integers(1, 5),
)
def test_neighbors_are_found_in_blocks(documents: list[list[str]], block: int) -> None:
    stream = TokenStream.from_documents(documents, {"a": 0, "b": 1})
    expected = any(x >= 0 and y >= 0 for ids in stream for x, y in zip(ids, ids[1:], strict=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("corpora.encoding._BLOCK_TOKENS", block)
        assert stream.has_neighbors == expected


def test_on_the_command_line(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("the kettle sings\nthe cup waits\n")
    out = tmp_path / "model"
    command = ["train", str(text), "--out", str(out), "--min-count", "1", "--vector-size", "4"]
    result = CliRunner().invoke(app, [*command, "--sample", "1e-12"])
    assert result.exit_code == 1
    assert "conec: nothing was learned" in result.stderr
    assert "sample=0" in result.stderr
    assert not out.exists()  # and an older model would stay
    assert CliRunner().invoke(app, [*command, "--sample", "0"]).exit_code == 0
    text.write_text("the\nthe\n")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "no word of the corpus has a context" in result.stderr
    assert "Context Encoder" not in result.stderr
    assert conec.load(out).vocabulary.words == ["the", "cup", "kettle", "sings", "waits"]


def test_steps_after_training_that_find_nothing() -> None:
    trained, vectors = model().fit(PAIRS), to_keyed_vectors(["a", "b"], np.eye(2))
    with pytest.warns(UserWarning, match="no senses were found: none of the words occurs 50 times"):
        trained.build_senses(PAIRS)
    with pytest.warns(UserWarning, match="no senses were found: none of the words occurs 7 times"):
        trained.build_senses(PAIRS, SenseSettings(min_occurrences=7), words="a")
    with pytest.warns(UserWarning, match="the map of contexts was not learned"):
        trained.learn_map(PAIRS, exclude=["a", "b", "c"])
    with pytest.warns(UserWarning, match="the map of contexts was not learned"):
        conec.ContextEncoder.from_vectors(vectors, [["a"], ["b"]])
    with pytest.warns(UserWarning, match="no phrases were found in a list with min_count=5"):
        assert list(phrases(corpora.open(PAIRS))) == PAIRS


def test_a_tagger_without_entities() -> None:
    pytest.importorskip("pycrfsuite")
    with pytest.warns(UserWarning, match="all tags are O"):
        tagger = Tagger(max_iterations=2).fit([["ann", "sings"]], [["O", "O"]])
    assert tagger.predict([["bob"]]) == [["O"]]


def test_settings_and_words_of_other_types() -> None:
    trained = model().fit(PAIRS * 30)
    with pytest.raises(TypeError, match=r"settings must be .*Use SenseSettings\(\*\*settings\)"):
        trained.build_senses(PAIRS, {"most": 3})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"config must be .*Use MapConfig\(\*\*config\)"):
        trained.learn_map(PAIRS, {"near": 3})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="words must be a list of words, got 1 of type int"):
        trained.build_senses(PAIRS, words=["a", 1])  # type: ignore[list-item]
    with pytest.raises(KeyError, match="'ab' is not in the vocabulary"):
        trained.build_senses(PAIRS, words="ab")
    one = trained.learn_map(PAIRS * 30, MapConfig(), exclude="a").context_map
    other = trained.learn_map(PAIRS * 30, MapConfig(), exclude=["a"]).context_map
    assert one is not None
    assert other is not None
    assert np.array_equal(one.weights, other.weights)
