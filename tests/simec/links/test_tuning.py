"""Search for parameters, and random splits."""

from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simec.links import LinkPredictor, split_triples, tune
from tests.simec.links.graph import chain

FAST = {"n_components": 6, "max_iter": 2, "batch_size": 40}


@pytest.mark.slow
def test_the_best_setting_is_found_and_reproduced(tmp_path):
    train, valid = chain()
    space = {"learning_rate": [1e-9, 1e-8, 0.5], "dropout": [0.0, 0.1]}
    found = tune(
        train, valid, space=space, minutes=1, n_settings=5, n_seeds=2, random_state=0,
        table=tmp_path / "t.csv", n_components=20, max_iter=40, n3=0.0,
    )  # fmt: skip
    rows = found.table
    assert [row["round"] for row in rows] == sorted((row["round"] for row in rows), reverse=True)
    assert sorted(row["setting"] for row in rows) == list(range(5))
    assert {row["round"] for row in rows} == {1, 2, 3}
    for number in (1, 2, 3):
        mrrs = [row["mrr"] for row in rows if row["round"] == number]
        assert mrrs == sorted(mrrs, reverse=True)
    assert rows[0]["seeds"] == 2
    assert found.best["learning_rate"] > 1e-8  # the default, or the largest
    assert found.best["n_components"] == 20
    assert found.predictor.best_score_ >= rows[0]["mrr"]
    again = LinkPredictor(**found.best, random_state=found.predictor.random_state)
    assert again.fit(train, valid).best_score_ == found.predictor.best_score_
    with (tmp_path / "t.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [int(row["setting"]) for row in written] == [row["setting"] for row in rows]
    assert float(written[0]["mrr"]) == rows[0]["mrr"]
    found.save_table(tmp_path / "t.json")
    saved = json.loads((tmp_path / "t.json").read_text())
    assert saved == {"best": found.best, "settings": rows}
    assert str(found).splitlines()[0].split()[:3] == ["setting", "round", "mrr"]


def test_triples_are_held_out_without_validation():
    train, _ = chain()
    found = tune(train, minutes=0.01, n_settings=1, n_seeds=1, random_state=0, **FAST)
    assert len(found.table) == 1
    assert 0 < found.table[0]["mrr"] <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minutes": 0}, "minutes must be"),
        ({"n_settings": 0}, "n_settings must be"),
        ({"space": {"depth": [1]}}, "no parameter 'depth'"),
        ({"depth": 1}, "no parameter 'depth'"),
        ({"space": {"n3": []}}, "space must have at least one value of n3"),
        ({"space": {"dropout": [2.0]}}, "dropout must be"),
        ({"space": {"max_iter": [2, 3]}}, "max_iter is searched and passed"),
        ({"init_scale": 1e38, "n3": 1.0}, "diverged with all settings"),
    ],
)
def test_what_cannot_be_searched(change, message):
    train, valid = chain()
    arguments = {"minutes": 0.01, "n_settings": 2, "random_state": 0, **FAST, **change}
    with pytest.raises(ValueError, match=message):
        tune(train, valid, **arguments)


TRIPLES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=60
)


@given(TRIPLES, st.floats(0, 0.5), st.floats(0, 0.4), st.integers(0, 9))
def test_splits(triples, valid, test, seed):
    data = split_triples(triples, valid=valid, test=test, random_state=seed)
    together = [*data.train, *data.valid, *data.test]
    assert sorted(together) == sorted(set(triples))
    n = len(together)
    assert len(data.valid) <= round(valid * n)
    assert len(data.test) <= round(test * n)
    ends = {end for h, _, t in data.train for end in (h, t)}
    relations = {r for _, r, _ in data.train}
    for h, r, t in (*data.valid, *data.test):
        assert {h, t} <= ends
        assert r in relations
    assert data == split_triples(triples, valid=valid, test=test, random_state=seed)


def test_splits_have_their_sizes_where_entities_have_many_triples():
    triples = [(h, r, t) for h in range(10) for r in range(2) for t in range(10)]
    data = split_triples(triples, valid=0.1, test=0.2, random_state=0)
    assert (len(data.train), len(data.valid), len(data.test)) == (140, 20, 40)
    with pytest.raises(ValueError, match="add up to < 1, got 0.5 and 0.5"):
        split_triples(triples, valid=0.5, test=0.5)
