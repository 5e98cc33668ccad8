"""`embed` and `embed_batch` against embeddings from sparse context vectors."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
from conec import token_embedding
from conec.contexts.mapping import MapConfig
from conec.features import Affixes
from conec.senses import SenseSettings
from tests.conec import slow_embedding

RNG = np.random.default_rng(0)
WORDS = [f"w{i}" for i in range(40)]
CORPUS = [[*RNG.choice(WORDS, 30, p=np.arange(40, 0, -1) / 820)] for _ in range(60)]
CORPUS = [[str(token) for token in text] for text in CORPUS]


@pytest.fixture(scope="module")
def model():
    """A model with a map, whose wide window is shorter than some documents, and senses."""
    made = conec.ContextEncoder(vector_size=20, min_count=1, epochs=3, sample=0, seed=1)
    made.build_vocab(CORPUS).train(CORPUS, learn_map=False)
    # with few words and a small penalty, maps amplify rounding errors a thousand times
    made.learn_map(CORPUS, MapConfig(near=3, wide=7, sample=0.01, ridge=0.1))
    return made.build_senses(CORPUS, SenseSettings(window=4, min_occurrences=20, threshold=0.9))


tokens = st.lists(st.sampled_from([*WORDS[:8], "", "new", "other", "third"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    tokens, st.sampled_from([0, 0.3, 1]), st.booleans(), st.sampled_from(["none", "soft", "hard"])
)
def test_embed_is_the_slow_embedding(model, tokens, a, per_occurrence, senses):
    choice = {"senses": senses, "per_occurrence": per_occurrence}
    expected = slow_embedding.embed(model, tokens, a, **choice)
    result, found = model.embed(tokens, a, **choice, return_found=True)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_array_equal(found, result.any(axis=1))
    np.testing.assert_array_equal(found, expected.any(axis=1))


def test_diverse_words():
    """If words differ as those of large models do, rounding errors stay small."""
    rng = np.random.default_rng(1)
    words = np.array([f"w{i}" for i in range(1500)])
    corpus = [words[(1500 * rng.random(60) ** 2).astype(int)].tolist() for _ in range(400)]
    made = conec.ContextEncoder(vector_size=50, min_count=1).build_vocab(corpus)
    made.W1, made.W2 = rng.normal(size=(2, len(made), 50)).astype(np.float32)
    made.learn_map(corpus).build_senses(corpus, SenseSettings(min_occurrences=30))
    for senses in ("none", "soft", "hard"):
        for text in [[*corpus[0], "new", *corpus[1]], corpus[2][:20]]:
            expected = slow_embedding.embed(made, text, senses=senses)
            np.testing.assert_allclose(made.embed(text, senses=senses), expected, atol=1e-5)


@pytest.mark.parametrize("wide", [1, 2, 3, 30, 100])
def test_wide_windows(wide):
    made = conec.ContextEncoder(vector_size=5, min_count=1, epochs=5, sample=0).fit(CORPUS)
    made.learn_map(CORPUS, MapConfig(near=2, wide=wide, sample=0))
    for n in (1, 2, wide, wide + 1, 2 * wide + 1, 3 * wide + 2, 90):
        text = (CORPUS[0] + CORPUS[1] + CORPUS[2] + CORPUS[3])[:n]
        for per_occurrence in (False, True):
            expected = slow_embedding.embed(made, text, per_occurrence=per_occurrence)
            result = made.embed(text, per_occurrence=per_occurrence)
            np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize("workers", [None, 1, 2])
@pytest.mark.parametrize("choice", [{}, {"senses": "none"}, {"per_occurrence": True, "a": 0}])
def test_batches_are_the_documents(model, monkeypatch, workers, choice):
    monkeypatch.setattr(token_embedding, "BATCH_TOKENS", 50)
    documents = [*CORPUS[:9], [], ["new"], ["", "w0"], *CORPUS[9:12]]
    results = list(model.embed_batch(iter(documents), workers=workers, **choice))
    assert len(results) == len(documents)
    for document, result in zip(documents, results, strict=True):
        np.testing.assert_array_equal(result, model.embed(document, **choice))
        assert result.shape == (len(document), 20)
    assert not list(model.embed_batch([]))


@pytest.mark.parametrize("senses", ["none", "soft"])
def test_vectors_do_not_depend_on_earlier_documents(model, senses):
    """Words have the same bits in whichever order they are added to the table."""
    whole = list(copy.deepcopy(model).embed_batch(CORPUS, senses=senses))
    for start in (1, 7, 30):
        made = copy.deepcopy(model)
        made.embed(["w39", "w0", "w5"][: start % 4], senses=senses)
        results = made.embed_batch(CORPUS[start:], senses=senses)
        np.testing.assert_array_equal(np.concatenate(list(results)), np.concatenate(whole[start:]))


def test_strings_are_split(model):
    (result,) = model.embed_batch(["w0 new  w1\n"])
    np.testing.assert_array_equal(result, model.embed(["w0", "new", "w1"]))


texts = st.lists(
    st.lists(st.sampled_from(["w0", "w1", "w3", "new", "Ж", "neu\u0308", "\udc80", "w00"]))
    | st.text(st.sampled_from("w0 \n\u2003\u2004\xa0\x85é\U0001f600"), max_size=12),
    max_size=9,
)


@settings(max_examples=60, deadline=None)
@given(texts, st.sampled_from([0, 0.8]), st.booleans(), st.sampled_from([1, 2]))
def test_strings_are_lists_of_their_tokens(model, documents, a, per_occurrence, workers):
    lists = [text.split() if isinstance(text, str) else text for text in documents]
    strings = [text if isinstance(text, str) else "\t".join(text) for text in documents]
    choice = {"a": a, "per_occurrence": per_occurrence, "workers": workers}
    expected = list(model.embed_batch(lists, **choice))
    for kind in (strings, documents):
        results = list(model.embed_batch(kind, **choice))
        assert len(results) == len(expected)
        for result, other in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, other)
    np.testing.assert_array_equal(model.encode(strings), model.encode(lists))


def test_lists_with_any_tokens(model, monkeypatch):
    """Tokens with line ends, other white space, and breaks."""
    expected = {word: model.embed([word, "w0"]) for word in ("w1", "w 1", "Ж")}
    monkeypatch.setattr("conec.embedding._FEW_TOKENS", 0)
    for word, vectors in expected.items():
        np.testing.assert_array_equal(model.embed([word, "w0"]), vectors)
    documents = [
        ["w0", "", "w1", "w 1", "w1\n", "\n", "w2", "", "Ж"],
        [],
        ["", ""],
        ["\udc80", "w0"],
    ]
    for chosen in (documents, documents[1:], documents[2:3], [[], []], [["w0", "", "", "w1"]]):
        results = list(model.embed_batch(chosen))
        with monkeypatch.context() as patch:
            patch.setattr("conec.embedding._FEW_TOKENS", 1 << 30)
            others = [model.embed(document) for document in chosen]
        for result, other in zip(results, others, strict=True):
            np.testing.assert_array_equal(result, other)


def test_strings_of_a_model_without_a_map(model):
    made = copy.deepcopy(model).build_contexts(CORPUS)
    made.sense_inventory = None
    for result, text in zip(made.embed_batch(map(" ".join, CORPUS[:3])), CORPUS[:3], strict=True):
        np.testing.assert_array_equal(result, made.embed(text))


@pytest.mark.parametrize("size", [1, 20, 1 << 13])
def test_lines_in_batches(model, monkeypatch, size):
    monkeypatch.setattr(token_embedding, "BATCH_TOKENS", size)
    lines = [" ".join(text[:n]) for n, text in enumerate(CORPUS[:25])]
    lines[3] = " \t "  # no token
    blocks = ["\n".join(lines[:9]) + "\n", "\n".join(lines[9:])]  # without a last line end
    packed = token_embedding.batches_of_lines(block.encode() for block in blocks)
    tokens, vectors, lengths = [], [], []
    for part in model.embed_packed(packed, workers=2):
        bounds, data = part.words.packed()
        tokens += [
            bytes(data[start:stop]).decode()
            for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
        ]
        lengths += np.diff(part.words.offsets).tolist()
        vectors.append(part.vectors)
        np.testing.assert_array_equal(part.found, part.vectors.any(axis=1))
    documents = [line.split() for line in lines]
    assert lengths == list(map(len, documents))
    assert tokens == [token for document in documents for token in document]
    np.testing.assert_array_equal(
        np.concatenate(vectors), np.concatenate(list(model.embed_batch(documents)))
    )


def test_a_small_table_of_context_words(model, monkeypatch):
    expected = list(model.embed_batch(CORPUS[:8], senses="none"))
    monkeypatch.setattr(token_embedding, "_TABLE_BYTES", 4 * 4 * 32 * 20)  # 20 words
    monkeypatch.setattr(token_embedding, "BATCH_TOKENS", 20)
    model.weights_changed()
    for _ in range(2):
        for workers in (1, 2):
            results = list(model.embed_batch(CORPUS[:8], senses="none", workers=workers))
            for one, other in zip(results, expected, strict=True):
                np.testing.assert_array_equal(one, other)
    model.weights_changed()


def test_models_without_a_map(model):
    made = copy.deepcopy(model).build_contexts(CORPUS)
    made.sense_inventory = None
    text = ["w0", "", "w1", "new", "w0", "w2"]
    (result,) = made.embed_batch([text])
    np.testing.assert_array_equal(result, made.embed(text))
    np.testing.assert_array_equal(result[0], result[4])
    (own,) = made.embed_batch([text], per_occurrence=True)
    assert np.abs(own[0] - own[4]).max() > 1e-4
    # the only occurrence of a word has the same context either way
    np.testing.assert_allclose(own[[1, 2, 3, 5]], result[[1, 2, 3, 5]], atol=1e-6)


def test_features():
    made = conec.ExtendedContextEncoder([Affixes()], vector_size=6, min_count=1, epochs=1, sample=0)
    made.fit(CORPUS)
    documents = [CORPUS[0], [], ["w0", "", "w0"]]
    results = list(made.embed_batch(documents, feature_weight=0.5))
    for document, result in zip(documents, results, strict=True):
        np.testing.assert_array_equal(result, made.embed(document, feature_weight=0.5))
    with pytest.raises(TypeError, match="document 1"):
        list(made.embed_batch([["a"], [3]]))
    with pytest.raises(TypeError, match="documents must be an iterable"):
        made.embed_batch("a b")


def test_bad_documents(model):
    for documents in ("a b", b"a", 3, None):
        with pytest.raises(TypeError, match="documents must be an iterable of documents"):
            model.embed_batch(documents)
    with pytest.raises(TypeError, match=r"document 1, position 2 \(counted from 0\)"):
        list(model.embed_batch([["w0"], ["w0", "w1", 3]]))
    with pytest.raises(ValueError, match="a must be a number"):
        model.embed_batch([], 2)
    with pytest.raises(ValueError, match="senses must be one of"):
        model.embed_batch([], senses="some")
    with pytest.raises(ValueError, match="per_occurrence must be True or False"):
        model.embed_batch([], per_occurrence="yes")
    with pytest.raises(ValueError, match="workers must be an integer >= 1"):
        model.embed_batch([], workers=0)


def test_documents_are_read_as_they_are_needed(model, monkeypatch):
    monkeypatch.setattr(token_embedding, "BATCH_TOKENS", 10)
    n_read = 0

    def documents():
        nonlocal n_read
        while True:
            n_read += 1
            yield CORPUS[0]

    for workers in (1, 2):
        n_read = 0
        results = model.embed_batch(documents(), workers=workers)
        next(results)
        assert n_read <= 1 + 2 * workers
        results.close()


def test_weights_that_are_not_finite(model):
    made = copy.deepcopy(model)
    made.W1[3, 0] = np.nan
    made.weights_changed()
    for senses in ("none", "soft"):
        with pytest.raises(ValueError, match="1 of 40 rows of W1 contain NaN"):
            made.embed(["w0"], senses=senses)
    made = copy.deepcopy(model)
    made.context_embeddings[made.vocabulary.index["w0"], 0] = np.inf
    with pytest.raises(ValueError, match="NaN, infinity"):
        made.embed(["w0", "w1"], senses="none")


def test_copies_have_tables_of_their_own(model):
    expected = model.embed(CORPUS[0]), model.embed(CORPUS[0], senses="none")
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(made.embed(CORPUS[0]), expected[0])
        np.testing.assert_array_equal(made.embed(CORPUS[0], senses="none"), expected[1])
        np.testing.assert_array_equal(next(made.embed_batch([" ".join(CORPUS[0])])), expected[0])


def test_new_maps_are_used_at_once(model):
    made = copy.deepcopy(model)
    text = CORPUS[0]
    before = made.embed(text, senses="none")
    made.learn_map(CORPUS, MapConfig(near=1, wide=2, sample=0))
    after = made.embed(text, senses="none")
    assert np.abs(before - after).max() > 1e-3
    np.testing.assert_allclose(after, slow_embedding.embed(made, text), atol=5e-5)
