"""Fine-tuned estimators on disk, copies of them, and what scikit-learn expects."""

from __future__ import annotations

import copy
import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

from simec import ModelError, SimilarityEncoder
from simec.pretraining import PretrainedClassifier, PretrainedRegressor
from tests.golden import EXPECTED, golden
from tests.model_folders import reseal
from tests.simec.pretraining.networks import (
    CLASSES,
    VALUES,
    Atoms,
    X,
    classifier,
    energies,
    net,
    random_sets,
    regressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def cubed(predicted, target):
    return (predicted - target).abs() ** 3


def largest(parts):
    return parts.max(dim=1).values


CASES = {
    "classes": lambda: (classifier(head=(4,), max_iter=2), X, CLASSES, {}),
    "numbers": lambda: (classifier(max_iter=2), X, np.arange(80) % 3 - 1, {}),
    "objects": lambda: (classifier(max_iter=2), X, CLASSES.astype(object), {}),
    "flags": lambda: (classifier(max_iter=2), X, CLASSES == "fox", {}),
    "floats": lambda: (classifier(max_iter=2), X, np.arange(80) % 2 + 1.0, {}),
    "values": lambda: (regressor(max_iter=2, network_learning_rate={"0": 1e-4}), X, VALUES, {}),
    "two values": lambda: (regressor(max_iter=2), X, np.stack([VALUES, X[:, 0]], 1), {}),
    "start": lambda: (classifier(init="ridge", head=(3,), max_iter=2), X, CLASSES, {}),
    "start of two values": lambda: (
        regressor(init="ridge", max_iter=2), X, np.stack([VALUES, X[:, 0]], 1), {}
    ),
    "ridge": lambda: (regressor(head="ridge"), X, VALUES, {}),
    "ridge of classes": lambda: (classifier(head="ridge"), X, CLASSES, {}),
    "loss": lambda: (regressor(loss=cubed, max_iter=2), X, VALUES, {"loss": cubed}),
    "pooling": lambda: (
        regressor(Atoms("dense"), pooling=largest, max_iter=2), np.arange(60).reshape(20, 3) % 4,
        X[:20, 0], {"pooling": largest, "network": Atoms("dense", seed=4)},
    ),
    "parts": lambda: (
        regressor(Atoms(), pooling="sum", head=(3,), max_iter=2), random_sets(),
        energies(random_sets()), {"network": Atoms(seed=4)},
    ),
    "names": lambda: (
        classifier(head="ridge"), pd.DataFrame(X, columns=list("abcde")), CLASSES, {}
    ),
    "normed": lambda: (
        classifier(nn.Sequential(net(), nn.BatchNorm1d(16)), max_iter=2), X, CLASSES,
        {"network": nn.Sequential(net(3), nn.BatchNorm1d(16))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_saved_estimators_predict_the_same(tmp_path, name):
    model, data, y, needed = CASES[name]()
    model.fit(data, y)
    path = tmp_path / "model"
    model.save(path)
    if not isinstance(model.network, Atoms):
        model.save(path)  # a second save replaces the first
    loaded = type(model).load(path, **{"network": net(4), **needed})
    expected = model.predict(data)
    found = loaded.predict(data)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    given, got = model.get_params(deep=False), loaded.get_params(deep=False)
    del given["network"], got["network"]
    assert {k: v for k, v in given.items() if k != "head"} == {
        k: v for k, v in got.items() if k != "head"
    }
    assert loaded.n_features_in_ == model.n_features_in_
    assert loaded.loss_curve_ == model.loss_curve_
    if name == "names":
        assert list(loaded.feature_names_in_) == list("abcde")
    loaded.save(tmp_path / "again")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(loaded))):
        np.testing.assert_array_equal(other.predict(data), expected)


def test_similarity_encoders_without_a_custom_network_are_saved_along(tmp_path):
    encoder = SimilarityEncoder(3, hidden_layers=(4,), max_iter=2, device="cpu", random_state=0)
    encoder.fit(X, X @ X.T)
    for head in ((2,), "ridge"):
        model = classifier(encoder, head=head, max_iter=2).fit(X, CLASSES)
        model.save(tmp_path / "model")
        loaded = PretrainedClassifier.load(tmp_path / "model")
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        np.testing.assert_array_equal(loaded.network.transform(X), encoder.transform(X))
        refitted = clone(loaded).fit(X, CLASSES)
        np.testing.assert_array_equal(refitted.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("name", "needed"),
    [("pretrained_classifier", {"network": net(4)}), ("pretrained_regressor", {})],
)
def test_models_of_the_first_format(tmp_path, name, needed):
    expected = EXPECTED[name]
    kind = PretrainedClassifier if "classes" in expected else PretrainedRegressor
    path = golden(name, tmp_path)
    for _ in range(2):
        model = kind.load(path, verify=True, **needed)
        points = np.array(expected["X"], np.float32)
        assert model.n_iter_ == expected["n_iter"]
        np.testing.assert_allclose(model.loss_curve_, expected["losses"], rtol=1e-5)
        found = model.predict(points)
        if "classes" in expected:
            assert model.classes_.tolist() == expected["classes"]
            assert found.tolist() == expected["predict"]
            found = np.ravel(model.predict_proba(points))
            np.testing.assert_allclose(found, expected["predict_proba"], atol=1e-5)
        else:
            np.testing.assert_allclose(found, expected["predict"], rtol=1e-5)
        model.save(path)  # in the present format


def test_what_loading_needs(tmp_path):
    model = regressor(loss=cubed, max_iter=2).fit(X, VALUES)
    model.save(tmp_path / "model")
    with pytest.raises(ModelError, match="custom network: pass network="):
        PretrainedRegressor.load(tmp_path / "model")
    with pytest.raises(ModelError, match="custom loss: pass loss="):
        PretrainedRegressor.load(tmp_path / "model", network=net())
    with pytest.raises(ModelError, match="not a pre-trained classifier.*PretrainedRegressor"):
        PretrainedClassifier.load(tmp_path / "model", network=net(), loss=cubed)
    with pytest.raises(ModelError, match="not a .*Similarity Encoder"):
        SimilarityEncoder.load(tmp_path / "model")
    for other in (nn.Linear(5, 16), nn.Sequential(nn.Linear(5, 8), nn.Tanh())):
        with pytest.raises(ModelError, match="network that was passed is not like the one"):
            PretrainedRegressor.load(tmp_path / "model", network=other, loss=cubed)
    with pytest.raises(FileExistsError, match="another kind of model"):
        classifier(head="ridge").fit(X, CLASSES).save(tmp_path / "model")
    lazy = nn.Sequential(nn.LazyLinear(16), nn.Tanh())
    with pytest.raises(ModelError, match="lazy"):
        PretrainedRegressor.load(tmp_path / "model", network=lazy, loss=cubed)


VALUES_OF = {
    "labels": (None, {}, {"classes": ["a"], "dtype": "<U1"}, {"classes": [2, 1], "dtype": "<i8"},
               {"classes": ["a", 1], "dtype": "<U1"}, {"classes": [1, 2], "dtype": "V9"}),
    "parameters": (None, 5, {"head": "mlp"}, {"unknown": 1}, {"device": 7}),
    "width": (None, -1, 2**40), "last": (0, "x"), "ids": (None, "yes"),
    "n_features": (0, None, "5"), "feature_names": (["a"], 5), "pooling": (5, "max"),
}  # fmt: skip


@pytest.mark.parametrize("key", VALUES_OF)
def test_damaged_configurations(tmp_path, key):
    path = tmp_path / "model"
    classifier(head="ridge").fit(X, CLASSES).save(path)
    config = json.loads((path / "config.json").read_bytes())
    for value in VALUES_OF[key]:
        (path / "config.json").write_text(json.dumps({**config, key: value}))
        reseal(path)
        with pytest.raises(ModelError, match="is damaged"):
            PretrainedClassifier.load(path, network=net())
    del config[key]
    (path / "config.json").write_text(json.dumps(config))
    reseal(path)
    with pytest.raises(ModelError, match="is damaged"):
        PretrainedClassifier.load(path, network=net())


def test_damaged_arrays(tmp_path):
    path = tmp_path / "model"
    regressor(head="ridge").fit(X, VALUES).save(path)
    arrays = safetensors.torch.load_file(path / "arrays.safetensors")
    for name, value in arrays.items():
        for changed in (value[None], value * np.nan, value.to(torch.int32)):
            safetensors.torch.save_file({**arrays, name: changed}, path / "arrays.safetensors")
            reseal(path)
            with pytest.raises(ModelError, match="is damaged"):
                PretrainedRegressor.load(path, network=net())


def test_parameters_of_numpy(tmp_path):
    model = PretrainedRegressor(
        net(), head=np.array([4, 3]), activation=np.str_("relu"), init=np.str_("ridge"),
        learning_rate=np.float32(0.01), network_learning_rate=np.float64(0.001),
        freeze=np.bool_(False), l2=np.float32(0), batch_size=np.int64(16), max_iter=np.int64(2),
        early_stopping=np.bool_(True), validation_fraction=np.float32(0.2), tol=np.float32(1e-3),
        validation_interval=np.int64(1), n_iter_no_change=np.int64(5), random_state=np.int64(1),
    ).fit(X, VALUES)  # fmt: skip
    model.save(tmp_path / "model")
    loaded = PretrainedRegressor.load(tmp_path / "model", network=net())
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_another_network_after_ridge_regression(tmp_path):
    PretrainedRegressor(net(), head="ridge").fit(X, VALUES).save(tmp_path / "model")
    for other in (nn.Linear(X.shape[1], 3), nn.Sequential(net(), net())):
        with pytest.raises(ModelError, match="network that was passed is not like the one"):
            PretrainedRegressor.load(tmp_path / "model", network=other)


def test_the_network_is_plain_torch(tmp_path):
    model = classifier(max_iter=2).fit(X, CLASSES)
    model.save_network(tmp_path / "net.safetensors")
    network = net(5)
    network.load_state_dict(safetensors.torch.load_file(tmp_path / "net.safetensors"))
    np.testing.assert_allclose(network(torch.from_numpy(X)).detach(), model.embed(X), atol=1e-6)
    assert type(model.network_) is nn.Sequential


# scikit-learn


def test_clones_keep_the_pretrained_weights():
    encoder = SimilarityEncoder(3, max_iter=2, device="cpu", random_state=0).fit(X, X @ X.T)
    for network in (net(), encoder):
        model = classifier(network, head=(4,), max_iter=3)
        expected = model.fit(X, CLASSES).predict_proba(X)
        other = clone(model)
        assert not hasattr(other, "module_")
        assert other.network is not network
        np.testing.assert_array_equal(other.fit(X, CLASSES).predict_proba(X), expected)
    assert (
        clone(classifier(network)).get_params(deep=False).keys()
        == model.get_params(deep=False).keys()
    )


def test_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler(), regressor(head="ridge"))
    assert cross_val_score(pipeline, X * 9 + 4, VALUES, cv=3).min() > 0.3
    search = GridSearchCV(classifier(max_iter=3), {"head": [(), (4,), "ridge"]}, cv=2)
    search.fit(X, CLASSES)
    assert set(search.best_estimator_.predict(X)) <= set(CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "head"), [(classifier, ()), (classifier, "ridge"), (regressor, "ridge")]
)
def test_check_estimator(make, head):
    network = nn.Sequential(nn.LazyLinear(32), nn.Tanh())
    model = make(network, head=head, max_iter=30, learning_rate=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ConvergenceWarning, UserWarning))
        results = check_estimator(model, on_skip=None, on_fail=None)
    failed = [r for r in results if r["status"] == "failed"]
    assert not failed, {r["check_name"]: str(r["exception"]) for r in failed}
    assert sum(r["status"] == "passed" for r in results) > 35


def test_the_kind_of_a_folder_is_checked_first(tmp_path):
    SimilarityEncoder(2, max_iter=1).fit(X, X @ X.T).save(tmp_path / "m")
    with pytest.raises(ModelError, match="is not a pre-trained regressor: it holds"):
        PretrainedRegressor.load(tmp_path / "m", network=net())
