"""A cluster, and an S3 server, for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from corpora import ray_engine
from tests.distributed.cluster import Cluster, running
from tests.s3_server import s3_server

for _name, _value in ray_engine.SETTINGS.items():  # before test modules import Ray
    os.environ.setdefault(_name, _value)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With pytest-xdist, have one process run all these tests, so that there is one cluster."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("cluster"))
            if item.path.stem in ("test_embedding", "test_training", "test_unfinished"):
                item.add_marker("long")


@pytest.fixture(scope="session")
def storage() -> Iterator[Any]:
    """A client of an S3 server on this machine, with the bucket ``texts``; None without moto."""
    with ExitStack() as stack:
        try:
            client = stack.enter_context(s3_server())
        except ImportError:
            client = None
        yield client


@pytest.fixture(scope="session")
def cluster(storage: Any) -> Iterator[Cluster]:
    """Two nodes, whose environment names the S3 server."""
    ray = pytest.importorskip("ray", reason="clusters need Ray")
    with running(2) as cluster:
        ray_engine.connect(cluster.address)
        try:
            yield cluster
        finally:
            ray.shutdown()
