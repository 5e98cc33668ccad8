"""What the README shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_the_python_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)
    assert names["vector"].any()
    assert names["Y"].shape == (75, 2)
    assert (tmp_path / "model" / "weights.safetensors").is_file()
    assert (names["model"].W1 == names["conec"].load("model").W1).all()


@pytest.mark.parametrize("package", ["conec", "corpora", "simec"])
def test_the_commands_and_options_exist(package):
    from conec.cli import app as conec_app
    from corpora.cli import app as corpora_app
    from simec.cli import app as simec_app

    apps = {"conec": conec_app, "corpora": corpora_app, "simec": simec_app}
    command = typer.main.get_command(apps[package])
    lines = re.findall(rf"^{package} (\w+)(.*)$", "\n".join(blocks("sh")), re.MULTILINE)
    assert lines
    for name, rest in lines:
        found = command.commands[name]
        if hasattr(found, "commands"):  # conec tag train
            found = found.commands[rest.split()[0]]
        known = {option for p in found.params for option in p.opts}
        used = set(re.findall(r"--[\w-]+", rest.partition("#")[0]))
        assert used <= known, f"{package} {name}: {used - known}"


def test_all_links_lead_to_files():
    root = Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target
