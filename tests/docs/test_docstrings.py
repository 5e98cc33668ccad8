"""The examples in docstrings give the results that they show."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

TRAINED = ("conec", "simec.links", "simec.pretraining", "simec.data")  # in more than half a second
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("conec", "corpora", "simec")
    for path in sorted((ROOT / package).rglob("*.py"))
    if re.search(r"^ *>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(module, marks=[pytest.mark.slow] * module.startswith(TRAINED))
        for module in WITH_EXAMPLES
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_examples_of_a_module(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package, needed in (("simec", "torch"), ("conec.ner.tagger", "pycrfsuite")):
        if module.startswith(package):
            pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    n_run = 0
    for test in doctest.DocTestFinder().find(importlib.import_module(module)):
        n_run += doctest.DocTestRunner().run(test, out=report.append).attempted
    assert not report, "".join(report)
    assert n_run, f"no example of {module} was found"
