"""Colours of relevances: red where a feature raises a value, blue where it lowers it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
POSITIVE, NEGATIVE = (197, 48, 39), (45, 104, 170)


def colours(values: Any, largest: float | None = None) -> Pixels:
    """From white at 0 to full colour at the largest size.

    Parameters
    ----------
    values : array of any shape
    largest : float, optional
        By default that of the values.

    Returns
    -------
    uint8 array of one more axis, of length 3
    """
    values = np.nan_to_num(np.asarray(values, np.float64))
    top = float(np.abs(values).max(initial=0)) if largest is None else largest
    share = np.clip(np.abs(values) / top if top else np.zeros_like(values), 0, 1)[..., None]
    full = np.where(values[..., None] >= 0, POSITIVE, NEGATIVE)
    pixels: Pixels = np.rint(255 + share * (full - 255)).astype(np.uint8)
    return pixels


def grey(image: Any) -> Any:
    """An image of features as shades: channels last, from 0 to 255.

    Parameters
    ----------
    image : array of shape (h, w), (1, h, w), (3, h, w) or (h, w, 3)
        Of other numbers of channels, the mean.
    """
    image = planes(image)
    low, high = image.min(initial=np.inf), image.max(initial=-np.inf)
    shades = (image - low) / (high - low) if high > low else np.zeros_like(image)
    return np.rint(255 * shades).astype(np.uint8)


def planes(image: Any) -> Any:
    """An array of shape (h, w) or (h, w, 3)."""
    image = np.asarray(image, np.float64)
    if image.ndim == 2:
        return image
    if image.ndim != 3:
        raise ValueError(f"an image has shape (h, w) or (channels, h, w), not {image.shape}")
    if image.shape[0] == 3:
        return np.moveaxis(image, 0, 2)
    if image.shape[2] == 3:
        return image
    return image.mean(axis=0)


def by_place(relevances: Any) -> Any:
    """Relevances of pixels, channels summed up: shape (h, w)."""
    relevances = np.asarray(relevances, np.float64)
    if relevances.ndim == 3:
        return relevances.sum(axis=2 if relevances.shape[2] == 3 != relevances.shape[0] else 0)
    return relevances
