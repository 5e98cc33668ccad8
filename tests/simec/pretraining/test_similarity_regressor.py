"""Regression on several similarities, compared with scikit-learn's Gaussian process."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
from sklearn.metrics.pairwise import rbf_kernel

from simec.pretraining import SimilarityRegressor
from tests.golden import EXPECTED, golden
from tests.model_folders import reseal


def two(A, B):
    return {"linear": A @ B.T, "gauss": rbf_kernel(A, B, gamma=0.5)}


def points(n, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, 2))
    return X, np.sin(2 * X[:, 0]) + 2 * X[:, 1]


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_is_the_gaussian_process_with_these_weights():
    X, y = points(30)
    model = SimilarityRegressor(two).fit(X, y)
    linear = np.mean((X**2).sum(axis=1))
    # weights_ are shares: the weight of the noise sets the scale
    w = {name: model._weights[0, k] for k, name in enumerate(("linear", "gauss"))}
    noise = model.weights_["noise"] / model.weights_["gauss"] * w["gauss"]
    assert model.weights_["linear"] / model.weights_["gauss"] == pytest.approx(
        w["linear"] * linear / w["gauss"]
    )
    kernel = (
        ConstantKernel(w["linear"]) * DotProduct(0) + ConstantKernel(w["gauss"]) * RBF(1.0)
        + ConstantKernel(100.0) + WhiteKernel(noise + 1e-8)
    )  # fmt: skip
    oracle = GaussianProcessRegressor(kernel, optimizer=None, alpha=0)
    oracle.fit(X, (y - y.mean()) / y.std())
    X_new, _ = points(10, seed=1)
    expected = oracle.predict(X_new) * y.std() + y.mean()
    np.testing.assert_allclose(model.predict(X_new), expected, atol=1e-6)
    # and no weights nearby have a higher likelihood (the weak prior of weights aside)
    best = oracle.log_marginal_likelihood(oracle.kernel_.theta)
    for factor in (0.5, 2):
        other = kernel.theta.copy()
        other[2] += np.log(factor)
        assert oracle.log_marginal_likelihood(other) < best + 0.2


def test_weights_tell_which_similarity_explains_a_target():
    X, _ = points(60)
    y = np.column_stack([X @ [1.0, -2.0], np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1])])
    model = SimilarityRegressor(two).fit(X, y)
    assert model.weights_["linear"][0] > 0.9
    assert model.weights_["gauss"][1] > model.weights_["linear"][1]
    np.testing.assert_allclose(sum(model.weights_.values()), 1)
    X_new, _ = points(20, seed=1)
    predicted = model.predict(X_new)
    assert predicted.shape == (20, 2)
    np.testing.assert_allclose(predicted[:, 0], X_new @ [1.0, -2.0], atol=1e-2)
    alone = SimilarityRegressor(two).fit(X, y[:, 1])
    np.testing.assert_allclose(alone.predict(X_new), predicted[:, 1], atol=1e-6)
    assert isinstance(alone.weights_["noise"], float)


def test_a_similarity_that_is_zero_has_no_weight():
    X, y = points(10)
    model = SimilarityRegressor(lambda A, B: {"zero": 0 * A @ B.T, **two(A, B)}).fit(X, y)
    assert model.weights_["zero"] == 0
    expected = SimilarityRegressor(two).fit(X, y).predict(X)
    np.testing.assert_allclose(model.predict(X), expected)


def test_similarities_with_negative_eigenvalues():
    X, y = points(40)
    model = SimilarityRegressor(lambda A, B: np.tanh(A @ B.T - 1)).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.score(X, y) > 0.5


def test_is_an_estimator():
    X, y = points(20)
    model = clone(SimilarityRegressor(two, max_iter=50)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.predict(X), model.predict(X))
    with pytest.warns(UserWarning, match="raise max_iter"):
        SimilarityRegressor(two, max_iter=1).fit(X, y)


@pytest.mark.parametrize(
    ("similarities", "y", "message"),
    [
        (two, np.ones(5), "y has no variance: all 5 values are 1"),
        (two, np.arange(4.0), "y must have shape \\(5,\\) or \\(5, k\\) for 5 points"),
        (two, [1, 2, 3, 4, np.nan], "leave out points without a label"),
        (two, list("abcde"), "y must be numbers"),
        (lambda A, B: A, np.arange(5.0), "'similarity' of 5 and 5 points must have shape"),
        (lambda A, B: np.full((5, 5), np.nan), np.arange(5.0), "must be finite"),
        (lambda A, B: np.zeros((5, 5)), np.arange(5.0), "of each point with itself are 0"),
        (lambda A, B: {}, np.arange(5.0), "at least one similarity"),
        ("linear", np.arange(5.0), "similarities must be a callable"),
    ],
)
def test_bad_input(similarities, y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SimilarityRegressor(similarities).fit(points(5)[0], y)


def test_other_names_than_in_training():
    names = iter("aab")
    model = SimilarityRegressor(lambda A, B: {next(names): A @ B.T}).fit(*points(5))
    model.predict(points(2)[0])
    with pytest.raises(ValueError, match=r"same names as in fit, \['a'\], got \['b'\]"):
        model.predict(points(2)[0])


def test_predictions_in_blocks_are_the_same(monkeypatch):
    lengths = []

    def compare(A, B):
        lengths.append(len(A))
        return two(A, B)

    X, y = points(3)
    new = points(25, seed=1)[0]
    model = SimilarityRegressor(compare, verbose=True).fit(X, np.stack([y, -y], axis=1))
    whole = model.predict(new)
    monkeypatch.setattr("simec.pretraining.similarity_regressor._BLOCK", 5)
    np.testing.assert_allclose(model.predict(new), whole, rtol=1e-12)
    assert lengths[1:] == [25, 12, 12, 1]
    assert model.predict(new[:0]).shape == (0, 2)


@pytest.mark.parametrize("n_targets", [0, 2])
def test_a_saved_regressor_predicts_the_same(tmp_path, n_targets):
    X, y = points(20)
    new = points(5, seed=1)[0]
    model = SimilarityRegressor(two, max_iter=50).fit(X, np.stack([y, -y], 1) if n_targets else y)
    model.save(tmp_path / "m")
    loaded = SimilarityRegressor.load(tmp_path / "m", two, verify=True)
    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))
    assert loaded.get_params() == model.get_params()
    assert loaded.n_iter_ == model.n_iter_
    assert list(loaded.weights_) == ["linear", "gauss", "noise"]
    for name, weight in model.weights_.items():
        np.testing.assert_array_equal(loaded.weights_[name], weight)
    model.save(tmp_path / "m")  # replaces it
    with pytest.raises(ValueError, match="must return the same names as in fit"):
        SimilarityRegressor.load(tmp_path / "m", lambda A, B: A @ B.T).predict(new)


def test_molecules_are_saved(tmp_path):
    from simec.molecules import Molecules

    molecules = Molecules(
        [6, 8, 1, 1], np.arange(12.0).reshape(4, 3), [0, 1, 2, 4],
        smiles=["C", "O", "[H][H]"], cutoff=5.0,
    )  # fmt: skip

    def sizes(A, B):
        return np.outer(A.n_atoms, B.n_atoms) + (A.smiles[:, None] == B.smiles)

    model = SimilarityRegressor(sizes).fit(molecules, [1.0, 2.0, 4.0])
    model.save(tmp_path / "m")
    loaded = SimilarityRegressor.load(tmp_path / "m", sizes)
    np.testing.assert_array_equal(loaded.predict(molecules), model.predict(molecules))
    np.testing.assert_array_equal(loaded.X_.positions, molecules.positions)
    assert (loaded.X_.cutoff, loaded.X_.ids) == (5.0, None)


def test_what_cannot_be_saved_or_loaded(tmp_path):
    from corpora.errors import ModelError

    with pytest.raises(NotFittedError):
        SimilarityRegressor(two).save(tmp_path / "m")
    texts = SimilarityRegressor(lambda A, B: (A[:, None] == B).astype(float)).fit(
        np.array(["a", "b"]), [1.0, 2.0]
    )
    with pytest.raises(TypeError, match=r"array of numbers or Molecules .* use pickle"):
        texts.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    X, y = points(5)
    SimilarityRegressor(two).fit(X, y).save(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    saved = json.loads(path.read_text())
    for name, value in (
        ("similarities", ["one"]), ("similarities", 3), ("one_target", False), ("max_iter", 0),
        ("n_iter", None), ("verbose", 2),
    ):  # fmt: skip
        path.write_text(json.dumps({**saved, name: value}))
        reseal(tmp_path / "m")
        if (name, value) == ("one_target", False):
            assert SimilarityRegressor.load(tmp_path / "m", two).predict(X).shape == (5, 1)
            continue
        with pytest.raises(ModelError, match="damaged"):
            SimilarityRegressor.load(tmp_path / "m", two)


def test_a_regressor_of_an_earlier_version(tmp_path):
    def similarities(A, B):
        return {"linear": A @ B.T, "gauss": rbf_kernel(A, B, gamma=1.0)}

    expected = EXPECTED["similarity_regressor"]
    model = SimilarityRegressor.load(golden("similarity_regressor", tmp_path), similarities)
    np.testing.assert_allclose(model.predict(expected["X"]), expected["predict"], rtol=1e-9)
    np.testing.assert_allclose(model.weights_["noise"], expected["noise"], rtol=1e-12)
