"""A GPU gives what the CPU gives: fits, answers and models on disk."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from simec import SimilarityEncoder
from simec.explain import explain_similarity
from simec.links import LinkPredictor
from simec.recommender import Recommender
from tests.simec.links import graph

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
DEVICES = ("cpu", "cuda")

ENCODERS = {
    "exact": {"solver": "exact"},
    "linear, adam": {"solver": "adam"},
    "auto": {"hidden_layers": (16,)},
    "adam": {"hidden_layers": (16,), "solver": "adam", "init": "random"},
    "symmetric": {"hidden_layers": (16,), "symmetric": 1.0},
    "held out": {"hidden_layers": (16,), "early_stopping": True},
}
PREDICTORS = {
    "complex": {},
    "drawn": {"n_negatives": 15},
    "full": {"relation_matrix": "full", "n3": 0.0},
    "bce": {"loss": "bce", "n3": 0.0},
    "thesis": LinkPredictor.thesis().get_params(),
    "features": {"hidden_layers": (5,)},
}


@pytest.fixture(autouse=True)
def _exact_products():
    """Products of float32 in float32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


def data(seed=0, m=200, features=30):
    random = np.random.default_rng(seed)
    X = random.standard_normal((m, features)).astype(np.float32)
    B = np.tanh(X @ random.standard_normal((features, 5)).astype(np.float32) / 5)
    return X, (B @ B.T).astype(np.float32)


def fit(estimator, *data, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data, **more)


@pytest.mark.parametrize("kind", ["dense", "sparse", "identity", "gaps", "sparse targets"])
@pytest.mark.parametrize("form", list(ENCODERS))
def test_encoders(form, kind):
    X, S = data()
    new = X[:7]
    if kind == "sparse":
        X[np.abs(X) < 1] = 0
        X = sparse.csr_matrix(X)
        new = X[:7]
    elif kind == "identity":
        if ENCODERS[form].get("hidden_layers"):
            pytest.skip("the identity has a linear network here")
        X, new = None, np.arange(7)
    elif kind == "gaps":
        S[np.random.default_rng(1).random(S.shape) < 0.3] = np.nan
    elif kind == "sparse targets":
        S[np.random.default_rng(1).random(S.shape) < 0.7] = 0
        S = sparse.csr_matrix(S)
    given = {"max_iter": 5, "random_state": 0, "mixed_precision": False, **ENCODERS[form]}
    if kind in ("gaps", "sparse targets") and given.get("solver") == "exact":
        given["l2"] = 0.01
    if given.get("symmetric") and kind == "sparse targets":
        given["symmetric"] = 0.5
    found = [fit(SimilarityEncoder(4, device=device, **given), X, S) for device in DEVICES]
    assert next(found[1].module_.parameters()).device.type == "cuda"
    predicted = [encoder.predict(new) for encoder in found]
    scale = np.abs(predicted[0]).max()
    np.testing.assert_allclose(predicted[1], predicted[0], rtol=0, atol=0.02 * scale)
    assert found[1].best_loss_ == pytest.approx(found[0].best_loss_, rel=0.02, abs=1e-6)


def test_products_in_bfloat16_are_nearly_as_good():
    X, S = data(m=400)
    given = {"hidden_layers": (32,), "max_iter": 30, "random_state": 0}
    errors = [
        np.square(fit(SimilarityEncoder(5, device=device, **given), X, S).predict(X) - S).mean()
        for device in DEVICES
    ]
    assert errors[1] < 1.2 * errors[0] + 1e-3 * np.square(S).mean()


def test_encoders_move_between_devices(tmp_path):
    X, S = data()
    encoder = fit(SimilarityEncoder(4, device="cuda", random_state=0, max_iter=3), X, S)
    encoder.save(tmp_path / "m")
    loaded = SimilarityEncoder.load(tmp_path / "m", device="cpu")
    np.testing.assert_allclose(loaded.transform(X), encoder.transform(X), rtol=1e-4, atol=1e-4)


def test_a_resumed_run_ends_where_the_whole_run_does(tmp_path):
    X, S = data()
    given = {"hidden_layers": (16,), "max_iter": 6, "random_state": 0, "device": "cuda"}

    def interrupt(encoder):
        if len(encoder.loss_curve_) == 3:
            raise KeyboardInterrupt

    whole = fit(SimilarityEncoder(4, **given), X, S)
    with pytest.raises(KeyboardInterrupt):
        fit(SimilarityEncoder(4, **given), X, S, checkpoint=tmp_path / "m", callbacks=interrupt)
    resumed = fit(SimilarityEncoder(device="cuda"), X, S, resume_from=tmp_path / "m")
    np.testing.assert_allclose(resumed.loss_curve_, whole.loss_curve_, rtol=1e-4)
    assert next(resumed.module_.parameters()).device.type == "cuda"


@pytest.mark.parametrize("form", list(PREDICTORS))
def test_predictors(form, tmp_path):
    train, test = graph.chain()
    small = {"n_components": 6, "max_iter": 4, "batch_size": 16, "random_state": 0}
    more = {"features": graph.features()} if form == "features" else {}
    found = [
        LinkPredictor(**{**PREDICTORS[form], **small, "device": device}).fit(
            train, test, entities=graph.PLACES, **more
        )
        for device in DEVICES
    ]
    assert found[1].embeddings_.device.type == "cuda"
    np.testing.assert_allclose(found[1].loss_curve_, found[0].loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(found[1].score(test), found[0].score(test), rtol=0.01, atol=0.01)
    head = graph.PLACES[3]
    assert len(found[1].predict(head, "next", 5)) == 5
    found[1].save(tmp_path / "m")
    loaded = LinkPredictor.load(tmp_path / "m", device="cpu")
    np.testing.assert_allclose(loaded.score(test), found[1].score(test), rtol=1e-4, atol=1e-5)
    on_gpu = LinkPredictor.load(tmp_path / "m", device="cuda")
    assert on_gpu.evaluate(test).measures() == found[1].evaluate(test).measures()


def ratings(seed=0):
    random = np.random.default_rng(seed)
    taste, kind = random.standard_normal((40, 3)), random.standard_normal((60, 3))
    there = random.random((40, 60)) < 0.4
    values = np.clip(np.round(3 + taste @ kind.T), 1, 5)
    triples = [(u, i, values[u, i]) for u, i in np.argwhere(there).tolist()]
    return triples, kind.astype(np.float32)


@pytest.mark.parametrize("form", ["averages and identity", "features", "implicit"])
def test_recommenders(form):
    triples, kind = ratings()
    more = {"item_features": (list(range(60)), kind)} if form == "features" else {}
    feedback = "implicit" if form == "implicit" else "explicit"
    on_cpu, on_gpu = (
        fit(Recommender(3, feedback=feedback, random_state=0, device=device), triples, **more)
        for device in DEVICES
    )
    users, items, _ = zip(*triples[:50], strict=True)
    np.testing.assert_allclose(
        on_gpu.predict(users, items), on_cpu.predict(users, items), rtol=0, atol=0.02
    )
    assert len(on_gpu.recommend(0, 5)) == 5


def test_explanations():
    X, S = data()
    found = []
    encoder = fit(
        SimilarityEncoder(4, hidden_layers=(16,), device="cuda", random_state=0, max_iter=3), X, S
    )
    for device in DEVICES:
        encoder.module_.to(device)
        encoder.device_ = torch.device(device)
        said = explain_similarity(encoder, X[:1], X[1:2])
        found.append((said.first.relevances, said.second.relevances))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-3, atol=1e-4)


def test_molecules():
    from simec.molecules import SchNet
    from tests.simec.molecules.test_schnet import made_up

    molecules = made_up(30)
    found = []
    for device in DEVICES:
        torch.manual_seed(0)
        network, batch = SchNet(16, 2).to(device), molecules.batch().to(device)
        embeddings, counts = network(batch)
        embeddings.square().sum().backward()
        assert counts.device.type == device
        found.append([embeddings, *(p.grad for p in network.parameters())])
    for on_cpu, on_gpu in zip(*found, strict=True):
        torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=1e-3, atol=1e-3)
