"""What docs/pretraining.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs" / "pretraining.md"
QUICK = {
    "random_state=0).fit(X[:1200]": "max_iter=3, random_state=0).fit(X[:1200]",
    "PretrainedClassifier(network)": "PretrainedClassifier(network, max_iter=3)",
    "PretrainedClassifier(encoder)": "PretrainedClassifier(encoder, max_iter=3)",
    "sizes=[50, 100, 500]": "sizes=[50], seeds=2",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*still falling")
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    text = DOCS.read_text(encoding="utf-8")
    for words, fewer in QUICK.items():
        assert words in text
        text = text.replace(words, fewer)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, DOCS.name, "exec"), names)
    assert names["predicted"].shape == (597,)
    assert names["diagnosis"].verdict.startswith("The similarities suit the task")
    assert len(names["frame"]) == 8
    assert "The similarities suit" in capsys.readouterr().out
