"""What docs/simec.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

DOCS = Path(__file__).parent.parent.parent / "docs" / "simec.md"


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(compile(blocks[0], DOCS.name, "exec"), names)
    (long_run,) = (block for block in blocks if "checkpoint=" in block)
    exec(compile(long_run, DOCS.name, "exec"), names)
    for word in ("Sentences", "MixedTargets({"):
        (block,) = (block for block in blocks if word in block)
        exec(compile(block, DOCS.name, "exec"), names)
    assert names["tokens"].shape == (1000, 50)
    assert names["mixed"].columns == {"pixels": slice(0, 300), "classes": slice(300, 350)}
    assert len(capsys.readouterr().out.split()) == len(names["deep"].loss_curve_) == 4
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert names["Y"].shape == (297, 10)
    assert (tmp_path / "digits" / "weights.safetensors").is_file()
