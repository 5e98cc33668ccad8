"""Measurements and arrays that are kept for the next run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.cache import Cache


def test_a_run_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "x.json"
    task = {"what": "quality", "shared": 16, "batch_size": 64, "alpha": 0.1, "seed": 1}
    cache = Cache(path, {"name": "a"})
    assert cache.get(task) is None
    cache.put(task, {"diverged": "yes"})
    with open(tmp_path / "x.jsonl", "a") as file:
        file.write('{"of": {"ta')  # the machine was switched off
    again = Cache(path, {"name": "a"})
    assert again.get(task) == {"diverged": "yes"}
    assert again.once(task, lambda: pytest.fail("it was measured")) == {"diverged": "yes"}
    assert again.get({**task, "seed": 2}) is None
    assert Cache(path, {"name": "b"}).get(task) is None


@pytest.mark.parametrize("kept", [True, False])
def test_arrays_are_computed_once(tmp_path, kept):
    path = tmp_path / "folder" / "x.json" if kept else None
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(6).reshape(2, 3).T, "y": 2.5}

    first = Cache(path, {})
    for cache in (first, first, Cache(path, {})):
        found = cache.arrays({"of": 1}, compute)
        np.testing.assert_array_equal(found["x"], [[0, 3], [1, 4], [2, 5]])
        assert found["y"].dtype == float
        assert float(found["y"]) == 2.5
    assert len(calls) == (1 if kept else 2)
    first.arrays({"of": 2}, compute)
    Cache(path, {"name": "b"}).arrays({"of": 1}, compute)
    assert len(calls) == (3 if kept else 4)


@pytest.mark.parametrize("kept", [True, False])
def test_networks(tmp_path, kept):
    cache = Cache(tmp_path / "x.json" if kept else None, {})
    trained = nn.Linear(3, 2)
    for train in (lambda: trained, lambda: pytest.fail("it was trained again")):
        network = nn.Linear(3, 2)
        assert cache.network({"of": 1}, network, train) is network
        assert torch.equal(network.weight, trained.weight)
        network.weight.data.zero_()  # what is kept stays
    other = nn.Linear(3, 2)
    found = cache.network({"of": 2}, nn.Linear(3, 2), lambda: other)
    assert torch.equal(found.weight, other.weight)
    assert not kept or len(list((tmp_path / "x.arrays").iterdir())) == 2


def test_checkpoints(tmp_path):
    with Cache(None, {}).checkpoint({"of": 1}) as arguments:
        assert arguments == {}
    cache = Cache(tmp_path / "x.json", {})

    def interrupted():
        with cache.checkpoint({"of": 1}) as arguments:
            arguments["checkpoint"].mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with cache.checkpoint({"of": 2}) as other:
        assert "resume_from" not in other
    with cache.checkpoint({"of": 1}) as again:
        assert again["resume_from"] == again["checkpoint"] != other["checkpoint"]
    assert not again["checkpoint"].exists()
