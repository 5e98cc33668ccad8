"""Check parameters; errors say what was expected and what was passed."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np

__all__ = ["ParameterError", "check_choice", "check_flag", "check_integer", "check_number"]


class ParameterError(ValueError, TypeError):
    """A parameter has the wrong type.

    It is a TypeError as well as a ValueError, so that either can be caught.
    """


def check_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return a value as an int.

    Raises
    ------
    ParameterError
        If it is not an integer.
    ValueError
        If it is out of range.
    """
    bounds = f">= {low}" if high is None else f"from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ParameterError(f"{name} must be an integer {bounds}, got {value!r}")
    whole = int(value)
    if whole < low or (high is not None and whole > high):
        raise ValueError(f"{name} must be an integer {bounds}, got {value!r}")
    return whole


def check_number(
    name: str, value: Any, low: float, high: float | None = None, *, above: bool = False
) -> float:
    """Return a value as a float.

    Parameters
    ----------
    name : str
    value : object
    low, high : float
        Bounds; `high` is None if there is no upper bound.
    above : bool
        Whether `low` itself is out of range.

    Raises
    ------
    ParameterError
        If it is not a number.
    ValueError
        If it is not finite or out of range.
    """
    sign = ">" if above else ">="
    bounds = f"{sign} {low:g}" + ("" if high is None else f" and <= {high:g}")
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ParameterError(f"{name} must be a number {bounds}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the range of floats
        number = math.inf
    too_low = number <= low if above else number < low
    if not math.isfinite(number) or too_low or (high is not None and number > high):
        raise ValueError(f"{name} must be a finite number {bounds}, got {value!r}")
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return a value as a bool; 0, 1 and NumPy's booleans are accepted as well."""
    if isinstance(value, (bool, np.bool_, Integral)) and value in (0, 1):
        return bool(value)
    raise ParameterError(f"{name} must be True or False, got {value!r}")


def check_choice(name: str, value: Any, allowed: Any) -> None:
    """Raise ValueError unless a value is one of a ``Literal`` or of a sequence of strings."""
    options = get_args(allowed) or tuple(allowed)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")
