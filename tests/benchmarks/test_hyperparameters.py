"""A quick run of the benchmark of the symmetric term and of the number of targets."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.decomposition import KernelPCA

from benchmarks import hyperparameters, simec_data
from benchmarks.simec_methods import mse


def test_quick(monkeypatch, tmp_path, shared_data):
    pytest.importorskip("matplotlib")
    if not (shared_data / "simec").is_dir():
        pytest.skip(f"{shared_data} has no data sets of simec")
    monkeypatch.setattr(hyperparameters, "QUICK_SIZE", 400)
    monkeypatch.setattr(hyperparameters, "QUICK_TARGETS", (20,))
    monkeypatch.setitem(hyperparameters.NETWORK, "hidden_layers", (50,))
    monkeypatch.setitem(hyperparameters.NETWORK, "batch_size", 32)
    path = tmp_path / "x.json"
    hyperparameters.main(
        ["--quick", "--seeds", "1", "--data", str(shared_data), "--json", str(path)]
    )
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    found = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    for start in ("simec", "simec_random"):
        # kernel PCA is the optimum for the training points
        assert found[f"{start}.train.mse.lambda1"] > found["kpca.train.mse"]
        assert found[f"{start}.train.mse.n320"] == found[f"{start}.train.mse.lambda1"]
    assert found["simec.train.mse.n20"] > found["simec.train.mse.n320"]
    # without the symmetric term the output is good, and products of embeddings are not
    random = "simec_random.train"
    assert found[f"{random}.mse.lambda0"] > 1.2 * found[f"{random}.mse_output.lambda0"]


def test_similarities_of_test_points_are_kernel_pcas():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)).astype(np.float32)
    points = simec_data.Points(x[:40], np.zeros(40), x[40:], np.zeros(10))
    gamma, among, to_train = hyperparameters.similarities(points)
    kpca = KernelPCA(kernel="rbf", gamma=gamma).fit(x[:40])
    train, test = kpca.transform(x[:40]), kpca.transform(x[40:])
    assert mse(among["train"], train) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(to_train["test"], test @ train.T, atol=1e-4)
    # distances in the space of features, which no centring changes
    squares = np.diag(among["test"])
    distances = squares[:, None] + squares - 2 * among["test"]
    apart = ((x[40:, None] - x[None, 40:]) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances, 2 - 2 * np.exp(-gamma * apart), atol=1e-4)
