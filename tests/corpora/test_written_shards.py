"""`corpora clean --shards`: the documents of one file; runs that end early are continued."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

import corpora
from corpora import parallel
from corpora.cli import app, writing
from corpora.files import find_paths
from corpora.model_folder import verify_folder

LINES = [f"The cät sat {n}." for n in range(200)]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "SHARD_BYTES", 1000)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [*map(str, args), "--workers", "1"])


@pytest.mark.parametrize("suffix", ["txt", "txt.gz", "jsonl", "jsonl.zst", "conll", "parquet"])
def test_documents_of_one_file(text: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    for _ in range(2):  # a finished folder is replaced
        result = run("convert", text, "--clean", "lower", "--out", out, "--shards", suffix)
        assert result.exit_code == 0, result.output
    names = sorted(path.name for path in out.glob(f"0*.{suffix}"))
    assert len(names) > 3
    assert {path.name for path in out.iterdir()} == {*names, "manifest.json", "shards.json"}
    assert {check.problem for check in verify_folder(out)} == {None}
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "out"}
    assert list(corpora.open(out)) == list(corpora.open(text, clean="lower"))
    index = json.loads((out / "shards.json").read_text())
    assert (index["format"], index["documents"]) == (suffix, 200)
    assert [shard["name"] for shard in index["shards"]] == names
    first = 0
    for shard in index["shards"]:
        assert shard["first"] == first
        assert shard["documents"] == sum(1 for _ in corpora.open(out / shard["name"]))
        first += shard["documents"]


def test_bytes_of_one_file(text: Path, tmp_path: Path) -> None:
    assert run("clean", text, "--out", tmp_path / "out", "--shards", "txt").exit_code == 0
    assert run("clean", text, "--out", tmp_path / "b.txt").exit_code == 0
    written = [path.read_bytes() for path in sorted((tmp_path / "out").glob("*.txt"))]
    assert b"".join(written) == (tmp_path / "b.txt").read_bytes()


def test_an_interrupted_run_is_continued(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, written = tmp_path / "out", list[int]()
    arguments = "clean", text, "--out", out, "--shards", "txt"
    write = writing._write_file

    def stop(shard: corpora.Corpus, path: Path, *more: Any, **options: Any) -> object:
        if len(written) == 2:
            path.write_bytes(b"not complete")
            raise KeyboardInterrupt
        written.append(shard.number)
        return write(shard, path, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write_file", stop)
        result = run(*arguments)
    assert result.exit_code == 130
    assert "2 of 4 shards were written; to continue, add --resume" in result.output
    assert not out.exists()
    assert "holds an interrupted run" in run(*arguments).output
    assert "another value of options:" in run(*arguments, "--resume", "--clean", "lower").output
    assert run(*arguments, "--resume").exit_code == 0
    assert list(corpora.open(out)) == list(corpora.open(text))
    assert not Path(f"{out}.partial").exists()
    assert "has no interrupted run" in run(*arguments, "--resume").output


def test_only_indexed_folders_lose_their_json(tmp_path: Path) -> None:
    for name in ("a/shards.json", "a/manifest.json", "a/0.txt", "b/shards.json", "manifest.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a")
    found = [os.path.relpath(path, tmp_path) for path in find_paths(str(tmp_path))]
    assert found == ["a/0.txt", "b/shards.json", "manifest.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shards", "text8"], "--shards must be txt, jsonl, ndjson, conll, parquet, or one"),
        (["--shards", "parquet.gz"], "with .gz, .bz2, .xz, .zst, got 'parquet.gz'"),
        (["--shards", "txt.zip"], "got 'txt.zip'"),
        (["--shards", "txt", "--to", "jsonl"], "--to and --shards exclude each other"),
        (["--shards", "txt", "--out", "-"], "--out FOLDER"),
        (["--to", "jsonl", "--resume"], "--resume and --overwrite need --shards"),
        (["--to", "jsonl", "--out", "s3://bucket/a"], "writing to s3://bucket/a is not supported"),
    ],
)
def test_invalid_options(text: Path, tmp_path: Path, options: list[str], message: str) -> None:
    result = run("convert", text, "--out", tmp_path / "out", *options)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.output.replace("│", " ").split())
    assert run("clean", text, "--out", tmp_path / "out", "--shards", "jsonl").exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
