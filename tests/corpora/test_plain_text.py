"""Plain text in compiled code: the same result as in Python for any file."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import corpora
from corpora import Corpus, CorpusError
from corpora.counting import Counts, count, spill, word_table
from corpora.counting import counts as counting
from corpora.counting.counts import uses_compiled_code
from corpora.encoding import TokenStream
from corpora.parallel import map_shards
from corpora.readers import base

# All white space, and characters that begin with the same bytes or are near it.
SPACES = [chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace()]
NEAR = "\x00\x01\x08\x0e\x1b\x7f\x80\x86\xa1ª\u1681\u1fff\u200b\u2030\u205e\u2060\u2fff\u3001\ufeff"
CHARACTERS = st.sampled_from([*SPACES, *NEAR, *"aaabbé漢😀"]) | st.characters(
    exclude_categories=["Cs"]
)
TEXT = st.lists(st.text(CHARACTERS, max_size=20), max_size=8).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\n\n"]).map(lambda end: end.join(lines))
)


@pytest.fixture(autouse=True)
def any_size_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "COMPILED_BYTES", 0)


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain")


def in_python(corpus: Corpus) -> Corpus:
    """The same corpus, read the general way."""
    other = corpus.map(list)
    assert uses_compiled_code(corpus)
    assert not uses_compiled_code(other)
    return other


def assert_same(counts: Counts, expected: Counts, min_count: int = 1) -> None:
    kept = {word: n for word, n in expected.words.items() if n >= min_count}
    assert list(counts.words.items()) == list(kept.items())
    assert counts.frequencies == expected.frequencies
    for name in ("documents", "sentences", "tokens", "skipped"):
        assert getattr(counts, name) == getattr(expected, name), name


def assert_same_ids(stream: TokenStream, expected: TokenStream) -> None:
    np.testing.assert_array_equal(stream.ids, expected.ids)
    np.testing.assert_array_equal(stream.offsets, expected.offsets)
    assert (stream.n_raw, stream.skipped) == (expected.n_raw, expected.skipped)


@settings(max_examples=150)
@given(
    text=TEXT,
    mark=st.booleans(),
    block=st.integers(3, 60),  # a mark is looked for in the first
    shard=st.integers(1, 100),
    workers=st.integers(1, 3),
    memory=st.integers(1, 3000),
    min_count=st.integers(1, 3),
)
@example("a" * 300 + " b", False, 10, 7, 2, 100, 1)  # longer than all there is room for
@example("a ab abc abcd\nab\x00 abc\n" * 30, True, 50, 60, 2, 1, 2)
@pytest.mark.slow
def test_same_as_in_python(
    scratch: Path,
    text: str,
    mark: bool,
    block: int,
    shard: int,
    workers: int,
    memory: int,
    min_count: int,
) -> None:
    path = scratch / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" * mark + text.encode())
    corpus = corpora.open(path, "text")
    expected = count(in_python(corpus), workers=1)
    lines = [tokens for line in text.split("\n") if (tokens := line.split())]
    if not text.startswith("\ufeff"):  # which is a mark, too
        assert expected.words == Counter(token for line in lines for token in line)
        assert expected.documents == len(lines)
    index = {word: i for i, word in enumerate(list(expected.words)[::2])}
    encoded = TokenStream.encode(in_python(corpus), index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_BLOCK", block)
        patch.setitem(map_shards.__kwdefaults__, "shard_bytes", shard)
        counts = count(corpus, min_count=min_count, memory=memory, workers=workers)
        assert_same(counts, expected, min_count)
        assert_same_ids(TokenStream.encode(corpus, index, workers=workers), encoded)


@pytest.mark.slow
def test_all_whitespace_separates_words(scratch: Path) -> None:
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    characters.remove("\n")
    path = scratch / "characters.txt"
    path.write_text("".join(f"a{c}b\n" for c in characters), encoding="utf-8", newline="")
    stream = TokenStream.encode(corpora.open(path, "text"), {"a": 0})
    cut = [c for c, n in zip(characters, np.diff(stream.offsets), strict=True) if n]
    assert cut == [c for c in characters if len(f"a{c}b".split()) == 2]


def many_words(n: int = 20_000) -> bytes:
    rng = random.Random(1)
    words = ["".join(rng.choices("abcé漢-", k=rng.randint(1, 9))) for _ in range(n)]
    return "".join(
        " ".join(words[i : i + 9]) + rng.choice(["\n", "\r\n", "\n \n"]) for i in range(0, n, 9)
    ).encode()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "gb18030"]
)
@pytest.mark.parametrize(
    "errors", ["strict", "replace", "ignore", "backslashreplace", "surrogateescape"]
)
def test_encodings(tmp_path: Path, encoding: str, errors: str) -> None:
    path = tmp_path / "a.txt"
    damage = (
        b"" if errors == "strict" or encoding in ("utf-16", "utf-8-sig") else b"x \x81\xff\x9d y\n"
    )
    text = many_words(300).decode()
    path.write_bytes(text.encode(encoding, "replace") + damage + b"z\n" * (encoding != "utf-16"))
    corpus = corpora.open(path, "text", encoding=encoding, errors=errors)
    expected = count(in_python(corpus), workers=1)
    assert_same(count(corpus, workers=2), expected)
    index = {word: i for i, word in enumerate(expected.words)}
    assert_same_ids(TokenStream.encode(corpus, index), TokenStream.encode(in_python(corpus), index))


@pytest.mark.parametrize("kind", ["gz", "tar", "folder"])
@pytest.mark.slow
def test_compressed_archives_and_folders(tmp_path: Path, kind: str) -> None:
    data = many_words()
    if kind == "gz":
        source = tmp_path / "a.txt.gz"
        source.write_bytes(gzip.compress(data))
    elif kind == "tar":
        source = tmp_path / "a.tar"
        with tarfile.open(source, "w") as archive:
            for name in ("a.txt", "b.txt"):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    else:
        source = tmp_path / "folder"
        source.mkdir()
        (source / "a.txt").write_bytes(data)
        (source / "b.txt").touch()
        (source / "c.txt.gz").write_bytes(gzip.compress(data))
    corpus = corpora.open(source, "text")
    expected = count(in_python(corpus), workers=1)
    for memory in (1 << 30, 30_000):
        assert_same(count(corpus, memory=memory, workers=2), expected)
    index = {word: i for i, word in enumerate(expected.words)}
    assert_same_ids(TokenStream.encode(corpus, index), TokenStream.encode(in_python(corpus), index))


@pytest.mark.parametrize("workers", [1, 2])
def test_undecodable_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setitem(map_shards.__kwdefaults__, "shard_bytes", 1000)
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\n" * 900 + b"bad \xff\n" + b"good\n" * 99)
    corpus = corpora.open(path)
    with pytest.raises(CorpusError, match="line 901, byte 4504: not valid utf-8"):
        count(corpus, workers=workers)
    with pytest.raises(CorpusError, match="line 901, byte 4504: not valid utf-8"):
        TokenStream.encode(corpus, {}, tmp_path / "t", workers=workers)
    assert list(tmp_path.iterdir()) == [path]
    skipping = corpora.open(path, errors="skip")
    assert_same(count(skipping, workers=workers), Counts({"good": 999}, 999, 999, 999, 1))
    assert TokenStream.encode(skipping, {"good": 3}, workers=workers).skipped == 1


def test_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(many_words())[:-100])
    with pytest.raises(CorpusError, match="damaged or truncated"):
        count(corpora.open(path))


def test_which_corpora_are_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("a b\n")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a b\n"))
    (tmp_path / "a.jsonl").write_text('{"text": "a b"}\n')
    path = tmp_path / "a.txt"
    yes = [
        corpora.open(path),
        corpora.open(path, tokenize="whitespace", errors="skip", encoding="cp1252"),
        corpora.open(path, tokenize=str.split),
        corpora.open(tmp_path / "a.txt.gz"),
        corpora.open("-", "text"),
        *corpora.open(path).shards(2),
    ]
    no = [
        corpora.open(path, clean="lower"),
        corpora.open(path, tokenize="regexp"),
        corpora.open(path, sentences=True),
        corpora.open(path, unit="paragraph"),
        corpora.open(path).map(list),
        corpora.open(path, "text8"),
        corpora.open(tmp_path),  # of two formats
        corpora.open([["a", "b"]]),
        corpora.open(["a b"]),
    ]
    assert [uses_compiled_code(corpus) for corpus in yes] == [True] * len(yes)
    assert [uses_compiled_code(corpus) for corpus in no] == [False] * len(no)
    monkeypatch.undo()
    # for a few lines compiled code is not loaded
    assert not uses_compiled_code(corpora.open(path))
    path.write_text("a b\n" * (1 << 18))
    assert uses_compiled_code(corpora.open(path))


def test_words_are_split_in_compiled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(many_words(500))
    corpus = corpora.open(path)
    expected = count(in_python(corpus), workers=1)
    monkeypatch.setattr(Corpus, "__iter__", None)
    assert_same(count(corpus), expected)
    assert TokenStream.encode(corpus, {}).n_raw == 500


def test_small_corpora_need_no_compiled_code(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(many_words(500))
    code = (
        "import sys, corpora, corpora.cli\n"
        "from corpora.counting import count\n"
        "from corpora.encoding import TokenStream\n"
        "corpus = corpora.open(sys.argv[1])\n"
        "print(count(corpus).tokens, TokenStream.encode(corpus, {}).n_raw, 'numba' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.split() == ["500", "500", "False"]


# ---------------------------------------------------------------- temporary files


@pytest.fixture
def words(tmp_path: Path) -> Corpus:
    path = tmp_path / "a.txt"
    path.write_bytes(many_words())
    return corpora.open(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_temporary_files_are_removed(
    words: Corpus, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []

    def write_spill_file(*args: object) -> spill.SpillFile:
        files.append(spill.write_spill_file(*args))  # type: ignore[arg-type]
        assert files[-1].path.is_relative_to(folder)
        return files[-1]

    monkeypatch.setattr(word_table, "write_spill_file", write_spill_file)
    monkeypatch.setitem(map_shards.__kwdefaults__, "shard_bytes", 10_000)
    expected = count(in_python(words), workers=1)
    assert_same(count(words, memory=1 << 26), expected)
    assert files == []
    assert_same(count(words, memory=200_000, workers=2), expected)
    assert len(files) > 2
    assert list(folder.iterdir()) == []


def test_temporary_files_are_removed_after_errors(words: Corpus, folder: Path) -> None:
    with open(words.source, "ab") as file:
        file.write(b"\xff\n")
    for corpus in (words, words.map(list)):
        with pytest.raises(CorpusError, match="not valid utf-8"):
            count(corpus, memory=10_000, workers=1)
        assert list(folder.iterdir()) == []


def test_no_temporary_folder(words: Corpus, folder: Path) -> None:
    folder.rmdir()
    assert count(words).tokens == 20_000  # it is not needed
    with pytest.raises(FileNotFoundError, match="TMPDIR names another folder.*temporary"):
        count(words, memory=10_000)


@pytest.mark.parametrize("general", [False, True])
def test_disk_full(
    words: Corpus, folder: Path, monkeypatch: pytest.MonkeyPatch, general: bool
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr("corpora.counting.counts._COUNTER_WORDS", 100)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limit[1]))
    try:
        with pytest.raises(OSError, match="TMPDIR names another folder.*temporary"):
            count(words.map(list) if general else words, memory=100_000, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(folder.iterdir()) == []
