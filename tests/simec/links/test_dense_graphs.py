"""Graphs where many or all links are true, and graphs of a few entities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from simec.links import LinkPredictor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = {
    "thesis": lambda: LinkPredictor.thesis(4, max_iter=2, random_state=0),
    "bce": lambda: LinkPredictor(4, loss="bce", max_iter=2, random_state=0),
    "fine-tuned": lambda: LinkPredictor(4, loss="bce", fine_tune=True, max_iter=2, random_state=0),
    "softmax": lambda: LinkPredictor(4, max_iter=2, random_state=0),
    "kvsall": lambda: LinkPredictor(4, targets="kvsall", dropout=0.5, max_iter=2, random_state=0),
    "negatives": lambda: LinkPredictor(4, n_negatives=1, max_iter=2, random_state=0),
}


def fits(kind, triples, valid, folder):
    predictor = KINDS[kind]().fit(triples, valid)
    predictor.save(folder)
    loaded = LinkPredictor.load(folder)
    head, relation, _ = triples[0]
    answers = loaded.predict(head, relation, exclude_known=False)
    assert len(answers) == min(10, len(predictor.entities_))
    assert all(np.isfinite(answer.score) for answer in answers)
    assert np.isfinite(predictor.loss_curve_).all()
    assert 0 < predictor.evaluate(triples).measures()["mrr"] <= 1


@settings(max_examples=40)
@given(st.sampled_from(sorted(KINDS)), st.integers(1, 3), st.integers(1, 4), st.data())
def test_small_graphs(tmp_path_factory, kind, n_entities, n_relations, data):
    cells = [(f"e{h}", f"r{r}", f"e{t}") for h in range(n_entities) for r in range(n_relations)
             for t in range(n_entities)]  # fmt: skip
    chosen = data.draw(st.one_of(st.just(cells), st.lists(st.sampled_from(cells), min_size=1,
                                                          unique=True)))  # fmt: skip
    valid = chosen[:2] if data.draw(st.booleans()) else None
    fits(kind, chosen, valid, tmp_path_factory.mktemp("links") / "model")


@pytest.mark.parametrize("kind", ["thesis", "bce"])
def test_more_triples_than_pairs_of_entities(kind, tmp_path):
    """14 entities, 55 relations and 1,592 triples, of which relation 0 holds everywhere."""
    rng = np.random.default_rng(0)
    cells = {(int(h), 0, int(t)) for h in range(14) for t in range(14)}
    while len(cells) < 1592:
        cells.add((int(rng.integers(14)), int(rng.integers(1, 55)), int(rng.integers(14))))
    triples = [(f"e{h}", f"r{r}", f"e{t}") for h, r, t in sorted(cells)]
    fits(kind, triples, triples[::40], tmp_path / "model")


def test_features_that_overflow_are_named():
    names, features = list("abcd"), np.arange(12.0).reshape(4, 3)
    triples = [("a", "r", "b"), ("b", "r", "c")]
    predictor = LinkPredictor(4, max_iter=2, random_state=0)
    with pytest.raises(ValueError, match="features must have values from .* scale features"):
        predictor.fit(triples, entities=names, features=features * 1e30)
    predictor.fit(triples, entities=names, features=features)
    with pytest.raises(ValueError, match="features must have values from"):
        predictor.transform(features=features[:1] + 1e30)


@pytest.mark.parametrize("kind", KINDS)
def test_training_that_diverges_at_once_is_an_error(kind):
    triples = [("a", "r", "b"), ("b", "r", "c")]
    predictor = KINDS[kind]().set_params(init_scale=1e38, n3=1.0)
    with pytest.raises(ValueError, match="diverged in the first epoch.* try learning_rate="):
        predictor.fit(triples)
    assert not hasattr(predictor, "embeddings_")
