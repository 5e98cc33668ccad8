"""The short forms of the programs in `tests.stress`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stress.files import NAMES

pytestmark = pytest.mark.long


def run(program: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", f"tests.stress.{program}", *arguments],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_damaged_files_are_read_or_refused_with_their_name() -> None:
    output = run("readers", "--inputs", "250")
    row = output.splitlines()[len(NAMES) + 1].split()
    assert row[:2] == ["all", "250"]
    read_otherwise, refused = map(int, row[3:5])
    assert min(read_otherwise, refused) > 0


@pytest.mark.slow
def test_kills_readers_full_disks_and_flipped_bits() -> None:
    kinds = ["token_stream", "context_encoder"]
    output = run("store", "--seconds", "2", "--kinds", *kinds)
    rows = [line.split() for line in output.splitlines()[1:]]
    assert [row[0] for row in rows] == kinds
    for row in rows:
        kills, loads, full_disks, flips = map(int, row[1:5])
        assert min(kills, loads, full_disks, flips) >= 1
        assert row[5:] == ["0"] * 5


@pytest.mark.slow
def test_commands_that_are_ended_by_signals() -> None:
    output = run("runs", "--seconds", "3", "--commands", "convert")
    name, signals, *failures = output.splitlines()[1].split()
    assert (name, failures) == ("convert", ["0"] * 5)
    assert signals.isdigit()


@pytest.mark.slow
def test_changed_models_are_used_or_refused_with_their_name() -> None:
    pytest.importorskip("torch")
    models = ["context_encoder_senses", "recommender_item_knn"]
    output = run("models", "--inputs", "80", "--models", *models)
    used, refused, *failures = map(int, output.splitlines()[-1].split()[1:])
    assert used > 2
    assert refused > 40
    assert failures == [0] * 4


def test_made_up_taggers_are_refused_or_predict() -> None:
    pytest.importorskip("pycrfsuite")
    output = run("taggers", "--inputs", "1000")
    assert output.endswith("0 other errors, 0 crashes\n")
    accepted, refused = (int(part.split()[0].replace(",", "")) for part in output.split(", ")[:2])
    assert accepted > 50
    assert refused > 500
