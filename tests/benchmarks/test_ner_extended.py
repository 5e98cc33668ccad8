"""A quick run of the benchmark of entities with features, and its classifier."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from benchmarks.ner_extended import benchmark as ner_extended
from benchmarks.ner_extended import logistic
from benchmarks.ner_extended.logistic import Inputs


def test_named_entities_with_features(shared_data, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))
    monkeypatch.setattr(ner_extended, "QUICK_DOCUMENTS", 40)
    monkeypatch.setattr(ner_extended, "RATES", ((6, 0.02, 0.005),))
    monkeypatch.setattr(ner_extended, "COSTS", (10.0,))
    path = tmp_path / "x.json"
    kinds = ["word2vec", "conec", "conec_shape", "extended"]
    ner_extended.main(["--quick", "--seeds", "1", "--json", str(path), "--kinds", *kinds])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    assert set(rows) == {
        f"{split}.{kind}{window}"
        for split in ("train", "testa", "testb") for kind in kinds for window in ("", "_window")
    }  # fmt: skip
    # so few documents show it already
    assert rows["testb.word2vec"] < rows["testb.conec"] < rows["testb.conec_shape"]
    assert rows["testb.extended"] > rows["testb.conec"] + 10
    assert rows["testb.extended_window"] > rows["testb.conec_window"] + 10


@pytest.mark.parametrize("cost", [0.3, 10.0])
def test_the_classifier_minimises_what_liblinear_does(cost):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    dense = rng.normal(size=(500, 4)).astype(np.float32)
    names = (rng.random((500, 3)) < 0.4).astype(np.float32)
    both = np.hstack([dense, names])
    labels = (both @ rng.normal(size=(7, 5)) + rng.normal(size=(500, 5))).argmax(axis=1)
    W = logistic.fit_classifier(Inputs(dense, sparse.csr_matrix(names)), labels, cost)
    for k in range(5):
        model = LogisticRegression(C=cost, solver="liblinear", tol=1e-8)
        model.fit(both.astype(np.float64), labels == k)
        np.testing.assert_allclose(W[1:, k], model.coef_[0], atol=2e-2)
        np.testing.assert_allclose(W[0, k], model.intercept_[0], atol=2e-2)


def test_neighbours_are_of_the_same_sentence():
    dense = np.arange(1, 6, dtype=np.float32)[:, None]
    names = sparse.csr_matrix(np.eye(5, dtype=np.float32))
    found = logistic.with_neighbors(Inputs(dense, names), [["O", "O"], ["O"], [], ["O", "O"]])
    assert found.dense.tolist() == [[1, 0, 2], [2, 1, 0], [3, 0, 0], [4, 0, 5], [5, 4, 0]]
    assert found.names.toarray()[:, 5:10].argmax(axis=1).tolist() == [0, 0, 0, 0, 3]
    assert found.names.sum(axis=1).ravel().tolist() == [[2, 2, 1, 2, 2]]
    assert logistic.with_neighbors(Inputs(dense), [["O"] * 5]).names is None
