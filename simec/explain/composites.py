"""Composites: named sets of rules for relevance propagation.

A rule defines how the relevance of a layer's outputs is distributed to its inputs. A *composite*
has a rule for convolutions, one for dense layers, and optionally another one for the first layer
with weights (Montavon et al., 2019).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from simec.explain.zennit_backend import zennit

EPSILON = 1e-6  # added to denominators to avoid division by zero
GAMMA = 0.25
DEFAULT = "epsilon_gamma"
GRADIENTS = ("gradient_x_input", "gradient")


class _Rules(NamedTuple):
    """Names of the rules of a composite."""

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
"""Names of composites: one rule for all layers ("epsilon", "gamma", "alpha_beta"); one rule for
convolutions and "epsilon" for dense layers; or gradients, which need no rules."""


def has_closed_form(composite: Any) -> bool:
    """Whether a composite equals gradient or gradient times input for linear dense networks."""
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
            f"composite must be a name or a zennit composite, got {type(composite).__name__}"
        )


def composite_of(name: str) -> Any:
    """Create the zennit composite of a name."""
    z = zennit()
    by_name = {
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
        (z.types.Convolution, by_name[rules.convolution]),
        (z.types.Linear, by_name[rules.dense]),
    ]
    first = [] if rules.first is None else [(z.types.Linear, by_name[rules.first])]
    return z.composites.SpecialFirstLayerMapComposite(layers, first)
