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

    def figures(by_name: dict[str, Result], path: Path) -> None:
        draw(by_name, path)
        examples = path.with_name(f"{path.stem}_examples.png")
        draw_examples(drawn, movies, data[2], pairs, args.data, examples)

    report(
        "explain", protocol, corpus, results, args.json,
        tables=_tables({result.name: result for result in results}),
        chart=figures,
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


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Areas under the curves of removal."""
    titles = {
        "footwear.kind": "Images of shoes, similar kind",
        "footwear.height": "Images of shoes, similar height", "words": "Messages, similar topic",
    }  # fmt: skip
    looks = {
        "lrp": ("LRP", charts.BLUE), "gradient_x_input": ("gradient times input", charts.GREEN),
        "gradient": ("gradient", charts.ORANGE), "random": ("random order", charts.GREY),
    }  # fmt: skip
    labels, colors = (list(part) for part in zip(*looks.values(), strict=True))
    figure, panels = charts.figure(1, 3, (14, 2.6))
    for axes, (task, title) in zip(panels, titles.items(), strict=True):
        rows = [by_name[f"{task}.auc.{method}"] for method in looks]
        charts.bars(axes, rows, labels, colors)
        axes.axvline(0, color=charts.DARK, linewidth=0.8)
        axes.set_xlim(-0.3, 1.1)
        charts.style(axes, "similarity left, mean over removals (lower is better)", "", title,
                     grid="x")  # fmt: skip
    for axes in panels[1:]:
        axes.set_yticklabels([])
    charts.save(figure, path)


def draw_examples(
    drawn: dict[str, Any], movies: Movies, X: Any, pairs: Any, data: Path | None, path: Path
) -> None:
    """Heat maps of shoes, a movie for two users, and plants."""
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, height_ratios=[3.8, 4])
    above.suptitle(
        "Which pixels make two shoes similar in kind or in height (red) or different (blue)",
        x=0.01, ha="left", fontsize=10.5,
    )  # fmt: skip
    _shoes(above.subplots(3, 8), drawn, X, pairs)
    _named(below.subplots(1, 3), movies, data)
    charts.save(figure, path)


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
    for axes, label in zip(panels[:, 0], ("four pairs", *SIMILARITIES), strict=True):
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
            f"{movies.titles[i]}\nfor user {movies.users[user]}: {why.value:+.2f} stars",
            loc="left", fontsize=9,
        )  # fmt: skip
    split = flowerpots.Split(flowerpots.judgements("size", data), flowerpots.TEST)
    features = flowerpots.features(1)
    encoder = plants_encoder(split, features, 1)
    a, b = split.test
    R = pair_relevances(encoder, features[a], features[b])
    why = Explanation(R, float(R.sum()), 0.0, features[a], FEATURES)
    why.plot(panels[2])
    panels[2].set_title(
        f"Plants {a + 1} and {b + 1}, both new:\nsimilarity {why.value:+.2f}",
        loc="left", fontsize=9,
    )  # fmt: skip
