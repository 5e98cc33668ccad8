"""What docs/molecules.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from simec.cli import app

pytest.importorskip("torch")
pytest.importorskip("rdkit")

DOCS = Path(__file__).parents[3] / "docs" / "molecules.md"


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smiles = [f"{'C' * k}{end}" for k in range(1, 7) for end in ("", "O", "N")]
    rows = [f"{text},{len(text) if k % 3 else ''}" for k, text in enumerate(smiles)]
    Path("molecules.csv").write_text("\n".join(["smiles,gap", *rows, ""]))
    text = DOCS.read_text(encoding="utf-8")
    first, second, networks, third, fourth = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    first = first.replace('init="ridge")', 'init="ridge", max_iter=2)')
    exec(compile(first.replace("128", "16"), DOCS.name, "exec"), names)
    assert names["encoder"].transform(names["molecules"]).shape == (18, 16)
    assert len(names["regressor"].predict(names["molecules"][~names["labelled"]])) == 6
    exec(compile(second, DOCS.name, "exec"), names)
    assert names["atoms"].shape == (len(names["molecules"].Z), 16)
    assert np.sum(names["counts"].numpy()) == len(names["atoms"])
    exec(compile(networks.replace("128", "16"), DOCS.name, "exec"), names)
    assert names["pretrained"].n_features == 16
    assert len(names["last_layer"]) == len(names["molecules"].Z)  # all are among the first 50
    assert Path("schnet.pt").is_file()
    pytest.importorskip("qmllib")
    exec(compile(third, DOCS.name, "exec"), names)
    assert sum(names["regressor"].weights_.values()) == pytest.approx(1)
    exec(compile(fourth.replace("128", "16"), DOCS.name, "exec"), names)
    assert len(names["network"].predict(names["molecules"])) == 18


def test_the_commands_are_those_of_the_program():
    (block,) = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.splitlines():
        _, group, command, *arguments = line.split()
        shown = CliRunner().invoke(app, [group, command, "--help"], env={"COLUMNS": "200"}).stdout
        for argument in arguments:
            assert not argument.startswith("--") or argument in shown
