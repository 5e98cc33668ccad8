"""What docs/embeddings.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import conec
import corpora

DOCS = Path(__file__).parents[2] / "docs" / "embeddings.md"
TOPICS = (["heavy", "metal", "pop", "punk"], ["canyons", "sandstone", "rivers", "quartz"])
PLACES = [
    "we",
    "went",
    "down",
    "the",
    "hill",
    "ball",
    "big",
    "needs",
    "a",
    "was",
    "full",
    "of",
    "bank",
]


@pytest.fixture
def corpus():
    rng = np.random.default_rng(0)
    return [
        [*rng.permutation([*TOPICS[i % 2], "rock", *rng.choice(PLACES, 5)]).tolist()]
        for i in range(200)
    ]


def test_the_examples_run(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    conec.ContextEncoder(vector_size=8, min_count=1, epochs=2, sample=0).fit(corpus).save("model")
    rows = "London NNP I-NP I-LOC\ncalls VBZ I-VP O\n2 CD I-NP O\n\n"
    Path("eng.train").write_text(f"-DOCSTART- -X- O O\n\n{rows * 20}")
    names = {"conec": conec, "corpora": corpora, "corpus": corpus, "CITIES": {"London"}}
    unknown, senses, features = re.findall(
        r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL
    )
    exec(compile(unknown, DOCS, "exec"), names)
    assert names["vector"].any()
    exec(compile(senses, DOCS, "exec"), names)
    assert "%" in capsys.readouterr().out
    exec(compile(features.replace("epochs=25", "epochs=2"), DOCS, "exec"), names)
    assert names["vectors"].shape == (2, 200)
    assert isinstance(names["model"], conec.ExtendedContextEncoder)
