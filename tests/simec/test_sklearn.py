"""What scikit-learn expects of an estimator."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from torch import nn

from simec import SimilarityEncoder
from tests.simec.encoder_data import fitted, make

EXPECTED_FAILED_CHECKS = {
    "check_fit_score_takes_y": "the second argument is called S, as in the literature",
    "check_n_features_in_after_fitting": "score is called with y=, and the argument is S",
}


@pytest.mark.parametrize(
    "encoder",
    [
        SimilarityEncoder(max_iter=20),
        SimilarityEncoder(solver="exact"),
        SimilarityEncoder(hidden_layers=(4,), init="random", solver="adam", max_iter=3),
    ],
    ids=["auto", "exact", "deep"],
)
@pytest.mark.slow
def test_check_estimator(encoder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ConvergenceWarning, UserWarning))
        results = check_estimator(
            encoder, on_skip=None, on_fail=None, expected_failed_checks=EXPECTED_FAILED_CHECKS
        )
    by_status = {"passed": set(), "xfail": set(), "skipped": set(), "failed": set()}
    for result in results:
        by_status[result["status"]].add(result["check_name"])
    assert not by_status["failed"], [r for r in results if r["status"] == "failed"]
    assert by_status["xfail"] == set(EXPECTED_FAILED_CHECKS)
    assert len(by_status["passed"]) > 35


def test_no_check_is_excepted_that_does_not_exist():
    names = {getattr(check, "func", check).__name__ for _, check in
             estimator_checks_generator(SimilarityEncoder())}  # fmt: skip
    assert set(EXPECTED_FAILED_CHECKS) <= names


def test_parameters_are_kept_as_given():
    given = {"n_components": 4, "hidden_layers": [3, 2], "network": nn.Linear(2, 4), "loss": "mae"}
    encoder = SimilarityEncoder(**given)
    for name, value in given.items():
        assert getattr(encoder, name) is value
    assert SimilarityEncoder(**encoder.get_params()).get_params() == encoder.get_params()


def test_clone_has_parameters_and_no_weights():
    X, S = make()
    encoder = fitted(X, S, solver="exact", hidden_layers=[])
    other = clone(encoder)
    assert other.get_params() == encoder.get_params()
    assert not hasattr(other, "module_")
    np.testing.assert_array_equal(other.fit(X, S).transform(X), encoder.transform(X))


def test_clone_with_a_network_of_ones_own():
    X, S = make()
    network = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
    before = copy.deepcopy(network.state_dict())
    encoder = fitted(X, S, network=network, max_iter=3)
    np.testing.assert_array_equal(
        fitted(X, S, network=clone(encoder).network, max_iter=3).transform(X), encoder.transform(X)
    )
    # it is copied, never trained itself
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_predict_the_same_and_can_be_trained_on(copied):
    X, S = make()
    encoder = fitted(X, S, hidden_layers=(5,), decoder=True, max_iter=3)
    other = copied(encoder)
    np.testing.assert_array_equal(other.predict(X), encoder.predict(X))
    other.partial_fit(X, S)
    assert np.abs(other.predict(X) - encoder.predict(X)).max() > 0
    assert len(other.loss_curve_) == len(encoder.loss_curve_) + 1


def test_pipeline_and_fit_transform():
    X, S = make()
    pipeline = make_pipeline(StandardScaler(), SimilarityEncoder(3, solver="exact", random_state=0))
    Y = pipeline.fit_transform(X * 9 + 4, S)
    scaled = StandardScaler().fit_transform(X * 9 + 4)
    np.testing.assert_allclose(Y, fitted(scaled, S, solver="exact").transform(scaled), atol=1e-5)
    assert pipeline.score(X * 9 + 4, S) > 0.9
    assert pipeline.predict(X * 9 + 4).shape == S.shape
    assert list(pipeline.get_feature_names_out()) == [f"similarityencoder{i}" for i in range(3)]


def test_grid_search_finds_the_rank():
    X, S = make(m=90, n=20, noise=0.01)
    search = GridSearchCV(
        SimilarityEncoder(solver="exact"), {"n_components": [1, 2, 3], "l2": [0, 10.0]}, cv=3
    ).fit(X, S)
    assert search.best_params_ == {"l2": 0, "n_components": 3}
    assert search.best_score_ > 0.95
    assert search.best_estimator_.predict(X).shape == S.shape
    scores = cross_val_score(SimilarityEncoder(3, solver="exact"), X, S, cv=3)
    assert scores.min() > 0.95


def test_parameters_of_numpy(tmp_path):
    """A grid search over ``np.arange`` sets numbers of NumPy, which also have to be saved."""
    X, S = make()
    whole, real, flag = np.int64, np.float32, np.bool_
    encoder = SimilarityEncoder(
        whole(2), hidden_layers=np.array([3]), bias=flag(True), symmetric=real(0), l2=real(0.1),
        loss=np.str_("mse"), solver=np.str_("adam"), decoder=flag(True), batch_size=whole(8),
        max_iter=whole(2), learning_rate=real(0.01), early_stopping=flag(False), tol=real(1e-3),
        n_iter_no_change=whole(3), random_state=whole(0), target_activation=np.array([-50.0, 50]),
        device=torch.device("cpu"),
    ).fit(X, S)  # fmt: skip
    encoder.save(tmp_path / "encoder")
    loaded = SimilarityEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.transform(X), encoder.transform(X))


def test_data_frames():
    X, S = make()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    encoder = fitted(frame, pd.DataFrame(S), solver="exact").set_output(transform="pandas")
    assert list(encoder.feature_names_in_) == list("abcdef")
    found = encoder.transform(frame)
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns) == [f"similarityencoder{i}" for i in range(3)]
    plain = fitted(X, S, solver="exact")
    np.testing.assert_array_equal(found.to_numpy(), plain.transform(X))
    # products are arrays nevertheless
    similarities = encoder.predict_similarity(frame)
    np.testing.assert_array_equal(similarities, plain.predict_similarity(X))
    np.testing.assert_array_equal(encoder.predict(frame), plain.predict(X))
    second = encoder.fit_second(frame, pd.DataFrame(S).to_numpy(), frame)
    assert second.predict(frame).shape == S.shape
    with pytest.raises(ValueError, match="feature names"):
        encoder.transform(frame[list("fedcba")])


def test_targets_that_are_a_vector():
    X, S = make(n=4)
    for y in (S[:, 0], pd.Series(S[:, 0]), S[:, 0].tolist(), tuple(S[:, 0].tolist())):
        encoder = fitted(X, y, n_components=1, solver="exact")
        assert encoder.predict(X).shape == (50,)
    np.testing.assert_allclose(
        encoder.predict(X), fitted(X, S[:, :1], n_components=1, solver="exact").predict(X)[:, 0]
    )


def test_types_that_come_out():
    X, S = make()
    encoder = fitted(X.astype(np.float64), S.astype(np.float64), decoder=True, max_iter=2)
    for found in (
        encoder.transform(X), encoder.predict(X), encoder.predict_similarity(X, X[:3]),
        encoder.inverse_transform(encoder.transform(X)),
    ):  # fmt: skip
        assert type(found) is np.ndarray
        assert found.dtype == np.float32
    assert encoder.predict_similarity(X, X[:3]).shape == (50, 3)
    assert type(encoder.score(X, S)) is float
    assert encoder.n_features_in_ == 6
