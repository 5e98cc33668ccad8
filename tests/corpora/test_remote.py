"""Prefixes, globs and byte ranges of remote objects."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import corpora
from corpora import TokenStream, remote
from corpora.parallel import map_shards
from corpora.remote import find_objects, object_size
from tests.s3_server import s3_server

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


class Breaking(BaseHTTPRequestHandler):
    """Serves a file, but closes the connection in the middle as long as `breaks` is positive."""

    content = b"".join(b"line %d\n" % n for n in range(5000))
    breaks = 0

    def do_GET(self) -> None:
        first, _, _ = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        body = self.content[int(first) :]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        end = len(self.content) - 1
        self.send_header("Content-Range", f"bytes {first}-{end}/{len(self.content)}")
        self.end_headers()
        if type(self).breaks > 0:
            type(self).breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URI of the file that `Breaking` serves."""
    monkeypatch.setattr(remote, "_PAUSES", (0, 0))
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/news.txt"
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("default::ResourceWarning")
class TestReadsThatBreak:
    def test_are_tried_again(self, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Breaking, "breaks", 2)
        texts = corpora.open(page).texts()
        assert [f"{text}\n".encode() for text in texts] == Breaking.content.splitlines(True)
        assert Breaking.breaks == 0

    def test_end_with_an_error(self, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Breaking, "breaks", 10)
        with pytest.raises(OSError, match=r"Reading failed at byte [\d,]+ in several") as caught:
            list(corpora.open(page))
        assert caught.value.filename == page


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    for name in ("moto.server", "s3fs", "boto3"):
        pytest.importorskip(name, reason="an S3 server for tests needs moto[server], s3fs, boto3")
    with s3_server() as client:
        yield client


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
