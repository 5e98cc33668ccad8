"""A quick run of pre-training for images."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks import images, pretraining_images, simec_data
from benchmarks.cache import Cache
from simec import pretraining


@pytest.fixture
def made_up(monkeypatch):
    """Images of stripes of ten widths in place of CIFAR-10."""
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)

    def part(n):
        y = np.arange(n) % 10
        stripes = np.sin(np.arange(20) * (0.3 + 0.25 * y[:, None]))[:, None, None, :]
        x = 128 + 60 * stripes + rng.normal(0, 8, (n, 3, 20, 20))
        return x.clip(0, 255).astype(np.uint8), y

    data = simec_data.ImageData(*part(120), *part(40))
    monkeypatch.setattr(simec_data, "cifar10", lambda folder: data)
    for name, value in {
        "QUICK_SIZES": (20, 40), "FEW_SIZES": (40,), "LARGE": 40, "QUICK_EPOCHS": 1,
        "QUICK_TRAIN": 80, "QUICK_VALIDATION": 40, "N_TARGETS": 30,
    }.items():  # fmt: skip
        monkeypatch.setattr(pretraining_images, name, value)
    monkeypatch.setitem(pretraining_images.QUICK_PATCHES, "n_patches", 500)
    return data


def run(path, *more):
    pretraining_images.main(["--quick", "--seeds", "2", "--json", str(path), *more])
    return {row["name"]: row for row in json.loads(path.read_text())["results"]}


def test_quick(made_up, tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    found = run(path)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    methods = set(pretraining_images.METHODS) - {pretraining_images.CONTRASTIVE}
    expected = {f"acc.{size}.{method}" for size in (20, 40) for method in methods}
    assert set(found) == expected - {f"acc.20.{method}" for method in pretraining_images.FEW}
    assert all(row["n"] == (2 if ".20." in name else 1) for name, row in found.items())
    # everything is read from the files of the first run
    monkeypatch.setattr(images, "fine_tuned", lambda *_: pytest.fail("it was trained again"))
    assert run(path) == found
    assert set(run(path, "--labels", "20")) == {f"acc.20.{m}" for m in methods if "few" not in m}


@pytest.fixture
def networks(made_up):
    parts = pretraining_images.split(made_up, quick=True)
    settings = {
        "pretraining": {"learning_rate": 1e-3, "batch_size": 40, "max_iter": 1},
        "fine_tuning": {}, "patches": pretraining_images.QUICK_PATCHES,
    }  # fmt: skip
    return pretraining_images.Networks(parts, settings, Cache(None, {}))


def test_labels_of_the_other_images_are_not_used(networks):
    rows = np.arange(0, 30, 2)
    labelled = networks.parts.train.take(rows)
    first = {m: networks.get(m, labelled, rows, 1) for m in ("simec_half_few", "unsupervised_few")}
    other = networks.parts.train.y.copy()
    others = np.setdiff1d(np.arange(len(other)), rows)
    other[others] = 9 - other[others]
    train = networks.parts.train._replace(y=other)
    again = pretraining_images.Networks(
        networks.parts._replace(train=train), networks.settings, networks.cache
    )
    for method, network in first.items():
        same = again.get(method, labelled, rows, 1)
        pairs = zip(network.parameters(), same.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_half_is_the_mean_of_both_kernels(networks, monkeypatch):
    seen = []
    monkeypatch.setattr(networks, "_fit", lambda S: seen.append(S) or networks.new())
    for method in ("simec_half", "simec_linear", "simec_classes"):
        networks.get(method, networks.parts.train, np.arange(5), 1)
    half = seen[0]
    x = networks.parts.train.x.reshape(80, -1).astype(np.float64)
    y = networks.parts.train.y
    kernel = x @ x[networks.targets].T
    kernel = (kernel - kernel.min()) / (kernel.max() - kernel.min())
    expected = (kernel + (y[:, None] == y[networks.targets])) / 2
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(half, expected, atol=1e-4)


def test_contrastive_pretraining_sees_all_images(networks, monkeypatch):
    seen = {}

    def train(network, views, **parameters):
        seen.update(parameters, views=views)
        return network

    monkeypatch.setattr(pretraining, "pretrain_contrastive", train)
    networks.get("contrastive", networks.parts.train, np.arange(5), 1)
    assert seen["views"][0].shape == (2, 3, 20, 20)
    assert len(seen["views"]) == 80
    assert (seen["batch_size"], seen["max_iter"], seen["decay"]) == (40, 1, "cosine")


def test_the_network_is_that_of_the_thesis():
    network = pretraining_images.build((3, 32, 32))
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 512)
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    assert shapes == [(16, 3, 5, 5), (8, 16, 3, 3), (512, 288), (512, 512)]
