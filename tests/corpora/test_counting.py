"""Counting words, and vocabulary files."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora import CorpusError, counting
from corpora.counting import Counts, count, read_vocabulary, vocabulary_lines
from corpora.parallel import map_shards

WORDS = st.text(st.sampled_from("abé"), min_size=0, max_size=2)
ANY_WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
DOCUMENTS = st.lists(st.lists(WORDS, max_size=8), max_size=12)


@given(DOCUMENTS, st.integers(0, 9))
def test_counts_are_those_of_a_counter(documents: list[list[str]], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_BLOCK", block)
        counts = count(corpora.open(documents), workers=1)
    kept = [document for document in documents if document]
    expected = Counter(token for document in kept for token in document)
    breaks = expected.pop("", 0)
    assert counts.words == expected
    assert list(counts.words) == list(expected)  # in the order of first appearance
    assert counts.documents == len(kept)
    assert counts.sentences == len(kept) + breaks
    assert counts.tokens == expected.total()


def test_same_with_any_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_shards.__kwdefaults__, "shard_bytes", 1000)
    path = tmp_path / "a.txt"
    path.write_bytes(b"".join(b"w%d w%d \xff\n" % (n % 90, n % 7) for n in range(500)) + b"x\n")
    corpus = corpora.open(path, errors="skip")
    one, two = (count(corpus, workers=n) for n in (1, 2))
    assert one == two == Counts({"x": 1}, 1, 1, 1, skipped=500)
    corpus = corpora.open(path, errors="ignore")
    one, two = (count(corpus, workers=n) for n in (1, 2))
    assert one == two
    assert list(one.words) == list(two.words)
    assert one.tokens == 1001


def test_memory_does_not_grow_with_the_corpus() -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        documents = (["one", "two"] * 500 for _ in range(1000))
        assert count(corpora.open(documents)).tokens == 1_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6  # a list of all tokens has 8 MB


def test_coverage() -> None:
    counts = Counts({"a": 5, "b": 2, "c": 1}, tokens=8)
    assert counts.coverage(1) == (3, 1.0)
    assert counts.coverage(2) == (2, 7 / 8)
    assert counts.coverage(6) == (0, 0.0)
    assert Counts().coverage(1) == (0, 0.0)


def test_most_common() -> None:
    counts = Counts({"b": 2, "c": 5, "a": 2, "d": 1})
    assert list(counts.most_common().items()) == [("c", 5), ("a", 2), ("b", 2), ("d", 1)]
    assert list(counts.most_common(min_count=2, max_size=2)) == ["c", "a"]
    with pytest.raises(ValueError, match="no word occurs 6 times: the most frequent of 4 has 5"):
        counts.most_common(min_count=6)
    with pytest.raises(ValueError, match="holds no words"):
        Counts().most_common()


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0))
)
def test_vocabulary_file_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, words: dict[str, int]
) -> None:
    words = {"first": 1, **words}  # a byte order mark would be taken for one
    path = tmp_path_factory.getbasetemp() / "words.tsv"
    if any(set(word) & set("\t\r\n") for word in words):
        with pytest.raises(CorpusError, match="tab or line end"):
            list(vocabulary_lines(words))
        return
    path.write_bytes("".join(vocabulary_lines(words)).encode())
    assert list(read_vocabulary(path).items()) == list(words.items())


def test_compressed_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv.gz"
    path.write_bytes(gzip.compress(b"a\t3\r\nb\t2\r\n"))
    assert read_vocabulary(path) == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\t1\nb 2\n", "line 2: expected a word, a tab"),
        ("a\t1\nb\tx\n", "line 2: expected"),
        ("\t3\n", "line 1: expected"),
        ("a\t-3\n", "line 1: expected"),
        ("a\t1\na\t1\n", "line 2: the word 'a' comes a second time"),
        ("", "holds no words"),
    ],
)
def test_malformed_vocabulary(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_vocabulary(path)
