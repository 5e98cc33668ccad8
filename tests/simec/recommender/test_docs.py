"""The examples in docs/recommender.md run as written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

DOCS = Path(__file__).parents[3] / "docs" / "recommender.md"
FIRST, FEATURES, IMPLICIT, EXPLANATION, CONTENT = re.findall(
    r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL
)


def run(code, names):
    exec(compile(code, DOCS.name, "exec"), names)


def test_the_first_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    run(FIRST, names)
    assert names["best"]
    assert (tmp_path / "teas" / "arrays.safetensors").is_file()


@pytest.fixture
def names():
    """Names that the other examples use without defining them."""
    from simec.recommender import Recommender

    rng = np.random.default_rng(0)
    teas = ["tea", *(f"tea {k}" for k in range(1, 40))]
    users = ["ann", *(f"user {k}" for k in range(1, 40))]
    ratings = [(u, i, float(rng.integers(1, 6))) for u in users for i in teas if rng.random() < 0.9]
    X = rng.normal(size=(len(teas), 3))
    return {
        "Recommender": Recommender, "ratings": ratings, "counts": ratings, "X": X, "X2": X[:4],
        "x": rng.normal(size=(1, 3)), "features": (teas, X, ["a", "b", "c"]),
    }  # fmt: skip


def test_the_example_with_features_and_its_explanation(names):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    run(FEATURES, names)
    run(EXPLANATION, names)
    assert names["explanation"].names == ["a", "b", "c"]


def test_the_example_of_implicit_feedback(names):
    run(IMPLICIT, names)


def test_the_example_of_content_embeddings(names):
    run(CONTENT, names)
    assert names["Y"].shape == (40, 10)
