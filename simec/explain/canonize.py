"""Networks made ready: a copy whose layers have rules, and errors that name those without."""

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
# what moves relevance as its gradient does
_MOVES = (
    nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
    nn.AlphaDropout, nn.ZeroPad2d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
# and functions that do so, or only look at a tensor
_FUNCTIONS = frozenset({
    "view", "reshape", "flatten", "ravel", "unflatten", "permute", "transpose", "squeeze",
    "unsqueeze", "movedim", "contiguous", "__getitem__", "expand", "clone", "cat", "concat",
    "relu", "relu_", "dropout", "max_pool1d", "max_pool2d", "max_pool3d", "size", "dim", "numel",
    "__len__", "__get__", "float", "to", "is_floating_point", "is_complex", "stride",
})  # fmt: skip


class NoRuleError(ValueError):
    """A layer, or a function that a network calls itself, for which LRP has no rule."""


class Ready(nn.Sequential):
    """Holds a copy that `copied` made."""


def copied(network: nn.Module) -> Ready:
    """A copy for evaluation that shares weights, with `SparseLinear` and batch norms replaced.

    Batch norms right after a linear layer or convolution in an `nn.Sequential` become part of
    it. What is done to the copy leaves the network as it was.
    """
    if isinstance(network, Ready):
        return network
    shared: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    made = Ready(copy.deepcopy(network, shared)).eval()
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
    """PyTorch's layer with the same weights, or with those of some features only."""
    weight = layer.weight.detach()
    weight = weight if columns is None else weight[columns]
    made = nn.Linear(1, 1, bias=layer.bias is not None)  # no random weights are drawn in vain
    made.in_features, made.out_features = weight.shape
    made.weight = nn.Parameter(weight.T)
    if layer.bias is not None:
        made.bias = layer.bias
    return made.eval()


def restricted(network: nn.Module, columns: Tensor) -> nn.Module:
    """The network of some features only, the others being 0: its first layer has fewer weights.

    Raises
    ------
    ValueError
        If the first layer takes no sparse rows.
    """
    first = _first(network)
    if first is None:
        raise ValueError(
            f"{type(network).__name__} does not begin with simec.network.SparseLinear, which "
            "takes sparse rows: give x as an array, x.toarray()"
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
    """The layers of a network that is linear in its features; None if it is not known to be."""
    if isinstance(network, nn.Sequential):
        parts = [linear_layers(child) for child in network]
        return None if None in parts else [layer for part in parts for layer in part or []]
    if isinstance(network, (nn.Linear, SparseLinear)):
        return [network]
    return [] if type(network) in (nn.Identity, nn.Dropout) else None


def check_rules(network: nn.Module, x: Tensor) -> None:
    """Run a network, and raise the error of what has no rule.

    Raises
    ------
    NoRuleError
        It names the layers, or functions called outside of layers, and says what to do.
    """
    z = zennit()
    kinds = (z.types.Linear, z.types.AvgPool, z.layer.Sum, z.types.Activation)
    found: list[str] = []

    def has_rule(module: nn.Module) -> bool:
        if isinstance(module, nn.MultiheadAttention):  # an activation to zennit
            return False
        return isinstance(module, (*kinds, *_MOVES))

    with _watched(network, has_rule, found), torch.no_grad():
        network(x)
    if found:
        raise NoRuleError(
            f"relevance propagation has no rule for {'; '.join(dict.fromkeys(found))}. There are "
            "rules for linear layers, convolutions, pooling, element-wise activations, flattening "
            "and dropout, as modules of torch.nn, and for batch norms right after a linear layer "
            "or convolution in an nn.Sequential. Replace what has none by such modules, or "
            "take composite='gradient_x_input', which needs no rules"
        )


@contextmanager
def _watched(
    network: nn.Module, has_rule: Callable[[nn.Module], bool], found: list[str]
) -> Iterator[None]:
    """Note functions that modules without a rule call, and layers that run twice."""
    inside: list[str | None] = []  # modules that are running; None for one with a rule
    seen: set[nn.Module] = set()
    handles = []
    for name, module in network.named_modules():
        title = f"{_path(name)}{type(module).__name__}"
        about = None if has_rule(module) else title

        def enter(one: nn.Module, _: Any, about: str | None = about, title: str = title) -> None:
            # rules remember one input of a layer
            if one in seen and about is None and next(one.parameters(), None) is not None:
                found.append(f"{title}, which runs more than once")
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
                found.append(f"{inside[-1]}, which calls {name}")
            return func(*args, **(kwargs or {}))

    try:
        with Watch():
            yield
    finally:
        for handle in handles:
            handle.remove()


_PLAIN = frozenset(name.strip("_") for name in _FUNCTIONS)


def _path(name: str) -> str:
    """Of a layer in the network that was given, which is the first in `Ready`."""
    inner = name.partition(".")[2]
    return f"layer {inner}, " if inner else ""
