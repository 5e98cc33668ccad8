"""Copies of networks for relevances have the outputs of these networks, or are refused."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from simec.explain import NoRuleError, explain_prediction, relevances  # noqa: E402
from simec.explain.canonize import copied  # noqa: E402

K = 3


def with_statistics(network):
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return network.eval()


@st.composite
def networks(draw):
    """A network of random layers, and the shape of a row."""
    torch.manual_seed(draw(st.integers(0, 99)))
    shape = draw(st.sampled_from([(4,), (K, K), (3, 5), (2, 6, 6)]))
    start, layers, pool = shape, [], [nn.ReLU(), nn.Tanh(), nn.Dropout(0.5), nn.Identity()]
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["linear", "norm", "other", "layer norm", "convolution"]))
        if kind == "linear":
            n_out = draw(st.sampled_from([K, 4]))
            layers.append(nn.Linear(shape[-1], n_out, bias=draw(st.booleans())))
            shape = (*shape[:-1], n_out)
        elif kind == "convolution" and len(shape) > 1:
            convolution = nn.Conv2d if len(shape) == 3 else nn.Conv1d
            layers.append(convolution(shape[0], K, 3, padding=1, bias=draw(st.booleans())))
            shape = (K, *shape[1:])
        elif kind == "norm":
            norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
            layers.append(norm(shape[0], affine=draw(st.booleans())))
        elif kind == "layer norm":
            layers.append(nn.LayerNorm(shape[-1]))
        else:
            layers.append(draw(st.sampled_from(pool)))
    size = int(np.prod(shape))
    layers += [nn.Flatten(), nn.Linear(size, 2)]
    if draw(st.booleans()):
        layers = [nn.Sequential(*layers[:2]), *layers[2:]]
    return with_statistics(nn.Sequential(*layers)), start


@settings(max_examples=60)
@given(networks())
def test_a_copy_has_the_outputs_and_gradients_of_its_network(made):
    network, shape = made
    x = torch.randn(3, *shape)
    assert torch.allclose(copied(network, x)(x), network(x), rtol=1e-3, atol=1e-4)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(network(x).sum(), x)
    expected = (gradient * x).detach().numpy()
    found = relevances(network, x, composite="gradient_x_input")
    assert found == pytest.approx(
        expected, rel=1e-3, abs=float(1e-3 * max(1, np.abs(expected).max()))
    )
    try:
        found = relevances(network, x, composite="epsilon")
    except NoRuleError as error:
        assert "Norm" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(found).all()


def test_a_norm_of_the_sequence_is_not_merged_into_a_layer_of_the_same_size():
    torch.manual_seed(0)
    network = with_statistics(
        nn.Sequential(nn.Linear(5, K), nn.BatchNorm1d(K), nn.Flatten(), nn.Linear(K * K, 2))
    )
    x = torch.randn(2, K, 5)
    assert any(isinstance(layer, nn.BatchNorm1d) for layer in copied(network, x).modules())
    with pytest.raises(NoRuleError, match="layer 1, BatchNorm1d"):
        relevances(network, x)


def test_a_layer_before_two_norms_is_merged_twice():
    torch.manual_seed(0)
    linear = nn.Linear(K, K)
    network = with_statistics(
        nn.Sequential(linear, nn.BatchNorm1d(K), nn.ReLU(), linear, nn.BatchNorm1d(K))
    )
    x = torch.randn(2, K)
    assert torch.allclose(copied(network, x)(x), network(x), atol=1e-5)
    expected = relevances(network, x, composite="gradient_x_input")
    assert relevances(network, x, composite="epsilon") == pytest.approx(expected, abs=1e-4)


class Skipping(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x) + x


class Opaque(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.jit.trace(nn.Softmax(1), torch.zeros(1, K))

    def forward(self, x):
        return self.inner(x)


def hooked(layer, hook):
    layer.register_forward_hook(hook)
    return layer


SHARED = nn.ReLU()
AVERAGE = nn.AvgPool1d(1)
ODD = {
    "an activation between them, used before": lambda: nn.Sequential(
        nn.Linear(K, K), SHARED, nn.Linear(K, K), SHARED, nn.BatchNorm1d(K)
    ),
    "a skip connection": lambda: Skipping(nn.Linear(K, K), nn.BatchNorm1d(K)),
    "a linear skip connection": lambda: nn.Sequential(Skipping(nn.Linear(K, K))),
    "a subclass": lambda: nn.Sequential(Doubled(K, K), nn.ReLU(), nn.Linear(K, 2)),
    "a linear subclass": lambda: nn.Sequential(Doubled(K, K)),
    "a subclass and a norm": lambda: nn.Sequential(Doubled(K, K), nn.BatchNorm1d(K)),
    "a hook": lambda: nn.Sequential(
        hooked(nn.Linear(K, K), lambda _, __, y: 3 * y), nn.BatchNorm1d(K)
    ),
    "a hook of a linear network": lambda: hooked(nn.Linear(K, K), lambda _, __, y: 3 * y),
    "a hook of an activation": lambda: nn.Sequential(
        nn.Linear(K, K), hooked(nn.ReLU(), lambda _, __, y: y - 1), nn.Linear(K, 2)
    ),
    "a compiled module": lambda: nn.Sequential(nn.Linear(K, K), Opaque()),
    "pooling that runs twice": lambda: nn.Sequential(
        nn.Unflatten(1, (1, K)), AVERAGE, nn.ReLU(), AVERAGE, nn.Flatten(), nn.Linear(K, 2)
    ),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_odd_networks(name):
    torch.manual_seed(0)
    network = with_statistics(ODD[name]())
    x = torch.randn(4, K, requires_grad=True)
    assert torch.allclose(copied(network, x)(x), network(x), atol=1e-5)
    (gradient,) = torch.autograd.grad(network(x).sum(), x)
    found = relevances(network, x, composite="gradient_x_input")
    assert found == pytest.approx((gradient * x).detach().numpy(), abs=1e-4)
    with pytest.raises(NoRuleError, match="relevance propagation has no rule for"):
        relevances(network, x)


def test_hooks_that_only_look_are_harmless():
    torch.manual_seed(0)
    seen = []
    plain = nn.Sequential(nn.Linear(K, K), nn.ReLU(), nn.Linear(K, 2))
    x = torch.randn(2, K)
    expected = relevances(plain, x)
    plain[0].register_forward_hook(lambda _, __, y: seen.append(y))
    assert relevances(plain, x) == pytest.approx(expected)
    assert seen


def test_normalized_weights():
    torch.manual_seed(0)
    x = torch.randn(2, K)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older of the two is deprecated
        layers = [f(nn.Linear(K, K)) for f in (nn.utils.weight_norm,
                                               nn.utils.parametrizations.weight_norm)]  # fmt: skip
    for layer in layers:
        layer(x)
        network = nn.Sequential(layer, nn.ReLU(), nn.Linear(K, 2))
        plain = nn.Linear(K, K)
        plain.weight.data, plain.bias.data = layer.weight.data, layer.bias.data
        expected = relevances(nn.Sequential(plain, *network[1:]), x, composite="gradient_x_input")
        found = relevances(network, x, composite="gradient_x_input")
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("composite", ["epsilon_gamma", "gradient_x_input"])
def test_explanations_with_gradients_disabled(mode, composite):
    with mode():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(K, K), nn.BatchNorm1d(K), nn.ReLU(), nn.Linear(K, 2))
        x = torch.randn(2, K)
        inside = relevances(network, x, composite=composite)
        value = explain_prediction(network, x[:1], 1, composite=composite).value
        assert value == pytest.approx(float(network.eval()(x[:1])[0, 1]), abs=1e-5)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(K, K), nn.BatchNorm1d(K), nn.ReLU(), nn.Linear(K, 2))
    assert inside == pytest.approx(relevances(network, torch.randn(2, K), composite=composite))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layers", [1, 4])
def test_half_precision_is_explained_in_float32(dtype, layers):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(K, 2 if layers == 1 else K), nn.BatchNorm1d(K), nn.ReLU(), nn.Linear(K, 2)
    )[:layers].to(dtype)
    x = torch.randn(5, K)
    found = relevances(network, x)
    assert all(parameter.dtype == dtype for parameter in network.parameters())
    assert found == pytest.approx(relevances(network.float(), x), abs=1e-5)


class Random(nn.Module):
    def forward(self, x):
        return F.dropout(x)


class Detached(nn.Module):
    def forward(self, x):
        return x.detach()


def test_networks_without_relevances_are_refused_by_name():
    x = torch.randn(3, K)
    norm = nn.BatchNorm1d(K, track_running_stats=False)
    with pytest.raises(NoRuleError, match="layer 1, BatchNorm1d normalizes with statistics of the"):
        relevances(nn.Sequential(nn.Linear(K, K), norm), x, composite="gradient")
    with pytest.raises(NoRuleError, match="layer 0, Embedding takes ids"):
        relevances(nn.Sequential(nn.Embedding(9, 4), nn.Flatten()), torch.zeros(2, 3).long())
    with pytest.raises(NoRuleError, match="must not be random in evaluation mode"):
        relevances(nn.Sequential(nn.Linear(K, 9), Random()), x)
    with pytest.raises(ValueError, match="do not depend on x by differentiable operations"):
        relevances(nn.Sequential(Detached(), nn.Linear(K, 2)), x, composite="gradient")
    with pytest.raises(ValueError, match=r"does not accept x of shape \(3, 3\)"):
        relevances(nn.Sequential(nn.Linear(5, 2)), x)
    with pytest.raises(ValueError, match="lazy layers"):
        relevances(nn.Sequential(nn.LazyLinear(2)), x)
    with pytest.raises(ValueError, match=r"for 3 rows, got \(3, 2, 2\)"):
        relevances(nn.Linear(K, 2), torch.ones(3, 2, K))
    with pytest.raises(ValueError, match="rows, got tuple"):
        relevances(nn.LSTM(K, 2, batch_first=True), torch.ones(3, 2, K))


def test_bad_numbers_are_refused():
    network = nn.Sequential(nn.Linear(K, K), nn.ReLU(), nn.Linear(K, 2))
    for bad in (np.nan, np.inf, 1e300):
        with pytest.raises(ValueError, match="x contains NaN or infinity"):
            relevances(network, [[0, 1, bad]])
        with pytest.raises(ValueError, match="weights contains NaN or infinity"):
            relevances(network, [[0, 1, 2]], [0, bad])
    with pytest.raises(ValueError, match="relevances are not finite"):
        relevances(network, [[1e38, -1e38, 1e38]], 1e38, composite="gradient_x_input")
    with pytest.raises(TypeError, match="x must be an array or tensor of numbers, got list of <U"):
        relevances(network, ["a"])


def test_old_module_names():
    with pytest.warns(DeprecationWarning, match="use simec.explain.canonize"):
        old = importlib.import_module("simec.explain.layers")
    assert old.copied is copied
    assert old.NoRuleError is NoRuleError


@pytest.mark.parametrize("composite", ["gradient", "gradient_x_input", "epsilon", "epsilon_gamma"])
def test_a_first_layer_that_works_in_place_does_not_change_x(composite):
    layers = nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)
    x = torch.tensor([[-1.0, 2, 0.5], [3, -2, 1]])
    given = x.clone()
    found = relevances(nn.Sequential(nn.ReLU(inplace=True), *layers), given, composite=composite)
    expected = relevances(nn.Sequential(nn.ReLU(), *layers), x, composite=composite)
    np.testing.assert_array_equal(given, x)
    np.testing.assert_array_equal(found, expected)
