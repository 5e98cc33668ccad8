"""A quick run of the benchmark of neighbors."""

from __future__ import annotations

import json

import pytest

from benchmarks import neighbors_speed


@pytest.mark.slow
def test_quick(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "x.json"
    arguments = ["--quick", "--words", "400", "--no-real", "--seeds", "1", "--queries", "20"]
    neighbors_speed.main([*arguments, "--json", str(path)])
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    assert rows["clustered.recall"] > 0.9
    assert rows["clustered.vectors"] == pytest.approx(400 * 200 * 4 / 1e6)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
