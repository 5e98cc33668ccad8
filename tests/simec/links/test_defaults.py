"""Parameters that are chosen from the graph."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import ModelError
from simec.links import LinkPredictor
from simec.links.defaults import AUTO, CHOSEN, GraphSize, choose
from simec.links.predictor import check_parameters
from tests.model_folders import reseal
from tests.simec.links.graph import chain

VALUES = {
    "n_components": 6, "n3": 0.2, "dropout": 0.1, "n_negatives": None, "batch_size": 7,
    "max_iter": 3, "n_iter_no_change": 2,
}  # fmt: skip


@settings(max_examples=100)
@given(
    n=st.integers(1, 10**6), k=st.integers(1, 1000), m=st.integers(1, 10**7),
    given_names=st.sets(st.sampled_from(CHOSEN)),
    more=st.sampled_from([
        {}, {"loss": "bce"}, {"optimizer": "adam"}, {"tied": False}, {"fine_tune": True},
    ]),
)  # fmt: skip
def test_chosen_values_are_valid_and_given_ones_stay(n, k, m, given_names, more):
    predictor = LinkPredictor(**{name: VALUES[name] for name in given_names}, **more)
    size = GraphSize(n, k, m, n_queries=max(1, m // 2))
    chosen = choose(predictor.get_params(deep=False), size)
    assert set(chosen) == set(CHOSEN) - given_names
    assert AUTO not in chosen.values()
    check_parameters(predictor.set_params(**chosen))


def test_small_graphs_get_more_epochs_and_patience():
    parameters = LinkPredictor().get_params(deep=False)
    small, large = (
        choose(parameters, GraphSize(n, 40, m, m)) for n, m in ((100, 5000), (15_000, 300_000))
    )
    for name in ("max_iter", "n_iter_no_change"):
        assert small[name] > large[name]
    assert small["batch_size"] <= large["batch_size"]
    assert small["n_negatives"] is None
    assert large["n_negatives"]
    assert small["n3"] < large["n3"]
    assert small["dropout"] > large["dropout"]


def test_sizes_are_those_of_the_graph():
    triples = np.array([[0, 0, 1], [0, 0, 2], [1, 1, 2], [2, 0, 0]])
    size = GraphSize.of(triples, 4, 2)
    assert (size.n_entities, size.n_relations, size.n_triples) == (4, 2, 4)
    assert size.n_queries == 3 + 4  # (0, 0), (1, 1), (2, 0); tails 1, 2 and 0 of 0, and 2 of 1
    assert size.density == 4 / 16


@pytest.mark.slow
def test_what_was_chosen_is_logged_published_and_saved(tmp_path, caplog):
    train, valid = chain()
    with caplog.at_level("INFO", logger="simec.links"):
        predictor = LinkPredictor(6, max_iter=3, batch_size=16, random_state=0).fit(train, valid)
    assert "40 entities, 2 relations, 70 triples" in caplog.text
    assert f"n3={predictor.parameters_['n3']}" in caplog.text
    assert predictor.n3 == AUTO
    assert AUTO not in predictor.parameters_.values()
    assert predictor.parameters_["batch_size"] == 16
    again = LinkPredictor(**predictor.parameters_, random_state=0).fit(train, valid)
    np.testing.assert_array_equal(again.transform(), predictor.transform())
    predictor.save(tmp_path / "m")
    loaded = LinkPredictor.load(tmp_path / "m")
    assert loaded.parameters_ == predictor.parameters_
    assert loaded.n3 == AUTO


def test_saved_values_are_checked(tmp_path):
    train, valid = chain()
    LinkPredictor(6, max_iter=1, random_state=0).fit(train, valid).save(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    config = json.loads(path.read_text())
    for value, message in (("auto", "must have a value for dropout"), (-1, "dropout must be")):
        changed = {**config["fitted_parameters"], "dropout": value}
        path.write_text(json.dumps({**config, "fitted_parameters": changed}))
        reseal(tmp_path / "m")
        with pytest.raises(ModelError, match=message):
            LinkPredictor.load(tmp_path / "m")


@pytest.mark.parametrize("known", [None, [("p00", "next", "p05"), ("p00", "next", "zzz")]])
def test_validation_and_evaluation_filter_alike(known):
    train, valid = chain()
    predictor = LinkPredictor(6, max_iter=3, random_state=0).fit(train, valid, known=known)
    found = predictor.evaluate(valid, known=known).measures()["mrr"]
    assert predictor.best_score_ == pytest.approx(found, rel=1e-6)


def test_known_triples_raise_validation_ranks_and_are_not_trained_on():
    train, valid = chain()
    known = [(h, r, f"p{i:02}") for h, r, _ in valid for i in range(40)]
    plain, filtered = (
        LinkPredictor(6, max_iter=3, random_state=0).fit(train, valid, known=more)
        for more in (None, known)
    )
    assert plain.loss_curve_ == filtered.loss_curve_
    assert filtered.best_score_ > plain.best_score_
    assert len(filtered.predict("p00", "next", topn=100)) > 30  # known ones are not excluded


def test_callbacks_see_the_parameters_before_training():
    class Watch:
        seen = ()

        def on_train_begin(self, predictor):
            assert not hasattr(predictor, "embeddings_")
            self.seen = [*self.seen, predictor.parameters_["batch_size"]]

    watch = Watch()
    train, _ = chain()
    LinkPredictor(6, max_iter=2, random_state=0).fit(train, callbacks=watch)
    assert watch.seen == [100]
