"""Recommendations from implicit feedback: EASE, metrics, splits by time."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from typer.testing import CliRunner

from simec.cli import app
from simec.recommender import (
    EASE,
    BiasBaseline,
    ContentLinear,
    RankingRecommender,
    Ratings,
    as_ratings,
    evaluate,
    read_ratings,
    tune,
)
from simec.recommender.base import BaseRecommender
from simec.recommender.ranking import rank_metrics
from simec.recommender.ranking_kernels import BPR, SOFTMAX, run_epoch
from tests.simec.recommender.contract import RecommenderContract


class TestEASE(RecommenderContract):
    implicit = True

    def make(self):
        return EASE(l2=20.0)


def clicks(n_users=40, n_items=12, seed=0):
    rng = np.random.default_rng(seed)
    matrix = sparse.random(n_users, n_items, 0.3, random_state=rng, format="csr")
    matrix.data[:] = 1
    return as_ratings(matrix)


@pytest.mark.parametrize(("power", "weight"), [(0.0, 0.0), (0.7, 0.5)])
def test_ease_is_a_ridge_regression_on_the_other_items(power, weight):
    train = clicks()
    found = EASE(l2=2.0, l2_by_count=power, user_weight=weight).fit(train)
    X = train.matrix.toarray().astype(float)
    n = X.sum(axis=1)
    w = (np.maximum(n, 1) / n[n > 0].mean()) ** -weight
    counts = (w[:, None] * X).sum(axis=0)
    penalties = 2.0 * (counts / counts.mean()) ** power
    for j in range(X.shape[1]):
        others = np.delete(np.arange(X.shape[1]), j)
        A = X[:, others]
        gram = A.T @ (w[:, None] * A) + np.diag(penalties[others])
        expected = np.linalg.solve(gram, A.T @ (w * X[:, j]))
        np.testing.assert_allclose(found.weights_[others, j], expected, rtol=1e-3, atol=1e-5)
    assert (np.diag(found.weights_) == 0).all()
    np.testing.assert_allclose(found.predict(0, range(12)), X[0] @ found.weights_, rtol=1e-4)


def test_ease_prefers_recent_items():
    rng = np.random.default_rng(0)
    # items 0 to 4 go together, and items 5 to 9
    rows = [(u, i, 1.0, t) for u in range(60) for t, i in
            enumerate(rng.permutation(5)[:3] + 5 * (u % 2))]  # fmt: skip
    rows += [(99, 0, 1.0, 1), (99, 1, 1.0, 2), (99, 5, 1.0, 8), (99, 6, 1.0, 9)]
    frame = pd.DataFrame(rows, columns=["user", "item", "plays", "time"])
    latest = EASE(recency=1.0).fit(frame)
    assert {item for item, _ in latest.recommend(99, 3)} == {7, 8, 9}
    plain = EASE(recency=0.0).fit(frame)
    assert {item for item, _ in plain.recommend(99, 3)} != {7, 8, 9}
    expected = np.array([4, 3, 2, 1]) ** -1.0 @ latest.weights_[[0, 1, 5, 6]]
    np.testing.assert_allclose(latest.predict(99, range(10)), expected, rtol=1e-4, atol=1e-6)


def test_ease_says_what_it_cannot_do(monkeypatch, tmp_path):
    monkeypatch.setattr("simec.recommender.ease._MAX_ITEMS", 11)
    with pytest.raises(ValueError, match=r"12 items; at most 11 fit. Use Recommender\("):
        EASE().fit(clicks())
    with pytest.raises(ValueError, match="l2 must be"):
        EASE(l2=0).fit(clicks())


def test_times_are_saved(tmp_path):
    train = clicks()
    times = np.arange(len(train)) * 1.5
    train = Ratings(train.matrix, train.users, train.items, times=times)
    EASE().fit(train).save(tmp_path / "model")
    again = BaseRecommender.load(tmp_path / "model")
    np.testing.assert_array_equal(again.ratings_.times, times)
    assert again.recommend(3, 4) == EASE().fit(train).recommend(3, 4)


# Metrics


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_metrics_by_hand(data):
    n_items, topn = 8, data.draw(st.integers(1, 5))
    items = st.lists(st.integers(0, n_items - 1), unique=True)
    found = data.draw(st.lists(items, min_size=3, max_size=3))
    found = [row[:topn] for row in found]
    sought = data.draw(st.lists(items, min_size=3, max_size=3).filter(any))
    triples = [(u, i, 1.0) for u, row in enumerate(sought) for i in row]
    matrix = np.ones((2, n_items))
    matrix[1, 3:] = 0
    training = as_ratings(sparse.csr_matrix(matrix))
    lists = {u: [(i, 0.0) for i in row] for u, row in enumerate(found)}
    got = rank_metrics(
        lambda users: [lists[u] for u in users], as_ratings(triples), training, topn
    )  # fmt: skip
    values = []
    for row, wanted in zip(found, sought, strict=True):
        if not wanted:
            continue
        possible = min(topn, len(wanted))
        dcg = sum(1 / np.log2(k + 2) for k, i in enumerate(row) if i in wanted)
        ideal = sum(1 / np.log2(k + 2) for k in range(possible))
        precisions = [
            len(set(row[: k + 1]) & set(wanted)) / (k + 1) for k, i in enumerate(row) if i in wanted
        ]
        n = len(set(row) & set(wanted))
        values.append((n / topn, n / possible, dcg / ideal, sum(precisions) / possible, n > 0))
    for name, expected in zip(
        ("precision", "recall", "ndcg", "map", "hits"), np.mean(values, axis=0), strict=True
    ):
        assert got[name] == pytest.approx(expected)
    recommended = [i for row, wanted in zip(found, sought, strict=True) if wanted for i in row]
    assert got["coverage"] == len(set(recommended)) / n_items
    if recommended:
        counts = np.where(np.arange(n_items) < 3, 2, 1)
        assert got["popularity"] == pytest.approx(counts[recommended].mean() / counts.mean())
    assert got["users"] == len(values)


def test_implicit_feedback_has_no_error_of_ratings():
    train, test = clicks().split(0.2)
    assert "rmse" not in evaluate(EASE().fit(train), test)
    with pytest.warns(UserWarning, match="all ratings are 1"):
        baseline = BiasBaseline().fit(train)
    assert evaluate(baseline, test)["rmse"] == 0


# Times


DAYS = [f"2024-01-{day:02}" for day in (3, 1, 2, 9, 5)]
SECONDS = [datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() for day in DAYS]


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        [f"{day}T00:00:00Z" for day in DAYS],
        pd.to_datetime(DAYS),
        pd.to_datetime(DAYS).tz_localize("UTC"),
        [datetime.fromisoformat(day).replace(tzinfo=timezone.utc) for day in DAYS],
        SECONDS,
        [f"{second:.0f}" for second in SECONDS],
    ],
    ids=["dates", "zulu", "pandas", "with zone", "datetime", "numbers", "texts"],
)
def test_times_of_a_frame(times):
    # the order of columns does not matter
    frame = pd.DataFrame({"when": 0, "date": times, "item": [5, 4, 3, 1, 2], "user": [1] * 5})
    ratings = as_ratings(frame[["date", "item", "user"]])
    assert ratings.matrix.data.tolist() == [1] * 5
    assert ratings.times.tolist() == [SECONDS[k] for k in (3, 4, 2, 1, 0)]
    assert ratings.later().tolist() == [0, 1, 3, 4, 2]


@pytest.mark.parametrize("text", [
    "user,item,rating,timestamp\n1,10,5,7\n1,11,3,9\n2,10,4,8\n",
    "1,10,5,7\n1,11,3,9\n2,10,4,8\n",
    "rating;date;user;item\n5;1970-01-01T00:00:07;1;10\n3;1970-01-01T00:00:09;1;11\n"
    "4;1970-01-01T00:00:08;2;10\n",
])  # fmt: skip
def test_times_of_a_file(tmp_path, text):
    (tmp_path / "r.csv").write_text(text)
    ratings = read_ratings(tmp_path / "r.csv")
    assert ratings.times.tolist() == [7, 9, 8]
    assert ratings.matrix.data.tolist() == [5, 3, 4]


def test_times_that_cannot_be_read_are_reported(tmp_path):
    (tmp_path / "r.csv").write_text("user,item,rating,timestamp\n1,10,5,7\n1,11,3,soon\n")
    with pytest.warns(UserWarning, match="times are ignored: each must be a number, a date"):
        assert read_ratings(tmp_path / "r.csv").times is None
    with pytest.raises(ValueError, match="these ratings have no times: read them with"):
        read_ratings(tmp_path / "r.csv").split(by="time")


def test_of_duplicates_the_latest_counts():
    frame = {"user": [1, 1, 1], "item": [2, 2, 3], "rating": [5, 3, 1], "time": [9, 8, 7]}
    with pytest.warns(UserWarning, match="the last one counts"):
        ratings = as_ratings(frame)
    assert ratings.matrix.data.tolist() == [5, 1]
    assert ratings.times.tolist() == [9, 7]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.1, 0.3, 0.5]))
def test_splits_by_time(seed, share):
    base = clicks(seed=seed)
    times = np.random.default_rng(seed).integers(0, 6, len(base)).astype(float)
    ratings = Ratings(base.matrix, base.users, base.items, times=times)
    for by, size in (("time", share), ("leave-one-out", 0.3)):
        train, test = ratings.split(size, seed, by=by)
        assert ((train.matrix + test.matrix) != ratings.matrix).nnz == 0
        for u in range(len(ratings.users)):
            n = ratings.matrix[u].nnz
            expected = 0 if n < 2 else 1 if by == "leave-one-out" else max(1, int(size * n + 1e-9))
            assert test.matrix[u].nnz == expected
            a, b = (part.times[part.matrix.indptr[u] : part.matrix.indptr[u + 1]]
                    for part in (train, test))  # fmt: skip
            assert not len(a) or not len(b) or a.max() <= b.min()
    for u in range(len(ratings.users)):
        part = slice(ratings.matrix.indptr[u], ratings.matrix.indptr[u + 1])
        t = times[part]
        expected = [(t > x).sum() + ((t == x).sum() - 1) / 2 for x in t]
        assert ratings.later()[part].tolist() == expected


def test_liked_ratings_are_clicks():
    ratings = as_ratings({"user": [1, 1, 2], "item": [7, 8, 7], "rating": [5, 3, 4],
                          "time": [1, 2, 3]})  # fmt: skip
    liked = ratings.liked(4)
    assert [part.tolist() for part in liked.triples()] == [[1, 2], [7, 7], [1, 1]]
    assert liked.times.tolist() == [1, 3]
    assert ratings.matrix.data.tolist() == [5, 3, 4]
    with pytest.raises(ValueError, match="no rating is >= 6"):
        ratings.liked(6)


# Ranking losses


class RankingContract(RecommenderContract):
    implicit = True
    loss = ""

    def make(self):
        return RankingRecommender(
            4, loss=self.loss, l2=0.03, learning_rate=0.05, max_iter=100, random_state=0
        )


class TestSoftmax(RankingContract):
    loss = "softmax"


class TestWARP(RankingContract):
    loss = "warp"


class TestBPR(RankingContract):
    loss = "bpr"


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_a_step_of_a_ranking_loss_is_its_gradient(loss):
    """One pair, and one other item: the negatives are known, and finite differences agree."""
    d, n_sampled = 4, 3 if loss == "softmax" else 1
    rng = np.random.default_rng(0)
    U, V = rng.normal(size=(1, d)).astype(np.float32), rng.normal(size=(2, d)).astype(np.float32)
    U[0, -1] = 1

    def cost(U, V):
        scores = V.astype(float) @ U[0].astype(float)
        # each of the samples is item 1, and they stand for all other items: one
        return float(np.log1p(np.exp(scores[1] - scores[0])))

    before = U.copy(), V.copy()
    l2, rate = 0.0, 1e-4
    squares = np.zeros(1), np.zeros(2)
    mean = run_epoch(
        np.array([0]), np.zeros(1, np.int32), np.array([0, 1], np.int32), np.zeros(1, np.int32),
        U, V, *squares, SOFTMAX if loss == "softmax" else BPR, n_sampled, rate, l2, 5,
    )  # fmt: skip
    assert mean == pytest.approx(cost(*before), rel=1e-5)
    numeric = []
    for part in range(2):
        gradient = np.zeros(before[part].shape)
        for at in np.ndindex(gradient.shape):
            moved = [[x.astype(float) for x in before] for _ in range(2)]
            moved[0][part][at] += 1e-5
            moved[1][part][at] -= 1e-5
            gradient[at] = (cost(*moved[0]) - cost(*moved[1])) / 2e-5
        numeric.append(gradient)
    numeric[0][0, -1] = 0  # stays 1
    # the first step of Adagrad divides by the root mean square; items are moved before the user
    change = (V[0] - before[1][0]).astype(float)
    expected = -rate * numeric[1][0] / np.sqrt((numeric[1][0] ** 2).mean())
    np.testing.assert_allclose(change, expected, rtol=0.05, atol=2e-6)
    change = (U[0] - before[0][0]).astype(float)
    expected = -rate * numeric[0][0] / np.sqrt((numeric[0][0] ** 2).mean())
    np.testing.assert_allclose(change, expected, rtol=0.05, atol=2e-6)
    assert U[0, -1] == 1


def test_a_user_with_all_items_is_no_problem():
    train = as_ratings([(0, i, 1) for i in range(5)] + [(1, 2, 1)])
    for loss in ("softmax", "warp", "bpr"):
        found = RankingRecommender(3, loss=loss, max_iter=2, random_state=0).fit(train)
        assert np.isfinite(found.item_vectors_).all()


# Tuning


def test_tune_finds_what_is_best_on_held_out_items(tmp_path):
    train = grouped()
    space = {"l2": [0.1, 5.0, 1e5]}
    found = tune(
        EASE(l2=100.0), train, space=space, n_settings=4, n_splits=2, random_state=0,
        table=tmp_path / "t.csv",
    )  # fmt: skip
    assert found.metric == "ndcg"
    assert {row["l2"] for row in found.table} == {0.1, 5.0, 100.0, 1e5}
    assert [row["splits"] for row in found.table] == [2, 2, 1, 1]
    seed = int(np.random.RandomState(0).randint(1 << 30))
    for row in found.table:
        scores = []
        for part in range(row["splits"]):
            fit, held = train.split(0.2, seed + part)
            scores.append(evaluate(EASE(l2=row["l2"]).fit(fit), held)["ndcg"])
        assert row["ndcg"] == pytest.approx(np.mean(scores))
        assert row["ndcg"] <= found.table[0]["ndcg"] or row["splits"] < 2
    best = found.table[0]["l2"]
    assert found.best == ({} if best == 100 else {"l2": best})
    assert found.recommender.l2 == best
    assert len(found.recommender.ratings_) == len(train)
    assert (tmp_path / "t.csv").read_text().startswith("setting,round,ndcg,std,splits,seconds,l2\n")
    found.save_table(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["best"] == found.best
    assert "ndcg" in str(found).splitlines()[0]


def grouped():
    """Users of two groups that like different items, and some popular items."""
    rng = np.random.default_rng(1)
    u, i = np.divmod(np.arange(60 * 20), 20)
    likes = rng.random(len(u)) < np.where(u % 2 == i % 2, 0.5, 0.02) + 0.2 * (i < 4)
    return as_ratings((u[likes], i[likes], np.ones(int(likes.sum()))))


def test_tune_of_ratings_and_its_errors():
    rng = np.random.default_rng(0)
    u, i = np.divmod(np.arange(40 * 15), 15)
    known = rng.random(len(u)) < 0.5
    values = np.round(3 + rng.normal(0, 1, 40)[u] + rng.normal(0, 0.5, len(u)), 2)
    train = as_ratings((u[known], i[known], values[known]))
    found = tune(BiasBaseline(shrinkage_users=1e4), train, n_settings=5, random_state=0)
    assert found.metric == "rmse"
    assert found.best["shrinkage_users"] < 100
    rmse = [row["rmse"] for row in found.table if row["round"] == found.table[0]["round"]]
    assert rmse == sorted(rmse)
    with pytest.raises(ValueError, match="BiasBaseline has no parameter 'n_components', only"):
        tune(BiasBaseline(), train, space={"n_components": [1]})
    with pytest.raises(ValueError, match="space must have values of shrinkage_users"):
        tune(BiasBaseline(), train, space={"shrinkage_users": []})
    with pytest.raises(ValueError, match="ContentLinear has no default space"):
        tune(ContentLinear(), train)
    with pytest.raises(ValueError, match="rmse is not defined for implicit feedback"):
        tune(EASE(), clicks(), metric="rmse")
    with pytest.warns(UserWarning, match="minutes are over after 1 of 5 settings"):
        found = tune(BiasBaseline(), train, n_settings=5, minutes=1e-9, random_state=0)
    assert found.best == {}


def test_tune_on_the_command_line(tmp_path):
    train = grouped()
    lines = ["user,item,plays"] + [f"{u},{i},{v:g}" for u, i, v in zip(*train.triples())]  # noqa: B905
    (tmp_path / "plays.csv").write_text("\n".join(lines) + "\n")
    arguments = ["recommend", "tune", tmp_path / "plays.csv", "--out", tmp_path / "m",
                 "--method", "ease", "--settings", 3, "--splits", 1, "--table",
                 tmp_path / "t.csv"]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert "ndcg" in result.output
    assert (tmp_path / "t.csv").read_text().count("\n") == 4
    model = BaseRecommender.load(tmp_path / "m")
    assert isinstance(model, EASE)
    for method in ("ease", "bpr"):
        arguments = ["recommend", "train", tmp_path / "plays.csv", "--out", tmp_path / method,
                     "--method", method, "--no-progress"]  # fmt: skip
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        assert "feedback      implicit" in result.output
    arguments = ["recommend", "evaluate", tmp_path / "ease", tmp_path / "plays.csv"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert "ndcg@10" in result.output
    assert "rmse" not in result.output
