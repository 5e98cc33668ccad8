"""Files of token vectors: what is written by hand is what their programs read."""

from __future__ import annotations

import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conec.cli import vector_files
from conec.cli.vector_files import Sink, TokenVectors, writer

RNG = np.random.default_rng(0)
LETTERS = ["a", "b", "Ж", "€", "\U0001f600"]


def block(n: int, size: int, longest: int = 9) -> TokenVectors:
    tokens = ["".join(RNG.choice(LETTERS, RNG.integers(1, longest + 1))) for _ in range(n)]
    encoded = [token.encode() for token in tokens]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    text = np.frombuffer(b"".join(encoded), np.uint8)
    vector = RNG.random((n, size), np.float32)
    return TokenVectors(np.arange(n), 3 * np.arange(n), bounds, text, RNG.random(n) < 0.5, vector)


def write(path, kind, blocks, size, dtype="float32"):
    with open(path, "w+b", buffering=0) as file:
        made = writer(kind, Sink(file), size, dtype, str(path))
        for part in blocks:
            made.add(part)
        made.close()


@pytest.mark.parametrize("size", [1, 2, 7, 200])
@pytest.mark.parametrize("lengths", [[], [1], [5, 300, 1]])
def test_parquet(tmp_path, size, lengths):
    pq = pytest.importorskip("pyarrow.parquet")
    blocks = [block(n, size, longest=300) for n in lengths]
    write(tmp_path / "v.parquet", "parquet", blocks, size)
    file = pq.ParquetFile(tmp_path / "v.parquet")
    assert file.metadata.num_row_groups == len(lengths)
    table = file.read()
    table.validate(full=True)
    for name in ("document", "position", "found"):
        assert table[name].to_pylist() == [x for b in blocks for x in getattr(b, name).tolist()]
    assert table["token"].to_pylist() == [token for b in blocks for token in b.tokens()]
    rows = np.array(table["vector"].to_pylist(), np.float32).reshape(-1, size)
    expected = np.concatenate([np.zeros((0, size), np.float32), *(b.vector for b in blocks)])
    np.testing.assert_array_equal(rows, expected)
    # any part can be read without the rest
    if len(blocks) > 1:
        part = file.read_row_group(1, columns=["vector"])["vector"].to_pylist()
        np.testing.assert_array_equal(np.array(part, np.float32), blocks[1].vector)


@pytest.mark.parametrize("lengths", [[], [1], [5, 300, 1]])
def test_numpy(tmp_path, lengths):
    blocks = [block(n, 3) for n in lengths]
    write(tmp_path / "v.npz", "npz", blocks, 3)
    with zipfile.ZipFile(tmp_path / "v.npz") as archive:
        assert archive.testzip() is None  # compares checksums
    with np.load(tmp_path / "v.npz", allow_pickle=False) as file:
        assert file["token"].tolist() == [token for b in blocks for token in b.tokens()]
        assert file["token"].dtype.kind == "U"
        assert file["vector"].shape == (sum(lengths), 3)
        for name in ("document", "position", "found", "vector"):
            for part, b in zip(np.split(file[name], np.cumsum(lengths)), blocks, strict=False):
                np.testing.assert_array_equal(part, getattr(b, name))
                assert part.dtype == getattr(b, name).dtype


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=300))
def test_checksums_of_parts(first, second):
    joined = vector_files._joined_checksum(zlib.crc32(first), zlib.crc32(second), len(second))
    assert joined == zlib.crc32(first + second)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_halves_of_surrogate_pairs(tmp_path, kind):
    pytest.importorskip("pyarrow")
    text = "\udc80".encode("utf-8", "surrogatepass")
    bad = TokenVectors(
        np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([0, len(text)]),
        np.frombuffer(text, np.uint8), np.ones(1, np.bool_), np.ones((1, 2), np.float32),
    )  # fmt: skip
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        write(tmp_path / "v", kind, [bad], 2)
