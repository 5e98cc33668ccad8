"""Preparation of networks for relevance propagation, and detection of layers without rules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.overrides import TorchFunctionMode

from simec.explain.zennit_backend import zennit
from simec.network import SparseLinear

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
# layers for which the gradient is the rule
_MOVES = (
    nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
    nn.AlphaDropout, nn.ZeroPad2d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
# functions for which this is true too, or that only inspect a tensor
_FUNCTIONS = frozenset({
    "view", "reshape", "flatten", "ravel", "unflatten", "permute", "transpose", "squeeze",
    "unsqueeze", "movedim", "contiguous", "__getitem__", "expand", "clone", "cat", "concat",
    "relu", "relu_", "dropout", "max_pool1d", "max_pool2d", "max_pool3d", "size", "dim", "numel",
    "__len__", "__get__", "float", "to", "is_floating_point", "is_complex", "stride",
})  # fmt: skip


class NoRuleError(ValueError):
    """LRP has no rule for a layer, or for a function that a network calls directly."""


class Prepared(nn.Sequential):
    """Wrapper of a network that was prepared by `copied`."""


def copied(network: nn.Module) -> Prepared:
    """Copy a network in evaluation mode, with shared weights.

    `SparseLinear` layers are replaced by `nn.Linear`, and a batch norm right after a linear layer
    or convolution in an `nn.Sequential` is merged into it. The network itself is not changed.
    """
    if isinstance(network, Prepared):
        return network
    shared: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    prepared = Prepared(copy.deepcopy(network, shared)).eval()
    _replace(prepared)
    return prepared


def _replace(module: nn.Module) -> None:
    before: tuple[str, nn.Module] | None = None
    for name, child in module.named_children():
        if isinstance(child, SparseLinear):
            child = as_linear(child)
            setattr(module, name, child)
        elif isinstance(child, _BatchNorm) and isinstance(module, nn.Sequential) and before:
            layer_name, layer = before
            if isinstance(layer, _CONVOLUTIONS):
                setattr(module, layer_name, fuse_conv_bn_eval(layer, child))
                setattr(module, name, nn.Identity())
            elif isinstance(layer, nn.Linear):
                setattr(module, layer_name, fuse_linear_bn_eval(layer, child))
                setattr(module, name, nn.Identity())
        else:
            _replace(child)
        before = name, child


def as_linear(layer: SparseLinear, columns: Tensor | None = None) -> nn.Linear:
    """Convert a layer to `nn.Linear`, with the weights of all features or of the given columns."""
    weight = layer.weight.detach()
    weight = weight if columns is None else weight[columns]
    dense = nn.Linear(1, 1, bias=layer.bias is not None)  # small: its random weights are replaced
    dense.in_features, dense.out_features = weight.shape
    dense.weight = nn.Parameter(weight.T)
    if layer.bias is not None:
        dense.bias = layer.bias
    return dense.eval()


def restricted(network: nn.Module, columns: Tensor) -> nn.Module:
    """Copy a network that only takes the given features, for inputs whose other features are 0.

    Raises
    ------
    ValueError
        If the first layer does not accept sparse rows.
    """
    first = _first(network)
    if first is None:
        raise ValueError(
            f"{type(network).__name__} does not start with a simec.network.SparseLinear layer, so "
            "it does not accept sparse rows: pass x.toarray()"
        )
    if first is network:
        return as_linear(first, columns)
    shared: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    shared[id(first)] = as_linear(first, columns)
    return copy.deepcopy(network, shared)


def _first(network: nn.Module) -> SparseLinear | None:
    while isinstance(network, nn.Sequential) and len(network):
        network = network[0]
    return network if isinstance(network, SparseLinear) else None


def linear_layers(network: nn.Module) -> list[Any] | None:
    """Return the linear layers of a linear network; None if the network may be nonlinear."""
    if isinstance(network, nn.Sequential):
        parts = [linear_layers(child) for child in network]
        return None if None in parts else [layer for part in parts for layer in part or []]
    if isinstance(network, (nn.Linear, SparseLinear)):
        return [network]
    return [] if type(network) in (nn.Identity, nn.Dropout) else None


def check_rules(network: nn.Module, x: Tensor) -> None:
    """Run a network to find layers without a rule.

    Raises
    ------
    NoRuleError
        If the network has such layers, or calls functions outside of layers; the message names
        them.
    """
    z = zennit()
    kinds = (z.types.Linear, z.types.AvgPool, z.layer.Sum, z.types.Activation)
    problems: list[str] = []

    def has_rule(module: nn.Module) -> bool:
        if isinstance(module, nn.MultiheadAttention):  # zennit treats it as an activation
            return False
        return isinstance(module, (*kinds, *_MOVES))

    with _watched(network, has_rule, problems), torch.no_grad():
        network(x)
    if problems:
        raise NoRuleError(
            f"relevance propagation has no rule for {'; '.join(dict.fromkeys(problems))}. Rules "
            "exist for linear layers, convolutions, pooling, element-wise activations, flattening "
            "and dropout, as modules of torch.nn, and for batch norms right after a linear layer "
            "or convolution in an nn.Sequential. Replace other layers by these modules, or use "
            "composite='gradient_x_input', which needs no rules"
        )


@contextmanager
def _watched(
    network: nn.Module, has_rule: Callable[[nn.Module], bool], problems: list[str]
) -> Iterator[None]:
    """Record layers that run twice, and functions that are called by modules without a rule."""
    running: list[str | None] = []  # titles of nested running modules; None for those with rules
    seen: set[nn.Module] = set()
    handles = []
    for name, module in network.named_modules():
        title = f"{_path(name)}{type(module).__name__}"
        without_rule = None if has_rule(module) else title

        def enter(
            layer: nn.Module, _: Any, without_rule: str | None = without_rule, title: str = title
        ) -> None:
            # rules remember only one input per layer
            repeated = layer in seen and next(layer.parameters(), None) is not None
            if repeated and without_rule is None:
                problems.append(f"{title}, which runs more than once")
            seen.add(layer)
            running.append(without_rule)

        def leave(_: Any, __: Any, ___: Any) -> None:
            running.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = getattr(func, "__name__", str(func))
            if running and None not in running and name.strip("_") not in _PLAIN:
                problems.append(f"{running[-1]}, which calls {name}")
            return func(*args, **(kwargs or {}))

    try:
        with Watch():
            yield
    finally:
        for handle in handles:
            handle.remove()


_PLAIN = frozenset(name.strip("_") for name in _FUNCTIONS)


def _path(name: str) -> str:
    """Prefix with the name of a layer in the original network, the only child of `Prepared`."""
    inner = name.partition(".")[2]
    return f"layer {inner}, " if inner else ""
