"""Checks of numbers that people give, with errors that say what they may be."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def check_integer(name: str, value: Any, low: int) -> int:
    """Raise unless it is a whole number, not below `low`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if value < low:
        raise ValueError(f"{name} is at least {low}, not {value}")
    return int(value)


def check_number(name: str, value: Any, low: float) -> float:
    """Raise unless it is a finite number, not below `low`."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} is a number, not {value!r}")
    if not math.isfinite(value) or value < low:
        raise ValueError(f"{name} is a finite number from {low:g}, not {value!r}")
    return float(value)
