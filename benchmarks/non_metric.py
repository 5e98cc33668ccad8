"""Non-metric similarities, and several at once: thesis, section 3.6 and Figs. 3.9 to 3.11.

"MNIST 0/7": of 5,000 zeros and sevens 4,000 are training points. S is Simpson's coefficient of
their black pixels (above half of the maximum), centered as in kernel PCA and divided by its largest
entry. Errors are mean squared errors with the first 1,000 training points as targets: for training
points, and for test points, which have only pixels (SimEc) or their similarities to all training
points (eigenvectors).

S itself (Fig. 3.10):

- positive: eigenvectors of the largest eigenvalues, Y Yᵀ, which is kernel PCA; "floor" is the error
  with all positive eigenvalues
- absolute: eigenvectors of the largest absolute eigenvalues, with their signs: the optimum on
  training points
- simec_linear, simec: Y W_l of a SimilarityEncoder without and with a hidden layer

S = S1 - S2 by the signs of the eigenvalues, each divided by its largest one, both times that of S1
to have the scale of S (Fig. 3.11):

- eigen: eigenvectors of S1 or S2
- alone: one encoder for S1 and one for S2; tensor: one for both, (m, n, 2); sum: one for S1 + S2;
  "_products" are Y Yᵀ instead of Y W_l

Embeddings in two dimensions (Fig. 3.9) are measured by how much of the variance of class and stroke
weight (number of black pixels) a linear regression on them explains.

Parameters of encoders were chosen on seed 0, by training points; the linear one's penalty by that
seed's test points. Figures are of other seeds, whose points partly overlap.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import charts, simec_data
from benchmarks.common import Result, Table, number, over_runs, report

SIZE, QUICK_SIZE = 5000, 400  # images, a fifth of them for testing
TARGETS = 1000
DIMENSIONS, QUICK_DIMENSIONS = (2, 8, 16, 32), (2, 8)
SIMEC: dict[str, Any] = {
    "hidden_layers": (300,), "activation": "relu", "learning_rate": 1e-3, "max_iter": 25,
}  # fmt: skip
LINEAR: dict[str, Any] = {"solver": "exact", "l2": 1e-5}
SYMMETRIC = 1.0  # of encoders of S1 and S2, when products of their embeddings are measured
PARTS = ("train", "test")
METHODS = ("positive", "absolute", "simec_linear", "simec")
SEVERAL = (
    "eigen", "alone", "alone_products", "tensor", "tensor_products", "sum", "sum_products",
)  # fmt: skip

Array = npt.NDArray[Any]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = simec_data.parser(__doc__).parse_args(argv)
    images = simec_data.mnist(args.data)
    size = QUICK_SIZE if args.quick else SIZE
    dimensions = QUICK_DIMENSIONS if args.quick else DIMENSIONS
    runs: list[dict[str, float]] = []
    picture: Picture | None = None
    with tqdm(total=args.seeds * (1 + len(dimensions)), desc="runs", unit="run") as bar:
        for seed in range(1, args.seeds + 1):
            digits = digits_of(images, size, seed)
            parts = parts_of(digits)
            errors, seen = two_dimensions(digits, parts, seed)
            picture = picture or seen
            errors |= metric(digits, parts)
            bar.update()
            for d in dimensions:
                bar.set_postfix_str(f"seed {seed}: d = {d}")
                errors |= one_similarity(digits, parts, d, seed)
                errors |= several(digits, parts, d, seed)
                bar.update()
            runs.append(errors)
    results = [over_runs(name, [r[name] for r in runs], _unit(name)) for name in runs[0]]
    results += ratios(runs, dimensions)
    by_name = {result.name: result for result in results}
    protocol = {
        "images": size, "targets": TARGETS, "simec": SIMEC, "linear": LINEAR,
        "symmetric": SYMMETRIC,
        "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    assert picture is not None
    drawn = picture

    def charts_of(found: dict[str, Result], path: Path) -> None:
        draw(found, path)
        draw_embeddings(found, drawn, path.with_name(f"{path.stem}_embeddings.png"))

    report(
        "non_metric", protocol, {"data": "MNIST, zeros and sevens"}, results, args.json,
        tables=_tables(by_name, dimensions),
        chart=charts_of,
    )  # fmt: skip


def _unit(name: str) -> str:
    return "MSE" if ".mse" in name or name.endswith("floor") else "share"


# Data


@dataclass
class Digits:
    """Zeros and sevens; similarities of training points, and of test points to them."""

    x: Array
    x_test: Array
    sevens: Array  # of all points, training points first
    strokes: Array
    S: Array
    S_test: Array


@dataclass
class Spectrum:
    """Eigenvalues and vectors of S; its positive and negative part, as large as the first."""

    values: Array
    vectors: Array
    halves: tuple[Array, Array]
    halves_test: tuple[Array, Array]


def digits_of(images: simec_data.ImageData, size: int, seed: int) -> Digits:
    """A subset, with its last fifth for testing."""
    from simec.similarities import Centerer, scale, simpson

    numbers = np.flatnonzero(np.isin(images.y_train, (0, 7)))
    chosen = numbers[simec_data.subset(len(numbers), size, seed)]
    pixels = images.x_train[chosen].reshape(size, -1)
    n = size - size // 5
    black = pixels > 127
    S = simpson(black[:n])
    centerer = Centerer().fit(S)
    S, largest = scale(centerer.transform(S))
    S_test = centerer.transform(simpson(black[n:], black[:n])) / largest
    x = pixels.astype(np.float32) / 255
    x -= x[:n].mean(axis=0)
    return Digits(
        x[:n], x[n:], images.y_train[chosen] == 7, black.sum(axis=1),
        ((S + S.T) / 2).astype(np.float32), S_test.astype(np.float32),
    )  # fmt: skip


def parts_of(digits: Digits) -> Spectrum:
    """Split similarities by the signs of eigenvalues."""
    from scipy import linalg

    values, vectors = linalg.eigh(digits.S, driver="evd")
    positive = vectors[:, values > 0]
    S1 = (positive * values[values > 0]) @ positive.T
    # new points are projected, as kernel PCA does
    S1_test = digits.S_test @ positive @ positive.T
    # both have the scale of S
    factor = values[-1] / -values[0]
    return Spectrum(
        values,
        vectors,
        (S1, factor * (S1 - digits.S)),
        (S1_test, factor * (S1_test - digits.S_test)),
    )


# Measurements


def metric(digits: Digits, parts: Spectrum) -> dict[str, float]:
    """How far S is from scalar products."""
    from simec.similarities import non_metricity

    values, n = parts.values, _targets(digits)
    positive = parts.vectors[:, values > 0]
    kept = (positive * values[values > 0]) @ positive[:n].T
    lost = digits.S_test[:, :n] - digits.S_test @ positive @ positive[:n].T
    return {
        "non_metricity": non_metricity(digits.S),
        "negative.largest": -float(values[0] / values[-1]),
        "positive.train.mse.floor": float(np.square(digits.S[:, :n] - kept).mean()),
        "positive.test.mse.floor": float(np.square(lost).mean()),
    }


def one_similarity(digits: Digits, parts: Spectrum, d: int, seed: int) -> dict[str, float]:
    """Errors of S itself."""
    n = _targets(digits)
    targets = digits.S[:, :n], digits.S_test[:, :n]
    figures: dict[str, float] = {}
    order = {"positive": np.argsort(-parts.values), "absolute": np.argsort(-np.abs(parts.values))}
    for method, places in order.items():
        V, values = parts.vectors[:, places[:d]], parts.values[places[:d]]
        predicted = (V * values) @ V[:n].T, digits.S_test @ V @ V[:n].T
        figures |= _errors(f"{method}.{{}}.mse.d{d}", targets, predicted)
    for method, settings in (("simec_linear", LINEAR), ("simec", SIMEC)):
        encoder = _fit(digits, digits.S, d, seed, settings)
        predicted = encoder.predict(digits.x), encoder.predict(digits.x_test)
        figures |= _errors(f"{method}.{{}}.mse.d{d}", targets, predicted)
    return figures


def several(digits: Digits, parts: Spectrum, d: int, seed: int) -> dict[str, float]:
    """Errors on S1 and S2, for encoders of one or of both."""
    n = _targets(digits)
    both = [(a[:, :n], b[:, :n]) for a, b in zip(parts.halves, parts.halves_test, strict=True)]
    settings = {**SIMEC, "symmetric": SYMMETRIC}
    figures: dict[str, float] = {}

    def judge(i: int, method: str, predicted: Sequence[Array]) -> None:
        figures.update(_errors(f"s{i + 1}.{method}.{{}}.mse.d{d}", both[i], predicted))

    for i, places in enumerate((np.argsort(-parts.values), np.argsort(parts.values))):
        V = parts.vectors[:, places[:d]]
        judge(i, "eigen", [half @ V @ V[:n].T for half in (parts.halves[i], parts.halves_test[i])])
        encoder = _fit(digits, parts.halves[i], d, seed, settings)
        judge(i, "alone", [encoder.predict(x) for x in (digits.x, digits.x_test)])
        judge(i, "alone_products", _products(encoder, digits))
    encoder = _fit(digits, np.stack(parts.halves, axis=2), d, seed, settings)
    for i in range(2):
        judge(i, "tensor", [encoder.predict(x)[:, :, i] for x in (digits.x, digits.x_test)])
        judge(i, "tensor_products", _products(encoder, digits))
    encoder = _fit(digits, parts.halves[0] + parts.halves[1], d, seed, settings)
    for i in range(2):
        judge(i, "sum", [encoder.predict(x) for x in (digits.x, digits.x_test)])
        judge(i, "sum_products", _products(encoder, digits))
    return figures


@dataclass
class Picture:
    """Data of the figure, from the first seed."""

    values: Array
    embeddings: dict[str, Array]
    sevens: Array
    strokes: Array


def two_dimensions(
    digits: Digits, parts: Spectrum, seed: int
) -> tuple[dict[str, float], Picture]:  # fmt: skip
    """How well two dimensions of each kind explain class and stroke weight."""
    values, V = parts.values, parts.vectors
    n = len(digits.x)
    encoder = _fit(
        digits, parts.halves[0] + parts.halves[1], 2, seed, {**SIMEC, "symmetric": SYMMETRIC}
    )
    embeddings = {
        "positive": V[:, :-3:-1] * np.sqrt(values[:-3:-1]),
        "negative": V[:, :2] * np.sqrt(-values[:2]),
        "simec": encoder.transform(digits.x),
    }
    test = {"simec": encoder.transform(digits.x_test)}
    for name, columns in (("positive", V[:, :-3:-1]), ("negative", V[:, :2])):
        lengths = np.square(embeddings[name]).sum(axis=0)
        sign = 1 if name == "positive" else -1
        test[name] = sign * digits.S_test @ columns / np.sqrt(lengths)
    explained = {}
    for name, Y in embeddings.items():
        for what, known in (("class", digits.sevens), ("stroke", digits.strokes)):
            scores = _explained(Y, known[:n], test[name], known[n:])
            for part, score in zip(PARTS, scores, strict=True):
                explained[f"explained.{what}.{name}.{part}"] = score
    return explained, Picture(values, embeddings, digits.sevens[:n], digits.strokes[:n])


def _explained(Y: Array, known: Array, Y_test: Array, test: Array) -> tuple[float, float]:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(Y, known)
    return float(model.score(Y, known)), float(model.score(Y_test, test))


def _fit(digits: Digits, S: Array, d: int, seed: int, settings: dict[str, Any]) -> Any:
    from simec import SimilarityEncoder

    with warnings.catch_warnings():
        # few epochs, to save time: the loss may still be falling
        warnings.filterwarnings("ignore", message="the loss was still falling")
        n = _targets(digits)
        return SimilarityEncoder(d, n_targets=n, random_state=seed, **settings).fit(digits.x, S)


def _targets(digits: Digits) -> int:
    return min(TARGETS, len(digits.x))


def _products(encoder: Any, digits: Digits) -> list[Array]:
    some = digits.x[: _targets(digits)]
    return [encoder.predict_similarity(x, some) for x in (digits.x, digits.x_test)]


def _errors(
    name: str, targets: Sequence[Array], predicted: Sequence[Array]
) -> dict[str, float]:  # fmt: skip
    return {
        name.format(part): float(np.square(S - P, dtype=np.float64).mean())
        for part, S, P in zip(PARTS, targets, predicted, strict=True)
    }


# Results


def ratios(runs: Sequence[dict[str, float]], dimensions: Sequence[int]) -> list[Result]:
    """Encoders' errors over those with positive eigenvalues, all of them and the same number."""
    results = []
    for part in PARTS:
        for d in dimensions:
            for method in METHODS[2:]:
                name = f"{method}.{part}.mse.d{d}"
                for other in (f"d{d}", "floor"):
                    values = [run[name] / run[f"positive.{part}.mse.{other}"] for run in runs]
                    label = f"ratio.{method}.{part}.d{d}"
                    label += ".floor" if other == "floor" else ""
                    results.append(over_runs(label, values, "times"))
    return results


def _tables(by_name: dict[str, Result], dimensions: Sequence[int]) -> list[Table]:
    def rows(names: Sequence[str], prefix: str = "") -> list[list[str]]:
        return [
            [f"{part}, d = {d}"]
            + [number(by_name[f"{prefix}{name}.{part}.mse.d{d}"], 1e4, 2) for name in names]
            for part in PARTS
            for d in dimensions
        ]

    tables = [Table(("S, MSE × 10⁴", *METHODS), rows(METHODS))]
    for half in ("s1", "s2"):
        header = (f"{half.upper()}, MSE × 10⁴", *SEVERAL)
        scaled = [
            [label, *cells] for label, *cells in rows(SEVERAL, f"{half}.")
        ]  # fmt: skip
        tables.append(Table(header, scaled))
    return tables


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Figs. 3.10 and 3.11: errors on S, and on its two parts at once."""
    figure, panels = charts.figure(1, 3, (16, 4.4))
    dimensions = charts.numbers(by_name, "simec.test.mse.d{}")
    looks = {
        "positive": ("kernel PCA", charts.GREEN),
        "absolute": ("eigenvectors of any sign", charts.GREY),
        "simec_linear": ("linear SimEc", charts.ORANGE), "simec": ("SimEc", charts.BLUE),
    }  # fmt: skip
    for method, (label, color) in looks.items():
        rows = [by_name[f"{method}.test.mse.d{d}"] for d in dimensions]
        charts.points(panels[0], dimensions, rows, label, color)
    floor = by_name["positive.test.mse.floor"].value
    panels[0].axhline(floor, color=charts.GREEN, linestyle=":", label="kernel PCA, all d")
    lines = {
        "eigen": ("eigenvectors", charts.GREY), "alone": ("one SimEc for each", charts.GREEN),
        "tensor": ("one SimEc for both", charts.BLUE), "sum": ("SimEc of the sum", charts.PURPLE),
    }  # fmt: skip
    for axes, half in zip(panels[1:], ("s1", "s2"), strict=True):
        for method, (label, color) in lines.items():
            rows = [by_name[f"{half}.{method}.test.mse.d{d}"] for d in dimensions]
            charts.points(axes, dimensions, rows, label, color)
    titles = (
        "S has negative eigenvalues: SimEc is below kernel PCA",
        "The positive part of S",
        "The negative part of S: new points are difficult",
    )
    for axes, title in zip(panels, titles, strict=True):
        axes.set_xscale("log", base=2)
        axes.set_xticks(dimensions, [str(d) for d in dimensions])
        axes.set_yscale("log")
        charts.style(
            axes, "dimensions of the embedding",
            "error on test points (MSE)" if axes is panels[0] else "", title,
        )  # fmt: skip
        charts.label_lines(axes)
    charts.save(figure, path)


def draw_embeddings(by_name: dict[str, Result], picture: Picture, path: Path) -> None:
    """Fig. 3.9: two dimensions of training points, with their spectrum."""
    figure, (spectrum, *rest) = charts.figure(1, 4, (17, 4.2))
    values = picture.values[::-1]
    shown = np.concatenate([values[:20], values[-20:]])
    colors = [charts.BLUE if value > 0 else charts.RED for value in shown]
    spectrum.bar([*range(20), *range(21, 41)], shown, color=colors)
    spectrum.set_xticks([0, 19, 21, 40], ["1", "20", "", str(len(values))])
    charts.style(
        spectrum, "number of the eigenvalue", "eigenvalue", "Some eigenvalues are far below 0",
        grid="y",
    )  # fmt: skip
    titles = {
        "positive": "Largest eigenvalues: the class",
        "negative": "Most negative ones: stroke weight",
        "simec": "One SimEc: both",
    }  # fmt: skip
    heavy = picture.strokes / picture.strokes.max()
    for axes, (name, Y) in zip(rest, picture.embeddings.items(), strict=True):
        for sevens, color, label in ((False, charts.BLUE, "0"), (True, charts.ORANGE, "7")):
            some = picture.sevens == sevens
            axes.scatter(
                Y[some, 0], Y[some, 1], 40 * heavy[some] ** 2, color=color, alpha=0.35,
                linewidths=0,
            )  # fmt: skip
            axes.scatter([], [], 60, color=color, label=f"digit {label}")
        share = {what: by_name[f"explained.{what}.{name}.test"].value or 0
                 for what in ("class", "stroke")}  # fmt: skip
        x = f"explains {share['class']:.0%} of class, {share['stroke']:.0%} of stroke weight"
        charts.style(axes, x, "", titles[name])
    rest[0].legend(frameon=False, title="large points: heavy strokes", title_fontsize=9)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
