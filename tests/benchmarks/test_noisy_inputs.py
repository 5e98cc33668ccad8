"""A quick run of the benchmark of noisy features."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import noisy_inputs
from benchmarks.simec_methods import linear_simec, mse

METHODS = "optimum", "kpca", "ridge", "simec"


def test_quick(monkeypatch, tmp_path, shared_data):
    pytest.importorskip("matplotlib")
    if not (shared_data / "simec").is_dir():
        pytest.skip(f"{shared_data} has no data sets of simec")
    monkeypatch.setattr(noisy_inputs, "QUICK_SIZE", 300)
    path = tmp_path / "x.json"
    noisy_inputs.main(["--quick", "--seeds", "1", "--data", str(shared_data), "--json", str(path)])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    found = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    for part in ("train", "test"):
        errors = {m: found[f"{m}.{part}.mse.correlated.std4"] for m in METHODS}
        assert errors["kpca"] > 20 * errors["simec"]
        assert errors["simec"] < 1.2 * errors["optimum"]
        # without noise kernel PCA is the optimum
        clean = found[f"kpca.{part}.mse.white.std0"]
        assert clean == pytest.approx(errors["optimum"], rel=1e-3)
        assert found[f"simec.{part}.mse.white.std0"] < 1.1 * clean
        assert found[f"simec.{part}.mse.correlated.dims0"] == pytest.approx(
            found[f"simec.{part}.mse.white.std0"]
        )
    weak = {
        f"{m}.{part}": found[f"{m}.{part}.mse.white.std2"]
        for m in ("optimum", "kpca", "simec_pca", "limit")
        for part in ("train", "test")
    }
    for part in ("train", "test"):
        assert weak[f"optimum.{part}"] < weak[f"limit.{part}"] < weak[f"kpca.{part}"]
    # the limit holds for new points
    assert weak["optimum.train"] < weak["simec_pca.train"] < weak["kpca.train"]
    assert weak["limit.test"] < weak["simec_pca.test"]
    assert "simec_pca.test.mse.white.std4" not in found
    assert "limit.test.mse.correlated.std2" not in found


def test_the_limit_is_that_of_many_points(monkeypatch):
    random = np.random.default_rng(0)
    scales = np.array([3.0, 2.0, 1.0, 0.5, 0.5])
    x, noise = random.normal(size=(2, 6000, 5))
    parts = {"train": slice(0, 3000), "test": slice(3000, None)}
    clean = {part: x[rows] * scales for part, rows in parts.items()}
    noisy = {part: clean[part] + noise[rows] for part, rows in parts.items()}
    S = {part: X @ X.T for part, X in clean.items()}
    monkeypatch.setattr(noisy_inputs, "N_COMPONENTS", 2)
    limit = noisy_inputs._limit(noisy, S, 1.0, np.diag(scales**2), 1.0)
    encoder = linear_simec(2, 1e-6, noisy["train"], S["train"])
    found = {part: mse(S[part], encoder.transform(noisy[part])) for part in parts}
    assert found["test"] == pytest.approx(limit["limit.test"], rel=0.02)
    assert found["train"] == pytest.approx(limit["limit.train"], rel=0.02)


@pytest.mark.parametrize("kind", noisy_inputs.KINDS)
def test_noise_has_the_standard_deviation_asked_for(kind):
    drawn = noisy_inputs.noise(kind, 4000, 300, 0.7, 20, np.random.default_rng(0))
    assert drawn.shape == (4000, 300)
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(0.7, rel=0.02)
    largest = np.linalg.eigvalsh(np.cov(drawn.T))
    rank = int((largest > 1e-4).sum())
    assert rank == (300 if kind == "white" else 20)
