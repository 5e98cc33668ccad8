"""The figure of `frontier`: quality against speed, and the Pareto-optimal configurations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import charts
from benchmarks.common import Result

Point = tuple[float, float]


def pareto(points: Sequence[Point]) -> list[int]:
    """Pareto-optimal configurations by speed: none is as good in both and better in one."""
    order = sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1]))
    front: list[int] = []
    best = -math.inf
    for i in order:
        if points[i][1] > best:
            front.append(i)
            best = points[i][1]
    return front[::-1]


def speed_name(name: str) -> str:
    """The part of a name without the learning rate: "K16.B64" of "K16.B64.a0.1"."""
    return ".".join(name.split(".")[:2])


def points_of(by_name: dict[str, Result], measure: str) -> dict[str, Point]:
    """Speed and quality of each configuration for which both were measured."""
    points = {}
    for name, row in by_name.items():
        kind, _, rest = name.partition(".")
        speed = by_name.get(f"words_per_s.{speed_name(rest)}")
        if kind == measure and row.value is not None and speed and speed.value is not None:
            points[rest] = (speed.value, row.value)
    return points


def draw(by_name: dict[str, Result], path: Path) -> None:
    """The summary and the analogies, each against speed."""
    figure, panels = charts.figure(1, 2, (13.5, 5.6))
    for axes, measure, title, y in (
        (panels[0], "quality", "Summary of quality", "mean of four measures, each / gensim's"),
        (panels[1], "analogies", "Analogies", "analogies right (share)"),
    ):
        points = points_of(by_name, measure)
        gensim = points.pop("gensim", None)
        _scatter(axes, points, pareto(list(points.values())), gensim, _default())
        charts.style(axes, "thousand words/s, one worker", y, title)
    charts.outside_legend(figure, panels[0])
    charts.save(figure, path)


def _default() -> str:
    from conec.config import Config

    config = Config()
    return f"K{config.shared}.B{config.batch_size}.a{config.start_alpha}"


def _scatter(
    axes: Any,
    points: dict[str, tuple[float, float]],
    front: list[int],
    star: tuple[float, float] | None,
    ring: str,
) -> None:
    """Speed and quality of configurations "K16.B64.a0.1": color alpha, marker K, size B.

    Those with one rate for all words, "K16.B64.p0.1", are grey.
    """
    from matplotlib import colormaps

    parsed = {name: _parts(name) for name in points}
    values = [sorted({parts[i] for parts in parsed.values()}) for i in range(2)]
    values.append(sorted({parts[2] for parts in parsed.values() if not parts[3]}))
    shades = colormaps["viridis_r"]
    for name, (speed, quality) in points.items():
        k, batch = (v.index(part) for v, part in zip(values[:2], parsed[name][:2], strict=True))
        *_, rate, plain = parsed[name]
        shade = (
            shades(0.1 + 0.85 * values[2].index(rate) / max(1, len(values[2]) - 1))
            if not plain
            else charts.GREY
        )
        axes.scatter(
            speed / 1e3, quality, s=40 + 28 * batch, marker=_MARKERS[k % len(_MARKERS)],
            color=shade, alpha=0.45 if plain else 0.85,
            edgecolor="white", linewidth=0.5, zorder=3,
        )  # fmt: skip
    for k, value in enumerate(values[0]):
        marker = _MARKERS[k % len(_MARKERS)]
        axes.scatter(
            [], [], marker=marker, color=charts.GREY, s=45, label=f"K = {value:g} shared words"
        )
    for b, value in enumerate(values[1]):
        axes.scatter([], [], color=charts.GREY, s=40 + 28 * b, label=f"B = {value:g} positions")
    for a, value in enumerate(values[2]):
        shade = shades(0.1 + 0.85 * a / max(1, len(values[2]) - 1))
        axes.scatter([], [], marker="s", color=[shade], s=45, label=f"learning rate {value:g}")
    if any(plain for *_, plain in parsed.values()):
        axes.scatter(
            [], [], marker="s", color=charts.GREY, alpha=0.45, s=45, label="one rate for all words"
        )
    if front:
        line = [list(points.values())[i] for i in front]
        axes.plot(
            [speed / 1e3 for speed, _ in line], [quality for _, quality in line],
            color=charts.RED, linewidth=1.2, alpha=0.8, zorder=2, label="Pareto front",
        )  # fmt: skip
    if star is not None:
        axes.scatter(
            star[0] / 1e3, star[1], marker="*", s=230, color=charts.ORANGE, edgecolor="#444444",
            linewidth=0.7, zorder=4, label="gensim",
        )  # fmt: skip
    if ring in points:
        speed, quality = points[ring]
        axes.scatter(
            speed / 1e3,
            quality,
            s=330,
            facecolor="none",
            edgecolor=charts.RED,
            linewidth=1.6,
            zorder=5,
        )
        axes.annotate(
            "defaults", (speed / 1e3, quality), xytext=(12, 12), textcoords="offset points",
            color=charts.RED, fontsize=9.5, zorder=6,
        )  # fmt: skip
    axes.margins(0.08)
    # very poor configurations would compress the range of the others
    heights = [quality for _, quality in points.values()]
    good = [heights[i] for i in front] + ([star[1]] if star is not None else [])
    floor = min(good, default=0) - 0.75 * (max(good, default=0) - min(good, default=0))
    if hidden := sum(height < floor for height in heights):
        axes.set_ylim(floor, max(good) + 0.1 * (max(good) - floor))
        axes.annotate(
            f"{hidden} worse ones are below", (0.02, 0.02), xycoords="axes fraction", fontsize=9
        )


def _parts(name: str) -> tuple[float, float, float, bool]:
    k, batch, alpha = name.split(".", 2)
    return float(k[1:]), float(batch[1:]), float(alpha[1:]), alpha[0] == "p"


_MARKERS = "ovsDP^X<>hp"
