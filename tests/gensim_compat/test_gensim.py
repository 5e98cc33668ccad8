"""Run gensim's tests on the classes of `tests.gensim_compat.adapter`."""

from __future__ import annotations

import ast
import importlib.util
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.gensim_compat import adapter

DOES_NOT_APPLY = {
    "test_scoring": "score needs hierarchical softmax",
    "test_persistence_backwards_compatible": "score needs hierarchical softmax",
    "test_train_hs_and_neg": "there is no hierarchical softmax",
    "test_vocab": "it reads the binary codes of hierarchical softmax",
    "test_predict_output_word": "it expects an error with hierarchical softmax",
    "test_build_vocab_warning": "strings are documents, which are split at white space",
    "test_train_warning": "alpha cannot be assigned to; train takes start_alpha",
    "test_train_with_explicit_param": "train needs neither epochs nor the size of the corpus",
    "test_load_on_class_error": "load is a class method, which may be called on an instance",
}


def folder() -> Path | None:
    spec = importlib.util.find_spec("gensim.test")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def listed(name: str) -> list[tuple[str, str]]:
    """Class and method of each test of a module of gensim; empty without its tests."""
    path = folder()
    if path is None or not (path / f"{name}.py").exists():
        return []
    classes = [
        node for node in ast.parse((path / f"{name}.py").read_text("utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]  # fmt: skip
    return [
        (group.name, node.name)
        for group in classes
        for node in group.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
    ]


def adapted(name: str) -> ModuleType:
    """Import a test module of gensim, and replace gensim's classes in it."""
    path = folder()
    assert path is not None
    spec = importlib.util.spec_from_file_location(f"adapted_{name}", path / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BULK_TEST_REPS", "1")  # read at import: test_method_in_bulk is run
        fixtures: Any = ModuleType("testfixtures")
        fixtures.log_capture = adapter.log_capture
        patch.setitem(sys.modules, "testfixtures", fixtures)
        spec.loader.exec_module(module)
    vars(module).update(adapter.names_of(name))
    return module


def run(module: str, group: str, name: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    if name in DOES_NOT_APPLY:
        pytest.skip(DOES_NOT_APPLY[name])
    if name == "test_method_in_bulk" and sys.version_info >= (3, 12):
        pytest.skip("it calls assertEquals, which Python 3.12 removed")
    patch.setenv("BULK_TEST_REPS", "1")
    patch.setenv("METHOD_NAME", "test_cbow_neg")
    patch.setattr(tempfile, "tempdir", str(tmp_path))
    patch.chdir(tmp_path)
    result = unittest.TestResult()
    getattr(adapted(module), group)(name).run(result)
    for _, reason in result.skipped:
        pytest.skip(reason)
    for _, trace in result.failures + result.errors:
        pytest.fail(trace, pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name"), listed("test_word2vec"))
@pytest.mark.filterwarnings("ignore")
def test_word2vec(group: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("test_word2vec", group, name, tmp_path, monkeypatch)


@pytest.mark.parametrize(("group", "name"), listed("test_keyedvectors"))
@pytest.mark.filterwarnings("ignore")
def test_keyed_vectors(
    group: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("test_keyedvectors", group, name, tmp_path, monkeypatch)
