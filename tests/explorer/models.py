"""Small models to explore, and code that is copied from the page."""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import conec
from conec.senses.inventory import SenseSettings

SCRIPT = "<img/src=x/onerror=alert(1)>"  # a word that is HTML
LONG = "donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
TOPICS = (
    ["red", "green", "blue", "colour", "paint", "bright", "dark", "mouse"],
    ["cat", "dog", "horse", "animal", "fur", "wild", "tame", "mouse", SCRIPT, LONG],
)


def texts(n: int = 250, seed: int = 0) -> list[list[str]]:
    """Texts of two topics that share a word."""
    rng = random.Random(seed)
    return [rng.choices(rng.choice(TOPICS), k=12) for _ in range(n)]


def word_model(path: Path, seed: int = 1, *, senses: bool = True) -> Path:
    """A model of the texts, in a folder."""
    model = conec.ContextEncoder(
        vector_size=8, min_count=1, epochs=8, sample=0, seed=seed, negatives="exact", workers=1
    )
    model.fit(texts())
    if senses:
        settings = SenseSettings(min_occurrences=20, smallest=0.01, most=3)
        model.build_senses(texts(), settings, words=["mouse", "red", "cat"])
    model.save(path)
    return path


def value_of(code: str) -> Any:
    """Run code, and return the value of its last line."""
    tree = ast.parse(code)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr), code
    names: dict[str, Any] = {}
    exec(compile(tree, "copied", "exec"), names)
    return eval(compile(ast.Expression(last.value), "copied", "eval"), names)


def plain(value: Any) -> Any:
    """Results of code as the page has them: lists of names and floats."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def assert_close(value: Any, expected: Any) -> None:
    """Compare nested lists, with a tolerance for floats."""
    if isinstance(expected, list):
        assert len(value) == len(expected)
        for one, other in zip(value, expected, strict=True):
            assert_close(one, other)
    elif isinstance(expected, float):
        assert value == pytest.approx(expected, abs=1e-6)
    else:
        assert value == expected
