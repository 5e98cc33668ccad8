"""Embeddings of classes in few dimensions: do neighbors have the same class?

Digits of scikit-learn (8 × 8 pixels), MNIST and Fashion-MNIST, pixels divided by their maximum and
centered by the training points. One half of each set of 2,000 points (digits: 1,797) is for
training, the other for testing, by the seed. Measured is the accuracy on test points of the class
of the nearest training point ("neighbors1") and of the majority of the ten nearest ("neighbors10"),
by Euclidean distances in the embedding, and the CPU time of training:

- pixels: neighbors by all pixels, without an embedding
- pca, lda, nca: scikit-learn's PCA, LinearDiscriminantAnalysis (at most 9 dimensions for 10
  classes) and NeighborhoodComponentsAnalysis
- simec_linear: linear SimilarityEncoder, similarities of classes, centered; closed form
- simec_similarities: a deep one, similarities of classes to 300 training points
- simec_classes: a deep one, cross-entropy of classes

Parameters of encoders were chosen on other random splits of digits and MNIST, which overlap with
these.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import charts, simec_data
from benchmarks.common import Result, number, over_runs, report
from benchmarks.common import Table as ResultTable

SIZE, QUICK_SIZE = 2000, 300
DATA = ("digits", "mnist", "fashion_mnist")
DIMENSIONS, QUICK_DIMENSIONS = (2, 10), (2,)
NEIGHBORS = (1, 10)
LABELS = {
    "pixels": "pixels, no embedding", "pca": "PCA", "lda": "LDA", "nca": "NCA",
    "simec_linear": "SimEc, linear", "simec_similarities": "SimEc, deep, similarities",
    "simec_classes": "SimEc, deep, classes",
}  # fmt: skip
DEEP: dict[str, Any] = {"hidden_layers": (256, 128), "activation": "relu"}
SIMILARITIES: dict[str, Any] = {
    **DEEP, "symmetric": 1.0, "n_targets": 300, "early_stopping": True,
}  # fmt: skip
CLASSES: dict[str, Any] = {
    **DEEP, "loss": "cross_entropy", "init": "random", "decay": "cosine", "max_iter": 60,
    "learning_rate": 3e-3,
}  # fmt: skip
L2 = 1e-5  # of the linear encoder

Embed = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = simec_data.parser(__doc__).parse_args(argv)
    size = QUICK_SIZE if args.quick else SIZE
    dimensions = QUICK_DIMENSIONS if args.quick else DIMENSIONS
    runs: list[dict[str, float]] = []
    with tqdm(total=args.seeds * len(DATA), desc="data sets", unit="set") as bar:
        for seed in range(1, args.seeds + 1):
            figures: dict[str, float] = {}
            for name in DATA:
                bar.set_postfix_str(f"seed {seed}: {name}")
                points = points_of(name, size, seed, args.data)
                measured = run(points, dimensions, seed)
                figures |= {f"{name}.{key}": value for key, value in measured.items()}
                bar.update()
            runs.append(figures)
    results = [
        over_runs(key, [r[key] for r in runs], "s" if "seconds" in key else "accuracy")
        for key in runs[0]
    ]
    by_name = {result.name: result for result in results}
    protocol = {
        "points": size, "similarities": SIMILARITIES, "classes": CLASSES, "linear l2": L2,
        "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    report(
        "class_neighbors", protocol, {"data": ", ".join(DATA)}, results, args.json,
        tables=[_table(by_name, name, d) for name in DATA for d in dimensions], chart=draw,
    )  # fmt: skip


def points_of(name: str, size: int, seed: int, data: Path | None = None) -> simec_data.Points:
    """Training and test points of one data set, the same number of each."""
    if name != "digits":
        images = getattr(simec_data, name)(data)
        return simec_data.points(images, size, seed, test=0.5)
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    none = np.zeros(0, np.int64)
    images = simec_data.ImageData(X.reshape(-1, 8, 8), y.astype(np.int64), X[:0], none)
    return simec_data.points(images, min(size, len(y)), seed, test=0.5)


def run(points: simec_data.Points, dimensions: tuple[int, ...], seed: int) -> dict[str, float]:
    """Accuracies and seconds of one data set, by method and number of dimensions."""
    figures = _accuracies("pixels", "pixels", points, lambda X: X)
    for d in dimensions:
        for method in tuple(LABELS)[1:]:
            began = time.process_time()
            embed = fit(method, d, points.x_train, points.y_train, seed)
            figures[f"{method}.seconds.d{d}"] = time.process_time() - began
            figures |= _accuracies(method, f"d{d}", points, embed)
    return figures


def fit(method: str, d: int, X: npt.NDArray[Any], y: npt.NDArray[Any], seed: int) -> Embed:
    """Train a method; return the function that embeds points."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    from simec import SimilarityEncoder
    from simec.similarities import center, class_labels

    embed: Embed
    if method == "pca":
        embed = PCA(d, random_state=seed).fit(X).transform
    elif method == "lda":
        most = min(d, len(np.unique(y)) - 1)
        embed = LinearDiscriminantAnalysis(n_components=most).fit(X, y).transform
    elif method == "nca":
        embed = NeighborhoodComponentsAnalysis(d, random_state=seed).fit(X, y).transform
    elif method == "simec_linear":
        encoder = SimilarityEncoder(d, symmetric=1.0, solver="exact", l2=L2, device="cpu")
        embed = encoder.fit(X, center(class_labels(y))).transform
    elif method == "simec_similarities":
        encoder = SimilarityEncoder(d, **SIMILARITIES, random_state=seed, device="cpu")
        embed = encoder.fit(X, class_labels(y)).transform
    else:
        encoder = SimilarityEncoder(d, **CLASSES, random_state=seed, device="cpu")
        embed = encoder.fit(X, class_labels(y, np.unique(y))).transform
    return embed


def _accuracies(
    method: str, setting: str, points: simec_data.Points, embed: Embed
) -> dict[str, float]:
    from sklearn.neighbors import KNeighborsClassifier

    train, test = embed(points.x_train), embed(points.x_test)
    return {
        f"{method}.neighbors{k}.{setting}": float(
            KNeighborsClassifier(k).fit(train, points.y_train).score(test, points.y_test)
        )
        for k in NEIGHBORS
    }


def _table(by_name: dict[str, Result], data: str, d: int) -> ResultTable:
    rows = []
    for method, label in LABELS.items():
        setting = "pixels" if method == "pixels" else f"d{d}"
        cells = [number(by_name.get(f"{data}.{method}.neighbors{k}.{setting}")) for k in NEIGHBORS]
        seconds = number(by_name.get(f"{data}.{method}.seconds.d{d}"), digits=1)
        rows.append((label, *cells, seconds))
    title = f"{data}, d = {d}"
    return ResultTable((title, *(f"{k} nearest" for k in NEIGHBORS), "CPU seconds"), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Accuracy of the nearest neighbor in two dimensions, by data set and method."""
    figure, panels = charts.figure(1, len(DATA), (13, 3.4))
    names = {"digits": "Digits", "mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
    for axes, data in zip(panels, DATA, strict=True):
        rows = [by_name[f"{data}.{m}.neighbors1.d2"] for m in tuple(LABELS)[1:]]
        colors = [charts.BLUE if "simec" in m else charts.GREY for m in tuple(LABELS)[1:]]
        labels = list(LABELS.values())[1:] if axes is panels[0] else [""] * len(rows)
        charts.bars(axes, rows, labels, colors, scale=100)
        charts.style(
            axes, "% of test points with the class of their neighbor", "",
            f"{names[data]} in two dimensions", grid="x",
        )  # fmt: skip
    charts.save(figure, path)


if __name__ == "__main__":
    main()
