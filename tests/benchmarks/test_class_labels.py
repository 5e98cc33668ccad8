"""A quick run of the benchmark of class labels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import class_labels, simec_data
from simec.similarities import Centerer
from simec.similarities import class_labels as same_class


def run(monkeypatch, tmp_path, data):
    pytest.importorskip("matplotlib")
    if not (data / "simec").is_dir():
        pytest.skip(f"{data} has no data sets of simec")
    monkeypatch.setattr(class_labels, "QUICK_DIMENSIONS", (5, 9))
    monkeypatch.setattr(class_labels, "QUICK_SIZE", 500)
    monkeypatch.setitem(class_labels.DEEP, "hidden_layers", (256, 128))
    path = tmp_path / "x.json"
    class_labels.main(["--quick", "--seeds", "1", "--data", str(data), "--json", str(path)])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    return {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}


def test_quick(monkeypatch, tmp_path, shared_data):
    found = run(monkeypatch, tmp_path, shared_data)
    for d in (5, 9):
        optimum = found[f"optimum.train.mse.d{d}"]
        for method in ("ridge", "simec", "simec_deep"):
            assert found[f"{method}.train.mse.d{d}"] > optimum
        # to rounding: with all directions of classes, both are the same
        assert found[f"simec.train.ratio_to_ridge.d{d}"] <= 1 + 1e-5
        assert found[f"simec_deep.train.mse.d{d}"] < found[f"simec.train.mse.d{d}"]
        assert found[f"simec_deep.test.mse.d{d}"] < found[f"simec.test.mse.d{d}"]
    assert found["optimum.train.mse.d9"] == pytest.approx(0, abs=1e-9)
    assert found["simec_deep.train.ratio_to_optimum.d5"] < 1.2
    assert not any(name.startswith("optimum.test") for name in found)


def test_missing_data_is_named(tmp_path):
    with pytest.raises(SystemExit, match="mnist"):
        class_labels.main(["--quick", "--data", str(tmp_path)])


def test_similarities_are_centred_by_training_points(monkeypatch):
    seen = {}
    monkeypatch.setattr(class_labels, "DEEP", {"max_iter": 1})

    def errors(S, Y):
        seen.setdefault(S.shape[0], S)
        return float(np.mean((S - Y @ Y.T) ** 2))

    monkeypatch.setattr(class_labels, "mse", errors)
    rng = np.random.default_rng(0)
    y, y_test = rng.integers(0, 10, 60), rng.integers(0, 10, 15)
    x = rng.normal(size=(75, 4)).astype(np.float32)
    class_labels.run(simec_data.Points(x[:60], y, x[60:], y_test), (2,), 1)
    centerer = Centerer().fit(same_class(y))
    np.testing.assert_allclose(seen[60], centerer.transform(same_class(y)), atol=1e-6)
    means = same_class(y_test, y).mean(axis=1)
    expected = same_class(y_test) - means[:, None] - means + centerer.mean_
    np.testing.assert_allclose(seen[15], expected, atol=1e-6)
