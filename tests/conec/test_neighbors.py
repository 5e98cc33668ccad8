"""Exact and approximate nearest neighbors."""

from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
from conec import ModelError
from conec.linalg import row_lengths
from conec.neighbor_index import NeighborIndex
from conec.quantization import compact
from conec.search import search
from tests import oracles
from tests.model_folders import reseal


def make(n_words=300, size=12, seed=0, **parameters):
    model = conec.ContextEncoder(vector_size=size, min_count=1, seed=seed, **parameters)
    model.build_vocab_from_freq({f"w{i}": n_words - i for i in range(n_words)})
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((8, size))
    model.context_embeddings = (
        centers[rng.integers(8, size=n_words)] + rng.standard_normal((n_words, size))
    ).astype(np.float32)
    return model


def brute_force(vectors, query, topn, exclude=()):
    """Ids and similarities in float64; of equal similarities, the lower id is first."""
    similarities = (
        oracles.unit(vectors.astype(np.float64)) @ oracles.unit(query.astype(np.float64)[None])[0]
    ).astype(np.float32)
    order = [
        i for i in np.argsort(-similarities.astype(np.float64), kind="stable") if i not in exclude
    ]
    return order[:topn], similarities[order[:topn]]


# Exact


@pytest.mark.parametrize("n_words", [1, 63, 64, 65, 300, 5000])
def test_the_result_is_that_of_sorting_all_similarities(n_words):
    model = make(n_words)
    queries = np.random.default_rng(1).standard_normal((7, 12)).astype(np.float32)
    for topn in (0, 1, 10, n_words, n_words + 3):
        found = model.nearest(queries, topn)
        assert found.ids.shape == found.similarities.shape == (7, min(topn, n_words))
        for row, query in enumerate(queries):
            ids, similarities = brute_force(model.context_embeddings, query, topn)
            np.testing.assert_allclose(found.similarities[row], similarities, atol=1e-6)
            expected = oracles.unit(model.context_embeddings) @ oracles.unit(query[None])[0]
            np.testing.assert_allclose(expected[found.ids[row]], similarities, atol=1e-6)
            assert len(set(found.ids[row].tolist())) == len(ids)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    n_words=st.integers(1, 150),
    size=st.integers(1, 5),
    n=st.integers(0, 5),
    topn=st.integers(0, 30),
    workers=st.integers(1, 2),
)
def test_ties_are_in_the_order_of_ids(data, n_words, size, n, topn, workers):
    # small integers give many equal similarities
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    vectors = draw.integers(-1, 2, (n_words, size)).astype(np.float32)
    queries = draw.integers(-2, 3, (n, size)).astype(np.float32)
    queries[~queries.any(axis=1)] = 1
    excluded = draw.integers(-1, n_words, (n, 2))
    found = search(vectors, row_lengths(vectors), queries, topn, excluded, workers=workers)
    assert found.ids.shape == (n, min(topn, n_words))
    for row, query in enumerate(queries):
        product = vectors.astype(np.float64) @ query.astype(np.float64)
        squares = (vectors.astype(np.float64) ** 2).sum(axis=1)
        scale = np.sqrt(squares) * np.sqrt((query.astype(np.float64) ** 2).sum())
        exact = np.divide(product, scale, out=np.zeros(n_words), where=scale > 0)
        similarities = exact.astype(np.float32)
        order = [i for i in np.lexsort((np.arange(n_words), -similarities))
                 if i not in excluded[row]][: min(topn, n_words)]  # fmt: skip
        ids = found.ids[row]
        assert ids[: len(order)].tolist() == order
        assert (ids[len(order) :] == -1).all()
        np.testing.assert_array_equal(found.similarities[row, : len(order)], similarities[order])
        assert np.isnan(found.similarities[row, len(order) :]).all()


def test_a_batch_has_the_results_of_single_queries():
    model = make(2000)
    words = [f"w{i}" for i in range(0, 2000, 7)]
    batch = model.most_similar_batch(words, topn=5)
    assert batch == [model.most_similar(word, topn=5) for word in words]
    assert all(
        word not in [other for other, _ in found] for word, found in zip(words, batch, strict=True)
    )
    vectors = model.context_embeddings[:40] + 1
    assert model.most_similar_batch(vectors, 3) == [model.most_similar(v, 3) for v in vectors]
    assert model.most_similar_batch(list(vectors), 3) == model.most_similar_batch(vectors, 3)
    mixed = ["w1", ["w2", "w3", "w4"], vectors[0]]
    assert model.most_similar_batch(mixed, 4) == [model.most_similar(q, 4) for q in mixed]
    assert model.most_similar_batch(np.array(words[:3]), 5) == batch[:3]
    assert model.most_similar_batch([]) == []
    assert model.most_similar_batch(vectors[:0]) == []


def test_it_agrees_with_gensim():
    model = make(200)
    for query in ("w3", ["w4", "w5", "w6"], model.context_embeddings[9] + 1):
        found = model.most_similar(query, topn=20)
        keyed = model.wv_context
        expected = (
            keyed.similar_by_vector(query, topn=20)
            if isinstance(query, np.ndarray)
            else keyed.most_similar(query, topn=20)
        )
        assert [word for word, _ in found] == [word for word, _ in expected]
        np.testing.assert_allclose(
            [score for _, score in found], [score for _, score in expected], atol=1e-6
        )


def test_the_number_of_threads_changes_nothing():
    one, two = make(3000), make(3000, workers=2)
    words = one.vocabulary.words
    a, b = one.nearest(words, 4), two.nearest(words, 4)
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_array_equal(a.similarities, b.similarities)


def test_memory_does_not_depend_on_the_number_of_queries():
    model = make(10_000, size=8)
    model.nearest(["w1"])
    tracemalloc.start()
    model.nearest(model.vocabulary.words, 3)
    used, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000 * 3 * 20 + (8 << 20)  # all similarities would have 400 MB
    assert used < 1 << 20


def test_extreme_lengths():
    vectors = np.array([[1e-44, 0], [0, 0], [1e19, 0], [1, 1], [0, 1e-20]], np.float32)
    queries = np.array([[1e-44, 0], [0, 3e38]], np.float32)
    found = search(vectors, row_lengths(vectors), queries, 5)
    assert found.ids.tolist() == [[0, 2, 3, 1, 4], [4, 3, 0, 1, 2]]
    root = np.float32(np.sqrt(0.5))
    np.testing.assert_array_equal(
        found.similarities, np.array([[1, 1, root, 0, 0], [1, root, 0, 0, 0]], np.float32)
    )


def test_a_loaded_model_is_searched_without_a_copy(tmp_path):
    made = make(30_000, size=64)
    made.save(tmp_path / "m")
    model = conec.load(tmp_path / "m")
    expected = made.most_similar_batch(["w1", "w2"])
    tracemalloc.start()
    assert model.most_similar_batch(["w1", "w2"]) == expected
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < model.context_embeddings.nbytes * 0.7  # the products of a block, 4 MB


@pytest.mark.parametrize(
    ("queries", "error", "match"),
    [
        ("w1", TypeError, "expected a list of words or an array of vectors"),
        (None, TypeError, "expected a list of words"),
        ({"w1"}, TypeError, "expected a list of words"),
        (["w1", "zorb"], KeyError, "'zorb' is not in the vocabulary"),
        ([["w1"], "zorb"], KeyError, "'zorb' is not in the vocabulary"),
        (["w1", None], TypeError, "expected a word, a list of words or a vector"),
        (np.ones((2, 5)), ValueError, r"shape \(n, 12\), got shape \(2, 5\)"),
        (np.ones(12), ValueError, r"shape \(n, 12\), got shape \(12,\)"),
        (np.zeros((2, 12)), ValueError, "vector 0 .* is zero or not finite"),
        ([[1.0], [2.0, 3.0]], TypeError, "expected a list of words"),
        (["w1", "alone"], ValueError, "'alone' has no context words"),
    ],
)
def test_invalid_queries(queries, error, match):
    model = make()
    model.vocabulary = conec.Vocabulary([*model.vocabulary.words[:-1], "alone"],
                                        model.vocabulary.counts)  # fmt: skip
    model.context_embeddings[-1] = 0
    with pytest.raises(error, match=match):
        model.most_similar_batch(queries)


def test_models_without_embeddings():
    model = make()
    model.context_embeddings = None
    with pytest.raises(RuntimeError, match="no embeddings of the known words"):
        model.most_similar_batch(["w1"])
    with pytest.raises(RuntimeError, match="no embeddings of the known words"):
        model.build_index()
    with pytest.raises(RuntimeError, match=r"no (embeddings|vocabulary)"):
        conec.ContextEncoder().most_similar_batch(["w1"])


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_compact_vectors(dtype):
    vectors = make(700).context_embeddings
    vectors[5] = 0
    rows = compact("x", vectors, dtype)
    whole = np.asarray(rows)
    queries = np.random.default_rng(1).standard_normal((9, 12)).astype(np.float32)
    a = search(rows, row_lengths(rows), queries, 20)
    b = search(whole, row_lengths(whole), queries, 20)
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_array_equal(a.similarities, b.similarities)


# Index


@pytest.fixture
def indexed():
    return make(3000, size=24).build_index(n_probes=30)


def test_an_index_finds_most_neighbors(indexed):
    words = indexed.vocabulary.words[:300]
    exact, found = indexed.nearest(words), indexed.nearest(words, approximate=True)
    recall = np.mean([len({*a} & {*b}) / 10 for a, b in
                      zip(exact.ids.tolist(), found.ids.tolist(), strict=True)])  # fmt: skip
    assert recall > 0.95
    # the similarities are those of the embeddings, not of their copies in the index
    for row in range(300):
        shared = np.isin(found.ids[row], exact.ids[row])
        scores = dict(zip(exact.ids[row].tolist(), exact.similarities[row], strict=True))
        for i, score in zip(found.ids[row][shared].tolist(),
                            found.similarities[row][shared], strict=True):  # fmt: skip
            assert scores[i] == score
    assert (
        indexed.most_similar("w5", approximate=True)
        == indexed.most_similar_batch(["w5"], approximate=True)[0]
    )
    assert len(indexed.most_similar(["w5", "w6"], topn=4, approximate=True)) == 4
    assert indexed.most_similar("w5", topn=0, approximate=True) == []


def test_it_is_used_only_when_asked_for(indexed, monkeypatch):
    monkeypatch.setattr(type(indexed.neighbor_index), "candidates", None)
    indexed.most_similar("w5")
    indexed.most_similar_batch(["w5"])


def test_without_an_index():
    with pytest.raises(RuntimeError, match="call build_index"):
        make().most_similar("w5", approximate=True)


def test_it_is_dropped_when_embeddings_change(indexed):
    embeddings = indexed.context_embeddings
    indexed.context_embeddings = embeddings.copy()
    with pytest.raises(RuntimeError, match="they have changed since: call build_index"):
        indexed.most_similar("w5", approximate=True)
    indexed.context_embeddings = embeddings
    indexed.most_similar("w5", approximate=True)
    indexed.weights_changed()
    assert indexed.neighbor_index is None


def test_queries_of_a_batch_do_not_depend_on_each_other(indexed):
    words = indexed.vocabulary.words[:100]
    one_by_one = [indexed.most_similar(word, approximate=True) for word in words]
    assert indexed.most_similar_batch(words, approximate=True) == one_by_one
    index, queries = indexed.neighbor_index, indexed.context_embeddings[:100]
    one, two = (np.sort(index.candidates(queries, 10, workers=workers)) for workers in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_all_lists_make_the_search_exact():
    # lists of more vectors than are multiplied at a time
    model = make(1500).build_index(n_lists=4, n_probes=9)
    words = model.vocabulary.words[:40]
    assert model.most_similar_batch(words, approximate=True) == model.most_similar_batch(words)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 20), st.integers(0, 60))
@settings(max_examples=20, deadline=None)
def test_found_words_are_those_of_the_lists_searched(n_words, n_lists, n_probes, topn):
    model = make(n_words).build_index(n_lists=n_lists, n_probes=n_probes)
    index = model.neighbor_index
    query = np.random.default_rng(n_words).standard_normal(12).astype(np.float32)
    lists = np.split(index.ids, index.starts[1:-1])
    assert sorted(np.concatenate(lists).tolist()) == list(range(n_words))
    nearest = np.argsort(-(index.centers @ query), kind="stable")[:n_probes]
    searched = {i for number in nearest for i in lists[number].tolist()}
    found = model.nearest(query[None], topn, approximate=True)
    expected, similarities = brute_force(
        model.context_embeddings, query, topn, exclude=set(range(n_words)) - searched
    )
    n = len(expected)
    assert set(found.ids[0, n:].tolist()) <= {-1}
    np.testing.assert_allclose(found.similarities[0, :n], similarities, atol=1e-6)


def test_each_vector_is_in_the_list_with_the_nearest_center(indexed):
    index, vectors = indexed.neighbor_index, oracles.unit(indexed.context_embeddings)
    for i, ids in enumerate(np.split(index.ids, index.starts[1:-1])):
        products = vectors[ids] @ index.centers.T
        assert (products[:, i] >= products.max(axis=1) - 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(index.centers, axis=1), 1, rtol=1e-6)


def test_the_same_index_is_built_each_time(indexed):
    again = make(3000, size=24).build_index(n_probes=30).neighbor_index
    np.testing.assert_array_equal(again.ids, indexed.neighbor_index.ids)
    np.testing.assert_array_equal(again.codes, indexed.neighbor_index.codes)


def test_equal_and_large_vectors():
    model = make(60)
    model.context_embeddings[:] = np.float32(1e15)
    model.build_index()
    found = model.most_similar("w5", topn=3, approximate=True)
    assert [score for _, score in found] == pytest.approx([1, 1, 1])


def test_it_is_saved_with_the_model(tmp_path):
    model = make(500).build_index(n_probes=3)
    model.save(tmp_path / "m")
    words = model.vocabulary.words[:50]
    expected = model.most_similar_batch(words, approximate=True)
    loaded = conec.load(tmp_path / "m", verify=True)
    assert loaded.most_similar_batch(words, approximate=True) == expected
    assert loaded.neighbor_index.n_probes == 3
    # a loaded index is saved, too, before or after it was used, and over itself
    loaded.save(tmp_path / "m")
    conec.load(tmp_path / "m").save(tmp_path / "other")
    again = conec.load(tmp_path / "other")
    assert again.most_similar_batch(words, approximate=True) == expected
    # a model without index replaces one that has it
    make(500).save(tmp_path / "m")
    assert conec.load(tmp_path / "m").neighbor_index is None


def test_words_without_contexts_are_not_in_the_index(indexed):
    model = make(40)
    model.context_embeddings[7] = 0
    model.build_index()
    found = model.most_similar("w5", topn=40, approximate=True)
    assert "w7" not in [word for word, _ in found]
    assert len(found) == 38


def test_no_words_with_contexts(tmp_path):
    model = make(5)
    model.context_embeddings[:] = 0
    model.build_index().save(tmp_path / "m")
    for each in (model, conec.load(tmp_path / "m")):
        assert each.most_similar(np.ones(12), approximate=True) == []


def test_a_damaged_index_is_refused(indexed, tmp_path):
    indexed.save(tmp_path / "m")
    path = tmp_path / "m" / "index.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"index\.safetensors"):
        conec.load(tmp_path / "m", verify=True)


@pytest.mark.parametrize("name", ["index.json", "index.safetensors"])
def test_a_missing_part(indexed, tmp_path, name):
    indexed.save(tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    reseal(tmp_path / "m")
    with pytest.raises(ModelError, match=rf"damaged.*{name}"):
        conec.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ids", lambda ids: ids + 1, "ids must be from 0 to 99"),
        ("ids", lambda ids: ids - 1, "ids must be from 0 to 99"),
        ("starts", lambda starts: starts[::-1], "starts must increase from 0 to 100"),
        ("starts", lambda starts: starts[:-1], "starts must be an array of int64"),
        ("codes", lambda codes: codes[:-1], "codes must be an array of int8"),
        ("scales", lambda scales: scales * np.nan, "scales"),
        ("centers", lambda centers: centers[:, 1:], "centers must be an array of float32"),
    ],
)
def test_parts_that_do_not_fit(tmp_path, name, change, message):
    model = make(100).build_index()
    index = model.neighbor_index
    model.neighbor_index = replace(
        index, **{name: np.ascontiguousarray(change(getattr(index, name)))}
    )
    model.save(tmp_path / "m")
    with pytest.raises(ModelError, match=message):
        conec.load(tmp_path / "m")


def test_a_model_with_an_index_can_be_pickled(indexed):
    again = pickle.loads(pickle.dumps(indexed))
    again.context_embeddings = again.stored("context_embeddings")
    assert again.most_similar("w5", approximate=True) == indexed.most_similar(
        "w5", approximate=True
    )


@pytest.mark.parametrize(("name", "value"), [("n_lists", 0), ("n_probes", 0), ("n_probes", "a")])
def test_invalid_settings(name, value):
    with pytest.raises((ValueError, TypeError), match=f"{name} must be"):
        make(10).build_index(**{name: value})


def test_an_index_of_an_earlier_version_is_left_out():
    folder = SimpleNamespace(names=frozenset({"index.json", "index.usearch"}))
    with pytest.warns(UserWarning, match="call build_index again"):
        assert NeighborIndex.read_from(folder, np.eye(3, dtype=np.float32)) is None
