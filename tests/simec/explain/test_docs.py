"""What docs/explanations.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

DOCS = Path(__file__).parents[3] / "docs" / "explanations.md"


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    pytest.importorskip("rdkit")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    for code in blocks:
        exec(compile(code, DOCS.name, "exec"), names)
    why = names["explanation"]
    assert why.first.relevances.sum() + why.first.bias == pytest.approx(why.value)
    assert why.value > 0
    assert {"goalie", "puck"} <= {p.text for p in names["pieces"] if p.relevance > 0}
    assert "Why they are similar" in (tmp_path / "texts.html").read_text()
    assert (tmp_path / "why.html").is_file()
    assert {name for name, _ in names["atoms"].top(3)} == {"O0", "H1", "H2"}
    assert names["atoms"].relevances.sum() == pytest.approx(names["atoms"].value, abs=1e-5)
    assert "<svg" in names["svg"]
    assert {name for name, _ in names["word_explanation"].top(2)} == {"homes", "firefighters"}
    assert names["word_explanation"].value == pytest.approx(0.62, abs=0.05)
