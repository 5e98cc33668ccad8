"""Pictures of explanations; they need matplotlib, the extra ``plots``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simec.explain.colours import LEGIBLE, by_place, colours, grey

if TYPE_CHECKING:
    from simec.explain.explanation import Explanation, SimilarityExplanation
    from simec.explain.words import Piece

_INK = "#222222"


def bars(explanation: Explanation, axes: Any = None, n: int = 10) -> Any:
    """Horizontal bars of the features that matter most, the largest on top.

    Parameters
    ----------
    explanation : Explanation
    axes : matplotlib Axes, optional
        New ones by default.
    n : int

    Returns
    -------
    Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    (axes,) = _new(1, (5.0, 0.6 + 0.3 * n)) if axes is None else (axes,)
    shown = explanation.top(n)
    values = [value for _, value in shown]
    axes.barh(range(len(shown)), values, color=colours(np.sign(values)) / 255, height=0.7)
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    axes.invert_yaxis()
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_xlabel("relevance")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(explanation.title, loc="left", fontsize=10.5)
    return axes


def heat_map(explanation: Explanation, axes: Any = None) -> Any:
    """An image, and beside it where relevance lies.

    Parameters
    ----------
    explanation : Explanation
        Of an image: features of shape (h, w) or (channels, h, w).
    axes : pair of matplotlib Axes, optional
        New ones by default.

    Returns
    -------
    array of two Axes
    """
    pair = _new(2, (5.2, 2.7)) if axes is None else axes
    if len(pair) != 2:
        raise ValueError("a pair of axes is needed, for the image and for the heat map")
    pair[0].imshow(grey(explanation.x), cmap="gray_r")
    pair[1].imshow(colours(by_place(explanation.relevances)))
    for one in pair:
        one.set_xticks([])
        one.set_yticks([])
    pair[0].set_title(explanation.title, loc="left", fontsize=10.5)
    return pair


def words(pieces: Sequence[Piece], axes: Any = None, *, width: int = 80) -> Any:
    """A text whose words have the colour of their relevance.

    Parameters
    ----------
    pieces : sequence of Piece
        See `Explanation.words`.
    axes : matplotlib Axes, optional
        New ones by default.
    width : int
        Characters on a line.

    Returns
    -------
    Axes
    """
    lines = _lines(pieces, width)
    (axes,) = _new(1, (0.068 * width, 0.2 * len(lines) + 0.1)) if axes is None else (axes,)
    largest = LEGIBLE * max((abs(piece.relevance) for piece in pieces), default=0.0)
    axes.set_xlim(0, width)
    axes.set_ylim(len(lines), -0.5)
    axes.set_axis_off()
    for row, line in enumerate(lines):
        column = 0
        for text, relevance in line:
            if text.strip():
                back = colours([relevance], largest)[0] / 255
                axes.barh(row, len(text), left=column, height=0.9, color=back, linewidth=0)
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


def two_places(explanation: SimilarityExplanation, axes: Any = None) -> tuple[Any, Any]:
    """Axes for two explanations, one above the other for images, side by side for bars."""
    if axes is not None:
        if len(axes) != 2:
            raise ValueError("axes for two explanations are needed")
        return axes[0], axes[1]
    first, second = explanation.first.is_image, explanation.second.is_image
    if first == second:
        panels = _new(4, (5.2, 5.2), rows=2) if first else _new(2, (10.0, 3.6))
        return (panels[:2], panels[2:]) if first else (panels[0], panels[1])
    panels = _new(3, (9.0, 3.0))
    return (panels[:2], panels[2]) if first else (panels[0], panels[1:])


def _new(n: int, size: tuple[float, float], rows: int = 1) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib: pip install similarity-encoders[plots]"
        ) from error
    # without pyplot: no window system, and no figure that stays open
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.subplots(rows, n // rows, squeeze=False).ravel()
