"""The headline ratio, and the command lines of other programs."""

from __future__ import annotations

import pytest

from benchmarks.runs import external
from benchmarks.train_speed import benchmark as train_speed
from benchmarks.train_speed import machine_limits, peers


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/args\nsleep 0.1\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["koan", "word2vec"])
def test_other_programs_get_the_same_settings(name, program, tmp_path):
    command = peers.command(name, program, tmp_path / "text.txt", 2)
    assert external(command) >= 0.1
    args = (tmp_path / "args").read_text().split("\n")[:-1]
    assert command == [str(program), *args]
    options = dict(zip(args[::2], args[1::2], strict=True))
    names = {
        "koan": ("--dim", "--window-size", "--negatives", "--min-count", "--threads",
                 "--train-path", "--downsample-th", "--epochs", "--cbow"),
        "word2vec": ("-size", "-window", "-negative", "-min-count", "-threads", "-train",
                     "-sample", "-iter", "-cbow"),
    }  # fmt: skip
    values = [options[option] for option in names[name]]
    assert values[:-1] == ["200", "5", "13", "5", "2", str(tmp_path / "text.txt"), "0", "1"]
    assert values[-1] in ("1", "true")


@pytest.mark.parametrize("name", ["koan", "word2vec"])
def test_a_program_that_is_missing_or_no_program(name, tmp_path, capsys):
    (tmp_path / "text").write_text("no program")
    for path in (tmp_path / "missing", tmp_path / "text", tmp_path):
        with pytest.raises(SystemExit) as error:
            train_speed.main([f"--{name}", str(path)])
        assert error.value.code == 2
        message = f"--{name} {path}: the file does not exist or is not executable"
        assert message in capsys.readouterr().err


def run(seconds, vocabulary=1.0, epochs=5, **more):
    return {
        "words": 100, "epochs": epochs, "train_s": seconds, "vocabulary_s": vocabulary,
        "peak_mb": 1.0, **more,
    }  # fmt: skip


def test_ratios_are_within_rounds_and_against_the_faster_gensim():
    limits = {
        "limits": {"sgemm": 100.0, "copy": 10.0}, "reached": {"gflops": 25.0, "gbytes": 1.0}
    }  # fmt: skip
    runs = {
        "ours.1": [
            run(10, training_s=8, map_s=2, **limits), run(20, training_s=16, map_s=2, **limits),
        ],
        "gensim.1": [run(40), run(50)],
        "gensim-lists.1": [run(9, epochs=1), run(8, epochs=1)],
        "ours.2": [run(5, training_s=4, map_s=1), run(10, training_s=8, map_s=1)],
        "ours-deterministic.2": [
            run(10, training_s=4, map_s=1), run(20, training_s=8, map_s=1),
        ],
    }  # fmt: skip
    found = {row.name: row.value for row in train_speed._results(runs, 5)}
    assert found["ratio.gensim.1"] == pytest.approx((4 + 2) / 2)
    assert found["ratio.gensim.1.with_vocabulary"] == pytest.approx((41 / 11 + 41 / 21) / 2)
    assert found["ratio.gensim.fit.1"] == pytest.approx((41 / 13 + 41 / 23) / 2)
    assert found["scaling.2.fit"] == pytest.approx((13 / 7 + 23 / 12) / 2)
    assert found["map.share.ours.1"] == pytest.approx((1 / 4 + 1 / 8) / 2)
    assert found["scaling.2"] == found["scaling.2.training"] == 2
    assert found["deterministic.2"] == 0.5
    assert found["reached.gflops_share"] == 0.25
    assert found["reached.bytes_share"] == 0.1


def test_without_subsampling_others_stand_beside_ours():
    runs = {
        "ours.1": [run(10, 10, 1)], "ours.2": [run(5, 5, 1)], "gensim.1": [run(30, 1, 1)],
        "koan.1": [{"words": 100, "epochs": 1, "train_s": 20}],
        "koan.2": [{"words": 100, "epochs": 1, "train_s": 20}],
    }  # fmt: skip
    found = {row.name: row.value for row in train_speed._nosub_results(runs)}
    assert found["ratio.koan.1"] == 2
    assert found["ratio.koan.1.with_vocabulary"] == 1
    assert found["ratio.koan.2"] == 4
    assert found["nosub.ratio.gensim.1"] == 3
    assert found["nosub.scaling.2"] == 2
    assert found["nosub.words_per_s.koan.1"] == 5


def test_koan_is_measured_in_the_same_run(program, tmp_path, monkeypatch, capsys):
    """With a program that only waits in place of koan, and without training."""
    figures = {
        "training_s": 8, "map_s": 2, "fit_peak_mb": 2.0, "allowed_mb": 3.0,
        "limits": {"sgemm": 100.0, "copy": 10.0}, "reached": {"gflops": 25.0, "gbytes": 1.0},
    }  # fmt: skip
    monkeypatch.setattr(
        train_speed, "apart", lambda _, task: run(10, epochs=task["epochs"], **figures)
    )
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a b c\n" * 20)
    train_speed.main(
        ["--koan", str(program), "--corpus", str(corpus), "--seeds", "1", "--nosub-runs", "1"]
    )
    rows = {
        line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines() if line
    }
    # 60 words in at least 0.1 s
    assert 0 < float(rows["nosub.words_per_s.koan.1"].replace(",", "")) <= 600
    assert float(rows["ratio.koan.1"].replace(",", "")) > 0
    assert {"ratio.koan.2", "ratio.koan.1.with_vocabulary", "nosub.words_per_s.koan.2"} <= set(rows)


def test_what_training_needs_of_the_machine():
    needs = machine_limits.reached(positions=1e6, size=100, shared=32, seconds=2)
    assert needs["gflops"] == pytest.approx(1e6 * (6 * 32 * 100 + 4 * 100) / 2e9)
    assert needs["gbytes"] == pytest.approx(1e6 * 4 * 100 * 4 / 2e9)
    found = machine_limits.limits(repeats=1, n=64, megabytes=1)
    assert min(found.values()) > 0
