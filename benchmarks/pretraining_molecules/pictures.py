"""Figures: errors with those of the thesis's, curves as Figs. 6.15 to 6.19, t-SNE as Fig. 6.24."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.cache import Arrays, Cache
from benchmarks.charts import (
    BLUE,
    DARK,
    ERROR,
    GREEN,
    GREY,
    LIGHT_GREY,
    ORANGE,
    PURPLE,
    RED,
    figure,
    label_lines,
    plain_ticks,
    save,
    style,
)
from benchmarks.common import Result
from benchmarks.pretraining_molecules.networks import (
    PICTURED,
    embeddings,
    pictured,
    pretrained,
    pretraining_of,
    trained_on_property,
)
from benchmarks.pretraining_molecules.protocol import PROPERTIES, Data, target

NAMES = {"u0": "Energy U0", "homo": "HOMO", "lumo": "LUMO"}
LABELS = {
    "counts": "ridge on numbers of atoms", "untrained": "untrained SchNet, ridge",
    "kpca": "FCHL18 kernel PCA, ridge", "schnet": "SchNet",
    "property": "pre-trained on the property", "rogot_goldberg": "... on Rogot-Goldberg",
    "mcconnaughey": "... on McConnaughey", "sokal": "... on Sokal", "nfchl": "... on nFCHL",
    "atomwise": "... on FCHL, atomwise", "pg_schnet": "PG-SchNet",
    "pg_schnet_fchl": "PG-SchNet, pre-trained on FCHL",
    "mixed": "... on similarities and Hückel theory",
    "distilled": "... on predictions of the last row",
    "best": "several similarities, closed form",
}  # fmt: skip
SIMILARITIES = {
    "rogot_goldberg": "Rogot-Goldberg", "mcconnaughey": "McConnaughey", "sokal": "Sokal",
    "fchl": "FCHL", "nfchl": "nFCHL",
}  # fmt: skip
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


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Draw errors in `path`, and curves of ridge regressions in a file next to it."""
    if any(name.startswith("mae.") for name in by_name):
        _draw_errors(by_name, path)
    if any(name.startswith("ridge.") for name in by_name):
        _draw_curves(by_name, path.with_name(f"{path.stem}_curves.png"))


def _draw_errors(by_name: dict[str, Result], path: Path) -> None:
    measured = [name.split(".") for name in by_name if name.startswith("mae.")]
    sizes = sorted({int(n) for _, _, n, _ in measured})
    methods = [m for m in LABELS if m in {method for *_, method in measured}]
    places = list(range(len(methods)))
    colors = [BLUE if m in ("mixed", "distilled", "best") else LIGHT_GREY for m in methods]
    drawn, panels = figure(len(sizes), 3, (14, 5 * len(sizes)))
    for row, n in enumerate(sizes):
        for column, prop in enumerate(PROPERTIES):
            axes = panels[3 * row + column]
            rows = [by_name.get(f"mae.{prop}.{n}.{method}") for method in methods]
            axes.barh(
                places, [np.nan if r is None else r.value or 0 for r in rows], 0.65, color=colors,
                xerr=[np.nan if r is None else r.sd or 0 for r in rows], error_kw=ERROR,
            )  # fmt: skip
            for place, result in zip(places, rows, strict=True):
                if result is not None and result.reference is not None:
                    ends = [place - 0.4, place + 0.4]
                    axes.plot([result.reference] * 2, ends, color=DARK, lw=1.5)
            axes.set_yticks(places, [LABELS[m] for m in methods] if column == 0 else [])
            axes.invert_yaxis()
            title = f"{NAMES[prop]}, {n} labelled molecules"
            style(axes, "mean absolute error, eV (black: thesis)", "", title, grid="x")
    save(drawn, path)


def _draw_curves(by_name: dict[str, Result], path: Path) -> None:
    drawn, panels = figure(1, 3, (15, 4.4))
    names = sorted({name.split(".")[3] for name in by_name if name.startswith("ridge.")})
    sizes = sorted({int(name.split(".")[2]) for name in by_name if name.startswith("ridge.")})
    colors = dict(zip(names, (BLUE, ORANGE, GREEN, RED, PURPLE, GREY, DARK), strict=False))
    for axes, prop in zip(panels, PROPERTIES, strict=True):
        for name in names:
            rows = [by_name.get(f"ridge.{prop}.{n}.{name}") for n in sizes]
            values = [np.nan if r is None or r.value is None else r.value for r in rows]
            kind, _, similarity = name.partition("_")
            line = "--" if kind == "simec" else "-"
            text = f"{'SimEc' if kind == 'simec' else 'kernel PCA'}, {SIMILARITIES[similarity]}"
            axes.plot(sizes, values, line, marker="o", ms=3, color=colors.get(name), label=text)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            plain_ticks(axis)
        y = "mean absolute error, eV" if prop == PROPERTIES[0] else ""
        style(axes, "labelled molecules", y, NAMES[prop])
    label_lines(panels[-1])
    save(drawn, path)


def draw_tsne(points: Arrays, path: Path) -> None:
    """Draw the points of `tsne`, colored by the property."""
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
