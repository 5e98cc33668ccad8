"""Prefixes, globs and byte ranges of remote objects."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import corpora
from corpora import TokenStream
from corpora.parallel import map_shards
from corpora.remote import find_objects, object_size

fsspec = pytest.importorskip("fsspec", reason="remote prefixes need fsspec")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    news = tmp_path / "news"
    (news / "2020").mkdir(parents=True)
    (news / "b.txt").write_text("b\n")
    (news / "a.txt").write_text("a\n" * 3)
    (news / "2020" / "c.txt").write_text("c\n")
    (news / "notes.md").write_text("not text\n")
    return tmp_path


class TestFileUris:
    def test_prefix_glob_and_object(self, folder: Path) -> None:
        uri = folder.as_uri()
        assert [name.removeprefix(uri) for name in find_objects(f"{uri}/news/*.txt")] == [
            "/news/a.txt",
            "/news/b.txt",
        ]
        assert [name.removeprefix(uri) for name in find_objects(f"{uri}/news")] == [
            "/news/2020/c.txt",
            "/news/a.txt",
            "/news/b.txt",
            "/news/notes.md",
        ]
        assert find_objects(f"{uri}/news/") == find_objects(f"{uri}/news")
        assert find_objects(f"{uri}/news/a.txt") == [f"{uri}/news/a.txt"]
        assert object_size(f"{uri}/news/a.txt") == 6
        assert [" ".join(text) for text in corpora.open(f"{uri}/news/*.txt")] == [*"aaab"]

    def test_missing(self, folder: Path) -> None:
        uri = folder.as_uri()
        with pytest.raises(FileNotFoundError, match="No object matches"):
            corpora.open(f"{uri}/news/*.xml")
        with pytest.raises(FileNotFoundError, match="No such object or prefix"):
            corpora.open(f"{uri}/olds")

    def test_large_objects_are_cut(self, folder: Path) -> None:
        path = folder / "long.txt"
        path.write_text("".join(f"line {n}\n" for n in range(1000)))
        corpus = corpora.open(path.as_uri())
        assert corpus.size == path.stat().st_size
        assert len(corpus.shards(7)) == 7
        parts = list(map_shards(list, corpus, workers=1, shard_bytes=1000))
        assert len(parts) > 5
        assert [int(n) for part in parts for _, n in part] == list(range(1000))

    def test_without_fsspec(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "fsspec.core", None)
        object_size.cache_clear()
        uri = (folder / "news" / "a.txt").as_uri()
        corpus = corpora.open(uri)
        assert corpus.size is None
        assert len(list(corpus)) == 3
        with pytest.raises(ImportError, match="pip install fsspec"):
            corpora.open(f"{folder.as_uri()}/news/*.txt")

    def test_queries_of_web_pages_are_no_globs(self) -> None:
        assert find_objects("https://example.org/a?b=*") == ["https://example.org/a?b=*"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    for name in ("moto.server", "s3fs", "boto3"):
        pytest.importorskip(name, reason="an S3 server for tests needs moto[server], s3fs, boto3")
    server = importlib.import_module("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = importlib.import_module("boto3").client("s3")
        client.create_bucket(Bucket="texts")
        try:
            yield client
        finally:
            client.close()
            server.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("default::ResourceWarning", "ignore::DeprecationWarning")
class TestS3:
    def test_prefix_glob_and_ranges(self, bucket: Any, tmp_path: Path) -> None:
        lines = [f"word{n % 50} and {n}\n" for n in range(3000)]
        for name, part in (("a", lines[:1000]), ("b", lines[1000:])):
            (tmp_path / f"{name}.txt").write_text("".join(part))
            bucket.put_object(Bucket="texts", Key=f"news/{name}.txt", Body="".join(part).encode())
        bucket.put_object(Bucket="texts", Key="news/", Body=b"")
        bucket.put_object(Bucket="texts", Key="other.txt", Body=b"x\n")
        local = corpora.open(tmp_path)
        expected = corpora.count(local)
        for uri in ("s3://texts/news", "s3://texts/news/", "s3://texts/news/*.txt"):
            corpus = corpora.open(uri)
            assert corpus.size == local.size
            assert list(corpus) == list(local)
        shards = list(map_shards(list, corpus, workers=1, shard_bytes=10_000))
        assert len(shards) > 4
        assert [document for shard in shards for document in shard] == list(local)
        assert corpora.count("s3://texts/news") == expected
        index = {word: i for i, word in enumerate(expected.words)}
        assert (
            TokenStream.encode("s3://texts/news", index).fingerprint()
            == TokenStream.encode(local, index).fingerprint()
        )

    def test_missing(self, bucket: Any) -> None:
        with pytest.raises(FileNotFoundError, match="No such object or prefix"):
            corpora.open("s3://texts/olds")
        with pytest.raises(FileNotFoundError, match="No object matches"):
            corpora.open("s3://texts/*.xml")
        with pytest.raises(FileNotFoundError, match="No such object or prefix"):
            corpora.open("s3://no-such-bucket/news")
