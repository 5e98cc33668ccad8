"""`conec embed`: runs that end early are continued, with the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import conec
from conec.cli import app, token_blocks, vector_output
from conec.features import Affixes
from corpora.interrupts import Terminated

RNG = np.random.default_rng(0)
WORDS = ["a", "b", "c", "d", "e", "Ж", "\U0001f600", "new", "tomorrow"]
LINES = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(0, 30, 120)]
SUFFIXES = [".npz", ".parquet", ".arrow", ".tsv", ".jsonl"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models with and without features, and texts."""
    made = tmp_path_factory.mktemp("resume")
    corpus = [line.split() for line in LINES]
    for name, kind in (
        ("plain", conec.ContextEncoder),
        ("features", lambda **more: conec.ExtendedContextEncoder([Affixes()], **more)),
    ):
        model = kind(vector_size=7, min_count=20, epochs=1, sample=0, seed=1)
        model.fit([text for text in corpus if text]).save(made / name)
    (made / "new.txt").write_text("\n".join(LINES), encoding="utf-8")
    records = [json.dumps({"text": line}) for line in LINES if line]
    (made / "new.jsonl").write_text("\n".join(records), encoding="utf-8")
    return made


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr("conec.token_embedding.BATCH_TOKENS", 100)
    monkeypatch.setattr(token_blocks, "_GROUP_TOKENS", 300)
    monkeypatch.setattr(vector_output, "CHECKPOINT_SECONDS", 0.0)


def run(*args: object):
    return CliRunner().invoke(app, ["embed", *map(str, args)])


def stop_after(monkeypatch, blocks: int, error: BaseException) -> None:
    """End the process of writing in the middle of a block."""
    add = vector_output.VectorOutput.add
    left = blocks

    def add_some(self, block):
        nonlocal left
        if block.vector is not None:
            left -= 1
            if left < 0:
                self._sink.write(b"part of a block")
                raise error
        add(self, block)

    monkeypatch.setattr(vector_output.VectorOutput, "add", add_some)


def skip_unless_readable(suffix: str) -> None:
    if suffix in (".parquet", ".arrow"):
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("new.txt", KeyboardInterrupt()),
        ("new.jsonl", Terminated(signal.SIGTERM)),
        ("new.txt", MemoryError("full")),
    ],
)
def test_a_run_is_continued(folder, tmp_path, monkeypatch, suffix, source, error):
    skip_unless_readable(suffix)
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
    arguments = folder / "plain", folder / source, "--out"
    assert run(*arguments, whole).exit_code == 0
    out.write_text("earlier")
    for blocks, options in ((3, ()), (2, ("--resume",)), (0, ("--resume", "--workers", 2))):
        with monkeypatch.context() as patch:
            stop_after(patch, blocks, error)
            assert run(*arguments, out, *options).exit_code != 0
        assert out.read_text() == "earlier"
        assert Path(f"{out}.partial").is_dir()
    result = run(*arguments, out)
    assert result.exit_code == 1
    assert "holds an interrupted run: continue it with --resume" in result.output
    result = run(*arguments, out, "--resume", "--workers", 2)
    assert result.exit_code == 0, result.output
    assert out.read_bytes() == whole.read_bytes()
    assert "120 documents" not in result.output  # blank lines do not count
    assert not Path(f"{out}.partial").exists()
    assert "has no interrupted run" in run(*arguments, out, "--resume").output
    if suffix == ".npz":
        with np.load(out, allow_pickle=False) as file:
            assert file["token"].tolist() == [t for line in LINES for t in line.split()]
            model = conec.load(folder / "plain")
            vectors = np.concatenate(list(model.embed_batch(map(str.split, LINES))))
            np.testing.assert_array_equal(file["vector"], vectors)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_float16_is_continued(folder, tmp_path, monkeypatch, suffix):
    skip_unless_readable(suffix)
    whole, out, exact = (tmp_path / f"{name}{suffix}" for name in ("whole", "part", "exact"))
    arguments = folder / "plain", folder / "new.txt", "--out"
    assert run(*arguments, exact).exit_code == 0
    assert run(*arguments, whole, "--dtype", "float16").exit_code == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 2, KeyboardInterrupt())
        assert run(*arguments, out, "--dtype", "float16").exit_code != 0
    assert "another value of dtype" in run(*arguments, out, "--resume").output
    assert run(*arguments, out, "--resume", "--dtype", "float16").exit_code == 0
    assert out.read_bytes() == whole.read_bytes()
    rows, rounded = vectors_of(exact), vectors_of(out)
    np.testing.assert_array_equal(rounded.astype(np.float16), rows.astype(np.float16))
    if suffix in (".npz", ".parquet", ".arrow"):
        assert rounded.dtype == np.float16


def vectors_of(path: Path) -> np.ndarray:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return file["vector"]
    if path.suffix == ".jsonl":
        lines = path.read_text().splitlines()
        return np.array([json.loads(line)["vector"] for line in lines], np.float32)
    if path.suffix == ".tsv":
        lines = path.read_text().splitlines()[1:]
        return np.array([line.split("\t")[4:] for line in lines], np.float32)
    pa = pytest.importorskip("pyarrow")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
    else:
        table = pa.ipc.open_file(path).read_all()
    column = table["vector"].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def test_values_too_large_for_float16():
    with pytest.raises(ValueError, match="values up to 65,504, got 70000; leave out --dtype"):
        token_blocks._rounded(np.array([[1, -70000]], np.float32))


def test_features(folder, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.npz", tmp_path / "part.npz"
    arguments = folder / "features", folder / "new.txt", "--out"
    assert run(*arguments, whole).exit_code == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 2, KeyboardInterrupt())
        run(*arguments, out)
    assert run(*arguments, out, "--resume").exit_code == 0
    assert out.read_bytes() == whole.read_bytes()


def test_other_text_or_options(folder, tmp_path, monkeypatch):
    out, source = tmp_path / "v.npz", tmp_path / "new.txt"
    source.write_text("\n".join(LINES))
    arguments = folder / "plain", source, "--out", out
    with monkeypatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        result = run(*arguments)
        assert result.exit_code == 130
        assert "to continue, add --resume" in result.output
    assert "another value of a:" in run(*arguments, "--resume", "--a", 0.5).output
    assert "another value of options:" in run(*arguments, "--resume", "--clean", "lower").output
    for lines, message in ((["b", *LINES], "not the one"), (LINES[:9], "shorter")):
        source.write_text("\n".join(lines))
        result = run(*arguments, "--resume")
        assert result.exit_code == 1
        assert message in result.output
    assert "exclude each other" in run(*arguments, "--resume", "--overwrite").output
    assert run(*arguments, "--overwrite").exit_code == 0
    with np.load(out) as file:
        assert file["document"][-1] == sum(map(bool, LINES[:9])) - 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.txt", "v.npz"]


def test_damaged_checkpoints(folder, tmp_path, monkeypatch):
    out = tmp_path / "v.arrow.jsonl"
    arguments = folder / "plain", folder / "new.txt", "--out", out
    with monkeypatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        run(*arguments)
    part = Path(f"{out}.partial")
    state = (part / "state.json").read_text()
    for damaged in ("{", "{}", state.replace('"format": 1', '"format": 2')):
        (part / "state.json").write_text(damaged)
        assert "is damaged" in run(*arguments, "--resume").output
    (part / "state.json").write_text(state)
    os.truncate(part / "data", 10)
    assert "is damaged" in run(*arguments, "--resume").output
    (part / "data").unlink()  # published, but the folder was not removed
    assert run(*arguments).exit_code == 0
    assert not part.exists()


@pytest.mark.parametrize("out", ["-", "v.tsv.gz"])
def test_outputs_that_cannot_be_continued(folder, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    result = run(folder / "plain", folder / "new.txt", "--out", out, "--resume")
    assert result.exit_code == 1
    assert "--resume is not possible" in result.output


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
@pytest.mark.parametrize(
    ("suffix", "number"),
    [(".npz", "SIGKILL"), (".parquet", "SIGKILL"), (".arrow", "SIGKILL"), (".npz", "SIGTERM")],
)
def test_a_killed_process_is_continued(folder, tmp_path, suffix, number):
    skip_unless_readable(suffix)
    source, out = tmp_path / "new.txt", tmp_path / f"v{suffix}"
    source.write_text("\n".join(LINES * 4), encoding="utf-8")
    part = Path(f"{out}.partial")
    code = (
        "import sys, time; from conec import token_embedding\n"
        "from conec.cli import app, vector_output\n"
        "token_embedding.BATCH_TOKENS = 100\n"
        "vector_output.CHECKPOINT_SECONDS = 0\n"
        "add = vector_output.VectorOutput.add\n"
        "def slow(self, block):\n"
        "    add(self, block)\n"
        "    time.sleep(0.2 if self.done.blocks > 3 else 0)\n"
        "vector_output.VectorOutput.add = slow\n"
        "app(sys.argv[1:])\n"
    )
    arguments = ["embed", str(folder / "plain"), str(source), "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not (part / "state.json").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(getattr(signal, number))
        assert process.wait(30) in (-9, 128 + signal.SIGTERM)
    assert not out.exists()
    assert part.is_dir()
    result = run(*arguments[1:], "--resume")
    assert result.exit_code == 0, result.output
    whole = tmp_path / f"whole{suffix}"
    assert run(*arguments[1:-1], whole).exit_code == 0
    assert out.read_bytes() == whole.read_bytes()
