"""Rules against plain re-implementations, conservation, and gradient times input."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from simec.explain import COMPOSITES, NoRuleError, relevances  # noqa: E402
from simec.explain.canonize import copied  # noqa: E402
from tests.simec.explain.lrp_oracle import RULES, propagate  # noqa: E402

D, H, K = 7, 6, 4


def dense(activation=nn.ReLU, bias=True):
    return nn.Sequential(
        nn.Linear(D, H, bias=bias), activation(), nn.Linear(H, H, bias=bias), activation(),
        nn.Linear(H, K, bias=bias),
    )  # fmt: skip


def convolutional(pool=nn.MaxPool2d, bias=True, padding=0):
    side = (6 - 2 + 2 * padding) // 2
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=padding, bias=bias), nn.ReLU(), pool(2), nn.Flatten(),
        nn.Linear(3 * side * side, K, bias=bias),
    )  # fmt: skip


NETWORKS = {
    "linear": lambda bias: nn.Sequential(nn.Linear(D, K, bias=bias)),
    "relu": lambda bias: dense(nn.ReLU, bias),
    "tanh": lambda bias: dense(nn.Tanh, bias),
    "max": lambda bias: convolutional(nn.MaxPool2d, bias),
    "mean": lambda bias: convolutional(nn.AvgPool2d, bias),
    "padded": lambda bias: convolutional(nn.MaxPool2d, bias, 1),
}


def made(name, bias, seed=0, n=3):
    torch.manual_seed(seed)
    network = NETWORKS[name](bias)
    shape = (D,) if name in ("linear", "relu", "tanh") else (2, 6, 6)
    if bias:
        for layer in network:
            if getattr(layer, "bias", None) is not None:
                nn.init.normal_(layer.bias, std=0.3)
    return network, torch.randn(n, *shape), torch.randn(n, K)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("composite", RULES)
def test_as_the_rules_say(composite, name, bias):
    network, x, weights = made(name, bias)
    found = relevances(network, x, weights, composite=composite)
    assert found.shape == tuple(x.shape)
    assert found.dtype == np.float32
    for i in range(len(x)):
        expected, of_biases, value = propagate(network, x[i].numpy(), weights[i].numpy(), composite)
        assert found[i] == pytest.approx(expected, abs=2e-4, rel=2e-3)
        if composite in ("epsilon", "gamma", "epsilon_gamma"):
            # nothing is lost: features and biases have all of what is explained
            assert found[i].sum() + of_biases == pytest.approx(value, abs=2e-3)
            assert bias or of_biases == 0


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("composite", ["epsilon", "gamma", "epsilon_gamma"])
def test_relevances_sum_to_the_value(composite, name):
    for seed in range(5):
        network, x, weights = made(name, bias=False, seed=seed)
        value = (network(x) * weights).sum(dim=1).detach().numpy()
        found = relevances(network, x, weights, composite=composite)
        assert found.reshape(len(x), -1).sum(axis=1) == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["linear", "relu", "max", "mean", "padded"])
def test_between_kinks_epsilon_is_gradient_times_input(name, bias):
    """Where ReLU and maximum do not switch, such a network is a linear function and biases."""
    network, x, weights = made(name, bias)
    product = relevances(network, x, weights, composite="gradient_x_input")
    found = relevances(network, x, weights, composite="epsilon")
    assert found == pytest.approx(product, abs=1e-3)
    x = x.requires_grad_()
    (network(x) * weights).sum().backward()
    assert product == pytest.approx((x * x.grad).detach().numpy(), abs=1e-6)
    gradient = relevances(network, x, weights, composite="gradient")
    assert gradient == pytest.approx(x.grad.numpy(), abs=1e-6)


@pytest.mark.parametrize("name", ["tanh", "max"])
@pytest.mark.parametrize("composite", COMPOSITES)
def test_what_outputs_have_adds_up(composite, name):
    network, x, weights = made(name, bias=True)
    more = torch.randn_like(weights)
    one, two, both = (
        relevances(network, x, w, composite=composite) for w in (weights, more, weights + 3 * more)
    )
    assert both == pytest.approx(one + 3 * two, abs=2e-3, rel=1e-3)


def test_an_activation_may_run_twice():
    torch.manual_seed(0)
    relu, first, second, third = nn.ReLU(), nn.Linear(D, H), nn.Linear(H, H), nn.Linear(H, K)
    x, weights = torch.randn(2, D), torch.randn(K)
    shared = nn.Sequential(first, relu, second, relu, third)
    apart = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)
    for composite in COMPOSITES:
        assert relevances(shared, x, weights, composite=composite) == pytest.approx(
            relevances(apart, x, weights, composite=composite)
        )


def test_tanh_has_another_gradient_than_relevance():
    network, x, weights = made("tanh", bias=False)
    product = relevances(network, x, weights, composite="gradient_x_input")
    assert np.abs(relevances(network, x, weights) - product).max() > 1e-2


def test_gradients_are_finite_differences():
    network, x, weights = made("tanh", bias=True, n=1)
    network, x, weights = network.double(), x.double(), weights.double()
    gradient = relevances(network, x, weights, composite="gradient")[0]
    step = 1e-5
    for i in range(D):
        ends = [x.clone(), x.clone()]
        ends[0][0, i] -= step
        ends[1][0, i] += step
        low, high = ((network(end) * weights).sum().item() for end in ends)
        assert (high - low) / (2 * step) == pytest.approx(gradient[i], abs=1e-5)


def test_the_network_is_left_as_it_was():
    network, x, weights = made("padded", bias=True)
    network.insert(1, nn.BatchNorm2d(3))
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    forwards = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules()]
    x.requires_grad_(False)
    for composite in COMPOSITES:
        relevances(network, x, weights, composite=composite)
    assert network.training
    assert [type(layer) for layer in network][1] is nn.BatchNorm2d
    assert sum(forwards) == 0
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_copy_shares_weights():
    network, _, _ = made("relu", bias=True)
    pointers = {p.data_ptr() for p in network.parameters()}
    assert {p.data_ptr() for p in copied(network).parameters()} == pointers


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_batch_norm_is_part_of_the_layer_before(kind):
    torch.manual_seed(0)
    layer, norm, shape = (
        (nn.Linear(D, K), nn.BatchNorm1d(K), (D,)) if kind == "dense"
        else (nn.Conv2d(2, K, 3), nn.BatchNorm2d(K), (2, 3, 3))
    )  # fmt: skip
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.normal_()
        norm.bias.normal_()
    network = nn.Sequential(layer, norm, nn.ReLU(), nn.Flatten())
    x, weights = torch.randn(2, *shape), torch.randn(K)
    network.eval()
    assert copied(network)(x).detach().numpy() == pytest.approx(
        network(x).detach().numpy(), abs=1e-5
    )
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    by_hand = type(layer)(*((D, K) if kind == "dense" else (2, K, 3)))
    with torch.no_grad():
        by_hand.weight.copy_(layer.weight * scale.reshape(-1, *[1] * (layer.weight.ndim - 1)))
        by_hand.bias.copy_((layer.bias - norm.running_mean) * scale + norm.bias)
    for row in x:
        expected, _, _ = propagate(
            nn.Sequential(by_hand, nn.ReLU(), nn.Flatten()), row.numpy(), weights.numpy(), "epsilon"
        )
        found = relevances(network, row[None], weights, composite="epsilon")[0]
        assert found == pytest.approx(expected, abs=1e-3)


class Calling(nn.Module):
    """A user's module, with a function of its own."""

    def __init__(self, function):
        super().__init__()
        self.first, self.second = nn.Linear(D, H), nn.Linear(H, K)
        self.function = function

    def forward(self, x):
        return self.second(self.function(self.first(x)))


def test_functions_that_move_relevance_need_no_module():
    torch.manual_seed(0)
    called = Calling(torch.relu)
    same = nn.Sequential(called.first, nn.ReLU(), called.second)
    x, weights = torch.randn(2, D), torch.randn(2, K)
    expected = relevances(same, x, weights)
    assert relevances(called, x, weights) == pytest.approx(expected, abs=1e-6)
    called.function = lambda h: torch.relu(h.reshape(len(h), 2, -1)).flatten(1)
    assert relevances(called, x, weights) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (nn.Sequential(nn.Linear(D, K), nn.LayerNorm(K)), "layer 1, LayerNorm"),
        (nn.Sequential(nn.Linear(D, K), nn.Softmax(1)), "layer 1, Softmax"),
        (nn.Sequential(nn.BatchNorm1d(D), nn.Linear(D, K)), "layer 0, BatchNorm1d"),
        (nn.Sequential(nn.Sequential(nn.Linear(D, K), nn.LayerNorm(K))), "layer 0.1, LayerNorm"),
        (nn.Sequential(*[nn.Linear(D, D)] * 2, nn.ReLU()), "layer 0, Linear, which runs more than"),
        (Calling(torch.tanh), "Calling, which calls tanh"),
        (Calling(lambda h: h + h), "Calling, which calls add"),
        (Calling(lambda h: h * 2), "Calling, which calls mul"),
    ],
)
def test_what_has_no_rule_is_named(network, named):
    x = torch.randn(2, D)
    with pytest.raises(NoRuleError, match=named) as raised:
        relevances(network, x)
    assert "composite='gradient_x_input'" in str(raised.value)
    # which works
    network.eval()
    assert np.isfinite(relevances(network, x, composite="gradient_x_input")).all()


def test_a_composite_of_zennit():
    from simec.explain.zennit_backend import zennit

    network, x, weights = made("relu", bias=True)
    own = zennit().composites.EpsilonPlus(epsilon=1e-6)
    found = relevances(network, x, weights, composite=own)
    expected = relevances(network, x, weights, composite="epsilon_plus")
    assert found == pytest.approx(expected, abs=1e-6)


def test_bad_input():
    network, x, weights = made("relu", bias=True)
    with pytest.raises(ValueError, match="unknown composite 'lrp'; choose one of epsilon"):
        relevances(network, x, weights, composite="lrp")
    with pytest.raises(TypeError, match="got int"):
        relevances(network, x, weights, composite=3)
    with pytest.raises(
        ValueError, match=r"outputs have shape \(3, 4\), but weights have shape \(3, 5\)"
    ):
        relevances(network, x, torch.ones(3, 5))
    with pytest.raises(
        ValueError, match=r"outputs have shape \(3, 6\), but weights have shape \(3, 5\)"
    ):
        relevances(network[:1], x, torch.ones(3, 5))
    with pytest.raises(ValueError, match=r"outputs of shape \(3, d\) for 3 rows, got \(3, 7, 1\)"):
        relevances(nn.Sequential(nn.Unflatten(1, (D, 1))), x)


def test_one_weight_for_all_outputs():
    for name in ("linear", "relu"):
        network, x, _ = made(name, bias=False)
        found = relevances(network, x)
        assert found.sum(axis=1) == pytest.approx(network(x).sum(dim=1).detach().numpy(), abs=1e-4)
    assert relevances(nn.Sequential(nn.Identity()), x) == pytest.approx(x.numpy())


def test_no_rows():
    network, x, weights = made("relu", bias=True)
    assert relevances(network, x[:0], weights[:0]).shape == (0, D)
