"""Predictors on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from simec import ModelError
from simec.links import LinkPredictor
from tests.simec.links.graph import PLACES, chain, features

SMALL = {"n_components": 6, "max_iter": 3, "batch_size": 16, "random_state": 0}
FORMS = {
    "complex": LinkPredictor(**SMALL),
    "full": LinkPredictor(**SMALL, relation_matrix="full", n3=0.0),
    "thesis": LinkPredictor.thesis(**SMALL),
    "features": LinkPredictor(**SMALL, hidden_layers=(5,)),
}


def fitted(form):
    train, test = chain()
    more = {"features": features()} if form == "features" else {}
    return FORMS[form].fit(train, test, entities=PLACES, **more)


@pytest.mark.parametrize("form", list(FORMS))
def test_what_is_loaded_is_what_was_saved(tmp_path, form):
    predictor, (_, test) = fitted(form), chain()
    if form == "features":
        predictor.add_entities(["new"], features()[:1])
    predictor.save(tmp_path / "model")
    loaded = LinkPredictor.load(tmp_path / "model")
    assert loaded.get_params() == {**predictor.get_params(), "hidden_layers": loaded.hidden_layers}
    assert (loaded.entities_, loaded.relations_) == (predictor.entities_, predictor.relations_)
    np.testing.assert_array_equal(loaded.score(test), predictor.score(test))
    assert loaded.predict("p03", "next") == predictor.predict("p03", "next")
    assert loaded.evaluate(test).to_dict() == predictor.evaluate(test).to_dict()
    assert (loaded.loss_curve_, loaded.best_score_, loaded.n_iter_) == (
        predictor.loss_curve_, predictor.best_score_, predictor.n_iter_,
    )  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "config.json", "weights.safetensors",
    ]  # fmt: skip
    if form == "features":
        loaded.add_entities(["newer"], features()[:1])
        torch.testing.assert_close(loaded.embeddings_[-1], loaded.embeddings_[-2])


def test_ids_that_are_numbers_stay_numbers(tmp_path):
    LinkPredictor(**SMALL).fit([(5, 0, 3), (3, 1, 5)]).save(tmp_path / "m")
    assert LinkPredictor.load(tmp_path / "m").predict(5, 0, 1)[0].entity in (3, 5)


def test_what_is_no_predictor(tmp_path):
    with pytest.raises(FileNotFoundError, match="No predictor: there is no such folder"):
        LinkPredictor.load(tmp_path / "nothing")
    folder = tmp_path / "m"
    predictor = fitted("complex")
    predictor.save(folder)
    config = folder / "config.json"
    about = json.loads(config.read_text())
    for change, message in (
        ({"format": "simec.SimilarityEncoder"}, "is no link predictor"),
        ({"format_version": 99}, "format version 99; this version .* reads up to 1"),
        ({"entities": about["entities"][:-1]}, "is damaged"),
        ({"parameters": {**about["parameters"], "n_components": 8}}, "is damaged"),
        ({"parameters": {"new": 1}}, "is damaged"),
        ({"parameters": None}, "is damaged"),
    ):
        config.write_text(json.dumps({**about, **change}))
        with pytest.raises(ModelError, match=message):
            LinkPredictor.load(folder)
    config.write_text(json.dumps(about))
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match="is damaged"):
        LinkPredictor.load(folder)
    predictor.save(folder)  # takes the place of what was there
    assert LinkPredictor.load(folder).entities_ == PLACES


def test_other_things_are_not_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"holds other things \(thesis\.tex\)"):
        fitted("complex").save(tmp_path)
