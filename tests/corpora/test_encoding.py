"""The encoded corpus."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
from corpora import CorpusError, ModelError
from corpora import encoding as tokens
from corpora.encoding import TokenStream
from corpora.parallel import map_shards
from tests.golden import EXPECTED, golden
from tests.model_folders import reseal

INDEX = {"a": 0, "b": 1, "é": 2, "ab": 7}
WORDS = st.sampled_from(["a", "b", "é", "ab", "", "x", "-2", "zz"])
DOCUMENTS = st.lists(st.lists(WORDS, max_size=8), max_size=12)


def oracle(documents: list[list[str]]) -> tuple[list[list[int]], int]:
    """Each document's ids, and how many tokens were read."""
    encoded = []
    for document in documents:
        ids = [-1 if token == "" else INDEX.get(token, -2) for token in document]
        encoded.append([i for i in ids if i != -2])
    return encoded, sum(token != "" for document in documents for token in document)


def as_lists(stream: TokenStream) -> tuple[list[list[int]], int]:
    return [document.tolist() for document in stream], stream.n_raw


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    TokenStream.encode(corpora.open([["a", "x", "b"], ["", "é"]]), INDEX, tmp_path / "t")
    return tmp_path / "t"


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_shards.__kwdefaults__, "shard_bytes", 1000)


@given(DOCUMENTS, st.integers(0, 9), st.integers(0, 20))
@pytest.mark.slow
def test_every_token_is_encoded_once(documents: list[list[str]], piece: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_LOOKUP_TOKENS", piece)
        patch.setattr(tokens, "_BLOCK_TOKENS", block)
        assert as_lists(TokenStream.from_documents(documents, INDEX)) == oracle(documents)
        stream = TokenStream.encode(corpora.open(documents), INDEX)
    # a corpus has no documents without tokens
    assert as_lists(stream) == oracle([document for document in documents if document])
    assert len(stream) == sum(map(len, stream))
    assert stream.n_documents == len(stream.offsets) - 1
    assert (stream.ids.dtype, stream.offsets.dtype) == (np.int32, np.int64)


@settings(max_examples=4)
@given(st.lists(st.lists(WORDS.filter(bool), max_size=30), min_size=100, max_size=300))
@pytest.mark.slow
def test_same_with_any_number_of_workers(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[str]]
) -> None:
    root = tmp_path_factory.mktemp("tokens")
    (root / "a.txt").write_text("".join(" ".join(d) + "\n" for d in documents), encoding="utf-8")
    corpus = corpora.open(root / "a.txt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(map_shards.__kwdefaults__, "shard_bytes", 200)
        for workers in (1, 2):
            stream = TokenStream.encode(corpus, INDEX, root / f"{workers}", workers=workers)
            assert as_lists(stream) == oracle([d for d in documents if d])
            assert sorted(p.name for p in (root / f"{workers}").iterdir()) == [
                "ids.int32",
                "manifest.json",
                "offsets.int64",
                "tokens.json",
            ]
    for name in ("ids.int32", "manifest.json", "offsets.int64", "tokens.json"):
        assert (root / "1" / name).read_bytes() == (root / "2" / name).read_bytes()


def test_a_corpus_that_cannot_be_cut_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    monkeypatch.setattr(tokens, "_BLOCK_TOKENS", 1 << 16)

    def documents() -> Iterator[list[str]]:
        for _ in range(3000):
            yield ["a", "b"] * 1000

    tracemalloc.start()
    try:
        stream = TokenStream.encode(corpora.open(documents()), INDEX, tmp_path / "t")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(stream) == 6_000_000
    assert peak < 6e6  # all ids are 24 MB


def test_skipped_lines_are_counted(tmp_path: Path, small_shards: None) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a \xff\na b\n" * 300)
    stream = TokenStream.encode(corpora.open(path, errors="skip"), INDEX, tmp_path / "t")
    assert (stream.skipped, stream.n_documents) == (300, 300)
    assert TokenStream.open(tmp_path / "t").skipped == 300


def test_break_is_never_a_word() -> None:
    stream = TokenStream.from_documents([["a", "", "b"]], {"": 5, "a": 0, "b": 1})
    assert as_lists(stream) == ([[0, -1, 1]], 2)


def test_string_as_document_is_refused() -> None:
    with pytest.raises(TypeError, match="got the string 'ab'"):
        TokenStream.from_documents(["ab"], INDEX)


def test_temporary_files_cannot_outlive_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stream = TokenStream.encode(corpora.open([["a", "b"]]), INDEX)
    assert list(tmp_path.iterdir()) == []  # the mapped file has no name any more
    ids = stream.ids
    del stream
    gc.collect()
    assert ids.tolist() == [0, 1]  # whoever holds the array can still read it


def test_temporary_folder_goes_with_the_object_if_it_cannot_go_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with mock.patch("corpora.encoding.shutil.rmtree"):
        stream = TokenStream.encode(corpora.open([["a", "b"]]), INDEX)
    assert len(list(tmp_path.iterdir())) == 1
    other = TokenStream.encode(corpora.open([["b", "b"]]), INDEX)  # the folder is in use: it stays
    assert len(list(tmp_path.iterdir())) == 1
    assert other.ids.tolist() == [1, 1]
    ids = stream.ids
    del stream
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert ids.tolist() == [0, 1]


def test_temporary_folder_of_a_killed_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import os, signal, corpora; from corpora.encoding import TokenStream\n"
        "def documents():\n"
        "    yield ['a'] * 10_000\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "TokenStream.encode(corpora.open(documents()), {'a': 0})"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", code], env=environment)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    TokenStream.encode(corpora.open([["a", "b"]]), INDEX)
    assert list(tmp_path.iterdir()) == []


def failing() -> Iterator[list[str]]:
    yield ["a"] * 10_000
    raise KeyboardInterrupt


def test_failed_encoding_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for path in (None, tmp_path / "t"):
        with pytest.raises(KeyboardInterrupt):
            TokenStream.encode(corpora.open(failing()), INDEX, path)
        assert list(tmp_path.iterdir()) == []


def test_existing_stream_is_kept_on_failure(folder: Path) -> None:
    before = TokenStream.open(folder).fingerprint()
    with pytest.raises(KeyboardInterrupt):
        TokenStream.encode(corpora.open(failing()), INDEX, folder)
    assert TokenStream.open(folder).fingerprint() == before
    assert [p.name for p in folder.parent.iterdir()] == ["t"]


def test_replaces_a_token_stream_and_nothing_else(tmp_path: Path, folder: Path) -> None:
    TokenStream.encode(corpora.open([["a"]]), INDEX, folder)
    assert as_lists(TokenStream.open(folder)) == ([[0]], 1)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").touch()
    with pytest.raises(FileExistsError):
        TokenStream.encode(corpora.open([["a"]]), INDEX, tmp_path / "work")
    assert (tmp_path / "work" / "thesis.txt").exists()
    (folder / "README.md").touch()
    with pytest.raises(FileExistsError, match=r"README\.md"):
        TokenStream.encode(corpora.open([["a"]]), INDEX, folder)
    assert (folder / "README.md").exists()


def test_fingerprint_depends_on_ids_and_offsets() -> None:
    def of(*documents: list[str]) -> int:
        return TokenStream.from_documents(documents, INDEX).fingerprint()

    assert of(["a", "b"], ["é"]) == of(["a", "x", "b"], ["é"])
    different = {of(["a", "b"], ["é"]), of(["a"], ["b", "é"]), of(["b", "a"], ["é"]), of(), of([])}
    assert len(different) == 5


def test_fingerprint_is_the_same_for_file_and_memory(folder: Path) -> None:
    in_memory = TokenStream.from_documents([["a", "x", "b"], ["", "é"]], INDEX)
    assert TokenStream.open(folder).fingerprint() == in_memory.fingerprint()


@pytest.mark.parametrize("name", ["ids.int32", "offsets.int64", "tokens.json"])
def test_missing_or_cut_file(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-3])
    with pytest.raises(CorpusError, match="damaged"):
        TokenStream.open(folder)
    (folder / name).unlink()
    with pytest.raises(CorpusError, match=name):
        TokenStream.open(folder)


@pytest.mark.parametrize("offsets", [[1, 2, 4], [0, 2, 3], [0, 5, 4]])
def test_wrong_offsets(folder: Path, offsets: list[int]) -> None:
    np.array(offsets, "<i8").tofile(folder / "offsets.int64")
    with pytest.raises(CorpusError, match="checksum"):
        TokenStream.open(folder)
    reseal(folder)
    with pytest.raises(CorpusError, match="offsets of documents must increase from 0"):
        TokenStream.open(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": -1}, {"tokens": "4"}, {"tokens": 5}, {"tokens_read": None},
        {"documents": 2.0}, {"documents": 1}, {"lines_skipped": True},
    ],
)  # fmt: skip
def test_wrong_numbers(folder: Path, change: dict[str, object]) -> None:
    about = json.loads((folder / "tokens.json").read_text())
    (folder / "tokens.json").write_text(json.dumps({**about, **change}))
    with pytest.raises(CorpusError, match="damaged"):
        TokenStream.open(folder)
    reseal(folder)
    with pytest.raises(CorpusError, match="damaged"):
        TokenStream.open(folder)
    (folder / "tokens.json").write_text("[1]")
    reseal(folder)
    with pytest.raises(CorpusError, match="damaged"):
        TokenStream.open(folder)


def test_flipped_ids_are_found_on_request(folder: Path) -> None:
    ids = bytearray((folder / "ids.int32").read_bytes())
    ids[5] ^= 1
    (folder / "ids.int32").write_bytes(ids)
    TokenStream.open(folder)
    with pytest.raises(ModelError, match=r"ids\.int32 is damaged.*Encode the corpus again"):
        TokenStream.open(folder, verify=True)


def test_newer_version(folder: Path) -> None:
    for manifest in (None, {"kind": "corpora.TokenStream", "format_version": 9}):
        (folder / "tokens.json").write_text('{"format_version": 9}')
        (folder / "manifest.json").unlink()
        if manifest:
            (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(CorpusError, match="update it"):
            TokenStream.open(folder)
        (folder / "manifest.json").touch()


def test_no_token_stream(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"not a token stream: it has no manifest\.json"):
        TokenStream.open(tmp_path)
    with pytest.raises(ModelError, match=r"not found: the folder does not exist") as caught:
        TokenStream.open(tmp_path / "nowhere")
    assert isinstance(caught.value, CorpusError)
    assert caught.value.path == str(tmp_path / "nowhere")


class TestEarlierFormat:
    """A folder of format 1, without a manifest."""

    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        return golden("token_stream", tmp_path)

    def test_opened(self, old: Path) -> None:
        expected = EXPECTED["token_stream"]
        stream = TokenStream.open(old, verify=True)
        assert [document.tolist() for document in stream] == expected["documents"]
        assert (stream.n_raw, stream.skipped) == (expected["n_raw"], expected["skipped"])
        assert stream.fingerprint() == expected["fingerprint"]

    def test_replaced(self, old: Path) -> None:
        (old / "vocabulary.tsv").touch()  # as `corpora encode` wrote it
        (old / "notes.txt").touch()
        with pytest.raises(FileExistsError, match=r"notes\.txt"):
            TokenStream.encode(corpora.open([["a"]]), INDEX, old)
        (old / "notes.txt").unlink()
        TokenStream.encode(corpora.open([["a"]]), INDEX, old)
        assert as_lists(TokenStream.open(old, verify=True)) == ([[0]], 1)
        assert not (old / "vocabulary.tsv").exists()

    @pytest.mark.parametrize("name", ["ids.int32", "offsets.int64", "tokens.json"])
    def test_missing_or_cut_file(self, old: Path, name: str) -> None:
        (old / name).write_bytes((old / name).read_bytes()[:-4])
        with pytest.raises(CorpusError, match=r"damaged|not a token stream"):
            TokenStream.open(old)
        (old / name).unlink()
        with pytest.raises(CorpusError, match=f"{name}|not a token stream"):
            TokenStream.open(old)

    @pytest.mark.parametrize(
        "change", [{"tokens": -1}, {"tokens": "4"}, {"format_version": None}, {"documents": 2.0}]
    )
    def test_wrong_numbers(self, old: Path, change: dict[str, object]) -> None:
        about = json.loads((old / "tokens.json").read_text())
        (old / "tokens.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(CorpusError, match="damaged|not a token stream"):
            TokenStream.open(old)

    def test_wrong_offsets(self, old: Path) -> None:
        offsets = np.fromfile(old / "offsets.int64", "<i8")
        offsets[1] = 99
        offsets.tofile(old / "offsets.int64")
        with pytest.raises(CorpusError, match="offsets of documents must increase from 0"):
            TokenStream.open(old)


@pytest.mark.parametrize(
    ("ids", "offsets"),
    [
        (np.zeros(4), [0, 4]), (np.zeros((2, 2), np.int32), [0, 4]), ([0, 1], [0, 2]),
        (np.zeros(4, np.int32), [0, 9]), (np.zeros(4, np.int32), [0, 3, 2, 4]),
        (np.zeros(4, np.int32), [-5, 4]), (np.zeros(4, np.int32), []),
    ],
    ids=str,
)  # fmt: skip
def test_arrays_that_are_not_a_corpus(ids: object, offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="must be an array of integers|offsets must increase"):
        TokenStream(ids, np.array(offsets, np.int64), 4)  # type: ignore[arg-type]


def test_released_ids_stay_readable(tmp_path):
    words = [f"w{i}" for i in range(3000)]
    index = {word: i for i, word in enumerate(words)}
    stream = TokenStream.encode([words] * 3, index, tmp_path / "tokens")
    expected = np.tile(np.arange(3000), 3)
    np.testing.assert_array_equal(stream.ids, expected)
    for span in ((), (100,), (2000, 5000), (8000, 10**6)):
        stream.release(*span)
        np.testing.assert_array_equal(stream.ids, expected)
    # what was changed in memory is not lost
    changed = np.memmap(tmp_path / "tokens" / "ids.int32", "<i4", "c")
    changed[:] = 7
    TokenStream(changed, stream.offsets, stream.n_raw).release()
    assert (changed == 7).all()
    TokenStream(np.zeros(2, np.int32), np.array([0, 2]), 2).release()
