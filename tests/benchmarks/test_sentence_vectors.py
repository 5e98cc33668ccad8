"""The tasks and methods of `benchmarks.sentence_vectors`."""

from __future__ import annotations

import numpy as np
import pytest

import conec
from benchmarks import sentence_vectors

SGML = """<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN"><TOPICS><D>earn</D></TOPICS>
<TITLE>ACME &lt;ACM> NET RISES</TITLE><BODY>Profit rose 3 pct.</BODY></REUTERS>
<REUTERS TOPICS="YES" LEWISSPLIT="TEST"><TOPICS><D>grain</D></TOPICS>
<TITLE>WHEAT</TITLE><BODY>Wheat fell.</BODY></REUTERS>
<REUTERS TOPICS="YES" LEWISSPLIT="TEST"><TOPICS><D>a</D><D>b</D></TOPICS>
<TITLE>TWO TOPICS</TITLE><BODY>Text.</BODY></REUTERS>"""


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(sentence_vectors, "SIZE", 5)
    corpus = [["red", "green", "blue", "red"], ["cat", "dog", "cat", "horse"]] * 20
    return conec.ContextEncoder(
        vector_size=sentence_vectors.SIZE, min_count=1, epochs=2, sample=0
    ).fit(corpus)


def test_stories():
    titles = sentence_vectors._stories(SGML, "TITLE")
    assert titles == [
        (["acme", "acm", "net", "rises"], "earn", True), (["wheat"], "grain", False)
    ]  # fmt: skip
    assert sentence_vectors._stories(SGML, "BODY")[0][0][:2] == ["profit", "rose"]


def test_messages(monkeypatch):
    parts = {
        "train": (["From: me\n\nThe Atom.\n\nMore", "From: you\n\n"], ["sci", "rec"]),
        "test": (["From: x\n\nA game!"], ["rec"]),
    }
    monkeypatch.setattr(sentence_vectors, "newsgroups", parts.get)
    texts, topics, is_training = sentence_vectors.messages(quick=False)
    assert texts == [["the", "atom", "more"], ["a", "game"]]
    assert topics.tolist() == ["sci", "rec"]
    assert is_training.tolist() == [True, False]


def test_scores(model):
    topics = np.array(["color", "animal"] * 6)
    texts = [["red", "blue"], ["cat", "dog"]] * 6
    stories = sentence_vectors.Stories(texts, topics, np.arange(12) < 8)
    pairs = sentence_vectors.Pairs(texts[:3], [["red"], ["horse"], ["cat"]], [3.0, 2.0, 1.0])
    trials = [sentence_vectors.Trial(["red"], ["green", "cat", "dog"], [3.0, 1.0, 2.0])]
    methods = sentence_vectors._methods(model)
    assert set(methods) == set(sentence_vectors.METHODS) - {"tf-idf"}
    for vectors in methods.values():
        rows = vectors(texts, texts)
        assert rows.shape == (12, sentence_vectors.SIZE)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
        for task in (stories, pairs, trials):
            assert -1 <= sentence_vectors.score(task, vectors) <= 1
    assert sentence_vectors.score(stories, methods["sif"]) == 1
