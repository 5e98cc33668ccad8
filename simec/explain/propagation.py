"""Relevances of the inputs of any network, for a weighted sum of its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
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

FloatArray = npt.NDArray[np.float32]


def relevances(
    network: nn.Module, x: Any, weights: Any = 1.0, *, composite: Any = DEFAULT
) -> FloatArray:
    """Relevances of inputs for ``(network(x) * weights).sum(axis=1)``, by LRP.

    An output has what it adds to the sum for relevance, and each layer, from the last one to
    the first, shares the relevance of its outputs among its inputs. So relevances sum to what they
    explain, but for the part of biases, which no input has. Of a linear network they are
    ``x * (W₁ weights)`` (thesis, Sec. 5.1), unless dense layers have another rule than "epsilon".

    Parameters
    ----------
    network : torch.nn.Module
        From a batch of shape (b, ...) to outputs of shape (b, d); it is not changed.
    x : array or tensor of shape (b, ...)
    weights : array or tensor of shape (b, d) or (d,), or float
        Of outputs: another thing's embedding for a similarity, one column of a last layer
        for a prediction, 1 at a class and 0 elsewhere.
    composite : str or zennit.core.Composite
        Rules of layers, see `COMPOSITES`; or "gradient_x_input", or "gradient", which do
        without rules. Gradients do not sum to what they explain.

    Returns
    -------
    float32 array of the shape of x

    Raises
    ------
    NoRuleError
        If LRP has no rule for a layer; it names it.
    ValueError
        If there is no composite of that name, or shapes do not match.
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
        found = gradient if composite == "gradient" else x * gradient
    else:
        network = copied(network)
        if composite in GRADIENTS:
            gradient = _backward(network, x, weights)
            found = gradient if composite == "gradient" else x * gradient
        else:
            check_rules(network, x[:1])
            rules = composite_of(composite) if isinstance(composite, str) else composite
            with rules.context(network) as hooked:
                found = _backward(hooked, x, weights, of_outputs=True)
    return np.asarray(found.detach().float().cpu().numpy())


def as_tensor(values: Any, example: Tensor) -> Tensor:
    """An array or tensor with the type of another one, on its device."""
    # a copy of an array, as torch cannot mark what it must not write to
    found = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    return found.to(example)


def _linear_gradient(layers: list[Any], weights: Tensor) -> Tensor:
    """W₁ times weights, through all layers, of shape (D,) or (b, D)."""
    with torch.no_grad():
        for layer in reversed(layers):
            matrix = layer.weight
            weights = weights @ (matrix.T if isinstance(layer, SparseLinear) else matrix)
    return weights


def _backward(
    network: nn.Module, x: Tensor, weights: Tensor, *, of_outputs: bool = False
) -> Tensor:
    """Gradients, or with hooks of LRP relevances, of inputs."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        y = network(x)
        if y.ndim != 2 or len(y) != len(x):
            raise ValueError(
                f"the network gives outputs of shape {tuple(y.shape)} for {len(x)} rows: (b, d) "
                "is needed"
            )
        weights = _expanded(weights, tuple(y.shape))
        start = weights * y.detach() if of_outputs else weights
        (found,) = torch.autograd.grad(y, x, start)
    return found


def _expanded(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return weights.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"outputs have shape {shape}, and weights {tuple(weights.shape)}"
        ) from None
