"""The Python blocks of all pages run as written, in order.

`PAGES_WITH_NEEDS` has what a page needs beyond the packages, and replaces long training by short.
Data that has to be downloaded or obtained from its authors is replaced by small files of the same
format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.test.utils import lee_corpus_list

import conec
from tests.docs.pages import PAGES, blocks, is_python, run
from tests.simec.links.graph import chain

Names = dict[str, Any]
OWN_TESTS = {
    "docs/how-to/adding-a-reader.md": "tests/corpora/test_readers.py",
    "docs/how-to/integrations.md": "tests/conec/test_integrations.py",
    "docs/how-to/migrating-from-gensim.md": "tests/conec/test_migrating.py",
}


def lee_text(name: str = "text8.txt") -> None:
    Path(name).write_text("\n".join(map(" ".join, lee_corpus_list[:60])))


def conll_file() -> None:
    rows = "London NNP I-NP I-LOC\ncalls VBZ I-VP O\nMadrid NNP I-NP I-LOC\n2 CD I-NP O\n\n"
    Path("eng.train").write_text(f"-DOCSTART- -X- O O\n\n{rows * 20}")


def for_conec() -> None:
    lee_text()
    np.savez("new.npz", vector=np.eye(2), found=np.array([True, False]))


def for_explorer() -> None:
    model = conec.ContextEncoder(vector_size=8, min_count=1, epochs=1, sample=0)
    model.fit([["the", "hospital", "reported", "casualties"]] * 20).save("news.model")
    from torch import nn

    from simec import SimilarityEncoder

    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    np.save("points.npy", X)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    SimilarityEncoder(2, network=network, max_iter=1).fit(X, X @ X.T).save("encoder.model")


def for_ner() -> None:
    conll_file()
    model = conec.ContextEncoder(vector_size=8, min_count=1, epochs=1, sample=0)
    model.fit([["london", "calls", "madrid"]] * 20).save("news.model")


def for_corpora() -> None:
    from typer.testing import CliRunner

    from corpora.cli import app

    lee_text("news.txt")
    command = ["encode", "news.txt", "--min-count", "5", "--out", "news.tokens"]
    assert CliRunner().invoke(app, command).exit_code == 0


def for_cluster() -> None:
    import polars

    polars.DataFrame({"token": ["fire"]}).write_parquet("1.parquet")


def for_links() -> None:
    train, test = chain()
    Path("WN18RR").mkdir()
    for split, triples in (("train", train), ("valid", test[:4]), ("test", test[4:])):
        Path(f"WN18RR/{split}.txt").write_text("\n".join("\t".join(t) for t in triples))
    Path("kg.csv").write_text("\n".join(map(",".join, [("head", "relation", "tail"), *train])))


def for_molecules() -> None:
    smiles = [f"{'C' * k}{end}" for k in range(1, 7) for end in ("", "O", "N")]
    rows = [f"{text},{len(text) if k % 3 else ''}" for k, text in enumerate(smiles)]
    Path("molecules.csv").write_text("\n".join(["smiles,gap", *rows, ""]))


@dataclass
class Needs:
    """Packages, stand-ins for data, text to replace, and a check of the results."""

    packages: tuple[str, ...] = ()
    prepare: Callable[[], object] = lambda: None
    replace: dict[str, str] = field(default_factory=dict)
    check: Callable[[Names], object] = lambda names: True
    slow: bool = False


FEW_EPOCHS = {"epochs=20": "epochs=2"}
PAGES_WITH_NEEDS = {
    "README.md": Needs(("torch",), slow=True),
    "docs/getting-started/first-steps.md": Needs(("torch",), replace={"epochs=40": "epochs=2"}),
    "docs/how-to/conec.md": Needs(
        (), for_conec, FEW_EPOCHS,
        lambda names: names["found"].ids.shape == (5, 5),
    ),
    "docs/how-to/embeddings.md": Needs(
        (), conll_file, FEW_EPOCHS | {"epochs=25": "epochs=2"},
        lambda names: isinstance(names["model"], conec.ExtendedContextEncoder),
    ),
    "docs/how-to/explorer.md": Needs(("torch",), for_explorer, slow=True),
    "docs/how-to/ner.md": Needs(("pycrfsuite",), for_ner),
    "docs/how-to/corpora.md": Needs(("pandas",), for_corpora),
    "docs/how-to/cluster.md": Needs(("polars",), for_cluster, {"/shared/vectors/": ""}),
    "docs/how-to/simec.md": Needs(("torch",), slow=True),
    "docs/how-to/explanations.md": Needs(
        ("torch", "matplotlib", "rdkit", "pandas"),
        check=lambda names: names["word_explanation"].value == pytest.approx(0.62, abs=0.05),
        slow=True,
    ),
    "docs/how-to/links.md": Needs(
        ("torch",), for_links,
        {
            "verbose=True": "max_iter=2",
            "LinkPredictor(random_state=0)": "LinkPredictor(random_state=0, max_iter=3)",
            "minutes=10,": "minutes=0.01, n_settings=2, n_seeds=1, max_iter=2,",
        },
        lambda names: names["predictor"].entities_[-1] == "lapdog.n.01",
    ),
    "docs/how-to/recommender.md": Needs(("torch", "matplotlib")),
    "docs/how-to/molecules.md": Needs(
        ("torch", "rdkit", "qmllib"), for_molecules,
        {"128": "16", 'init="ridge")': 'init="ridge", max_iter=2)'}, slow=True,
    ),
    "docs/how-to/pretraining.md": Needs(
        ("torch", "pandas", "matplotlib"),
        replace={
            "random_state=0).fit(X[:1200]": "max_iter=3, random_state=0).fit(X[:1200]",
            "PretrainedClassifier(network)": "PretrainedClassifier(network, max_iter=3)",
            "PretrainedClassifier(encoder)": "PretrainedClassifier(encoder, max_iter=3)",
            "sizes=[50, 100, 500]": "sizes=[50], seeds=2",
            "batch_size=32, max_iter=30": "batch_size=32, max_iter=1",
            "learning_rate=1e-2, max_iter=30": "learning_rate=1e-2, max_iter=20",
            '"max_iter": 40': '"max_iter": 1',
            '"max_iter": 60': '"max_iter": 10',
            "sizes=[50], test=0.5": "sizes=[50], seeds=1, test=0.5",
            "sizes=[20, 100], test=0.2": "sizes=[20], seeds=2, test=0.2",
            "random_state=0,\n).fit(X[:200]": "random_state=0, max_iter=2,\n).fit(X[:200]",
        },
        check=lambda names: names["diagnosis"].verdict.startswith("The similarities suit"),
        slow=True,
    ),
    # tutorials, which `make docs` runs in full
    "docs/tutorials/neighbors.md": Needs(
        ("matplotlib",), replace={"epochs=40": "epochs=4", "range(1, 41)": "range(1, 5)"}, slow=True
    ),
    "docs/tutorials/unseen-words.md": Needs(
        ("matplotlib",), replace={"range(1500)": "range(300)", "range(100)": "range(9)"}, slow=True
    ),
    "docs/tutorials/senses.md": Needs(
        ("matplotlib",), replace={"epochs=40": "epochs=9"}, slow=True
    ),
    "docs/tutorials/tagger.md": Needs(
        ("matplotlib", "pycrfsuite"), replace={"range(3000)": "range(500)"}, slow=True
    ),
    "docs/tutorials/items.md": Needs(
        ("matplotlib",), replace={"8000": "3000", "TSNE(": "TSNE(max_iter=250, "}, slow=True
    ),
    "docs/tutorials/recommender.md": Needs(("torch", "matplotlib"), slow=True),
    "docs/tutorials/links.md": Needs(
        ("torch", "matplotlib"), replace={"max_iter=150": "max_iter=5"}, slow=True
    ),
    "docs/tutorials/explanations.md": Needs(
        ("torch", "matplotlib"), replace={"max_iter=60": "max_iter=3", "epochs=20": "epochs=2"},
        slow=True,
    ),
    "docs/tutorials/few-labels.md": Needs(
        ("torch", "matplotlib", "pandas"),
        replace={
            "max_iter=30": "max_iter=3",
            '"max_iter": 60': '"max_iter": 3',
            "sizes=[20, 50, 100], test=0.3, seeds=3": "sizes=[20], test=0.3, seeds=1",
        },
        slow=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] * PAGES_WITH_NEEDS.get(page, Needs()).slow)
        for page in PAGES
        if page not in OWN_TESTS and any(map(is_python, blocks(page)))
    ],
)
@pytest.mark.filterwarnings("ignore:.*still falling")
def test_the_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = PAGES_WITH_NEEDS.get(page, Needs())
    for package in needs.packages:
        pytest.importorskip(package)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    needs.prepare()
    names: Names = {"__name__": "__main__"}
    run(page, names, needs.replace)
    assert needs.check(names)


def test_tables_name_pages_that_exist() -> None:
    assert set(PAGES_WITH_NEEDS) | set(OWN_TESTS) <= set(PAGES)
