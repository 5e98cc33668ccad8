"""An S3 server on this machine, by moto."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest


@contextmanager
def s3_server() -> Iterator[Any]:
    """A client of a new server with the bucket ``texts``, which the environment names.

    Raises
    ------
    ImportError
        Without moto[server] or boto3.
    """
    server = importlib.import_module("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    boto3 = importlib.import_module("boto3")
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        _forget_file_systems()
        client = boto3.client("s3")
        client.create_bucket(Bucket="texts")
        try:
            yield client
        finally:
            client.close()
            server.stop()
            _forget_file_systems()


def _forget_file_systems() -> None:
    """Drop the file systems of s3fs, which keep the server and the credentials of their start."""
    with suppress(ImportError):
        importlib.import_module("s3fs").S3FileSystem.clear_instance_cache()
