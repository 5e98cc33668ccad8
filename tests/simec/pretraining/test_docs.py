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
    "batch_size=32, max_iter=30": "batch_size=32, max_iter=1",
    "learning_rate=1e-2, max_iter=30": "learning_rate=1e-2, max_iter=20",
    '"max_iter": 40': '"max_iter": 1',
    '"max_iter": 60': '"max_iter": 10',
    "sizes=[50], test=0.5": "sizes=[50], seeds=1, test=0.5",
    "sizes=[20, 100], test=0.2": "sizes=[20], seeds=2, test=0.2",
    "random_state=0,\n).fit(X[:200]": "random_state=0, max_iter=2,\n).fit(X[:200]",
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
    shown = capsys.readouterr().out
    assert "The similarities suit" in shown
    # of the documents, whose words the similarity tells apart
    untrained, pretrained = (
        float(re.search(rf"^{name}, ridge +(\.?[\d.]+)", shown, re.MULTILINE).group(1))
        for name in ("untrained", "pre-trained")
    )
    assert pretrained > untrained + 0.2
    assert (tmp_path / "model" / "encoder" / "weights.safetensors").is_file()
    assert (tmp_path / "network.safetensors").is_file()
