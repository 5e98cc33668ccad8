"""Tables of words: compiled, in bounded memory, exact for any hashes."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.counting.kernels import FACTOR, PARTS
from corpora.counting.spill import SpillFile, partition_ranges
from corpora.counting.word_table import WordTable, merge, pack

# Prefixes of each other, longer and shorter than the eight bytes compared at once.
WORD = st.sampled_from(["", "a", "a\0", "aa", "aaaaaaa", "a" * 8, "a" * 9, "a" * 16, "\udcff"])
WORD |= st.text(max_size=20)
FACTORS = st.sampled_from([FACTOR, np.uint64(0)])  # with 0 all hashes are the same


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wordtable")


def total(files: list[SpillFile], memory: int, factor: np.uint64 = FACTOR) -> Counter[str]:
    """Add up spill files; no word may occur in two tables."""
    words: Counter[str] = Counter()
    frequencies: Counter[int] = Counter()
    for table in merge(files, memory, factor=factor):
        pairs = list(table.pairs(0))
        assert len({word for word, _ in pairs}) == len(pairs)
        assert not words.keys() & dict(pairs).keys()
        words.update(dict(pairs))
        frequencies.update(table.frequencies())
    assert frequencies == Counter(words.values())
    return words


@settings(max_examples=150)
@given(
    blocks=st.lists(st.dictionaries(WORD, st.integers(1, 10**12)), max_size=6),
    memory=st.integers(1, 2000),
    merging=st.integers(1, 5000),
    factor=FACTORS,
)
@pytest.mark.slow
def test_words_add_up(
    scratch: Path, blocks: list[dict[str, int]], memory: int, merging: int, factor: np.uint64
) -> None:
    expected: Counter[str] = Counter()
    whole, spilling = WordTable(factor=factor), WordTable(memory, scratch, factor=factor)
    for block in blocks:
        expected.update(block)
        for table in (whole, spilling):
            table.add(pack(block))
        assert spilling.nbytes <= max(memory, 8000)  # a word has 80 bytes at most
    assert dict(whole.pairs(0)) == expected
    assert dict(whole.pairs(5)) == {word: n for word, n in expected.items() if n >= 5}
    assert list(dict(whole.take().pairs())) == list(expected)  # as they came
    spilling.spill()
    spilling.spill()  # of nothing
    assert len(spilling) == 0
    assert sum(int(file.n_words[-1]) for file in spilling.spilled) >= len(expected)
    assert total(spilling.spilled, merging, factor) == expected
    for file in spilling.spilled:
        assert file.path.stat().st_size == 16 * file.n_words[-1] + file.n_bytes[-1]
        file.path.unlink()


@pytest.mark.parametrize("factor", [FACTOR, np.uint64(0)])
def test_text(factor: np.uint64) -> None:
    table = WordTable(factor=factor)
    table.count(b"a b a\n\n \nabcdefgh abcdefghi\n")
    table.count(b"b")
    table.count(b"")
    assert dict(table.pairs(1)) == {"a": 2, "b": 2, "abcdefgh": 1, "abcdefghi": 1}
    assert (table.tokens, table.documents) == (6, 3)
    index = WordTable(factor=factor)
    index.add(pack({"abcdefghi": 7, "b": 2, "nowhere": 1}))
    ids, lengths = np.zeros(20, np.int32), np.zeros(20, np.int64)
    assert index.encode(b"a b a\n\n \nabcdefgh\nb abcdefghi", ids, lengths) == (3, 3, 6)
    assert ids[:3].tolist() == [2, 2, 7]
    assert lengths[:3].tolist() == [1, 0, 2]


@settings(max_examples=30, deadline=None)
@given(
    lines=st.lists(st.lists(st.integers(0, 400), max_size=40), max_size=30), factor=FACTORS,
)  # fmt: skip
def test_batches_of_words(lines: list[list[int]], factor: np.uint64) -> None:
    """Batches that the table is enlarged in, that end within a line, or hold only empty lines."""
    names = ["abcdefghijklmnopqrstuvw"[: n % 23 + 1] + "x" * (n // 23) for n in range(401)]
    text = "\n".join(" ".join(names[n] for n in line) for line in lines)
    table = WordTable(factor=factor)
    table.count(text.encode())
    expected = Counter(text.split())
    assert dict(table.pairs(0)) == expected
    assert table.tokens == expected.total()
    assert table.documents == sum(map(bool, lines))
    known = WordTable(factor=factor)
    known.add(pack({name: n for n, name in enumerate(names) if n % 3}))
    ids, lengths = np.zeros(len(text) // 2 + 1, np.int32), np.zeros(len(text) // 2 + 1, np.int64)
    n_ids, n_lines, n_words = known.encode(text.encode(), ids, lengths)
    found = [[n for n in line if n % 3] for line in lines if line]
    assert ids[:n_ids].tolist() == [n for line in found for n in line]
    assert lengths[:n_lines].tolist() == [len(line) for line in found]
    assert n_words == table.tokens


@settings(max_examples=60, deadline=None)
@given(
    documents=st.lists(
        st.lists(WORD.filter(lambda word: word.split() == [word]), max_size=8), max_size=6
    ),
    known=st.sets(WORD, max_size=5),
    factor=FACTORS,
)
def test_words_of_documents(documents: list[list[str]], known: set[str], factor: np.uint64) -> None:
    table = WordTable(factor=factor)
    index = {word: i for i, word in enumerate(sorted(known))}
    table.add(pack(index))
    parts = [" ".join([*words, "\n"]).encode("utf-8", "surrogatepass") for words in documents]
    bounds = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    located = table.locate(np.frombuffer(b"".join(parts), np.uint8), bounds)
    tokens = [word for words in documents for word in words]
    assert np.diff(located.offsets).tolist() == list(map(len, documents))
    assert located.ids.tolist() == [index.get(word, -1) for word in tokens]
    codes = located.codes.tolist()
    assert len(set(zip(codes, tokens, strict=True))) == len(set(tokens)) == len(set(codes))
    unknown = [code for code, word in zip(codes, tokens, strict=True) if word not in index]
    assert min(unknown, default=len(index)) >= len(index)
    lines = "".join(f"{word}\n" for word in tokens).encode("utf-8", "surrogatepass")
    as_lines = table.locate_lines(np.frombuffer(lines, np.uint8), located.offsets)
    assert as_lines is not None
    assert (as_lines.ids.tolist(), as_lines.codes.tolist()) == (located.ids.tolist(), codes)
    assert table.locate_lines(np.frombuffer(lines + b"\n", np.uint8), located.offsets) is None
    starts, data = located.packed()
    packed = bytes(data).decode("utf-8", "surrogatepass")
    assert packed == "".join(tokens)
    lengths = [len(word.encode("utf-8", "surrogatepass")) for word in tokens]
    assert np.diff(starts).tolist() == lengths


def test_documents_are_counted_once_when_the_table_is_emptied_within(tmp_path: Path) -> None:
    table = WordTable(1, tmp_path)
    words = [f"w{n}" for n in range(100)]
    table.count((" ".join(words) + "\n" + words[3] + "\n").encode())
    assert (table.tokens, table.documents) == (101, 2)
    assert len(table.spilled) > 5
    table.spill()
    assert total(table.spilled, 1) == Counter([*words, words[3]])


def test_partitions_without_words(tmp_path: Path) -> None:
    one, other = WordTable(1 << 20, tmp_path), WordTable(1 << 20, tmp_path)
    one.add(pack({"a": 1}))
    other.add(pack({"b": 2, "a": 5}))
    for table in (one, other):
        table.spill()
    file = one.spilled[0]
    (partition,) = np.flatnonzero(np.diff(file.n_words))
    assert list(file.read(0, partition).pairs()) == []
    assert list(file.read(partition + 1, PARTS).pairs()) == []
    assert list(file.read(partition, partition + 1).pairs()) == [("a", 1)]
    assert total([*one.spilled, *other.spilled], 1) == {"a": 6, "b": 2}
    assert list(pickle.loads(pickle.dumps(file)).read(0, PARTS).pairs()) == [("a", 1)]
    assert total([], 1) == {}


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=8, max_size=8), min_size=1, max_size=4),
    st.integers(1, 3000),
)
def test_partition_ranges(sizes: list[list[int]], memory: int) -> None:
    totals = [np.concatenate([[0], np.cumsum(size)]) for size in sizes]
    files = [SpillFile(Path("nowhere"), n_words, 10 * n_words) for n_words in totals]
    found = list(partition_ranges(files, memory))
    assert found[0][0] == 0
    assert found[-1][1] == 8
    assert all(one[1] == next_one[0] for one, next_one in pairwise(found))
    parts = np.sum(sizes, axis=0)
    for first, stop in found:
        assert 130 * parts[first:stop].sum() <= memory or np.count_nonzero(parts[first:stop]) == 1


def test_words_only() -> None:
    with pytest.raises(TypeError):
        pack({1: 1})  # type: ignore[dict-item]
