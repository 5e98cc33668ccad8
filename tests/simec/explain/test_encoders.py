"""Explanations of encoders: closed forms, sparse rows, images, two feature spaces."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pandas as pd  # noqa: E402
from scipy import sparse  # noqa: E402
from torch import nn  # noqa: E402

from simec import SimilarityEncoder  # noqa: E402
from simec.explain import (  # noqa: E402
    COMPOSITES,
    NoRuleError,
    explain_prediction,
    explain_similarity,
    relevances,
)
from simec.network import SparseLinear  # noqa: E402
from tests.simec.encoder_data import fitted, make  # noqa: E402

SUMS = [name for name in COMPOSITES if name != "gradient"]


def linear(**more):
    X, S = make(m=40, D=6)
    return X, fitted(X, S, symmetric=1.0, **more)


def deep(X, S, **more):
    return fitted(X, S, hidden_layers=(8,), symmetric=1.0, max_iter=5, **more)


def weights(encoder):
    layer = encoder.module_.encoder[0]
    W1 = layer.weight.detach().numpy()
    return (W1 if W1.shape[0] == layer.in_features else W1.T).astype(float)


@pytest.mark.slow
def test_a_linear_prediction_in_closed_form():
    """Features on the diagonal of a matrix, through both layers (Sec. 5.1)."""
    X, encoder = linear(bias=False)
    W1, W_l = weights(encoder), encoder.module_.last.weight.detach().numpy().astype(float)
    found = explain_prediction(encoder, X[3], 7)
    assert found.relevances == pytest.approx(np.diag(X[3].astype(float)) @ W1 @ W_l[:, 7], abs=1e-5)
    assert found.value == pytest.approx(encoder.predict(X[3:4])[0, 7], abs=1e-5)
    assert found.relevances.sum() == pytest.approx(found.value, abs=1e-5)
    assert found.bias == pytest.approx(0, abs=1e-5)
    assert (found.x == X[3]).all()


@pytest.mark.slow
def test_a_linear_similarity_in_closed_form():
    X, encoder = linear(bias=False)
    M = weights(encoder) @ weights(encoder).T
    found = explain_similarity(encoder, X[3], X[4])
    assert found.value == pytest.approx(encoder.predict_similarity(X[3:4], X[4:5])[0, 0], abs=1e-5)
    for one, x, other in ((found.first, X[3], X[4]), (found.second, X[4], X[3])):
        assert one.relevances == pytest.approx((other @ M) * x, abs=1e-5)
        assert one.relevances.sum() == pytest.approx(found.value, abs=1e-5)
        assert one.value == found.value


def test_the_bias_of_a_linear_encoder_has_the_rest():
    X, S = make(m=40, D=6)
    encoder = fitted(X + 1, S, symmetric=1.0)
    b = encoder.module_.encoder[0].bias.detach().numpy()
    found = explain_similarity(encoder, X[3] + 1, X[4] + 1)
    Y = encoder.transform(X[3:5] + 1)
    assert np.abs(b).max() > 0.01
    assert found.first.bias == pytest.approx(b @ Y[1], abs=1e-5)
    assert found.second.bias == pytest.approx(b @ Y[0], abs=1e-5)


@pytest.mark.parametrize("composite", SUMS)
@pytest.mark.slow
def test_linear_encoders_agree_with_all_rules_that_keep_signs(composite):
    X, encoder = linear(bias=False)
    found = explain_prediction(encoder, X[3], 7, composite=composite)
    expected = explain_prediction(encoder, X[3], 7)
    if composite in ("epsilon", "gradient_x_input", "epsilon_gamma", "epsilon_plus",
                     "epsilon_alpha_beta"):  # fmt: skip
        assert found.relevances == pytest.approx(expected.relevances, abs=1e-4)
    else:
        assert np.abs(found.relevances - expected.relevances).max() > 1e-3
    assert found.relevances.sum() == pytest.approx(found.value, abs=1e-3)


@pytest.mark.parametrize("hidden", [(), (8,), (8, 5)])
@pytest.mark.parametrize("composite", COMPOSITES)
def test_sparse_rows_give_what_dense_ones_give(composite, hidden):
    X, S = make(m=40, D=6)
    X = np.maximum(X, 0)
    encoder = fitted(
        sparse.csr_matrix(X), S, hidden_layers=hidden, symmetric=1.0, activation="relu", max_iter=5
    )
    row = sparse.csr_matrix(X[3:4])
    assert 0 < row.nnz < 6
    thin = explain_similarity(encoder, row, sparse.csr_matrix(X[4:5]), composite=composite)
    full = explain_similarity(encoder, X[3], X[4], composite=composite)
    for one, other in ((thin.first, full.first), (thin.second, full.second)):
        assert sparse.issparse(one.relevances)
        assert not sparse.issparse(other.relevances)
        assert one.value == pytest.approx(other.value, abs=1e-5)
        there = one.x.toarray()[0] != 0
        assert (one.x.toarray()[0] == other.x).all()
        if composite != "epsilon_plus_flat":  # which looks at places, not at what is there
            assert one.relevances.toarray()[0][there] == pytest.approx(
                other.relevances[there], abs=1e-4
            )
        if composite not in ("gradient", "epsilon_plus_flat"):
            assert other.relevances[~there] == pytest.approx(0, abs=1e-6)
            assert one.bias == pytest.approx(other.bias, abs=1e-4)


@pytest.mark.slow
def test_an_empty_sparse_row_has_no_relevances():
    X, S = make(m=40, D=6)
    encoder = fitted(sparse.csr_matrix(np.maximum(X, 0)), S, symmetric=1.0)
    found = explain_similarity(encoder, sparse.csr_matrix((1, 6)), sparse.csr_matrix(X[:1]))
    assert found.first.relevances.nnz == 0
    assert found.first.bias == pytest.approx(found.value)
    assert found.first.top() == []


def test_sparse_relevances_take_what_is_there():
    """A row of a hundred thousand features is made dense at no time."""
    D = 100_000
    network = nn.Sequential(SparseLinear(D, 4), nn.ReLU(), nn.Linear(4, 2))
    row = sparse.csr_matrix(([1.0, 2.0], ([0, 0], [5, 99_999])), (1, D))
    found = explain_similarity(network, row, row)
    assert found.first.relevances.nnz == 2
    assert found.first.relevances.shape == (1, D)
    assert found.first.relevances.indices.tolist() == [5, 99_999]


# alpha_beta keeps all only where units have inputs of both signs
@pytest.mark.parametrize("composite", [name for name in SUMS if name != "alpha_beta"])
def test_deep_encoders_without_biases_explain_all(composite):
    X, S = make(m=40, D=6)
    encoder = deep(X, S, bias=False, activation="relu")
    found = explain_similarity(encoder, X[3], X[4], composite=composite)
    for one in (found.first, found.second):
        assert one.relevances.sum() == pytest.approx(found.value, abs=1e-3)
        assert one.bias == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "elu", "softplus", "sigmoid"])
def test_all_networks_that_an_encoder_builds_have_rules(activation):
    X, S = make(m=40, D=6)
    encoder = deep(X, S, activation=activation)
    found = explain_similarity(encoder, X[3], X[4])
    assert np.isfinite(found.first.relevances).all()
    total = found.first.relevances.sum() + found.first.bias
    assert total == pytest.approx(encoder.predict_similarity(X[3:4], X[4:5])[0, 0], abs=1e-4)


def test_relations_and_ranges():
    X, S = make(m=40, n=10, D=6)
    both = fitted(X, np.stack([S, -S], axis=2))
    found = explain_prediction(both, X[3], (4, 1))
    assert found.value == pytest.approx(both.predict(X[3:4])[0, 4, 1], abs=1e-5)
    ranged = fitted(X, (S > 0).astype(float), target_activation="sigmoid", max_iter=5)
    found = explain_prediction(ranged, X[3], 4)
    # before the activation
    assert 1 / (1 + np.exp(-found.value)) == pytest.approx(ranged.predict(X[3:4])[0, 4], abs=1e-5)


def test_two_feature_spaces():
    X, R = make(m=40, n=30, D=6)
    X2 = np.random.default_rng(1).standard_normal((30, 4)).astype(np.float32)
    items = fitted(X, R, bias=False)
    users = items.fit_columns(X2, R, X)
    found = explain_similarity(items, X[3], X2[4], second=users, second_names=list("abcd"))
    product = items.transform(X[3:4]) @ users.transform(X2[4:5]).T
    assert found.value == pytest.approx(product[0, 0], abs=1e-5)
    assert found.first.relevances.shape == (6,)
    assert found.second.relevances.shape == (4,)
    assert found.first.relevances.sum() == pytest.approx(found.value, abs=1e-5)
    assert {name for name, _ in found.second.top()} == set("abcd")


def test_images_and_networks_of_ones_own():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 3, bias=False),
    )  # fmt: skip
    X = np.random.default_rng(0).random((30, 1, 8, 8)).astype(np.float32)
    Y = X.reshape(30, -1)[:, :3]
    encoder = fitted(X, Y @ Y.T, network=network, max_iter=2)
    found = explain_similarity(encoder, X[3:4], X[4:5])
    assert found.first.is_image
    assert found.first.relevances.shape == (1, 8, 8)
    assert found.first.relevances.sum() == pytest.approx(found.value, abs=1e-3)
    module = encoder.module_.encoder
    same = explain_similarity(module, torch.from_numpy(X[3:4]), X[4:5])
    assert same.first.relevances == pytest.approx(found.first.relevances, abs=1e-6)
    one = explain_prediction(module, X[3:4], 2)
    assert one.value == pytest.approx(encoder.transform(X[3:4])[0, 2], abs=1e-5)
    assert one.relevances == pytest.approx(relevances(module, X[3:4], [0.0, 0.0, 1.0])[0], abs=1e-6)
    assert explain_prediction(encoder, X[3:4], 5).top(1)[0][0].startswith("pixel 0, ")


def test_names_come_from_data_frames():
    X, S = make(m=40, D=3)
    frame = pd.DataFrame(X, columns=["stem", "leaf", "noise"])
    encoder = fitted(frame, S)
    found = explain_prediction(encoder, frame.iloc[[3]], 4)
    assert {name for name, _ in found.top()} == {"stem", "leaf", "noise"}
    row = explain_prediction(encoder, frame.iloc[3], 4)
    assert row.top() == found.top()
    module = explain_prediction(encoder.module_.encoder, frame.iloc[3], 1)
    assert module.value == pytest.approx(encoder.transform(frame.iloc[[3]])[0, 1], abs=1e-5)
    found = explain_prediction(encoder, frame.iloc[[3]], 4, names=["a", "b", "c"])
    assert {name for name, _ in found.top()} == {"a", "b", "c"}


def test_gradients_do_not_add_up():
    X, encoder = linear()
    found = explain_prediction(encoder, X[3], 7, composite="gradient")
    assert np.isnan(found.bias)


def test_training_mode_is_left_as_it_was():
    X, S = make(m=40, D=6)
    encoder = deep(X, S)
    encoder.module_.train()
    explain_similarity(encoder, X[3], X[4])
    assert encoder.module_.training


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (40, IndexError, r"target 40 is out of range for targets of shape \(40,\)"),
        (-41, IndexError, "target -41"),
        ("movie", ValueError, "target must be an integer, got 'movie'"),
        ((1, 2), ValueError, "target must be an integer"),
        (1.5, ValueError, "target must be an integer"),
    ],
)
def test_bad_targets(target, error, message):
    X, encoder = linear()
    with pytest.raises(error, match=message):
        explain_prediction(encoder, X[3], target)


def test_bad_input():
    X, encoder = linear()
    with pytest.raises(ValueError, match="5 features, but SimilarityEncoder is expecting 6"):
        explain_prediction(encoder, X[3, :5], 0)
    with pytest.raises(ValueError, match="x1 must be one row, got 2 rows: explain one at a time"):
        explain_similarity(encoder, X[:2], X[3])
    with pytest.raises(ValueError, match="x2 must be one row, got 2 rows"):
        explain_similarity(encoder, X[3], X[:2])
    with pytest.raises(ValueError, match="NaN"):
        explain_prediction(encoder, np.full(6, np.nan), 0)
    with pytest.raises(ValueError, match="NaN"):
        explain_prediction(encoder.module_.encoder, np.full(6, np.nan), 0)
    with pytest.raises(ValueError, match="unknown composite 'lrp'"):
        explain_similarity(encoder, X[3], X[4], composite="lrp")
    with pytest.raises(TypeError, match="SimilarityEncoder or a torch.nn.Module, got str"):
        explain_prediction("encoder", X[3], 0)
    with pytest.raises(ValueError, match="names must have length 6, one for each feature, got 2"):
        explain_prediction(encoder, X[3], 0, names=["a", "b"])
    other = fitted(X, X @ X.T, n_components=2)
    with pytest.raises(ValueError, match="length 3, and x2 one of length 2: both encoders"):
        explain_similarity(encoder, X[3], X[4], second=other)
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        explain_prediction(SimilarityEncoder(), X[3], 0)


def test_without_features_there_is_nothing_to_explain_by():
    _, S = make(m=20, D=3)
    encoder = fitted(None, S)
    with pytest.raises(ValueError, match="fitted without features"):
        explain_prediction(encoder, [3], 0)


def test_sparse_rows_need_a_network_for_them():
    network = nn.Sequential(nn.Linear(6, 2))
    with pytest.raises(ValueError, match="x.toarray"):
        explain_similarity(network, sparse.csr_matrix((1, 6)), sparse.csr_matrix((1, 6)))


def test_layers_without_rules_are_named():
    X, S = make(m=40, D=6)
    network = nn.Sequential(nn.Linear(6, 3), nn.LayerNorm(3))
    encoder = fitted(X, S, network=network, max_iter=2)
    with pytest.raises(NoRuleError, match="layer 1, LayerNorm"):
        explain_similarity(encoder, X[3], X[4])
    found = explain_similarity(encoder, X[3], X[4], composite="gradient_x_input")
    assert np.isfinite(found.first.relevances).all()
