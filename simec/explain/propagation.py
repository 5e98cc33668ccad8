"""Layer-wise relevance propagation for any network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from simec.explain.canonize import check_rules, copied, linear_layers, run
from simec.explain.composites import (
    DEFAULT,
    GRADIENTS,
    check_composite,
    composite_of,
    has_closed_form,
)
from simec.types import FloatArray


@torch.inference_mode(False)
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
        If LRP has no rule for a layer, or outputs of a row depend on other rows; the message names
        the layer.
    ValueError
        If the composite is unknown, shapes do not match, or values are not finite.
    """
    check_composite(composite)
    example = example_of(network)
    x, weights = as_tensor(x, example, "x"), as_tensor(weights, example, "weights")
    if not x.numel():
        return np.zeros(tuple(x.shape), np.float32)
    prepared = copied(network, x)
    layers = linear_layers(prepared)
    if layers is not None and has_closed_form(composite):
        n_out = layers[-1].out_features if layers else x.shape[1]
        gradient = _linear_gradient(layers, _expanded(weights, (len(x), n_out)))
        R = gradient if composite == "gradient" else x * gradient
    elif composite in GRADIENTS:
        gradient = _backward(prepared, x, weights)
        R = gradient if composite == "gradient" else x * gradient
    else:
        check_rules(prepared, x[:1])
        rules = composite_of(composite) if isinstance(composite, str) else composite
        with rules.context(prepared) as hooked:
            R = _backward(hooked, x, weights, of_outputs=True)
    found: FloatArray = np.asarray(R.detach().float().cpu().numpy())
    if not np.isfinite(found).all():
        raise ValueError(
            "relevances are not finite: outputs or gradients of the network overflow; scale x, "
            "weights and the network to values of about 1"
        )
    return found


def example_of(network: nn.Module) -> Tensor:
    """Return a tensor on the device of a network, of the dtype in which it is explained."""
    example = next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(()))
    dtype = example.dtype if example.dtype == torch.float64 else torch.float32
    return torch.empty((), dtype=dtype, device=example.device)


def as_tensor(values: Any, example: Tensor, name: str) -> Tensor:
    """Convert an array or tensor to the dtype and device of another tensor.

    Raises
    ------
    TypeError
        If the values are not real numbers in an array.
    ValueError
        If a value is not finite.
    """
    if not isinstance(values, Tensor):
        array = np.array(values)  # copied, because PyTorch has no read-only tensors
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"{name} must be an array or tensor of numbers, got {type(values).__name__}"
                + (f" of {array.dtype}" if array.ndim else "")
            )
        values = torch.from_numpy(array)
    tensor: Tensor = values.detach().to(example)
    if not bool(tensor.isfinite().all()):
        raise ValueError(
            f"{name} contains NaN or infinity, or values too large for {example.dtype}"
        )
    return tensor.clone() if tensor.is_inference() else tensor


def _linear_gradient(layers: list[Any], weights: Tensor) -> Tensor:
    """Multiply weights by the matrices of all layers; shape (D,) or (b, D)."""
    with torch.no_grad():
        for layer in reversed(layers):
            weights = weights @ layer.weight
    return weights


def _backward(
    network: nn.Module, x: Tensor, weights: Tensor, *, of_outputs: bool = False
) -> Tensor:
    """Return gradients of inputs, or relevances if the hooks of LRP are registered."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        y = run(network, x)
        weights = _expanded(weights, tuple(y.shape))
        start = weights * y.detach() if of_outputs else weights
        gradient = None
        if y.requires_grad:
            (gradient,) = torch.autograd.grad(y, x, start, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "the outputs of the network do not depend on x by differentiable operations: it must "
            "not detach or round values"
        )
    return gradient


def _expanded(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return weights.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"outputs have shape {shape}, but weights have shape {tuple(weights.shape)}"
        ) from None
