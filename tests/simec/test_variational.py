"""Variational factors, against a slow and plain version, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from simec import SimilarityEncoder
from simec.data.targets import SparseTargets
from simec.linalg.factorization import solve_observed
from simec.solvers.problem import Problem
from simec.solvers.variational import moments, posterior, rotated, rotations
from simec.solvers.variational import variational as rounds_of


def variational(S, start):
    problem = Problem(*S.shape[:1], S.shape[0], S.shape[1], len(start), S=S)
    *_, last = rounds_of(problem, start)
    return last


def low_rank(m=60, n=40, d=2, noise=0.3, share=0.4, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(m, d)) @ rng.normal(size=(d, n))
    known = rng.random((m, n)) < share
    values = true + noise * rng.normal(size=(m, n))
    return true, known, sparse.csr_matrix((values[known], np.nonzero(known)), (m, n))


def plain_posterior(S, other, covariances, precisions, noise):
    m, d = S.shape[0], other.shape[1]
    means, found, error = np.zeros((m, d)), np.zeros((m, d, d)), 0.0
    for i in range(m):
        columns, values = S[i].indices, S[i].data
        A, b = np.diag(precisions), np.zeros(d)
        for j, value in zip(columns, values, strict=True):
            A = A + (np.outer(other[j], other[j]) + covariances[j]) / noise
            b += value * other[j] / noise
        found[i] = np.linalg.inv(A)
        means[i] = found[i] @ b
        for j, value in zip(columns, values, strict=True):
            yy = np.outer(means[i], means[i]) + found[i]
            ww = np.outer(other[j], other[j]) + covariances[j]
            error += value**2 - 2 * value * means[i] @ other[j] + np.trace(yy @ ww)
    return means, found, error


def some_side(n=9, d=3, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, d, d)) / 3
    return rng.normal(size=(n, d)), (A @ A.transpose(0, 2, 1)).astype(np.float32)


def test_posteriors_are_those_of_the_plain_version():
    _, _, S = low_rank(12, 9)
    S = sparse.vstack([S, sparse.csr_matrix((1, 9))]).tocsr()  # a row of which nothing is known
    other, covariances = some_side()
    precisions = np.array([1.0, 2.0, 0.5])
    found = posterior(S, other, covariances, precisions, 0.7)
    expected = plain_posterior(S, other, covariances, precisions, 0.7)
    for here, there in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-5, atol=1e-6)
    assert found[2] == pytest.approx(expected[2], rel=1e-5)
    assert found[0][-1].tolist() == [0, 0, 0]


def test_without_uncertainty_it_is_ridge_regression():
    _, _, S = low_rank(12, 9)
    other, _ = some_side()
    found, _, _ = posterior(S, other, np.zeros((9, 3, 3), np.float32), np.full(3, 2.0), 0.5)
    np.testing.assert_allclose(found, solve_observed(S, other, 1.0), atol=1e-8)


def test_turns_keep_products_and_make_moments_diagonal():
    Y, C_Y = some_side(20, seed=1)
    W, C_W = some_side(15, seed=2)
    to_Y, to_W, spread = rotations(moments(Y, C_Y), moments(W, C_W))
    np.testing.assert_allclose((Y @ to_Y) @ (W @ to_W).T, Y @ W.T, atol=1e-8)
    np.testing.assert_allclose(moments(Y @ to_Y, rotated(C_Y, to_Y)), np.eye(3), atol=1e-5)
    np.testing.assert_allclose(moments(W @ to_W, rotated(C_W, to_W)), np.diag(spread), atol=1e-5)


def test_no_penalty_needs_tuning():
    """As good as the best penalty, found with the answers, of many; with more components."""
    true, known, S = low_rank(noise=1.0)
    rng = np.random.default_rng(1)
    Y, W_l = variational(S, rng.normal(size=(6, 40)))
    ours = np.sqrt((((Y @ W_l) - true)[~known] ** 2).mean())
    others = []
    for ridge in (0.3, 1.0, 2.0, 4.0, 8.0, 16.0):
        W = rng.normal(size=(40, 6))
        for _ in range(60):
            Y = solve_observed(S, W, ridge)
            W = solve_observed(S.T.tocsr(), Y, ridge)
        others.append(np.sqrt((((Y @ W.T) - true)[~known] ** 2).mean()))
    assert ours < min(others)
    assert ours < 0.8 * true.std()


def test_superfluous_components_vanish():
    _, _, S = low_rank(150, 100, d=2, noise=0.5)
    Y, W_l = variational(S, np.random.default_rng(0).normal(size=(5, 100)))
    sizes = np.linalg.svd(Y @ W_l, compute_uv=False)
    assert sizes[2] < 0.05 * sizes[1]


@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_as_a_solver_of_encoders(form):
    true, known, S = low_rank()
    given = S if form == "sparse" else np.where(known, S.toarray(), np.nan)
    encoder = SimilarityEncoder(3, solver="variational").fit(None, given)
    wrong = encoder.predict(None)[~known] - true[~known]
    assert np.sqrt((wrong**2).mean()) < 0.25 * true.std()
    assert encoder.n_iter_ == 1
    W_l = encoder.module_.last.weight.detach().numpy()
    gram = W_l @ W_l.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-3 * gram.max())


def test_scale_does_not_matter():
    _, _, S = low_rank()
    start = np.random.default_rng(0).normal(size=(3, 40))
    Y, W_l = variational(S, start)
    Y2, W_l2 = variational(S * 1000, start * 30)
    np.testing.assert_allclose(Y2 @ W_l2, 1000 * (Y @ W_l), rtol=1e-2, atol=5)


def test_unsupported_options():
    true, _, S = low_rank()
    doubled = SparseTargets(S, torch.device("cpu"), np.full(S.nnz, 2.0))
    for X, targets, more in (
        (None, doubled, {}),
        (None, SparseTargets(S, torch.device("cpu"), absent=0.1), {}),
        (np.eye(60), S, {}),
        (None, true, {}),
        (None, S[:40], {"symmetric": 1.0}),
    ):
        encoder = SimilarityEncoder(2, solver="variational", **more)
        with pytest.raises(ValueError, match=r"solver='variational' needs X=None|not symm|differ"):
            encoder.fit(X, targets)
    with pytest.raises(ValueError, match="solver='variational' needs a linear network"):
        SimilarityEncoder(2, solver="variational", hidden_layers=(3,)).fit(None, S)


def test_an_interrupt_keeps_the_last_round(monkeypatch):
    _, _, S = low_rank()
    whole = SimilarityEncoder(2, solver="variational").fit(None, S)
    calls = []

    def turns(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return rotations(*args)

    monkeypatch.setattr("simec.solvers.variational.rotations", turns)
    encoder = SimilarityEncoder(2, solver="variational")
    with pytest.raises(KeyboardInterrupt):
        encoder.fit(None, S)
    assert encoder.score(None, S) == pytest.approx(whole.score(None, S), abs=0.05)
    assert encoder.score(None, S) > 0.5
