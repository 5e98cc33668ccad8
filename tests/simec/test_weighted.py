"""Targets whose errors have weights, and absent ones that are 0, against dense least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from simec import SimilarityEncoder
from simec.data.targets import SparseTargets
from simec.linalg.factorization import sampled_product, solve_observed
from simec.solvers.als import als, relative_counts, solve_first_layer, solve_rows
from simec.solvers.objective import squared_error
from simec.solvers.problem import Problem

CPU = torch.device("cpu")


def example(m=11, n=8, share=0.5, seed=0):
    """Targets and weights, sparse; and dense targets and a dense mask of what is stored."""
    rng = np.random.default_rng(seed)
    there = rng.random((m, n)) < share
    there[0] = False  # a row of which nothing is known
    rows, columns = np.nonzero(there)
    S = sparse.csr_matrix((rng.normal(size=len(rows)), (rows, columns)), (m, n))
    weights = sparse.csr_matrix((rng.uniform(0.5, 4, len(rows)), (rows, columns)), (m, n))
    return S, weights, S.toarray(), there


def dense_weights(weights, there, absent):
    return np.where(there, weights.toarray(), absent)


@given(
    absent=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 20),
    share=st.sampled_from([0.1, 0.5, 0.9]),
)
def test_rows_are_solved_as_dense_least_squares(absent, seed, share):
    S, weights, dense, there = example(share=share, seed=seed)
    rng = np.random.default_rng(seed)
    W, penalty = rng.normal(size=(8, 3)), rng.uniform(0.1, 2, 11)
    found = solve_observed(S, W, penalty, weights.data, absent)
    for i, weight in enumerate(dense_weights(weights, there, absent)):
        gram = W.T @ (weight[:, None] * W) + penalty[i] * np.eye(3)
        np.testing.assert_allclose(
            found[i], np.linalg.solve(gram, W.T @ (weight * dense[i])), rtol=1e-8, atol=1e-10
        )
    np.testing.assert_allclose(solve_rows(S, weights, W, penalty, absent), found)
    if not absent:
        all_weights = dense_weights(weights, there, 0)
        np.testing.assert_allclose(solve_rows(dense, all_weights, W, penalty), found, atol=1e-10)


@pytest.mark.parametrize("held", [0, 1 << 20])
def test_features_are_solved_as_dense_least_squares(held, monkeypatch):
    monkeypatch.setattr("simec.solvers.als._HELD", held)
    S, weights, dense, there = example()
    rng = np.random.default_rng(1)
    H, W_l = rng.normal(size=(11, 4)), rng.normal(size=(3, 8))
    for absent in (0.0, 0.4):
        weight = dense_weights(weights, there, absent).ravel()
        problem = Problem(
            11, 4, 8, 3, features=lambda rows: H[rows.numpy()], S=S, weights=weights,
            absent=absent, l2=0.7 / weight.sum(),
        )  # fmt: skip
        found = solve_first_layer(problem, W_l)
        # S[i, j] ≈ Σ H[i, p] W_l[d, j] W1[p, d]
        design = np.einsum("ip,dj->ijpd", H, W_l).reshape(88, 12)
        gram = design.T @ (weight[:, None] * design) + 0.7 * np.eye(12)
        expected = np.linalg.solve(gram, design.T @ (weight * dense.ravel())).reshape(4, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def objective(Y, W_l, dense, weight, penalty_1, penalty_l):
    errors = weight * (dense - Y @ W_l) ** 2
    return errors.sum() + (penalty_1[:, None] * Y**2).sum() + (penalty_l * W_l**2).sum()


@pytest.mark.parametrize("absent", [0.0, 0.5])
@pytest.mark.parametrize("by_count", [0.0, 0.5, 1.0])
def test_alternating_ends_where_no_step_helps(absent, by_count):
    S, weights, dense, there = example(20, 15)
    rng = np.random.default_rng(0)
    weight = dense_weights(weights, there, absent)
    ridge = 0.02
    problem = Problem(
        20, 20, 15, 2, S=S, weights=weights, absent=absent, l2=ridge, l2_by_count=by_count
    )
    _, W_l = als(problem, rng.normal(size=(2, 15)), max_iter=500)
    counts = [np.maximum(there.sum(axis=axis), 1) for axis in (1, 0)]
    p1, pl = (ridge * weight.sum() * (c / c.mean()) ** by_count for c in counts)
    # factors come balanced: the same product, so compare with the best for it
    best_Y = solve_rows(S, weights, W_l.T, p1, absent)
    best_W = solve_rows(S.T.tocsr(), weights.T.tocsr(), best_Y, pl, absent).T
    here = objective(best_Y, best_W, dense, weight, p1, pl)
    for _ in range(50):
        best_Y = solve_rows(S, weights, best_W.T, p1, absent)
        best_W = solve_rows(S.T.tocsr(), weights.T.tocsr(), best_Y, pl, absent).T
    after = objective(best_Y, best_W, dense, weight, p1, pl)
    assert after <= here
    assert here - after < 0.02 * here


def test_counts():
    S, weights, _, there = example()
    rows = np.maximum(there.sum(axis=1), 1)
    np.testing.assert_allclose(relative_counts(weights, 1, 0.5), np.sqrt(rows / rows.mean()))
    np.testing.assert_allclose(relative_counts(there * 1.0, 1, 0.5), np.sqrt(rows / rows.mean()))
    assert relative_counts(S, 0, 0).tolist() == [1] * 8


def test_sampled_products():
    S, *_ = example()
    rng = np.random.default_rng(1)
    Y, W_l = rng.normal(size=(11, 3)), rng.normal(size=(3, 8))
    np.testing.assert_allclose(sampled_product(S, Y, W_l.T), (Y @ W_l)[S.nonzero()])


@pytest.mark.parametrize("absent", [0.0, 0.25])
def test_batches(absent):
    S, weights, dense, there = example()
    targets = SparseTargets(S, CPU, weights.data, absent)
    rows = torch.tensor([3, 0, 7])
    values, known = targets.batch(rows)
    np.testing.assert_allclose(values, dense[rows], rtol=1e-6)
    np.testing.assert_allclose(known, dense_weights(weights, there, absent)[rows], rtol=1e-6)
    expected = dense_weights(weights, there, absent).sum()
    assert targets.total_weight == pytest.approx(expected, rel=1e-6)
    if absent:
        with pytest.raises(ValueError, match="use early_stopping=False"):
            targets.hold_out(0.2, np.random.default_rng(0))
    else:
        kept, out = targets.hold_out(0.2, np.random.default_rng(0))
        both = [part.batch(torch.arange(11))[1] for part in (kept, out)]
        np.testing.assert_allclose(both[0] + both[1], weights.toarray(), rtol=1e-6)


@pytest.mark.parametrize("absent", [0.0, 0.25])
def test_errors_by_entries_are_those_of_batches(absent):
    S, weights, *_ = example()
    targets = SparseTargets(S, CPU, weights.data, absent)
    rng, rows = np.random.default_rng(1), torch.tensor([3, 0, 7])
    Y, W_l = (torch.from_numpy(rng.normal(size=shape)).float() for shape in ((3, 2), (2, 8)))
    values, known = targets.batch(rows)
    total, weight = targets.squared_error(rows, Y, W_l)
    assert total == pytest.approx(float(squared_error(Y, W_l, values, known)), rel=1e-5)
    assert weight == pytest.approx(float(known.sum()), rel=1e-6)


def test_gradients_of_weighted_errors():
    rng = np.random.default_rng(0)
    y, W, values, weights = (
        torch.from_numpy(rng.normal(size=shape)) for shape in ((5, 2), (2, 6), (5, 6), (5, 6))
    )
    y.requires_grad_()
    W.requires_grad_()
    weights = weights.abs()
    expected = (weights * (y @ W - values) ** 2).sum()
    assert torch.allclose(squared_error(y, W, values, weights), expected)
    assert torch.autograd.gradcheck(lambda a, b: squared_error(a, b, values, weights), (y, W))


@pytest.mark.parametrize("features", [False, True])
def test_encoders_of_weighted_targets(features):
    """An exact fit, and Adam from anywhere, end in about the same weighted error."""
    S, weights, dense, there = example(30, 12, seed=3)
    X = np.random.default_rng(2).normal(size=(30, 5)) if features else None
    targets = SparseTargets(S, CPU, weights.data, 0.3)
    weight = dense_weights(weights, there, 0.3)

    def error(encoder):
        return float((weight * (encoder.predict(X) - dense) ** 2).sum() / weight.sum())

    exact = SimilarityEncoder(3, solver="exact", l2=1e-6).fit(X, targets)
    assert exact.best_loss_ == pytest.approx(error(exact), rel=0.02)
    adam = SimilarityEncoder(
        3, solver="adam", init="random", batch_size=10, learning_rate=0.1, max_iter=50,
        random_state=0,
    ).fit(X, targets)  # fmt: skip
    assert error(exact) <= error(adam) * 1.02
    assert error(adam) <= error(exact) * 1.2
    variance = (weight * dense**2).sum() / weight.sum() - (
        (weight * dense).sum() / weight.sum()
    ) ** 2
    assert exact.score(X, targets) == pytest.approx(1 - error(exact) / variance, rel=1e-4)


def test_incompatible_arguments():
    S, weights, *_ = example()
    targets = SparseTargets(S, CPU, weights.data)
    with pytest.raises(ValueError, match="mask and n_targets are not supported if S is a Targets"):
        SimilarityEncoder(2, n_targets=3).fit(None, targets)
    with pytest.raises(ValueError, match="S must have one row for each"):
        SimilarityEncoder(2).fit(np.eye(3), targets)
    with pytest.raises(ValueError, match="l2_by_count needs solver='exact'"):
        SimilarityEncoder(2, l2_by_count=0.5).fit(None, S)
