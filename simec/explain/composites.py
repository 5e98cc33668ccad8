"""Which rule of relevance propagation each layer has, by name.

A rule says how the relevance of a unit is shared among the units before it. *Composites* take
one rule for convolutions, one for dense layers, and perhaps another one for the first layer
that has weights (Montavon et al., 2019).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from simec.explain.zennit_backend import zennit

EPSILON = 1e-6  # keeps denominators from 0
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
"""What `composite` may be: a rule for all layers ("epsilon", "gamma", "alpha_beta"), a rule for
convolutions with "epsilon" for dense layers, or what needs no rules."""


def has_closed_form(composite: Any) -> bool:
    """Whether it gives linear networks of dense layers gradient times input, or the gradient."""
    if not isinstance(composite, str) or composite in GRADIENTS:
        return isinstance(composite, str)
    rules = _RULES[composite]
    return rules.dense == "epsilon" and rules.first is None


def check_composite(composite: Any) -> None:
    """Raise the ValueError of a name that is none, or the TypeError of what is no composite."""
    if isinstance(composite, str):
        if composite not in COMPOSITES:
            raise ValueError(
                f"there is no composite {composite!r}; there are {', '.join(COMPOSITES)}"
            )
    elif not isinstance(composite, zennit().core.Composite):
        raise TypeError(
            f"composite is a name or one of zennit's composites, not {type(composite).__name__}"
        )


def composite_of(name: str) -> Any:
    """Make the composite of zennit that has a name."""
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
