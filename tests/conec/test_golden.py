"""Models that an earlier version wrote, in formats 1 and 2."""

from __future__ import annotations

import json

import numpy as np
import pytest

import conec
from tests.golden import EXPECTED, golden

TEXT = ["eat", "a", "zorb", "ripe"]
PLAIN = ["context_encoder_map", "context_encoder_contexts", "context_encoder_senses"]


def assert_same(model, expected, **options):
    def near(values, vector):
        np.testing.assert_allclose(np.ravel(vector), values, atol=1e-5)

    assert type(model).__name__ == expected["class"]
    assert model.config.to_dict() == expected["config"] | {"max_final_vocab": None}
    assert len(model) == expected["n_words"]
    assert model.vocabulary.words[:5] == expected["words"]
    near(expected["vector"], model.wv["apple"])
    near(expected["W2_row"], model.W2[0])
    near(expected["embed_text"], model.embed(TEXT, **options)[2])
    near(expected["embed_word"], model.embed_word("zorb", [TEXT]))
    assert [word for word, _ in model.wv.most_similar("apple", topn=2)] == expected["similar"]
    if "senses" in expected:
        senses = model.senses(expected["senses"]["word"])
        near(expected["senses"]["shares"], [sense.share for sense in senses])
        near(expected["embed_hard"], model.embed(["eat", "mixed", "ripe"], senses="hard")[1])
    if "features" in expected:
        assert [type(feature).__name__ for feature in model.features] == expected["features"]
        assert list(model.F1.shape) == expected["F1_shape"]
        near(expected["F1_row"], model.F1[0])


@pytest.mark.parametrize("name", [*PLAIN, "extended_context_encoder", "checkpoint"])
def test_they_load_and_are_saved_in_the_present_format(name, tmp_path):
    expected = EXPECTED[name]
    options = {"a": 0} if name == "checkpoint" else {}
    path = golden(name, tmp_path)
    model = conec.load(path)
    assert_same(model, expected, **options)
    model.save(path)
    assert json.loads((path / "manifest.json").read_text())["format_version"] == 3
    again = conec.load(path, verify=True)
    assert_same(again, expected, **options)
    assert again.training_state == model.training_state


def test_a_run_that_an_earlier_version_began_is_resumed(tmp_path):
    expected = EXPECTED["checkpoint"]
    model = conec.ContextEncoder()
    model.train(expected["docs"], resume_from=golden("checkpoint", tmp_path))
    assert len(model.loss_history_) == 4
    np.testing.assert_allclose(model.wv["apple"], expected["resumed_vector"], atol=1e-5)


@pytest.mark.parametrize("method", [conec.ContextEncoder.load, conec.ExtendedContextEncoder.load])
def test_the_other_class_refuses_them(method, tmp_path):
    plain = method == conec.ContextEncoder.load
    name = "extended_context_encoder" if plain else "context_encoder_map"
    with pytest.raises(conec.ModelError, match="features"):
        method(golden(name, tmp_path))
