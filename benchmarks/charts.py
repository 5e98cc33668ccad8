"""Figures in one style; matplotlib is imported only when a figure is drawn.

The rules are in benchmarks/README.md, "Figures".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Result, require_matplotlib
from corpora.files import atomic_path

# Okabe & Ito 2008: distinct with any color blindness
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#777777",
)  # fmt: skip
LIGHT_BLUE, LIGHT_ORANGE, LIGHT_GREY, DARK = "#8cc5e3", "#f5d28a", "#bbbbbb", "#333333"

ERROR = {"ecolor": "#444444", "elinewidth": 1, "capsize": 2}


def figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    """A figure and its panels, without pyplot: no window system and no global state."""
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(drawn)
    panels = drawn.subplots(rows, columns, squeeze=False).ravel().tolist()
    return drawn, panels


def style(axes: Any, x: str, y: str, title: str | None = None, *, grid: str = "both") -> None:
    """Labels, a light grid and no box."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, loc="left", fontsize=10.5)
    axes.grid(True, axis=grid, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def label(trainer: str) -> str:
    """A readable label for a trainer's name, such as "ours-deterministic.2"."""
    kind, _, workers = trainer.partition(".")
    names = {
        "ours": "conec",
        "ours-deterministic": "conec deterministic",
        "gensim-lists": "gensim, lists in memory",
    }
    text = names.get(kind, kind)
    return text if workers in ("", "1") else f"{text}, {workers} workers"


def color(trainer: str) -> str:
    """The color of a trainer."""
    kind, _, workers = trainer.partition(".")
    if kind == "ours" and workers not in ("", "1"):
        return LIGHT_BLUE
    colors = {
        "ours": BLUE, "ours-deterministic": PURPLE, "gensim": ORANGE, "gensim-lists": LIGHT_ORANGE,
        "koan": GREEN,
    }  # fmt: skip
    return colors.get(kind, GREY)


def plain_ticks(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers, few enough not to overlap."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    is_narrow = low > 0 and high < 5 * low
    axis.set_major_locator(MaxNLocator(5) if is_narrow else LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def numbers(by_name: dict[str, Result], template: str) -> list[float]:
    """The numbers of results such as "error.d{}", ascending; integers as such."""
    before, _, after = template.partition("{}")
    found = []
    for name in by_name:
        if name.startswith(before) and name.endswith(after):
            text = name[len(before) : len(name) - len(after)]
            if text.replace(".", "", 1).isdigit():
                found.append(float(text) if "." in text else int(text))
    return sorted(found)


def points(
    axes: Any,
    x: Sequence[float],
    rows: Sequence[Result | None],
    name: str,
    color: str,
    line: str = "-",
) -> None:
    """Means over runs as a line, with their spread, for `label_lines`; None is a gap."""
    axes.errorbar(
        x, [math.nan if r is None or r.value is None else r.value for r in rows],
        yerr=[math.nan if r is None or r.sd is None else r.sd for r in rows], color=color,
        linestyle=line, marker="o", markersize=4, elinewidth=1, capsize=2, label=name or None,
    )  # fmt: skip


def label_lines(axes: Any) -> None:
    """Write the names of lines next to their ends, instead of a legend.

    Call it after the limits and scales of the axes were set. Names that would overlap are moved
    apart.
    """
    from sklearn.isotonic import isotonic_regression

    ends = []
    for artist, name in zip(*axes.get_legend_handles_labels(), strict=True):
        drawn = artist.lines[0] if hasattr(artist, "lines") else artist
        x, y = (np.asarray(values, float) for values in drawn.get_data())
        last = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if len(last):
            ends.append((float(y[last[-1]]), name, drawn.get_color()))
    if not ends:
        return
    place = axes.transData + axes.transAxes.inverted()
    right = axes.get_xlim()[1]
    heights = [min(1.0, max(0.0, place.transform((right, y))[1])) for y, *_ in ends]
    order = np.argsort(heights)
    # the nearest heights that are at least a line of text apart
    line = 0.16 / (axes.get_window_extent().height / axes.figure.dpi)
    steps = line * np.arange(len(ends))
    moved = isotonic_regression(np.asarray(heights)[order] - steps) + steps
    for i, height in zip(order, moved, strict=True):
        _, name, color = ends[i]
        axes.annotate(
            name, (1, height), xycoords="axes fraction", xytext=(5, 0), color=color,
            textcoords="offset points", va="center", fontsize=9, annotation_clip=False,
        )  # fmt: skip


def bars(
    axes: Any,
    rows: list[Result],
    labels: list[str],
    colors: list[str],
    *,
    scale: float = 1,
) -> None:
    """Horizontal bars from top to bottom, each with its value next to it."""
    values = [(row.value or 0) * scale for row in rows]
    errors = [math.nan if row.sd is None else row.sd * scale for row in rows]
    ends = [max(0, v + (0 if math.isnan(e) else e)) for v, e in zip(values, errors, strict=True)]
    places = list(range(len(rows)))
    digits = 0 if max(ends) >= 100 else 1 if max(ends) >= 10 else 2
    axes.barh(places, values, xerr=errors, color=colors, height=0.65, error_kw=ERROR)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, max(ends) * 1.2 or 1)
    for place, value, end in zip(places, values, ends, strict=True):
        axes.annotate(
            f"{value:,.{digits}f}", (end, place), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=9,
        )  # fmt: skip


def groups(axes: Any, labels: list[str], scores: dict[str, list[Result | None]]) -> None:
    """Groups of vertical bars, with one bar per trainer."""
    width = 0.8 / len(scores)
    for i, (trainer, row) in enumerate(scores.items()):
        middle = (i - (len(scores) - 1) / 2) * width
        axes.bar(
            [x + middle for x in range(len(labels))],
            [math.nan if r is None or r.value is None else r.value for r in row],
            width * 0.9,
            yerr=[math.nan if r is None or r.sd is None else r.sd for r in row],
            label=label(trainer), color=color(trainer), error_kw=ERROR,
        )  # fmt: skip
    axes.axhline(0, color="#444444", linewidth=0.8)
    axes.set_xticks(range(len(labels)), labels)


def outside_legend(drawn: Any, axes: Any) -> None:
    """The legend of a panel, to the right of all panels."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        drawn.legend(handles, labels, loc="outside right center", frameon=False, fontsize=9)


def save(drawn: Any, path: Path) -> None:
    """Write the PNG."""
    with atomic_path(path) as temporary:
        drawn.savefig(temporary)
