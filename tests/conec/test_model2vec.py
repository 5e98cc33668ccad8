"""Exports for model2vec and sentence-transformers, read by both."""

from __future__ import annotations

import json

import numpy as np
import pytest

import conec
from conec.interop import export, save_model2vec, to_keyed_vectors
from tests import oracles

model2vec = pytest.importorskip("model2vec")

TEXTS = [["fire", "near", "don't", "u.s", "well-known", "über", "."]] * 4 + [["near", "fire"]]


@pytest.fixture(scope="module")
def model():
    return conec.ContextEncoder(vector_size=8, min_count=1, sample=0, epochs=2, seed=1).fit(TEXTS)


def test_texts_have_the_vectors_of_encode(model, tmp_path):
    model.wv.expandos["count"] = model.vocabulary.counts
    save_model2vec(model.wv, tmp_path / "m", "en")
    static = model2vec.StaticModel.from_pretrained(tmp_path / "m")
    texts = ["fire near", "über fire", "a well-known fire, near u.s. don't", "nothing"]
    tokens = ["fire near", "über fire", "well-known fire near u.s don't .", "nothing"]
    expected = model.encode([text.split() for text in tokens])
    expected[2] = model.encode("well-known fire near u.s . don't")
    np.testing.assert_allclose(static.encode(texts), expected, atol=1e-6)
    assert static.encode(["FIRE Near"]) == pytest.approx(expected[:1], abs=1e-6)
    assert static.dim == 8
    card = (tmp_path / "m" / "README.md").read_text()
    assert "language:\n- en\n" in card
    assert "7 words, 8 dimensions" in card


def test_simple_vocabularies_are_split_at_all_punctuation(tmp_path):
    keyed = to_keyed_vectors(["Fire", "well", "known"], np.eye(3))
    assert export(keyed, tmp_path / "m", "model2vec", dtype="float16") == 3
    static = model2vec.StaticModel.from_pretrained(tmp_path / "m")
    assert static.embedding.dtype == np.float16
    [found] = static.encode(["Fire: well-known fire"])
    np.testing.assert_allclose(found, oracles.unit(np.ones((1, 3)))[0], atol=1e-3)


def test_other_files_are_not_replaced(tmp_path):
    keyed = to_keyed_vectors(["a", "b"], np.eye(2))
    save_model2vec(keyed, tmp_path / "m")
    save_model2vec(keyed, tmp_path / "m")
    (tmp_path / "m" / "README.md").write_text("my own")
    with pytest.raises(FileExistsError, match=r"README\.md was changed"):
        save_model2vec(keyed, tmp_path / "m")
    with pytest.raises(ValueError, match=r"cannot be exported: \[UNK\]"):
        save_model2vec(to_keyed_vectors(["a", "[UNK]"], np.eye(2)), tmp_path / "n")
    with pytest.raises(ValueError, match="model2vec averages vectors"):
        export(keyed, tmp_path / "n", "model2vec", dtype="int8")
    assert not (tmp_path / "n").exists()


@pytest.mark.slow
def test_sentence_transformers(model, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    save_model2vec(model.wv, tmp_path / "m")
    modules = json.loads((tmp_path / "m" / "modules.json").read_text())
    assert [module["name"] for module in modules] == ["0", "1"]
    found = sentence_transformers.SentenceTransformer(str(tmp_path / "m"), device="cpu").encode(
        ["fire near", "über fire"]
    )
    static = model2vec.StaticModel.from_pretrained(tmp_path / "m")
    np.testing.assert_allclose(found, static.encode(["fire near", "über fire"]), atol=1e-6)
