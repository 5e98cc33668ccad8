"""``simec links``: what a user types, sees and gets."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from typer.testing import CliRunner

from simec.cli import app
from simec.links import LinkPredictor
from tests.simec.links.graph import chain


def run(*args, code=0):
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    if result.exception is not None:
        assert isinstance(result.exception, SystemExit), result.exception
    return result


def error(*args):
    message = run(*args, code=1).stderr.strip()
    assert message.startswith("simec: ")
    assert "\n" not in message
    return message


def write(path, triples):
    path.write_text("".join("\t".join(triple) + "\n" for triple in triples))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("kg")
    train, test = chain()
    for split, triples in (("train", train), ("valid", test[:4]), ("test", test[4:])):
        write(path / f"{split}.txt", triples)
    return path


@pytest.fixture(scope="module")
def model(folder):
    path = folder.parent / "kg.model"
    result = run(
        "links", "train", folder, "--out", path, "--dimensions", 20, "--batch-size", 16,
        "--epochs", 60,
    )  # fmt: skip
    assert "entities  40" in result.stdout
    assert "relations 2" in result.stdout
    assert "chosen    --n3 0.04 --dropout 0.0 --negatives 0 --patience " in result.stdout
    valid = float(result.stdout.split("valid ")[-1].split()[0])
    measured = LinkPredictor.load(path).evaluate(folder / "valid.txt").measures()["mrr"]
    assert valid == pytest.approx(measured, abs=1e-4)
    return path


def test_predict(model):
    lines = run(
        "links", "predict", model, "p05", "next", "--topn", 3, "--known"
    ).stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[1] == "p06"
    found = json.loads(
        run("links", "predict", model, "p06", "next", "--heads", "--known", "--json").stdout
    )
    assert found[0]["entity"] == "p05"
    assert len(found) == 10


def test_evaluate(model, folder):
    result = run("links", "evaluate", model, folder / "test.txt", "--by-relation")
    assert "filtered, both" in result.stdout
    assert result.stdout.count("before") == 1
    found = json.loads(run("links", "evaluate", model, folder / "test.txt", "--json").stdout)
    assert found["n"] == 4
    assert found["filtered"]["both"]["mrr"] > 0.3
    expected = LinkPredictor.load(model).evaluate(folder / "test.txt").to_dict()
    assert found == expected


def test_more_known_triples_raise_filtered_ranks(model, tmp_path):
    test = write(tmp_path / "test.tsv", [("p01", "next", "p30")])
    known = write(tmp_path / "known.tsv", [("p01", "next", f"p{i:02}") for i in range(29)])

    def rank(*more):
        found = run("links", "evaluate", model, test, *more, "--json").stdout
        return json.loads(found)["filtered"]["tail"]["mr"]

    assert rank("--known", known) < rank()


def test_unknown_entities_are_told(model, tmp_path):
    test = write(tmp_path / "test.tsv", [("p01", "next", "zzz")])
    result = run("links", "evaluate", model, test)
    assert "1 of 1 triples have an unknown entity or relation" in result.stdout


def test_preset_of_the_thesis_and_a_file_of_validation(folder, tmp_path):
    run(
        "links", "train", folder / "train.txt", "--valid", folder / "valid.txt", "--out",
        tmp_path / "m", "--preset", "thesis", "--dimensions", 8, "--epochs", 3, "--patience", 2,
        "--no-progress",
    )  # fmt: skip
    loaded = LinkPredictor.load(tmp_path / "m")
    assert (loaded.fine_tune, loaded.tied, loaded.relation_matrix, loaded.max_iter) == (
        True,
        False,
        "full",
        3,
    )


def test_ids_that_are_numbers(tmp_path):
    LinkPredictor(4, max_iter=2).fit([(1, 0, 2), (2, 0, 3)]).save(tmp_path / "m")
    assert run("links", "predict", tmp_path / "m", 1, 0).exit_code == 0
    assert "ids are integers" in error("links", "predict", tmp_path / "m", "one", 0)


def test_what_is_wrong_is_told_in_a_line(model, folder, tmp_path):
    bad = tmp_path / "bad.tsv"
    bad.write_text("a\tr\tb\na r b\n")
    assert f"{bad}, line 2 has 1 field;" in error("links", "train", bad, "--out", tmp_path / "m")
    assert "unknown entity: 'p0' (closest matches: 'p" in error(
        "links", "predict", model, "p0", "next"
    )
    assert "unknown relation: 'nxt' (closest matches: 'next')" in error(
        "links", "predict", model, "p01", "nxt"
    )
    assert "the folder does not exist" in error(
        "links", "predict", tmp_path / "none", "p01", "next"
    )
    assert "has its own valid.txt" in error(
        "links", "train", folder, "--valid", bad, "--out", tmp_path / "m"
    )
    assert "holds" in error("links", "train", folder, "--out", folder)
    assert "device must be 'auto' or a PyTorch device" in error(
        "links", "train", folder, "--out", tmp_path / "m", "--device", "abacus"
    )
    assert "n_components must be even with relation_matrix='complex', got 3" in error(
        "links", "train", folder, "--out", tmp_path / "m", "--dimensions", 3
    )
    assert not (tmp_path / "m").exists()


def test_a_gpu_that_is_not_found(folder, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "PyTorch finds no GPU here" in error(
        "links", "train", folder, "--out", tmp_path / "m", "--device", "cuda"
    )
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("ann,tea,5\nbob,tea,4\n")
    assert "PyTorch finds no GPU here" in error(
        "recommend", "train", ratings, "--out", tmp_path / "m", "--device", "cuda"
    )
    assert not (tmp_path / "m").exists()


def test_duplicates_are_told(tmp_path):
    twice = write(tmp_path / "kg.tsv", [("a", "r", "b")] * 2)
    result = run("links", "train", twice, "--out", tmp_path / "m", "--epochs", 1)
    assert "1 of 2 triples occur more than once" in result.stderr


def test_ctrl_c_saves_what_there_is(folder, tmp_path, monkeypatch):
    from simec.links import training

    epoch, calls = training.LinkTrainer._epoch, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return epoch(self, *args)

    monkeypatch.setattr(training.LinkTrainer, "_epoch", interrupted)
    result = run("links", "train", folder, "--out", tmp_path / "m", "--dimensions", 4, code=130)
    assert "interrupted after 1 epochs; saved to" in result.stderr
    assert LinkPredictor.load(tmp_path / "m").n_iter_ == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_resumed(folder, tmp_path, monkeypatch, number):
    few = ("--dimensions", 4, "--epochs", 3, "--batch-size", 16)
    run("links", "train", folder, "--out", tmp_path / "whole", *few)
    from simec.links.training import LinkTrainer

    step, calls = LinkTrainer._step, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 7:
            signal.raise_signal(number)
        return step(self, *args)

    monkeypatch.setattr(LinkTrainer, "_step", interrupted)
    out = tmp_path / "m"
    result = run("links", "train", folder, "--out", out, *few, code=128 + number)
    assert "epochs; saved to" in result.stderr
    assert "To continue, run the same command with --resume" in result.stderr
    refused = error("links", "train", folder, "--out", out)
    assert "holds an interrupted run: continue it with --resume, or replace it" in refused
    assert "pass one of them" in error(
        "links", "train", folder, "--out", out, "--resume", "--overwrite"
    )
    run("links", "train", folder, "--out", out, "--resume")
    whole, resumed = LinkPredictor.load(tmp_path / "whole"), LinkPredictor.load(out)
    np.testing.assert_array_equal(whole.transform(), resumed.transform())
    assert "is a finished predictor" in error("links", "train", folder, "--out", out, "--resume")


def test_the_old_name_of_relation_matrices(folder, tmp_path):
    result = run("links", "train", folder, "--out", tmp_path / "m", "--middle", "diagonal",
                 "--epochs", 1)  # fmt: skip
    assert "--middle is deprecated, use --relation-matrix" in result.stderr
    assert LinkPredictor.load(tmp_path / "m").relation_matrix == "diagonal"


def test_every_parameter_of_the_command_line_is_used(folder, tmp_path):
    run(
        "links", "train", folder, "--out", tmp_path / "m", "--dimensions", 4, "--dropout", 0.3,
        "--n3", 0.2, "--negatives", 5, "--loss", "softmax", "--targets", "kvsall", "--optimizer",
        "adagrad", "--learning-rate", 0.2, "--init-scale", 0.01, "--epochs", 1, "--patience", 1,
        "--batch-size", 9, "--no-average", "--known", folder / "test.txt",
    )  # fmt: skip
    parameters = LinkPredictor.load(tmp_path / "m").parameters_
    expected = {
        "n_components": 4, "dropout": 0.3, "n3": 0.2, "n_negatives": 5, "loss": "softmax",
        "targets": "kvsall", "optimizer": "adagrad", "learning_rate": 0.2, "init_scale": 0.01,
        "max_iter": 1, "n_iter_no_change": 1, "batch_size": 9, "average": False,
    }  # fmt: skip
    assert {name: parameters[name] for name in expected} == expected


@pytest.mark.slow
def test_tune_writes_its_table_and_the_best_model(folder, tmp_path):
    result = run(
        "links", "tune", folder, "--out", tmp_path / "t.csv", "--model", tmp_path / "m",
        "--minutes", 0.001, "--settings", 2, "--seeds", 1, "--dimensions", 4, "--epochs", 1,
    )  # fmt: skip
    assert "setting  round" in result.stdout
    best = result.stdout.split("best ")[-1].splitlines()[0].split()
    assert best[:4] == ["--dimensions", "4", "--epochs", "1"]
    loaded = LinkPredictor.load(tmp_path / "m")
    assert float(best[best.index("--n3") + 1]) == loaded.parameters_["n3"]
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3
    run("links", "train", folder, "--out", tmp_path / "again", *best)
    assert "no parameter" not in result.stderr


def test_help_is_there_without_torch():
    assert "simec links" in run("--help").stdout
    assert "TRIPLES" in run("links", "train", "--help").stdout
