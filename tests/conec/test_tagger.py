"""The tagger of named entities, how it is kept, and what is scored apart."""

from __future__ import annotations

import copy
import json
import shutil
import struct
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import conec
from conec.evaluation import entities, entity_scores
from conec.features import Case, PartOfSpeech
from conec.ner import ContextFeatures, Tagger, convert, novelty_scores, standard_features
from conec.ner.crf import Field
from conec.ner.occurrences import occurrence_features
from corpora.cleaning import Pipeline
from tests.conec.ner_texts import FRUIT, TOWNS, groups, sentences, trained
from tests.golden import EXPECTED, golden
from tests.model_folders import reseal


@pytest.fixture(scope="module")
def model():
    return trained()


# Schemes


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("iob1", "I-PER B-PER I-PER O I-LOC I-ORG"),
        ("iob2", "B-PER B-PER I-PER O B-LOC B-ORG"),
        ("bioes", "S-PER B-PER E-PER O S-LOC S-ORG"),
    ],
)
def test_schemes(scheme, expected):
    assert convert(["B-PER", "B-PER", "I-PER", "O", "I-LOC", "I-ORG"], scheme) == expected.split()


@given(
    st.lists(st.sampled_from(["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y"]), max_size=9),
    st.sampled_from(["iob1", "iob2", "bioes"]),
)
def test_schemes_keep_entities(tags, scheme):
    assert entities(convert(tags, scheme)) == entities(tags)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="scheme must be one of"):
        convert(["O"], "iob3")


# Standard features


def test_standard_features_by_hand():
    found = standard_features([("In", "IN", "I-PP"), ("McRae-9", "NNP", "I-NP")], window=1, affix=2)
    assert sorted(found[1]) == sorted(
        [
            "bias", "word=McRae-9", "prefix1=m", "suffix1=0", "prefix2=mc", "suffix2=-0",
            "shape=XxXxx-d", "last", "hyphen", "lower[-1]=in", "lower[0]=mcrae-0",
            "short[-1]=Xx", "short[0]=XxXx-d", "pos[-1]=IN", "pos[0]=NNP", "chunk[-1]=I-PP",
            "chunk[0]=I-NP", "lower[-1|0]=in|mcrae-0", "short[-1|0]=Xx|XxXx-d",
            "pos[-1|0]=IN|NNP", "out[1]", "shapes=Xx|XxXx-d|",
        ]
    )  # fmt: skip
    assert "first" in found[0]
    assert "lower[1]=mcrae-0" in found[0]
    assert not any("pos" in name for name in standard_features([("In",)])[0])


# Features from other occurrences


def test_occurrence_features_by_hand():
    document = [[("Peter",), ("Lee",), ("won",)], [("Then",), ("Lee",), ("left",), ("won",)]]
    first, second = occurrence_features(document)
    assert sorted(first[1]) == sorted(
        [
            "other[-1]=then", "other[1]=left", "other.short=Xx", "other.short[-1|0]=Xx|Xx",
            "other.short[0|1]=Xx|x", "other.place=1|0", "other.name=then", "other.before=",
            "other.after=left",
        ]
    )  # fmt: skip
    assert {"other.name=peter", "other[1]=won"} <= set(second[1])
    # a word that occurs once, and one without a capital
    assert first[0] == first[2] == second[3] == []


TOKENS = st.sampled_from(["Ann", "ann", "Lee", "LEE", "of", "Of", "the", ",", "3", "Ürün", "東京"])


@given(st.lists(st.lists(TOKENS, max_size=4), max_size=5), st.booleans())
def test_occurrence_features_are_those_of_all_other_places(document, lower):
    """Each occurrence as the only other one, and the union of these."""
    document = [[(w.lower() if lower else w,) for w in sentence] for sentence in document]
    rows = [(s, i) for s, sentence in enumerate(document) for i in range(len(sentence))]
    features = occurrence_features(document)
    with_capitals = {row[0].lower() for d in document for row in d if row[0] != row[0].lower()}
    names = with_capitals or {row[0] for d in document for row in d}
    for s, i in rows:
        word = document[s][i][0].lower()
        expected = set()
        for t, j in rows:
            if (t, j) != (s, i) and document[t][j][0].lower() == word in names:
                expected |= _names_of(document[t], j)
        if not word.isalpha():
            expected = set()
        assert set(features[s][i]) == expected
        assert len(features[s][i]) == len(expected)


def _names_of(sentence, j):
    """What one occurrence says, computed anew."""
    words = ["", *(row[0].lower().replace("3", "0") for row in sentence), ""]
    kinds = ["", *(_kind(row[0]) for row in sentence), ""]
    i = j + 1
    names = {
        f"other[-1]={words[i - 1]}", f"other[1]={words[i + 1]}",
        f"other.short={kinds[i]}{'^' if i == 1 else ''}",
        f"other.short[-1|0]={kinds[i - 1]}|{kinds[i]}",
        f"other.short[0|1]={kinds[i]}|{kinds[i + 1]}",
    }  # fmt: skip
    if kinds[i][:1] != "X":
        return names
    before = next(k for k in range(i, -1, -1) if kinds[k][:1] != "X")
    after = next(k for k in range(i, len(kinds)) if kinds[k][:1] != "X")
    if after - before - 1 == len(sentence):
        return names
    names |= {f"other.place={min(i - before - 1, 2)}|{min(after - i - 1, 2)}"}
    names |= {f"other.name={words[k]}" for k in range(before + 1, after) if k != i}
    return names | {f"other.before={words[before]}", f"other.after={words[after]}"}


def _kind(word):
    upper, lower = word.isupper() and len(word) > 1, word.islower() or word == "東京"
    if not word.isalpha():
        return "d" if word == "3" else word
    return "X" if upper else "x" if lower else "Xx"


def test_frequent_words_have_no_features_of_other_occurrences():
    sentence = [("Ann",), ("sings",)]
    assert occurrence_features([sentence] * 20)[0][0]
    assert not occurrence_features([sentence] * 21)[0][0]


# The tagger


@pytest.fixture(scope="module")
def crfsuite():
    return pytest.importorskip("pycrfsuite")


@pytest.fixture(scope="module")
def learned(crfsuite, model):
    # of the towns, only two are in the text with tags, and their form says nothing
    words, tags = sentences(40, 5, FRUIT[:2], TOWNS[:2])
    features = groups(model, clusters=(4, 8))
    tagger = Tagger(features, window=0, affix=0, max_iterations=40)
    return tagger.fit(words, tags), words, tags


def test_context_features_find_what_standard_features_cannot(learned):
    with_groups, words, tags = learned
    # without a window, an unseen word is known by its group alone
    without = Tagger(window=0, affix=0, max_iterations=40).fit(words, tags)
    assert without.score(words, tags) == with_groups.score(words, tags) == 1
    others, their_tags = sentences(40, 6, FRUIT[2:], TOWNS[2:])
    assert with_groups.score(others, their_tags) == 1
    assert without.score(others, their_tags) < 0.9


def test_names_in_full_elsewhere_in_the_document_are_features(crfsuite):
    """Of two unclear sentences, the rest of the document tells which one has a name."""
    rng = np.random.default_rng(0)
    documents, tags = [], []
    for word in rng.permutation([f"W{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]):
        person = bool(rng.random() < 0.5)
        full = ["Mr.", "Tom"] if person else ["in", "the"]
        documents.append([[word, "rose"], [*full, word, "fell"]])
        own = "PER" if person else "LOC"
        last = [("B-PER" if person else "O"), ("I-PER" if person else f"B-{own}")]
        tags.append([[f"B-{own}", "O"], ["O", *last, "O"]])
    half = slice(0, 100), slice(100, None)
    scores = {}
    for occurrences in (False, True):
        tagger = Tagger(affix=0, occurrences=occurrences, max_iterations=40)
        tagger.fit(documents[half[0]], tags[half[0]])
        scores[occurrences] = tagger.score(documents[half[1]], tags[half[1]])
    assert scores[True] > 0.99
    assert scores[False] < 0.9


@pytest.mark.parametrize("windows", ["finest", "all"])
def test_clusters_of_neighbors(crfsuite, model, windows):
    words, tags = sentences(20, 1)
    features = groups(model, clusters=(4, 8), spaces=("word",))
    tagger = Tagger(features, windows=windows, c1=0, max_iterations=1).fit(words, tags)
    content = tagger._field.content
    present = {
        name for name in ("word8[0]", "word8[-1]", "word8[-1|0]", "word8[-2]", "word4[0]",
                          "word4[-1]", "word4[-1|0]", "word4[2]")
        if f"{name}=".encode() in content
    }  # fmt: skip
    finest = {"word8[0]", "word8[-1]", "word8[-1|0]", "word4[0]"}
    every = finest | {"word8[-2]", "word4[-1]", "word4[-1|0]", "word4[2]"}
    assert present == (finest if windows == "finest" else every)


def test_predictions_have_the_form_of_what_was_given(learned):
    tagger, _, _ = learned
    sentence = ["trains", "leave", "rome", "old", "station"]
    expected = ["O", "O", "B-LOC", "O", "O"]
    assert tagger.predict([sentence, []]) == [expected, []]
    assert tagger.predict([[sentence, []], []]) == [[expected, []], []]
    assert tagger.predict([]) == []
    assert clone(tagger).get_params()["features__clusters"] == (4, 8)
    other = {"iob1": "I-LOC", "bioes": "S-LOC"}
    try:
        for scheme, tag in other.items():
            assert tagger.set_params(scheme=scheme).predict([sentence])[0][2] == tag
    finally:
        tagger.set_params(scheme="iob2")


def test_learned_taggers_can_be_copied(learned):
    tagger, words, _ = learned
    assert copy.deepcopy(tagger).predict(words) == tagger.predict(words)


def test_tags_of_any_scheme_teach_the_same(crfsuite):
    words = [["a", "b", "c", "d"]] * 3
    taught = []
    for tags in ("I-X I-X B-X O", "B-X I-X B-X O", "B-X E-X S-X O"):
        tagger = Tagger(max_iterations=10).fit(words, [tags.split()] * 3)
        taught.append(tagger._field.content)
        assert tagger.predict(words) == [["B-X", "I-X", "B-X", "O"]] * 3
    assert taught[0] == taught[1] == taught[2]


def test_what_the_field_learns_is_what_crfsuite_learns(crfsuite, tmp_path):
    """The same sequences given to CRFsuite directly."""
    words, tags = sentences(20, 1)
    tagger = Tagger(max_iterations=15, c1=0.2, c2=0.3).fit(words, tags)
    trainer = crfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params({"c1": 0.2, "c2": 0.3, "max_iterations": 15})
    for sentence, own in zip(words, tags, strict=True):
        trainer.append(standard_features([(word,) for word in sentence]), convert(own, "bioes"))
    trainer.train(str(tmp_path / "field"))
    assert tagger._field.content == (tmp_path / "field").read_bytes()


def test_columns_have_to_be_those_of_training(crfsuite):
    rows = [[("a", "X", "I-NP", "more"), ("b", "Y", "O", "more")]]
    tagger = Tagger(max_iterations=5).fit(rows, [["B-Z", "O"]])
    assert tagger.n_columns_ == 3
    assert tagger.predict(rows) == [["B-Z", "O"]]
    with pytest.raises(ValueError, match="3 columns, word, pos, chunk"):
        tagger.predict([["a", "b"]])
    bare = Tagger(max_iterations=5).fit([["a", "b"]], [["B-Z", "O"]])
    assert bare.n_columns_ == 1
    assert bare.predict(rows) == [["B-Z", "O"]]


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"c1": -1}, ValueError, "c1"),
        ({"window": -1}, ValueError, "window"),
        ({"max_iterations": 0}, ValueError, "max_iterations"),
        ({"scheme": "iob3"}, ValueError, "scheme"),
        ({"features": 3}, TypeError, "ContextFeatures or None"),
        ({"features": ContextFeatures(None)}, ValueError, "sparse=True"),
    ],
)
def test_bad_parameters_of_taggers(crfsuite, parameters, error, message):
    with pytest.raises(error, match=message):
        Tagger(**parameters).fit([["a"]], [["O"]])


def test_bad_use_of_taggers(crfsuite, tmp_path):
    for use in (lambda t: t.predict([["a"]]), lambda t: t.save(tmp_path / "t")):
        with pytest.raises(NotFittedError):
            use(Tagger())
    with pytest.raises(ValueError, match="is not a valid tag"):
        Tagger().fit([["a"]], [["X"]])
    with pytest.raises(ValueError, match="no tokens"):
        Tagger().fit([[]], [[]])


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    with pytest.raises(ImportError, match=r"similarity-encoders\[ner\]"):
        Tagger().fit([["a"]], [["O"]])


# Kept in a folder


def test_saved_taggers_do_the_same(learned, tmp_path):
    tagger, words, _ = learned
    tagger.save(tmp_path / "t")
    names = {path.name for path in (tmp_path / "t").iterdir()}
    assert names == {
        "tagger.json", "words.json", "field.crfsuite", "groups.safetensors", "model",
        "manifest.json",
    }  # fmt: skip
    other = Tagger.load(tmp_path / "t")
    assert other.features_.model_.dtype_name == "int8"  # and without W2
    weights = 2 * len(other.features_.model_) * (12 + 4)
    size = (tmp_path / "t" / "model" / "weights.safetensors").stat().st_size
    assert weights < size < weights + 1000
    unseen = [["trains", "leave", "zorbville", "old", "station"]]
    for text in (words, unseen):
        assert other.predict(text) == tagger.predict(text)
        np.testing.assert_array_equal(other.features_.groups(text), tagger.features_.groups(text))
    assert other.words_ == tagger.words_
    mine, its = (
        {k: v for k, v in t.get_params().items() if not k.startswith("features")}
        for t in (tagger, other)
    )
    assert mine == its
    other.save(tmp_path / "t")  # over the folder that its model is mapped from
    assert Tagger.load(tmp_path / "t").predict(words) == tagger.predict(words)
    tags = other.predict(words)
    assert other.fit(words, tags).predict(words) == tags  # it can learn anew


def test_a_tagger_can_refer_to_its_model(crfsuite, model, tmp_path):
    model.save(tmp_path / "m")
    words, tags = sentences(20, 1)
    tagger = Tagger(groups(tmp_path / "m"), max_iterations=10).fit(words, tags)
    tagger.save(tmp_path / "t", copy_model=False)
    assert not (tmp_path / "t" / "model").exists()
    assert Tagger.load(tmp_path / "t").predict(words) == tagger.predict(words)
    shutil.rmtree(tmp_path / "m")
    with pytest.raises(conec.ModelError, match="Context Encoder .* does not exist any more"):
        Tagger.load(tmp_path / "t")
    tagger = Tagger(groups(model), max_iterations=2).fit(words, tags)
    with pytest.raises(ValueError, match="no folder to refer to"):
        tagger.save(tmp_path / "u", copy_model=False)
    assert not (tmp_path / "u").exists()


def test_a_function_among_the_steps_is_not_saved(crfsuite, model, tmp_path):
    words, tags = sentences(20, 1)
    tagger = Tagger(groups(model, clean=[str.lower]), max_iterations=2).fit(words, tags)
    with pytest.raises(ValueError, match="clean contains a function"):
        tagger.save(tmp_path / "t")


def test_other_folders_are_not_replaced(learned, tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "thesis.tex").write_text("work of years")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        learned[0].save(tmp_path / "t")
    assert (tmp_path / "t" / "thesis.tex").read_text() == "work of years"


def test_what_is_no_tagger(crfsuite, tmp_path):
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        Tagger.load(tmp_path / "t")
    with pytest.raises(conec.ModelError, match="is not a tagger"):
        Tagger.load(tmp_path)
    (tmp_path / "tagger.json").write_text("{}")
    with pytest.raises(conec.ModelError, match="is not a tagger"):
        Tagger.load(tmp_path)
    conec.ContextEncoder(vector_size=4).build_vocab_from_freq({"a": 9}).save(tmp_path / "m")
    with pytest.raises(conec.ModelError, match=r"is not a tagger: .*conec\.ContextEncoder"):
        Tagger.load(tmp_path / "m")


@pytest.mark.parametrize("name", ["words.json", "field.crfsuite", "groups.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damage_is_found(learned, tmp_path, name, damage):
    learned[0].save(tmp_path / "t")
    path = tmp_path / "t" / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes(content[: None if damage == "flip" else len(content) // 2])
    if damage == "gone":
        path.unlink()
    with pytest.raises(conec.ModelError, match=name):
        Tagger.load(tmp_path / "t")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("parameters", {"c1": -1}, "c1"),
        ("parameters", {"c9": 1}, "c9"),
        ("parameters", None, "damaged"),
        ("n_columns", 7, "damaged"),
        ("features", {"a": 0.5}, "damaged"),
        ("features", [1], "damaged"),
        ("columns", ["pos"], "damaged"),
        ("columns", 3, "damaged"),
        ("column_values", 3, "damaged"),
        ("column_values", {"word": 3}, "damaged"),
    ],
)
def test_damaged_descriptions(learned, tmp_path, key, value, message):
    learned[0].save(tmp_path / "t")
    path = tmp_path / "t" / "tagger.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(conec.ModelError, match=r"tagger\.json is damaged"):
        Tagger.load(tmp_path / "t")
    reseal(tmp_path / "t")
    with pytest.raises(conec.ModelError, match=message):
        Tagger.load(tmp_path / "t")


@pytest.mark.parametrize(
    ("header", "message"),
    [({"version": 99}, "update it"), ({"kind": "other"}, "is not a tagger")],
)
def test_other_formats(learned, tmp_path, header, message):
    learned[0].save(tmp_path / "t")
    reseal(tmp_path / "t", **header)
    with pytest.raises(conec.ModelError, match=message):
        Tagger.load(tmp_path / "t")


def test_flipped_weights_of_the_encoder_are_found_on_request(learned, tmp_path):
    learned[0].save(tmp_path / "t")
    path = tmp_path / "t" / "model" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    Tagger.load(tmp_path / "t")
    with pytest.raises(conec.ModelError, match=r"weights\.safetensors"):
        Tagger.load(tmp_path / "t", verify=True)


@pytest.mark.parametrize("name", ["tagger", "tagger_with_model"])
def test_taggers_of_the_first_format(crfsuite, tmp_path, name):
    folder = golden(name, tmp_path)
    expected = EXPECTED[name]
    tagger = Tagger.load(folder)
    assert (tagger.occurrences, tagger.windows) == (False, "all")
    assert tagger.predict(expected["sentences"]) == expected["tags"]
    assert Tagger.load(folder, verify=True).predict(expected["sentences"]) == expected["tags"]
    tagger.save(folder)  # in the present format, over the earlier one
    assert (folder / "manifest.json").exists()
    assert Tagger.load(folder, verify=True).predict(expected["sentences"]) == expected["tags"]
    damaged = golden(name, tmp_path / "damaged")
    path = damaged / "words.json"
    path.write_bytes(path.read_bytes().replace(b"rome", b"roma"))
    with pytest.raises(conec.ModelError, match=r"words\.json is damaged.*checksum"):
        Tagger.load(damaged)


def test_taggers_of_the_third_format(crfsuite, model, tmp_path):
    words, tags = sentences(20, 1)
    tagger = Tagger(groups(model), occurrences=False, windows="all", max_iterations=9)
    tagger.fit([words], [tags]).save(tmp_path / "t")
    path = tmp_path / "t" / "tagger.json"
    data = json.loads(path.read_text())
    del data["parameters"]["occurrences"], data["parameters"]["windows"], data["features"]["dtype"]
    path.write_text(json.dumps(data))
    shutil.rmtree(tmp_path / "t" / "model")
    model.save(tmp_path / "t" / "model")  # in float32
    reseal(tmp_path / "t", version=3)
    loaded = Tagger.load(tmp_path / "t", verify=True)
    assert (loaded.occurrences, loaded.windows) == (False, "all")
    assert loaded.features_.model_.dtype_name == "float32"
    assert loaded.predict([words]) == tagger.predict([words])


def test_numpy_values_are_saved_and_others_are_refused_at_once(crfsuite, model, tmp_path):
    words, tags = sentences(20, 1)
    features = groups(model, clusters=np.array([2, 3]), a=np.float32(0.5))
    tagger = Tagger(features, c1=np.float64(0.2), max_iterations=np.int64(3)).fit(words, tags)
    tagger.save(tmp_path / "t")
    loaded = Tagger.load(tmp_path / "t")
    assert (loaded.c1, loaded.max_iterations, loaded.features_.a) == (0.2, 3, 0.5)
    assert loaded.predict(words) == tagger.predict(words)
    tagger.set_params(window={1, 2})
    with pytest.raises(TypeError, match="window"):
        tagger.save(tmp_path / "t")
    assert Tagger.load(tmp_path / "t").window == 2


# What is scored apart


def test_entities_with_unseen_words_by_hand():
    words = [["Ann", "Zorb", "met", "Bob"], ["In", "Zorbville", "and", "Rome", "City"]]
    true = [["B-PER", "I-PER", "O", "B-PER"], ["O", "B-LOC", "O", "B-LOC", "I-LOC"]]
    found = [["B-PER", "I-PER", "O", "B-PER"], ["O", "O", "O", "B-LOC", "O"]]
    scores = novelty_scores(words, true, found, {"Ann", "met", "Bob", "In", "and", "Rome"})
    # unseen: Ann Zorb (found), Zorbville (not found), Rome City (not found)
    assert (scores.unseen.n_true, scores.unseen.n_found, scores.unseen.n_right) == (3, 1, 1)
    assert scores.unseen.recall == 1 / 3
    assert scores.unseen.by_type["LOC"].n_true == 2
    # seen: Bob (found), and Rome, which was found but is not an entity
    assert (scores.seen.n_true, scores.seen.n_found, scores.seen.n_right) == (1, 2, 1)
    assert scores.all.n_true == 4
    assert json.loads(json.dumps(scores.to_dict()))["unseen"]["recall"] == 1 / 3


TAGS = st.sampled_from(["O", "B-X", "I-X", "I-Y", "B-Y"])


@given(st.lists(st.tuples(st.sampled_from("abcd"), TAGS, TAGS), max_size=12))
def test_parts_make_the_whole(rows):
    words, true, found = ([[row[i] for row in rows]] for i in range(3))
    scores = novelty_scores(words, true, found, {"a", "b"})
    assert scores.all == entity_scores(true, found)
    for name in ("n_true", "n_found", "n_right"):
        parts = getattr(scores.unseen, name) + getattr(scores.seen, name)
        assert parts == getattr(scores.all, name)
    new = {i for i, row in enumerate(rows) if row[0] in "cd"}
    spans = [e for e in entities(true[0]) if new & set(range(e.start, e.stop))]
    assert scores.unseen.n_true == len(spans)


def test_bad_arguments_of_features_and_scores():
    with pytest.raises(TypeError, match=r"token 0 must be a tuple .*\('Rome',\), got 'Rome'"):
        standard_features(["Rome"])
    with pytest.raises(ValueError, match="must be >= 0, got -1"):
        standard_features([("Rome",)], window=-1)
    with pytest.raises(ValueError, match="got 1, 2 and 1 sentences"):
        novelty_scores([["a"]], [["O"], ["O"]], [["O"]], known={"a"})


def test_words_and_tags_have_to_fit():
    with pytest.raises(ValueError, match="sentence 0 has 2 words and 1 tags"):
        novelty_scores([["a", "b"]], [["O"]], [["O"]], set())


# Context Encoders with features


def spelled(n, seed):
    """Sentences in which a column and capitals tell towns, and their tags."""
    words, tags = sentences(n, seed)
    rows = [
        [
            (word.title() if tag != "O" else word, "NNP" if tag != "O" else "X")
            for word, tag in pairs
        ]
        for pairs in (zip(*both, strict=True) for both in zip(words, tags, strict=True))
    ]
    return rows, tags


def is_town(sentence):
    return [["town"] if token[:1].isupper() else [] for token in sentence.tokens]


@pytest.fixture(scope="module")
def extended():
    made = conec.ExtendedContextEncoder(
        [Case(), PartOfSpeech()], clean=Pipeline("lower"), vector_size=8, window=2, min_count=1,
        sample=0, epochs=4, seed=1,
    )  # fmt: skip
    return made.fit([spelled(300, 0)[0]])


def test_taggers_keep_the_features_of_their_encoder(crfsuite, extended, tmp_path):
    rows, tags = spelled(20, 1)
    tagger = Tagger(groups(extended, clusters=(4, 8)), max_iterations=10).fit(rows, tags)
    tagger.save(tmp_path / "t")
    loaded = Tagger.load(tmp_path / "t")
    assert isinstance(loaded.features_.model_, conec.ExtendedContextEncoder)
    new = [[("trains", "X"), ("leave", "X"), ("Zorbville", "NNP"), ("old", "X")]]
    for text in (rows, new):
        np.testing.assert_array_equal(loaded.features_.groups(text), tagger.features_.groups(text))
        assert loaded.predict(text) == tagger.predict(text)
    assert loaded.fit(rows, tags).predict(rows) == tagger.predict(rows)
    extended.save(tmp_path / "m")
    Tagger(groups(tmp_path / "m"), max_iterations=5).fit(rows, tags).save(
        tmp_path / "r", copy_model=False
    )
    assert isinstance(Tagger.load(tmp_path / "r").features_.model_, conec.ExtendedContextEncoder)


def test_custom_features_of_the_encoder_are_passed_to_load(crfsuite, tmp_path):
    rows, tags = spelled(20, 1)
    made = conec.ExtendedContextEncoder(
        [is_town], clean=str.lower, vector_size=4, min_count=1, epochs=1
    ).fit([rows])
    tagger = Tagger(groups(made), max_iterations=5).fit(rows, tags)
    tagger.save(tmp_path / "t")
    with pytest.raises(ValueError, match="is_town") as info:
        Tagger.load(tmp_path / "t")
    assert not isinstance(info.value, conec.ModelError)
    with pytest.raises(ValueError, match="clean"):
        Tagger.load(tmp_path / "t", features=[is_town])
    loaded = Tagger.load(tmp_path / "t", features=[is_town], clean=str.lower)
    assert loaded.predict(rows) == tagger.predict(rows)


# Files of CRFsuite, and full disks


def test_a_made_up_file_of_crfsuite_is_refused_before_crfsuite_reads_it(crfsuite, tmp_path):
    tagger = Tagger(max_iterations=5).fit([["a", "b"]] * 3, [["B-X", "O"]] * 3)
    content = tagger._field.content
    at = struct.unpack("<5I", content[28:48])  # features, labels, attributes, their references

    def changed(position, *values):
        data = bytearray(content)
        data[position : position + 4 * len(values)] = struct.pack(f"<{len(values)}I", *values)
        return bytes(data)

    for data, message in (
        (b"", "not a CRFsuite model"),
        (content[:-1], "truncated"),
        (changed(20, 0), "0 labels"),
        (changed(20, 10**6), "1000000 labels"),
        (changed(28, 2**31), "chunk FEAT is not at its place"),
        (changed(at[0] + 8, 2**30), "chunk FEAT is too short"),
        (changed(at[0] + 12, 7), "invalid source"),
        (changed(at[0] + 20, 99), "invalid label"),
        (changed(at[0] + 24, 0, 0x7FF80000), "weight"),  # NaN
        (changed(at[3] + 12, len(content)), "out of the file"),
        (changed(at[4] + 12, 0), "too many references|no feature"),
        (changed(at[1] + 4, 2**31), "CQDB leads out of the file"),
        (changed(at[2] + 12, 1), "byte order"),
        (changed(at[1] + 24, 2**31), "hash table"),
        (changed(at[1] + 20, 0), "label is missing"),
    ):
        with pytest.raises(ValueError, match=message):
            Field(data)
    tagger.save(tmp_path / "t")
    (tmp_path / "t" / "field.crfsuite").write_bytes(changed(at[0] + 20, 99))
    with pytest.raises(conec.ModelError, match=r"field\.crfsuite"):
        Tagger.load(tmp_path / "t")
    reseal(tmp_path / "t")  # anyone can compute checksums
    with pytest.raises(conec.ModelError, match=r"field\.crfsuite is damaged.*invalid label"):
        Tagger.load(tmp_path / "t")


def test_a_full_disk_is_named_and_the_earlier_tagger_stays(crfsuite, tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    X, y = [["a", "b"]] * 3, [["B-X", "O"]] * 3
    tagger = Tagger(max_iterations=5).fit(X, y)
    tagger.save(tmp_path / "t")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 100, len(tagger._field.content) - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
        try:
            with pytest.raises(OSError, match=f"File too large .*TMPDIR.*{tmp_path}"):
                Tagger(max_iterations=5).fit(X, y)
            with pytest.raises(OSError, match=f"earlier content is unchanged.*{tmp_path}"):
                tagger.save(tmp_path / "t")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert Tagger.load(tmp_path / "t").predict(X) == y
