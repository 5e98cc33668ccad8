"""A cluster for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from corpora import ray_engine
from tests.distributed.cluster import Cluster, running

for _name, _value in ray_engine.SETTINGS.items():  # before test modules import Ray
    os.environ.setdefault(_name, _value)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    ray = pytest.importorskip("ray", reason="clusters need Ray")
    with running(2) as cluster:
        ray_engine.connect(cluster.address)
        try:
            yield cluster
        finally:
            ray.shutdown()
