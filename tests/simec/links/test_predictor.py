"""LinkPredictor: what it learns, for which form, and what it keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from simec.links import LinkPredictor
from simec.links.network import LinkNetwork
from simec.links.queries import Queries, both_ways
from simec.links.training import LinkSchedule, LinkTrainer
from tests.simec.links.graph import PLACES, N, chain, features
from tests.simec.links.oracle import both_ranks

SMALL = {"n_components": 20, "batch_size": 16, "max_iter": 60, "random_state": 0}
FORMS = {
    "complex": {},
    "diagonal": {"relation_matrix": "diagonal"},
    "full": {"relation_matrix": "full", "init_scale": 0.1},
    "kvsall": {"targets": "kvsall"},
    "negatives": {"n_negatives": 15},
    "adam": {"optimizer": "adam", "learning_rate": 0.02, "init_scale": 0.1},
    "dropout": {"dropout": 0.1},
    "untied": {"tied": False, "init_scale": 0.1},
    "bce": {"loss": "bce", "init_scale": 0.1, "n3": 0.001},
}


@pytest.fixture(scope="module")
def fitted():
    train, test = chain()
    return LinkPredictor(**SMALL).fit(train, entities=PLACES), train, test


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.slow
def test_what_follows_is_found(form):
    train, test = chain()
    predictor = LinkPredictor(**{**SMALL, **FORMS[form]}).fit(train, entities=PLACES)
    chance = np.mean(1 / np.arange(1, N + 1))
    assert predictor.evaluate(test).measures()["mrr"] > 3 * chance
    assert predictor.loss_curve_[-1] < predictor.loss_curve_[0]
    assert predictor.n_iter_ == 60
    assert np.isnan(predictor.best_score_)


@pytest.mark.slow
def test_preset_of_the_thesis():
    steps, _ = chain(n_test=0)
    kinds = [(place, "is", f"k{i % 2}") for i, place in enumerate(PLACES)]
    train, valid = [*steps[:60], *kinds[:30]], [*steps[60:], *kinds[30:]]
    few = {"batch_size": 16, "max_iter": 30, "n_iter_no_change": 10, "random_state": 0}
    predictor = LinkPredictor.thesis(20, **few).fit(train, valid)
    network = predictor.network_
    assert network.last.shape == (N + 2, 20)
    assert network.relation_matrices.weight.shape == (6, 20, 20)
    assert network.bias.shape == (6, N + 2)
    for each in (network.relation_matrices.weight, network.bias):  # each relation has its own
        assert len({float(values.detach().sum()) for values in each}) > 1
    # what is an answer to this relation at all
    best = network.bias[predictor.relations_.index("is")].topk(2).indices
    assert {predictor.entities_[i] for i in best} == {"k0", "k1"}
    chance = np.mean(1 / np.arange(1, N + 3))
    assert predictor.evaluate(valid).measures()["mrr"] > 3 * chance


@pytest.mark.slow
def test_one_matrix_for_all_does_not_tell_relations_apart():
    train, test = chain(n_test=24)
    valid = test[:16]
    few = {"batch_size": 16, "max_iter": 60, "n_iter_no_change": 30, "random_state": 0}
    predictor = LinkPredictor.thesis(20, **few).fit(train, valid, entities=PLACES)
    tuned = predictor.evaluate(valid).measures()["mrr"]
    parameters = {**predictor.get_params(), "fine_tune": False, "max_iter": 1}
    untrained = LinkPredictor(**parameters).fit(train, entities=PLACES)
    assert tuned > 2 * untrained.evaluate(valid).measures()["mrr"]


def test_scores_have_constants_of_their_relation():
    train, test = chain()
    predictor = LinkPredictor.thesis(6, max_iter=2, random_state=0).fit(train)
    numbers = {place: i for i, place in enumerate(predictor.entities_)}
    network, Y = predictor.network_, predictor.embeddings_
    with torch.no_grad():
        table = torch.stack([
            network.relation_matrices(Y, torch.full((N,), r)) @ network.last.T + network.bias[r]
            for r in range(4)
        ])  # fmt: skip
    for head, relation, tail in test:
        h, r, t = numbers[head], predictor.relations_.index(relation), numbers[tail]
        both = float(table[r, h, t] + table[r + 2, t, h]) / 2
        assert float(predictor.score([(head, relation, tail)])[0]) == pytest.approx(both, rel=1e-4)
        best = predictor.predict(head, relation, 1, exclude_known=False)[0]
        assert best.score == pytest.approx(float(table[r, h].max()), rel=1e-4)


@pytest.mark.slow
def test_ranks_are_those_of_its_scores(fitted):
    predictor, train, test = fitted
    numbers = {place: i for i, place in enumerate(predictor.entities_)}
    relations = {relation: i for i, relation in enumerate(predictor.relations_)}
    network, Y = predictor.network_, predictor.embeddings_
    with torch.no_grad():
        table = np.stack([
            (network.relation_matrices(Y, torch.full((N,), r)) @ Y.T).numpy() for r in range(4)
        ])  # fmt: skip
    encoded, known = (
        [(numbers[h], relations[r], numbers[t]) for h, r, t in part]
        for part in (test, train + test)
    )
    raw, filtered = both_ranks(lambda side, e, r, x: table[r + 2 * side, e, x], encoded, known, N)
    found = predictor.evaluate(test)
    np.testing.assert_allclose(found.raw, raw)
    np.testing.assert_allclose(found.filtered, filtered)
    h, r, t = np.array(encoded).T
    np.testing.assert_allclose(
        predictor.score(test), (table[r, h, t] + table[r + 2, t, h]) / 2, rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_predict_leaves_out_what_is_known(fitted):
    predictor, train, _ = fitted
    head, relation, tail = train[0]
    with_known = predictor.predict(head, relation, 3, exclude_known=False)
    assert with_known[0].entity == tail
    assert [link.score for link in with_known] == sorted(
        (link.score for link in with_known), reverse=True
    )
    assert tail not in [link.entity for link in predictor.predict(head, relation, N)]
    assert len(predictor.predict(head, relation, N + 5)) == N - 1
    assert predictor.predict_head(relation, tail, 1, exclude_known=False)[0].entity == head


def test_validation_stops_training_and_its_best_weights_stay():
    train, test = chain()
    predictor = LinkPredictor(**{**SMALL, "max_iter": 100, "n_iter_no_change": 3})
    predictor.fit(train, test, entities=PLACES)
    curve = predictor.validation_curve_
    assert len(curve) == predictor.n_iter_ < 100
    assert predictor.best_score_ == max(curve) == curve[-4]
    assert predictor.evaluate(test).measures()["mrr"] == pytest.approx(max(curve))


def test_the_same_seed_gives_the_same():
    train, _ = chain()
    first, second, other = (
        LinkPredictor(**{**SMALL, "max_iter": 3, "dropout": 0.1, "random_state": seed}).fit(train)
        for seed in (0, 0, 1)
    )
    torch.testing.assert_close(first.embeddings_, second.embeddings_, rtol=0, atol=0)
    assert not torch.equal(first.embeddings_, other.embeddings_)


def test_negatives_for_all_entities_are_all_entities():
    train, _ = chain()
    first, second = (
        LinkPredictor(**{**SMALL, "max_iter": 3, "n_negatives": n}).fit(train) for n in (None, N)
    )
    torch.testing.assert_close(first.embeddings_, second.embeddings_)


@pytest.mark.slow
def test_it_is_an_estimator(fitted):
    predictor, _, _ = fitted
    again = clone(predictor)
    assert again.get_params() == predictor.get_params()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        again.predict("p00", "next")
    assert "n_components=20" in repr(again)


def test_ids_are_kept_as_given():
    triples = [(10, 0, 7), (7, 0, 3), (3, 1, 10)]
    predictor = LinkPredictor(**{**SMALL, "max_iter": 2}).fit(np.array(triples), entities=[99, 7])
    assert predictor.entities_ == [99, 7, 3, 10]
    assert predictor.relations_ == [0, 1]
    assert all(type(entity) is int for entity in predictor.entities_)
    assert type(predictor.predict(np.int64(7), 0)[0].entity) is int


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("more", [{}, {"hidden_layers": (16,)}, {"n_negatives": 15}])
@pytest.mark.slow
def test_features_give_links_to_entities_never_seen(as_sparse, more):
    train, _ = chain()
    # places in the last part of the chain look like those 10 before
    X = features()
    X[30:] = X[20:30] + 0.01 * features(1)[30:]
    X = sparse.csr_matrix(X) if as_sparse else X
    # nothing of p35 is known, but it looks like p25, which is before p26
    seen = [triple for triple in train if "p35" not in triple]
    others = [i for i in range(N) if i != 35]
    predictor = LinkPredictor(**{**SMALL, "n3": 0.0, **more})
    predictor.fit(
        [*{*seen, ("p25", "next", "p26")}], entities=[PLACES[i] for i in others], features=X[others]
    )
    best = predictor.predict(None, "next", 4, features=X[[35]])
    assert "p26" in [link.entity for link in best]
    before = predictor.evaluate([("p24", "next", "p35")])
    assert before.n_unknown == 1
    predictor.add_entities(["p35"], X[[35]])
    assert predictor.predict("p35", "next", 4) == best
    assert predictor.predict("p35", "next", N)[0].entity != "p35"
    after = predictor.evaluate([("p24", "next", "p35")])
    assert after.n_unknown == 0
    assert after.raw[0, 0] < before.raw[0, 0] == N
    np.testing.assert_allclose(
        predictor.transform(["p35"]), predictor.transform(features=X[[35]]), rtol=1e-6
    )
    assert predictor.transform().shape == (N, 20)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("form", ["1vsall", "kvsall", "bce"])
def test_gradient_of_a_step_is_that_of_the_objective(form, tied):
    """The hand-made way back, shared memory and all, against autograd on the plain objective."""
    torch.manual_seed(0)
    links = both_ways(np.array([[0, 0, 1], [0, 0, 2], [3, 1, 1], [2, 1, 0]]), 2)
    queries = Queries.of(links)
    bce = form == "bce"
    network = LinkNetwork(5, 4, 6, "complex", tied=tied, n_biases=int(bce), scale=0.5)
    schedule = LinkSchedule(
        "bce" if bce else "softmax", "1vsall" if bce else form, "adagrad", 1e-9,
        0.0 if bce else 0.1, 0.0, None, 99, 1, 1,
    )  # fmt: skip
    trainer = LinkTrainer(network, None, 5, schedule, 0, torch.device("cpu"))
    error = trainer._step(queries, np.arange(len(queries)), torch.Generator())
    ours = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    Y, matrices = network.encoder.weight, network.relation_matrices
    W = Y if tied else network.last
    h, r, t = torch.from_numpy(links).T
    scores = matrices(Y[h], r) @ W.T
    # links of the same query
    same = ((h[:, None] == h) & (r[:, None] == r)).float()
    if bce:
        targets = (same @ torch.nn.functional.one_hot(t, 5).float()).clamp(max=1)
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            scores + network.bias, targets, reduction="none"
        )
        loss = (each.sum(1) / same.sum(1)).sum() / len(queries)
    else:
        weights = 1 / same.sum(1) / len(queries) if form == "kvsall" else torch.full((8,), 1 / 8)
        vectors = Y[h], matrices.weight[r], W[t]
        cubes = sum(torch.complex(*x.chunk(2, 1)).abs().pow(3).sum(1) for x in vectors)
        each = torch.nn.functional.cross_entropy(scores, t, reduction="none")
        loss = ((each + 0.1 * cubes) * weights).sum()
    loss.backward()
    assert float(error) == pytest.approx(loss.item(), rel=1e-5)
    for name, p in network.named_parameters():
        torch.testing.assert_close(ours[name], p.grad, rtol=1e-4, atol=1e-7)
