"""Prefixes, globs and byte ranges of remote objects."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import corpora
from corpora import CorpusError, TokenStream, remote
from corpora.parallel import map_shards
from corpora.remote import find_objects, object_state
from tests.s3_server import CuttingProxy, forget_file_systems, s3_server

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
        assert object_state(f"{uri}/news/a.txt").size == 6
        assert [" ".join(text) for text in corpora.open(f"{uri}/news/*.txt")] == [*"aaab"]

    def test_missing(self, folder: Path) -> None:
        uri = folder.as_uri()
        with pytest.raises(FileNotFoundError, match="No object matches"):
            corpora.open(f"{uri}/news/*.xml")
        with pytest.raises(FileNotFoundError, match="No such object or prefix"):
            corpora.open(f"{uri}/olds")

    def test_other_storage_that_fsspec_knows(self) -> None:
        system = fsspec.filesystem("memory")
        system.pipe({"/bucket/news/b.txt": b"b\n", "/bucket/news/2020/c.txt": b"c\n" * 9})
        try:
            found = find_objects("memory://bucket/news/")
            assert [name.rsplit("/", 1)[1] for name in found] == ["c.txt", "b.txt"]
            assert [object_state(name).size for name in found] == [18, 2]
            assert len(find_objects("memory://bucket/*/*.txt")) == 1
        finally:
            system.rm("/bucket", recursive=True)

    def test_storage_whose_package_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "gcsfs", None)
        with pytest.raises(ImportError, match=r"pip install 'similarity-encoders\[gcs\]'"):
            find_objects("gs://bucket/news/")
        assert find_objects("gs://bucket/a.txt") == ["gs://bucket/a.txt"]

    def test_storage_that_needs_java(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def url_to_fs(uri: str) -> None:
            raise OSError("libjvm.so: cannot open shared object file" * 100)

        monkeypatch.setattr("fsspec.core.url_to_fs", url_to_fs)
        with pytest.raises(OSError, match=r"listed \(libjvm.*HDFS needs pyarrow, Java") as caught:
            find_objects("hdfs://host/news/")
        assert len(str(caught.value)) < 600
        assert find_objects("hdfs://host/a.txt") == ["hdfs://host/a.txt"]

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
        object_state.cache_clear()
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
    has_ranges = True

    def do_GET(self) -> None:
        first, _, _ = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        if not self.has_ranges:
            first = "0"
        body = self.content[int(first) :]
        self.send_response(206 if self.has_ranges and "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.has_ranges:
            end = len(self.content) - 1
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", f"bytes {first}-{end}/{len(self.content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if type(self).breaks > 0:
            type(self).breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    do_HEAD = do_GET

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


@pytest.mark.parametrize("has_ranges", [True, False])
def test_pages_are_cut_if_the_server_has_ranges(
    page: str, monkeypatch: pytest.MonkeyPatch, has_ranges: bool
) -> None:
    monkeypatch.setattr(Breaking, "has_ranges", has_ranges)
    object_state.cache_clear()
    corpus = corpora.open(page)
    assert corpus.size == (len(Breaking.content) if has_ranges else None)
    shards = list(map_shards(list, corpus, workers=1, shard_bytes=10_000))
    assert len(shards) == (5 if has_ranges else 1)
    assert [" ".join(words) for shard in shards for words in shard] == (
        Breaking.content.decode().splitlines()
    )


@pytest.mark.filterwarnings("default::ResourceWarning")
class TestReadsThatBreak:
    @pytest.mark.parametrize("has_ranges", [True, False])
    def test_are_tried_again(
        self, page: str, monkeypatch: pytest.MonkeyPatch, has_ranges: bool
    ) -> None:
        monkeypatch.setattr(Breaking, "breaks", 2)
        monkeypatch.setattr(Breaking, "has_ranges", has_ranges)
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

    def test_odd_names(self, bucket: Any) -> None:
        names = ["a b", "a#b", "a%20b", "a+b", "a?b", "a@b:c", "a[1]", "a*", "\u00e4", "\U0001f600"]
        for name in names:
            bucket.put_object(Bucket="texts", Key=f"odd names/{name}.txt", Body=name.encode())
        assert sorted(corpora.open("s3://texts/odd names/").texts()) == sorted(names)
        for name in names:
            assert list(corpora.open(f"s3://texts/odd names/{name}.txt").texts()) == [name]
        assert len(list(corpora.open("s3://texts/odd */a?b.txt"))) == 4

    def test_an_empty_prefix(self, bucket: Any) -> None:
        bucket.put_object(Bucket="texts", Key="empty/", Body=b"")
        with pytest.raises(FileNotFoundError, match="No such object or prefix"):
            corpora.open("s3://texts/empty/")

    def test_compressed_objects_are_whole_shards(self, bucket: Any) -> None:
        for number in range(3):
            body = gzip.compress(f"text {number}\n".encode() * 2000)
            bucket.put_object(Bucket="texts", Key=f"packed/{number}.txt.gz", Body=body)
        corpus = corpora.open("s3://texts/packed/")
        shards = list(map_shards(list, corpus, workers=1, shard_bytes=20))
        assert [len(shard) for shard in shards] == [2000] * 3

    @pytest.mark.parametrize("body", [b"other\n" * 2000, b"other\n" * 3, None])
    def test_an_object_that_changes(self, bucket: Any, body: bytes | None) -> None:
        def write(content: bytes) -> None:
            bucket.put_object(Bucket="texts", Key="changing.txt", Body=content)

        write(b"first\n" * 2000)
        corpus = corpora.open("s3://texts/changing.txt")
        shards = corpus.shards(4)
        assert len(list(shards[0])) == 500
        if body is None:
            bucket.delete_object(Bucket="texts", Key="changing.txt")
            with pytest.raises(OSError, match=r"changing\.txt"):
                list(shards[1])
            return
        write(body)
        now = f"had 12,000 bytes, and has {len(body):,} bytes now"
        with pytest.raises(CorpusError, match=rf"changing\.txt: the object was changed .*{now}"):
            list(shards[1])

    def test_reads_that_break(self, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = [f"word{n} {'x' * 50}" for n in range(2000)]
        bucket.put_object(Bucket="texts", Key="broken.txt", Body="\n".join(lines).encode())
        monkeypatch.setattr("smart_open.s3.time.sleep", lambda _: None)
        corpus = corpora.open("s3://texts/broken.txt")
        with CuttingProxy() as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
            proxy.cuts = 3
            assert list(corpus.texts()) == lines
            assert proxy.cuts == 0
            proxy.cuts, proxy.after = 1000, 0
            with pytest.raises(OSError, match="in several attempts") as caught:
                list(corpus)
            assert caught.value.filename == "s3://texts/broken.txt"

    def test_without_credentials(self, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        forget_file_systems()
        with pytest.raises(OSError, match=r"can't be listed .*AWS_ACCESS_KEY_ID and AWS_SECRET"):
            corpora.open("s3://texts/news/")
        forget_file_systems()

    def test_missing(self, bucket: Any) -> None:
        with pytest.raises(FileNotFoundError, match="No such object or prefix"):
            corpora.open("s3://texts/olds")
        with pytest.raises(FileNotFoundError, match="No object matches"):
            corpora.open("s3://texts/*.xml")
        with pytest.raises(FileNotFoundError, match="No such object or prefix"):
            corpora.open("s3://no-such-bucket/news")
