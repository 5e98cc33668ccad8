"""What docs/simec.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

DOCS = Path(__file__).parent.parent.parent / "docs" / "simec.md"


def test_the_first_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[0]
    names: dict = {}
    exec(compile(code, DOCS.name, "exec"), names)
    assert names["Y"].shape == (297, 10)
    assert (tmp_path / "digits" / "weights.safetensors").is_file()
