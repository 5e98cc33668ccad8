"""Names of the package, most of them without importing NumPy."""

from __future__ import annotations

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
