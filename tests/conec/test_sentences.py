"""Vectors of sentences and documents."""

from __future__ import annotations

import numpy as np
import pytest

import conec
from tests import oracles

TEXTS = [["a", "b", "new", "a"], [], ["new"], ["c", "", "d"], ["b"]]
CORPUS = [["a", "b", "c", "d", "a", "b", "e", "a"], ["a", "c", "b", "e", "d", "a"]] * 20


@pytest.fixture(scope="module")
def model():
    return conec.ContextEncoder(vector_size=6, min_count=1, epochs=3, sample=0).fit(CORPUS)


def slow(model, texts, pooling):
    words = model.vocabulary
    share = words.counts / words.counts.sum()
    weights = 1e-3 / (1e-3 + share) if pooling == "sif" else np.ones(len(share))
    result = np.zeros((len(texts), 6))
    for row, text in zip(result, texts, strict=True):
        ids = [words.index[token] for token in text if token in words]
        if ids:
            row[:] = np.mean(weights[ids, None] * model.W1[ids], axis=0)
    return result


@pytest.mark.parametrize("pooling", ["sif", "mean"])
def test_vectors_are_weighted_means(model, pooling):
    expected = slow(model, TEXTS, pooling)
    result = model.encode(iter(TEXTS), pooling=pooling, normalize=False)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-7)
    result = model.encode(TEXTS, pooling=pooling)
    np.testing.assert_allclose(result, oracles.unit(expected), atol=1e-5)
    assert not result[1:3].any()
    assert model.encode([]).shape == (0, 6)


def test_strings(model):
    expected = model.encode([["a", "b", "new"], ["c"]])
    np.testing.assert_array_equal(model.encode(["a b  new\n", "c"]), expected)
    np.testing.assert_array_equal(model.encode("a b new"), expected[0])


def test_the_mean_is_that_of_gensim(model):
    expected = model.wv.get_mean_vector(["a", "b", "new"], pre_normalize=False)
    np.testing.assert_allclose(
        model.encode("a b new", pooling="mean", normalize=False), expected, rtol=1e-5
    )


@pytest.mark.parametrize("pooling", ["sif", "mean"])
def test_the_first_component_is_removed(model, pooling):
    component = model.common_component(CORPUS[:2] + TEXTS, pooling=pooling)
    rows = oracles.unit(slow(model, CORPUS[:2] + TEXTS, pooling))
    direction = np.linalg.svd(rows)[2][0]
    assert abs(component @ direction) == pytest.approx(1, abs=1e-4)
    result = model.encode(TEXTS, pooling=pooling, component=component)
    np.testing.assert_allclose(result @ component, 0, atol=1e-5)
    plain = model.encode(TEXTS, pooling=pooling, normalize=False)
    removed = model.encode(TEXTS, pooling=pooling, normalize=False, component=list(component))
    expected = plain - np.outer(plain @ component, component)
    np.testing.assert_allclose(removed, expected, atol=1e-6)


def test_bad_input(model):
    with pytest.raises(TypeError, match="texts must be a string or an iterable of texts, got 3"):
        model.encode(3)
    with pytest.raises(TypeError, match=r"text 1, position 0 \(counted from 0\)"):
        model.encode(["a", [3]])
    with pytest.raises(ValueError, match="pooling must be one of 'sif', 'mean', got 'max'"):
        model.encode(["a"], pooling="max")
    with pytest.raises(ValueError, match="normalize must be True or False"):
        model.encode(["a"], normalize="yes")
    with pytest.raises(ValueError, match=r"shape \(6,\) and length 1.* got shape \(5,\)"):
        model.encode(["a"], component=np.ones(5))
    with pytest.raises(ValueError, match="got length"):
        model.encode(["a"], component=np.ones(6))
    with pytest.raises(ValueError, match="contain no word of the vocabulary"):
        model.common_component([["new"]])
    with pytest.raises(RuntimeError, match="no vocabulary"):
        conec.ContextEncoder().encode(["a"])


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_quantized_models(model, dtype):
    small = model.quantize(dtype)
    expected = oracles.unit(slow(small, TEXTS, "sif"))
    np.testing.assert_allclose(small.encode(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "dict"])
def test_tables_are_not_read_as_texts(model, library):
    columns = {"text": ["a b", "c"], "title": ["a", "b"]}
    if library == "dict":
        table = columns
    else:
        frames = pytest.importorskip(library)
        table = frames.table(columns) if library == "pyarrow" else frames.DataFrame(columns)
    for call in (model.encode, model.common_component, model.embed_batch):
        with pytest.raises(TypeError, match=r"with the columns \['text', 'title'\]. Pass one col"):
            list(call(table))
    if library in ("pandas", "polars"):  # a column is an iterable of texts
        assert model.encode(table["text"]).shape == (2, 6)
