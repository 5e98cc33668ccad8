"""Composites: named sets of rules for relevance propagation.

A rule defines how the relevance of a unit is distributed to the units before it. A *composite* has
one rule for convolutions, one for dense layers, and optionally another one for the first layer
with weights (Montavon et al., 2019).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from simec.explain.zennit_backend import zennit

EPSILON = 1e-6  # added to denominators, so that none is 0
GAMMA = 0.25
DEFAULT = "epsilon_gamma"
GRADIENTS = ("gradient_x_input", "gradient")


class _Rules(NamedTuple):
    """Names of rules."""

    convolution: str
    dense: str
    first: str | None = None


_RULES = {
    "epsilon": _Rules("epsilon", "epsilon"),
    "gamma": _Rules("gamma", "gamma"),
    "alpha_beta": _Rules("alpha_beta", "alpha_beta"),
    "epsilon_gamma": _Rules("gamma", "epsilon"),
    "epsilon_plus": _Rules("plus", "epsilon"),
    "epsilon_alpha_beta": _Rules("alpha_beta", "epsilon"),
    "epsilon_plus_flat": _Rules("plus", "epsilon", "flat"),
}

COMPOSITES: tuple[str, ...] = (*_RULES, *GRADIENTS)
"""Valid names: one rule for all layers ("epsilon", "gamma", "alpha_beta"); a rule for
convolutions with "epsilon" for dense layers; or gradients, which need no rules."""


def has_closed_form(composite: Any) -> bool:
    """Whether it is a gradient, or gradient times input, for linear networks of dense layers."""
    if not isinstance(composite, str) or composite in GRADIENTS:
        return isinstance(composite, str)
    rules = _RULES[composite]
    return rules.dense == "epsilon" and rules.first is None


def check_composite(composite: Any) -> None:
    """Raise ValueError for an unknown name and TypeError for any other object."""
    if isinstance(composite, str):
        if composite not in COMPOSITES:
            raise ValueError(
                f"unknown composite {composite!r}; choose one of {', '.join(COMPOSITES)}"
            )
    elif not isinstance(composite, zennit().core.Composite):
        raise TypeError(
            f"composite must be a name or a composite of zennit, got {type(composite).__name__}"
        )


def composite_of(name: str) -> Any:
    """Make a composite of zennit by its name."""
    z = zennit()
    made = {
        "epsilon": z.rules.Epsilon(EPSILON),
        "gamma": z.rules.Gamma(GAMMA, EPSILON),
        "alpha_beta": z.rules.AlphaBeta(2.0, 1.0, EPSILON),
        "plus": z.rules.ZPlus(EPSILON),
        "flat": z.rules.Flat(EPSILON),
    }
    rules = _RULES[name]
    layers = [
        (z.types.Activation, z.rules.Pass()),
        (z.types.AvgPool, z.rules.Norm(EPSILON)),
        (z.layer.Sum, z.rules.Norm(EPSILON)),
        (z.types.Convolution, made[rules.convolution]),
        (z.types.Linear, made[rules.dense]),
    ]
    first = [] if rules.first is None else [(z.types.Linear, made[rules.first])]
    return z.composites.SpecialFirstLayerMapComposite(layers, first)
