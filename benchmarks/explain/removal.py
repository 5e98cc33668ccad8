"""The area under the curve of a value while features are removed in a given order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
STEPS = 20  # one twentieth of the nonzero features at a time


def orders(scores: Array, nonzero: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int64]]:
    """Nonzero features of each row by descending score; ties are in the order of columns."""
    return [
        np.flatnonzero(mask)[np.argsort(-row[mask], kind="stable")]
        for row, mask in zip(scores, nonzero, strict=True)
    ]


def curve(value: Callable[[Any], Array], X: Array, order: list[npt.NDArray[np.int64]]) -> Array:
    """Values of each row with 0, 1/20, ... and all of its features set to 0.

    Parameters
    ----------
    value : callable
        From features of shape (m, D) to values of shape (m,).
    X : array of shape (m, D)
    order : list of m arrays of int
        Features in the order of removal.

    Returns
    -------
    array of shape (STEPS + 1, m)
    """
    X, values = X.copy(), []
    for step in range(STEPS + 1):
        for row, numbers in zip(X, order, strict=True):
            row[numbers[: round(step / STEPS * len(numbers))]] = 0
        values.append(value(X))
    return np.stack(values)


def area(values: Array) -> float:
    """Area under the mean curve of pairs, relative to their mean initial value."""
    mean = values.mean(axis=1)
    return float(np.trapezoid(mean / mean[0], dx=1 / STEPS))
