"""Layer-wise relevance propagation for any network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from simec.explain.canonize import check_rules, copied, linear_layers
from simec.explain.composites import (
    DEFAULT,
    GRADIENTS,
    check_composite,
    composite_of,
    has_closed_form,
)
from simec.network import SparseLinear
from simec.types import FloatArray


def relevances(
    network: nn.Module, x: Any, weights: Any = 1.0, *, composite: Any = DEFAULT
) -> FloatArray:
    """Compute relevances of inputs for ``(network(x) * weights).sum(axis=1)`` by LRP.

    The relevance of an output is its term in the sum. Each layer, from the last to the first,
    distributes the relevance of its outputs to its inputs. So relevances sum to the explained
    value, except for the contributions of biases. For a linear network, they are
    ``x * (W₁ weights)`` (thesis, Sec. 5.1), unless dense layers have a rule other than "epsilon".

    Parameters
    ----------
    network : torch.nn.Module
        Maps a batch of shape (b, ...) to outputs of shape (b, d). It is not changed.
    x : array or tensor of shape (b, ...)
        Inputs.
    weights : array or tensor of shape (b, d) or (d,), or float
        Weights of the outputs: the embedding of the other input for a similarity, a column of
        the last layer for a prediction, or a one-hot vector for a class.
    composite : str or zennit.core.Composite
        Rules of layers, see `COMPOSITES`; or "gradient_x_input" or "gradient", which need no
        rules. Gradients do not sum to the explained value.

    Returns
    -------
    float32 array of the shape of x

    Raises
    ------
    NoRuleError
        If LRP has no rule for a layer; the message names it.
    ValueError
        If the composite is unknown, or shapes do not match.
    """
    check_composite(composite)
    example = next(network.parameters(), torch.zeros(()))
    x, weights = as_tensor(x, example), as_tensor(weights, example)
    if not x.numel():
        return np.zeros(tuple(x.shape), np.float32)
    layers = linear_layers(network)
    if layers is not None and has_closed_form(composite):
        n_out = layers[-1].out_features if layers else x.shape[1]
        gradient = _linear_gradient(layers, _expanded(weights, (len(x), n_out)))
        R = gradient if composite == "gradient" else x * gradient
    elif composite in GRADIENTS:
        gradient = _backward(copied(network), x, weights)
        R = gradient if composite == "gradient" else x * gradient
    else:
        network = copied(network)
        check_rules(network, x[:1])
        rules = composite_of(composite) if isinstance(composite, str) else composite
        with rules.context(network) as hooked:
            R = _backward(hooked, x, weights, of_outputs=True)
    return np.asarray(R.detach().float().cpu().numpy())


def as_tensor(values: Any, example: Tensor) -> Tensor:
    """Convert an array or tensor to the dtype and device of another tensor."""
    # copied, because PyTorch has no read-only tensors
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    return tensor.to(example)


def _linear_gradient(layers: list[Any], weights: Tensor) -> Tensor:
    """Multiply weights by the matrices of all layers; shape (D,) or (b, D)."""
    with torch.no_grad():
        for layer in reversed(layers):
            matrix = layer.weight
            weights = weights @ (matrix.T if isinstance(layer, SparseLinear) else matrix)
    return weights


def _backward(
    network: nn.Module, x: Tensor, weights: Tensor, *, of_outputs: bool = False
) -> Tensor:
    """Return gradients of inputs, or relevances if the hooks of LRP are registered."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        y = network(x)
        if y.ndim != 2 or len(y) != len(x):
            raise ValueError(
                f"the network must return outputs of shape ({len(x)}, d) for {len(x)} rows, got "
                f"{tuple(y.shape)}"
            )
        weights = _expanded(weights, tuple(y.shape))
        start = weights * y.detach() if of_outputs else weights
        (gradient,) = torch.autograd.grad(y, x, start)
    return gradient


def _expanded(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return weights.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"outputs have shape {shape}, but weights have shape {tuple(weights.shape)}"
        ) from None
