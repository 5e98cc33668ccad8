"""Errors and warnings say what was wrong, where, and how to mend it."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError
from torch import nn
from torch.utils.data import IterableDataset

from simec import SimilarityEncoder
from tests.simec.encoder_data import Items, as_sparse, fitted, make

X, S = make(n=9)
SQUARE = make()[1]


# Parameters


@pytest.mark.parametrize(("parameters", "kind", "message"), [
    ({"n_components": 0}, ValueError, "n_components must be an integer >= 1, got 0"),
    ({"n_components": 2.0}, TypeError, "n_components must be an integer >= 1, got 2.0"),
    ({"n_components": True}, TypeError, "n_components must be an integer .* got True"),
    ({"batch_size": 0}, ValueError, "batch_size"),
    ({"max_iter": -1}, ValueError, "max_iter"),
    ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change"),
    ({"n_targets": 0}, ValueError, "n_targets must be an integer >= 1"),
    ({"hidden_layers": 10}, TypeError, r"hidden_layers must be a sequence of sizes.* got 10"),
    ({"hidden_layers": "10"}, TypeError, "hidden_layers"),
    ({"hidden_layers": (10, 0)}, ValueError, "each size in hidden_layers must be an integer >= 1"),
    ({"symmetric": -1}, ValueError, "symmetric must be a finite number >= 0, got -1"),
    ({"orthogonal": float("nan")}, ValueError, "orthogonal"),
    ({"l2": float("inf")}, ValueError, "l2"),
    ({"l2": "1"}, TypeError, "l2 must be a number >= 0, got '1'"),
    ({"tol": -1}, ValueError, "tol"),
    ({"decoder": -0.5}, ValueError, "decoder"),
    ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number > 0"),
    ({"validation_fraction": 1}, ValueError, "validation_fraction must be between 0 and 1, got 1"),
    ({"validation_fraction": 0.0}, ValueError, "validation_fraction"),
    ({"activation": "step"}, ValueError, "activation must be one of 'tanh', .* got 'step'"),
    ({"init": "zeros"}, ValueError, "init must be one of 'spectral', 'random', got 'zeros'"),
    ({"solver": "sgd"}, ValueError, "solver must be one of"),
    ({"mixed_precision": "yes"}, ValueError, "mixed_precision"),
    ({"loss": "hinge"}, ValueError, "loss must be one of 'mse', .* or a callable, got 'hinge'"),
    ({"loss": "bce"}, ValueError, "needs target_activation='sigmoid'"),
    ({"target_activation": "tanh"}, ValueError, r"None, 'sigmoid' or \(low, high\) .* got 'tanh'"),
    ({"target_activation": (0, 1, 2)}, ValueError, "target_activation"),
    ({"target_activation": (1, 0)}, ValueError, r"low < high, got \(1, 0\)"),
    ({"target_activation": (0, float("inf"))}, ValueError, "target_activation"),
    ({"network": "cnn"}, TypeError, "network must be a torch.nn.Module, got str"),
    ({"network": nn.Linear(6, 2), "hidden_layers": (3,)}, ValueError,
     "cannot be combined with a custom network: set only one"),
    ({"network": nn.Linear(6, 2), "decoder": True}, ValueError, "not available with a custom"),
    ({"network": nn.Linear(6, 3)}, ValueError, r"shape \(1, 2\) .* \(1, 3\).* set n_components"),
    ({"solver": "exact", "hidden_layers": (3,)}, ValueError, "use solver='auto'"),
    ({"solver": "exact", "loss": "mae"}, ValueError, "use solver='auto'"),
    ({"solver": "exact", "decoder": True}, ValueError, "use solver='auto'"),
    ({"solver": "exact", "network": nn.Linear(6, 2)}, ValueError, "use solver='auto'"),
    ({"random_state": "x"}, ValueError, "cannot be used to seed"),
    ({"device": "abacus"}, ValueError, "device must be 'auto' or a PyTorch device .* 'abacus'"),
    ({"device": None}, ValueError, "device must be 'auto' or a PyTorch device .* None"),
    ({"device": "meta"}, ValueError, "must not be 'meta'"),
    ({"network": nn.Linear(5, 2)}, ValueError, r"does not accept a batch of shape \(1, 6\)"),
    ({"network": nn.Linear(6, 2).double()}, ValueError, "must have the same dtype"),
    ({"network": nn.LSTM(6, 2)}, ValueError, "for one row, got tuple"),
    ({"network": nn.Embedding(6, 2)}, ValueError, "nn.Embedding looks up integers: pass X"),
    ({"early_stopping": "no"}, TypeError, "early_stopping must be True, False, .* got 'no'"),
    ({"hidden_layers": 5}, TypeError, "hidden_layers must be a sequence of sizes"),
], ids=str)  # fmt: skip
def test_parameters_out_of_range(parameters, kind, message):
    for fit in ("fit", "partial_fit"):
        encoder = SimilarityEncoder(**parameters)
        with pytest.raises(kind, match=message):
            getattr(encoder, fit)(X, S)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_is_requested_and_missing():
    with pytest.raises(RuntimeError, match="PyTorch finds no GPU here: use device='auto' or"):
        SimilarityEncoder(device="cuda").fit(X, S)
    assert fitted(X, S, max_iter=1, device="auto").module_.last.weight.device.type == "cpu"


# Shapes


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, torch.from_numpy, Items])
def test_different_numbers_of_rows(form):
    with pytest.raises(ValueError, match=r"X has 40 rows, and S has shape \(50, 9\)"):
        fitted(form(X[:40]), S)
    with pytest.raises(ValueError, match=r"X has 40 rows, and S has shape \(50, 9\)"):
        fitted(form(X[:40]), as_sparse(S))


def test_shapes_that_do_not_match():
    with pytest.raises(ValueError, match=r"\(m, n\), or \(m, n, k\) .* got shape \(50, 9, 1, 1\)"):
        fitted(X, S[:, :, None, None])
    with pytest.raises(ValueError, match=r"got shape \(50, 8\) for S of shape \(50, 9\)"):
        fitted(X, S, mask=np.ones((50, 8), bool))
    with pytest.raises(ValueError, match=r"got an array of shape \(9,\) for 1 row"):
        fitted(X, lambda rows: S[0])
    with pytest.raises(ValueError, match=r"array of shape \(1, 9\) for 50 rows"):
        fitted(X, lambda rows: S[:1])
    with pytest.raises(ValueError, match=r"must return an array of shape \(1, n\) or \(1, n, k\)"):
        fitted(X, lambda rows: S[rows][:, :, None, None])
    with pytest.raises(ValueError, match=r"symmetric > 0 .* S has shape \(50, 60\): set n_targets"):
        fitted(X, np.ones((50, 60)), symmetric=1.0)
    with pytest.raises(ValueError, match=r"symmetric > 0 .* \(30, 50\)"):
        SimilarityEncoder(symmetric=1.0).partial_fit(X[:30], SQUARE[:30])
    encoder = fitted(X, S, max_iter=1)
    for given_X in (X[:, :5], sparse.csr_matrix(X[:, :5]), torch.ones(3, 5), Items(X[:, :5])):
        for method in ("transform", "predict", "predict_similarity"):
            with pytest.raises(ValueError, match="X has 5 features, but .* expecting 6"):
                getattr(encoder, method)(given_X)
    with pytest.raises(ValueError, match=r"rows of S must have shape \(9,\) as in fit, got \(8,\)"):
        encoder.score(X, S[:, :8])
    with pytest.raises(ValueError, match="X is None, but the model was fitted with features"):
        encoder.transform(None)


def test_rows_of_the_identity():
    encoder = fitted(None, S, max_iter=1)
    with pytest.raises(ValueError, match="fitted without features: X must be None .* float32"):
        encoder.transform(X)
    with pytest.raises(ValueError, match="row numbers must be from 0 to 49"):
        encoder.predict(np.array([0, 50]))
    with pytest.raises(ValueError, match="row numbers must be from 0 to 49"):
        encoder.predict(np.array([-1]))
    for rows, some in ((None, S[:30]), (np.arange(30), S), (np.arange(40), as_sparse(S))):
        with pytest.raises(ValueError, match=r"X has \d+ rows, and S has shape"):
            encoder.score(rows, some)
    with pytest.raises(ValueError, match="X has 50 rows"):
        encoder.partial_fit(None, S[:30])
    with pytest.raises(ValueError, match="a function does not define the number of rows"):
        fitted(None, lambda rows: S[rows])
    for parameters in ({"network": nn.Linear(50, 3)}, {"decoder": True}):
        with pytest.raises(ValueError, match="without features|needs features"):
            fitted(None, S, **parameters)


# Values


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, torch.from_numpy, Items])
@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_features_with_nan(form, bad, solver):
    given_X = X.copy()
    given_X[3, 2] = bad
    with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
        fitted(form(given_X), S, solver=solver, init="random")
    encoder = fitted(X, S, max_iter=1)
    with pytest.raises(ValueError, match="X contains"):
        encoder.transform(form(given_X))
    if form is Items:
        with pytest.raises(ValueError, match="item 3 of the data set"):
            encoder.transform(form(given_X))


def test_targets_that_are_infinite():
    bad = S.copy()
    bad[2, 1] = np.inf
    for given_S in (bad, torch.from_numpy(bad), sparse.csr_matrix(bad), lambda rows: bad[rows]):
        with pytest.raises(ValueError, match=r"S (contains|holds) .*infin"):
            fitted(X, given_S, init="random", solver="adam")
    with pytest.raises(ValueError, match="S contains infinity"):
        fitted(Items(X, bad), None)


def test_no_observed_entry():
    for given_S in (np.full((50, 9), np.nan), sparse.csr_matrix((50, 9))):
        with pytest.raises(ValueError, match="S has no observed entry"):
            fitted(X, given_S)
    with pytest.raises(ValueError, match="S has no observed entry"):
        fitted(X, S, mask=np.zeros((50, 9), bool))


@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_rows_and_columns_without_observed_entries(solver):
    some = S.copy()
    some[[1, 4]], some[:, 8] = np.nan, np.nan
    message = "2 of 50 rows and 1 of 9 columns of S have no observed entry: these rows are ignored"
    for given_S in (some, as_sparse(some), some[:, :, None]):
        with pytest.warns(UserWarning, match=message) as record:
            encoder = fitted(X, given_S, solver=solver, max_iter=2)
        assert len(record) == 1
        assert np.isfinite(encoder.predict(X)).all()
    with pytest.warns(UserWarning, match="0 of 50 rows and 1 of 9"):
        fitted(X, S, mask=np.arange(9) * np.ones((50, 1)) < 8, solver=solver, max_iter=2)


def test_asymmetric_targets():
    bad = SQUARE.copy()
    bad[7, 3] += 2
    message = re.escape("S[3, 7] and S[7, 3] differ by 2")
    for given_S in (bad, as_sparse(bad), bad[:, :, None], lambda rows: bad[rows]):
        with pytest.raises(ValueError, match=message + r".*use \(S \+ S.T\) / 2, or symmetric=0"):
            fitted(X, given_S, symmetric=1.0)
    for given_S in (bad, as_sparse(bad)):
        fitted(X, given_S, max_iter=1)
    bad[7, 3] = np.nan  # unknown on one side
    for given_S in (bad, as_sparse(bad)):
        fitted(X, given_S, symmetric=1.0, max_iter=1)
    # rounding
    fitted(X, SQUARE + 1e-5 * np.random.default_rng(0).random((50, 50)), symmetric=1.0, max_iter=1)
    with pytest.raises(ValueError, match="use .S"):
        SimilarityEncoder(symmetric=1.0).partial_fit(X[:9], S[:9])
    # rows to score need not be the columns
    encoder = fitted(X[:40], SQUARE[:40, :40], symmetric=1.0, solver="exact")
    assert encoder.score(X[40:], SQUARE[40:, :40]) > 0.9


def test_a_large_sparse_matrix_is_checked_as_it_is():
    n = 200_000
    i = np.arange(n)
    values = np.where(i == 4, 3.0, 1.0)
    T = sparse.csr_matrix(
        (np.append(values, np.ones(n)), (np.append(i, (i + 1) % n), np.append((i + 1) % n, i))),
        (n, n),
    )
    with pytest.raises(ValueError, match=r"S\[\d, \d\] and S\[\d, \d\] differ by 2"):
        fitted(None, T, symmetric=1.0)


@pytest.mark.parametrize("parameters", [
    {"solver": "exact"}, {"symmetric": 1.0}, {"hidden_layers": (4,)}, {"init": "random"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("value", [0.0, 2.5])
@pytest.mark.parametrize("missing", [False, True])
def test_targets_that_are_all_alike(parameters, value, missing):
    alike = np.full((50, 9), value)
    if missing:
        alike[np.random.default_rng(0).random((50, 9)) < 0.3] = np.nan
    with pytest.warns(
        UserWarning, match=f"all entries of S are {value:g}: rows cannot be distinguished"
    ):
        encoder = fitted(X, alike, n_components=1, max_iter=3, **parameters)
    assert np.isfinite(encoder.predict(X)).all()
    assert encoder.score(X, np.full((50, 9), 1.0)) in (0.0, 1.0)
    if parameters.get("solver") == "exact":
        np.testing.assert_allclose(encoder.predict(X), value, atol=1e-3)


def test_more_components_than_ranks():
    for given_X, given_S, message in (
        (X[:5], S[:5], "rows of S, 5:"),
        (X, S[:, :4], "targets, 4:"),
        (X[:, :3], S, "features, bias included, 4:"),
    ):
        with pytest.warns(UserWarning, match=f"n_components=6 is more than .* {message}") as record:
            encoder = fitted(given_X, given_S, n_components=6, solver="exact")
        assert len(record) == 1
        assert record[0].filename == fitted.__code__.co_filename
        assert encoder.transform(given_X).shape[1] == 6
        assert np.isfinite(encoder.predict(given_X)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fitted(X[:, :3], S, n_components=6, hidden_layers=(20,), max_iter=1)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("features", [False, True])
def test_more_components_than_targets_or_rows(n, missing, features):
    for some in (S[:, :n].copy(), S[:n].copy()):
        if missing and some.size > 9:
            some[0, 0] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            encoder = fitted(X[: len(some)] if features else None, some, n_components=5,
                             solver="exact")  # fmt: skip
        assert encoder.predict(X[: len(some)] if features else None).shape == some.shape


def test_targets_that_are_no_probabilities():
    parameters = {"loss": "bce", "target_activation": "sigmoid", "max_iter": 1}
    for given_S in (S, as_sparse(S)):
        with pytest.raises(ValueError, match="needs targets from 0 to 1, and S has values from -"):
            fitted(X, given_S, **parameters)
    fitted(X, S > 0, **parameters)


def test_unsupported_masks():
    mask = np.ones((50, 9), bool)
    for given_X, given_S in ((X, lambda rows: S[rows]), (Items(X, S), None)):
        with pytest.raises(ValueError, match="mask is only supported for targets in memory"):
            fitted(given_X, given_S, mask=mask)
    with pytest.raises(ValueError, match="has a mask already"):
        fitted(X, np.ma.masked_invalid(S), mask=mask)
    with pytest.raises(ValueError, match="already count as missing"):
        fitted(X, as_sparse(S), mask=mask)


def test_data_sets_of_other_kinds():
    class Endless(IterableDataset):
        def __iter__(self):
            yield X[0]

    with pytest.raises(ValueError, match="a map-style data set with __len__ .* got Endless"):
        fitted(Endless(), S)
    with pytest.raises(ValueError, match="the data set contains targets already: omit S"):
        fitted(Items(X, S), S)
    with pytest.raises(ValueError, match="S is missing: .* requires y"):
        fitted(Items(X), None)
    with pytest.raises(ValueError, match="S is missing: .* requires y"):
        fitted(X, None)


# Order


@pytest.mark.parametrize("call", [
    lambda e: e.transform(X), lambda e: e.predict(X), lambda e: e.predict_similarity(X),
    lambda e: e.inverse_transform(S), lambda e: e.score(X, S), lambda e: e.save("nowhere"),
    lambda e: e.get_feature_names_out(), lambda e: e.fit_columns(X, S, X),
])  # fmt: skip
def test_before_fit(call):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        call(SimilarityEncoder())


def test_parameters_are_checked_before_anything_is_lost():
    encoder = fitted(X, S, max_iter=2)
    before = encoder.predict(X)
    for bad in ({"solver": "exact", "hidden_layers": (3,)}, {"l2": -1}):
        with pytest.raises(ValueError, match="solver|l2"):
            encoder.set_params(**bad).fit(X, S)
        encoder.set_params(solver="auto", hidden_layers=(), l2=0)
    with pytest.raises(ValueError, match="X has 40 rows"):
        encoder.fit(X[:40], S)
    np.testing.assert_array_equal(encoder.predict(X), before)


@pytest.mark.parametrize("hidden_layers", [(), (4,)])
@pytest.mark.parametrize(
    "X", [np.zeros((8, 3)), np.ones((8, 3)), sparse.csr_matrix((8, 3))], ids=["0", "1", "sparse"]
)
def test_rows_without_differences_are_reported(X, hidden_layers):
    S = np.arange(64.0).reshape(8, 8)
    encoder = SimilarityEncoder(2, max_iter=2, hidden_layers=hidden_layers, random_state=0)
    with pytest.warns(UserWarning, match="all rows of X are equal: they cannot be distinguished"):
        encoder.fit(X, S)
    Y = encoder.transform(X)
    np.testing.assert_allclose(Y, np.broadcast_to(Y[0], Y.shape), rtol=1e-5)
