"""Check parameters; errors say what was expected and what was passed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np

__all__ = [
    "ParameterError", "check_choice", "check_encodable", "check_flag", "check_integer", "check_number", "closest",
    "shorten",
]  # fmt: skip

# characters of names that are compared in detail, in all and of one name
_COMPARED, _COMPARED_OF_ONE = 20_000, 100


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
    number = float(value)
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


def check_encodable(
    texts: Iterable[str], what: str, error: Callable[[str], Exception] = ValueError
) -> None:
    """Raise an error if a text has half of a surrogate pair, and so cannot be written to a file."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as problem:
        at = problem.start
        raise error(
            f"{what} must be valid text, got half of a surrogate pair in "
            f"{shorten(problem.object[max(at - 20, 0) : at + 20])}: decode bytes with the right "
            "encoding"
        ) from None


def closest(name: str, names: Iterable[str], n: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return at most `n` names that are similar to one, the most similar first.

    Case is ignored. After the similar names come up to two that contain the name. The time is
    bounded: of very many names, those are compared that have the same beginning or end.

    Parameters
    ----------
    name : str
    names : iterable of str
    n : int
    cutoff : float
        Lowest similarity, from 0 to 1, as in `difflib.get_close_matches`.
    """
    listed = list(names)
    size, sought = len(name), name[:_COMPARED_OF_ONE].lower()
    # two texts are at most as similar as their lengths
    pool = [
        other for other in listed if 2 * min(size, len(other)) >= cutoff * (size + len(other)) > 0
    ]
    limit = max(_COMPARED // (len(sought) + 1), 100)
    k = 1
    while len(pool) > limit and k < min(size, 20):
        start, end = name[:k], name[-k:]
        pool = [other for other in pool if other[:k] == start or other[-k:] == end]
        k += 1
    lowered: dict[str, str] = {}
    for other in pool[:limit]:
        lowered.setdefault(other[:_COMPARED_OF_ONE].lower(), other)
    similar = [lowered[match] for match in difflib.get_close_matches(sought, lowered, n, cutoff)]
    if len(similar) < n and name:
        containing = [other for other in listed if name in other and other not in similar]
        similar += containing[: min(2, n - len(similar))]
    return similar


def shorten(value: Any, width: int = 80) -> str:
    """Return the representation of a value, shortened for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 1000:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value[: width + 1] if isinstance(value, str) else value)
    return text if len(text) <= width else f"{text[: width - 1]}\u2026"
