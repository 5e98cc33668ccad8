"""Words never seen: scores against plain ones, and a quick run on real data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gensim.test.utils import datapath
from scipy import stats

from benchmarks.unseen_words import benchmark as unseen_words
from benchmarks.unseen_words import methods, tasks
from conec.contexts import Window


@pytest.fixture
def data(shared_data, monkeypatch):
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))


def test_ranks():
    rng = np.random.default_rng(0)
    known = rng.normal(size=(20, 4)).astype(np.float32)
    vectors = rng.normal(size=(6, 4)).astype(np.float32)
    vectors[3] = 5 * known[3]
    own = [5, 2, 9, 3, 0, 1]
    cosines = np.array([[v @ k / np.linalg.norm(k) for k in known] for v in vectors])
    expected = [1 + sum(row > row[i]) for row, i in zip(cosines, own, strict=True)]
    assert tasks.nonce_ranks(vectors, own, known).tolist() == expected
    assert expected[3] == 1
    # no vector is no luck either
    assert tasks.nonce_ranks(np.zeros((1, 4), np.float32), [0], known).tolist() == [20]


def test_correlations():
    a, b = [3.0, 1.0, 1.0, 7.0], [1.0, 2.0, 0.0, 5.0]
    assert tasks.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert tasks.spearman([1, 1, 1], [1, 2, 3]) == tasks.spearman([1], [2]) == 0
    known = np.array([[1, 0], [1, 1], [0, 1], [-1, 0]], np.float32)
    index = {"east": 0, "northeast": 1, "north": 2, "west": 3}
    trials = [
        tasks.Trial([], ["east", "west", "up", "north"], [3, 1, 9, 2]),
        tasks.Trial([], ["east", "west", "north"], [3, 1, 2]),
    ]
    vectors = np.array([[2, 0], [-1, 0]], np.float32)
    assert tasks.chimera_score(vectors, trials, index, known) == pytest.approx(0)
    assert tasks.chimera_score(vectors[[0, 0]], trials, index, known) == pytest.approx(1)
    pairs = [
        tasks.RarePair("east", "x", 1), tasks.RarePair("west", "y", 3),
        tasks.RarePair("north", "y", 2),
    ]  # fmt: skip
    made = {"x": np.array([-1, 0], np.float32), "y": np.array([-5, 1], np.float32)}
    assert tasks.rare_score(made, pairs, index, known) == pytest.approx(1)


def test_context_matrix():
    items = [
        [["a", "___", "b", "c"], ["___", "x", "c"]],
        [["b", "___"]],
        [["a", "b"]],
    ]
    index = {"a": 0, "b": 1, "c": 2}
    matrix, n = methods.context_matrix(items, index, Window(2, "distance"))
    # a word that is not known takes its place
    expected = [[1, 1, 1 / 2 + 1 / 2], [0, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(matrix.toarray(), expected)
    assert n.tolist() == [2, 1, 0]


def test_least_squares():
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(30, 3)).astype(np.float32) for _ in range(2))
    weight = rng.random(30).astype(np.float32)
    A = methods.least_squares(X, Y, weight)
    normal = X.T @ (weight[:, None] * (X @ A - Y))
    np.testing.assert_allclose(normal, 0, atol=1e-4)


def test_parts_have_nothing_in_common(data):
    rare = tasks.read_rare_words()
    known = {pair.known for pair in rare.pairs[:500]}
    halves = [rare.part(part, known) for part in tasks.PARTS]
    compared = {pair.rare for pair in rare.pairs if pair.known in known}
    assert set(halves[0].texts) | set(halves[1].texts) == compared < set(rare.texts)
    assert not set(halves[0].texts) & set(halves[1].texts)
    assert abs(len(halves[0].texts) - len(halves[1].texts)) <= 1
    for half in halves:
        assert {pair.rare for pair in half.pairs} == set(half.texts)
        assert {pair.known for pair in half.pairs} <= known
    assert len(rare.pairs) == 550
    assert all(tasks.MARK in text for texts in rare.texts.values() for text in texts)
    few, more = (halves[0].drawn(n, 3) for n in (2, 5))
    assert all(few[word] == more[word][:2] for word in few)
    assert few != halves[0].drawn(2, 4)


def test_what_is_read(data):
    assert [len(tasks.read_nonces(part)) for part in tasks.PARTS] == [700, 300]
    for length in tasks.LENGTHS:
        assert [len(tasks.read_chimeras(length, part)) for part in tasks.PARTS] == [220, 110]
        for trial in tasks.read_chimeras(length, "test"):
            assert len(trial.probes) == len(trial.ratings) >= 5
            assert trial.texts
    assert len(tasks.rare_vocabulary()) == 414


def test_the_background_lacks_the_rare_words(data, tmp_path):
    (tmp_path / "a.txt").write_text("The abductor's ABDUCTOR ran, well-known in 1984.\n")
    about = unseen_words.background([str(tmp_path / "a.txt")], tmp_path / "b.txt", False)
    assert (tmp_path / "b.txt").read_text() == "the abductor's ran well-known in 1984\n"
    assert (about["documents"], about["tokens"]) == (1, 6)


def test_quick_run(data, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "x.json"
    unseen_words.main(
        ["--quick", "--seeds", "1", "--corpus", datapath("lee_background.cor"), "--fasttext", "0",
         "--workers", "1", "--json", str(path)]
    )  # fmt: skip
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    rows = {row["name"]: row for row in json.loads(path.read_text())["results"]}
    for method in methods.METHODS:
        assert 0 < rows[f"nonce.mrr.{method}"]["value"] <= 1
        assert 1 <= rows[f"nonce.median.{method}"]["value"] <= 2000
        assert all(-1 <= rows[f"{t}.{method}"]["value"] <= 1 for t in ("chimera.l6", "crw.2"))
    assert rows["chimera.l4.alacarte"]["reference"] == 0.355
    values = [rows[f"crw.2.{method}"]["value"] for method in methods.METHODS]
    assert len(set(values)) == len(values)
