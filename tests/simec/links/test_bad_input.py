"""Invalid input by users, and the errors that they get."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from simec.links import LinkPredictor, TripleError
from tests.simec.links.graph import PLACES, chain, features

SMALL = {"n_components": 4, "max_iter": 2, "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    triples = [("paris", "capital_of", "france"), ("rome", "capital_of", "italy")]
    return LinkPredictor(**SMALL).fit([*triples, ("france", "borders", "italy")])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda p: p.predict("pari", "capital_of"),
            "unknown entity: 'pari' .closest matches: 'paris'",
        ),
        (
            lambda p: p.predict("paris", "capitol"),
            "unknown relation: 'capitol' .closest matches: 'capital",
        ),
        (lambda p: p.predict_head("borders", "spain"), "unknown entity: 'spain'"),
        (lambda p: p.predict(7, "borders"), "unknown entity: 7 .ids are text, such as 'france'"),
        (
            lambda p: p.score([("paris", "borders", "Italy")]),
            "unknown entity: 'Italy' .closest matches",
        ),
        (lambda p: p.score([("paris", "twin", "rome")]), "unknown relation: 'twin'"),
        (lambda p: p.transform(["oslo"]), "unknown entity: 'oslo'"),
        (lambda p: p.predict(None, "borders"), "pass either the id of an entity or features="),
        (lambda p: p.predict(None, "borders", features=[[1.0]]), "fitted without features"),
        (lambda p: p.add_entities(["oslo"], [[1.0]]), "fitted without features"),
    ],
)
@pytest.mark.slow
def test_unknown_ids(fitted, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(fitted)


def test_entities_that_the_predictor_does_not_know_stay_in_the_test(fitted):
    found = fitted.evaluate([("paris", "borders", "oslo"), ("bern", "borders", "oslo")])
    assert found.n_unknown == 2
    np.testing.assert_array_equal(found.raw[0], [4 + 1.5, 3.5])  # of 4 known and 2 unknown
    assert len(fitted.evaluate([]).triples) == 0


def test_relations_that_the_predictor_does_not_know_stay_in_the_test(fitted):
    found = fitted.evaluate([("paris", "twin", "rome"), ("paris", "borders", "italy")])
    assert found.n_unknown == 1
    np.testing.assert_array_equal(found.filtered[:, 0], 2.5)  # all 4 are tied
    assert found.by_relation()["twin"]["mr"] == 2.5
    assert "1 of 2 triples have an unknown entity or relation" in str(found)


def test_a_relation_of_validation_triples_only():
    with pytest.warns(UserWarning, match="1 of 2 relations occur only in validation triples"):
        predictor = LinkPredictor(**SMALL).fit([("a", "r", "b")], [("a", "s", "b")])
    assert predictor.relations_ == ["r", "s"]
    with pytest.raises(ValueError, match="pass at least one training triple"):
        LinkPredictor(**SMALL).fit([])


def test_ids_of_mixed_types():
    with pytest.raises(TripleError, match="entity have mixed types, such as 1 and 'b'"):
        LinkPredictor(**SMALL).fit([(1, "r", "b")])
    with pytest.raises(TripleError, match="relation have mixed types"):
        LinkPredictor(**SMALL).fit([("a", "r", "b"), ("a", 0, "b")])
    with pytest.raises(TripleError, match="mixed types"):
        LinkPredictor(**SMALL).fit([("a", "r", "b")], [("a", "r", 3)])


def test_duplicates_count_once_and_are_counted():
    triples = [("a", "r", "b"), ("b", "r", "c")]
    with pytest.warns(UserWarning, match="1 of 3 triples occur more than once: each counts once"):
        twice = LinkPredictor(**SMALL).fit([*triples, triples[0]])
    once = LinkPredictor(**SMALL).fit(triples)
    assert (twice.n_duplicates_, once.n_duplicates_) == (1, 0)
    np.testing.assert_array_equal(twice.transform(), once.transform())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"features": features()}, "pass entities=, or a frame with ids as index"),
        ({"features": features(), "entities": PLACES[:-1]}, "39 entities, but features of 40"),
        ({"features": features()[:-1], "entities": PLACES[:-1]}, "1 entities .* such as 'p39'"),
        (
            {"features": features()[[0] * 40], "entities": ["p0"] * 40},
            "'p0' has features more",
        ),
        ({"features": np.full((40, 2), np.nan), "entities": PLACES}, "features contains NaN"),
    ],
)
def test_features_that_are_missing(given, message):
    with pytest.raises(ValueError, match=message):
        LinkPredictor(**SMALL).fit(chain()[0], **given)


def test_features_are_found_by_ids_and_by_the_names_of_their_columns():
    triples = chain()[0]
    frame = pd.DataFrame(features(), index=PLACES).add_prefix("f")
    expected = LinkPredictor(**SMALL).fit(triples, features=frame)
    mixed = frame.sample(frac=1, random_state=0)
    with_ids = mixed.reset_index(names="id")
    for given in (
        {"features": mixed, "entities": PLACES},
        {"features": with_ids, "entities": PLACES},
        {"features": pl.DataFrame(with_ids), "entities": pl.Series(PLACES)},
        {"features": frame.reset_index(drop=True), "entities": PLACES},
        {"features": frame.reset_index(names="entity")},
        {"features": frame.reset_index(names="entity").to_dict("list")},
    ):
        found = LinkPredictor(**SMALL).fit(triples, **given)
        np.testing.assert_array_equal(found.transform(), expected.transform())
    swapped = frame[frame.columns[::-1]]
    Y = expected.transform(features=frame.iloc[:2])
    np.testing.assert_array_equal(expected.transform(features=swapped.iloc[:2]), Y)
    np.testing.assert_array_equal(expected.transform(features=pl.DataFrame(swapped[:2])), Y)
    with pytest.raises(ValueError, match="no column 'f0', a feature of the training data"):
        expected.transform(features=frame.drop(columns="f0"))
    with pytest.raises(ValueError, match="entity 'p39' has no features in the frame"):
        LinkPredictor(**SMALL).fit(triples, features=frame[:-1], entities=PLACES)
    for call in (
        lambda: expected.transform("p01"),
        lambda: LinkPredictor(**SMALL).fit(triples, entities="p01"),
    ):
        with pytest.raises(TripleError, match="entities must be a sequence of ids, got 'p01'"):
            call()


def test_features_of_new_entities():
    frame = pd.DataFrame(features(), index=PLACES)
    predictor = LinkPredictor(**SMALL).fit(chain()[0], features=frame)
    X = features()[:1]
    for ask, message in (
        (lambda: predictor.add_entities(["p00"], X), "entity 'p00' exists already"),
        (lambda: predictor.add_entities(["x", "y"], X), "2 ids, but features of 1"),
        (lambda: predictor.add_entities(["x"], X[:, 1:]), "11 features, but training had 12"),
        (
            lambda: predictor.add_entities(["x", "x"], X[[0, 0]]),
            "ids must be unique, got one more than once",
        ),
        (
            lambda: predictor.predict(None, "next", features=features()[:2]),
            "features must be of one entity",
        ),
        (
            lambda: predictor.predict("p00", "next", features=X),
            "pass either the id of an entity or features=",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
    assert predictor.entities_ == PLACES
    untied = LinkPredictor(**SMALL, tied=False).fit(chain()[0], features=frame)
    with pytest.raises(ValueError, match="tied=False"):
        untied.add_entities(["x"], X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components must be an integer >= 1, got 0"),
        ({"n_components": 5}, "n_components must be even .* got 5"),
        (
            {"relation_matrix": "cubic"},
            "relation_matrix must be one of 'complex', 'diagonal', 'full', got 'cubic'",
        ),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"n3": -1}, "n3 must be a finite number >= 0"),
        ({"dropout": 1.0}, "dropout must be a number >= 0 and < 1"),
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0"),
        ({"n_negatives": 0}, "n_negatives must be an integer >= 1"),
        ({"n_negatives": 5, "loss": "bce"}, "n_negatives requires loss='softmax'"),
        ({"n_negatives": 5, "tied": False}, "n_negatives requires tied=True"),
        ({"n_negatives": 5, "optimizer": "adam"}, "n_negatives requires optimizer='adagrad'"),
        ({"hidden_layers": (0,)}, "each size in hidden_layers must be an integer >= 1"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        LinkPredictor(**{**SMALL, **parameters}).fit([("a", "r", "b")])


def test_training_that_diverges_says_so():
    from sklearn.exceptions import ConvergenceWarning

    predictor = LinkPredictor(
        **{**SMALL, "optimizer": "adam", "learning_rate": 1e30, "batch_size": 500}
    )
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 2: try learning_rate=1e"):
        predictor.fit(chain()[0])
    assert np.isfinite(predictor.transform()).all()


def test_ctrl_c_keeps_the_best(monkeypatch):
    from simec.links import training

    epoch, calls = training.LinkTrainer._epoch, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return epoch(self, *args)

    monkeypatch.setattr(training.LinkTrainer, "_epoch", interrupted)
    predictor = LinkPredictor(**{**SMALL, "max_iter": 9})
    with pytest.raises(KeyboardInterrupt):
        predictor.fit(chain()[0])
    assert predictor.n_iter_ == 2
    monkeypatch.undo()
    same = LinkPredictor(**SMALL).fit(chain()[0])
    np.testing.assert_array_equal(predictor.transform(), same.transform())
