"""``conec tag`` as it is typed, on columns of words and tags."""

from __future__ import annotations

import gzip
import json
import shutil
import sys

import pytest

from conec.evaluation import entity_scores
from conec.ner import Tagger, novelty_scores
from tests.conec.ner_texts import FRUIT, TOWNS, sentences, trained
from tests.conec.test_cli import error, run

pytest.importorskip("pycrfsuite")


def columns(words, tags, documents=2):
    """The text of a file: word, part of speech, tag; sentences of some documents."""
    rows = [
        "".join(f"{word} {word[0]} {tag}\n" for word, tag in zip(sentence, own, strict=True))
        for sentence, own in zip(words, tags, strict=True)
    ]
    step = -(-len(rows) // documents)
    parts = ["\n".join(rows[i : i + step]) for i in range(0, len(rows), step)]
    return "".join(f"-DOCSTART- -X- O\n\n{part}\n" for part in parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tag")
    trained().save(path / "model")
    (path / "train.conll").write_text(columns(*sentences(40, 5, FRUIT[:2], TOWNS[:2])))
    (path / "test.conll").write_text(columns(*sentences(30, 6)))
    run("tag", "train", path / "train.conll", "--out", path / "plain", "--iterations", "30")
    run(
        "tag", "train", path / "train.conll", "--out", path / "tagger", "--model", path / "model",
        "--clusters", "4,8", "--clean", "lower", "--a", "0.5", "--seed", "3", "--c1", "0.2",
    )  # fmt: skip
    return path


def test_train_is_the_library_with_the_same_parameters(folder):
    tagger = Tagger.load(folder / "tagger")
    assert tagger.features_.get_params() | {"model": None} == {
        "model": None, "a": 0.5, "clean": ["lower"], "clusters": [4, 8], "n_words": 30_000,
        "random_state": 3, "sparse": True, "spaces": list(tagger.features_.spaces),
    }  # fmt: skip
    assert (tagger.c1, tagger.c2, tagger.n_columns_) == (0.2, 0.1, 2)
    assert (folder / "tagger" / "model" / "weights.safetensors").exists()
    plain = Tagger.load(folder / "plain")
    assert plain.features_ is None
    assert plain.max_iterations == 30


def test_evaluate_scores_unseen_words_apart(folder):
    words, tags = sentences(30, 6)
    tagger = Tagger.load(folder / "tagger")
    rows = [[(word, word[0]) for word in sentence] for sentence in words]
    step = 15
    documents = [rows[:step], rows[step:]]
    found = [sentence for document in tagger.predict(documents) for sentence in document]
    expected = novelty_scores(words, tags, found, tagger.words_)
    shown = json.loads(
        run("tag", "evaluate", folder / "tagger", folder / "test.conll", "--json").stdout
    )
    assert shown["unseen"] == expected.unseen.to_dict()
    assert shown["all"] == entity_scores(tags, found).to_dict()
    assert shown["tokens"] == 150
    assert shown["unseen_tokens"] == sum(w in FRUIT[2:] + TOWNS[2:] for s in words for w in s)
    assert shown["unseen"]["n_true"] == sum(w in TOWNS[2:] for s in words for w in s) > 0

    output = run("tag", "evaluate", folder / "tagger", folder / "test.conll").stdout
    tables = output.split("\n\n")
    assert [table.splitlines()[0][:20].strip() for table in tables[1:]] == [
        "all entities", "with unseen words", "all words seen",
    ]  # fmt: skip
    row = tables[2].splitlines()[1].split()
    one = expected.unseen.by_type["LOC"]
    assert row == ["LOC", *(f"{100 * v:.2f}" for v in (one.precision, one.recall, one.f1)),
                   str(one.n_true), str(one.n_found), str(one.n_right)]  # fmt: skip


def test_apply_adds_a_column(folder, tmp_path):
    out = tmp_path / "out.conll.gz"
    result = run("tag", "apply", folder / "tagger", folder / "test.conll", "--out", out)
    written = gzip.decompress(out.read_bytes()).decode()
    tagger = Tagger.load(folder / "tagger")
    # the tags that are there already are not looked at, and stay
    given = (folder / "test.conll").read_text().split("\n")
    words, _ = sentences(30, 6)
    rows = [line.split() for line in written.split("\n") if line and "DOCSTART" not in line]
    assert [row[:3] for row in rows] == [
        line.split() for line in given if line and "DOCSTART" not in line
    ]
    documents = [[[(w, w[0]) for w in s] for s in part] for part in (words[:15], words[15:])]
    tags = [tag for document in tagger.predict(documents) for s in document for tag in s]
    assert [row[3] for row in rows] == tags
    assert f"{tags.count('B-LOC')} entities" in result.stderr
    assert "2 documents" in result.stderr
    # what it wrote can be read again: the same sentences and documents
    again = run("tag", "apply", folder / "tagger", out, "--scheme", "bioes").stdout
    assert again.count("\n\n") == written.count("\n\n")
    assert again.count("DOCSTART") == written.count("DOCSTART") == 2
    assert "B-LOC S-LOC" in again


def test_a_model_of_little_text_is_reported(folder, tmp_path, monkeypatch):
    command = (
        "tag", "train", folder / "train.conll", "--out", tmp_path / "t", "--model",
        folder / "model", "--clusters", "4", "--iterations", "2", "--no-occurrences",
    )  # fmt: skip
    assert "was trained on 3,000 words, too few for a tagger" in run(*command).stderr
    assert not Tagger.load(tmp_path / "t").occurrences
    monkeypatch.setattr(sys.modules["conec.cli.tag"], "_MIN_WORDS", 3000)
    assert "too few" not in run(*command).stderr


def test_it_can_refer_to_the_model(folder, tmp_path):
    run(
        "tag", "train", folder / "train.conll", "--out", tmp_path / "t", "--model",
        folder / "model", "--clusters", "4", "--iterations", "5", "--refer",
    )  # fmt: skip
    assert not (tmp_path / "t" / "model").exists()
    run("tag", "evaluate", tmp_path / "t", folder / "test.conll")
    # the model is verified as well
    model = tmp_path / "model"
    shutil.copytree(folder / "model", model)
    run(
        "tag", "train", folder / "train.conll", "--out", tmp_path / "t", "--model", model,
        "--clusters", "4", "--iterations", "5", "--refer",
    )  # fmt: skip
    run("info", tmp_path / "t", "--verify")
    weights = model / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    message = error("info", tmp_path / "t", "--verify")
    assert f"{weights}: the checksum differs" in message
    shutil.rmtree(model)
    assert "does not exist any more" in error("info", tmp_path / "t", "--verify")


def test_info_summarizes_a_tagger(folder, tmp_path):
    summary = json.loads(run("info", folder / "tagger", "--json").stdout)
    tagger = Tagger.load(folder / "tagger")
    assert summary["training_words"] == len(tagger.words_)
    assert (summary["columns"], summary["column_names"]) == (2, ["word", "pos"])
    assert summary["types"] == ["LOC"]
    assert summary["parameters"]["c1"] == 0.2
    assert summary["context_features"]["clusters"] == [4, 8]
    assert "clusters word4, word8, document4" in run("info", folder / "tagger").stdout
    assert "no Context Encoder" in run("info", folder / "plain").stdout
    shutil.copytree(folder / "tagger", tmp_path / "t")
    assert "verified   10 files" in run("info", tmp_path / "t", "--verify").stdout
    weights = tmp_path / "t" / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert "model/weights.safetensors: the checksum differs" in error(
        "info", tmp_path / "t", "--verify"
    )
    run("info", tmp_path / "t")


def test_errors_in_one_line(folder, tmp_path, monkeypatch):
    train = folder / "train.conll"
    narrow = tmp_path / "narrow.conll"
    narrow.write_text("word\nother\n")
    (tmp_path / "empty.conll").write_text("\n")
    (tmp_path / "bad.conll").write_text("word tag\n")
    (tmp_path / "broken.conll").write_text("word X O\nword\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    out = ("--out", tmp_path / "t")
    assert "two columns" in error("tag", "train", narrow, *out)
    assert "no tokens" in error("tag", "train", tmp_path / "empty.conll", *out)
    message = error("tag", "train", tmp_path / "bad.conll", *out)
    assert "bad.conll" in message
    assert "'tag' is not a valid tag" in message
    assert "broken.conll" in error("tag", "train", tmp_path / "broken.conll", *out)
    assert "No such file" in error("tag", "train", tmp_path / "nothing", *out)
    assert "is not a model and holds x" in error("tag", "train", train, "--out", tmp_path / "full")
    assert "folder does not exist" in error("tag", "train", train, *out, "--model", tmp_path / "m")
    model = ("--model", folder / "model")
    assert "--clusters" in error("tag", "train", train, *out, *model, "--clusters", "4,x")
    assert "unknown cleaning step" in error("tag", "train", train, *out, *model, "--clean", "lowr")
    assert "--clean and --refer need --model" in error(
        "tag", "train", train, *out, "--clean", "lower"
    )
    assert not (tmp_path / "t").exists()
    assert "is not a tagger" in error("tag", "evaluate", folder / "model", train)
    message = error("tag", "train", train, "--out", folder / "model")
    assert "another kind of model, conec.ContextEncoder" in message
    message = error("train", folder / "train.conll", "--out", folder / "plain")
    assert "another kind of model, conec.ner.Tagger" in message
    assert "2 columns, word, pos" in error("tag", "apply", folder / "tagger", narrow)
    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    assert "similarity-encoders[ner]" in error("tag", "train", train, *out)
    assert "similarity-encoders[ner]" in error("tag", "evaluate", folder / "tagger", train)
