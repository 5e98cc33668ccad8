"""Lines of files, and the shards that corpora are cut into."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
from corpora.readers import base

# Characters at which only careless code cuts lines, and some of two to four bytes.
LINE = st.text(st.sampled_from("ab \t\r\x0b\x0c\x1c\x85\u2028é漢😀"), max_size=12)
END = st.sampled_from(["\n", "\n", "\r\n", "\n\n"])


@st.composite
def file_bytes(draw: st.DrawFn) -> bytes:
    text = "".join(line + end for line, end in draw(st.lists(st.tuples(LINE, END), max_size=12)))
    return (text + draw(st.sampled_from(["", "a", "é b", "漢"]))).encode()


def plain_documents(data: bytes) -> list[list[str]]:
    """All at once, the slow way: the lines of a file with their tokens."""
    documents = [line.decode().split() for line in data.split(b"\n")]
    return [tokens for tokens in documents if tokens]


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


class TestLines:
    @given(data=file_bytes(), block=st.integers(1, 40))
    def test_same_as_the_plain_way_with_any_block_size(
        self, scratch: Path, data: bytes, block: int
    ) -> None:
        path = scratch / "lines.txt"
        path.write_bytes(data)
        with mock.patch.object(base, "_BLOCK", block):
            assert list(corpora.open(path, "text")) == plain_documents(data)

    def test_line_ends_do_not_belong_to_the_text(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b" a b\r\nc\x0bd\n\n  \ne")
        assert list(corpora.open(path).texts()) == [" a b", "c\x0bd", "e"]

    def test_byte_order_mark_is_skipped(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"\xef\xbb\xbfone\ntwo\n")
        assert list(corpora.open(path)) == [["one"], ["two"]]
        assert list(corpora.open(path, "text8")) == [["one", "two"]]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "gb18030"])
    def test_encodings_in_which_a_newline_is_not_one_byte(
        self, tmp_path: Path, encoding: str
    ) -> None:
        # ਊ is 0A 0A in UTF-16, which must not be taken for line ends.
        path = tmp_path / "a.txt"
        path.write_bytes("ਊ é\r\n漢 b\n".encode(encoding))
        for block in (1, 3, 1000):
            with mock.patch.object(base, "_BLOCK", block):
                corpus = corpora.open(path, "text", encoding=encoding)
                assert list(corpus) == [["ਊ", "é"], ["漢", "b"]]
                assert [d for shard in corpus.shards(3) for d in shard] == list(corpus)
                whole = corpora.open(path, "text8", encoding=encoding)
                assert list(whole) == [["ਊ", "é", "漢", "b"]]


class TestShards:
    @given(data=file_bytes(), n=st.integers(1, 60), block=st.integers(1, 40))
    @settings(max_examples=200)
    @pytest.mark.slow
    def test_every_line_is_in_exactly_one(
        self, scratch: Path, data: bytes, n: int, block: int
    ) -> None:
        path = scratch / "shards.txt"
        path.write_bytes(data)
        corpus = corpora.open(path, "text")
        with mock.patch.object(base, "_BLOCK", block):
            shards = corpus.shards(n)
            assert len(shards) <= n
            assert [document for shard in shards for document in shard] == plain_documents(data)
            assert sum(shard.size or 0 for shard in shards) == len(data)

    @given(
        files=st.lists(file_bytes(), min_size=1, max_size=4),
        n=st.integers(1, 30),
        m=st.integers(1, 5),
    )
    @pytest.mark.slow
    def test_of_a_folder_and_of_shards(
        self, tmp_path_factory: pytest.TempPathFactory, files: list[bytes], n: int, m: int
    ) -> None:
        folder = tmp_path_factory.mktemp("folder")
        expected = []
        for number, data in enumerate(files):
            if number == 1:  # one that cannot be cut
                (folder / f"{number}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / f"{number}.txt").write_bytes(data)
            expected += plain_documents(data)
        corpus = corpora.open(folder, "text")
        shards = corpus.shards(n)
        assert len(shards) <= n
        assert [d for shard in shards for d in shard] == expected
        assert [d for shard in shards for part in shard.shards(m) for d in part] == expected

    @given(words=st.lists(st.text(max_size=5), max_size=10), n=st.integers(1, 9))
    def test_of_json_lines(self, scratch: Path, words: list[str], n: int) -> None:
        path = scratch / "shards.jsonl"
        path.write_text("".join(json.dumps({"text": [word]}) + "\n" for word in words))
        shards = corpora.open(path).shards(n)
        assert [d for shard in shards for d in shard] == [[word] for word in words]

    def test_about_equal_in_size(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("some words in a line\n" * 1000)
        counts = [len(list(shard)) for shard in corpora.open(path).shards(4)]
        assert counts == [250] * 4

    def test_corpus_that_cannot_be_split_is_one_shard(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a\nb\n"))
        (tmp_path / "text8").write_text("a b")
        for source in ([["a"], ["b"]], tmp_path / "a.txt.gz", tmp_path / "text8"):
            corpus = corpora.open(source)
            assert corpus.shards(5) == [corpus]

    def test_keep_cleaning_and_maps(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("A B\nC D\n" * 50)
        corpus = corpora.open(path, clean="lower").map(lambda tokens: tokens[:1])
        shards = corpus.shards(7)
        assert len(shards) == 7
        assert [d for shard in shards for d in shard] == [["a"], ["c"]] * 50

    def test_at_least_one(self) -> None:
        with pytest.raises(ValueError, match="must be an integer >= 1, got 0"):
            corpora.open([]).shards(0)
