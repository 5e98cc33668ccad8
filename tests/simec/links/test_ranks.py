"""Ranks against a plain oracle and another library's evaluator."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simec.links.evaluation import Evaluation, measures, rank_both_ways, ranks
from simec.links.queries import Queries, both_ways
from tests.simec.links.oracle import both_ranks


def table_of(seed, n, k, levels):
    """Scores for each relation (reciprocal ones too), with many ties if there are few levels."""
    random = np.random.default_rng(seed)
    return random.integers(0, levels, (2 * k, n, n)).astype(np.float32)


def scorer_of(table):
    def score(h, r):
        return torch.from_numpy(table[r.numpy(), h.numpy()])

    return score


def triples_of(seed, n, k, m):
    random = np.random.default_rng(seed)
    found = np.stack([random.integers(0, top, m) for top in (n, k, n)], 1)
    return np.unique(found, axis=0).astype(np.int64)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 9), k=st.integers(1, 3),
    m=st.integers(1, 25), levels=st.sampled_from([1, 2, 4, 10**6]),
)  # fmt: skip
def test_ranks_are_those_of_the_oracle(seed, n, k, m, levels):
    table = table_of(seed, n, k, levels)
    known = triples_of(seed + 1, n, k, m)
    tested = known[: max(1, len(known) // 2)]
    raw, filtered = rank_both_ways(scorer_of(table), tested, known, n, k)
    expected = both_ranks(lambda side, e, r, x: table[r + side * k, e, x], tested, known, n)
    np.testing.assert_array_equal(raw, expected[0])
    np.testing.assert_array_equal(filtered, expected[1])
    assert (filtered <= raw).all()
    assert ((filtered >= 1) & (raw <= n)).all()


def test_all_level_is_the_middle():
    n = 7
    table = np.zeros((2, n, n), np.float32)
    raw, filtered = rank_both_ways(
        scorer_of(table), np.array([[0, 0, 3]]), np.array([[0, 0, 3], [0, 0, 5]]), n, 1
    )
    assert raw[0, 0] == (n + 1) / 2
    assert filtered[0, 0] == n / 2
    assert filtered[1, 0] == (n + 1) / 2


def test_entities_without_scores_rank_last_and_leave_all_level():
    n = 5  # 5 and 6 have no scores
    table = table_of(0, n, 1, 10**6)
    triples = np.array([[0, 0, 5], [6, 0, 1], [5, 0, 6], [0, 0, 1]])
    raw, filtered = rank_both_ways(scorer_of(table), triples, triples, n, 1)
    np.testing.assert_array_equal(raw[0, :3], [6.5, 4, 4])
    np.testing.assert_array_equal(raw[1, :3], [4, 6.5, 4])
    alone, _ = rank_both_ways(scorer_of(table), triples[3:], triples[3:], n, 1)
    assert raw[0, 3] == alone[0, 0]
    assert (filtered <= raw).all()


def test_many_rows_are_as_one_by_one(monkeypatch):
    monkeypatch.setattr("simec.links.evaluation._NUMBERS", 20)
    table = table_of(3, 10, 2, 4)
    links = both_ways(triples_of(4, 10, 2, 30), 2)
    known = Queries.of(links)
    together = ranks(scorer_of(table), links, 10, known)
    single = [ranks(scorer_of(table), links[i : i + 1], 10, known) for i in range(len(links))]
    np.testing.assert_array_equal(together[0], [raw[0] for raw, _ in single])
    np.testing.assert_array_equal(together[1], [filtered[0] for _, filtered in single])


def test_as_pykeen_has_them(monkeypatch):
    try:
        import torchvision  # noqa: F401
    except Exception:
        # pykeen does without it, but not with one that is made for another torch
        monkeypatch.setitem(sys.modules, "torchvision", None)
    evaluation = pytest.importorskip("pykeen.evaluation")
    n, k = 30, 3
    table = table_of(5, n, k, 12)
    known = triples_of(6, n, k, 200)
    tested = known[:60]
    found = Evaluation(
        list(range(k)), tested, *rank_both_ways(scorer_of(table), tested, known, n, k)
    )
    theirs = evaluation.RankBasedEvaluator(filtered=True)
    for side, name in ((0, "tail"), (1, "head")):
        scores = np.array([table[r + side * k, (h, t)[side]] for h, r, t in tested])
        true = np.array([(t, h)[side] for h, r, t in tested])
        rows = np.arange(len(tested))
        true_scores = scores[rows, true].copy()
        for i, (h, r, t) in enumerate(tested):
            for a, b, c in known:
                if b == r and (a, c)[side] == (h, t)[side] and (c, a)[side] != true[i]:
                    scores[i, (c, a)[side]] = np.nan
        theirs.process_scores_(
            torch.from_numpy(tested), target=name, scores=torch.from_numpy(scores),
            true_scores=torch.from_numpy(true_scores)[:, None],
        )  # fmt: skip
    result = theirs.finalize()
    for side in ("tail", "head", "both"):
        ours = found.measures(side)
        for mine, other in (
            ("mr", "arithmetic_mean_rank"), ("mrr", "inverse_harmonic_mean_rank"),
            ("hits@1", "hits_at_1"), ("hits@3", "hits_at_3"), ("hits@10", "hits_at_10"),
        ):  # fmt: skip
            metric = result.get_metric(f"{side}.realistic.{other}")
            assert ours[mine] == pytest.approx(metric, abs=1e-6), (side, mine)


def test_nan_has_no_rank():
    table = np.zeros((2, 3, 3), np.float32)
    table[0, 0, 1] = np.nan
    with pytest.raises(ValueError, match="a score is NaN"):
        ranks(scorer_of(table), np.array([[0, 0, 1]]), 3)
    raw, _ = ranks(scorer_of(table), np.array([[0, 0, 2]]), 3)
    assert raw[0] == 1.5


def test_measures_of_ranks():
    found = measures(np.array([1.0, 1.5, 4.0, 20.0]))
    assert found["mr"] == 26.5 / 4
    assert found["mrr"] == pytest.approx((1 + 1 / 1.5 + 1 / 4 + 1 / 20) / 4)
    assert (found["hits@1"], found["hits@3"], found["hits@10"]) == (0.25, 0.5, 0.75)
    assert all(np.isnan(value) for value in measures(np.empty(0)).values())


def test_evaluation_by_side_and_relation():
    triples = np.array([[0, 0, 1], [1, 1, 2], [2, 1, 0]])
    raw = np.array([[2.0, 3, 4], [5, 6, 7]])
    found = Evaluation(["r", "s", "unused"], triples, raw, raw - 1)
    assert found.measures()["mr"] == 3.5
    assert found.measures("tail", filtered=False)["mr"] == 3
    assert found.measures("head", relation="s")["mr"] == 5.5
    by = found.by_relation()
    assert list(by) == ["r", "s"]
    assert by["s"]["n"] == 2
    assert by["s"]["mr"] == (2 + 3 + 5 + 6) / 4
    assert found.to_dict()["by_relation"]["r"]["mr"] == 2.5
    assert "filtered, both" in str(found)
    with pytest.raises(ValueError, match="side must be one of 'both', 'tail', 'head', got 'left'"):
        found.measures("left")
    with pytest.raises(ValueError, match="unknown relation: 'q'"):
        found.measures(relation="q")


def test_queries_find_what_there_is():
    links = np.array([[0, 0, 1], [0, 0, 3], [0, 1, 2], [2, 0, 0], [0, 0, 3]])
    queries = Queries.of(links)
    assert len(queries) == 3
    rows, answers = queries.find(np.array([2, 1, 0, 0]), np.array([0, 0, 5, 0]))
    assert list(zip(rows.tolist(), answers.tolist(), strict=True)) == [(0, 0), (3, 1), (3, 3)]
    rows, answers = Queries.of(np.empty((0, 3), np.int64)).find(np.array([0]), np.array([0]))
    assert len(rows) == len(answers) == 0
