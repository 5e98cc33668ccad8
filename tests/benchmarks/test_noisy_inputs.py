"""A quick run of the benchmark of noisy features."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import noisy_inputs


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
        errors = {m: found[f"{m}.{part}.mse.correlated.std4"] for m in noisy_inputs.METHODS}
        assert errors["kpca"] > 20 * errors["simec"]
        assert errors["simec"] < 1.2 * errors["optimum"]
        # without noise kernel PCA is the optimum
        clean = found[f"kpca.{part}.mse.white.std0"]
        assert clean == pytest.approx(errors["optimum"], rel=1e-3)
        assert found[f"simec.{part}.mse.white.std0"] < 1.1 * clean
        assert found[f"simec.{part}.mse.correlated.dims0"] == pytest.approx(
            found[f"simec.{part}.mse.white.std0"]
        )


@pytest.mark.parametrize("kind", noisy_inputs.KINDS)
def test_noise_has_the_standard_deviation_asked_for(kind):
    drawn = noisy_inputs.noise(kind, 4000, 300, 0.7, 20, np.random.default_rng(0))
    assert drawn.shape == (4000, 300)
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(0.7, rel=0.02)
    largest = np.linalg.eigvalsh(np.cov(drawn.T))
    rank = int((largest > 1e-4).sum())
    assert rank == (300 if kind == "white" else 20)
