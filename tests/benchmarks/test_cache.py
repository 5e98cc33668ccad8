"""Measurements that are kept for the next run."""

from __future__ import annotations

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
def test_networks(tmp_path, kept):
    path = tmp_path / "x.json" if kept else None
    trained = nn.Linear(3, 2)
    assert Cache(path, {}).network({"of": 1}, nn.Linear(3, 2), lambda: trained) is trained
    other = nn.Linear(3, 2)
    found = Cache(path, {}).network({"of": 1}, nn.Linear(3, 2), lambda: other)
    assert torch.equal(found.weight, trained.weight if kept else other.weight)
    assert Cache(path, {}).network({"of": 2}, nn.Linear(3, 2), lambda: other) is other
    assert path is None or len(list((tmp_path / "x.networks").iterdir())) == 2
