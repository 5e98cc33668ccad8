"""The figure of `frontier`: quality against speed; and the Pareto-optimal configurations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

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
    """Quality against speed; a color for each number of noise words."""
    from matplotlib import colormaps

    figure, (axes,) = charts.figure(1, 1, (9, 5.4))
    points = points_of(by_name, "quality")
    star = points.pop("gensim", None)
    default = _default()
    noise_words = sorted({_noise_words(name) for name in points})
    best = {speed_name(name): 0.0 for name in points}  # of all learning rates
    for name, (_, quality) in points.items():
        best[speed_name(name)] = max(best[speed_name(name)], quality)
    for i, k in enumerate(noise_words):
        color = colormaps["viridis"](0.8 - 0.8 * i / max(1, len(noise_words) - 1))
        of_k = {name: point for name, point in points.items() if _noise_words(name) == k}
        top = {name: p for name, p in of_k.items() if p[1] == best[speed_name(name)]}
        others = [point for name, point in of_k.items() if name not in top]
        for shown, size in ((others, 14), ([*top.values()], 70)):
            axes.scatter(
                [speed / 1e6 for speed, _ in shown], [quality for _, quality in shown], size,
                color=[color], linewidths=0, zorder=3,
            )  # fmt: skip
        speed, quality = max(top.values(), key=lambda point: point[1])
        axes.annotate(
            f"{k}", (speed / 1e6, quality), xytext=(4, 7), textcoords="offset points", color=color,
            fontsize=13, fontweight="bold",
        )  # fmt: skip
    axes.text(
        0.02, 0.97, "Numbers: noise words that the words of a batch share.\n"
        "Large points: the best learning rate of each batch size.", va="top", fontsize=9.5,
        transform=axes.transAxes,
    )  # fmt: skip
    if default in points:
        speed, quality = points[default]
        axes.scatter(
            speed / 1e6, quality, s=260, facecolor="none", edgecolor=charts.RED, linewidth=1.6,
            zorder=4,
        )  # fmt: skip
        axes.annotate(
            "default", (speed / 1e6, quality), xytext=(13, -19), textcoords="offset points",
            color=charts.RED, fontsize=9.5, zorder=4,
        )  # fmt: skip
    if star is not None:
        axes.scatter(star[0] / 1e6, star[1], s=230, marker="*", color=charts.ORANGE, zorder=4)
        axes.annotate(
            "gensim", (star[0] / 1e6, star[1]), xytext=(11, 0), textcoords="offset points",
            fontsize=9.5, va="center", color=charts.DARK,
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.margins(y=0.1)
    charts.style(
        axes, "million words/s, one worker", "quality / that of gensim (mean of four measures)",
        "Sharing noise words makes training fast; more of them make it better",
    )  # fmt: skip
    charts.save(figure, path)


def _default() -> str:
    from conec.config import Config

    config = Config()
    return f"K{config.shared}.B{config.batch_size}.a{config.start_alpha}"


def _noise_words(name: str) -> int:
    return int(name.split(".")[0][1:])
