"""Recommenders: a quick run on real ratings, and parts of the benchmark on made-up ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from benchmarks.recommender import benchmark as recommender
from benchmarks.recommender import content as recommender_content
from benchmarks.recommender import data as rd
from benchmarks.recommender.implicit import recall
from benchmarks.recommender.methods import CHOSEN, FEATURES, GRIDS, exchanged, grid, make, ranking
from simec.recommender import BiasBaseline, as_ratings


def made_up(n_users=30, n_items=20, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 6, (n_users, n_items)) * (rng.random((n_users, n_items)) < 0.5)
    return as_ratings(sparse.csr_matrix(values.astype(np.float32)))


def entries(ratings):
    return set(zip(*ratings.matrix.nonzero(), strict=True))


@pytest.mark.parametrize("task", ["t1", "t2a", "t2b", "t3"])
def test_what_is_new_in_a_task_has_no_ratings_in_training(task):
    ratings = made_up()
    train, test = rd.split(ratings, task, 1)
    assert not entries(train) & entries(test)
    assert entries(train) | entries(test) <= entries(ratings)
    if task != "t3":
        assert len(train) + len(test) == len(ratings)
    users, items = test.matrix.nonzero()
    known_users, known_items = (set(part.tolist()) for part in train.matrix.nonzero())
    assert not known_items & set(items.tolist()) or task in ("t1", "t2b")
    assert not known_users & set(users.tolist()) or task in ("t1", "t2a")
    again = rd.split(ratings, task, 1)[1]
    assert entries(again) == entries(test)
    assert entries(rd.split(ratings, task, 2)[1]) != entries(test)


def test_some_users_keep_their_ratings_of_what_is_rated_most():
    ratings = made_up()
    part = rd.some(ratings, 7, 5, seed=0)
    assert part.shape == (7, 5)
    counts = ratings.matrix.getnnz(axis=0)
    assert counts[part.items.values].min() >= np.sort(counts)[-5]
    expected = ratings.matrix[part.users.values][:, part.items.values]
    assert (part.matrix != expected).nnz == 0


def test_features_of_movies():
    catalogue = {
        1: {"title": "Old Story (1950)", "year": 1950, "genres_ml1m": ["Drama"],
            "directors_hetrec": ["A B"], "omdb_actors": ["N/A"]},
        2: {"title": "New (1997)", "year": 1997, "genres_ml1m": ["Drama", "War"],
            "omdb_directors": ["A B"]},
    }  # fmt: skip
    X, names = rd.movie_features(catalogue, [2, 1, 99], blocks=("genre", "director", "year"))
    rows = X.toarray()
    place = {name: k for k, name in enumerate(names)}
    assert rows.dtype == np.float32
    assert {"genre: drama", "genre: war", "director: a b"} <= set(names)
    assert rows[0, place["genre: war"]] > 0
    assert rows[1, place["genre: war"]] == 0
    assert rows[0, place["director: a b"]] == rows[1, place["director: a b"]] == 1
    # a year between two marks belongs to both
    assert rows[0, place["year: 1995"]] == pytest.approx(0.6)
    assert rows[0, place["year: 2000"]] == pytest.approx(0.4)
    assert rows[1, place["year: 1950"]] == 1
    assert not rows[2].any()


def test_what_is_not_known_of_a_movie_is_no_feature():
    assert not list(rd.terms({"omdb_actors": ["N/A"], "imdb5000": {}}))


def test_ranking_is_of_what_is_relevant():
    train = as_ratings(
        ([1, 1, 2, 2, 3], [10, 11, 10, 12, 13], [5, 4, 5, 1, 3]),
    )
    model = BiasBaseline(shrinkage_items=0.1).fit(train)
    test = made_up(4, 4).select(np.zeros(len(made_up(4, 4)), bool))
    values = sparse.csr_matrix(([5.0, 5.0, 2.0], ([0, 1, 2], [3, 1, 0])), train.shape)
    test = type(test)(values, train.users, train.items)
    # of 12 and 13 for user 1 the better one is 13; of 11 and 13 for user 2 it is 11
    found = ranking(model, test, 1, 4.0, 10)
    assert found == {"recall10": 1.0, "ndcg10": 1.0}
    found = ranking(model, test, 1, 4.0, 10, items=[12, 13])
    assert found["recall10"] == 0.5


def test_recall_leaves_out_what_was_known():
    U, V = np.eye(2), np.array([[3.0, 1], [2, 2], [1, 3]])
    train = sparse.csr_matrix(([1.0], ([0], [0])), (2, 3))
    test = sparse.csr_matrix(([1.0, 1.0], ([0, 1], [1, 0])), (2, 3))
    assert recall(U, V, train, test, n=1) == 0.5
    assert recall(U, V, train, test, n=2) == 0.5


def test_users_and_items_exchanged():
    ratings = made_up()
    other = exchanged(ratings)
    assert other.shape == ratings.shape[::-1]
    assert (ratings.matrix != other.matrix.T).nnz == 0


def test_all_methods_can_be_made_with_all_parameters():
    for task, methods in FEATURES.items():
        assert set(methods) == set(CHOSEN[task])
        for method in methods:
            for parameters in [{}, *grid(task, method)]:
                make(task, method, 1, **parameters)
        assert set(GRIDS.get(task, {})) <= set(methods)


def test_quick_run(shared_data, tmp_path, monkeypatch):
    if not (shared_data / "simec" / "recsys" / "ml1m_ratings.npz").exists():
        pytest.skip("MovieLens 1M not found in the folder of data sets")
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(recommender, "QUICK_USERS", 150)
    monkeypatch.setattr(recommender, "QUICK_MOVIES", 300)
    monkeypatch.setattr(recommender_content, "MIN_RATINGS", 10)
    path = tmp_path / "x.json"
    recommender.main(
        ["--quick", "--seeds", "1", "--data", str(shared_data), "--json", str(path),
         "--tasks", "t2a", "t2b"]
    )  # fmt: skip
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    averages = rows["t2a.rmse.averages"]
    for method in ("svd_ridge", "content_linear", "simec"):
        assert rows[f"t2a.rmse.{method}"] < averages
    assert rows["t2a.gain.simec.averages"] == pytest.approx(averages - rows["t2a.rmse.simec"])
    assert rows["content.correlation.after"] > 0
    assert 0 < rows["implicit.recall10.simec"] < 1
