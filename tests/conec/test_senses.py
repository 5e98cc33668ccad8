"""Senses: of words made ambiguous on purpose, of others; clusters, files, what is refused."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

import conec
from conec import ModelError
from conec.contexts import local_contexts
from conec.linalg import normalize
from conec.senses import Sense, SenseInventory, SenseSettings, word_vectors
from conec.senses.clustering import cluster
from corpora.encoding import TokenStream
from tests.model_folders import reseal


def text(n_documents=1500, seed=0):
    """Three topics; "mixed" stands for a word of the first and a word of the second."""
    rng = np.random.default_rng(seed)
    documents = []
    for _ in range(n_documents):
        topic = rng.choice(3, p=[0.5, 0.25, 0.25])
        tokens = [f"{'xyz'[topic]}{i}" for i in rng.integers(12, size=20)]
        if topic < 2:
            tokens[int(rng.integers(20))] = "mixed"
        documents.append(tokens)
    return documents


@pytest.fixture(scope="module")
def documents():
    return text()


@pytest.fixture(scope="module")
def model(documents):
    made = conec.ContextEncoder(vector_size=12, min_count=2, epochs=20, sample=0, seed=1)
    return made.fit(documents).build_senses(documents)


def topic(tokens):
    """The topic that most of some words are of."""
    names = [token[0] for token in tokens if token != "mixed"]
    return max(set(names), key=names.count)


# What is found


def test_both_senses_of_a_pseudo_word_are_found_with_their_shares(model, documents):
    senses = model.senses("mixed")
    assert len(senses) == 2
    with_word = [topic(tokens) for tokens in documents if "mixed" in tokens]
    for sense in senses:
        assert len(sense.examples) == 3
        (meant,) = {topic(example) for example in sense.examples}
        assert sense.share == pytest.approx(with_word.count(meant) / len(with_word), abs=0.02)
        neighbours = [word for word, _ in model.wv.similar_by_vector(sense.embedding, topn=5)]
        assert topic(neighbours) == meant
    assert {topic(sense.examples[0]) for sense in senses} == {"x", "y"}
    assert senses[0].share > senses[1].share
    assert sum(sense.share for sense in senses) == pytest.approx(1)


def test_words_of_one_topic_have_one_sense(model):
    numbers = [len(model.senses(word)) for word in model.vocabulary.words if word != "mixed"]
    assert set(numbers) == {1}


def test_examples_are_text_with_the_word(model, documents):
    lines = [" ".join(tokens) for tokens in documents]
    for word in ("mixed", "x3", "z0"):
        for sense in model.senses(word):
            for example in sense.examples:
                assert word in example
                assert any(" ".join(example) in line for line in lines)


def test_the_sense_at_hand_is_embedded(model):
    own = {topic(sense.examples[0]): sense.embedding for sense in model.senses("mixed")}
    for name, other in (("x", "y"), ("y", "x")):
        tokens = [f"{name}{i}" for i in range(4)] + ["mixed"] + [f"{name}{i}" for i in range(5, 9)]
        hard = model.embed(tokens, 1, senses="hard")[4]
        np.testing.assert_allclose(hard, own[name], atol=1e-6)
        soft = model.embed(tokens, 1, senses="soft")[4]
        assert soft @ own[name] > 0.95
        assert soft @ own[name] > soft @ own[other]


def test_embed_picks_the_sense_by_itself(model, documents):
    tokens = ["x0", "mixed", "x1", "new", "", "y0"]
    found, has = model.embed(tokens, 0.7, return_found=True)
    soft, none = (model.embed(tokens, 0.7, senses=choice) for choice in ("soft", "none"))
    assert found.tobytes() == model.embed(tokens, 0.7, senses="auto").tobytes() == soft.tobytes()
    assert has.tolist() == [True] * 4 + [False, True]
    assert np.abs(found - none).max() > 0.1
    # one vector a word: the same as before there were senses
    bare = conec.ContextEncoder(**model.config.to_dict()).fit(documents)
    for choice in ("auto", "none"):
        assert bare.embed(tokens, 0.7, senses=choice).tobytes() == none.tobytes()
    assert bare.embed(tokens, 0.7).tobytes() == none.tobytes()


def test_senses_of_a_model_with_features(documents):
    from conec.features import Affixes

    made = conec.ExtendedContextEncoder([Affixes()], vector_size=4, min_count=2, epochs=1)
    made.fit(documents[:200]).build_senses(documents[:200], SenseSettings(min_occurrences=2))
    tokens = ["x0", "mixed", "", "new"]
    found = {choice: made.embed(tokens, senses=choice) for choice in ("soft", "none")}
    assert made.embed(tokens).tobytes() == found["soft"].tobytes() != found["none"].tobytes()


def test_with_senses_global_contexts_are_not_needed(model):
    from conec.ner import ContextFeatures

    made = conec.ContextEncoder(**model.config.to_dict())
    made.vocabulary, made.W1, made.W2 = model.vocabulary, model.W1, model.W2
    made.sense_inventory = model.sense_inventory
    tokens = ["x0", "mixed", "x1"]
    found = ContextFeatures(made).fit_transform([tokens])
    assert found.tobytes() == made.embed(tokens).tobytes() == model.embed(tokens).tobytes()
    with pytest.raises(RuntimeError, match="learn_map or build_contexts"):
        made.embed(tokens, senses="none")


def test_without_any_context_the_shares_decide(model):
    shares = np.array([sense.share for sense in model.senses("mixed")], np.float32)
    embeddings = np.stack([sense.embedding for sense in model.senses("mixed")])
    found = model.embed(["mixed"], 1, senses="soft")[0]
    np.testing.assert_allclose(found, normalize(shares @ embeddings), atol=1e-6)
    np.testing.assert_allclose(
        model.embed(["mixed"], 1, senses="hard")[0], embeddings[0], atol=1e-6
    )


def test_unknown_words_have_the_embedding_of_their_context(model):
    tokens = ["x0", "x1", "new", "x2", "x3", *[""] * 10, "new2"]
    found, has = model.embed(tokens, 0.8, senses="soft", return_found=True)
    assert has.tolist() == [True] * 5 + [False] * 11
    assert topic([w for w, _ in model.wv.similar_by_vector(found[2], topn=5)]) == "x"
    np.testing.assert_allclose(np.linalg.norm(found[:5], axis=1), 1, rtol=1e-5)
    assert not found[5:].any()


def test_mapped_contexts_are_those_of_the_plain_formula(model, documents):
    """An inventory of single senses has centres that can be computed slowly."""
    settings = SenseSettings(most=1, window=3, sample=10**6)
    made = conec.ContextEncoder(**model.config.to_dict())
    made.vocabulary, made.W1, made.W2 = model.vocabulary, model.W1, model.W2
    made.build_senses(documents, settings, words=["mixed"])
    inventory = made.sense_inventory
    counts = model.vocabulary.counts
    keep = settings.smoothing / (settings.smoothing + counts / counts.sum())
    rows = np.array(normalize(model.W1), np.float64)
    total = np.zeros(12)
    for tokens in documents:
        for i, token in enumerate(tokens):
            if token == "mixed":
                y = np.zeros(12)
                for j in range(max(0, i - 3), min(len(tokens), i + 4)):
                    if j != i:
                        word = model.vocabulary.index[tokens[j]]
                        y += (4 - abs(i - j)) / 3 * keep[word] * rows[word]
                y = y @ inventory.map.astype(np.float64)
                total += y / np.linalg.norm(y)
    row = model.vocabulary.index["mixed"]
    centre = inventory.centers[inventory.of(row)]
    np.testing.assert_allclose(centre, [total / np.linalg.norm(total)], atol=1e-5)
    # and embed sees contexts as induction does
    tokens = ["x0", "mixed", "y2", "x5"]
    ids = np.array([model.vocabulary.index[t] for t in tokens], np.int32)
    plain = local_contexts(ids, len(model), settings.context(model.vocabulary), normalize="none")
    expected = normalize((plain @ normalize(model.W1))[ids] @ inventory.map)
    np.testing.assert_allclose(made.embed(tokens, 0, senses="soft"), expected, atol=1e-5)


def test_the_map_is_a_ridge_regression():
    from sklearn.linear_model import Ridge

    from conec.senses.induction import ridge_map

    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, 50, 6)).astype(np.float32)
    counts = rng.integers(1, 100, 50)
    weights = np.sqrt(counts)
    alpha = 0.3 * np.trace((X * weights[:, None]).T @ X) / 6
    model = Ridge(alpha, fit_intercept=False).fit(X, Y, weights)
    np.testing.assert_allclose(ridge_map(X, Y, counts, 0.3), model.coef_.T, atol=1e-4)


def test_the_same_with_any_number_of_threads_and_with_some_words_only(model, documents):
    stream = model.encode_corpus(documents)
    found = {}
    for workers in (1, 3):
        from conec.senses.induction import induce

        found[workers] = induce(stream, model.W1, model.vocabulary, workers=workers)
    for name in ("starts", "centers", "shares", "examples", "map"):
        assert getattr(found[1], name).tobytes() == getattr(found[3], name).tobytes()
    some = np.array([model.vocabulary.index["mixed"]])
    part = induce(stream, model.W1, model.vocabulary, words=some)
    assert np.flatnonzero(np.diff(part.starts)).tolist() == some.tolist()
    where = found[1].of(int(some[0]))
    assert part.centers.tobytes() == found[1].centers[where].tobytes()


def test_words_are_searched_with_one_thread_of_blas(model, documents, monkeypatch):
    """The bits of products vary with the threads, of which nodes of a cluster have one."""
    seen = set()

    def counting(*arguments, **options):
        pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
        seen.update(pool["num_threads"] for pool in pools)
        return cluster(*arguments, **options)

    monkeypatch.setattr("conec.senses.induction.cluster", counting)
    with threadpool_limits(2, "blas"):
        copy.deepcopy(model).build_senses(documents[:50], SenseSettings(min_occurrences=2))
    assert seen == {1}


def test_rare_words_have_none_and_keep_their_vector(model, documents):
    made = conec.ContextEncoder(**model.config.to_dict())
    made.vocabulary, made.W1, made.W2 = model.vocabulary, model.W1, model.W2
    with pytest.warns(UserWarning, match="no senses were found"):
        made.build_senses(documents, SenseSettings(min_occurrences=10**6))
    assert made.senses("mixed") == []
    row = made.vocabulary.index["mixed"]
    found = made.embed(["x0", "mixed", "x1"], 1, senses="hard")[1]
    np.testing.assert_allclose(found, word_vectors(made.W1)[row], atol=1e-6)


def test_examples_end_at_breaks(model):
    stream = TokenStream.from_documents(
        [["x0", "mixed", "", "y0", "y1"]] * 60, model.vocabulary.index
    )
    made = conec.ContextEncoder(**model.config.to_dict())
    made.vocabulary, made.W1, made.W2 = model.vocabulary, model.W1, model.W2
    (sense,) = made.build_senses(stream).senses("mixed")
    assert set(sense.examples) == {("x0", "mixed")}


# Clusters


@settings(max_examples=30)
@given(
    st.lists(st.integers(30, 200), min_size=1, max_size=4), st.integers(0, 2**32 - 1),
    st.floats(0.5, 3),
)  # fmt: skip
def test_clusters_that_are_far_apart_are_found(sizes, seed, spread):
    rng = np.random.default_rng(seed)
    d = 40
    centres = np.linalg.qr(rng.normal(size=(d, d)))[0][: len(sizes)] * 8
    gold = np.repeat(np.arange(len(sizes)), sizes)
    vectors = centres[gold] + spread * rng.normal(size=(len(gold), d)) / 2
    found = cluster(normalize(vectors.astype(np.float32)), rng, most=8)
    if len(sizes) == 1 or min(sizes) / len(gold) > 0.1:
        assert len(np.unique(np.stack([gold, found]), axis=1).T) <= len(sizes) + 0.02 * len(gold)
    assert found.dtype == np.int32
    counts = np.bincount(found)
    assert (np.diff(counts) <= 0).all()
    assert counts.min() >= 0.05 * len(gold)


@given(st.integers(1, 5), st.integers(0, 100))
def test_few_or_equal_or_zero_vectors(n, seed):
    for vectors in (np.zeros((n, 3), np.float32), np.tile(np.float32([1, 0, 0]), (n, 1))):
        found = cluster(vectors, np.random.default_rng(seed))
        assert len(found) == n
        assert found.min() == 0
    assert found.tolist() == [0] * n


# Files


def test_round_trip(model, tmp_path):
    model.save(tmp_path / "m")
    loaded = conec.load(tmp_path / "m")
    for name in ("starts", "centers", "shares", "examples", "map"):
        one, other = (getattr(m.sense_inventory, name) for m in (model, loaded))
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    assert loaded.sense_inventory.settings == model.sense_inventory.settings
    tokens = ["x0", "mixed", "y0"]
    for choice in ("soft", "hard"):
        one, other = (m.embed(tokens, senses=choice) for m in (model, loaded))
        assert one.tobytes() == other.tobytes()
    loaded.save(tmp_path / "m")  # in place of itself
    assert conec.load(tmp_path / "m").senses("mixed")[1].share == model.senses("mixed")[1].share


def test_models_without_senses_load_as_before(model, tmp_path):
    bare = conec.ContextEncoder(**model.config.to_dict())
    bare.build_vocab_from_freq({"a": 3, "b": 2})
    bare.save(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "config.json", "manifest.json", "vocabulary.json", "weights.safetensors",
    ]  # fmt: skip
    assert conec.load(tmp_path / "m").sense_inventory is None


def damage(folder, how):
    about, arrays = folder / "senses.json", folder / "senses.safetensors"
    if how == "one file":
        about.unlink()
    elif how == "other file":
        arrays.unlink()
    elif how == "cut":
        arrays.write_bytes(arrays.read_bytes()[:-20])
    elif how == "newer":
        about.write_text(json.dumps({**json.loads(about.read_text()), "format_version": 2}))
    elif how == "setting":
        data = json.loads(about.read_text())
        data["settings"]["window"] = -1
        about.write_text(json.dumps(data))
    elif how == "list":
        about.write_text("[]")


@pytest.mark.parametrize("how", ["one file", "other file", "cut", "newer", "setting", "list"])
def test_damaged_senses_are_refused(model, tmp_path, how):
    model.save(tmp_path / "m")
    damage(tmp_path / "m", how)
    reseal(tmp_path / "m")
    with pytest.raises(ModelError, match="update" if how == "newer" else "damaged"):
        conec.load(tmp_path / "m")


def test_senses_of_another_model_are_refused(model, tmp_path):
    model.save(tmp_path / "m")
    other = conec.ContextEncoder(vector_size=12)
    other.build_vocab_from_freq({"a": 30, "b": 20})
    other.save(tmp_path / "other")
    for name in ("senses.json", "senses.safetensors"):
        shutil.copy(tmp_path / "m" / name, tmp_path / "other")
    reseal(tmp_path / "other")
    with pytest.raises(ModelError, match="senses.json is damaged: starts must be 3 integers"):
        conec.load(tmp_path / "other")


def test_training_and_new_words_forget_senses(documents):
    made = conec.ContextEncoder(vector_size=4, min_count=2, epochs=1).fit(documents[:100])
    made.build_senses(documents[:100], SenseSettings(min_occurrences=2))
    made.train(documents[:100])
    assert made.sense_inventory is None
    made.build_senses(documents[:100], SenseSettings(min_occurrences=2))
    made.build_vocab([["new", "new"]], update=True)
    assert made.sense_inventory is None


# What is refused


def test_unknown_words_and_what_was_not_built(model, documents):
    with pytest.raises(KeyError, match="zorb"):
        model.senses("zorb")
    with pytest.raises(KeyError, match="zorb"):
        model.build_senses(documents, words=["mixed", "zorb"])
    bare = conec.ContextEncoder(vector_size=4, min_count=2, epochs=1).fit(documents[:50])
    with pytest.raises(RuntimeError, match="build_senses"):
        bare.senses("x0")
    for choice in ("soft", "hard"):
        with pytest.raises(RuntimeError, match="build_senses"):
            bare.embed(["x0"], senses=choice)
    for choice in ("best", None):
        with pytest.raises(ValueError, match="'soft', 'hard'"):
            model.embed(["x0"], senses=choice)
    with pytest.raises(ValueError, match="a must be a number from 0 to 1"):
        model.embed(["x0"], 1.5, senses="soft")
    with pytest.raises(ValueError, match="empty"):
        model.build_senses([])


@pytest.mark.parametrize(
    "bad",
    [
        {"window": 0}, {"most": 0}, {"sample": 1}, {"min_occurrences": 0}, {"examples": -1},
        {"smoothing": 0}, {"ridge": 0}, {"word_share": 1.1}, {"threshold": 2}, {"smallest": -0.1},
        {"ridge": float("nan")}, {"threshold": float("nan")},
    ],
)  # fmt: skip
def test_settings_out_of_range(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        SenseSettings(**bad)


def test_parts_that_do_not_fit(model):
    inventory = model.sense_inventory
    for name in ("starts", "shares", "examples", "map"):
        with pytest.raises(ValueError, match="fit together"):
            dataclasses.replace(inventory, **{name: getattr(inventory, name)[1:]})
    assert isinstance(inventory, SenseInventory)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.senses("mixed")[0].share = 1.0
    assert isinstance(model.senses("mixed")[0], Sense)
