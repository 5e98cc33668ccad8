"""The Python examples in docs/embeddings.md and docs/conec.md run as written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import conec
import corpora
from conec.cli import app

DOCS = Path(__file__).parents[2] / "docs"
TOPICS = (["heavy", "metal", "pop", "punk"], ["canyons", "sandstone", "rivers", "quartz"])
OTHER_WORDS = "we went down the hill ball big needs a was full of bank"


@pytest.fixture
def corpus():
    rng = np.random.default_rng(0)
    return [
        [*rng.permutation([*TOPICS[i % 2], "rock", *rng.choice(OTHER_WORDS.split(), 5)]).tolist()]
        for i in range(200)
    ]


def examples(page):
    """Compile the Python examples of a page."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    changes = {"epochs=25": "epochs=2", '"hospital", "police"': '"rock", "metal"'}
    for old, new in changes.items():
        blocks = [block.replace(old, new) for block in blocks]
    return [compile(block, page, "exec") for block in blocks]


def test_the_examples_of_embeddings_run(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    conec.ContextEncoder(vector_size=8, min_count=1, epochs=2, sample=0).fit(corpus).save("model")
    rows = "London NNP I-NP I-LOC\ncalls VBZ I-VP O\n2 CD I-NP O\n\n"
    Path("eng.train").write_text(f"-DOCSTART- -X- O O\n\n{rows * 20}")
    names = {
        "conec": conec, "corpora": corpora, "corpus": corpus, "CITIES": {"London"},
        "documents": corpus[:5], "texts": corpus[:3], "training_texts": corpus,
    }  # fmt: skip
    unknown, tokens, sentences, senses, features = examples("embeddings.md")
    exec(unknown, names)
    assert names["vector"].any()
    exec(tokens, names)
    assert names["vectors"].shape == (len(corpus[4]), 8)
    exec(sentences, names)
    assert names["vectors"].shape == (3, 8)
    exec(senses, names)
    assert "%" in capsys.readouterr().out
    exec(features, names)
    assert names["vectors"].shape == (2, 200)
    assert isinstance(names["model"], conec.ExtendedContextEncoder)


def test_the_examples_of_the_command_line_run(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    conec.ContextEncoder(vector_size=8, min_count=1, epochs=2, sample=0).fit(corpus).save("m")
    text = "\n".join(" ".join(document) for document in corpus)
    for name in ("new.txt", "text8.txt"):
        Path(name).write_text(text + "\nzorbing\n", "utf-8")
    result = CliRunner().invoke(app, ["embed", "m", "new.txt", "--out", "new.npz"])
    assert result.exit_code == 0, result.output
    Path("m").rename("news.model")
    names = {"vectors": np.eye(8)}
    queries, index, vectors, entities, presets = examples("conec.md")
    exec(queries, names)
    assert names["found"].ids.shape == (8, 5)
    exec(index, names)
    assert conec.load("news.model").neighbor_index is not None
    exec(vectors, names)
    n_tokens = sum(len(document) for document in corpus)
    assert names["vectors"].shape == (n_tokens, 8)  # without "zorbing", which has no context
    exec(entities, names)
    assert names["scores"].f1 == pytest.approx(2 / 3)
    assert names["scores"].by_type["LOC"].recall == 0
    exec(presets, names)
    assert len(names["model"].loss_history_) == 10
    assert names["model"].context_embeddings.shape == (len(names["model"]), 200)
