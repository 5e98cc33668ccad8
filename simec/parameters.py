"""Checks of parameters, with errors that say what they may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from torch import nn

from simec.checks import check_integer, check_number
from simec.network import ACTIVATIONS
from simec.solvers.objective import LOSSES

_CHOICES = {
    "activation": tuple(ACTIVATIONS),
    "init": ("spectral", "random"),
    "solver": ("auto", "exact", "variational", "adam"),
    "mixed_precision": (True, False, "auto"),
}


def check_parameters(encoder: Any) -> None:
    """Raise a ValueError or TypeError that names a parameter that is out of range."""
    for name in ("n_components", "batch_size", "max_iter", "n_iter_no_change"):
        check_integer(name, getattr(encoder, name), 1)
    if encoder.n_targets is not None:
        check_integer("n_targets", encoder.n_targets, 1)
    layers = encoder.hidden_layers
    if isinstance(layers, (str, Integral)) or not isinstance(layers, Sequence):
        raise TypeError(f"hidden_layers is a sequence of sizes, such as (100,), not {layers!r}")
    for size in layers:
        check_integer("a size in hidden_layers", size, 1)
    for name in ("symmetric", "orthogonal", "l2", "l2_by_count", "tol", "decoder"):
        check_number(name, getattr(encoder, name), 0)
    if check_number("learning_rate", encoder.learning_rate, 0) == 0:
        raise ValueError("learning_rate must be more than 0")
    if not 0 < check_number("validation_fraction", encoder.validation_fraction, 0) < 1:
        raise ValueError(
            f"validation_fraction is between 0 and 1, not {encoder.validation_fraction!r}"
        )
    for name, choices in _CHOICES.items():
        if getattr(encoder, name) not in choices:
            raise ValueError(
                f"{name} is one of {', '.join(map(repr, choices))}, not {getattr(encoder, name)!r}"
            )
    _check_network(encoder)
    _check_loss(encoder)
    linear = encoder.network is None and not tuple(layers)
    closed = encoder.solver in ("exact", "variational")
    if closed and not (linear and encoder.loss == "mse" and not encoder.decoder):
        raise ValueError(
            f"solver={encoder.solver!r} is for linear networks (hidden_layers=(), network=None), "
            "loss='mse' and decoder=False: use solver='auto'"
        )
    if encoder.l2_by_count and encoder.solver != "exact":
        raise ValueError("l2_by_count is for solver='exact': use 0, or that solver")


def _check_network(encoder: Any) -> None:
    if encoder.network is None:
        return
    if not isinstance(encoder.network, nn.Module):
        raise TypeError(f"network is a torch.nn.Module, not {type(encoder.network).__name__}")
    if tuple(encoder.hidden_layers):
        raise ValueError("hidden_layers are those of the built-in network: leave out network")


def _check_loss(encoder: Any) -> None:
    activation, loss = encoder.target_activation, encoder.loss
    if not callable(loss) and loss not in LOSSES:
        raise ValueError(f"loss is one of {', '.join(LOSSES)}, or a function, not {loss!r}")
    if activation is not None and activation != "sigmoid":
        try:
            low, high = (check_number("a bound", bound, -math.inf) for bound in activation)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"target_activation is None, 'sigmoid' or (low, high), not {activation!r}"
            ) from error
        if not low < high:
            raise ValueError(f"target_activation: {low:g} is not below {high:g}")
    if loss == "bce" and activation != "sigmoid":
        raise ValueError("loss='bce' needs target_activation='sigmoid'")
