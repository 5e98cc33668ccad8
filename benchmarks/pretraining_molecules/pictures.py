"""Figures: errors with those of the thesis's, curves as Figs. 6.15 to 6.19, t-SNE as Fig. 6.24."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.cache import Arrays, Cache
from benchmarks.charts import BLUE, ERROR, GREY, figure, outside_legend, save, style
from benchmarks.common import Result
from benchmarks.pretraining_molecules.networks import (
    PICTURED,
    embeddings,
    pictured,
    pretrained,
    pretraining_of,
    trained_on_property,
)
from benchmarks.pretraining_molecules.protocol import PROPERTIES, Data, Protocol, target

NAMES = {"u0": "Energy U0", "homo": "HOMO", "lumo": "LUMO"}
COLUMNS = ("many labels", "few labels", "few labels, pre-trained", "similarities only")


def tsne(data: Data, cache: Cache) -> Arrays:
    """Two dimensions of test molecules for each property and each of four networks."""
    from sklearn.manifold import TSNE

    molecules = data.test[: data.protocol.n_pictured]
    points: Arrays = {}
    for prop in PROPERTIES:
        how = pretraining_of("rogot_goldberg", prop)
        assert how is not None
        networks = (
            embeddings(trained_on_property(data, prop, cache), molecules),
            *(pictured(data, method, prop, cache) for method in PICTURED),
            embeddings(pretrained(data, how, cache), molecules),
        )
        for k, Y in enumerate(networks):
            model = TSNE(init="pca", random_state=0, perplexity=min(30, len(Y) / 4))
            points[f"{prop}.{k}"] = model.fit_transform(Y.astype(np.float32))
        points[f"{prop}.values"] = target(molecules, prop)
    return points


def draw(by_name: dict[str, Result], protocol: Protocol, points: Arrays | None, path: Path) -> None:
    """Draw errors in `path`, and curves and t-SNE in files next to it."""
    if any(name.startswith("mae.") for name in by_name):
        _draw_errors(by_name, protocol, path)
    else:
        _draw_curves(by_name, protocol, path)
    if any(name.startswith("ridge.") for name in by_name):
        _draw_curves(by_name, protocol, path.with_name(f"{path.stem}_curves.png"))
    if points is not None:
        _draw_tsne(points, path.with_name(f"{path.stem}_tsne.png"))


def _draw_errors(by_name: dict[str, Result], protocol: Protocol, path: Path) -> None:
    drawn, panels = figure(2, 3, (13, 8))
    for row, n in enumerate(protocol.labels):
        for column, prop in enumerate(PROPERTIES):
            axes = panels[3 * row + column]
            prefix = f"mae.{prop}.{n}."
            found = [r for name, r in by_name.items() if name.startswith(prefix)]
            labels = [result.name.removeprefix(prefix) for result in found]
            places = list(range(len(found)))
            axes.barh(
                places, [r.value or 0 for r in found], 0.65, color=BLUE,
                xerr=[r.sd or 0 for r in found], error_kw=ERROR,
            )  # fmt: skip
            for place, result in zip(places, found, strict=True):
                value = result.reference
                if value is not None:
                    axes.plot([value, value], [place - 0.4, place + 0.4], color="black", lw=1.5)
            axes.set_yticks(places, labels)
            axes.invert_yaxis()
            title = f"{NAMES[prop]}, {n} molecules (line: thesis)"
            style(axes, "mean absolute error, eV", "", title, grid="x")
    save(drawn, path)


def _draw_curves(by_name: dict[str, Result], protocol: Protocol, path: Path) -> None:
    drawn, panels = figure(1, 3, (14, 4))
    names = sorted({name.split(".")[3] for name in by_name if name.startswith("ridge.")})
    for axes, prop in zip(panels, PROPERTIES, strict=True):
        for k, name in enumerate(names):
            rows = [by_name.get(f"ridge.{prop}.{n}.{name}") for n in protocol.curve]
            values = [np.nan if r is None or r.value is None else r.value for r in rows]
            line = "--" if name.startswith("simec") else "-"
            axes.plot(protocol.curve, values, line, marker="o", ms=3, color=f"C{k}", label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        style(axes, "labels", "mean absolute error, eV", NAMES[prop])
    outside_legend(drawn, panels[0])
    save(drawn, path)


def _draw_tsne(points: Arrays, path: Path) -> None:
    drawn, panels = figure(len(PROPERTIES), len(COLUMNS), (13, 9))
    for row, prop in enumerate(PROPERTIES):
        values = points[f"{prop}.values"]
        low, high = np.percentile(values, [2, 98])
        for k, title in enumerate(COLUMNS):
            axes = panels[len(COLUMNS) * row + k]
            y = points[f"{prop}.{k}"]
            axes.scatter(y[:, 0], y[:, 1], 2, values, vmin=low, vmax=high, linewidths=0)
            axes.set_xticks([])
            axes.set_yticks([])
            for side in axes.spines.values():
                side.set_color(GREY)
            axes.set_title(f"{NAMES[prop]}: {title}", loc="left", fontsize=9.5)
    save(drawn, path)
