"""An S3 server on this machine, by moto, and a proxy that cuts its answers."""

from __future__ import annotations

import importlib
import os
import socket
import socketserver
import threading
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
        forget_file_systems()
        client = boto3.client("s3")
        client.create_bucket(Bucket="texts")
        try:
            yield client
        finally:
            client.close()
            server.stop()
            forget_file_systems()


class CuttingProxy(socketserver.ThreadingTCPServer):
    """Passes connections on to the server that the environment names, and cuts long answers.

    Attributes
    ----------
    cuts : int
        Number of answers to cut.
    after : int
        Bytes after which they are cut; after their headers, if it is 0.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        host, port = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
        self.server = host, int(port)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.cuts, self.after = 0, 4096

    def __enter__(self) -> CuttingProxy:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Passing(socketserver.BaseRequestHandler):
    server: CuttingProxy

    def handle(self) -> None:
        with socket.create_connection(self.server.server) as upstream:
            thread = threading.Thread(target=_pass_on, args=(self.request, upstream), daemon=True)
            thread.start()
            passed = 0
            with suppress(OSError):
                while data := upstream.recv(1024):
                    if passed + len(data) > self.server.after and self.server.cuts > 0:
                        self.server.cuts -= 1
                        self.request.sendall(data[: data.find(b"\r\n\r\n") + 4])
                        break
                    passed += len(data)
                    self.request.sendall(data)
            for connection in (self.request, upstream):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1024):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def forget_file_systems() -> None:
    """Drop the file systems of s3fs, which keep the server and the credentials of their start."""
    with suppress(ImportError):
        importlib.import_module("s3fs").S3FileSystem.clear_instance_cache()
