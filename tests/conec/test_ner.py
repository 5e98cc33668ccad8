"""Features of tokens in context: what goes in, groups, and scikit-learn's ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

import conec
from conec.features import Case, PartOfSpeech
from conec.ner import ContextFeatures
from conec.ner.clusters import Clusters
from conec.ner.documents import read_documents, read_tags
from corpora import BREAK
from corpora.cleaning import Pipeline
from tests.conec.ner_texts import FRUIT, TOWNS, groups, sentences, trained


@pytest.fixture(scope="module")
def model():
    return trained()


DOCUMENTS = [
    [["They", "eat", "apple"], ["trains", "leave", "zorbville"]],
    [["zorbville", "old", "station"]],
]


# What goes in


def test_documents_and_plain_sentences_and_rows():
    nested, is_nested = read_documents([[["a", "b"], []], []])
    assert (nested, is_nested) == ([[[("a",), ("b",)], []], []], True)
    plain, is_nested = read_documents([["a", "b"], [], ["c"]])
    assert (plain, is_nested) == ([[[("a",), ("b",)]], [[]], [[("c",)]]], False)
    rows, is_nested = read_documents([[("a", "X"), ("b", "Y")]])
    assert (rows, is_nested) == ([[[("a", "X"), ("b", "Y")]]], False)
    rows, is_nested = read_documents([[[("a", "X")], [("b", "Y")]]])
    assert (rows, is_nested) == ([[[("a", "X")], [("b", "Y")]]], True)
    tuples, is_nested = read_documents(((("a", "b"), ("c",)),))
    assert tuples == [[[("a", "b"), ("c",)]]]  # a tuple of strings is a token
    assert read_documents(iter([iter(["a"])]))[0] == [[[("a",)]]]
    assert read_documents(np.array([["a", "b"]]))[0] == [[[("a",), ("b",)]]]


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ("some text", TypeError, "got the string 'some text'"),
        (["some text"], TypeError, "item 0 must be a sentence .* got the string 'some text'"),
        ([["a"], "b"], TypeError, "item 1 must be a sentence .* got the string 'b'"),
        ([["a"], 3], TypeError, "item 1 must be a list .* got 3"),
        ([["a", 3]], TypeError, "token 1 of item 0, sentence 0 must be a string .* got 3"),
        (
            [[["a"], ["b", None]]],
            TypeError,
            "token 1 of item 0, sentence 1 must be a string .* got None",
        ),
        ([[("a", 1)]], TypeError, "token 0 of item 0"),
        ([["a", ""]], ValueError, "token 1 of item 0, sentence 0 is an empty string"),
        ([["a"], [["b"]]], ValueError, "item 1 is a document"),
        ([[["a"]], ["b"]], ValueError, "item 1 is a sentence"),
        ([[["a"], "b"]], TypeError, "item 0, sentence 1 must be a sentence .* got the string 'b'"),
    ],
)
def test_bad_documents_are_told_where_they_are_wrong(model, bad, error, message):
    with pytest.raises(error, match=message):
        ContextFeatures(model).fit(bad)


def test_tags_have_to_fit():
    documents, _ = read_documents([[["a", "b"], ["c"]], [["d"]]])
    expected = [[["O", "O"], ["O"]], [["O"]]]
    assert read_tags([[["O", "O"], ["O"]], [["O"]]], documents) == expected
    assert read_tags([["O", "O"], ["O"], ["O"]], documents) == expected
    for bad, message in (
        ([["O", "O"], ["O"]], "3 sentences, but tags for 2"),
        ([[["O", "O"], ["O"], ["O"]]], "2 documents, but tags for 1"),
        ([["O"], ["O"], ["O"]], "sentence 0 has 2 tokens, but 1 tags"),
    ):
        with pytest.raises(ValueError, match=message):
            read_tags(bad, documents)


# Features


def test_dense_features_are_embeddings_in_the_document(model):
    features = ContextFeatures(model, a=0.4, clean="lower")
    found = features.fit(DOCUMENTS).transform(DOCUMENTS)
    first = ["they", "eat", "apple", BREAK, "trains", "leave", "zorbville"]
    expected = np.concatenate(
        [model.embed(first, 0.4)[[0, 1, 2, 4, 5, 6]], model.embed(DOCUMENTS[1][0], 0.4)]
    )
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32
    assert found[5].any()  # a word never seen has features of its own in each document
    assert not np.array_equal(found[5], found[6])
    # rows are looked at for their words alone
    rows = [[[(word, "X") for word in s] for s in document] for document in DOCUMENTS]
    np.testing.assert_array_equal(features.transform(rows), found)
    assert features.transform([]).shape == (0, 12)


def test_sparse_features_are_the_nearest_groups(model):
    features = groups(model, clean="lower").fit(DOCUMENTS)
    found = features.transform(DOCUMENTS)
    assert sparse.issparse(found)
    assert found.dtype == np.float32
    names = features.get_feature_names_out()
    assert found.shape == (9, len(names))
    assert len(set(names)) == len(names)
    numbers = features.groups(DOCUMENTS)
    assert features.group_names == [
        "word2", "word6", "context2", "context6", "document2", "document6",
    ]  # fmt: skip
    dense = ContextFeatures(model, clean="lower").fit(DOCUMENTS).transform(DOCUMENTS)
    words = [word.lower() for document in DOCUMENTS for sentence in document for word in sentence]
    for i, word in enumerate(words):
        present = {str(name) for name in names[found[i].indices]}
        rows = zip(features.group_names, numbers[i], strict=True)
        assert present == {f"{name}_{number}" for name, number in rows if number >= 0}
        for space, vector in (
            ("word", model.wv.get_vector(word, norm=True) if word in model else None),
            ("context", model.wv_context[word] if word in model else None),
            ("document", dense[i]),
        ):
            own = [
                n for n, name in zip(numbers[i], features.group_names, strict=True) if space in name
            ]
            if vector is None:
                assert own == [-1, -1]
                continue
            clusters = features.clusters_[space]
            direction = vector - clusters.mean
            direction /= np.linalg.norm(direction)
            nearest = ((clusters.centers - direction) ** 2).sum(axis=1).argmin()
            assert own == clusters.parents[nearest].tolist()


def test_words_of_a_kind_are_in_one_group(model):
    features = groups(model, spaces=("context",), clusters=(4, 8)).fit([FRUIT + TOWNS])
    coarse = features.groups([FRUIT, TOWNS])[:, 0]
    assert len(set(coarse[:5])) == len(set(coarse[5:])) == 1
    assert coarse[0] != coarse[5]


def test_unseen_words_are_in_the_groups_of_their_kind(model):
    words, _ = sentences(60, 3)
    features = groups(model, spaces=("document",), clusters=(6,), a=0.0).fit(words)
    [*_, fruit, _, _] = features.groups([["they", "eat", "zorb", "sweet", "juice"]])[:, 0]
    [*_, town, _, _] = features.groups([["trains", "leave", "zorb", "old", "station"]])[:, 0]
    known = features.groups([["trains", "leave", "rome", "old", "station"]])[2, 0]
    assert town == known != fruit


def test_a_token_without_any_context_is_in_no_group(model):
    features = groups(model).fit(DOCUMENTS)
    assert (features.groups([["zorb", "blub"]]) == -1).all()
    assert features.transform([["zorb", "blub"]]).nnz == 0


@settings(max_examples=30)
@given(
    st.integers(1, 30), st.integers(1, 6),
    st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True), st.integers(0, 5),
)  # fmt: skip
def test_coarse_groups_are_made_of_fine_ones(n, d, sizes, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    found = Clusters.fit(vectors, sizes, seed)
    assigned = found.assign(np.vstack([vectors, np.zeros((1, d), np.float32)]))
    assert (assigned[-1] == -1).all()
    assert all(0 < has <= size for has, size in zip(found.sizes, sizes, strict=True))
    for column, has in zip(assigned[:-1].T, found.sizes, strict=True):
        assert set(column) <= set(range(has))
    finest = int(np.argmax(sizes))
    for level in range(len(sizes)):
        pairs = set(zip(assigned[:-1, finest], assigned[:-1, level], strict=True))
        assert len(pairs) == len({a for a, _ in pairs})
    again = Clusters.fit(vectors, sizes, seed)
    np.testing.assert_array_equal(again.parents, found.parents)


def test_scikit_learn_handles_it(model):
    features = groups(model, a=0.3)
    copy = clone(features)
    assert copy is not features
    assert copy.model is model  # not copied
    assert copy.get_params() == features.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(DOCUMENTS)
    with pytest.raises(NotFittedError):
        copy.get_feature_names_out()
    scaled = make_pipeline(features, MaxAbsScaler()).fit_transform(DOCUMENTS)
    np.testing.assert_array_equal(scaled.toarray(), features.fit_transform(DOCUMENTS).toarray())
    assert "ContextFeatures" in repr(features)
    dense = features.set_params(sparse=False, a=0.5).fit(DOCUMENTS)
    assert dense.transform(DOCUMENTS).shape == (9, 12)
    with pytest.raises(ValueError, match="sparse=True"):
        dense.groups(DOCUMENTS)


def test_pandas_output(model):
    pd = pytest.importorskip("pandas")
    features = ContextFeatures(model).set_output(transform="pandas")
    frame = clone(features).fit(DOCUMENTS).transform(DOCUMENTS)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == [f"context{i}" for i in range(12)]
    np.testing.assert_array_equal(
        frame.to_numpy(), ContextFeatures(model).fit(DOCUMENTS).transform(DOCUMENTS)
    )


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"a": 2}, ValueError, "a must be a finite number"),
        ({"clusters": ()}, ValueError, "clusters must be a sequence"),
        ({"clusters": 8}, ValueError, "clusters must be a sequence"),
        ({"clusters": (8, 8)}, ValueError, "twice"),
        ({"clusters": (0,)}, ValueError, "each value of clusters"),
        ({"spaces": "word"}, ValueError, "spaces must be a sequence"),
        ({"spaces": ("words",)}, ValueError, "got 'words'"),
        ({"n_words": 0}, ValueError, "n_words"),
        ({"clean": "lowr"}, ValueError, "unknown cleaning step"),
        ({"random_state": -1}, ValueError, "random_state"),
        ({"model": None}, TypeError, "model must be a ContextEncoder"),
        ({"model": conec.ContextEncoder()}, ValueError, "no vocabulary"),
        ({"model": "no/such/folder"}, FileNotFoundError, "not found.*no.such.folder"),
    ],
)
def test_bad_parameters_are_named(model, parameters, error, message):
    with pytest.raises(error, match=message):
        ContextFeatures(**{"model": model, "sparse": True, **parameters}).fit(DOCUMENTS)


def test_what_cannot_be_learned_from(model):
    with pytest.raises(ValueError, match="no tokens"):
        ContextFeatures(model).fit([[[]]])
    with pytest.raises(ValueError, match="space 'document' are zero.*clean="):
        groups(model).fit([["ZORB", "BLUB"]])


def test_a_model_without_contexts(model):
    words, _ = sentences(50, 0)
    bare = conec.ContextEncoder(vector_size=5, min_count=1, epochs=1, seed=1)
    bare.build_vocab(words).train(words, learn_map=False)
    for features in (ContextFeatures(bare), groups(bare, a=0.0)):
        with pytest.raises(RuntimeError, match="build_contexts"):
            features.fit(words)
    assert groups(bare, a=0.0, spaces=("word", "document")).fit(words).groups(words).min() >= 0
    assert ContextFeatures(bare, a=0).fit_transform(words).shape == (250, 5)


def test_the_folder_of_a_model_with_features_gives_the_same_features(tmp_path):
    text = [[[("They", "PRP"), ("eat", "VBP"), ("Apple", "NNP")], [("Rome", "NNP")]]] * 8
    made = conec.ExtendedContextEncoder(
        [Case(), PartOfSpeech()], clean=Pipeline("lower"), vector_size=6, min_count=1, epochs=2
    ).fit(text)
    made.save(tmp_path / "m")
    features = ContextFeatures(tmp_path / "m").fit(text)
    assert isinstance(features.model_, conec.ExtendedContextEncoder)
    expected = np.concatenate([made.embed(document) for document in text])
    np.testing.assert_array_equal(features.transform(text), expected)
    np.testing.assert_array_equal(ContextFeatures(made).fit_transform(text), expected)
    # words are looked up as the model cleans them
    grouped = ContextFeatures(made, sparse=True, spaces=("word", "context"), clusters=(2,))
    grouped.fit(text)
    numbers = grouped.groups([["They", "EAT", "zorb"]])
    np.testing.assert_array_equal(numbers[:2], grouped.groups([["they", "eat"]]))
    assert (numbers[:2] >= 0).all()
    assert (numbers[2] == -1).all()
