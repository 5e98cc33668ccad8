"""Closed forms against dense numpy, and against gradient descent, which must not do better."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_digits

from simec.data.targets import read_targets
from simec.linalg.factorization import balanced
from simec.similarities import class_labels
from simec.solvers import initialization
from simec.solvers import problem as problems
from simec.solvers.als import als, impute, solve_rows
from simec.solvers.problem import Problem, conjugate_gradients
from tests.simec.encoder_data import as_sparse, error, fitted, make

EXACT = {"solver": "exact"}


def weights(encoder):
    """Both layers as plain matrices, the bias in the last row of the first."""
    layer = encoder.module_.encoder[0]
    W1 = layer.weight.detach().double().numpy()
    W1 = W1.T if isinstance(layer, torch.nn.Linear) else W1
    if layer.bias is not None:
        W1 = np.vstack([W1, layer.bias.detach().numpy()])
    return W1, encoder.module_.last.weight.detach().double().flatten(1).numpy()


def with_ones(X):
    return np.hstack([X.astype(np.float64), np.ones((len(X), 1))])


def plain_reduced_rank(X, S, d, l2):
    """min |S - H B|² + l2 m n |B|² (bias free) over B of rank d, by a whitened SVD."""
    H = with_ones(X)
    G = H.T @ H + np.diag([l2 * S.size] * X.shape[1] + [0.0])
    root = np.linalg.cholesky(G)
    M = np.linalg.inv(root) @ H.T @ S.astype(np.float64)
    U, sizes, Vt = np.linalg.svd(M, full_matrices=False)
    return np.linalg.inv(root).T @ (U[:, :d] * sizes[:d]) @ Vt[:d]


# Reduced-rank regression


@settings(max_examples=40)
@given(
    seed=st.integers(0, 9999), m=st.integers(12, 40), n=st.integers(1, 9), D=st.integers(1, 8),
    d=st.integers(1, 6), l2=st.sampled_from([0, 1e-3, 0.1]),
)  # fmt: skip
def test_reduced_rank_regression(seed, m, n, D, d, l2):
    X, S = make(m, n, D, seed=seed, noise=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        encoder = fitted(X, S, n_components=d, l2=l2, **EXACT)
    W1, W_l = weights(encoder)
    expected = plain_reduced_rank(X, S, d, l2)
    np.testing.assert_allclose(W1 @ W_l, expected, atol=1e-4 * max(1, np.abs(expected).max()))
    np.testing.assert_allclose(encoder.predict(X), with_ones(X) @ W1 @ W_l, atol=1e-3)
    # rows of W_l are orthogonal, and as long as columns of Y where nothing is penalised
    gram = W_l @ W_l.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-4 * gram.max())
    assert encoder.n_iter_ == 1
    assert encoder.loss_curve_ == []


def test_without_bias():
    X, S = make(n=9)
    found = fitted(X + 1, S, bias=False, **EXACT)
    H = (X + 1).astype(np.float64)
    Q, _ = np.linalg.qr(H)
    U, sizes, Vt = np.linalg.svd(Q.T @ S, full_matrices=False)
    expected = Q @ (U[:, :3] * sizes[:3]) @ Vt[:3]
    np.testing.assert_allclose(found.predict(X + 1), expected, atol=1e-4)


def test_with_the_identity_it_is_the_svd():
    _, S = make(n=30, noise=0.5)
    found = fitted(None, S, n_components=4, **EXACT)
    U, sizes, Vt = np.linalg.svd(S.astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(found.predict(), (U[:, :4] * sizes[:4]) @ Vt[:4], atol=1e-4)
    # both factors take the roots of singular values
    np.testing.assert_allclose(
        np.linalg.norm(found.transform(None), axis=0), np.sqrt(sizes[:4]), rtol=1e-4
    )


@pytest.mark.parametrize("symmetric", [0.0, 1.0])
def test_any_scale_and_offset_of_features(symmetric):
    X, S = make(rank=3)
    expected = fitted(X, S, symmetric=symmetric, **EXACT).predict(X)
    for other in (X * 1e-4, X * 1e4, X + 1000, X * [1, 10, 100, 1e3, 1e4, 1e5]):
        other = other.astype(np.float32)
        found = fitted(other, S, symmetric=symmetric, **EXACT)
        np.testing.assert_allclose(found.predict(other), expected, atol=2e-2)
        found = fitted(X, S * 1e4, symmetric=symmetric, **EXACT)
        np.testing.assert_allclose(found.predict(X), expected * 1e4, rtol=1e-2, atol=10)


def test_more_features_than_rows_and_copies_of_features():
    X, S = make(m=20, n=6, D=30)
    assert fitted(X, S, **EXACT).score(X, S) > 0.9
    X, S = make(n=6)
    twice = np.hstack([X, X, np.zeros((50, 2), "f4")])
    np.testing.assert_allclose(
        fitted(twice, S, **EXACT).predict(twice), fitted(X, S, **EXACT).predict(X), atol=1e-3
    )


@pytest.mark.parametrize("symmetric", [0.0, 1.0])
def test_features_that_are_always_0_do_not_matter(symmetric):
    X, y = load_digits(return_X_y=True)
    X, S = (X[::2] / 16).astype("f4"), class_labels(y[::2])
    varied = X[:, X.any(axis=0)]
    assert varied.shape[1] < 64
    found = fitted(X, S, n_components=2, symmetric=symmetric, **EXACT).predict(X)
    expected = fitted(varied, S, n_components=2, symmetric=symmetric, **EXACT).predict(varied)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_targets_far_from_0_are_left_to_the_bias():
    X, S = make(n=9)
    found = fitted(X, S + 50, n_components=4, l2=1.0, **EXACT).predict(X)
    # a penalty on the features only brings predictions to their means
    np.testing.assert_allclose(found.mean(axis=0), (S + 50).mean(axis=0), rtol=1e-2)


# Symmetric targets


def symmetric_oracle(H, S, d, starts=12, steps=1500):
    """The least mean of (S - Y Yᵀ)², Y = H W, that gradient descent finds from many starts."""
    Q = torch.from_numpy(np.linalg.qr(H)[0])
    T = torch.from_numpy(S.astype(np.float64))
    known = ~T.isnan()
    torch.manual_seed(0)
    W = torch.randn(starts, Q.shape[1], d, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([W], lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        Y = Q @ W
        losses = ((Y @ Y.transpose(1, 2))[:, known] - T[known]).square().mean(dim=1)
        losses.sum().backward()
        optimizer.step()
    return float(losses.detach().min())


@pytest.mark.parametrize("kind", ["similarities", "indefinite", "no use of features"])
@pytest.mark.slow
def test_no_descent_does_better_than_the_symmetric_form(kind):
    X, S = make(m=25, rank=5, noise=0.3)
    if kind == "indefinite":
        S = S - 3 * np.outer(X[:, 0], X[:, 0])
    if kind == "no use of features":
        S = make(m=25, seed=9)[1]
    encoder = fitted(X, S, symmetric=1.0, **EXACT)
    found = error(encoder.predict_similarity(X), S)
    best = symmetric_oracle(with_ones(X), S, 3)
    assert found <= best * (1 + 1e-4)
    assert found >= best * (1 - 1e-2)
    # the last layer holds the embeddings of the targets
    np.testing.assert_allclose(encoder.predict(X), encoder.predict_similarity(X), atol=1e-4)


def test_a_symmetric_form_with_the_identity_takes_positive_eigenvalues():
    X, S = make(m=30, rank=4)
    S = S - 3 * np.outer(X[:, 0], X[:, 0])
    S = (S + S.T) / 2
    values, vectors = np.linalg.eigh(S.astype(np.float64))
    top = values.argsort()[::-1][:3]
    expected = (vectors[:, top] * values[top]) @ vectors[:, top].T
    encoder = fitted(None, S, symmetric=1.0, **EXACT)
    np.testing.assert_allclose(encoder.predict_similarity(), expected, atol=1e-4)
    np.testing.assert_allclose(encoder.predict(), expected, atol=1e-4)


def test_there_may_be_less_positive_eigenvalues_than_components():
    _, S = make(m=20, rank=2, noise=0)
    encoder = fitted(None, -S, symmetric=1.0, n_components=4, **EXACT)
    assert error(encoder.predict_similarity(), 0 * S) < 1e-6


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n", [20, 54, 60])
def test_symmetric_targets_of_some_rows(n, early_stopping):
    # with 6 of 60 rows held out, 54 are left: no more the first 54
    X, S = make(m=60, rank=3, noise=0)
    encoder = fitted(X, S[:, :n], symmetric=1.0, early_stopping=early_stopping, bias=False, **EXACT)
    assert error(encoder.predict_similarity(X), S) < 1e-6
    assert error(encoder.predict_similarity(X, X[:n]), S[:, :n]) < 1e-6
    new, _ = make(m=10, seed=1)
    expected = fitted(X, S, symmetric=1.0, bias=False, **EXACT).predict_similarity(new, X)
    np.testing.assert_allclose(encoder.predict_similarity(new, X), expected, atol=1e-3)


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("features", [True, False])
def test_symmetric_targets_with_gaps(features, form):
    X, S = make(m=40, rank=3, missing=0.4, noise=0)
    whole = make(m=40, rank=3, noise=0)[1]
    given = as_sparse(S).tocsr() if form == "csr" else S
    encoder = fitted(X if features else None, given, symmetric=1.0, **EXACT)
    Y = encoder.transform(X if features else None)
    assert error(Y @ Y.T, whole) < 1e-3 * whole.var()
    assert error(encoder.predict(X if features else None), whole) < 1e-3 * whole.var()


@pytest.mark.parametrize("negative", [0, 2])
@pytest.mark.slow
def test_no_descent_does_better_on_symmetric_targets_with_gaps(negative):
    X, S = make(m=25, rank=5, missing=0.3, noise=0.3)
    S = S - negative * np.outer(X[:, 0], X[:, 0])
    found = error(fitted(X, S, symmetric=1.0, **EXACT).predict_similarity(X), S)
    assert found < 1.01 * symmetric_oracle(with_ones(X), S, 3)


# Last layers that stay


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("scale", [1, 1e-3])
def test_a_fixed_last_layer(missing, form, scale):
    X, S = make(n=9, missing=missing, noise=0.3)
    X = X * np.float32(scale)
    W_l = np.random.default_rng(1).standard_normal((3, 9)).astype(np.float32)
    given = as_sparse(S).tocsr() if form == "csr" else S
    encoder = fitted(X, given, last_layer=W_l, **EXACT)
    np.testing.assert_array_equal(encoder.module_.last.weight.detach(), W_l)
    # plain: each known entry is an equation for W₁
    H = with_ones(X)
    rows = [np.kron(H[i], W_l[:, j]) for i, j in np.argwhere(~np.isnan(S))]
    W1 = np.linalg.lstsq(np.array(rows), S[~np.isnan(S)].astype(float), rcond=None)[0]
    np.testing.assert_allclose(encoder.predict(X), H @ W1.reshape(-1, 3) @ W_l, atol=5e-3)


def test_fit_columns():
    rng = np.random.default_rng(0)
    X, X2 = (rng.standard_normal((k, 5)).astype(np.float32) for k in (60, 40))
    R = X[:, :3] @ rng.standard_normal((3, 3)) @ X2[:, :3].T
    R = R.astype(np.float32)
    for solver, hidden in (("exact", ()), ("auto", ())):
        one = fitted(X[:50], R[:50, :30], solver=solver, hidden_layers=hidden, symmetric=0)
        two = one.fit_columns(X2[:30], R[:50, :30], X[:50])
        new = one.transform(X[50:]) @ two.transform(X2[30:]).T
        np.testing.assert_allclose(new, R[50:, 30:], atol=1e-2)
        np.testing.assert_array_equal(two.module_.last.weight.detach(), one.transform(X[:50]).T)
    some = R[:50, :30].copy()
    some[rng.random(some.shape) < 0.3] = np.nan
    two = one.fit_columns(sparse.csr_matrix(X2[:30]), as_sparse(some), X[:50], max_iter=2)
    np.testing.assert_allclose(
        one.transform(X[50:]) @ two.transform(X2[30:]).T, R[50:, 30:], atol=2e-2
    )
    network = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    two = one.fit_columns(X2[:30], R[:50, :30], X[:50], network=network, max_iter=1)
    assert two.transform(X2).shape == (40, 3)
    with pytest.raises(ValueError, match="S must be a matrix"):
        one.fit_columns(X2[:30], lambda rows: R[rows], X[:50])
    with pytest.raises(ValueError, match=r"last_layer must have shape \(3, 9\) .* got \(2, 9\)"):
        fitted(X, R[:, :9], last_layer=np.zeros((2, 9)))


def test_fit_columns_without_features():
    _, S = make(n=20)
    one = fitted(None, S, **EXACT)
    two = one.fit_columns(None, S)
    np.testing.assert_allclose(
        one.transform(None) @ two.transform(None).T, one.predict(), atol=1e-3
    )


# Gaps: alternating least squares


@settings(max_examples=40)
@given(
    seed=st.integers(0, 9999), m=st.integers(1, 12), n=st.integers(1, 8), d=st.integers(1, 4),
    penalty=st.sampled_from([1e-3, 0.1, 5]),
)  # fmt: skip
def test_rows_are_solved_as_one_by_one(seed, m, n, d, penalty):
    rng = np.random.default_rng(seed)
    S, W = rng.standard_normal((m, n)), rng.standard_normal((n, d))
    known = (rng.random((m, n)) < 0.6).astype(float)
    expected = np.zeros((m, d))
    for i in range(m):
        A = W[known[i] > 0]
        expected[i] = np.linalg.solve(A.T @ A + penalty * np.eye(d), A.T @ S[i, known[i] > 0])
    for wrap in (np.asarray, sparse.csr_matrix):
        found = solve_rows(wrap(S * known), wrap(known), W, penalty)
        np.testing.assert_allclose(found, expected, atol=1e-9)


def penalised(H, W1, W_l, S, ridge):
    """What alternating least squares minimise, with the bias in the last row free."""
    known = ~np.isnan(S)
    squares = ((H @ W1 @ W_l - S)[known] ** 2).sum()
    return squares + ridge * known.sum() * ((W1[:-1] ** 2).sum() + (W_l**2).sum())


@pytest.mark.parametrize("ridge", [1e-3, 1e-2])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_each_round_lowers_the_error(form, ridge):
    X, S = make(m=30, n=12, missing=0.4, noise=0.5)
    H = with_ones(X)
    wrap = sparse.csr_matrix if form == "csr" else np.asarray
    problem = Problem(
        30, 7, 12, 3, features=lambda rows: H[rows.numpy()], bias=True, l2=ridge,
        S=wrap(np.nan_to_num(S)), weights=wrap((~np.isnan(S)).astype(float)),
    )  # fmt: skip
    W_l = np.random.default_rng(3).standard_normal((3, 12))
    errors = []
    for rounds in range(1, 12):
        found = als(problem, W_l, max_iter=rounds)
        errors.append(penalised(H, *found, S, ridge))
    # balancing factors does not change the product, and makes their squares the least
    assert (np.diff(errors) <= 1e-3 * errors[0]).all()
    assert errors[-1] < errors[0]
    assert errors[-1] < penalised(H, np.zeros((7, 3)), W_l, S, ridge)


@pytest.mark.slow
def test_no_descent_does_better_than_alternating_least_squares():
    X, S = make(m=30, n=12, missing=0.4, noise=0.3)
    encoder = fitted(X, S, **EXACT)
    H, T = torch.from_numpy(with_ones(X)), torch.from_numpy(S.astype(np.float64))
    known = ~T.isnan()
    torch.manual_seed(0)
    A = torch.randn(8, 7, 3, dtype=torch.float64, requires_grad=True)
    B = torch.randn(8, 3, 12, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([A, B], lr=0.02)
    for _ in range(3000):
        optimizer.zero_grad()
        losses = ((H @ A @ B)[:, known] - T[known]).square().mean(dim=1)
        losses.sum().backward()
        optimizer.step()
    assert error(encoder.predict(X), S) < 1.01 * float(losses.detach().min())


@pytest.mark.parametrize("features", [True, False])
@pytest.mark.parametrize("scale", [1, 100.0])
def test_unknown_entries_of_low_rank_are_found(features, scale):
    X, S = make(m=60, n=40, missing=0.5, noise=0)
    _, whole = make(m=60, n=40, noise=0)
    X = X if features else None
    found = fitted(X, S * np.float32(scale), **EXACT).predict(X) / scale
    assert error(found, whole) < 1e-3 * whole.var()


def test_rows_and_columns_without_observed_entries():
    X, S = make(m=30, n=12, missing=0.3)
    S[4], S[:, 7] = np.nan, np.nan
    with pytest.warns(UserWarning, match="1 of 30 rows and 1 of 12 columns of S have no observed"):
        encoder = fitted(None, S, **EXACT)
    np.testing.assert_allclose(encoder.predict()[4], 0, atol=1e-5)
    np.testing.assert_allclose(encoder.predict()[:, 7], 0, atol=1e-5)
    for form in (as_sparse(S), np.ma.masked_invalid(S)):
        with pytest.warns(UserWarning, match="1 of 30 rows and 1 of 12 columns"):
            fitted(X, form, **EXACT)


@settings(max_examples=30)
@given(seed=st.integers(0, 9999), m=st.integers(1, 9), n=st.integers(1, 9), d=st.integers(1, 6))
def test_balanced_factors_have_the_same_product(seed, m, n, d):
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((m, m))
    W1, W_l = rng.standard_normal((m, d)), rng.standard_normal((d, n))
    A, B = balanced(W1, H @ W1, W_l)
    assert A.shape == W1.shape
    assert B.shape == W_l.shape
    np.testing.assert_allclose(H @ A @ B, H @ W1 @ W_l, atol=1e-7)
    gram = (H @ A).T @ (H @ A)
    np.testing.assert_allclose(gram, B @ B.T, atol=1e-7 * max(1, gram.max()))
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-7 * max(1, gram.max()))


def test_imputation_never_raises_the_error():
    _, S = make(m=30, rank=6, missing=0.3, noise=0.5)
    known = (~np.isnan(S)).astype(float)
    problem = Problem(30, 30, 30, 3, S=np.nan_to_num(S), weights=known)
    errors = []

    def solve(pieces):
        M = pieces(torch.arange(30))
        values, vectors = np.linalg.eigh((M + M.T) / 2)
        Y = vectors[:, -3:] * np.sqrt(np.maximum(values[-3:], 0))
        errors.append(np.nansum((Y @ Y.T - S) ** 2))
        return Y, Y.T

    Y, W_l = impute(solve, problem, np.zeros((30, 3)), np.zeros((3, 30)))
    assert (np.diff(errors) <= 1e-9).all()
    assert len(errors) > 3
    assert np.nansum((Y @ W_l - S) ** 2) == pytest.approx(min(errors))


# Many sparse features


def wide(m=300, D=5000, share=0.01, seed=0):
    rng = np.random.default_rng(seed)
    n = round(m * D * share)
    rows, columns = rng.integers(m, size=n), rng.integers(D, size=n)
    return sparse.csr_matrix((rng.random(n, np.float32), (rows, columns)), (m, D))


@settings(max_examples=20)
@given(seed=st.integers(0, 9999), p=st.integers(1, 20), q=st.integers(1, 4))
def test_conjugate_gradients(seed, p, q):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((p, p))
    A = A @ A.T + np.eye(p)
    b = rng.standard_normal((p, q))
    np.testing.assert_allclose(
        conjugate_gradients(lambda x: A @ x, b, np.diag(A)[:, None]),
        np.linalg.solve(A, b),
        atol=1e-4,
    )
    assert (conjugate_gradients(lambda x: A @ x, 0 * b, np.ones((p, 1))) == 0).all()


@pytest.mark.parametrize("l2", [1e-4, 1e-2])
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.slow
def test_many_features_as_few(n, l2, monkeypatch):
    X = wide(D=400, share=0.05)
    S = np.asarray(X @ np.random.default_rng(0).standard_normal((400, n)), np.float32)
    S = S + np.random.default_rng(1).standard_normal(S.shape).astype(np.float32)
    d = min(n, 3)
    expected = fitted(X, S, n_components=d, l2=l2, **EXACT)
    monkeypatch.setattr(problems, "MAX_GRAM", 10)
    monkeypatch.setattr(initialization, "MAX_GRAM", 10)
    found = fitted(X, S, n_components=d, l2=l2, **EXACT)
    scale = np.abs(expected.predict(X)).max()
    np.testing.assert_allclose(found.predict(X), expected.predict(X), atol=5e-3 * scale)
    np.testing.assert_allclose(found.predict(X.toarray()), found.predict(X), atol=1e-4 * scale)
    dense = fitted(X.toarray(), S, n_components=d, l2=l2, **EXACT)
    np.testing.assert_allclose(dense.predict(X), expected.predict(X), atol=5e-3 * scale)


@pytest.mark.parametrize("form", ["dense", "csr"])
def test_many_features_as_few_with_gaps(form, monkeypatch):
    X = wide(D=100, share=0.1)
    rng = np.random.default_rng(0)
    S = np.asarray(X @ rng.standard_normal((100, 2)) @ rng.standard_normal((2, 30)), np.float32)
    S[rng.random(S.shape) < 0.3] = np.nan
    given = as_sparse(S).tocsr() if form == "csr" else S
    expected = fitted(X, given, n_components=2, **EXACT)
    monkeypatch.setattr(problems, "MAX_GRAM", 10)
    monkeypatch.setattr(initialization, "MAX_GRAM", 10)
    found = fitted(X, given, n_components=2, **EXACT)
    assert expected.score(X, S) > 0.99
    assert found.score(X, S) > 0.99


@pytest.mark.slow
def test_very_many_features_are_never_made_dense(monkeypatch):
    for kind in (sparse.csr_matrix, sparse.csc_matrix):
        monkeypatch.setattr(kind, "toarray", None)
        monkeypatch.setattr(kind, "todense", None)
    X = wide(2000, 200_000, 1e-4)  # 3 GB in float64
    S = np.asarray(X @ np.random.default_rng(0).standard_normal((200_000, 3)), np.float32)
    encoder = fitted(X, S, n_components=2, **EXACT)
    assert encoder.score(X, S) > 0.6
    # a vector of targets has rank 1
    with pytest.warns(UserWarning, match="more than the number of targets, 1"):
        assert fitted(X, S[:, 0], n_components=2, **EXACT).score(X, S[:, 0]) > 0.99
    part = X[:100]
    T = part.dot(part.T).tocoo().toarray()
    assert fitted(part, T, n_components=10, symmetric=1.0, **EXACT).score(part, T) > 0.1


# Starts


@pytest.mark.parametrize("parameters", [
    {}, {"symmetric": 1.0}, {"target_activation": (-9.0, 9.0)}, {"loss": "huber"}, {"l2": 1e-3},
    {"batch_size": 7}, {"batch_size": 7, "learning_rate": 0.3}, {"learning_rate": 3.0},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_auto_is_never_worse_than_its_start(parameters, missing):
    X, S = make(missing=missing, noise=0.3)
    still = fitted(X, S, max_iter=1, **{**parameters, "learning_rate": 1e-30})
    found = fitted(X, S, max_iter=8, **parameters)
    start = objective_of(still, X, S)
    assert objective_of(found, X, S) <= start * (1 + 1e-6)
    assert found.best_loss_ <= start * (1 + 1e-6)


def objective_of(encoder, X, S):
    targets = read_targets(S, None, None, None, torch.device("cpu"))
    rows = torch.arange(len(X))
    return encoder._objective().evaluate(encoder.module_, encoder.inputs(X), targets, rows)


def test_auto_betters_a_start_that_is_no_optimum():
    X, S = make(noise=0.3)
    S = np.clip(S, -1, 1)
    start = fitted(X, S, target_activation=(-1.0, 1.0), max_iter=1, learning_rate=1e-30)
    found = fitted(X, S, target_activation=(-1.0, 1.0), max_iter=100, learning_rate=1e-2)
    assert error(found.predict(X), S) < 0.98 * error(start.predict(X), S)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("symmetric", [0.0, 1.0])
def test_deep_networks_start_from_the_spectral_target(symmetric, missing):
    X, S = make(m=80, noise=0.0, missing=missing)
    parameters = {
        "hidden_layers": (60,), "max_iter": 1, "learning_rate": 1e-30, "solver": "adam"
    }  # fmt: skip
    spectral = fitted(X, S, symmetric=symmetric, **parameters)
    random = fitted(X, S, symmetric=symmetric, init="random", **parameters)
    whole = make(m=80, noise=0.0)[1]
    assert error(spectral.predict(X), whole) < 0.15 * whole.var()
    assert error(random.predict(X), whole) > 0.5 * whole.var()
    W_l = spectral.module_.last.weight.detach().numpy()
    if not missing:
        values, vectors = np.linalg.eigh(whole.astype(np.float64))
        expected = (vectors[:, -3:] * values[-3:]) @ vectors[:, -3:].T
        np.testing.assert_allclose(W_l.T @ W_l, expected, atol=1e-3)
    if symmetric:
        np.testing.assert_allclose(W_l.T @ W_l, whole, atol=0.2)


def test_a_spectral_start_keeps_the_signs_of_eigenvalues():
    # with features to spare, embeddings reach the eigenvectors
    X, S = make(m=40, rank=1, noise=0)
    S = S - np.outer(X[:, 0], X[:, 0])
    S = ((S + S.T) / 2).astype(np.float32)
    found = fitted(X, S, n_components=2, init="spectral", hidden_layers=(80,), max_iter=1,
                   learning_rate=1e-30)  # fmt: skip
    assert found.score(X, S) > 0.9
