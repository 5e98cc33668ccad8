"""Word vectors of a model: replaced vectors reach the model, and factors freeze rows."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec

import conec
from conec.features import Case
from conec.interop import save_word2vec, to_keyed_vectors

RNG = np.random.default_rng(0)
WORDS = ["tea", "coffee", "milk", "cup", "spoon", "kettle", "water", "sugar"]
TEXT = [RNG.choice(WORDS, 6).tolist() for _ in range(60)]


def fitted(**parameters: Any) -> conec.ContextEncoder:
    defaults = {"vector_size": 5, "min_count": 1, "sample": 0, "epochs": 2}
    return conec.ContextEncoder(**{**defaults, **parameters}).fit(TEXT)


def test_the_vectors_are_the_weights() -> None:
    model = fitted()
    wv = model.wv
    assert np.shares_memory(wv.vectors, model.W1)
    model.train(TEXT, epochs=1)
    assert model.wv is wv
    np.testing.assert_array_equal(wv.vectors, model.W1)
    assert wv.similarity("tea", "tea") == pytest.approx(1)


def test_replaced_vectors_are_replaced_in_the_model(tmp_path: Path) -> None:
    model = fitted()
    before, i = model.W1.copy(), model.vocabulary.index["tea"]
    model.most_similar("tea")
    model.wv["tea"] = 50 * np.ones(5)
    assert (model.W1[i] == 50).all()
    others = np.arange(len(model)) != i
    np.testing.assert_array_equal(model.W1[others], before[others])
    assert abs(model.wv.similarity("tea", "milk")) <= 1
    assert model.wv.similarity("tea", "tea") == pytest.approx(1)
    np.testing.assert_allclose(model.normalized_W1[i], 5**-0.5, rtol=1e-6)
    assert model.context_embeddings is not None
    model.wv_context[["tea", "milk"]] = np.eye(2, 5)
    assert model.most_similar("tea", topn=99) != []
    np.testing.assert_array_equal(model.context_embeddings[i], np.eye(5)[0])
    model.save(tmp_path / "m")
    loaded = conec.load(tmp_path / "m")
    loaded.wv["milk"] = np.full(5, 7)
    assert loaded.wv["milk"].tolist() == [7] * 5
    assert (loaded.W1[loaded.vocabulary.index["milk"]] == 7).all()
    assert (conec.load(tmp_path / "m").wv["milk"] == model.wv["milk"]).all(), "files stay"
    with pytest.raises(RuntimeError, match="replacing vectors needs the weights in float32"):
        model.quantize().wv["tea"] = np.ones(5)
    with pytest.raises(ValueError, match=r"expected 1 vectors of size 5, got .* \(1, 4\)"):
        model.wv["tea"] = np.ones(4)


def test_added_words_stay_in_the_word_vectors() -> None:
    model = fitted()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gensim: adding one word is slow
        model.wv.add_vector("juice", 3 * model.wv["tea"])
    assert model.wv.most_similar("juice", topn=1) == [("tea", pytest.approx(1))]
    assert "juice" not in model
    model.wv["juice"] = model.wv["milk"]
    assert model.wv.similarity("juice", "milk") == pytest.approx(1)
    model.wv["tea"] = np.ones(5)
    assert model.W1[model.vocabulary.index["tea"]].tolist() == [1] * 5
    model.train(TEXT, epochs=1)
    np.testing.assert_array_equal(model.wv["tea"], model.W1[model.vocabulary.index["tea"]])
    assert "juice" in model.wv


def test_normalized_vectors_stay_normalized() -> None:
    model = fitted()
    model.wv.unit_normalize_all()
    model.wv.sort_by_descending_frequency()
    lengths = np.linalg.norm(model.wv.vectors, axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    model.wv["tea"] = np.full(5, 3)
    assert model.W1[model.vocabulary.index["tea"]].tolist() == model.wv["tea"].tolist() == [3] * 5
    assert np.linalg.norm(model.wv["milk"]) == pytest.approx(1)
    assert model.wv.index_to_key == model.vocabulary.words


def test_frozen_rows_of_gensim_stay_frozen() -> None:
    word2vec = Word2Vec(TEXT, vector_size=5, min_count=1, sample=0)
    word2vec.wv.vectors_lockf = np.ones(8, np.float32)
    word2vec.wv.vectors_lockf[word2vec.wv.key_to_index["milk"]] = 0
    model = conec.ContextEncoder.from_gensim(word2vec)
    model.train(TEXT)
    same = [w for w in WORDS if np.array_equal(model.wv[w], word2vec.wv[w])]
    assert same == ["milk"]


def test_copies_are_plain(tmp_path: Path) -> None:
    model = fitted()
    for wv in (copy.deepcopy(model.wv), pickle.loads(pickle.dumps(model.wv))):
        assert type(wv) is KeyedVectors
        wv["tea"] = np.ones(5)
    assert not (model.W1 == 1).any()
    model.wv.save(str(tmp_path / "kv"))
    loaded = KeyedVectors.load(str(tmp_path / "kv"))
    np.testing.assert_array_equal(loaded.vectors, model.W1)
    assert not set(vars(loaded)) & {"_replace", "_weights", "outdated"}


@pytest.mark.parametrize(
    "parameters", [{}, {"deterministic": True}, {"negatives": "exact"}], ids=str
)
def test_frozen_rows_stay(parameters: dict[str, Any], tmp_path: Path) -> None:
    model = conec.ContextEncoder(
        vector_size=5, min_count=1, sample=0, epochs=3, **parameters
    ).build_vocab(TEXT)
    free = copy.deepcopy(model)
    factors = np.ones(len(model), np.float32)
    factors[[0, 3]] = 0
    model.wv.vectors_lockf = factors
    model.wv.vectors_lockf[5] = 0
    before = model.W1.copy()
    model.train(TEXT, epochs=1).train(TEXT, epochs=1)
    stayed = (before == model.W1).all(axis=1)
    assert stayed.tolist() == [i in (0, 3, 5) for i in range(len(model))]
    assert model.W2.any(axis=1).all(), "the last layer is trained"
    model.save(tmp_path / "m")
    loaded = conec.load(tmp_path / "m").train(TEXT, epochs=1)
    assert (before == loaded.W1).all(axis=1).tolist() == stayed.tolist()
    one = copy.deepcopy(free)
    one.wv.vectors_lockf = np.ones(len(one), np.float32)
    assert one.train(TEXT).W1.tobytes() == free.train(TEXT).W1.tobytes()
    model.build_vocab([["tea"] * 500, ["new", "old"]], update=True)
    frozen = {model.vocabulary.words[i] for i in np.flatnonzero(model.wv.vectors_lockf == 0)}
    assert frozen == {free.vocabulary.words[i] for i in (0, 3, 5)}
    model.build_vocab(TEXT)
    assert model.wv.vectors_lockf.tolist() == [1]


def test_frozen_rows_stay_with_features() -> None:
    model = conec.ExtendedContextEncoder([Case()], vector_size=5, min_count=1, sample=0, epochs=2)
    model.build_vocab(TEXT)
    model.wv.vectors_lockf = np.arange(len(model), dtype=np.float32) % 2
    before = model.W1.copy()
    model.train(TEXT)
    assert (before == model.W1).all(axis=1).tolist() == [i % 2 == 0 for i in range(len(model))]


@pytest.mark.parametrize("factors", [[1, 2], [[1.0]], [-1.0], [np.nan]], ids=str)
def test_factors_of_other_shapes_are_refused(factors: Any) -> None:
    model = fitted()
    model.wv.vectors_lockf = np.array(factors, np.float32)
    with pytest.raises(ValueError, match=r"wv\.vectors_lockf must have a number >= 0 for each"):
        model.train(TEXT)


@pytest.mark.parametrize("binary", [False, True])
def test_vectors_of_a_file_reach_the_weights(binary: bool, tmp_path: Path) -> None:
    path = tmp_path / "other.vec"
    rows = RNG.normal(size=(3, 5)).astype(np.float32)
    save_word2vec(to_keyed_vectors(["milk", "beer", "tea"], rows), path, binary=binary)
    model = conec.ContextEncoder(vector_size=5, min_count=1, sample=0, epochs=2).build_vocab(TEXT)
    model.wv.intersect_word2vec_format(path, binary=binary)
    index = model.vocabulary.index
    np.testing.assert_array_equal(model.W1[[index["milk"], index["tea"]]], rows[[0, 2]])
    model.train(TEXT)
    np.testing.assert_array_equal(model.wv["milk"], rows[0])
    assert "beer" not in model.wv
    model.wv.intersect_word2vec_format(path, lockf=1.0)
    model.train(TEXT)
    assert not (model.wv["milk"] == rows[0]).any()
    with pytest.raises(ValueError, match="expected 2 vectors of size 4"):
        fitted(vector_size=4).wv.intersect_word2vec_format(path)
    other = conec.ContextEncoder(vector_size=5, min_count=1).build_vocab([["a", "b"]])
    with pytest.raises(ValueError, match="has no vectors of these words"):
        other.wv.intersect_word2vec_format(path)
