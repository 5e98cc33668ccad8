"""Corpora in remote storage, read by the nodes of a real cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import corpora
from corpora import TokenStream
from corpora.parallel import map_shards
from tests.corpora.test_remote import Breaking, page
from tests.distributed.cluster import Cluster

pytest.importorskip("ray", reason="clusters need Ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::ResourceWarning", "ignore::DeprecationWarning"),
]
__all__ = ["page"]


@pytest.fixture
def news(storage: Any, tmp_path: Path) -> Path:
    """A folder with the same files as ``s3://texts/news``."""
    pytest.importorskip("s3fs", reason="prefixes in S3 need s3fs")
    if storage is None:
        pytest.skip("an S3 server for tests needs moto[server]")
    for name, n in (("a", 500), ("b", 3000)):
        text = "".join(f"word{i % 50} and {i}\n" for i in range(n))
        (tmp_path / f"{name}.txt").write_text(text)
        storage.put_object(Bucket="texts", Key=f"news/{name}.txt", Body=text.encode())
    return tmp_path


@pytest.mark.parametrize("uri", ["s3://texts/news/", "s3://texts/news/*.txt"])
def test_prefixes_and_ranges(
    cluster: Cluster, news: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setitem(map_shards.__kwdefaults__, "shard_bytes", 8000)
    shards = list(map_shards(list, corpora.open(uri), engine=cluster.address))
    assert len(shards) > 4
    assert [document for shard in shards for document in shard] == list(corpora.open(news))
    expected = corpora.count(news)
    assert corpora.count(uri, engine=cluster.address) == expected
    index = {word: i for i, word in enumerate(expected.words)}
    stream = TokenStream.encode(uri, index, engine=cluster.address)
    assert stream.fingerprint() == TokenStream.encode(news, index).fingerprint()


def test_an_object_that_is_missing(cluster: Cluster, news: Path, storage: Any) -> None:
    corpus = corpora.open("s3://texts/news/")
    storage.delete_object(Bucket="texts", Key="news/b.txt")
    with pytest.raises(OSError, match=r"news/b\.txt"):
        corpora.count(corpus, engine=cluster.address)


def test_a_read_that_breaks(cluster: Cluster, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = corpora.open(page)
    expected = corpora.count(Breaking.content.decode().splitlines())
    monkeypatch.setattr(Breaking, "breaks", 1)
    assert corpora.count(corpus, engine=cluster.address) == expected
    assert Breaking.breaks == 0
