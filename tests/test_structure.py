"""Import cycles, private names used across modules, and files that `fit` passes through."""

from __future__ import annotations

import pytest

from tests import structure


@pytest.mark.parametrize("package", [*structure.PACKAGES, "benchmarks"])
def test_there_are_no_import_cycles(package):
    assert structure.cycles(package) == []


def test_packages_import_one_another_in_one_direction():
    allowed = {("conec", "corpora"), ("simec", "corpora"), ("conec", "simec")}
    known = structure.modules()
    found = {
        (name.split(".")[0], to.split(".")[0])
        for name, path in known.items()
        for to in structure.imports(path, known)
    }
    assert {pair for pair in found if pair[0] != pair[1]} <= allowed


@pytest.mark.slow
def test_private_names_are_used_in_their_module_only():
    assert structure.private_uses() == []


def test_a_cycle_and_a_private_use_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(structure, "ROOT", tmp_path)
    (tmp_path / "conec").mkdir()
    (tmp_path / "conec" / "a.py").write_text(
        "def f():\n    from conec.b import _g\n    _g().h._x\n"
    )
    (tmp_path / "conec" / "b.py").write_text("import conec.a\n\ndef _g(): ...\n")
    assert structure.cycles("conec") == [["conec.a", "conec.b"]]
    assert [use.split(": ")[1] for use in structure.private_uses("conec")] == [
        "imports conec.b._g", "uses _g().h._x",
    ]  # fmt: skip


def test_few_files_lie_on_the_way_through_fit():
    pytest.importorskip("torch")
    assert len(structure.fit_context_encoder()) <= 25
    assert len(structure.fit_recommender()) <= 14
