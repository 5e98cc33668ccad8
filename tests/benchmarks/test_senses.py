"""Word senses on real data: what is read, how it is scored, a quick run."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from gensim.test.utils import datapath

from benchmarks.senses import benchmark as senses
from benchmarks.senses import data as sense_data
from benchmarks.senses import tasks as sense_tasks


@pytest.fixture
def data(shared_data, monkeypatch):
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))


def test_scws_is_read(data):
    pairs = sense_data.scws()
    assert len(pairs) == 2003
    assert 0.45 < sum(pair.dev for pair in pairs) / len(pairs) < 0.55
    assert sum(pair.words[0] == pair.words[1] for pair in pairs) == 241
    assert pairs[0].words == ("brazil", "nut")
    assert pairs[0].rating == 1.1
    for pair in pairs:
        for word, place in zip(pair.words, pair.places, strict=True):
            known = word.isascii() and word.isalpha()
            assert place.tokens[place.position] == word or not known


def test_wic_is_read(data):
    parts = {part: sense_data.wic(part) for part in ("train", "dev", "test")}
    assert [len(tasks) for tasks in parts.values()] == [5428, 638, 1400]
    for tasks in parts.values():
        assert sum(task.same for task in tasks) * 2 == len(tasks)
    first = parts["dev"][0]
    assert first.word == "board"
    assert [p.tokens[p.position] for p in first.places] == ["board", "boards"]
    assert first.places[1].tokens[:2] == ["he", "nailed"]


def test_the_key_of_semeval_belongs_to_its_contexts(data):
    """Contexts that are nearly the same have the same sense; in another order they have not."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    tasks = sense_data.semeval()
    assert len(tasks) == 100
    assert sum(len(task.places) for task in tasks) == 8915
    agree = {"read": [], "shuffled": []}
    rng = np.random.default_rng(0)
    for task in tasks:
        texts = TfidfVectorizer().fit_transform([" ".join(place.tokens) for place in task.places])
        similar = (texts @ texts.T).toarray()
        np.fill_diagonal(similar, -1)
        sure = similar.max(axis=1) > 0.5
        for name, gold in (("read", task.senses), ("shuffled", rng.permutation(task.senses))):
            gold = np.array(gold)
            agree[name] += (gold == gold[similar.argmax(axis=1)])[sure].tolist()
    assert np.mean(agree["read"]) > 0.85
    assert np.mean(agree["shuffled"]) < 0.7


def test_scores_of_clusterings_by_counting_pairs():
    rng = np.random.default_rng(0)
    gold, found = rng.integers(3, size=(2, 30))
    scores = sense_tasks.clustering_scores([str(g) for g in gold], found)
    together = {
        (i, j): (gold[i] == gold[j], found[i] == found[j])
        for i, j in itertools.combinations(range(30), 2)
    }
    both = sum(a and b for a, b in together.values())
    precision = both / sum(b for _, b in together.values())
    recall = both / sum(a for a, _ in together.values())
    assert scores["f"] == pytest.approx(200 * precision * recall / (precision + recall))
    assert scores["senses"] == 3
    same = sense_tasks.clustering_scores(["a", "a", "b"], np.array([1, 1, 0]))
    assert (same["v"], same["f"], same["ari"]) == pytest.approx((100, 100, 100))
    alone = sense_tasks.clustering_scores(["a", "a", "b"], np.arange(3))
    assert alone["f"] == 0


def test_the_threshold_is_the_best_there_is():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 40):
        values, same = rng.integers(6, size=n).astype(np.float32), rng.random(n) < 0.6
        best = max(
            np.mean((values > t) == same) for t in [-1.0, *np.arange(6.0)]
        )  # fmt: skip
        threshold = sense_tasks._threshold(values, same)
        assert np.mean((values > threshold) == same) == pytest.approx(best)


def test_analogies_are_answered_as_by_the_package():
    from gensim.models import KeyedVectors

    from conec.evaluation import analogies

    rng = np.random.default_rng(0)
    keyed = KeyedVectors(3)
    keyed.add_vectors([f"w{i}" for i in range(12)], rng.normal(size=(12, 3)))
    asked = np.array([rng.permutation(12)[:4] for _ in range(300)])
    unit = keyed.get_normed_vectors()
    result = analogies(keyed, {"s": [tuple(f"w{i}" for i in row) for row in asked]})
    assert sense_tasks.answered(unit, unit, asked) == result.sections["s"]
    assert 0 < result.sections["s"][0] < 300
    # the answer and b are sought in the second space, a and c in the first
    a, b, c, _ = asked[0]
    first, second = np.eye(12, 20, dtype="f4"), np.eye(12, 20, 8, dtype="f4")
    answer = (second @ (second[b] - first[a] + first[c])).tolist()
    for i in (a, b, c):
        answer[i] = -9
    best = int(np.argmax(answer))
    assert sense_tasks.answered(first, second, np.array([[a, b, c, best]])) == (1, 1)


def test_quick_run(data, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "x.json"
    senses.main([
        "--quick", "--seeds", "1", "--workers", "1", "--json", str(path),
        "--corpus", datapath("lee_background.cor"),
    ])  # fmt: skip
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    assert rows["base.scws.share.in_sense"] in sense_tasks.SHARES
    # most words are unknown to so small a model: contexts tell something nevertheless
    assert rows["base.scws.all.in_context"] > rows["base.scws.all.wv"]
    assert rows["base.semeval.one.v"] == pytest.approx(0)
    assert rows["base.semeval.one.senses"] == 1
    assert rows["base.semeval.gold.senses"] > 2
    assert 45 < rows["base.wic.test.cosine"] < 70
    assert not any(name.startswith("more.") for name in rows)
