"""Preparation of networks for relevance propagation, and detection of layers without rules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize
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


_CHECKED = 8  # rows for which the outputs of a copy are compared with those of its network
_TOLERANCE = 1e-3  # of this comparison, relative to the largest output
_HALF = (torch.float16, torch.bfloat16)


class NoRuleError(ValueError):
    """Relevances are not defined for a layer, or for a function that a network calls directly."""


class Prepared(nn.Sequential):
    """Wrapper of a network that was prepared by `copied`."""


def copied(network: nn.Module, x: Tensor | None = None) -> Prepared:
    """Copy a network in evaluation mode, with shared weights.

    `SparseLinear` layers are replaced by `nn.Linear`, and weights in half precision by float32.
    With inputs, a batch norm right after a linear layer or convolution in an `nn.Sequential` is
    merged into it if it normalizes the outputs of this layer, and the outputs of the copy are
    compared with those of the network. The network itself is not changed.

    Parameters
    ----------
    network : Module
    x : Tensor of shape (b, ...), optional
        Inputs; only the first rows are used.

    Raises
    ------
    NoRuleError
        If outputs of a row depend on the other rows of the batch, or the copy has other outputs
        than the network.
    ValueError
        If the network cannot be copied, or does not accept x.
    """
    if isinstance(network, Prepared):
        return network
    prepared = Prepared(_copy(network)).eval()
    for name, module in prepared.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise NoRuleError(
                f"{_path(name)}{type(module).__name__} normalizes with statistics of the batch, so "
                "outputs of a row depend on other rows: use track_running_stats=True"
            )
    if x is None:
        _replace(prepared, {})
        return prepared
    with torch.no_grad():
        expected, n_axes = _observe(prepared, x[:_CHECKED])
        _replace(prepared, n_axes)
        error = (run(prepared, x[:_CHECKED]) - expected).abs().max()
    if not error <= _TOLERANCE * expected.abs().max() + 1e-6 and bool(expected.isfinite().all()):
        raise NoRuleError(
            f"the copy of the network that relevances are computed with has other outputs, by up "
            f"to {float(error):.3g}: outputs must not be random in evaluation mode (pass "
            "training=self.training to functional.dropout), nor depend on earlier calls"
        )
    return prepared


def _copy(network: nn.Module) -> nn.Module:
    """Copy modules, and share those tensors that relevances can be computed with."""
    shared: dict[int, Any] = {}
    for module in network.modules():
        tensors = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        # some layers keep the weights that they compute as plain attributes
        for value in (*tensors, *vars(module).values()):
            if isinstance(value, Tensor):
                shared[id(value)] = _usable(value)
    try:
        return copy.deepcopy(network, shared)
    except Exception as error:  # modules may hold any object
        raise ValueError(f"the network cannot be copied: {error}") from error


def _usable(tensor: Tensor) -> Tensor:
    """Return a tensor, or a copy if it has half precision or was created in inference mode."""
    if isinstance(tensor, (nn.UninitializedParameter, nn.UninitializedBuffer)):
        raise ValueError("the network has lazy layers without weights: call it once")
    if tensor.dtype in _HALF:
        usable = tensor.detach().float()
    elif tensor.is_inference():
        usable = tensor.clone()
    else:
        return tensor
    return nn.Parameter(usable, False) if isinstance(tensor, nn.Parameter) else usable


def run(network: nn.Module, x: Tensor) -> Tensor:
    """Compute outputs of shape (b, d).

    Raises
    ------
    NoRuleError
        If the network looks up embeddings of ids: x must be numbers that vary continuously.
    ValueError
        If the network does not accept x, or its outputs have another shape.
    """
    try:
        y = network(x.clone())  # the first layer may change its input in place
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        if isinstance(e, NoRuleError):
            raise
        for name, module in network.named_modules():
            if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
                raise NoRuleError(
                    f"{_path(name)}{type(module).__name__} takes ids, which have no relevance: "
                    "explain the layers after it, with its outputs as x"
                ) from e
        raise ValueError(
            f"the network does not accept x of shape {tuple(x.shape)} and {x.dtype}: {e}"
        ) from e
    if not isinstance(y, Tensor) or y.ndim != 2 or len(y) != len(x):
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(
            f"the network must return outputs of shape ({len(x)}, d) for {len(x)} rows, got {got}"
        )
    return y


def _observe(network: nn.Module, x: Tensor) -> tuple[Tensor, dict[nn.Module, set[int]]]:
    """Return the outputs, and the numbers of axes of the inputs of each batch norm."""
    n_axes: dict[nn.Module, set[int]] = {}
    handles = [
        norm.register_forward_pre_hook(
            lambda norm, args: n_axes.setdefault(norm, set()).add(args[0].ndim)
        )
        for norm in network.modules()
        if isinstance(norm, _BatchNorm)
    ]
    try:
        return run(network, x), n_axes
    finally:
        for handle in handles:
            handle.remove()


def _replace(module: nn.Module, n_axes: Mapping[nn.Module, set[int]]) -> None:
    in_order = isinstance(module, nn.Sequential) and _is_plain(module, nn.Sequential)
    before: tuple[str, nn.Module] | None = None
    # not named_children, which leaves out layers that occur again
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if not name or "." in name:
            continue
        if isinstance(child, SparseLinear):
            child = as_linear(child)
            setattr(module, name, child)
        elif isinstance(child, _BatchNorm) and in_order and before is not None:
            if _normalizes(child, before[1], n_axes.get(child, set())):
                setattr(module, before[0], _merged(before[1], child))
                child = nn.Identity()
                setattr(module, name, child)
        else:
            _replace(child, n_axes)
        before = name, child


def _normalizes(norm: _BatchNorm, layer: nn.Module, n_axes: set[int]) -> bool:
    """Whether a batch norm normalizes the outputs of a layer, and of nothing else.

    The outputs of a linear layer are on the last axis, but a batch norm acts on the second one.
    """
    kind: type[nn.Module]
    if isinstance(layer, _CONVOLUTIONS):
        kind = next(k for k in _CONVOLUTIONS if isinstance(layer, k))
        needed = layer.weight.ndim
    elif isinstance(layer, nn.Linear):
        kind, needed = nn.Linear, 2
    else:
        return False
    return n_axes == {needed} and _is_plain(layer, kind) and _is_plain(norm, _BatchNorm)


def _merged(layer: Any, norm: Any) -> Any:
    """Copy a layer, with a batch norm in evaluation mode merged into its weights."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = -norm.running_mean.double() * scale
    if layer.bias is not None:
        bias = bias + layer.bias.double() * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    weight = layer.weight.double() * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    merged = copy.deepcopy(layer)
    merged.weight = nn.Parameter(weight.to(layer.weight), False)
    merged.bias = nn.Parameter(bias.to(layer.weight), False)
    return merged


def _is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a module computes what its base class does: no custom forward, hook or weights."""
    is_same = _forward(module) is kind.forward
    return is_same and not _has_hooks(module) and not parametrize.is_parametrized(module)


def _has_hooks(module: nn.Module) -> bool:
    state = vars(module)
    return bool(state["_forward_hooks"] or state["_forward_pre_hooks"])


def _forward(module: nn.Module) -> Any:
    """Return the method of the module's class; None for compiled modules."""
    return getattr(type(module), "forward", None)


def as_linear(layer: SparseLinear, columns: Tensor | None = None) -> nn.Linear:
    """Convert a layer to `nn.Linear`, with the weights of all features or of the given columns."""
    weight = layer.weight.detach()
    weight = weight if columns is None else weight[columns]
    dense: nn.Linear = nn.utils.skip_init(nn.Linear, 1, 1, bias=layer.bias is not None)  # type: ignore[no-untyped-call]
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
    if isinstance(network, nn.Sequential) and _is_plain(network, nn.Sequential):
        parts = [linear_layers(child) for child in network]
        return None if None in parts else [layer for part in parts for layer in part or []]
    if isinstance(network, nn.Linear) and _is_plain(network, nn.Linear):
        return [network]
    is_identity = any(_is_plain(network, kind) for kind in (nn.Identity, nn.Dropout))
    return [] if is_identity else None


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
        origin = getattr(_forward(module), "__module__", "")
        return isinstance(module, (*kinds, *_MOVES)) and origin.startswith(("torch.nn.", "zennit."))

    # these remember only one input per layer
    stateful = (z.types.Linear, z.types.AvgPool, z.layer.Sum)
    with _watched(network, has_rule, stateful, problems), torch.no_grad():
        run(network, x)
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
    network: nn.Module,
    has_rule: Callable[[nn.Module], bool],
    stateful: tuple[Any, ...],
    problems: list[str],
) -> Iterator[None]:
    """Record layers that run twice or are changed by hooks, and functions without a rule."""
    running: list[str | None] = []  # titles of nested running modules; None for those with rules
    visible: list[bool] = []  # whether each of them has called a function or a module
    seen: set[nn.Module] = set()
    handles = []
    for name, module in network.named_modules():
        title = f"{_path(name)}{type(module).__name__}"
        without_rule = None if has_rule(module) else title
        if isinstance(module, torch.jit.ScriptModule):  # it accepts no hooks
            problems.append(f"{title}, which is compiled")
            continue
        has_hooks = _has_hooks(module)

        def enter(
            layer: nn.Module, _: Any, without_rule: str | None = without_rule, title: str = title
        ) -> None:
            one_input = isinstance(layer, stateful) or next(layer.parameters(), None) is not None
            if layer in seen and one_input and without_rule is None:
                problems.append(f"{title}, which runs more than once")
            seen.add(layer)
            visible[-1:] = [True] * len(visible[-1:])
            running.append(without_rule)
            visible.append(False)

        def leave(_: Any, args: Any, output: Any) -> None:
            title, is_visible = running.pop(), visible.pop()
            if title is not None and not is_visible and output is not args[0]:
                problems.append(f"{title}, which computes in a way that cannot be followed")

        handles.append(module.register_forward_pre_hook(enter))
        if without_rule is None and has_hooks:
            handles += _watch_hooks(module, title, problems)
        handles.append(module.register_forward_hook(leave))

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = getattr(func, "__name__", str(func))
            visible[-1:] = [True] * len(visible[-1:])
            if running and None not in running and name.strip("_") not in _PLAIN:
                problems.append(f"{running[-1]}, which calls {name}")
            return func(*args, **(kwargs or {}))

    try:
        with Watch():
            yield
    finally:
        for handle in handles:
            handle.remove()


def _watch_hooks(module: nn.Module, title: str, problems: list[str]) -> list[Any]:
    """Record if hooks that were registered on a layer change its inputs or outputs."""
    before: list[Tensor] = []

    def remember(value: Any) -> None:
        before.append((value[0] if isinstance(value, tuple) else value).clone())

    def compare(value: Any) -> None:
        value = value[0] if isinstance(value, tuple) else value
        if not torch.equal(before.pop(), value):
            problems.append(f"{title}, which has a hook that changes its inputs or outputs")

    return [
        module.register_forward_pre_hook(lambda _, args: remember(args), prepend=True),
        module.register_forward_pre_hook(lambda _, args: compare(args)),
        module.register_forward_hook(lambda _, __, output: remember(output), prepend=True),
        module.register_forward_hook(lambda _, __, output: compare(output)),
    ]


_PLAIN = frozenset(name.strip("_") for name in _FUNCTIONS)


def _path(name: str) -> str:
    """Prefix with the name of a layer in the original network, the only child of `Prepared`."""
    inner = name.partition(".")[2]
    return f"layer {inner}, " if inner else ""
