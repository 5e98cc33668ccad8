"""The short form of `tests.stress.store`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_kills_readers_full_disks_and_flipped_bits() -> None:
    kinds = ["token_stream", "context_encoder", "similarity_encoder", "baseline_recommender"]
    result = subprocess.run(
        [sys.executable, "-m", "tests.stress.store", "--seconds", "4", "--kinds", *kinds],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == kinds
    for row in rows:
        kills, loads, full_disks, flips = map(int, row[1:5])
        assert min(kills, loads, full_disks, flips) >= 1
        assert row[5:] == ["0"] * 5
