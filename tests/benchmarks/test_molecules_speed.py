"""The training runs that are compared for speed are the same."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from benchmarks.pretraining_molecules import speed
from tests.simec.molecules.test_schnet import made_up


@pytest.mark.slow
def test_both_networks_reach_the_same_error(monkeypatch):
    monkeypatch.setattr(speed, "BATCH", 10)
    monkeypatch.setattr(speed, "peak_memory", lambda _, molecules: float(len(molecules)))
    monkeypatch.setattr(speed, "ProcessPoolExecutor", _Here)
    molecules = made_up(40)
    energy = np.random.default_rng(0).standard_normal(40)
    results = speed.measure(molecules, energy, n_train=30, n_test=10, rounds=3)
    values = {result.name: result.value for result in results}
    assert values["speed.mae.ours"] == pytest.approx(values["speed.mae.pyg"], rel=1e-3)
    assert {"mols_per_s.ours", "mols_per_s.pyg", "mols_per_s.large.inference.ratio"} <= set(values)
    assert all(value > 0 for value in values.values())
    assert "molecules/s" in speed.summary(results)


class _Here:
    """Stands in for a pool of processes."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        return type("Future", (), {"result": lambda _: function(*arguments)})()
