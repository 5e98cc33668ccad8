"""Training on projected targets, and least squares for the last layers at its end."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from simec import SimilarityEncoder
from simec.data.inputs import DenseInputs
from simec.data.targets import ComputedTargets, DenseTargets
from simec.network import LastLayer, SimEcNetwork, perceptron
from simec.solvers.gradient import Schedule, Trainer, Validation
from simec.solvers.objective import Objective
from simec.solvers.projection import Basis, find_basis
from tests.simec.encoder_data import error, fitted, make

CPU = torch.device("cpu")
D, N = 3, 400


def dense(S):
    return DenseTargets(torch.from_numpy(np.asarray(S, np.float32)), None, CPU)


def network(kinds=(), n=N):
    torch.manual_seed(0)
    return SimEcNetwork(perceptron([6, 8, D], "tanh"), LastLayer(D, (n, *kinds)))


def gradients(module, X, targets, objective):
    """Of the mean error of all rows."""
    module.zero_grad()
    rows = torch.arange(len(X))
    found, count = objective.error(module, torch.from_numpy(X), *targets.batch(rows))
    found, _ = targets.full_error(rows, found, count)
    (found + objective.penalty(module, targets, len(X), torch.Generator())).backward()
    return [None if p.grad is None else p.grad.clone() for p in module.parameters()]


@pytest.mark.parametrize("kinds", [(), (2,)])
@pytest.mark.parametrize("penalties", [{}, {"orthogonal": 0.1, "l2": 0.01}])
def test_losses_and_gradients_are_those_of_all_targets(kinds, penalties):
    X, _ = make(m=90)
    S = np.random.default_rng(0).standard_normal((90, N, *kinds)).astype(np.float32)
    targets, rows, objective = dense(S), torch.arange(90), Objective(**penalties)
    module = network(kinds)
    basis = find_basis(targets, rows, module.last, objective)
    small = basis.project(targets, CPU)
    assert small.shape == (64,)
    with basis.in_place(module.last):
        inputs = DenseInputs(torch.from_numpy(X), CPU)
        loss = objective.evaluate(module, inputs, small, rows)
        *first, of_A = gradients(module, X, small, objective)
    assert module.last.weight.shape == (D, N, *kinds)
    assert loss == pytest.approx(objective.evaluate(module, inputs, targets, rows), rel=1e-5)
    *expected, of_W = gradients(module, X, targets, objective)
    for found, by_hand in zip(first, expected, strict=True):
        torch.testing.assert_close(found, by_hand, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(of_A, of_W.flatten(1) @ basis.vectors, rtol=1e-3, atol=1e-6)


def test_a_basis_holds_what_targets_consist_of():
    _, S = make(m=90, n=N, rank=20, D=30, noise=0.0)
    basis = find_basis(dense(S), torch.arange(90), LastLayer(D, (N,)), Objective())
    V = basis.vectors.numpy()
    np.testing.assert_allclose(V.T @ V, np.eye(64), atol=1e-5)
    np.testing.assert_allclose(S @ V @ V.T, S, atol=1e-4)
    with basis.in_place(last := LastLayer(D, (N,))):
        assert last.weight.shape == (D, 64)


def test_the_layer_comes_back_after_an_error():
    last = LastLayer(D, (N,))
    before = last.weight.detach().clone()
    basis = Basis(torch.linalg.qr(torch.cat([before.T, torch.randn(N, 40)], 1))[0])
    with pytest.raises(RuntimeError, match="stop"), basis.in_place(last):
        raise RuntimeError("stop")
    torch.testing.assert_close(last.weight.detach(), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("objective", "activation", "form", "n"),
    [
        ({"loss": "mae"}, None, "dense", N),
        ({"symmetric": 1.0}, None, "dense", N),
        ({"decoder": 1.0}, None, "dense", N),
        ({}, "sigmoid", "dense", N),
        ({}, None, "gaps", N),
        ({}, None, "computed", N),
        ({}, None, "dense", 200),
    ],
)
def test_no_basis_where_it_would_not_be_the_same_or_not_pay(objective, activation, form, n):
    S = torch.rand(30, n)
    targets = {
        "dense": lambda: DenseTargets(S, None, CPU),
        "gaps": lambda: DenseTargets(S, S > 0.5, CPU),
        "computed": lambda: ComputedTargets(lambda rows: S.numpy()[rows], 30, None, CPU),
    }[form]()
    last = LastLayer(D, (n,), activation)
    assert find_basis(targets, torch.arange(30), last, Objective(**objective)) is None


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("init", ["spectral", "random"])
def test_reported_losses_are_those_of_predictions(early_stopping, init):
    X, S = make(m=300, n=N)
    encoder = fitted(
        X, S, hidden_layers=(30,), max_iter=15, early_stopping=early_stopping, init=init,
        learning_rate=0.01,
    )  # fmt: skip
    assert encoder.module_.last.weight.shape == (D, N)
    assert len(encoder.loss_curve_) == 15
    if not early_stopping:
        assert error(encoder.predict(X), S) == pytest.approx(encoder.best_loss_, rel=1e-4)
    assert error(encoder.predict(X), S) < 0.1 * S.var()
    # it goes on: by rows, and by a whole training from the weights that there are
    before = error(encoder.predict(X), S)
    encoder.set_params(warm_start=True)
    again = error(encoder.fit(X, S).predict(X), S)
    assert early_stopping or again <= before * (1 + 1e-3)
    assert encoder.partial_fit(X[:50], S[:50]).n_iter_ > 1


def test_a_fixed_last_layer_is_fixed():
    X, S = make(m=300, n=N)
    one = fitted(X, S, hidden_layers=(30,), max_iter=30, learning_rate=0.01)
    W_l = one.module_.last.weight.detach().numpy().copy()
    two = fitted(X, S, hidden_layers=(30,), max_iter=30, learning_rate=0.01, last_layer=W_l)
    np.testing.assert_array_equal(two.module_.last.weight.detach().numpy(), W_l)
    assert error(two.predict(X), S) == pytest.approx(two.best_loss_, rel=1e-4)
    assert error(two.predict(X), S) < 0.1 * S.var()


def test_an_interrupted_training_has_its_last_layer(monkeypatch):
    X, S = make(m=300, n=N)

    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    encoder = SimilarityEncoder(D, hidden_layers=(30,), random_state=0)
    with pytest.raises(KeyboardInterrupt):
        encoder.fit(X, S)
    assert encoder.predict(X).shape == S.shape
    assert error(encoder.predict(X), S) < S.var()


@pytest.mark.parametrize("n", [30, N])
def test_the_last_layers_end_at_their_optimum(n):
    X, S = make(m=300, n=n, noise=0.5)
    encoder = fitted(X, S, hidden_layers=(10,), max_iter=3, init="random")
    with torch.no_grad():
        H = encoder.module_.encoder[:-1](torch.from_numpy(X)).numpy().astype(np.float64)
    H = np.hstack([H, np.ones((300, 1))])
    linear = H @ np.linalg.lstsq(H, S, rcond=None)[0]
    U, s, Vt = np.linalg.svd(linear, full_matrices=False)
    best = error((U[:, :D] * s[:D]) @ Vt[:D], S)
    found = error(encoder.predict(X), S)
    assert best * (1 - 1e-6) <= found <= best * 1.02
    plain = fitted(X, S, hidden_layers=(10,), max_iter=3, init="random", solver="adam")
    assert error(plain.predict(X), S) > 1.1 * best


@pytest.mark.parametrize("penalty", [{}, {"l2": 1e-9}])
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("factor", [0.999, 1e3])
def test_an_end_for_the_worse_is_not_taken(factor, validated, penalty):
    X, S = make(m=110, n=30)
    inputs, rows = DenseInputs(torch.from_numpy(X), CPU), torch.arange(100)
    validation = Validation(inputs, dense(S), torch.arange(100, 110)) if validated else None
    module = network(n=30)
    with torch.no_grad():
        module.last.weight.mul_(10)  # the smaller, the better
    before = module.last.weight.detach().clone()

    def finish():
        with torch.no_grad():
            module.last.weight.mul_(factor)

    objective = Objective(**penalty)
    trainer = Trainer(module, objective, Schedule(10, 1, 1e-9, 0, 1), 0, CPU)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        history = trainer.fit(inputs, dense(S), rows, validation, finish=finish)
    # without a cost of weights, or others to measure on, it is trusted
    trusted = not (validated or penalty)
    expected = before * factor if trusted or factor < 1 else before
    torch.testing.assert_close(module.last.weight.detach(), expected)
    if validated:
        assert history.best_loss == objective.evaluate(
            module, inputs, validation.targets, validation.rows, penalties=False
        )
    else:
        assert history.best_loss == objective.evaluate(module, inputs, dense(S), rows)
