"""Plots of explanations (with matplotlib, extra ``plots``), and the colors of relevances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simec.figures import new_axes

if TYPE_CHECKING:
    from simec.explain.explanation import Explanation, Piece, SimilarityExplanation

Pixels = npt.NDArray[np.uint8]
POSITIVE, NEGATIVE = (197, 48, 39), (45, 104, 170)  # red raises the value, blue lowers it
LEGIBLE = 1.7  # full color is at this multiple of the largest relevance: text stays legible
_INK = "#222222"


def colors(values: Any, largest: float | None = None) -> Pixels:
    """Map relevances to colors: red if positive, blue if negative, white if 0.

    Parameters
    ----------
    values : array of any shape
    largest : float, optional
        Absolute value with full color; by default the largest in `values`.

    Returns
    -------
    uint8 array with one more axis, of length 3
    """
    values = np.nan_to_num(np.asarray(values, np.float64))
    top = float(np.abs(values).max(initial=0)) if largest is None else largest
    share = np.clip(np.abs(values) / top if top else np.zeros_like(values), 0, 1)[..., None]
    full = np.where(values[..., None] >= 0, POSITIVE, NEGATIVE)
    pixels: Pixels = np.rint(255 + share * (full - 255)).astype(np.uint8)
    return pixels


def shades(image: Any) -> Pixels:
    """Scale an image of features to pixels, from 0 for the smallest value to 255 for the largest.

    Parameters
    ----------
    image : array of shape (h, w), (channels, h, w) or (h, w, 3)
        Three channels are colors; any other number of channels is averaged.

    Returns
    -------
    uint8 array of shape (h, w) or (h, w, 3)

    Raises
    ------
    ValueError
        If the image has another shape.
    """
    image = _channels_last(image)
    low, high = image.min(initial=np.inf), image.max(initial=-np.inf)
    scaled = (image - low) / (high - low) if high > low else np.zeros_like(image)
    pixels: Pixels = np.rint(255 * scaled).astype(np.uint8)
    return pixels


def _channels_last(image: Any) -> Any:
    image = np.asarray(image, np.float64)
    if image.ndim == 2:
        return image
    if image.ndim != 3:
        raise ValueError(f"an image must have shape (h, w) or (channels, h, w), got {image.shape}")
    if image.shape[0] == 3:
        return np.moveaxis(image, 0, 2)
    if image.shape[2] == 3:
        return image
    return image.mean(axis=0)


def sum_channels(relevances: Any) -> Any:
    """Sum the relevances of pixels over channels; shape (h, w)."""
    relevances = np.asarray(relevances, np.float64)
    if relevances.ndim == 3:
        return relevances.sum(axis=2 if relevances.shape[2] == 3 != relevances.shape[0] else 0)
    return relevances


def bars(explanation: Explanation, axes: Any = None, topn: int = 10) -> Any:
    """Plot horizontal bars of the most relevant features, the most relevant one on top.

    Parameters
    ----------
    explanation : Explanation
    axes : matplotlib Axes, optional
        By default, a new figure is created.
    topn : int
        Maximum number of bars.

    Returns
    -------
    Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    (axes,) = new_axes(1, (5.0, 0.6 + 0.3 * topn)) if axes is None else (axes,)
    features = explanation.top(topn)
    values = [value for _, value in features]
    axes.barh(range(len(features)), values, color=colors(np.sign(values)) / 255, height=0.7)
    axes.set_yticks(range(len(features)), [name for name, _ in features])
    axes.invert_yaxis()
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_xlabel("relevance")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(explanation.title, loc="left", fontsize=10.5)
    return axes


def heat_map(explanation: Explanation, axes: Any = None) -> Any:
    """Plot an image, and next to it a heat map of relevances.

    Parameters
    ----------
    explanation : Explanation
        Its features are an image of shape (h, w) or (channels, h, w).
    axes : pair of matplotlib Axes, optional
        By default, a new figure is created.

    Returns
    -------
    array of two Axes
    """
    pair = new_axes(2, (5.2, 2.7)) if axes is None else axes
    if len(pair) != 2:
        raise ValueError("axes must be a pair of axes, for the image and for the heat map")
    pair[0].imshow(shades(explanation.x), cmap="gray_r")
    pair[1].imshow(colors(sum_channels(explanation.relevances)))
    for ax in pair:
        ax.set_xticks([])
        ax.set_yticks([])
    pair[0].set_title(explanation.title, loc="left", fontsize=10.5)
    return pair


def words(pieces: Sequence[Piece], axes: Any = None, *, width: int = 80) -> Any:
    """Plot a text with words highlighted in the colors of their relevances.

    Parameters
    ----------
    pieces : sequence of Piece
        See `Explanation.words`.
    axes : matplotlib Axes, optional
        By default, a new figure is created.
    width : int
        Maximum number of characters per line.

    Returns
    -------
    Axes
    """
    lines = _lines(pieces, width)
    (axes,) = new_axes(1, (0.068 * width, 0.2 * len(lines) + 0.1)) if axes is None else (axes,)
    largest = LEGIBLE * max((abs(piece.relevance) for piece in pieces), default=0.0)
    axes.set_xlim(0, width)
    axes.set_ylim(len(lines), -0.5)
    axes.set_axis_off()
    for row, line in enumerate(lines):
        column = 0
        for text, relevance in line:
            if text.strip():
                background = colors([relevance], largest)[0] / 255
                axes.barh(row, len(text), left=column, height=0.9, color=background, linewidth=0)
                axes.text(
                    column, row, text, family="monospace", fontsize=8, va="center", color=_INK
                )
            column += len(text)
    return axes


def _lines(pieces: Sequence[Piece], width: int) -> list[list[tuple[str, float]]]:
    lines: list[list[tuple[str, float]]] = [[]]
    used = 0
    for piece in pieces:
        for i, part in enumerate(piece.text.split("\n")):
            if i or (used and used + len(part) > width):
                lines.append([])
                used = 0
            if part and (used or part.strip()):
                lines[-1].append((part, piece.relevance))
                used += len(part)
    return lines


def two_panels(explanation: SimilarityExplanation, axes: Any = None) -> tuple[Any, Any]:
    """Return axes for two explanations: in rows for images, side by side for bars."""
    if axes is not None:
        if len(axes) != 2:
            raise ValueError("axes must be a pair: axes for two explanations")
        return axes[0], axes[1]
    first, second = explanation.first.is_image, explanation.second.is_image
    if first == second:
        panels = new_axes(4, (5.2, 5.2), rows=2) if first else new_axes(2, (10.0, 3.6))
        return (panels[:2], panels[2:]) if first else (panels[0], panels[1])
    panels = new_axes(3, (9.0, 3.0))
    return (panels[:2], panels[2]) if first else (panels[0], panels[1:])
