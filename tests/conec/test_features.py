"""Features of tokens: their names, their vocabulary, and models that have them."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import conec
from conec import ExtendedContextEncoder, ModelError
from conec.extended.vocabulary import FeatureVocabulary, describe, restore
from conec.features import (
    Affixes,
    Case,
    CharNgrams,
    PartOfSpeech,
    Position,
    Sentence,
    Shape,
    sentences,
)
from conec.ner.standard import word_shape
from corpora import NotReiterableError
from corpora.cleaning import Pipeline
from corpora.encoding import TokenStream
from tests.model_folders import reseal

ROWS = [[("London", "NNP"), ("calls", "VBZ"), ("2", "CD")], [("EU", "NNP"), ("rejects", "VBZ")]]
FLAT = ["London", "calls", "2", "", "EU", "rejects"]
TEXT = [ROWS] * 8
SOME = (Case(), Affixes((1, 2)), Position(1))


def sentence(*tokens):
    return sentences(list(tokens), str.lower)[0]


def is_city(sentence):
    return [["city"] if token == "London" else [] for token in sentence.tokens]


def made(features=SOME, **changes):
    parameters = {
        "clean": Pipeline(["digits", "lower"]), "vector_size": 6, "min_count": 1, "sample": 0,
        "epochs": 2, "feature_dropout": 0.5, **changes,
    }  # fmt: skip
    return ExtendedContextEncoder(list(features), **parameters)


# Documents


def test_tokens_with_breaks_and_rows_give_the_same_sentences():
    flat, rows = sentences(FLAT, str.lower), sentences(ROWS, str.lower)
    assert [s.words for s in flat] == [s.words for s in rows] == [
        ["london", "calls", "2"], ["eu", "rejects"],
    ]  # fmt: skip
    assert [s.tokens for s in flat] == [s.tokens for s in rows]
    assert rows[0].rows[0] == ("London", "NNP")
    assert sentences([]) == [Sentence([], [], [])] or sentences([]) == []


def test_a_token_that_cleaning_leaves_nothing_of_stays():
    (found,) = sentences(["a", "é"], lambda token: token.encode("ascii", "ignore").decode())
    assert found.words == ["a", "é"]


@pytest.mark.parametrize("bad", ["a text", ["a", [("b",)]], [["a", "b"]], [[()]]], ids=str)
def test_other_documents_are_refused(bad):
    with pytest.raises(
        TypeError,
        match=r"the document( must be|, position 1 |, sentence 0, row 0: expected the columns)",
    ):
        sentences(bad)


# Features


def test_case():
    tokens = ["UN", "I", "the", "Bonn", "McDonald", "iPad", "1996", "--", "U.N."]
    names = [n for (n,) in Case(mark_first=False)(sentence(*tokens))]
    assert names == [
        "upper", "letter", "lower", "title", "title mixed", "mixed", "digits", "other", "upper",
    ]  # fmt: skip
    assert Case()(sentence("The", "The")) == [["title first"], ["title"]]


def test_shape():
    assert Shape()(sentence("Berlin-1996", "U.N.", "x")) == [["Xxx-dd"], ["X.X."], ["x"]]
    assert Shape(1)(sentence("Berlin-1996")) == [["Xx-d"]]


def test_marks_belong_to_their_letter() -> None:
    composed = sentence("Émile", "É", "ÉTÉ", "naïve", "x́y", "हिन्दी", "كَتَبَ", "می\u200cخواهم")
    decomposed = sentence(*(unicodedata.normalize("NFD", token) for token in composed.tokens))
    for feature in (Case(), Shape(9)):
        assert feature(composed) == feature(decomposed)
    assert Shape(9)(composed)[:6] == [["Xxxxx"], ["X"], ["XXX"], ["xxxxx"], ["xx"], ["xxx"]]
    assert Case()(composed)[1] == ["letter"]
    assert [word_shape(token) for token in ("हिन्दी", "E\u0301t-1", "東京")] == ["xxx", "Xx-d", "xx"]


def test_part_of_speech_names_the_column_that_is_missing():
    assert PartOfSpeech()(sentences(ROWS)[1]) == [["NNP"], ["VBZ"]]
    with pytest.raises(ValueError, match="'London' has no column 1.*sentences of rows"):
        PartOfSpeech()(sentences(FLAT)[0])


def test_affixes():
    assert Affixes((1, 3))(sentence("Bonn", "of")) == [
        ["b-", "-n", "bon-", "-onn"], ["o-", "-f"],
    ]  # fmt: skip


def test_character_ngrams():
    assert CharNgrams(2, 3)(sentence("ab")) == [["<a", "ab", "b>", "<ab", "ab>"]]
    hashed = CharNgrams(2, 3, buckets=4)(sentence("ab", "abc", "ab"))
    assert hashed[0] == hashed[2]
    assert {int(name) for names in hashed for name in names} <= {0, 1, 2, 3}
    # the same in every process: a model's rows are found by them
    assert CharNgrams(1, 1, buckets=1000)(sentence("a")) == [["714", "907", "158"]]


def test_position():
    assert Position(1)(sentence("A", "b")) == [["-1", "+1 b"], ["-1 a", "+1"]]
    found = Position(2, Case(mark_first=False))(sentence("A", "b", "C"))
    assert found[1] == ["-2", "-1 letter", "+1 letter", "+2"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Affixes((0,)), lambda: CharNgrams(3, 2), lambda: CharNgrams(buckets=0),
        lambda: Position(0), lambda: Shape(0), lambda: PartOfSpeech(0),
    ],
)  # fmt: skip
def test_parameters_out_of_range(make):
    with pytest.raises(ValueError, match="must be an integer"):
        make()


TOKENS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


@given(TOKENS)
def test_any_token_has_names(tokens):
    (one,) = sentences(tokens)
    for feature in (Case(), Shape(), Affixes(), CharNgrams(buckets=9), Position(2, Affixes())):
        names = feature(one)
        assert len(names) == len(tokens)
        assert all(isinstance(name, str) for own in names for name in own)


@pytest.mark.parametrize(
    "feature",
    [Case(False), Shape(3), PartOfSpeech(2), Affixes((2, 5)), CharNgrams(1, 4, 99),
     Position(3, Position(2, PartOfSpeech())), Position(1, is_city)],
    # the same in every process: no addresses
    ids=lambda feature: str(feature).split(" at 0x")[0],
)  # fmt: skip
def test_features_are_restored_from_json(feature):
    about = json.loads(json.dumps(describe(feature)))
    assert restore(about, {"is_city": is_city}) == feature


# The vocabulary


def test_rows_weigh_one_over_the_root_of_their_number():
    text = sentences(["Bonn", "", "of"], str.lower)
    vocabulary = FeatureVocabulary([Case(), Affixes((1, 3))])
    counts = {"0:title first": 5, "1:b-": 3, "1:-n": 2, "1:o-": 1}
    vocabulary = vocabulary.merged(counts, 2)
    assert vocabulary.names == ["0:title first", "1:b-", "1:-n"]
    rows = vocabulary.encode(text)
    assert rows.indptr.tolist() == [0, 3, 3]
    assert rows.indices.tolist() == [0, 1, 2]
    np.testing.assert_allclose(rows.values, [1, 0.5, 0.5])  # two of four are not known


def test_names_of_new_text_come_after_those_at_hand():
    first = FeatureVocabulary([Case()]).merged({"0:title": 2, "0:lower": 9}, 1)
    second = first.merged({"0:upper": 50, "0:title": 1}, 1)
    assert second.names == ["0:lower", "0:title", "0:upper"]
    assert second.counts.tolist() == [9, 3, 50]


def test_a_feature_has_to_name_each_token():
    vocabulary = FeatureVocabulary([lambda _: [["x"]]])
    with pytest.raises(
        ValueError, match="<lambda> must return one list .* got 1 for .* of 2 tokens"
    ):
        vocabulary.encode(sentences(["a", "b"]))
    with pytest.raises(TypeError, match="a feature must be a function"):
        ExtendedContextEncoder(["case"])


# Models


def test_features_are_beside_the_tokens_that_they_are_of():
    model = made([PartOfSpeech()], min_count=8)
    # words that the vocabulary lacks are left out, with their features
    text = [*TEXT, [[("rare", "RARE"), ("London", "NNP"), ("rare", "RARE"), ("2", "CD")]]]
    model.build_vocab(text)
    stream = model.encode_corpus(text)
    words = [model.vocabulary.words[i] if i >= 0 else "" for i in stream.ids]
    tags = dict(zip(["london", "calls", "1", "eu", "rejects"], "NVCNV", strict=True))
    rows = stream.rows
    assert len(rows.indptr) == len(words) + 1
    assert "rare" not in words
    for i, word in enumerate(words):
        names = [
            model.feature_vocabulary.names[k]
            for k in rows.indices[rows.indptr[i] : rows.indptr[i + 1]]
        ]
        assert [name[2] for name in names] == ([tags[word]] if word else [])
    plain = TokenStream.from_documents([["a"]], {"a": 0})
    assert stream.fingerprint() != plain.fingerprint()
    before = model.loss_history_
    with pytest.raises(TypeError, match="no features of its tokens"):
        model.train(plain)
    assert model.loss_history_ is before


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_features_learn():
    model, again, other = (made(seed=seed).fit(TEXT) for seed in (1, 1, 2))
    for name in ("W1", "F1", "W2", "context_embeddings"):
        assert getattr(model, name).tobytes() == getattr(again, name).tobytes()
        assert getattr(model, name).tobytes() != getattr(other, name).tobytes()
    assert made().build_vocab(TEXT).F1.tobytes() != model.F1.tobytes()
    assert len(model.F1) == len(model.feature_vocabulary) > 10


def test_threads_train_too():
    model = made(workers=2, epochs=5, feature_dropout=0.2).fit(TEXT * 200)
    assert np.isfinite(model.F1).all()
    assert model.loss_history_[-1] < model.loss_history_[0]


def test_embeddings_are_those_of_contexts_and_features():
    model = made().fit(TEXT)
    plain = super(ExtendedContextEncoder, model).embed
    cleaned = ["london", "calls", "1", "", "eu", "rejects"]
    context = plain(cleaned, 0.3)
    features = np.zeros((6, 6))
    places = [(0, 0), (0, 1), (0, 2), (-1, 0), (1, 0), (1, 1)]  # sentence and token
    for i, (number, place) in enumerate(places):
        if number >= 0:
            one = sentences(ROWS, model.clean)[number]
            for groups in [list(model.feature_vocabulary.of(one))[place]]:
                for names in groups:
                    for name in names:
                        k = model.feature_vocabulary.index.get(name)
                        if k is not None:
                            features[i] += model.F1[k] / np.sqrt(len(names))
    np.testing.assert_allclose(model.feature_embeddings(FLAT), features, atol=1e-6)

    def unit(x):
        size = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(size > 0, size, 1)

    expected = unit(context + 2 * unit(features))
    found, has = model.embed(FLAT, 0.3, feature_weight=2, return_found=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert has.tolist() == [True, True, True, False, True, True]
    rows = model.embed(ROWS, 0.3, feature_weight=2)
    np.testing.assert_allclose(rows, expected[[0, 1, 2, 4, 5]], atol=1e-5)
    np.testing.assert_allclose(model.embed(FLAT, 0.3, feature_weight=0), context, atol=1e-6)
    assert model.embed([]).shape == (0, 6)


def test_occurrences_differ_and_unknown_words_without_context_have_features():
    model = made([Case(), Affixes()]).fit(TEXT)
    same = model.embed(["London", "London"])
    assert not np.allclose(same[0], same[1])
    alone, found = model.embed(["Londonderry"], return_found=True)
    assert found.all()
    assert np.linalg.norm(alone) == pytest.approx(1)
    with pytest.raises(ValueError, match="feature_weight must be a finite number"):
        model.embed(["a"], feature_weight=-1)


def test_what_is_learned_tells_words_of_a_kind():
    """Two kinds of words in like contexts, told apart by their endings: unseen ones too."""
    rng = np.random.default_rng(0)
    kinds = [([f"{a}{b}ing" for a in "bdfg" for b in "aeio"], "was"),
             ([f"{a}{b}ville" for a in "bdfg" for b in "aeio"], "in")]  # fmt: skip
    text = []
    for _ in range(400):
        words, before = kinds[rng.integers(2)]
        text.append([before, str(rng.choice(words)), "now"])
    model = made([Affixes((3,))], epochs=20, vector_size=10, feature_dropout=0.3).fit(text)
    known = model.embed(["boing", "doville"])
    new = model.embed(["zzing", "zzville"])  # next to nothing that training knows
    assert (known @ new.T)[0, 0] > (known @ new.T)[0, 1]
    assert (known @ new.T)[1, 1] > (known @ new.T)[1, 0]


def test_more_text_adds_words_and_features():
    model = made([Case()]).fit(TEXT)
    names, rows = list(model.feature_vocabulary.names), model.F1.copy()
    model.build_vocab([["McDonald", "calls"]], update=True)
    assert model.feature_vocabulary.names == [*names, "0:title mixed first"]
    np.testing.assert_array_equal(model.F1[:-1], rows)
    model.train([["McDonald", "calls", "London"]])
    assert "mcdonald" in model
    assert not np.array_equal(model.F1[-1], np.zeros(6))


def test_rare_names_have_no_row():
    model = made([Case()], feature_min_count=9).build_vocab([*TEXT, ["iPad", "calls"]])
    assert "0:mixed first" not in model.feature_vocabulary.index
    assert "0:lower" in model.feature_vocabulary.index


@pytest.mark.parametrize("changes", [{"negatives": "shared"}, {"deterministic": True}])
def test_parameters_that_features_do_not_go_with(changes):
    with pytest.raises(ValueError, match="with features, negatives must be 'exact'"):
        made(**changes)


@pytest.mark.parametrize("changes", [{"feature_dropout": 1.5}, {"feature_min_count": 0}])
def test_parameters_of_features_out_of_range(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        made(**changes)


def test_a_corpus_that_can_be_read_once_is_refused():
    with pytest.raises(NotReiterableError, match="two passes"):
        made().fit(iter(TEXT))


def test_a_corpus_of_a_file_with_columns(tmp_path):
    lines = ["-DOCSTART- -X- O", "", "London NNP I-LOC", "calls VBZ O", "", "EU NNP I-ORG", ""]
    (tmp_path / "x.conll").write_text("\n".join(lines * 4) + "\n")
    (tmp_path / "x.txt").write_text("London calls\nEU rejects\n" * 4)
    import corpora

    corpus = corpora.open(tmp_path / "x.conll", format="conll")
    model = made([PartOfSpeech()]).fit(corpus)
    assert {name[2:] for name in model.feature_vocabulary.names} == {"NNP", "VBZ"}
    assert len(made([Case()]).fit(tmp_path / "x.txt").vocabulary) == 4
    with pytest.raises(ValueError, match="has no column 1"):
        made([PartOfSpeech()]).fit(tmp_path / "x.txt")


# Disk


@pytest.mark.slow
def test_models_are_kept_whole(tmp_path):
    model = made([Case(), Position(1, Affixes()), is_city]).fit(TEXT)
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"a custom feature, 'is_city'.*features=\[...\]"):
        conec.load(tmp_path / "m")
    again = conec.load(tmp_path / "m", features=[is_city])
    assert isinstance(again, ExtendedContextEncoder)
    assert again.features == model.features
    assert again.feature_dropout == 0.5
    assert again.feature_vocabulary.counts.tolist() == model.feature_vocabulary.counts.tolist()
    np.testing.assert_array_equal(again.embed(FLAT), model.embed(FLAT))
    # a loaded model is trained on as the other is
    assert again.train(TEXT).F1.tobytes() == model.train(TEXT).F1.tobytes()
    again.save(tmp_path / "m")


def test_cleaning_of_ones_own_is_given_again(tmp_path):
    model = made([Case()], clean=str.casefold).fit(TEXT)
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"'casefold'.*clean=..."):
        conec.load(tmp_path / "m")
    assert conec.load(tmp_path / "m", clean=str.casefold).clean is str.casefold
    made([Case()], clean=None).fit(TEXT).save(tmp_path / "m")
    assert conec.load(tmp_path / "m").clean is None


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path):
    whole = made([Case(), is_city], epochs=4).fit(TEXT)

    def stop(model):
        if len(model.loss_history_) == 2:
            raise KeyboardInterrupt

    model = made([Case(), is_city], epochs=4)
    with pytest.raises(KeyboardInterrupt):
        model.fit(TEXT, checkpoint=tmp_path / "c", callbacks=stop)
    again = made([Case(), is_city], epochs=4)
    again.train(TEXT, resume_from=tmp_path / "c")
    assert again.F1.tobytes() == whole.F1.tobytes()
    assert again.W1.tobytes() == whole.W1.tobytes()
    with pytest.raises(ValueError, match="not the one that"):  # other features are another corpus
        again.train(
            [[[(token.upper(), tag) for token, tag in rows] for rows in ROWS]] * 8,
            resume_from=tmp_path / "c",
        )


def test_models_with_and_without_features_are_told_from_one_another(tmp_path):
    text = [FLAT] * 8
    old = conec.ContextEncoder(min_count=1, vector_size=4, epochs=1, sample=0).fit(text)
    old.save(tmp_path / "old")
    made([Case()]).fit(text).save(tmp_path / "new")
    versions = [
        json.loads((tmp_path / name / "manifest.json").read_text())["format_version"]
        for name in ("old", "new")
    ]
    assert versions == [3, 3]
    assert not (tmp_path / "old" / "features.json").exists()
    assert type(conec.load(tmp_path / "old")) is conec.ContextEncoder
    with pytest.raises(ModelError, match=r"it has no features\.json"):
        ExtendedContextEncoder.load(tmp_path / "old")


def test_a_model_with_features_is_never_loaded_as_one_without(tmp_path):
    made([Case()]).fit([FLAT] * 8).save(tmp_path / "m")
    assert type(conec.load(tmp_path / "m")) is ExtendedContextEncoder
    with pytest.raises(ModelError, match=r"trained with features\. Load it with conec\.load"):
        conec.ContextEncoder.load(tmp_path / "m")
    with pytest.raises(ModelError, match="trained with features"):
        conec.ContextEncoder().train([FLAT] * 8, resume_from=tmp_path / "m")


@pytest.mark.parametrize(
    "change",
    [{"names": []}, {"counts": ["x"]}, {"features": [{"kind": "Case", "wrong": 1}]},
     {"features": [{"kind": "None"}]}, {"features": [3]}, {"dropout": 2}, {"min_count": None},
     {"features": None}],
    # the same in every process: no addresses
    ids=lambda feature: str(feature).split(" at 0x")[0],
)  # fmt: skip
def test_damaged_features(tmp_path, change):
    made([Case()]).fit(TEXT).save(tmp_path / "m")
    path = tmp_path / "m" / "features.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    reseal(tmp_path / "m")
    with pytest.raises(ModelError, match="damaged"):
        conec.load(tmp_path / "m")


def test_damaged_weights_of_features(tmp_path):
    made([Case()]).fit(TEXT).save(tmp_path / "m")
    (tmp_path / "m" / "features.safetensors").unlink()
    reseal(tmp_path / "m")
    with pytest.raises(ModelError, match=r"no features\.safetensors"):
        conec.load(tmp_path / "m")
    made([Case(), Shape()]).fit(TEXT).save(tmp_path / "n")
    (tmp_path / "m" / "features.safetensors").write_bytes(
        (tmp_path / "n" / "features.safetensors").read_bytes()
    )
    reseal(tmp_path / "m")
    with pytest.raises(ModelError, match="F1 must be an array of float32 of shape"):
        conec.load(tmp_path / "m")
