"""The model and other programs' word vectors."""

from __future__ import annotations

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec
from gensim.test.utils import datapath

import conec
import corpora
from conec.interop import load_word2vec, save_word2vec

LEE = datapath("lee_background.cor")


@pytest.fixture(scope="module")
def lee():
    with open(LEE, encoding="utf-8") as file:
        return [line.split() for line in file]


@pytest.fixture(scope="module")
def word2vec(lee):
    return Word2Vec(
        lee,
        vector_size=12,
        window=4,
        min_count=3,
        negative=7,
        sample=1e-3,
        ns_exponent=0.5,
        alpha=0.03,
        min_alpha=0.001,
        epochs=2,
        shrink_windows=False,
        workers=1,
        seed=1,
    )


@pytest.fixture(scope="module")
def model(lee):
    return conec.ContextEncoder(vector_size=12, min_count=3, epochs=2).fit(lee)


# Out


def test_wv_is_gensims(model):
    keyed = model.wv
    assert isinstance(keyed, KeyedVectors)
    assert keyed.index_to_key == model.vocabulary.words
    np.testing.assert_array_equal(keyed.vectors, model.W1)
    assert keyed.get_vecattr("the", "count") == model.vocabulary.counts[keyed.key_to_index["the"]]
    assert model.wv is keyed
    np.testing.assert_array_equal(model.wv_context.vectors, model.context_embeddings)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["wv", "wv_context"])
def test_gensim_writes_and_reads_it(model, tmp_path, binary, name):
    keyed = getattr(model, name)
    path = str(tmp_path / "vectors")
    keyed.save_word2vec_format(path, binary=binary)
    again = KeyedVectors.load_word2vec_format(path, binary=binary)
    assert again.index_to_key == keyed.index_to_key
    for word in ("the", "government", "said"):
        expected, found = keyed.most_similar(word, topn=20), again.most_similar(word, topn=20)
        assert [w for w, _ in found] == [w for w, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-6)


def test_gensims_own_format(model, tmp_path):
    model.wv.save(str(tmp_path / "vectors"))
    again = KeyedVectors.load(str(tmp_path / "vectors"))
    np.testing.assert_array_equal(again.vectors, model.W1)
    assert again.most_similar("the") == model.wv.most_similar("the")


def test_a_loaded_model_gives_the_same_neighbours(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = conec.load(tmp_path / "model")
    assert loaded.wv.most_similar("the") == model.wv.most_similar("the")
    assert loaded.wv_context.most_similar("the") == model.wv_context.most_similar("the")


# In: gensim's Word2Vec


def test_from_gensim(word2vec, lee):
    model = conec.ContextEncoder.from_gensim(word2vec, lee)
    assert model.vocabulary.words == word2vec.wv.index_to_key
    np.testing.assert_array_equal(model.W1, word2vec.wv.vectors)
    np.testing.assert_array_equal(model.W2, word2vec.syn1neg)
    assert not np.shares_memory(model.W1, word2vec.wv.vectors)
    assert not np.shares_memory(model.W2, word2vec.syn1neg)
    for row, word in enumerate(model.vocabulary.words):
        assert model.vocabulary.counts[row] == word2vec.wv.get_vecattr(word, "count")
    c = model.config
    assert (c.vector_size, c.window, c.min_window, c.negative) == (12, 4, 4, 7)
    assert (c.sample, c.ns_exponent, c.alpha, c.min_alpha) == (1e-3, 0.5, 0.03, 0.001)
    assert (c.epochs, c.cbow_mean, c.cbow_gradient) == (2, True, "word2vec")
    assert model.embed(["the", "unheard", "government"]).any(axis=1).all()


def test_from_gensim_is_trained_further(word2vec, lee, tmp_path):
    model = conec.ContextEncoder.from_gensim(word2vec)
    assert model.context_embeddings is None
    model.train(lee, epochs=1)
    assert np.isfinite(model.W1).all()
    assert (word2vec.wv.vectors != model.W1).any()
    model.save(tmp_path / "model")
    assert conec.load(tmp_path / "model").config == model.config


@pytest.mark.parametrize(
    "parameters",
    [
        {"hs": 1, "negative": 0},
        {"cbow_mean": 0},
        {"sample": 0},
        {"min_count": 1, "window": 1},
        {"sg": 1, "shrink_windows": True},
    ],
    ids=str,
)
def test_from_gensim_of_every_kind(lee, parameters):
    word2vec = Word2Vec(lee[:60], vector_size=5, epochs=1, workers=1, **parameters)
    model = conec.ContextEncoder.from_gensim(word2vec, lee[:60])
    assert model.config.cbow_mean == bool(parameters.get("cbow_mean", 1))
    assert model.config.sample == parameters.get("sample", 1e-3)
    assert model.config.min_window == 1
    assert model.W2.shape == model.W1.shape
    assert np.isfinite(model.context_embeddings).all()


def test_from_gensim_needs_a_word2vec(word2vec):
    for other in (word2vec.wv, {"a": [1.0]}, None, "path"):
        with pytest.raises(TypeError, match="must be a gensim Word2Vec, got"):
            conec.ContextEncoder.from_gensim(other)


# In: word vectors


def make_keyed(words=("rare", "common", "never"), size=3, counts=None):
    keyed = KeyedVectors(size)
    rng = np.random.default_rng(0)
    keyed.add_vectors(list(words), rng.normal(size=(len(words), size)).astype(np.float32))
    if counts is not None:
        for word, n in zip(words, counts, strict=True):
            keyed.set_vecattr(word, "count", n)
    return keyed


def test_from_vectors_takes_counts_and_contexts_from_the_corpus():
    keyed = make_keyed()
    corpus = [["common", "rare", "unknown", "common"], ["common"]]
    model = conec.ContextEncoder.from_vectors(keyed, corpus, window=2)
    assert model.vocabulary.words == ["common", "rare", "never"]
    assert model.vocabulary.counts.tolist() == [3, 1, 0]
    for word in model.vocabulary.words:
        np.testing.assert_array_equal(model.wv[word], keyed[word])
    assert model.config.window == 2
    assert model.config.vector_size == 3
    assert (model.W2 == 0).all()
    assert not model.context_embeddings[2].any()
    # words that the vectors lack are left out of the text, as in training
    unit = model.W1 / np.linalg.norm(model.W1, axis=1, keepdims=True)
    model.build_contexts(corpus)
    np.testing.assert_allclose(model.context_embeddings[0], unit[0] + unit[1], atol=1e-6)


def test_from_vectors_without_a_corpus():
    model = conec.ContextEncoder.from_vectors(make_keyed())
    assert model.vocabulary.words == ["rare", "common", "never"]
    assert model.vocabulary.counts.tolist() == [0, 0, 0]
    assert model.context_embeddings is None
    assert model.embed_word("unheard", ["rare unheard common"]).any()
    with pytest.raises(RuntimeError, match="build_contexts"):
        model.embed(["rare", "common"])
    # without counts it can be trained nevertheless: nothing is subsampled
    model.train([["rare", "common", "never"]] * 50, epochs=1)
    assert np.isfinite(model.W1).all()
    assert (model.W2 != 0).any()


def test_from_vectors_with_counts():
    model = conec.ContextEncoder.from_vectors(make_keyed(counts=[2, 9, 4]))
    assert model.vocabulary.words == ["common", "never", "rare"]
    assert model.vocabulary.counts.tolist() == [9, 4, 2]


def test_the_vectors_are_not_shared():
    keyed = make_keyed()
    model = conec.ContextEncoder.from_vectors(keyed)
    model.W1[:] = 0
    assert keyed.vectors.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_no_numbers_are_named(value):
    keyed = make_keyed()
    keyed.vectors[1, 2] = value
    with pytest.raises(ValueError, match="'common'"):
        conec.ContextEncoder.from_vectors(keyed)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="expected vectors of size 5, got size 3"):
        conec.ContextEncoder.from_vectors(make_keyed(), vector_size=5)
    assert conec.ContextEncoder.from_vectors(make_keyed(), vector_size=3).W1.shape == (3, 3)


def test_parameters():
    model = conec.ContextEncoder.from_vectors(make_keyed(), min_count=7, seed=4)
    assert (model.config.min_count, model.config.seed) == (7, 4)
    assert conec.ContextEncoder.from_vectors(make_keyed()).config.min_count == 0
    with pytest.raises(TypeError, match="size"):
        conec.ContextEncoder.from_vectors(make_keyed(), size=3)
    with pytest.raises(ValueError, match="window"):
        conec.ContextEncoder.from_vectors(make_keyed(), window=0)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.slow
def test_from_a_file(model, lee, tmp_path, binary):
    path = tmp_path / "vectors"
    save_word2vec(model.wv, path, binary=binary)
    for name in (path, str(path)):
        again = conec.ContextEncoder.from_vectors(name, lee, window=5)
        assert again.vocabulary.words == model.vocabulary.words
        np.testing.assert_array_equal(again.vocabulary.counts, model.vocabulary.counts)
        np.testing.assert_array_equal(again.W1, model.W1)
        # without W2 a little less is known of each word
        cosines = (again.context_embeddings * model.context_embeddings).sum(axis=1)
        assert np.median(cosines) > 0.9
    assert load_word2vec(path).index_to_key == model.vocabulary.words


def test_from_a_file_of_gensim(word2vec, tmp_path):
    path = tmp_path / "vectors.txt"
    word2vec.wv.save_word2vec_format(str(path))
    again = conec.ContextEncoder.from_vectors(path)
    np.testing.assert_allclose(again.W1, word2vec.wv.vectors, rtol=1e-5)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        conec.ContextEncoder.from_vectors(tmp_path / "none.bin")
    (tmp_path / "bad.txt").write_text("2 3\na 1 2 3\nb 1 nan 3\n")
    with pytest.raises(ValueError, match=r"bad\.txt.*'b'"):
        conec.ContextEncoder.from_vectors(tmp_path / "bad.txt")
    (tmp_path / "text.txt").write_text("a text of words\n")
    with pytest.raises(ValueError, match="line 1"):
        conec.ContextEncoder.from_vectors(tmp_path / "text.txt")


def test_a_generator_is_refused_as_it_is_needed_twice():
    with pytest.raises(corpora.NotReiterableError, match="once"):
        conec.ContextEncoder.from_vectors(make_keyed(), iter([["rare"]]))


def test_a_corpus_of_other_words_is_refused():
    with pytest.raises(ValueError, match="no word of the vocabulary"):
        conec.ContextEncoder.from_vectors(make_keyed(), [["q"]])
