"""Names of the package, most of them without importing NumPy."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import corpora
from corpora import counting, encoding, errors


def test_names() -> None:
    for name in corpora.__all__:
        assert getattr(corpora, name) is not None
        assert name in dir(corpora)
    assert corpora.count is counting.count
    assert corpora.Counts is counting.Counts
    assert corpora.TokenStream is encoding.TokenStream
    assert corpora.ModelError is errors.ModelError
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        corpora.nothing  # noqa: B018


def test_import_is_light() -> None:
    code = "import sys, corpora; print([m for m in ('numpy', 'numba') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_the_description_for_an_index_has_no_links_to_files(monkeypatch) -> None:
    setuptools = pytest.importorskip("setuptools")
    given: dict[str, str] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    root = Path(__file__).parents[2]
    runpy.run_path(str(root / "setup.py"))
    text = given["long_description"]
    assert re.findall(r"\]\((?!https?:|#)", text) == []
    readme = (root / "README.md").read_text("utf-8")
    links = re.findall(r"(?<!!)\[[^]]*\]\((?!https?:|#)([^)]*)\)", readme)
    assert links
    assert all(target in text for target in links)
    # nothing but links and images has changed
    code = r"```.*?```"
    assert re.findall(code, text, re.DOTALL) == re.findall(code, readme, re.DOTALL)
