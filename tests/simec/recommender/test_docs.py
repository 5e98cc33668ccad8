"""What docs/recommender.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

DOCS = Path(__file__).parents[3] / "docs" / "recommender.md"


def test_the_first_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[0]
    names: dict = {}
    exec(compile(code, DOCS.name, "exec"), names)
    assert names["best"]
    assert (tmp_path / "teas" / "arrays.safetensors").is_file()
