"""Noise in the features, but not in the similarities: thesis, Figs. 3.6 and 3.7.

Digits of MNIST as vectors of pixels; targets are the linear kernel of the clean, centered images,
divided by its largest value. The features that methods get are noisy:

- added noise, with a multiple of the standard deviation of the pixels
- additional dimensions of noise, with the standard deviation of the pixels

each white, or correlated: normal with the covariance A Aᵀ, where A is a random matrix with a few
columns, as if some sources reached many sensors. Errors are mean squared errors of Y Yᵀ with ten
dimensions, for training points and for test points, whose features have the same noise:

- kpca: linear kernel PCA on the noisy features, whose similarities it takes as targets
- ridge: eigendecomposition of the clean similarities, and ridge regression on noisy features
- simec: linear Similarity Encoder, closed form
- simec_pca: the same on the leading principal components of the noisy features; for weak white
  noise, where kernel PCA is good
- limit: the linear encoder for the covariances of all images and of the noise, if both were known:
  no linear method has a lower error in the mean; for weak white noise
- optimum: eigendecomposition of the clean similarities; for test points: PCA on clean features

Penalties of ridge and simec, and the number of components of simec_pca, are chosen in the same way
on the last fifth of the training points.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts, simec_data
from benchmarks.common import Result, at_least_one, over_runs, report
from benchmarks.simec_methods import (
    Array,
    best,
    halves,
    line,
    linear_simec,
    mse,
    products,
    ridges,
    table,
)

SIZE = 5_000
QUICK_SIZE = 400
N_COMPONENTS = 10
KINDS = ("white", "correlated")
STDS = (0.0, 1.0, 2.0, 4.0, 8.0)
QUICK_STDS = (0.0, 2.0, 4.0)
WEAK = 2.0  # noise up to which simec_pca and limit are measured
DIMENSIONS = (0, 300, 1000, 2000)
QUICK_DIMENSIONS = (0, 200)
RANK = 50
ALPHAS = (1e1, 1e2, 1e3, 1e4)
LEADING = (10, 30, 100)  # principal components
METHODS = ("optimum", "kpca", "ridge", "simec", "simec_pca", "limit")


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    images = simec_data.mnist(args.data)
    size = QUICK_SIZE if args.quick else SIZE
    stds = QUICK_STDS if args.quick else STDS
    dimensions = QUICK_DIMENSIONS if args.quick else DIMENSIONS
    some = images.x_train[:: 20 if args.quick else 1]
    covariance = np.cov(some.reshape(len(some), -1) / some.max(), rowvar=False)
    runs = [
        run(simec_data.points(images, size, seed), covariance, stds, dimensions, args.rank, seed)
        for seed in tqdm(range(1, args.seeds + 1), desc="seeds", unit="seed")
    ]
    results = [over_runs(name, [r[name] for r in runs], "mse") for name in runs[0]]
    by_name = {result.name: result for result in results}
    n_train = size - round(0.2 * size)
    protocol = {
        "similarity": "linear kernel of clean features, divided by its largest value",
        "features": "pixels divided by their maximum, centered by the training points",
        "n_components": N_COMPONENTS, "rank of correlated noise": args.rank, "alphas": ALPHAS,
        "leading": LEADING,
        "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    corpus = {"name": "mnist", "train": n_train, "test": size - n_train}
    tables = []
    for kind in KINDS:
        for part in ("train", "test"):
            settings = [f"{kind}.std{s:g}" for s in stds]
            settings += [f"{kind}.dims{n}" for n in dimensions]
            rows = table(f"{part}, mse", by_name, METHODS, settings, f"{part}.mse", 5)
            tables.append(rows)
    report(
        "noisy_inputs", protocol, corpus, results, args.json, tables=tables,
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = simec_data.parser(__doc__)
    p.add_argument(
        "--rank", type=at_least_one, default=RANK, metavar="R",
        help=f"columns of A, the sources of correlated noise (default {RANK})",
    )  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    return args


def noise(
    kind: str, n: int, n_features: int, std: float, rank: int, random: np.random.Generator
) -> Array:
    """Normal noise of shape (n, n_features).

    Parameters
    ----------
    kind : {"white", "correlated"}
    n, n_features : int
    std : float
        Overall standard deviation. Columns of correlated noise have different ones.
    rank : int
        Number of columns of A.
    random : Generator
    """
    if kind == "white":
        drawn = random.standard_normal((n, n_features), dtype=np.float32)
        return drawn * np.float32(std)
    A = random.standard_normal((n_features, rank)).astype(np.float32)
    drawn = random.standard_normal((n, rank), dtype=np.float32) @ A.T
    # the mean variance of the features is that of the covariance A Aᵀ
    return drawn * np.float32(std / np.sqrt(np.square(A).sum() / n_features))


def run(
    points: simec_data.Points,
    covariance: Array,
    stds: tuple[float, ...],
    dimensions: tuple[int, ...],
    rank: int,
    seed: int,
) -> dict[str, float]:
    """One seed: errors by method, part, kind and amount of noise."""
    from tqdm import tqdm

    clean = {"train": points.x_train, "test": points.x_test}
    S = {part: products(x) for part, x in clean.items()}
    largest = np.abs(S["train"]).max()
    S = {part: values / largest for part, values in S.items()}
    random = np.random.default_rng([seed, 1])
    std = float(points.x_train.std())
    figures: dict[str, float] = {}
    clean_errors = _kpca(clean, S, largest)
    errors_of = _methods(clean, S, largest)
    errors_of_leading = _leading(S)
    plan = [(kind, f"std{s:g}", s, 0) for kind in KINDS for s in stds]
    plan += [(kind, f"dims{n}", 0.0, n) for kind in KINDS for n in dimensions]
    n_train = len(clean["train"])
    without: dict[str, float] | None = None
    for kind, name, amount, more in tqdm(plan, desc="noise", unit="setting", leave=False):
        # training and test points have noise of the same covariance
        shape = sum(map(len, clean.values())), more or points.x_train.shape[1]
        if more:
            added = noise(kind, *shape, std, rank, random)
            noisy = {
                "train": np.hstack([clean["train"], added[:n_train]]),
                "test": np.hstack([clean["test"], added[n_train:]]),
            }
            errors = errors_of(noisy)
        elif amount:
            added = noise(kind, *shape, std * amount, rank, random)
            noisy = {
                "train": clean["train"] + added[:n_train],
                "test": clean["test"] + added[n_train:],
            }
            errors = errors_of(noisy)
            if kind == "white" and amount <= WEAK:
                errors |= errors_of_leading(noisy)
                errors |= _limit(noisy, S, largest, covariance, std * amount)
        else:  # equal for all
            errors = without = without or errors_of(clean)
        for part in S:
            figures[f"optimum.{part}.mse.{kind}.{name}"] = clean_errors[f"kpca.{part}"]
        for key, value in errors.items():
            figures[f"{key}.mse.{kind}.{name}"] = value
    return figures


def _kpca(X: dict[str, Array], S: dict[str, Array], largest: float) -> dict[str, float]:
    """Errors of linear kernel PCA: PCA, whose scores are its embeddings."""
    from sklearn.decomposition import PCA

    model = PCA(N_COMPONENTS, svd_solver="covariance_eigh").fit(X["train"])
    return {f"kpca.{part}": mse(S[part], model.transform(X[part]) / np.sqrt(largest)) for part in S}


def _methods(
    X: dict[str, Array], S: dict[str, Array], largest: float
) -> Callable[[dict[str, Array]], dict[str, float]]:
    """Errors of all methods on noisy features; penalties are chosen on training points."""
    fit, held = halves(len(X["train"]))
    S_fit, S_held = S["train"][fit, fit], S["train"][held, held]
    # the similarities, and so their eigenvectors, are always the same
    on_some = ridges(N_COMPONENTS, X["train"][fit], S_fit)
    on_all = ridges(N_COMPONENTS, X["train"], S["train"])

    def errors(noisy: dict[str, Array]) -> dict[str, float]:
        X_fit, X_held = noisy["train"][fit], noisy["train"][held]

        def of_ridge(alpha: float) -> list[float]:
            return [mse(S_held, on_some(alpha, X_fit).transform(X_held))]

        def of_simec(alpha: float) -> list[float]:
            return [mse(S_held, linear_simec(N_COMPONENTS, alpha, X_fit, S_fit).transform(X_held))]

        (alpha,) = best(ALPHAS, of_ridge)
        models = {"ridge": on_all(alpha, noisy["train"])}
        (alpha,) = best(ALPHAS, of_simec)
        models["simec"] = linear_simec(N_COMPONENTS, alpha, noisy["train"], S["train"])
        of_models = {
            f"{method}.{part}": mse(S[part], model.transform(noisy[part]))
            for method, model in models.items()
            for part in S
        }
        return {**_kpca(noisy, S, largest), **of_models}

    return errors


def _leading(S: dict[str, Array]) -> Callable[[dict[str, Array]], dict[str, float]]:
    """Errors of a linear encoder on leading principal components of noisy features."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    from simec import SimilarityEncoder

    def fitted(n: int, X: Array, targets: Array) -> Any:
        encoder = SimilarityEncoder(N_COMPONENTS, symmetric=1.0, solver="exact", device="cpu")
        return make_pipeline(PCA(n, random_state=0), encoder).fit(X, targets)

    fit, held = halves(len(S["train"]))
    S_fit, S_held = S["train"][fit, fit], S["train"][held, held]

    def errors(noisy: dict[str, Array]) -> dict[str, float]:
        X = noisy["train"]
        (n,) = best(
            LEADING, lambda n: [mse(S_held, fitted(int(n), X[fit], S_fit).transform(X[held]))]
        )
        model = fitted(int(n), X, S["train"])
        return {f"simec_pca.{part}": mse(S[part], model.transform(noisy[part])) for part in S}

    return errors


def _limit(
    noisy: dict[str, Array], S: dict[str, Array], largest: float, covariance: Array, std: float
) -> dict[str, float]:
    """Errors of the best linear embedding for known covariances of images and white noise.

    Over pairs of points with features x, and x + noise of covariance M = C + std² I, the mean of
    (x · x' - Y Y')² is lowest for Y = A (x + noise) with AᵀA = M⁻¹ C² M⁻¹, of rank d in the metric
    of M.
    """
    from scipy import linalg

    values, V = linalg.eigh(covariance)
    # C and M have the same eigenvectors
    sizes = np.maximum(values, 0) / np.sqrt(np.maximum(values, 0) + std**2)
    leading = np.argsort(-sizes)[:N_COMPONENTS]
    A = V[:, leading] * (sizes / np.sqrt(np.maximum(values, 0) + std**2))[leading]
    return {f"limit.{part}": mse(S[part], noisy[part] @ A / np.sqrt(largest)) for part in S}


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Errors of test points by the amount of noise."""
    figure, panels = charts.figure(2, 2, (12, 7))
    settings = (
        ("std", "standard deviation of added noise / that of pixels"),
        ("dims", "additional dimensions of noise"),
    )  # fmt: skip
    titles = {
        "white.std": "White noise on the pixels: SimEc stays better if it is strong",
        "correlated.std": "Correlated noise on the pixels: SimEc is not affected",
        "white.dims": "Additional white noise: no method is affected",
        "correlated.dims": "Additional correlated noise: SimEc is not affected",
    }
    for i, (setting, x) in enumerate(settings):
        for j, kind in enumerate(KINDS):
            axes = panels[2 * i + j]
            values = charts.numbers(by_name, f"kpca.test.mse.{kind}.{setting}{{}}")
            rows = {
                method: [by_name[f"{method}.test.mse.{kind}.{setting}{v:g}"] for v in values]
                for method in ("optimum", "kpca", "ridge", "simec")
            }
            line(axes, values, rows["kpca"], "kernel PCA", charts.RED)
            line(axes, values, rows["simec"], "SimEc", charts.BLUE)
            # as the errors of SimEc
            axes.plot(
                values, [row.value for row in rows["ridge"]], "o", markersize=9,
                markerfacecolor="none", color=charts.DARK, label="ridge (circles)",
            )  # fmt: skip
            line(axes, values, rows["optimum"], "optimum without noise", charts.GREY, dashed=True)
            axes.set_yscale("log")
            charts.style(axes, x, "error on test points (MSE)" if j == 0 else "",
                         titles[f"{kind}.{setting}"])  # fmt: skip
        panels[2 * i + 1].sharey(panels[2 * i])
        panels[2 * i].autoscale()  # by both
    for axes in panels:
        charts.label_lines(axes)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
