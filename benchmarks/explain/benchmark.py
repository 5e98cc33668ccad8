"""Explanations of similarities, and how good they are: thesis, Sec. 5.2.

- flowerpots (Fig. 5.2): the share of relevances, by size, that stem and leaf have in the
  similarities of plants; the other features are noise. "simec": a linear Similarity Encoder of
  people's judgments; "product": the scalar product of the same features.
- movies (Fig. 5.4): a linear encoder from features of movies to residual ratings of MovieLens 1M;
  for a movie that two users loved, the correlation of its features' relevances for the two, and
  how often it is negative.
- footwear (Figs. 5.5 to 5.7): a CNN learns one of two similarities of sandals, sneakers and boots
  of Fashion-MNIST, their kind or their height. "maps": the mean correlation of heat maps of the
  same pairs, between seeds ("same") and between the two similarities ("different"); "upper": the
  share of positive relevance in the upper half of shoes.
- words: messages of seven groups of 20 newsgroups as TF-IDF; a deep encoder learns the groups.

"auc" measures the quality of explanations. Features of the first item of a pair are removed in
the order of relevance, a twentieth of its nonzero features at a time; the area is that under the
similarity, relative to its initial value. The lower it is, the earlier the relevant features were
removed. "lrp" uses the rules that do best on pairs of training images, and "epsilon" for words;
"random" is a random order, "gradient" the order by the gradient; "gain" is the area of "gradient"
less that of "lrp", for the same encoder and pairs.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts, simec_data
from benchmarks.common import Result, Table, number, over_runs, report, require_matplotlib
from benchmarks.explain.images import (
    ENCODER,
    METHODS,
    QUICK_SIZES,
    SIMILARITIES,
    SIZES,
    Shoes,
    agreement,
    alike,
    shoes,
    upper,
)
from benchmarks.explain.removal import STEPS, area
from benchmarks.explain.tasks import (
    FEATURES,
    MOVIES,
    N_MESSAGES,
    QUICK_MESSAGES,
    WORDS,
    Messages,
    Movies,
    pair_relevances,
    plants,
    plants_encoder,
)
from benchmarks.runs import Measured

MAP_RULES = "epsilon_gamma"  # the default, for the heat maps that are compared and shown
UNITS = {
    "auc": "area",
    "gain": "area",
    "maps": "correlation",
    "correlation": "correlation",
    "pairs": "pairs",
}


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    import torch
    from tqdm import tqdm

    args = simec_data.parser(__doc__).parse_args(argv)
    torch.set_num_threads(1)
    sizes = QUICK_SIZES if args.quick else SIZES
    data = shoes(args.data)
    pairs = alike(data[2], data[3], sizes["pairs"])
    seeds = range(1, args.seeds + 1)
    runs, kept, drawn, rules = [], {}, {}, {}
    for seed in tqdm(seeds, desc="seeds", unit="seed"):
        measured = plants(args.data, seed)
        for name in SIMILARITIES:
            encoder = Shoes(name, data, seed, sizes)
            rules[f"{name}.{seed}"] = encoder.rules
            figures, curves, kept[name, seed] = footwear(encoder, data[2], pairs, seed)
            measured |= {f"footwear.{name}.{key}": value for key, value in figures.items()}
            if seed == 1:
                drawn[name] = encoder, curves
        for method in (*METHODS, "lrp"):
            both = [measured[f"footwear.{name}.auc.{method}"] for name in SIMILARITIES]
            measured[f"footwear.auc.{method}"] = float(np.mean(both))
        messages = Messages(args.data, seed, QUICK_MESSAGES if args.quick else N_MESSAGES)
        of_words = messages.curves(seed)
        measured["words.correlation"] = messages.correlation
        measured |= {f"words.auc.{method}": area(values) for method, values in of_words.items()}
        measured["words.auc.lrp"] = measured["words.auc.epsilon"]  # the default for dense layers
        for name in ("footwear.kind", "footwear.height", "footwear", "words"):
            areas = (measured[f"{name}.auc.{method}"] for method in ("gradient", "lrp"))
            measured[f"{name}.gain"] = float(np.subtract(*areas))
        if seed == 1:
            drawn["words"] = messages, of_words
        runs.append(measured)
    results = [over_runs(n, [r[n] for r in runs], _unit(n)) for n in runs[0]]
    results += compared(kept, list(seeds))
    movies = Movies(args.data)
    results += [Result(name, value, _unit(name)) for name, value in movies.figures().items()]
    protocol = {
        "footwear": ENCODER, **sizes, "words": WORDS, "movies": MOVIES, "steps": STEPS,
        "rules": rules, "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    corpus = {"names": "Gati & Tversky 1982, MovieLens 1M, Fashion-MNIST, 20 newsgroups"}
    report(
        "explain", protocol, corpus, results, args.json,
        tables=_tables({result.name: result for result in results}),
        chart=lambda path: draw(drawn, movies, data[2], pairs, args.data, path),
    )  # fmt: skip


def footwear(encoder: Shoes, X: Any, pairs: Any, seed: int) -> tuple[Measured, dict[str, Any], Any]:
    """Figures of an encoder, curves of removal, and heat maps of pairs."""
    X1, X2 = X[pairs[:, 0]], X[pairs[:, 1]]
    curves = encoder.curves(X1, X2, seed)
    figures: Measured = {f"auc.{method}": area(values) for method, values in curves.items()}
    figures["auc.lrp"] = figures[f"auc.{encoder.rules}"]
    figures["correlation"] = encoder.correlation
    heat = encoder.score(MAP_RULES, X1, X2, seed)
    figures["upper"] = upper(heat, X1)
    return figures, curves, heat.reshape(len(heat), -1)


def compared(kept: dict[tuple[str, int], Any], seeds: list[int]) -> list[Result]:
    """Agreement of the heat maps of two seeds, for the same similarity and for different ones."""
    correlations: dict[str, list[float]] = {}
    for a, b in combinations(seeds, 2):
        for name in SIMILARITIES:
            agree = agreement(kept[name, a], kept[name, b])
            correlations.setdefault(f"footwear.maps.same.{name}", []).append(agree)
        one, other = SIMILARITIES
        across = [agreement(kept[one, i], kept[other, j]) for i, j in ((a, b), (b, a))]
        correlations.setdefault("footwear.maps.different", []).append(float(np.mean(across)))
    return [over_runs(name, values, "correlation") for name, values in correlations.items()]


def _unit(name: str) -> str:
    return next((unit for part, unit in UNITS.items() if part in name.split(".")), "share")


def _tables(by_name: dict[str, Result]) -> list[Table]:
    columns = ("footwear.kind", "footwear.height", "footwear", "words")
    rows = [
        (method, *(number(by_name.get(f"{column}.auc.{method}")) for column in columns))
        for method in ("lrp", *METHODS)
    ]
    rows.append(("gradient - lrp", *(number(by_name.get(f"{column}.gain")) for column in columns)))
    return [Table(("area under the curve", "kind", "height", "both", "words"), rows)]


def draw(
    drawn: dict[str, Any], movies: Movies, X: Any, pairs: Any, data: Path | None, path: Path
) -> None:
    """Curves of removal, heat maps of shoes, a movie for two users, and plants."""
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 11), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, middle, below = figure.subfigures(3, 1, height_ratios=[3, 3.6, 4])
    _curves(above.subplots(1, 3), drawn)
    _shoes(middle.subplots(3, 8), drawn, X, pairs)
    _named(below.subplots(1, 3), movies, data)
    charts.save(figure, path)


def _curves(panels: Any, drawn: dict[str, Any]) -> None:
    styles = {
        "lrp": ("LRP", charts.BLUE), "gradient_x_input": ("gradient times input", charts.GREEN),
        "gradient": ("gradient", charts.ORANGE), "random": ("random", charts.GREY),
    }  # fmt: skip
    titles = {"kind": "Shoes, kind", "height": "Shoes, height", "words": "Messages"}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        encoder, curves = drawn[name]
        lrp = "epsilon" if name == "words" else encoder.rules
        for method, (label, color) in styles.items():
            mean = curves[lrp if method == "lrp" else method].mean(axis=1)
            label = f"LRP, {lrp}" if method == "lrp" else label
            axes.plot(np.linspace(0, 100, STEPS + 1), mean / mean[0], color=color, label=label)
        axes.axhline(0, color="#444444", linewidth=0.8)
        axes.legend(frameon=False, fontsize=8.5)
        charts.style(axes, "% of features removed", "similarity left", title)


def _shoes(panels: Any, drawn: dict[str, Any], X: Any, pairs: Any) -> None:
    from simec.explain.plotting import colors

    for column, (i, j) in enumerate(pairs[: panels.shape[1] // 2]):
        for side, (one, other) in enumerate(((i, j), (j, i))):
            shown = panels[:, 2 * column + side]
            shown[0].imshow(X[one, 0], cmap="gray_r")
            for axes, name in zip(shown[1:], SIMILARITIES, strict=True):
                encoder, _ = drawn[name]
                R = encoder.score(MAP_RULES, X[[one]], X[[other]], 0)[0, 0]
                axes.imshow(colors(R, np.quantile(np.abs(R), 0.995)))
    for axes, label in zip(panels[:, 0], ("pairs", *SIMILARITIES), strict=True):
        axes.set_ylabel(label)
    for axes in panels.ravel():
        axes.set_xticks([])
        axes.set_yticks([])


def _named(panels: Any, movies: Movies, data: Path | None) -> None:
    from benchmarks import flowerpots
    from simec.explain import Explanation, explain_prediction

    i, *users = movies.most_divided()
    for axes, user in zip(panels, users, strict=False):
        why = explain_prediction(movies.encoder, movies.X[i], user, names=movies.names)
        why.plot(axes, topn=12)
        axes.set_title(
            f"{movies.titles[i]}, user {movies.users[user]}: {why.value:+.2f}",
            loc="left", fontsize=10,
        )  # fmt: skip
    split = flowerpots.Split(flowerpots.judgements("size", data), flowerpots.TEST)
    features = flowerpots.features(1)
    encoder = plants_encoder(split, features, 1)
    a, b = split.test
    R = pair_relevances(encoder, features[a], features[b])
    why = Explanation(R, float(R.sum()), 0.0, features[a], FEATURES)
    why.plot(panels[2])
    panels[2].set_title(
        f"Plants {a + 1} and {b + 1}, never seen: {why.value:+.2f}", loc="left", fontsize=10
    )
