"""Names of engines, and an engine that is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import corpora
from corpora.cli import app


@pytest.mark.parametrize(
    "engine", ["dask", "", "host", "host:", "host:0", "host:65536", "a b:1", 3]
)
def test_invalid_engine(engine: object) -> None:
    with pytest.raises(ValueError, match='engine must be None, "ray", or HOST:PORT'):
        corpora.count([["a"]], engine=engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["ray", "localhost:6379", "[::1]:6379"])
def test_missing_package(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'similarity-encoders\[distributed\]'"):
        corpora.count([["a"]], engine=engine)


def test_invalid_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a b\n")
    with pytest.raises(SystemExit):
        app(["count", str(path), "--engine", "dask"])
    assert "--engine must be ray, got 'dask'" in capsys.readouterr().err


def test_sizes_of_local_files(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(3 * name)
    assert corpora.open(tmp_path).local_files == {
        str(tmp_path / "a"): 3,
        str(tmp_path / "b"): 3,
    }
    assert corpora.open([["a"]]).local_files == {}
