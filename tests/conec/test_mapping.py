"""The map from contexts to word vectors: against plain least squares, and in the model."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle

import numpy as np
import pytest
from gensim.test.utils import datapath
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
import corpora
from conec import linalg as ridge
from conec.contexts import global_embeddings, mapping
from conec.contexts.mapping import ContextMap, MapConfig, smoothed
from conec.linalg import normalize
from tests.model_folders import reseal

LEE = datapath("lee_background.cor")


def ridge_oracle(X, Y, weight, ridge):
    """Least squares with a row for each penalty."""
    total = weight.sum()
    mean, target = weight @ X / total, weight @ Y / total
    root = np.sqrt(weight / total)[:, None]
    variance = (weight @ (X - mean) ** 2 / total).mean()
    d = X.shape[1]
    left = np.vstack([root * (X - mean), np.sqrt(ridge * variance) * np.eye(d)])
    right = np.vstack([root * (Y - target), np.zeros((d, Y.shape[1]))])
    return mean, np.linalg.lstsq(left, right, rcond=None)[0]


@pytest.mark.parametrize("penalty", [1e-4, 0.1, 3.0])
def test_against_plain_least_squares(penalty, monkeypatch):
    monkeypatch.setattr(ridge, "_ROWS", 7)  # several pieces
    rng = np.random.default_rng(0)
    X, Y = rng.normal(1, 2, (2, 50, 3)), rng.normal(2, 1, (50, 3))
    X[1, 20] = 0
    weight = rng.random(50) * (rng.random(50) < 0.8)
    made = ContextMap(MapConfig(ridge=penalty, plain=0.5)).fit(X, Y, weight)
    total = np.zeros((50, 3))
    for kind, own_mean, own_weights in zip(X, made.mean, made.weights, strict=True):
        mean, B = ridge_oracle(kind, Y, weight, penalty)
        np.testing.assert_allclose(own_mean, mean, rtol=1e-5)
        np.testing.assert_allclose(own_weights, B, rtol=1e-4, atol=1e-6)
        total += np.where(kind.any(axis=1, keepdims=True), (kind - mean) @ B, 0)
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    for n in (1, rng.integers(1, 9, 50)):
        expected = total + 0.5 * X[1] / np.sqrt(np.reshape(n, (-1, 1)))
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(made.transform(X, n), expected, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1), d=st.integers(2, 5), penalty=st.floats(0, 10))
@settings(max_examples=40)
def test_rotated_words_are_rotated(seed, d, penalty):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(2, 30, d)), rng.normal(size=(30, d))
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    config = MapConfig(ridge=penalty)
    plain = ContextMap(config).fit(X, Y).transform(X)
    turned = ContextMap(config).fit(X @ turn, Y @ turn).transform(X @ turn)
    np.testing.assert_allclose(turned, plain @ turn, atol=2e-3)


@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 5))
@settings(max_examples=40)
def test_what_is_linear_is_found(seed, d):
    rng = np.random.default_rng(seed)
    X, A = rng.normal(size=(40, d)), rng.normal(size=(d, d))
    weight = rng.random(40) + 0.1
    sums = ridge.Moments(d)
    sums.add(X, X @ A + 5, weight)
    mean, found = sums.ridge(0)
    np.testing.assert_allclose(mean, weight @ X / weight.sum())
    np.testing.assert_allclose(found, A, atol=1e-5)


def test_bad_input_is_refused():
    X, Y = np.ones((1, 3, 2)), np.ones((3, 2))
    X[0, 0] = 2
    with pytest.raises(ValueError, match="do not match"):
        ContextMap().fit(X, Y[:2])
    with pytest.raises(ValueError, match=r"sample_weight must have shape"):
        ContextMap().fit(X, Y, [1, 2])
    with pytest.raises(ValueError, match="must be finite"):
        ContextMap().fit(np.where(X == 2, np.nan, X), Y)
    with pytest.raises(ValueError, match="not be negative"):
        ContextMap().fit(X, Y, [1, 1, -1])
    with pytest.raises(ValueError, match="no map can be learned"):
        ContextMap().fit(X, Y, [0, 0, 0])
    with pytest.raises(ValueError, match="all equal"):
        ContextMap().fit(X[:, 1:] / 3, Y[1:])
    with pytest.raises(ValueError, match=r"\(k, d\) = \(1, 2\)"):
        ContextMap().fit(X, Y).transform(np.ones((1, 1, 3)))


@pytest.mark.parametrize(
    "change", [{"near": 0}, {"wide": 1.5}, {"ridge": -1}, {"sample": np.nan}, {"n_contexts": 0},
               {"draws": 0.5}, {"n_words": 0}, {"share": 1.5},
               {"reliable": "1"}, {"plain": np.inf}, {"smoothing": -1}],
)  # fmt: skip
def test_parameters_out_of_range(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        MapConfig(**change)


# In the model


@pytest.fixture(scope="module")
def trained():
    return conec.ContextEncoder(vector_size=30, min_count=5, epochs=10, sample=1e-3, seed=1).fit(
        LEE
    )


@pytest.fixture
def model(trained, tmp_path):
    trained.save(tmp_path / "trained")
    return conec.load(tmp_path / "trained")


SENTENCE = "police said the zorbing in western sydney was part of a military operation"
TEXT = SENTENCE.split()


def test_vectors_are_those_of_the_definition(model):
    model.learn_map(LEE, MapConfig(near=2, wide=4, sample=1e-3, plain=0.5))
    made, rows = model.context_map, normalize(np.asarray(model.W1))
    keep = model.vocabulary.keep_probability(1e-3)
    i = TEXT.index("zorbing")
    total = np.zeros((2, 30))
    for j, token in enumerate(TEXT):
        if i != j and token in model:
            k, distance = model.vocabulary.index[token], abs(i - j)
            total[0] += max(0, 1 - (distance - 1) / 2) * keep[k] * rows[k]
            total[1] += (distance <= 4) * keep[k] * rows[k]
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    vector = sum((total[k] - made.mean[k]) @ made.weights[k] for k in range(2))
    vector = vector / np.linalg.norm(vector) + 0.5 * total[1]
    vector /= np.linalg.norm(vector)
    np.testing.assert_allclose(model.embed_word("zorbing", [TEXT]), vector, atol=1e-5)
    embedded = model.embed(TEXT)
    np.testing.assert_allclose(embedded[i], vector, atol=1e-5)
    # a known word: its own embedding, mixed with what the map gives
    i = TEXT.index("police")
    local = model.embed(TEXT, a=0)[i]
    own = model.context_embeddings[model.vocabulary.index["police"]]
    np.testing.assert_allclose(embedded[i], normalize(0.8 * own + 0.2 * local), atol=1e-5)
    # the same context twice: less of it as it is
    again = sum((total[k] - made.mean[k]) @ made.weights[k] for k in range(2))
    again = again / np.linalg.norm(again) + 0.5 / np.sqrt(2) * total[1]
    again /= np.linalg.norm(again)
    np.testing.assert_allclose(model.embed_word("zorbing", [TEXT] * 2), again, atol=1e-5)


@pytest.mark.slow
def test_words_kept_out_are_found_more_easily_with_the_map(model):
    """Compared with all words, their own vector comes earlier than without it."""
    rng = np.random.default_rng(0)
    some = range(150, len(model))
    words = [model.vocabulary.words[i] for i in rng.choice(some, 60, replace=False)]
    model.learn_map(LEE, exclude=words)
    texts = {word: [] for word in words}
    for tokens in corpora.open(LEE):
        for word in set(tokens) & set(words):
            texts[word].append(["___" if token == word else token for token in tokens])
    rows = normalize(np.asarray(model.W1))
    ranks = {}
    for mapped in (True, False):
        if not mapped:
            model.build_contexts(LEE)
        made = np.stack([model.embed_word("___", texts[w]) for w in words])
        cosines = made @ rows.T
        own = cosines[np.arange(len(words)), [model.vocabulary.index[w] for w in words]]
        ranks[mapped] = np.median((cosines >= own[:, None]).sum(axis=1))
    assert ranks[True] < 0.7 * ranks[False]


def test_words_kept_out_do_not_count(model):
    """Their vectors may be anything, as long as they stand in no context."""
    stream = model.encode_corpus(LEE)
    rows = normalize(np.asarray(model.W1))
    words = model.vocabulary.words[-5:]
    config, vocabulary = MapConfig(), model.vocabulary
    first = mapping.learn_context_map(stream, vocabulary, rows, config, exclude=words)
    all_words = mapping.learn_context_map(stream, vocabulary, rows, config)
    assert not np.array_equal(first.weights, all_words.weights)
    # nothing to learn from: what is left of the map leaves contexts as they are
    with pytest.warns(UserWarning, match="the map of contexts was not learned"):
        none = mapping.learn_context_map(stream, vocabulary, rows, config, exclude=vocabulary.words)
    share = 30 / (30 + len(model))
    np.testing.assert_allclose(none.weights, [share * np.eye(30)] * 2, rtol=1e-5)


def test_the_number_of_workers_does_not_matter(model):
    model.learn_map(LEE)
    embeddings, weights = model.context_embeddings.copy(), model.context_map.weights
    model.config = dataclasses.replace(model.config, workers=3)
    model.learn_map(LEE)
    np.testing.assert_array_equal(model.context_embeddings, embeddings)
    np.testing.assert_array_equal(model.context_map.weights, weights)


def test_everything_is_used_where_samples_are_large(model, monkeypatch):
    """Without sampling, embeddings of known words are those of all occurrences and words."""
    monkeypatch.setattr(mapping, "_OFTEN", 10**9)
    stream, W1, W2 = model.encode_corpus(LEE), np.asarray(model.W1), np.asarray(model.W2)
    everything = MapConfig(n_words=10**6, share=1, smoothing=0.7)
    model.learn_map(stream, everything)
    window = model.context_window(None, "sif")
    mean2, mean1 = (global_embeddings(stream, W, window) for W in (W2, W1))
    counts = model.vocabulary.counts
    with_thesis = smoothed(W1, W2, mean2.copy(), mean1, counts, 0.7)
    expected = smoothed(W1, W2, mean2, None, counts, 0.7)
    np.testing.assert_allclose(model.context_embeddings, expected, atol=1e-4)
    # 1,762 words: the thesis's prediction has a weight of 3 % and is left out
    assert 0 < np.abs(with_thesis - expected).max() < 0.02
    # samples are almost as good
    model.learn_map(stream, MapConfig(n_words=300, smoothing=0.7))
    cosines = (model.context_embeddings * expected).sum(axis=1)
    assert 0.97 < np.median(cosines) < 0.99999


def test_few_words(monkeypatch):
    """With few words, all embeddings have a share of the thesis's prediction."""
    monkeypatch.setattr(mapping, "_OFTEN", 10**9)
    documents = list(corpora.open(LEE))[:60]
    model = conec.ContextEncoder(vector_size=20, min_count=9, sample=0, epochs=9).fit(documents)
    assert len(model) < 500
    stream, W1, W2 = model.encode_corpus(documents), model.W1, model.W2
    window = model.context_window(None, "sif")
    model.learn_map(stream, MapConfig(n_words=10**6))
    means = [global_embeddings(stream, W, window) for W in (W2, W1)]
    expected = smoothed(W1, W2, *means, model.vocabulary.counts, 1)
    np.testing.assert_allclose(model.context_embeddings, expected, atol=2e-4)


def test_rows_of_words_stay_and_the_plain_contexts_come_back(model):
    W1, vectors = np.array(model.W1), model.wv.vectors.copy()
    mapped = model.embed(TEXT)
    model.build_contexts(LEE)
    assert model.context_map is None
    plain, found = model.embed(TEXT, return_found=True)
    assert found.all()
    assert (plain != mapped).any(axis=1).all()
    model.learn_map(LEE)
    np.testing.assert_array_equal(model.embed(TEXT), mapped)
    np.testing.assert_array_equal(model.wv.vectors, vectors)
    np.testing.assert_array_equal(model.W1, W1)


def test_no_context_no_vector(model):
    model.learn_map(LEE)
    for contexts in ([], ["zorbing"], ["xq zorbing yq"]):
        vector, found = model.embed_word("zorbing", contexts, return_found=True)
        assert not vector.any()
        assert not found
    # beyond the window of training, within the wide one of the map
    far = ["police", *["xq"] * 9, "zorbing"]
    vector, found = model.embed_word("zorbing", [far], return_found=True)
    assert found
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert model.embed([]).shape == (0, 30)
    model.build_contexts(LEE)
    assert not model.embed_word("zorbing", [far], return_found=True)[1]


def test_training_drops_the_map(model):
    model.learn_map(LEE)
    before = model.embed_word("zorbing", [TEXT])
    model.train(LEE, epochs=1, learn_map=False)
    assert model.context_map is None
    model.learn_map(LEE)
    assert not np.array_equal(model.embed_word("zorbing", [TEXT]), before)
    model.build_vocab([["zorbing"] * 5], update=True)
    assert model.context_map is None


def test_a_map_learned_while_training_is_not_kept(model, tmp_path):
    model.train(
        LEE, epochs=2, callbacks=lambda m: m.learn_map(LEE), learn_map=False,
        checkpoint=tmp_path / "checkpoint", checkpoint_epochs=1,
    )  # fmt: skip
    assert model.context_map is None
    assert conec.load(tmp_path / "checkpoint").context_map is None


def test_a_map_learned_again_takes_its_own_weights(model):
    model.learn_map(LEE, MapConfig(sample=1e-3))
    first = model.embed_word("zorbing", [TEXT])
    model.learn_map(LEE, MapConfig(sample=0))
    second = model.embed_word("zorbing", [TEXT])
    assert not np.allclose(first, second)
    model.learn_map(LEE, MapConfig(sample=1e-3))
    np.testing.assert_array_equal(model.embed_word("zorbing", [TEXT]), first)


def test_nan_and_zero_vectors(model):
    model.W1 = np.array(model.W1)
    model.W1[3] = np.nan
    model.weights_changed()
    with pytest.raises(ValueError, match="NaN"):
        model.learn_map(LEE)
    model.W1[:] = 0
    model.weights_changed()
    with pytest.warns(UserWarning, match="the map of contexts was not learned"):
        model.learn_map(LEE)
    assert not model.embed(TEXT, a=0).any()


@pytest.fixture
def learned(monkeypatch):
    """Counts of the words of models that learn a map."""
    calls = []
    original = conec.ContextEncoder.learn_map

    def learn_map(self, *args, **options):
        calls.append(len(self))
        return original(self, *args, **options)

    monkeypatch.setattr(conec.ContextEncoder, "learn_map", learn_map)
    return calls


DOCUMENTS = [[f"w{(i * j) % 40}" for i in range(30)] for j in range(1, 30)]


def small_model():
    return conec.ContextEncoder(vector_size=8, min_count=1, seed=1).build_vocab(DOCUMENTS)


def test_a_loop_of_epochs_learns_one_map_when_it_is_used(learned, tmp_path):
    model = small_model()
    for _ in range(4):
        model.train(DOCUMENTS, epochs=1)
        assert model.wv["w3"].shape == (8,)
    assert learned == []
    embedded = model.embed(["w3", "w4", "new"])
    assert len(learned) == 1
    model.most_similar("w3")
    model.save(tmp_path / "model")
    assert model.context_map is not None
    assert len(learned) == 1
    # the same as that of a map that is learned at once
    other = small_model()
    for k in range(4):
        other.train(DOCUMENTS, epochs=1, learn_map=k == 3)
    assert len(learned) == 2
    np.testing.assert_array_equal(other.embed(["w3", "w4", "new"]), embedded)
    loaded = conec.ContextEncoder.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.embed(["w3", "w4", "new"]), embedded)
    assert len(learned) == 2


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.context_embeddings,
        lambda model: model.context_map,
        lambda model: model.wv_context,
        lambda model: model.quantize(),
        copy.copy,
        pickle.dumps,
    ],
)
def test_what_learns_a_deferred_map(learned, use):
    model = small_model().train(DOCUMENTS, epochs=1)
    assert learned == []
    use(model)
    assert len(learned) == 1
    assert model.context_embeddings.any()


def test_when_a_map_is_learned_at_once_or_never(learned, tmp_path):
    model = small_model().train(DOCUMENTS)
    assert len(learned) == 1
    model.train(DOCUMENTS, epochs=1, learn_map=True)
    assert len(learned) == 2
    model.train(DOCUMENTS, epochs=1, checkpoint=tmp_path / "checkpoint")
    assert len(learned) == 3
    model.train(DOCUMENTS, learn_map=False)
    assert model.context_map is model.context_embeddings is None
    model.train(DOCUMENTS, epochs=1).build_vocab(DOCUMENTS, update=True)
    assert model.context_map is model.context_embeddings is None
    model.train(DOCUMENTS, epochs=1).build_contexts(DOCUMENTS)
    assert model.context_map is None
    assert model.context_embeddings.any()
    assert len(learned) == 3


@pytest.mark.parametrize("n_documents", [12, 500])
def test_small_vocabularies_have_sensible_embeddings(n_documents):
    rng = np.random.default_rng(0)
    groups = [[f"{name}{i}" for i in range(4)] for name in "ab"]
    documents = [[str(word) for word in rng.choice(groups[i % 2], 20)] for i in range(n_documents)]
    model = conec.ContextEncoder(vector_size=8, min_count=1, sample=0, epochs=20, seed=1)
    vectors = model.fit(documents).context_embeddings
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    cosines = vectors @ vectors.T
    same = np.equal.outer(*[[word[0] for word in model.vocabulary.words]] * 2)
    assert cosines[same].min() > cosines[~same].max()


def test_words_without_contexts_have_no_embedding():
    # also if other words come before and after them, in other documents or at a distance
    documents = [["a", "b"], ["c"], ["a", "b", "a"], ["c"], ["b", "a"]] * 20
    model = conec.ContextEncoder(vector_size=8, min_count=1, sample=0, epochs=2, seed=1).fit(
        documents
    )
    nonzero = {
        word: bool(model.context_embeddings[i].any()) for word, i in model.vocabulary.index.items()
    }
    assert nonzero == {"a": True, "b": True, "c": False}


def test_a_corpus_without_contexts(model):
    with pytest.warns(UserWarning, match="the map of contexts was not learned"):
        model.learn_map([["police"], ["said"]])
    assert not model.context_embeddings.any()
    with pytest.raises(ValueError, match="no word of the vocabulary"):
        model.learn_map([["zorbing"]])


# Disk


def test_saved_and_loaded(model, tmp_path):
    model.learn_map(LEE, MapConfig(near=7))
    model.save(tmp_path / "model")
    loaded = conec.load(tmp_path / "model")
    assert loaded.context_map.config == model.context_map.config
    expected = model.embed_word("zorbing", [TEXT])
    np.testing.assert_array_equal(loaded.embed_word("zorbing", [TEXT]), expected)
    # saved again, over the file that it is mapped from
    loaded.save(tmp_path / "model")
    np.testing.assert_array_equal(
        conec.load(tmp_path / "model").embed_word("zorbing", [TEXT]), expected
    )
    loaded.build_contexts(LEE)
    loaded.save(tmp_path / "model")
    assert sorted(os.listdir(tmp_path / "model")) == [
        "config.json", "manifest.json", "vocabulary.json", "weights.safetensors",
    ]  # fmt: skip
    assert conec.load(tmp_path / "model").context_map is None


@pytest.mark.parametrize("damage", ["missing", "cut", "shape", "config", "nan"])
def test_damaged_maps(model, tmp_path, damage):
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    model.learn_map(LEE)
    model.save(folder)
    file, about = folder / "map.safetensors", folder / "map.json"
    arrays = {"mean": np.zeros((2, 30), np.float32), "weights": np.zeros((2, 30, 30), np.float32)}
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "shape":
        save_file({**arrays, "mean": np.zeros(30, np.float32)}, file)
    elif damage == "nan":
        arrays["mean"][0, 1] = np.nan
        save_file(arrays, file)
    else:
        about.write_text(json.dumps({**json.loads(about.read_text()), "near": "by"}))
    reseal(folder)
    with pytest.raises(conec.ModelError, match="damaged"):
        conec.load(folder)
