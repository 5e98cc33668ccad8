"""Models in float16 and int8."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
from conec import ModelError
from conec.features import Shape
from conec.quantization import CompactRows, compact
from corpora.model_folder import MANIFEST
from tests import oracles
from tests.model_folders import reseal
from tests.stress.models import read_arrays, write_arrays

TEXT = [["a", "b", "c", "d"], ["a", "c", "b", "e"], ["d", "e", "a", "f"], ["b", "f", "c", "a"]] * 20
DTYPES = ["float16", "int8"]


@pytest.fixture(scope="module")
def trained():
    model = conec.ContextEncoder(vector_size=16, min_count=1, epochs=2, sample=0, seed=1).fit(TEXT)
    return model.build_senses(TEXT, conec.senses.SenseSettings(min_occurrences=5))


# Rows


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32), n=st.integers(0, 9), d=st.integers(1, 9),
    exponent=st.integers(-12, 4),
)  # fmt: skip
def test_rows(seed, n, d, exponent):
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((n, d)) * 10.0**exponent).astype(np.float32)
    if n:
        vectors[0] = 0
    half, byte = compact("x", vectors, "float16"), compact("x", vectors, "int8")
    np.testing.assert_array_equal(np.asarray(half), vectors.astype(np.float16).astype(np.float32))
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    assert (np.abs(np.asarray(byte) - vectors) <= largest / 127 * 0.501 + 1e-45).all()
    for rows in (half, byte):
        whole = np.asarray(rows)
        assert whole.dtype == np.float32
        assert len(rows) == n
        assert rows.shape == (n, d)
        np.testing.assert_array_equal(rows[1:4], whole[1:4])
        ids = rng.integers(0, n, 5) if n else np.zeros(0, np.int64)
        np.testing.assert_array_equal(rows[ids], whole[ids])
        assert not whole[:1].any()
    assert half.nbytes == 2 * n * d
    assert byte.nbytes == n * d + 4 * n


def test_all_halves_are_converted_exactly():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 64)
    found = CompactRows(halves)[:]
    np.testing.assert_array_equal(found.view(np.uint32), halves.astype(np.float32).view(np.uint32))


def test_denormal_and_largest_values_in_eight_bits():
    tiny, huge = np.float32(1e-45), np.float32(1.7e38)
    vectors = np.array([[tiny, 0], [-huge, huge], [0, 0]], np.float32)
    found = np.asarray(compact("x", vectors, "int8"))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1], vectors[1], rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_are_not_finite(dtype, value):
    with pytest.raises(ValueError, match=f"W1 has values that are not finite .*{dtype}"):
        compact("W1", np.array([[1, value]], np.float32), dtype)


def test_values_too_large_for_float16():
    with pytest.raises(ValueError, match=r"larger than 6\.55e\+04, which float16 cannot hold"):
        compact("W1", np.array([[1, 7e4]], np.float32), "float16")


# Models


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_embeds_as_a_model_with_the_rounded_weights(trained, dtype, tmp_path):
    small = trained.quantize(dtype)
    small.save(tmp_path / "m")
    loaded = conec.load(tmp_path / "m", verify=True)
    rounded = conec.ContextEncoder(**trained.config.to_dict())
    rounded.vocabulary = trained.vocabulary
    rounded.W1, rounded.context_embeddings = small.W1.copy(), small.context_embeddings.copy()
    rounded.context_map, rounded.sense_inventory = trained.context_map, trained.sense_inventory
    document = ["a", "new", "c", "d", "b"]
    for model in (small, loaded):
        assert model.is_quantized
        assert model.dtype_name == dtype
        for options in ({"senses": "none"}, {"senses": "soft"}, {"senses": "hard"}, {"a": 0.0}):
            np.testing.assert_allclose(
                model.embed(document, **options), rounded.embed(document, **options), atol=1e-5
            )
        np.testing.assert_allclose(
            model.embed_word("new", [document]), rounded.embed_word("new", [document]), atol=1e-5
        )
        assert model.most_similar("a") == rounded.most_similar("a")
        np.testing.assert_array_equal(model.wv["a"], rounded.wv["a"])
        assert [s.share for s in model.senses("a")] == [s.share for s in rounded.senses("a")]
    cosines = (oracles.unit(small.W1) * oracles.unit(trained.W1)).sum(axis=1)
    assert cosines.min() > (0.9999 if dtype == "float16" else 0.998)
    assert trained.dtype_name == "float32"
    assert trained.W2.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_folder(trained, dtype, tmp_path):
    small = trained.quantize(dtype)
    small.save(tmp_path / "small")
    trained.save(tmp_path / "whole")
    assert json.loads((tmp_path / "small" / MANIFEST).read_text())["format_version"] == 4
    assert json.loads((tmp_path / "whole" / MANIFEST).read_text())["format_version"] == 3
    arrays = read_arrays((tmp_path / "small" / "weights.safetensors").read_bytes())
    names = {"W1", "context_embeddings"}
    assert {*arrays} == (
        names if dtype == "float16" else names | {"W1.scales", "context_embeddings.scales"}
    )
    loaded = conec.load(tmp_path / "small")
    assert isinstance(loaded.stored("W1"), CompactRows)
    assert isinstance(loaded.stored("W1").codes, np.memmap)
    loaded.save(tmp_path / "small")  # over itself
    again = conec.load(tmp_path / "small")
    np.testing.assert_array_equal(again.W1, small.W1)
    np.testing.assert_array_equal(again.context_embeddings, small.context_embeddings)
    assert not again.W2.any()
    assert again.W2.shape == again.W1.shape


def test_embedding_converts_only_rows_that_are_needed(trained, monkeypatch):
    small = trained.quantize()
    monkeypatch.delattr(CompactRows, "__array__")
    small.embed(["a", "new", "b"])
    small.embed(["a", "new", "b"], senses="none")
    small.embed_word("a", ["a b c"])
    small.most_similar_batch(["a", "b"])
    small.senses("a")


def test_it_cannot_be_trained(trained):
    small = trained.quantize()
    for name, call in {
        "train": lambda: small.train(TEXT),
        "learn_map": lambda: small.learn_map(TEXT),
        "build_contexts": lambda: small.build_contexts(TEXT),
        "build_vocab with update=True": lambda: small.build_vocab(TEXT, update=True),
        "quantize": lambda: small.quantize("float16"),
    }.items():
        with pytest.raises(RuntimeError, match=f"{name} needs the weights in float32.*quantized"):
            call()
    assert trained.quantize().fit(TEXT).dtype_name == "float32"  # with new weights


def test_whole_weights_cannot_be_changed(trained):
    small = trained.quantize()
    with pytest.raises(ValueError, match="read-only"):
        small.W1[0] = 1
    small.W1 = small.W1.copy()
    small.W1[0] = 1
    assert small.W1[0, 0] == 1


def test_weights_that_were_replaced_are_saved_in_float32(trained, tmp_path):
    small = trained.quantize()
    small.context_embeddings = trained.context_embeddings
    small.save(tmp_path / "m")
    loaded = conec.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.context_embeddings, trained.context_embeddings)
    np.testing.assert_array_equal(loaded.W1, small.W1)


def test_a_model_with_features(tmp_path):
    model = conec.ExtendedContextEncoder([Shape()], vector_size=8, min_count=1, epochs=1, sample=0)
    small = model.fit(TEXT).quantize("float16")
    small.save(tmp_path / "m")
    loaded = conec.load(tmp_path / "m")
    assert isinstance(loaded, conec.ExtendedContextEncoder)
    np.testing.assert_array_equal(loaded.embed(["a", "b"]), small.embed(["a", "b"]))
    np.testing.assert_allclose(loaded.embed(["a", "b"]), model.embed(["a", "b"]), atol=0.02)
    with pytest.raises(RuntimeError, match="train needs the weights in float32"):
        loaded.train(TEXT)


def test_a_tagger_with_a_quantized_model(trained, tmp_path):
    pytest.importorskip("pycrfsuite")
    from conec.ner import ContextFeatures, Tagger

    sentences = [[("a", "B-X"), ("b", "O")], [("c", "O"), ("d", "B-X")]] * 5
    tagger = Tagger(features=ContextFeatures(trained.quantize(), clusters=(2,), sparse=True))
    tokens = [[word for word, _ in sentence] for sentence in sentences]
    tagger.fit(tokens, [[tag for _, tag in sentence] for sentence in sentences])
    tagger.save(tmp_path / "t")
    assert Tagger.load(tmp_path / "t").predict(tokens) == tagger.predict(tokens)


def test_an_index_of_a_quantized_model(trained, tmp_path):
    small = trained.quantize().build_index()
    small.save(tmp_path / "m")
    found = conec.load(tmp_path / "m").most_similar("a", approximate=True)
    assert found == small.most_similar("a")
    assert trained.build_index().quantize().neighbor_index is None


def test_what_cannot_be_quantized(trained):
    with pytest.raises(ValueError, match="dtype must be one of 'float16', 'int8', got 'int4'"):
        trained.quantize("int4")
    with pytest.raises(RuntimeError, match="no vocabulary"):
        conec.ContextEncoder().quantize()


@pytest.mark.parametrize("name", ["W1", "W1.scales", "context_embeddings.scales"])
@pytest.mark.parametrize(
    "change",
    [
        None,
        lambda a: a[:-1],
        lambda a: a.astype(np.float64),
        lambda a: -a - 1 if a.dtype == np.float32 else a.astype(np.int16),
        lambda a: a * np.float32(np.nan),
    ],
)
def test_damaged_arrays(trained, tmp_path, name, change):
    trained.quantize().save(tmp_path / "m")
    path = tmp_path / "m" / "weights.safetensors"
    arrays = read_arrays(path.read_bytes())
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    write_arrays(path, arrays)
    reseal(tmp_path / "m")
    if name == "W1" and change is not None and arrays["W1"].dtype == np.float32:
        return  # W1 that was replaced, with a value that only its use finds
    with pytest.raises(ModelError, match=r"weights\.safetensors is damaged"):
        conec.load(tmp_path / "m")


def test_version_3_has_no_quantized_weights(trained, tmp_path):
    trained.quantize().save(tmp_path / "m")
    reseal(tmp_path / "m", version=3)
    with pytest.raises(ModelError, match="damaged: W1 must be an array of float32"):
        conec.load(tmp_path / "m")
