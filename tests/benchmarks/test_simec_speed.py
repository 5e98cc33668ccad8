"""The headline ratios of simec's speed, what is timed, and how time and memory grow."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from benchmarks.simec_speed import benchmark as simec_speed
from benchmarks.simec_speed import scaling as simec_scaling
from benchmarks.simec_speed import trainers as simec_trainers


def run(curve, **more):
    return {"curve": curve, "train": 0.1, "peak_mb": 1.0, **more}


def test_ratios_are_of_times_to_the_same_error():
    runs = {
        "ours": [
            run([(1, 0.5), (2, 0.2), (3, 0.25)], epoch_s=1.0),
            run([(1, 0.5), (4, 0.1)], epoch_s=1.0),
        ],
        # the second has been as good before
        "loop": [
            run([(10, 0.4), (20, 0.2)], epoch_s=10.0),
            run([(10, 0.3), (20, 0.1), (30, 0.4), (40, 0.3)], epoch_s=10.0),
        ],
        "kernel_pca": [run([(5, 0.6)]), run([(5, 0.05)])],
        "svd": [run([(5, 0.01)]), run([(5, 0.02)])],
    }
    rows = {row.name: row.value for row in simec_speed.results_of("x", runs)}
    assert rows["x.ratio.loop"] == (20 / 2 + 10 / 4) / 2
    assert rows["x.reached.loop"] == 1
    # best errors of ours: 0.2 and 0.1
    assert rows["x.ratio.loop.back"] == (20 / 2 + 20 / 4) / 2
    assert rows["x.ratio.kernel_pca"] == 5
    assert rows["x.reached.kernel_pca"] == 0.5
    assert rows["x.ratio.svd"] is None
    assert rows["x.reached.svd"] == 0
    assert rows["x.test.mse.loop"] == pytest.approx(0.25)


def test_one_that_never_gets_there_has_all_of_its_time():
    slow, fast = [(10, 0.4), (20, 0.3)], [(1, 0.3), (2, 0.1)]
    assert simec_speed.time_to(slow, 0.3) == 20
    assert simec_speed.time_to(slow, 0.2) is None
    assert simec_speed.ratio(slow, fast, 0.1) == (10, False)
    assert simec_speed.ratio(slow, fast, 0.3) == (20, True)
    assert simec_speed.ratio(fast, slow, 0.1) is None


@pytest.fixture
def material(tmp_path):
    """Three classes that features tell apart, as dense and as sparse features."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400)
    x = (rng.normal(size=(400, 12)) + 3 * np.eye(3, 12)[y]).astype(np.float32)
    S = (y[:, None] == y).astype(np.float32)
    for name, features in (("dense", x), ("sparse", sparse.csr_matrix(np.maximum(x - 1, 0)))):
        simec_trainers._written(
            tmp_path / name, features[:300], features[300:], S[:300, :300], S[300:, :300], 100
        )
    return {
        "folder": str(tmp_path), "d": 3, "hidden": [8], "activation": "relu", "seed": 1,
        "epochs": [1, 40], "ours": {"batch_size": 32, "learning_rate": 1e-2},
        "loop": {"batch_size": 32, "learning_rate": 1e-2, "epochs": 40},
    }  # fmt: skip


@pytest.mark.parametrize("data", ["dense", "sparse"])
def test_trainers_learn_the_same_task(material, data):
    task = {**material, "data": data}
    loaded = simec_trainers.load(task)
    assert loaded.S.shape == (300, 100)
    assert np.abs(loaded.full).max() == 1
    np.testing.assert_allclose(loaded.full.mean(axis=0), 0, atol=1e-6)
    nothing = float(np.square(loaded.S_test).mean())
    for trainer in (
        simec_trainers.ours, simec_trainers.loop, simec_trainers.kernel_pca,
        simec_trainers.truncated_svd,
    ):  # fmt: skip
        curve = trainer(task)["curve"]
        seconds = [s for s, _ in curve]
        assert min(seconds) > 0
        assert curve[-1][1] < 0.5 * nothing, trainer
        if trainer is simec_trainers.loop:
            assert len(curve) == 40
            assert seconds == sorted(seconds)


def test_operations_are_those_of_all_products():
    # forward 2 (3*4 + 4*5 + 5*6), backward twice as many, but none for the first input
    assert simec_scaling.operations(3, [4], 5, 6) == 3 * 2 * 62 - 2 * 12
    # 64 coordinates stand for a thousand targets
    assert simec_scaling.operations(3, [4], 5, 1000) == 3 * 2 * 352 - 2 * 12
    assert simec_scaling.sgemm("cpu", n=64) > 0


def test_memory_does_not_grow_with_targets_that_a_function_gives():
    from benchmarks.runs import apart

    task = {"m": 100_000, "n": 1000, "D": 8, "d": 4}
    found = apart("benchmarks.simec_speed.scaling:run", task)
    assert found["seconds"] > 0
    # all targets would be 400 MB; PyTorch takes up to 200 MB whatever the number of rows
    assert found["more_mb"] < 350


def test_quick_run(shared_data, tmp_path):
    pytest.importorskip("matplotlib")
    if not (shared_data / "simec" / "images" / "mnist.npz").exists():
        pytest.skip("MNIST not found in the folder of data sets")
    path = tmp_path / "x.json"
    simec_speed.main([
        "--quick", "--seeds", "1", "--tasks", "mnist", "--no-scaling", "--data", str(shared_data),
        "--json", str(path),
    ])  # fmt: skip
    rows = {row["name"]: row for row in json.loads(path.read_text())["results"]}
    assert {"mnist.ratio.loop", "mnist.ratio.kernel_pca", "mnist.sgemm_share.ours"} <= set(rows)
    assert rows["mnist.test.mse.ours"]["value"] > 0
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
