"""Quick runs of the benchmarks of embeddings, on real data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gensim.test.utils import datapath

from benchmarks import analogies, known_words, ner_conll2003


def run(module, tmp_path, *arguments):
    pytest.importorskip("matplotlib")
    path = tmp_path / "x.json"
    module.main(["--quick", "--seeds", "1", "--json", str(path), *arguments])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    return {row["name"]: row for row in json.loads(path.read_text())["results"]}


@pytest.fixture
def data(shared_data, monkeypatch):
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))


def test_named_entities(data, monkeypatch, tmp_path):
    monkeypatch.setattr(ner_conll2003, "QUICK_DOCUMENTS", 60)
    rows = run(ner_conll2003, tmp_path, "--shares", "0.6")
    assert rows["testb.C"]["value"] == rows["testb.C.a0.6"]["value"] > 0
    # even so few documents show that contexts help, those of unseen words above all
    assert rows["gain.A"]["value"] > 0
    assert rows["gain.B"]["value"] > 2
    assert rows["testb.A"]["reference"] == 33.1
    # words that are not in the text have no embedding, so these differ
    assert rows["train.A"]["value"] == rows["train.B"]["value"]
    assert rows["testb.A"]["value"] != rows["testb.B"]["value"]


def test_parts_belong_together(data):
    for part in ner_conll2003.read().values():
        words = [token for tokens in part.documents for token in tokens if token]
        assert len(words) == sum(map(len, part.tags))
        few = ner_conll2003.first(part, 3)
        words = [token for tokens in few.documents for token in tokens if token]
        assert len(words) == sum(map(len, few.tags)) > 0


def test_the_classifier_minimises_what_liblinear_does():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6)).astype(np.float32)
    labels = (X @ rng.normal(size=(6, 5)) + rng.normal(size=(400, 5))).argmax(axis=1)
    W = ner_conll2003.fit_classifier(X, labels)
    for k in range(5):
        own = labels == k
        weights = {True: len(own) / (5 * own.sum()), False: 1.0}
        model = LogisticRegression(C=1.0, solver="liblinear", class_weight=weights, tol=1e-6)
        model.fit(X.astype(np.float64), own)
        np.testing.assert_allclose(W[:-1, k], model.coef_[0], atol=2e-3)
        np.testing.assert_allclose(W[-1, k], model.intercept_[0], atol=2e-3)


def test_analogies(data, tmp_path):
    rows = run(
        analogies, tmp_path, "--corpus", datapath("lee_background.cor"), "--epochs", "1",
        "--workers", "1",
    )  # fmt: skip
    assert {"total.word2vec", "total.conec", "total.conec_others"} <= set(rows)
    asked = [name for name in rows if name.startswith("gram")]
    assert asked
    assert all(0 <= row["value"] <= 100 for row in rows.values())
    assert rows["total.conec"]["reference"] == 46.5


def test_known_words(data, monkeypatch, tmp_path):
    monkeypatch.setattr(known_words, "QUICK_DOCUMENTS", 500)
    monkeypatch.setattr(known_words, "SMOOTHING", (0.0, 1.0))
    rows = run(known_words, tmp_path, "--workers", "1")
    found = {name: row["value"] for name, row in rows.items()}
    for prefix in ("", "validation."):
        for task in ("ws353", "men"):
            name = prefix + task
            best = max(found[f"{name}.{kind}"] for kind in ("word2vec", "conec", "conec_own"))
            assert found[f"{name}.gain"] == pytest.approx(found[f"{name}.map"] - best)
            assert found[f"{name}.smoothing1"] == pytest.approx(found[f"{name}.map"], abs=1e-6)
            smoothed = found[f"{name}.smoothing0"]
            # words without contexts have no vector: few, if any
            assert smoothed == pytest.approx(found[f"{name}.word2vec"], abs=0.5)
    assert found["men.map"] > found["men.word2vec"]


def test_halves_are_of_all_and_depend_on_the_words_alone():
    pairs = [(f"a{i}", f"b{i}") for i in range(200)]
    halves = [known_words.half_of(pair) for pair in pairs]
    assert 70 < halves.count("test") < 130
    assert set(halves) == {"test", "validation"}
    assert [known_words.half_of([w.upper() for w in pair]) for pair in pairs] == halves
