"""Counting words, and vocabulary files."""

from __future__ import annotations

import gzip
import logging
import pickle
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora import CorpusError
from corpora.counting import Counts, count, read_vocabulary, vocabulary_lines
from corpora.counting import counts as counting
from corpora.parallel import map_shards
from corpora.phrases import phrases

WORDS = st.text(st.sampled_from("abé"), min_size=0, max_size=2)
ANY_WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
DOCUMENTS = st.lists(st.lists(WORDS, max_size=8), max_size=12)


@given(DOCUMENTS, st.integers(0, 9))
def test_counts_are_those_of_a_counter(documents: list[list[str]], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_BLOCK_TOKENS", block)
        counts = count(corpora.open(documents), workers=1)
    kept = [document for document in documents if document]
    expected = Counter(token for document in kept for token in document)
    breaks = expected.pop("", 0)
    in_order = sorted(expected.items(), key=lambda item: (-item[1], item[0]))
    assert list(counts.words.items()) == in_order
    assert counts.frequencies == Counter(expected.values())
    assert counts.types == len(expected)
    assert counts.documents == len(kept)
    assert counts.sentences == len(kept) + breaks
    assert counts.tokens == expected.total()


@pytest.mark.slow
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


@pytest.mark.slow
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


@given(DOCUMENTS, st.integers(1, 4), st.integers(0, 5), st.integers(1, 2000))
@pytest.mark.slow
def test_same_with_any_memory(
    documents: list[list[str]], min_count: int, most: int, memory: int
) -> None:
    corpus = corpora.open(documents)
    expected = count(corpus, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_BLOCK_TOKENS", 3)
        patch.setattr(counting, "_COUNTER_WORDS", most)  # words go to a table soon
        patch.setattr(counting, "_SENT_BYTES", memory // 2)
        counts = count(corpus, min_count=min_count, memory=memory, workers=1)
    kept = {word: n for word, n in expected.words.items() if n >= min_count}
    assert list(counts.words.items()) == list(kept.items())
    assert counts.frequencies == expected.frequencies
    assert counts.tokens == expected.tokens
    assert counts.sentences == expected.sentences


@pytest.mark.slow
def test_counts_of_many_words_are_sent_to_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_COUNTER_WORDS", 5)
    total = Counter[str]()
    for sent in (1 << 26, 0):  # in memory and in a file
        monkeypatch.setattr(counting, "_SENT_BYTES", sent)
        words = [f"é{n % 40}" for n in range(100)]
        shard = counting._count_shard(corpora.open([[*words, ""]]), 1 << 20, tmp_path / "t")
        assert len(list(tmp_path.rglob("words-*"))) == (sent == 0)
        shard = pickle.loads(pickle.dumps(shard))
        whole = counting.WordCounter(1 << 20, tmp_path / "t")
        whole.add(shard.words)
        total.update(words)
        assert whole.result(1)[0] == Counter(words)
        assert (shard.documents, shard.tokens, shard.words.breaks) == (1, 101, 1)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_words() -> None:
    import tracemalloc

    documents = ([f"{n * 2654435761 % 2**32:x}"] * (1 + n % 2) for n in range(60_000))
    count(corpora.open([["a"]]), workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_COUNTER_WORDS", 1000)
        tracemalloc.start()
        try:
            counts = count(corpora.open(documents), min_count=3, memory=1_000_000)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert counts.words == {}
    assert counts.frequencies == {1: 30_000, 2: 30_000}
    assert peak < 2.5e6  # as strings in a dict they have more than 6 MB


def test_wrong_memory() -> None:
    with pytest.raises(ValueError, match="memory must be a finite number >= 1, got 0"):
        count(corpora.open([["a"]]), memory=0)


def test_coverage() -> None:
    counts = Counts({"a": 5, "b": 2, "c": 1}, tokens=8)
    assert counts.coverage(1) == (3, 1.0)
    assert counts.coverage(2) == (2, 7 / 8)
    assert counts.coverage(6) == (0, 0.0)
    assert Counts().coverage(1) == (0, 0.0)
    counts = count(corpora.open([["a", "a", "b", "c"]]), min_count=2, workers=1)
    assert counts.words == {"a": 2}
    assert counts.coverage(1) == (3, 1.0)


def test_most_common() -> None:
    corpus = corpora.open([["b", "c", "d", "a"], ["c"] * 4, ["b", "a"]])
    counts = count(corpus, workers=1)
    assert list(counts.most_common().items()) == [("c", 5), ("a", 2), ("b", 2), ("d", 1)]
    assert list(counts.most_common(2)) == ["c", "a"]
    with pytest.raises(ValueError, match="no word occurs 6 times: .* of 4 words occurs 5 times"):
        count(corpus, min_count=6, workers=1).most_common()
    with pytest.raises(ValueError, match="holds no words"):
        Counts().most_common()


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0, 10**18 - 1)
    )
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
        ("a\t1\na\t1\n", "line 2: the word 'a' is repeated"),
        ("", "vocabulary is empty"),
    ],
)
def test_malformed_vocabulary(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_vocabulary(path)


def test_phases_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = corpora.open([["a", "b"], ["a"]])
    with caplog.at_level(logging.INFO, "corpora"):
        corpora.count(corpus, workers=1)
        corpora.TokenStream.encode(corpus, {"a": 0})
        phrases(corpus, min_count=1)
    assert [record.name for record in caplog.records] == [
        "corpora.counting.counts",
        "corpora.encoding",
        "corpora.phrases",
    ]
    counted, encoded, learned = (record.getMessage() for record in caplog.records)
    assert counted.startswith("counted 3 tokens, 2 distinct words and 2 documents in 0.")
    assert encoded.startswith("encoded 2 documents, 2 of 3 tokens, in 0.")
    assert learned.startswith("learned 0 phrases from a list in ")
