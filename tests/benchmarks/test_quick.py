"""A quick run from the command line, on the small corpus that comes with gensim."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gensim.test.utils import datapath

ROOT = Path(__file__).resolve().parent.parent.parent


def test_quick_run(tmp_path):
    pytest.importorskip("matplotlib")
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.contexts_speed", "--quick", "--seeds", "1",
            "--corpus", datapath("lee_background.cor"), "--json", str(tmp_path / "x.json"),
        ],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "x.json").read_text())
    assert data["benchmark"] == "contexts_speed"
    assert data["protocol"]["quick"] is True
    assert data["corpus"]["documents"] == 300
    names = {row["name"] for row in data["results"]}
    assert {"matrix.1", "matrix.2", "product.1", "memory.matrix.1", "ratio.scipy.1"} <= names
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert "matrix.2.256MB" in done.stdout
