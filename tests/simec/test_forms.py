"""One contract for all forms of features and targets: the same numbers give the same encoder."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch import nn
from torch.utils.data import TensorDataset

from tests.simec.encoder_data import INPUTS, TARGETS, Items, as_sparse, error, fitted, make

MODELS = {
    "exact": {"solver": "exact"},
    "symmetric": {"solver": "exact", "symmetric": 1.0},
    "trained": {"max_iter": 3, "symmetric": 0.5, "orthogonal": 0.1, "l2": 1e-4},
    "deep": {"hidden_layers": (5,), "max_iter": 3, "early_stopping": True},
    "random": {"init": "random", "solver": "adam", "max_iter": 3, "l2": 1e-3},
}


@functools.cache
def reference(model, missing):
    X, S = make(missing=missing)
    return fitted(X, S, **MODELS[model])


def assert_alike(one, other, X):
    """The same predictions, but for rounding."""
    expected = other.predict(X)
    found = one.predict(X)
    found = found[:, :, 0] if found.ndim == 3 else found
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


SPARSE = ("csr", "csc", "sparse tensor")


@pytest.mark.parametrize(
    ("form", "model"),
    # a first layer for sparse rows draws other weights
    [(f, m) for f in INPUTS for m in MODELS if not (f in SPARSE and m == "random")],
)
def test_forms_of_features(form, model):
    X, S = make()
    given_X = INPUTS[form](X)
    encoder = fitted(given_X, S, **MODELS[model])
    atol = 1e-5
    if form in SPARSE and model == "deep":
        # hidden layers differ at the start: what is common is that they are good
        assert encoder.score(X, S) > 0.5 < reference(model, 0).score(X, S)
    else:
        assert_alike(encoder, reference(model, 0), X)
    # whatever it was fitted with, it applies to all
    for other in INPUTS.values():
        np.testing.assert_allclose(encoder.transform(other(X)), encoder.transform(X), atol=atol)
    assert encoder.score(given_X, S) == pytest.approx(encoder.score(X, S), abs=1e-6)
    assert encoder.n_features_in_ == 6


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", TARGETS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_forms_of_targets(form, model, missing):
    X, S = make(missing=missing)
    given_S, mask = TARGETS[form](S)
    expected = reference(model, missing)
    encoder = fitted(X, given_S, mask=mask, **MODELS[model])
    assert_alike(encoder, expected, X)
    assert encoder.score(X, given_S, mask=mask) == pytest.approx(expected.score(X, S), abs=1e-3)


@pytest.mark.parametrize("form", [*TARGETS, "callable", "pairs"])
@pytest.mark.parametrize("model", ["symmetric", "trained", "deep"])
def test_n_targets(form, model):
    X, S = make()
    expected = fitted(X, S[:, :7].copy(), **MODELS[model])
    mask = None
    if form == "callable":
        given_X, given_S = X, lambda rows: S[rows]
    elif form == "pairs":
        given_X, given_S = Items(X, S), None
    else:
        given_X, (given_S, mask) = X, TARGETS[form](S)
    encoder = fitted(given_X, given_S, mask=mask, n_targets=7, **MODELS[model])
    assert encoder.predict(X).shape[1] == 7
    assert_alike(encoder, expected, X)
    assert fitted(X, S, n_targets=1000, solver="exact").predict(X).shape == (50, 50)


@pytest.mark.parametrize("model", ["exact", "trained", "deep"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_targets_that_are_not_in_memory(model, missing):
    X, S = make(n=12, missing=missing)
    parameters = {**MODELS[model], "symmetric": 0}
    if missing and model == "exact":
        for given_X, given_S in ((X, lambda rows: S[rows]), (Items(X, S), None)):
            with pytest.raises(ValueError, match="solver='exact' needs targets in memory"):
                fitted(given_X, given_S, **parameters)
        return
    encoders = [
        fitted(X, lambda rows: S[rows], **parameters),
        fitted(X, lambda rows: torch.from_numpy(S[rows]).double(), **parameters),
        fitted(Items(X, S), None, **parameters),
        fitted(TensorDataset(torch.from_numpy(X), torch.from_numpy(S)), None, **parameters),
    ]
    for encoder in encoders[1:]:
        assert_alike(encoder, encoders[0], X)
    if not missing:
        assert_alike(encoders[0], fitted(X, S, **parameters), X)
    assert encoders[0].score(X, lambda rows: S[rows]) == encoders[0].score(X, S)
    assert encoders[0].score(Items(X, S)) == encoders[0].score(X, S)


def test_a_data_set_of_features_alone():
    X, S = make()
    encoder = fitted(TensorDataset(torch.from_numpy(X)), S, solver="exact")
    assert_alike(encoder, reference("exact", 0), X)
    np.testing.assert_array_equal(
        encoder.transform(TensorDataset(torch.from_numpy(X))), encoder.transform(X)
    )
    # of pairs, features are taken
    np.testing.assert_array_equal(encoder.transform(Items(X, S)), encoder.transform(X))


def test_many_items_are_asked_for_at_once():
    class Batched(Items):
        def __getitems__(self, numbers):
            asked.append(len(numbers))
            return [self[i] for i in numbers]

    asked = []
    X, S = make()
    fitted(Batched(X, S), None, max_iter=1, batch_size=20)
    assert max(asked) >= 20


def test_one_relation_of_k():
    X, S = make(missing=0.2)
    T = np.stack([S, 2 * S, -S], axis=2)
    encoder = fitted(X, T, solver="exact")
    assert encoder.predict(X).shape == T.shape
    one = fitted(X, S, solver="exact")
    for kind, factor in enumerate((1, 2, -1)):
        np.testing.assert_allclose(
            encoder.predict(X)[:, :, kind], factor * one.predict(X), atol=5e-2
        )
    # known alike or not, a mask of the whole shape tells
    mask = ~np.isnan(T)
    masked = fitted(X, np.nan_to_num(T), mask=mask, solver="exact")
    np.testing.assert_allclose(masked.predict(X), encoder.predict(X), atol=1e-5)
    assert fitted(X, T, n_targets=4, max_iter=1, symmetric=1.0).predict(X).shape == (50, 4, 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int32])
def test_types_of_tensors(dtype):
    X, S = make()
    X, S = torch.from_numpy(X * 4).to(dtype), torch.from_numpy(S * 4).to(dtype)
    encoder = fitted(X, S, solver="exact")
    assert_alike(encoder, fitted(X.float().numpy(), S.float().numpy(), solver="exact"), X)


def test_targets_with_repeated_entries():
    S = as_sparse(make(n=9)[1]).tocsr()
    X = make()[0]
    halves = sparse.csr_matrix(
        (np.repeat(S.data / 2, 2), np.repeat(S.indices, 2), S.indptr * 2), S.shape
    )
    before = halves.nnz
    for solver in ("exact", "adam"):
        parameters = {"solver": solver, "max_iter": 2}
        assert_alike(fitted(X, halves, **parameters), fitted(X, S, **parameters), X)
    assert halves.nnz == before


def test_data_stay_as_they_are():
    X, S = make(missing=0.2)
    X.flags.writeable = S.flags.writeable = False
    before = X.copy(), S.copy()
    fitted(X, S, max_iter=2, symmetric=1.0)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(S, before[1])


# The identity


@pytest.mark.parametrize(
    "parameters", [{"solver": "exact"}, {"hidden_layers": (6,), "max_iter": 4}]
)
def test_without_features(parameters):
    _, S = make(n=9)
    encoder = fitted(None, S, **parameters)
    assert encoder.predict().shape == encoder.predict(None).shape == (50, 9)
    rows = np.array([4, 1, 4])
    np.testing.assert_allclose(encoder.predict(rows), encoder.predict()[rows], atol=1e-6)
    np.testing.assert_allclose(encoder.transform(rows), encoder.transform(None)[rows], atol=1e-6)
    assert encoder.predict_similarity(None, rows).shape == (50, 3)
    assert encoder.score(None, S) == pytest.approx(
        1 - error(encoder.predict(), S) / S.var(), abs=1e-5
    )
    assert encoder.score(rows, S[rows]) < 1


def test_the_identity_is_that_of_features():
    _, S = make(n=9)
    eye = np.eye(50, dtype=np.float32)
    for X in (eye, sparse.eye(50, format="csr")):
        found = fitted(X, S, solver="exact", bias=False)
        np.testing.assert_allclose(
            found.predict(X), fitted(None, S, solver="exact").predict(), atol=1e-4
        )


def test_partial_fit_of_some_rows_without_features():
    _, S = make(n=9)
    encoder = fitted(None, S, max_iter=2, init="random", solver="adam", learning_rate=0.05)
    before = encoder.transform(None)
    encoder.partial_fit(np.arange(10), S[:10])
    changed = (encoder.transform(None) != before).any(axis=1)
    assert changed[:10].all()


# Wide sparse features are never made dense


@pytest.mark.slow
def test_sparse_features_as_wide_as_no_memory_would_hold():
    m, D = 4000, 5_000_000  # 80 GB
    rng = np.random.default_rng(0)
    columns = np.sort(rng.choice(1000, (m, 8))) * 4900
    X = sparse.csr_matrix((np.ones(m * 8, "f4"), columns.ravel(), np.arange(m + 1) * 8), (m, D))
    used = sparse.csr_matrix((X.data, X.indices // 4900, X.indptr), (m, 1000))
    S = np.asarray(used @ rng.standard_normal((1000, 1)) @ rng.standard_normal((1, 4)))
    encoder = fitted(X, S, n_components=1, init="random", solver="adam", max_iter=2)
    assert encoder.transform(X).shape == (m, 1)
    assert encoder.loss_curve_[1] < encoder.loss_curve_[0]
    # weights of what never occurs are not touched by the errors
    assert encoder.module_.encoder[0].weight.shape == (D, 1)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 999), m=st.integers(2, 30), n=st.integers(1, 12), D=st.integers(1, 8),
    d=st.integers(1, 4), share=st.floats(0, 0.6), hidden=st.booleans(),
)  # fmt: skip
@pytest.mark.slow
def test_any_shape_fits_alike_in_all_forms(seed, m, n, D, d, share, hidden):
    X, S = make(m, n, D, rank=min(m, n, D, 3), seed=seed)
    S[np.random.default_rng(seed).random(S.shape) < share] = np.nan
    S[0, 0] = 1
    parameters = {"n_components": d, "max_iter": 2, "hidden_layers": (3,) if hidden else ()}
    found = []
    for form in ("array", "mask", "csr"):
        given_S, mask = TARGETS[form](S)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            encoder = fitted(X, given_S, mask=mask, **parameters)
        found.append(encoder.predict(X))
        assert encoder.transform(X).shape == (m, d)
        assert np.isfinite(found[-1]).all()
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    if np.isnan(S).any():
        # a deep start with gaps is a few steps of conjugate gradients, of equations of two kinds
        share = 0.1 if hidden else 0.01
        np.testing.assert_allclose(found[2], found[0], atol=share * max(1, np.abs(found[0]).max()))


# Custom networks


def test_a_convolutional_network():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((60, 1, 8, 8)).astype(np.float32)
    blurred = images.mean(axis=(1, 3))
    S = blurred @ blurred.T
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    )
    # 59 rows to a batch leave one over, for which a norm over the batch has no variance
    encoder = fitted(images, S, network=network, max_iter=40, batch_size=59, learning_rate=1e-2)
    assert encoder.n_features_in_ == 64
    assert encoder.transform(images).shape == (60, 3)
    assert encoder.score(images, S) > 0.5
    np.testing.assert_array_equal(
        encoder.transform(torch.from_numpy(images)), encoder.transform(images)
    )
    np.testing.assert_array_equal(encoder.transform(Items(images)), encoder.transform(images))
    with pytest.raises(ValueError, match="X has 49 features, but .* expecting 64"):
        encoder.transform(images[:, :, 1:, 1:])


@pytest.mark.parametrize("form", ["array", "csr", "tensor", "data set"])
def test_any_network_takes_any_form(form):
    X, S = make()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    encoder = fitted(INPUTS[form](X), S, network=network, max_iter=3)
    expected = fitted(X, S, network=network, max_iter=3)
    assert_alike(encoder, expected, X)
