"""A cluster, and an S3 server, for all tests of this folder."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from corpora import ray_engine
from tests.distributed.cluster import Cluster, running

for _name, _value in ray_engine.SETTINGS.items():  # before test modules import Ray
    os.environ.setdefault(_name, _value)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With pytest-xdist, have one process run all these tests, so that there is one cluster."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def storage() -> Iterator[Any]:
    """A client of an S3 server on this machine, with the bucket ``texts``; None without moto."""
    try:
        server = importlib.import_module("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
        boto3 = importlib.import_module("boto3")
    except ImportError:
        yield None
        return
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with suppress(ImportError):  # a file system of an earlier test would keep its credentials
            importlib.import_module("s3fs").S3FileSystem.clear_instance_cache()
        client = boto3.client("s3")
        client.create_bucket(Bucket="texts")
        try:
            yield client
        finally:
            client.close()
            server.stop()


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
