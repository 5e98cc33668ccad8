"""`conec embed --shards`: the same vectors as in one file; runs that end early are continued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

import conec
import corpora
from conec.cli import app, token_blocks, vector_shards
from conec.features import Affixes
from corpora.model_folder import verify_folder

RNG = np.random.default_rng(0)
WORDS = ["a", "b", "c", "d", "e", "Ж", "\U0001f600", "new", "tomorrow"]
LINES = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(0, 30, 120)]
LINES[10:12] = [" \u2003\x1c", "\t\x85"]  # white space only
COLUMNS = ["document", "position", "token", "found", "vector"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with and without features, and texts."""
    made = tmp_path_factory.mktemp("shards")
    documents = [line.split() for line in LINES if line.strip()]
    options = {"vector_size": 7, "min_count": 20, "epochs": 1, "sample": 0, "seed": 1}
    conec.ContextEncoder(**options).fit(documents).save(made / "plain")
    conec.ExtendedContextEncoder([Affixes()], **options).fit(documents).save(made / "features")
    (made / "new.txt").write_text("\n".join(LINES), encoding="utf-8")
    records = [json.dumps({"text": line}) for line in LINES if line]
    (made / "new.jsonl").write_text("\n".join(records), encoding="utf-8")
    return made


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_shards, "SHARD_BYTES", 1000)
    monkeypatch.setattr("conec.token_embedding.BATCH_TOKENS", 100)
    monkeypatch.setattr(token_blocks, "_GROUP_TOKENS", 100)


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["embed", *map(str, args)])


def loaded(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in COLUMNS}


def files_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("model", ["plain", "features"])
@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("new.txt", []),
        ("new.txt", ["--workers", 3]),
        ("new.jsonl", []),
        ("new.txt", ["--clean", "lower", "--option", "unit=paragraph"]),
    ],
)
def test_vectors_of_one_file(
    folder: Path, tmp_path: Path, model: str, source: str, more: list[object]
) -> None:
    whole, out = tmp_path / "whole.npz", tmp_path / "shards"
    result = run(folder / model, folder / source, *more, "--out", whole)
    assert result.exit_code == 0, result.output
    result = run(folder / model, folder / source, *more, "--out", out, "--shards", "npz")
    assert result.exit_code == 0, result.output
    paths = sorted(out.glob("*.npz"))
    assert len(paths) == 1 if "unit=paragraph" in more else len(paths) > 3
    shards, expected = [*map(loaded, paths)], loaded(whole)
    found = {name: np.concatenate([shard[name] for shard in shards]) for name in COLUMNS}
    for name in COLUMNS:
        np.testing.assert_array_equal(found[name], expected[name])
    index = json.loads((out / "vectors.json").read_text())
    assert index["documents"] == found["document"][-1] + 1
    assert index["tokens"] == len(found["token"])
    for about, shard in zip(index["shards"], shards, strict=True):
        numbers = np.unique(shard["document"]).tolist()
        assert numbers == [*range(about["first"], about["first"] + about["documents"])]
    assert {check.problem for check in verify_folder(out)} == {None}
    assert {path.name for path in tmp_path.iterdir()} == {"whole.npz", "shards"}


@pytest.mark.parametrize("kind", ["parquet", "arrow", "tsv", "jsonl"])
def test_formats(folder: Path, tmp_path: Path, kind: str) -> None:
    if kind in ("parquet", "arrow"):
        pytest.importorskip("pyarrow")
    out = tmp_path / "shards"
    for _ in range(2):  # a finished folder is replaced
        result = run(folder / "plain", folder / "new.txt", "--out", out, "--shards", kind)
        assert result.exit_code == 0, result.output
    assert (out / f"00003.{kind}").stat().st_size > 0


@pytest.mark.parametrize(
    "lines", [LINES, ["", " ", "a\u00a0b"], ["\ud800".encode("utf-8", "replace").decode()]]
)
def test_documents_are_counted(folder: Path, tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    model = conec.load(folder / "plain")
    corpus = corpora.open(path)
    assert token_blocks.count_documents(corpus, model) == sum(1 for _ in corpus)


def test_an_interrupted_run_is_continued(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "part"
    source = tmp_path / "new.txt"
    source.write_text("\n".join(LINES), encoding="utf-8")
    arguments = folder / "plain", source, "--shards", "npz", "--out"
    assert run(*arguments, whole).exit_code == 0
    embedded: list[int] = []
    write = vector_shards._write_vectors

    def stop(shard: corpora.Corpus, path: Path, *more: Any, **options: Any) -> object:
        if len(embedded) == 2:
            path.write_bytes(b"not complete")
            raise KeyboardInterrupt
        embedded.append(shard.number)
        return write(shard, path, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(vector_shards, "_write_vectors", stop)
        result = run(*arguments, out)
    assert result.exit_code == 130
    assert "to continue, add --resume" in result.output
    assert not out.exists()
    assert "holds an interrupted run" in run(*arguments, out).output
    assert "another value of a:" in run(*arguments, out, "--resume", "--a", 0.5).output
    embedded.clear()

    def note(shard: corpora.Corpus, *more: Any, **options: Any) -> object:
        embedded.append(shard.number)
        return write(shard, *more, **options)

    monkeypatch.setattr(vector_shards, "_write_vectors", note)
    partial = Path(f"{out}.partial")
    (partial / ".inbox-1").mkdir()  # of a driver that was killed
    assert run(*arguments, out, "--resume").exit_code == 0
    assert embedded == [*range(2, len(files_of(whole)) - 2)]
    assert files_of(out) == files_of(whole)
    assert not partial.exists()
    assert "has no interrupted run" in run(*arguments, out, "--resume").output


def test_another_text_is_not_continued(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "new.txt", tmp_path / "part"
    source.write_text("\n".join(LINES), encoding="utf-8")
    arguments = folder / "plain", source, "--shards", "npz", "--out", out
    with monkeypatch.context() as patch:
        patch.setattr(vector_shards, "_write_vectors", lambda *_, **__: 1 / 0)
        run(*arguments)
    source.write_text("\n".join([*LINES, "a"]), encoding="utf-8")
    assert "another value of text:" in run(*arguments, "--resume").output
    assert "exclude each other" in run(*arguments, "--resume", "--overwrite").output
    state = Path(f"{out}.partial", "state.json")
    state.write_text("{")
    assert "is damaged" in run(*arguments, "--resume").output
    assert run(*arguments, "--overwrite").exit_code == 0


def test_invalid_outputs(folder: Path, tmp_path: Path) -> None:
    arguments = folder / "plain", folder / "new.txt", "--shards", "npz"
    assert "--out FOLDER" in run(*arguments).output
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    assert "is not replaced" in run(*arguments, "--out", tmp_path / "other").output
    assert run(*arguments[:-1], "csv", "--out", tmp_path / "a").exit_code == 2
