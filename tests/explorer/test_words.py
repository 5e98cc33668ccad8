"""Answers about models of words, and the code that gives the same answers."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
from typer.testing import CliRunner

import conec
from conec.cli import app
from conec.explore import WordExplorer
from corpora.errors import ModelError
from corpora.explorer.explorer import UnknownName
from tests.explorer.models import LONG, SCRIPT, assert_close, plain, texts, value_of, word_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored")
    return word_model(folder / "a.model"), word_model(folder / "b 'model'", 2, senses=False)


@pytest.fixture(scope="module")
def explorer(folders):
    return WordExplorer(folders, conec.load)


def finished_map(explorer, question="map", **parameters):
    for _ in range(400):
        reply = explorer.ask(question, parameters)
        if reply["answer"]["state"] != "computing":
            return reply
        time.sleep(0.01)
    raise AssertionError("the map was not computed")


def test_about(explorer):
    answer = explorer.ask("about", {})["answer"]
    first, second = answer["models"]
    assert (answer["kind"], answer["title"]) == ("words", "a.model and b 'model'")
    assert first["facts"] == ["17 words", "8 dimensions", "3,000 words of text"]
    assert first["spaces"] == ["context", "word2vec"]
    assert (first["has_senses"], second["has_senses"]) == (True, False)
    for number, model in enumerate((first, second)):
        loaded = explorer.models[number].model
        assert model["sample"] in loaded
        assert model["sample"] in model["sentence"].split()


def test_words_are_completed(explorer):
    def complete(text, n=3):
        return explorer.ask("complete", {"text": text, "n": n})["answer"]["names"]

    words = explorer.models[0].model.vocabulary.words
    assert complete("") == words[:3]
    assert complete("D") == [word for word in words if word[0] == "d"][:3]
    assert complete("dog") == ["dog"]
    assert complete("zzz") == []
    assert complete("<im") == [SCRIPT]


@pytest.mark.parametrize(
    ("question", "parameters", "part"),
    [
        ("neighbors", {"word": "red"}, "neighbors"),
        ("neighbors", {"word": "red", "space": "word2vec", "topn": 3}, "neighbors"),
        ("neighbors", {"word": SCRIPT, "model": 1}, "neighbors"),
        ("senses", {"word": "mouse", "topn": 4}, "senses"),
        ("sentence", {"text": "The mouse saw a wild Zorb!", "a": 0.3}, "tokens"),
        ("sentence", {"text": f"{LONG} it's \"red\" \\ {SCRIPT} tame", "topn": 2}, "tokens"),
        ("why", {"text": "a wild zorb and a cat", "position": 2, "other": "dog"}, None),
        ("why", {"text": "the mouse is wild", "position": 1, "other": "cat", "a": 0.5}, None),
        ("analogy", {"first": "red", "second": "dark", "third": "cat"}, "neighbors"),
        ("analogy", {"first": "red", "second": "dark", "third": "cat", "space": "word2vec"},
         "neighbors"),
        ("compare", {"word": "mouse", "topn": 5}, "lists"),
        ("compare", {"word": "mouse", "space": "word2vec", "topn": 5}, "lists"),
    ],
)  # fmt: skip
def test_copied_code_gives_the_same_answer(explorer, question, parameters, part):
    reply = explorer.ask(question, parameters)
    answer, value = reply["answer"], plain(value_of(reply["code"]))
    if question == "why":
        expected = [answer["similarity"], answer["bias"], answer["relevances"]]
    elif part == "neighbors":
        expected = answer["neighbors"]
    else:
        expected = [entry["neighbors"] for entry in answer[part]]
    assert expected
    assert_close(value, expected)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_copied_code_computes_the_same_map(explorer, method):
    reply = finished_map(explorer, method=method)
    answer = reply["answer"]
    assert answer["names"] == explorer.models[0].model.vocabulary.words
    coordinates = value_of(reply["code"])
    low = coordinates.min(axis=0)
    scaled = (coordinates - low) / (coordinates - low).max() * 65535
    np.testing.assert_allclose(np.array([answer["x"], answer["y"]]).T, scaled, atol=40)
    assert explorer.ask("map", {"method": method})["answer"]["x"] == answer["x"]


def test_senses_have_shares_and_examples(explorer):
    senses = explorer.ask("senses", {"word": "mouse"})["answer"]["senses"]
    assert sum(sense["share"] for sense in senses) == pytest.approx(1, abs=0.01)
    assert all("mouse" in example for sense in senses for example in sense["examples"])
    assert not any(name == "mouse" for sense in senses for name, _ in sense["neighbors"])
    assert explorer.ask("senses", {"word": "blue"})["answer"]["senses"] == []


def test_a_sentence_marks_unknown_words_and_depends_on_a(explorer):
    ask = {"text": 'The Mouse, "wild" zorb ...', "topn": 3}
    tokens = explorer.ask("sentence", {**ask, "a": 0.0})["answer"]["tokens"]
    assert [(t["token"], t["known"]) for t in tokens] == [
        ("the", False), ("mouse", True), ("wild", True), ("zorb", False), ("...", False)
    ]  # fmt: skip
    assert all(len(t["neighbors"]) == 3 for t in tokens)
    alone = explorer.ask("sentence", {**ask, "a": 1.0})["answer"]["tokens"]
    assert alone[1]["neighbors"] != tokens[1]["neighbors"]
    assert alone[3] == tokens[3]
    nothing = explorer.ask("sentence", {"text": "zorb"})["answer"]["tokens"]
    assert nothing == [{"token": "zorb", "known": False, "neighbors": []}]


def test_sentences_search_the_index_of_a_model(folders, tmp_path):
    parameters = {"text": "the mouse saw a wild zorb", "topn": 3}
    model = conec.load(folders[0])
    model.build_index(n_lists=4, n_probes=4).save(tmp_path / "m")  # searches all lists
    reply = WordExplorer([tmp_path / "m"], conec.load).ask("sentence", parameters)
    assert "approximate=True" in reply["code"]
    exact = WordExplorer([folders[0]], conec.load).ask("sentence", parameters)
    assert "approximate" not in exact["code"]
    assert_close(
        [token["neighbors"] for token in reply["answer"]["tokens"]],
        [token["neighbors"] for token in exact["answer"]["tokens"]],
    )
    assert_close(
        plain(value_of(reply["code"])),
        [token["neighbors"] for token in reply["answer"]["tokens"]],
    )


def test_relevances_and_the_rest_sum_to_the_similarity(explorer):
    parameters = {"text": "a wild zorb and a cat", "position": 2, "other": "dog"}
    answer = explorer.ask("why", parameters)["answer"]
    total = answer["bias"] + sum(relevance for _, relevance in answer["relevances"])
    assert total == pytest.approx(answer["similarity"])
    assert [token["relevance"] is None for token in answer["tokens"]] == [
        False, False, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "parameters", "message"),
    [
        ("neighbors", {"word": "reed"}, "does not know the word 'reed'"),
        ("neighbors", {"word": ""}, "a word is missing"),
        ("neighbors", {"word": "red", "space": "x"}, "space must be one of"),
        ("neighbors", {"word": "red", "topn": 0}, "topn must be an integer from 1 to 100"),
        ("neighbors", {"word": "red", "topn": 10**6}, "topn must be an integer"),
        ("neighbors", {"word": "red", "model": 2}, "model must be an integer"),
        ("senses", {"word": "zorb"}, "does not know the word 'zorb'"),
        ("senses", {"word": "red", "model": 1}, "no senses yet"),
        ("sentence", {"text": "  \n"}, "type a sentence"),
        ("sentence", {"text": "a " * 61}, "has 61 words, and at most 60"),
        ("sentence", {"text": "red", "a": 1.5}, "a must be"),
        ("sentence", {"text": "red", "senses": "x"}, "senses must be one of"),
        ("why", {"text": "red blue", "position": 2, "other": "red"}, "position must be"),
        ("why", {"text": "red", "position": 0, "other": "blue"}, "no known context words"),
        ("why", {"text": "a red", "position": 0, "other": "zorb"}, "does not know the word 'zorb'"),
        ("analogy", {"first": "a", "second": "red", "third": "cat"}, "know the word 'a'"),
        ("map", {"method": "x"}, "method must be one of"),
        ("compare", {"word": "zorb"}, "does not know the word 'zorb'"),
    ],
)
def test_wrong_questions_are_explained(explorer, question, parameters, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        explorer.ask(question, parameters)


def test_unknown_words_come_with_the_closest_ones(explorer):
    with pytest.raises(UnknownName) as caught:
        explorer.ask("neighbors", {"word": "hors"})
    assert caught.value.suggestions[0] == "horse"


def test_a_model_without_embeddings_of_contexts(tmp_path):
    model = conec.ContextEncoder(vector_size=4, min_count=1, sample=0, workers=1)
    model.build_vocab(texts())
    model.save(tmp_path / "m")
    explorer = WordExplorer([tmp_path / "m"], conec.load)
    assert explorer.ask("about", {})["answer"]["models"][0]["spaces"] == ["word2vec"]
    assert explorer.ask("neighbors", {"word": "red", "space": "word2vec"})["answer"]["neighbors"]
    with pytest.raises(RuntimeError, match="learn_map"):
        explorer.ask("neighbors", {"word": "red"})
    explorer.warm_up()


def test_a_model_that_is_saved_again_is_shown(folders, tmp_path):
    shutil.copytree(folders[0], tmp_path / "m")
    explorer = WordExplorer([tmp_path / "m"], conec.load)
    before = explorer.ask("neighbors", {"word": "red"})
    conec.load(folders[1]).save(tmp_path / "m")
    after = explorer.ask("neighbors", {"word": "red"})
    assert (before["state"]["version"], after["state"]["version"]) == (1, 2)
    assert before["answer"] != after["answer"]
    shutil.rmtree(tmp_path / "m")
    gone = explorer.ask("neighbors", {"word": "red"})
    assert gone["answer"] == after["answer"]
    assert "cannot be loaded" in gone["state"]["problem"]


def test_damaged_models_and_wrong_arguments_end_the_command(folders, tmp_path):
    def error(*arguments):
        result = CliRunner().invoke(app, ["explore", *map(str, arguments), "--no-browser"])
        assert result.exit_code == 1
        return result.stderr

    assert "not found" in error(tmp_path / "nothing")
    assert "pass one model, or two" in error(folders[0], folders[1], folders[0])
    shutil.copytree(folders[0], tmp_path / "m")
    (tmp_path / "m" / "vocabulary.json").write_text("{}")
    assert "is damaged" in error(tmp_path / "m")
    with pytest.raises(ModelError):
        WordExplorer([tmp_path / "m"], conec.load)
