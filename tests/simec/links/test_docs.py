"""What docs/links.md shows works as written."""

from __future__ import annotations

import re
from pathlib import Path

from simec.links import LinkPredictor
from tests.simec.links.graph import chain

DOCS = Path(__file__).parents[3] / "docs" / "links.md"


def examples():
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_the_first_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(examples()[0], DOCS.name, "exec"), names)
    found = names["predictor"].predict("enoch", "child_of", topn=3)
    assert found[0].entity == "cain"
    assert (tmp_path / "family" / "weights.safetensors").is_file()


def test_the_example_of_a_data_set_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, test = chain()
    (tmp_path / "WN18RR").mkdir()
    for split, triples in (("train", train), ("valid", test[:4]), ("test", test[4:])):
        text = "\n".join("\t".join(triple) for triple in triples)
        (tmp_path / "WN18RR" / f"{split}.txt").write_text(text)
    names: dict = {}
    code = examples()[1].replace("verbose=True", "max_iter=2")
    exec(compile(code, DOCS.name, "exec"), names)
    assert len(names["evaluation"].triples) == 4


def test_the_example_of_checkpoints_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, valid = chain()
    names = {"predictor": LinkPredictor(4, max_iter=1), "train": train, "valid": valid}
    exec(compile(examples()[2], DOCS.name, "exec"), names)
    assert LinkPredictor.load("kg.model").n_iter_ == 1


def test_the_example_of_features_runs():
    train = [(h, "_hypernym", t) for h, r, t in chain()[0] if r == "next"]
    places = sorted({end for h, _, t in train for end in (h, t)})
    names: dict = {
        "train": train, "valid": train[:3], "synsets": places,
        "glosses": [f"a dog of size {place[1]} and {place[2]}" for place in places],
        "LinkPredictor": lambda *args, **more: LinkPredictor(*args, **more, max_iter=2),
    }  # fmt: skip
    exec(compile(examples()[3], DOCS.name, "exec"), names)
    assert names["predictor"].entities_[-1] == "lapdog.n.99"
