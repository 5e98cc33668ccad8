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
    """Relevances of inputs for ``(network(x) * weights).sum(axis=1)``, by LRP.

    The relevance of an output is its term of the sum. Each layer, from the last to the first,
    distributes the relevance of its outputs to its inputs. So relevances sum to the explained
    value, except for the contributions of biases. For a linear network they are
    ``x * (W₁ weights)`` (thesis, Sec. 5.1), unless dense layers have a rule other than "epsilon".

    Parameters
    ----------
    network : torch.nn.Module
        From a batch of shape (b, ...) to outputs of shape (b, d); it is left unchanged.
    x : array or tensor of shape (b, ...)
    weights : array or tensor of shape (b, d) or (d,), or float
        Weights of outputs: for a similarity the embedding of the other input, for a prediction
        a column of the last layer, for a class 1 at the class and 0 elsewhere.
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
    # copied, as PyTorch can't mark tensors as read-only
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    return tensor.to(example)


def _linear_gradient(layers: list[Any], weights: Tensor) -> Tensor:
    """W₁ times weights, through all layers; shape (D,) or (b, D)."""
    with torch.no_grad():
        for layer in reversed(layers):
            matrix = layer.weight
            weights = weights @ (matrix.T if isinstance(layer, SparseLinear) else matrix)
    return weights


def _backward(
    network: nn.Module, x: Tensor, weights: Tensor, *, of_outputs: bool = False
) -> Tensor:
    """Gradients of inputs; with the hooks of LRP, relevances."""
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
