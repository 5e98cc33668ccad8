"""A quick run of transfer learning between classes of images."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import images, simec_data, transfer_learning


@pytest.fixture
def made_up(monkeypatch):
    """Images of ten brightnesses in place of CIFAR-10, and a small task."""
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)

    def part(n):
        y = np.arange(n) % 10
        x = rng.normal(0, 8, (n, 3, 8, 8)) + 20 + 20 * y[:, None, None, None]
        return x.clip(0, 255).astype(np.uint8), y

    data = simec_data.ImageData(*part(200), *part(60))
    monkeypatch.setattr(simec_data, "cifar10", lambda folder: data)
    for name, value in {
        "QUICK_SIZES": (25, 40), "QUICK_HIDDEN": (8, 16), "LARGE": 16, "QUICK_EPOCHS": 6,
    }.items():  # fmt: skip
        monkeypatch.setattr(transfer_learning, name, value)
    monkeypatch.setitem(transfer_learning.SETTINGS, "learning_rate", 1e-2)
    return data


def run(path, *more):
    transfer_learning.main(["--quick", "--seeds", "2", "--json", str(path), *more])
    return {row["name"]: row for row in json.loads(path.read_text())["results"]}


def test_quick(made_up, tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    found = run(path)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert set(found) == {
        f"acc.B.h{h}.{size}.{source}"
        for h in (8, 16) for size in (25, 40) for source in ("none", "A", "AB", "B")
    }  # fmt: skip
    assert all(row["n"] == (2 if ".h8." in name else 1) for name, row in found.items())
    assert found["acc.B.h16.40.B"]["value"] > 0.3  # of five classes
    # everything is read from the files of the first run
    monkeypatch.setattr(images, "fine_tuned", lambda *_: pytest.fail("it was trained again"))
    assert run(path) == found
    fewer = run(path, "--labels-large", "30")
    assert set(found) - set(fewer) == {f"acc.B.h16.40.{s}" for s in ("none", "A", "AB", "B")}


def test_tasks_have_classes_of_their_own(made_up):
    parts = images.split(made_up, 50)
    assert len(parts.train.y) == 150
    target = parts.of_classes(transfer_learning.B)
    assert set(target.test.y) == set(range(5))
    np.testing.assert_array_equal(target.test.x, parts.test.x[parts.test.y >= 5])
    assert transfer_learning.n_source(parts) == min(
        len(parts.of_classes(task).train.y) for task in (range(5), range(5, 10))
    )


def test_split_is_standardized_by_the_training_images(made_up):
    parts = images.split(made_up, 50, n_test=20)
    np.testing.assert_allclose(parts.train.x.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(parts.train.x.std(axis=(0, 2, 3)), 1, atol=1e-5)
    assert parts.test.x.shape == (20, 3, 8, 8)
    assert np.abs(parts.validation.x.mean()) > 1e-4


def test_subsets_are_nested(made_up):
    part = images.split(made_up, 50).train
    small, large = (images.subset(part, n, seed=3) for n in (10, 40))
    np.testing.assert_array_equal(small.x, large.x[:10])
    assert (images.subset(part, 10, seed=4).y != small.y).any()
