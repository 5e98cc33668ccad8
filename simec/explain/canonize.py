"""Preparation of networks for relevance propagation, and errors that name layers without rules."""

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
# layers that move relevance as their gradient does
_MOVES = (
    nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
    nn.AlphaDropout, nn.ZeroPad2d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
# functions that do so, or only look at a tensor
_FUNCTIONS = frozenset({
    "view", "reshape", "flatten", "ravel", "unflatten", "permute", "transpose", "squeeze",
    "unsqueeze", "movedim", "contiguous", "__getitem__", "expand", "clone", "cat", "concat",
    "relu", "relu_", "dropout", "max_pool1d", "max_pool2d", "max_pool3d", "size", "dim", "numel",
    "__len__", "__get__", "float", "to", "is_floating_point", "is_complex", "stride",
})  # fmt: skip


class NoRuleError(ValueError):
    """LRP has no rule for a layer, or for a function that a network calls directly."""


class Prepared(nn.Sequential):
    """Holds a copy that `copied` made."""


def copied(network: nn.Module) -> Prepared:
    """Copy a network for evaluation, sharing its weights.

    `SparseLinear` layers are replaced, and batch norms right after a linear layer or convolution
    in an `nn.Sequential` become part of it. Changes of the copy leave the network unchanged.
    """
    if isinstance(network, Prepared):
        return network
    shared: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    made = Prepared(copy.deepcopy(network, shared)).eval()
    _replace(made)
    return made


def _replace(module: nn.Module) -> None:
    before: tuple[str, nn.Module] | None = None
    for name, child in module.named_children():
        if isinstance(child, SparseLinear):
            child = as_linear(child)
            setattr(module, name, child)
        elif isinstance(child, _BatchNorm) and isinstance(module, nn.Sequential) and before:
            where, layer = before
            if isinstance(layer, _CONVOLUTIONS):
                setattr(module, where, fuse_conv_bn_eval(layer, child))
                setattr(module, name, nn.Identity())
            elif isinstance(layer, nn.Linear):
                setattr(module, where, fuse_linear_bn_eval(layer, child))
                setattr(module, name, nn.Identity())
        else:
            _replace(child)
        before = name, child


def as_linear(layer: SparseLinear, columns: Tensor | None = None) -> nn.Linear:
    """Convert to PyTorch's layer with the same weights, or with those of some features only."""
    weight = layer.weight.detach()
    weight = weight if columns is None else weight[columns]
    made = nn.Linear(1, 1, bias=layer.bias is not None)  # small: its random weights are replaced
    made.in_features, made.out_features = weight.shape
    made.weight = nn.Parameter(weight.T)
    if layer.bias is not None:
        made.bias = layer.bias
    return made.eval()


def restricted(network: nn.Module, columns: Tensor) -> nn.Module:
    """Restrict a network to some features, for inputs whose other features are 0.

    Raises
    ------
    ValueError
        If the first layer does not take sparse rows.
    """
    first = _first(network)
    if first is None:
        raise ValueError(
            f"{type(network).__name__} does not start with simec.network.SparseLinear, which "
            "takes sparse rows: pass x as an array, x.toarray()"
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
    """Layers of a network that is linear in its features; None if it may be nonlinear."""
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
        If there are any, or functions called outside of layers; the message names them.
    """
    z = zennit()
    kinds = (z.types.Linear, z.types.AvgPool, z.layer.Sum, z.types.Activation)
    problems: list[str] = []

    def has_rule(module: nn.Module) -> bool:
        if isinstance(module, nn.MultiheadAttention):  # zennit takes it for an activation
            return False
        return isinstance(module, (*kinds, *_MOVES))

    with _watched(network, has_rule, problems), torch.no_grad():
        network(x)
    if problems:
        raise NoRuleError(
            f"relevance propagation has no rule for {'; '.join(dict.fromkeys(problems))}. Rules "
            "exist for linear layers, convolutions, pooling, element-wise activations, flattening "
            "and dropout, as modules of torch.nn, and for batch norms right after a linear layer "
            "or convolution in an nn.Sequential. Replace other layers by such modules, or use "
            "composite='gradient_x_input', which needs no rules"
        )


@contextmanager
def _watched(
    network: nn.Module, has_rule: Callable[[nn.Module], bool], problems: list[str]
) -> Iterator[None]:
    """Record functions that modules without a rule call, and layers that run twice."""
    inside: list[str | None] = []  # titles of running modules; None for one with a rule
    seen: set[nn.Module] = set()
    handles = []
    for name, module in network.named_modules():
        title = f"{_path(name)}{type(module).__name__}"
        about = None if has_rule(module) else title

        def enter(one: nn.Module, _: Any, about: str | None = about, title: str = title) -> None:
            # rules remember only one input of a layer
            if one in seen and about is None and next(one.parameters(), None) is not None:
                problems.append(f"{title}, which runs more than once")
            seen.add(one)
            inside.append(about)

        def leave(_: Any, __: Any, ___: Any) -> None:
            inside.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = getattr(func, "__name__", str(func))
            if inside and None not in inside and name.strip("_") not in _PLAIN:
                problems.append(f"{inside[-1]}, which calls {name}")
            return func(*args, **(kwargs or {}))

    try:
        with Watch():
            yield
    finally:
        for handle in handles:
            handle.remove()


_PLAIN = frozenset(name.strip("_") for name in _FUNCTIONS)


def _path(name: str) -> str:
    """Name of a layer in the user's network, which is the first module of `Prepared`."""
    inner = name.partition(".")[2]
    return f"layer {inner}, " if inner else ""
