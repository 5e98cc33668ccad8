"""A quick run of the benchmark of neighbors by class."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import class_neighbors


def test_quick(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(class_neighbors, "DATA", ("digits",))
    monkeypatch.setattr(class_neighbors, "QUICK_SIZE", 600)
    path = tmp_path / "x.json"
    class_neighbors.main(["--quick", "--seeds", "1", "--json", str(path)])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    found = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    best = found["digits.simec_classes.neighbors1.d2"]
    for other in ("pca", "lda", "nca", "simec_linear", "simec_similarities"):
        assert best > found[f"digits.{other}.neighbors1.d2"]
    # all pixels are more than two dimensions
    assert best < found["digits.pixels.neighbors1.pixels"]


def test_training_and_test_points_differ():
    points = class_neighbors.points_of("digits", 400, 1)
    assert len(points.x_train) == len(points.x_test) == 200
    everything = np.vstack([points.x_train, points.x_test])
    assert len(np.unique(everything, axis=0)) == 400
    np.testing.assert_allclose(points.x_train.mean(axis=0), 0, atol=1e-5)
