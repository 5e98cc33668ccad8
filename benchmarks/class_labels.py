"""Similarities from class labels, learned from pixels: thesis, Fig. 3.4.

Digits of MNIST, as vectors of pixels. The similarity of two images is 1 if they show the same
digit and 0 otherwise, centered by the training points as in kernel PCA, for all methods and for
test points too. The error is the mean squared error of Y Yᵀ with d dimensions:

- optimum: eigendecomposition of the training points' similarities; not available for test points
- ridge: ridge regression of these embeddings on pixels (`simec.spectral.SpectralRegression`)
- simec: linear Similarity Encoder, closed form
- simec_deep: the same with hidden layers, trained on some of the targets

Penalties of ridge and simec are chosen from the same values for each d, on the last fifth of the
training points; then all training points are used. Test similarities are those among the test
points, whose labels no method has seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts, simec_data
from benchmarks.common import Result, over_runs, report
from benchmarks.simec_methods import (
    best,
    halves,
    line,
    linear_simec,
    mse,
    products,
    ridges,
    table,
    unfinished,
)

SIZE = 10_000
QUICK_SIZE = 800
DIMENSIONS = tuple(range(1, 11))
QUICK_DIMENSIONS = (2, 5, 9)
ALPHAS = (10.0, 30.0, 100.0, 300.0, 1000.0)
N_CLASSES = 10
METHODS = ("optimum", "ridge", "simec", "simec_deep")
# chosen on the last fifth of the training points of seed 1
DEEP: dict[str, Any] = {
    "hidden_layers": (512, 256), "activation": "relu", "symmetric": 1.0, "n_targets": 2000,
    "l2": 1e-6, "learning_rate": 1e-3, "batch_size": 256, "max_iter": 25,
}  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = simec_data.parser(__doc__).parse_args(argv)
    images = simec_data.mnist(args.data)
    size = QUICK_SIZE if args.quick else SIZE
    dimensions = QUICK_DIMENSIONS if args.quick else DIMENSIONS
    runs = [
        run(simec_data.points(images, size, seed), dimensions, seed)
        for seed in tqdm(range(1, args.seeds + 1), desc="seeds", unit="seed")
    ]
    results = [
        over_runs(name, [r[name] for r in runs], "ratio" if "ratio" in name else "mse")
        for name in runs[0]
    ]
    by_name = {result.name: result for result in results}
    n_train = size - round(0.2 * size)
    protocol = {
        "similarity": "1 for the same digit, 0 otherwise, centered by the training points",
        "features": "pixels divided by their maximum, centered by the training points",
        "alphas": ALPHAS, "deep": DEEP, "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    corpus = {"name": "mnist", "train": n_train, "test": size - n_train}
    settings = [f"d{d}" for d in dimensions]
    report(
        "class_labels", protocol, corpus, results, args.json,
        tables=[table(f"{part}, mse", by_name, METHODS, settings, f"{part}.mse")
                for part in ("train", "test")],
        chart=draw,
    )  # fmt: skip


def run(points: simec_data.Points, dimensions: tuple[int, ...], seed: int) -> dict[str, float]:
    """One seed: errors by method, part and number of dimensions, and their ratios."""
    from tqdm import tqdm

    from simec import SimilarityEncoder

    classes = np.eye(N_CLASSES)
    mean = classes[points.y_train].mean(axis=0)
    # the scalar products of these rows are the centered similarities
    Z = {"train": classes[points.y_train] - mean, "test": classes[points.y_test] - mean}
    X = {"train": points.x_train, "test": points.x_test}
    S = {part: products(Z[part]) for part in Z}
    most = max(dimensions)
    figures: dict[str, float] = {}

    def measure(method: str, d: int, model: Any) -> None:
        for part in S:
            figures[f"{method}.{part}.mse.d{d}"] = mse(S[part], model.transform(X[part])[:, :d])

    # penalties, for each number of dimensions
    fit, held = halves(len(X["train"]))
    S_fit, S_held, X_held = S["train"][fit, fit], S["train"][held, held], X["train"][held]

    def errors(model: Any) -> list[float]:
        Y = model.transform(X_held)
        return [mse(S_held, Y[:, :d]) for d in dimensions]

    regression = ridges(most, X["train"][fit], S_fit)
    chosen = {
        "ridge": best(ALPHAS, lambda alpha: errors(regression(alpha))),
        "simec": best(
            ALPHAS, lambda alpha: errors(linear_simec(most, alpha, X["train"][fit], S_fit))
        ),
    }
    regression = ridges(most, X["train"], S["train"])
    optimum = regression(1.0).embedding_
    for d in dimensions:
        figures[f"optimum.train.mse.d{d}"] = mse(S["train"], optimum[:, :d])
    for alpha in sorted({alpha for alphas in chosen.values() for alpha in alphas}):
        for method, alphas in chosen.items():
            if alpha not in alphas:
                continue
            model = (
                regression(alpha) if method == "ridge"
                else linear_simec(most, alpha, X["train"], S["train"])
            )  # fmt: skip
            for d, choice in zip(dimensions, alphas, strict=True):
                if choice == alpha:
                    measure(method, d, model)
    for d in tqdm(dimensions, desc="deep", unit="fit", leave=False):
        deep = SimilarityEncoder(d, **DEEP, random_state=seed, device="cpu")
        with unfinished():
            measure("simec_deep", d, deep.fit(X["train"], S["train"]))
    figures.update(_ratios(figures, dimensions, float(np.square(S["train"]).mean())))
    return figures


def _ratios(
    figures: dict[str, float], dimensions: tuple[int, ...], total: float
) -> dict[str, float]:
    """Errors over those of another method; over the mean square of S where the optimum is 0."""
    ratios = {}
    for d in dimensions:
        for part in ("train", "test"):
            ridge = figures[f"ridge.{part}.mse.d{d}"]
            ratios[f"simec.{part}.ratio_to_ridge.d{d}"] = figures[f"simec.{part}.mse.d{d}"] / ridge
        deep, lowest = figures[f"simec_deep.train.mse.d{d}"], figures[f"optimum.train.mse.d{d}"]
        if d < N_CLASSES - 1:
            ratios[f"simec_deep.train.ratio_to_optimum.d{d}"] = deep / lowest
        else:
            ratios[f"simec_deep.train.ratio_to_mean_square.d{d}"] = deep / total
    return ratios


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Errors by the number of dimensions, for training points and for test points."""
    figure, panels = charts.figure(1, 2, (11, 4))
    dimensions = charts.numbers(by_name, "optimum.train.mse.d{}")
    styles = {
        "optimum": ("eigenvectors", charts.GREY), "ridge": ("ridge to them", charts.ORANGE),
        "simec": ("linear SimEc", charts.BLUE), "simec_deep": ("deep SimEc", charts.GREEN),
    }  # fmt: skip
    titles = {
        "train": "Training points: a deep encoder is at the optimum",
        "test": "Test points: both encoders are better than ridge",
    }
    panels[1].sharey(panels[0])
    for axes, (part, title) in zip(panels, titles.items(), strict=True):
        for method, (name, color) in styles.items():
            rows = [by_name.get(f"{method}.{part}.mse.d{d}") for d in dimensions]
            if any(rows):
                line(axes, dimensions, rows, name, color, dashed=method == "ridge")
        axes.set_ylim(bottom=0)
        charts.style(axes, "dimensions of the embedding", "error of similarities (MSE)", title)
        charts.label_lines(axes)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
