"""Decoders of auto-encoders, as rivals of pre-training on similarities (Sec. 6.1)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from corpora.checks import ParameterError, shown

__all__ = ["mirrored"]

_CONVOLUTIONS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Conv1d: nn.ConvTranspose1d,
    nn.Conv2d: nn.ConvTranspose2d,
    nn.Conv3d: nn.ConvTranspose3d,
}
_POOLINGS = tuple(
    getattr(nn, f"{kind}Pool{n}d")
    for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg")
    for n in (1, 2, 3)
)
_ACTIVATIONS = (
    nn.CELU, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU,
    nn.LogSigmoid, nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.SiLU, nn.Sigmoid,
    nn.Softplus, nn.Softsign, nn.Tanh, nn.Tanhshrink,
)  # fmt: skip
_NORMALIZATIONS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.InstanceNorm1d,
    nn.InstanceNorm2d, nn.InstanceNorm3d, nn.LayerNorm,
)  # fmt: skip
_DROPOUTS = nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout


def mirrored(network: nn.Sequential, x: Any) -> nn.Sequential:
    """Build a decoder with the layers of a network in reverse order.

    ``SimilarityEncoder(d, network=network, decoder=mirrored(network, X[:2])).fit(X)`` is the
    auto-encoder of Fig. 6.4. Its linear rival has a last layer alone, with the features as
    targets: ``SimilarityEncoder(d, network=network).fit(X, X.reshape(len(X), -1))``, with centered
    features, as the last layer has no bias.

    A linear layer becomes one with exchanged sizes, a convolution a transposed one, pooling becomes
    `torch.nn.Upsample` to the size before it, and `torch.nn.Flatten` becomes
    `torch.nn.Unflatten`. Activations, normalizations and dropout stand between the same layers as
    in the network, with weights of their own; those before its first or after its last layer with
    weights are left out, so that the decoder takes embeddings and returns unbounded values.
    Initial weights are PyTorch's, drawn from its global generator.

    Parameters
    ----------
    network : torch.nn.Sequential
        May contain others. It is not changed.
    x : array or tensor of shape (b, ...)
        Some features, for their shape.

    Returns
    -------
    torch.nn.Sequential
        Maps embeddings of shape (b, d) to features of shape (b, ...).

    Raises
    ------
    TypeError
        If `network` is not a `torch.nn.Sequential`.
    ValueError
        If the network has a layer without a counterpart, or rejects x.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from simec.pretraining import mirrored
    >>> network = nn.Sequential(
    ...     nn.Conv2d(3, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 32)
    ... )
    >>> decoder = mirrored(network, torch.zeros(1, 3, 32, 32))
    >>> [type(layer).__name__ for layer in decoder]
    ['Linear', 'Unflatten', 'Upsample', 'ReLU', 'ConvTranspose2d']
    """
    if not isinstance(network, nn.Sequential):
        raise ParameterError(
            f"network must be a torch.nn.Sequential, got {shown(network)}: write the decoder of "
            "other networks as a torch.nn.Module"
        )
    layers = list(_flat(network, "network"))
    reversed_layers: list[nn.Module] = []
    for place, layer, before, after in reversed(list(_with_shapes(layers, x))):
        reversed_layers += _counterpart(place, layer, before, after)
    weighted = [isinstance(part, _WEIGHTED) for part in reversed_layers]
    started = list(accumulate(weighted, max))
    unfinished = list(accumulate(weighted[::-1], max))[::-1]
    between = (*_ACTIVATIONS, *_NORMALIZATIONS, *_DROPOUTS)
    return nn.Sequential(*(
        part for part, first, last in zip(reversed_layers, started, unfinished, strict=True)
        if (first and last) or not isinstance(part, between)
    ))  # fmt: skip


_WEIGHTED = nn.Linear, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d


def _flat(network: nn.Sequential, place: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a network and of those within it, with their places for messages."""
    for i, layer in enumerate(network):
        if isinstance(layer, nn.Sequential):
            yield from _flat(layer, f"{place}[{i}]")
        else:
            yield f"{place}[{i}]", layer


def _with_shapes(
    layers: list[tuple[str, nn.Module]], x: Any
) -> Iterator[tuple[str, nn.Module, torch.Size, torch.Size]]:
    """Apply layers to features; yield each with the shapes of a row before and after it."""
    y = torch.as_tensor(x)
    if y.ndim < 2 or not len(y):
        raise ValueError(f"x must be some rows of features, (b, ...), got shape {tuple(y.shape)}")
    y = y.float()
    for place, layer in layers:
        before = y.shape[1:]
        # a copy, as statistics of normalizations and lazy layers would change
        copied = copy.deepcopy(layer).eval()
        try:
            with torch.no_grad():
                result = copied(y.to(_device_of(copied)))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise ValueError(
                f"{place} ({type(layer).__name__}) rejects features of shape {tuple(y.shape)}: "
                f"{error}"
            ) from error
        if not isinstance(result, Tensor):
            raise _no_counterpart(place, layer)
        y = result
        yield place, copied, before, y.shape[1:]


def _device_of(layer: nn.Module) -> torch.device:
    parameter = next(layer.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _counterpart(
    place: str, layer: nn.Module, before: torch.Size, after: torch.Size
) -> list[nn.Module]:
    """Return the layers of the decoder that go from the shape after a layer to that before it."""
    if isinstance(layer, nn.Identity):
        return []
    if isinstance(layer, nn.Linear):
        return [nn.Linear(layer.out_features, layer.in_features, layer.bias is not None)]
    if isinstance(layer, tuple(_CONVOLUTIONS)):
        return [_transposed(place, layer, before, after)]
    if isinstance(layer, _POOLINGS):
        if len(before) < 2:
            raise ValueError(f"{place} ({type(layer).__name__}) needs features with channels")
        return [nn.Upsample(size=tuple(before[1:]))]
    if isinstance(layer, (nn.Flatten, nn.Unflatten)):
        flat: list[nn.Module] = [nn.Flatten()] if len(after) > 1 else []
        return flat if len(before) == 1 else [*flat, nn.Unflatten(1, tuple(before))]
    if isinstance(layer, (*_NORMALIZATIONS, *_ACTIVATIONS, *_DROPOUTS)):
        fresh = copy.deepcopy(layer).train()
        reset: Any = getattr(fresh, "reset_parameters", None)
        if reset is not None:
            reset()
        return [fresh]
    raise _no_counterpart(place, layer)


def _transposed(place: str, layer: Any, before: torch.Size, after: torch.Size) -> nn.Module:
    """Return a transposed convolution with the size of a convolution's input as its output."""
    gaps = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    padding = layer.padding
    if isinstance(padding, str):
        if padding == "same" and any(gap % 2 for gap in gaps):
            raise ValueError(
                f"{place} ({type(layer).__name__}) has padding='same' with an even kernel_size, "
                "which no transposed convolution has: use an odd kernel_size"
            )
        padding = [gap // 2 if padding == "same" else 0 for gap in gaps]
    smallest = [
        (n - 1) * stride - 2 * pad + gap + 1
        for n, stride, pad, gap in zip(after[1:], layer.stride, padding, gaps, strict=True)
    ]
    kind = next(kind for kind in _CONVOLUTIONS if isinstance(layer, kind))
    return _CONVOLUTIONS[kind](
        layer.out_channels, layer.in_channels, layer.kernel_size, layer.stride, tuple(padding),
        tuple(n - least for n, least in zip(before[1:], smallest, strict=True)),
        layer.groups, layer.bias is not None, layer.dilation,
    )  # fmt: skip


def _no_counterpart(place: str, layer: nn.Module) -> ValueError:
    return ValueError(
        f"{place} ({type(layer).__name__}) has no counterpart in a decoder: mirrored knows linear "
        "layers, convolutions, pooling, Flatten, activations, normalizations and dropout. Write "
        "the decoder of other networks as a torch.nn.Module"
    )
