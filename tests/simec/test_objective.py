"""What training minimises, against plain numpy, and its gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simec.data.targets import DenseTargets
from simec.network import LastLayer, SimEcNetwork, perceptron
from simec.solvers.objective import LOSSES, Objective

CPU = torch.device("cpu")


def networks(hidden=(), activation=None, kinds=(), decoder=False, D=4, d=3, n=5):
    torch.manual_seed(1)
    return SimEcNetwork(
        perceptron([D, *hidden, d], "tanh"),
        LastLayer(d, (n, *kinds), activation),
        perceptron([d, *hidden, D], "tanh") if decoder else None,
    ).double()


def problem(m=6, n=5, kinds=(), D=4, missing=0.3, seed=0):
    rng = np.random.default_rng(seed)
    X, S = rng.standard_normal((m, D)), rng.random((m, n, *kinds))
    known = rng.random(S.shape) >= missing
    known[0, 0] = True
    return X, S, known


# Oracles: loops over entries


def plain_sigmoid(x):
    return 1 / (1 + np.exp(-x))


PLAIN_LOSSES = {
    "mse": lambda p, s: (p - s) ** 2,
    "mae": lambda p, s: abs(p - s),
    "huber": lambda p, s: (p - s) ** 2 / 2 if abs(p - s) <= 1 else abs(p - s) - 0.5,
    "bce": lambda p, s: -(s * np.log(p) + (1 - s) * np.log(1 - p)),
}


def forward(network, X):
    """Embeddings and what comes before the activation, by matrix products."""
    Y = X
    for layer in network.encoder:
        if hasattr(layer, "weight"):
            Y = Y @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        else:
            Y = np.tanh(Y)
    W = network.last.weight.detach().numpy()
    return Y, np.tensordot(Y, W, axes=(1, 0)), W


def plain_error(network, X, S, known, loss, activate):
    _, products, _ = forward(network, X)
    errors = [
        PLAIN_LOSSES[loss](activate(products[at]), S[at])
        for at in np.ndindex(S.shape) if known[at]
    ]  # fmt: skip
    return np.mean(errors)


def plain_symmetric(W, S, known, activate):
    n = W.shape[1]
    errors = []
    for i in range(n):
        for j in range(n):
            for at in np.ndindex(S.shape[2:]):
                if known[(i, j, *at)]:
                    product = sum(W[(r, i, *at)] * W[(r, j, *at)] for r in range(len(W)))
                    errors.append((S[(i, j, *at)] - activate(product)) ** 2)
    return np.mean(errors)


def plain_orthogonal(W):
    flat = W.reshape(len(W), -1)
    d = len(flat)
    return sum((flat[a] @ flat[b]) ** 2 for a in range(d) for b in range(d) if a != b) / d**2


def plain_l2(network):
    total = 0.0
    for name, value in network.named_parameters():
        if not name.endswith("bias"):
            total += float((value.detach().numpy() ** 2).sum())
    return total


ACTIVATIONS = {
    None: lambda x: x,
    "sigmoid": plain_sigmoid,
    (-1.0, 3.0): lambda x: -1 + 4 * plain_sigmoid(x),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", PLAIN_LOSSES)
@pytest.mark.parametrize("kinds", [(), (2,)])
@pytest.mark.parametrize("missing", [0, 0.4])
def test_errors(loss, activation, kinds, missing):
    if loss == "bce":
        activation = "sigmoid"
    network = networks((3,), activation, kinds)
    X, S, known = problem(kinds=kinds, missing=missing)
    x, values, mask = torch.from_numpy(X), torch.from_numpy(S * known), torch.from_numpy(known)
    found, n = Objective(loss).error(network, x, values, mask if missing else None)
    assert float(n) == known.sum()
    # the network's outputs are brought to float32 before they are compared
    expected = plain_error(network, X, S, known, loss, ACTIVATIONS[activation])
    assert float(found) == pytest.approx(expected, rel=1e-5)
    # what is unknown has no say
    values = torch.where(mask, values, 100.0)
    if missing:
        assert float(Objective(loss).error(network, x, values, mask)[0]) == float(found)
    # that of several targets at once is compared with PyTorch's in test_custom_networks.py
    assert set(LOSSES) - {"cross_entropy"} == set(PLAIN_LOSSES)


def test_a_loss_of_ones_own():
    network = networks()
    X, S, known = problem()
    fourth = Objective(lambda p, s: (p - s) ** 4)
    found, _ = fourth.error(
        network, torch.from_numpy(X), torch.from_numpy(S * known), torch.from_numpy(known)
    )
    _, products, _ = forward(network, X)
    assert float(found) == pytest.approx(((products - S) ** 4)[known].mean(), rel=1e-5)


def test_nothing_known_in_a_batch_is_no_error():
    network = networks()
    X, S, known = problem()
    error, n = Objective().error(
        network, torch.from_numpy(X), torch.from_numpy(S), torch.from_numpy(known & False)
    )
    assert float(error.detach()) == float(n) == 0
    error.backward()
    assert all(bool((p.grad == 0).all()) for p in network.parameters() if p.grad is not None)


def test_the_decoder():
    network = networks((3,), decoder=True)
    X, S, _ = problem()
    x, values = torch.from_numpy(X), torch.from_numpy(S)
    without, _ = Objective().error(networks((3,)), x, values, None)
    found, _ = Objective(decoder=0.7).error(network, x, values, None)
    Y, _, _ = forward(network, X)
    back = np.tanh(Y @ network.decoder[0].weight.detach().numpy().T
                   + network.decoder[0].bias.detach().numpy())  # fmt: skip
    back = back @ network.decoder[2].weight.detach().numpy().T
    back = back + network.decoder[2].bias.detach().numpy()
    assert float(found - without) == pytest.approx(0.7 * ((back - X) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kinds", [(), (2,)])
@pytest.mark.parametrize("missing", [0, 0.4])
def test_penalties(activation, kinds, missing):
    network = networks((3,), activation, kinds, decoder=True)
    _, S, known = problem(kinds=kinds, missing=missing)
    targets = DenseTargets(
        torch.from_numpy(S * known), torch.from_numpy(known) if missing else None, CPU
    )
    W = network.last.weight.detach().numpy()
    parts = {
        "symmetric": plain_symmetric(W, S, known, ACTIVATIONS[activation]),
        "orthogonal": plain_orthogonal(W),
        "l2": plain_l2(network),
    }
    for name, expected in parts.items():
        found = Objective(**{name: 0.3}).penalty(network, targets, 99, torch.Generator())
        assert float(found) == pytest.approx(0.3 * expected, rel=1e-9), name
    together = Objective(symmetric=0.1, orthogonal=0.2, l2=0.3)
    expected = 0.1 * parts["symmetric"] + 0.2 * parts["orthogonal"] + 0.3 * parts["l2"]
    assert float(together.penalty(network, targets, 99, torch.Generator())) == pytest.approx(
        expected
    )
    assert float(Objective().penalty(network, targets, 99, torch.Generator())) == 0


def test_the_symmetric_term_of_some_rows_is_right_in_the_mean():
    network = networks(n=6)
    _, S, _ = problem(m=6, n=6, missing=0)
    targets = DenseTargets(torch.from_numpy(S), None, CPU)
    objective = Objective(symmetric=1.0)
    random = torch.Generator().manual_seed(0)
    some = [float(objective.penalty(network, targets, 2, random)) for _ in range(4000)]
    whole = float(objective.penalty(network, targets, 6, random))
    assert np.std(some) > 0.1 * whole
    assert np.mean(some) == pytest.approx(whole, abs=5 * np.std(some) / 4000**0.5)


def test_l2_leaves_out_what_is_fixed():
    network = networks()
    network.last.weight.requires_grad_(False)
    targets = DenseTargets(torch.zeros(5, 5), None, CPU)
    found = Objective(l2=1.0).penalty(network, targets, 9, torch.Generator())
    assert float(found) == pytest.approx(float(network.encoder[0].weight.square().sum()), rel=1e-12)


# Gradients


class Exact(Objective):
    """Without the rounding to float32 that training has."""

    def errors(self, network, y, values):
        outputs = network.last.linear(y) if self.loss == "bce" else network.last(y)
        return LOSSES[self.loss](outputs, values)


@pytest.mark.parametrize("loss", ["mse", "huber", "bce"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_differences(loss, activation):
    if loss == "bce":
        activation = "sigmoid"
    network = networks((3,), activation, decoder=True)
    X, S, known = problem()
    x, values, mask = torch.from_numpy(X), torch.from_numpy(S * known), torch.from_numpy(known)
    targets = DenseTargets(values, mask, CPU)
    objective = Exact(loss, symmetric=0.6, orthogonal=0.5, l2=0.01, decoder=0.3)

    def value():
        return objective.error(network, x, values, mask)[0] + objective.penalty(
            network, targets, 99, torch.Generator()
        )

    value().backward()
    step = 1e-6
    for name, parameter in network.named_parameters():
        numeric = torch.zeros_like(parameter)
        flat, out = parameter.data.view(-1), numeric.view(-1)
        for i in range(len(flat)):
            old = float(flat[i])
            with torch.no_grad():
                flat[i] = old + step
                above = float(value())
                flat[i] = old - step
                out[i] = (above - float(value())) / (2 * step)
            flat[i] = old
        np.testing.assert_allclose(parameter.grad, numeric, atol=1e-6, err_msg=name)


# Activation of targets


@settings(max_examples=50)
@given(
    low=st.floats(-100, 100), width=st.floats(0.01, 100),
    x=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5), share=st.floats(0, 1),
)  # fmt: skip
def test_predictions_stay_in_their_range(low, width, x, share):
    last = LastLayer(2, (3,), (low, low + width))
    found = last.activate(torch.tensor(x, dtype=torch.float64))
    assert float(found.min()) >= low - 1e-9
    assert float(found.max()) <= low + width + 1e-9
    target = torch.tensor([low + share * width], dtype=torch.float64)
    back = float(last.activate(last.deactivate(target)))
    # at the ends of the range it is what can be reached
    assert back == pytest.approx(low + min(max(share, 0.02), 0.98) * width, abs=1e-6 * width + 1e-9)
