"""Targets of which most are missing: thesis, section 3.5 and Fig. 3.8.

Of 5,000 images of MNIST 4,000 are training points. Their RBF kernel matrix (gamma: 1 / median
squared distance) is centered as in kernel PCA and divided by its largest entry; then random pairs
of points are removed, in both places of the symmetric matrix. Embeddings of d = 10 are judged by
the mean squared error of Y Yᵀ with respect to the full matrix: among training points, and between
test points, which have no targets, and training points.

- kernel_pca: on the full matrix, the reference
- filled: eigenvectors of the matrix with missing entries replaced by the mean of the observed
  ones; test points by a ridge regression on pixels
- svd: least squares on observed entries, without features (`simec.spectral.svd_missing`)
- simec_free: SimilarityEncoder without features
- simec: SimilarityEncoder on pixels, one hidden layer; "simec_output" are its predictions Y W_l

Parameters of simec were chosen on seed 0, by training points. Figures are of other seeds.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import charts, simec_data
from benchmarks.common import Result, Table, number, over_runs, report

SIZE, QUICK_SIZE = 5000, 500  # images, a fifth of them for testing
D = 10
SHARES = (0, 20, 40, 60, 80, 90, 95, 99)  # % missing
TARGET = 1.3  # times the error of kernel PCA, at 90 %
SIMEC: dict[str, Any] = {
    "hidden_layers": (200,), "symmetric": 1.0, "learning_rate": 3e-3, "max_iter": 20,
}  # fmt: skip
FREE: dict[str, Any] = {"symmetric": 1.0, "learning_rate": 3e-3, "max_iter": 5}

METHODS = ("kernel_pca", "filled", "svd", "simec_free", "simec", "simec_output")
Array = npt.NDArray[Any]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    images = simec_data.mnist(args.data)
    size = QUICK_SIZE if args.quick else SIZE
    runs: list[dict[str, float]] = []
    with tqdm(total=args.seeds * (1 + len(args.shares)), desc="runs", unit="run") as bar:
        for seed in range(1, args.seeds + 1):
            kernel = kernel_of(simec_data.points(images, size, seed))
            errors = kernel_pca(kernel)
            bar.update()
            for share in args.shares:
                bar.set_postfix_str(f"seed {seed}: {share} % missing")
                errors |= run(kernel, share, seed)
                bar.update()
            runs.append(errors)
    results = [over_runs(name, [r[name] for r in runs], "MSE") for name in runs[0]]
    results += ratios(runs, args.shares)
    by_name = {result.name: result for result in results}
    protocol = {
        "images": size, "d": D, "missing": "pairs at random, both places of the matrix",
        "gamma": "1 / median squared distance", "simec": SIMEC, "seeds": args.seeds,
        "quick": args.quick,
    }  # fmt: skip
    report(
        "missing_targets", protocol, {"data": "MNIST"}, results, args.json,
        tables=[_table(by_name, args.shares, part) for part in ("train", "test")],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = simec_data.parser(__doc__)
    p.add_argument(
        "--shares", type=int, nargs="+", default=list(SHARES), metavar="PERCENT",
        choices=range(100), help="percentages of missing targets",
    )  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    args.shares = sorted(set(args.shares))
    return args


# Data


@dataclass
class Kernel:
    """Features, and full kernel matrices of training points and of test points to them."""

    x: Array
    x_test: Array
    S: Array
    S_test: Array


def kernel_of(points: simec_data.Points) -> Kernel:
    """RBF kernel matrices, centered and scaled by the training points."""
    from sklearn.metrics import pairwise_distances

    from simec.similarities import Centerer, rbf, scale

    some = pairwise_distances(points.x_train[:1000], metric="sqeuclidean")
    gamma = 1 / float(np.median(some[some > 0]))
    S = rbf(points.x_train, gamma=gamma)
    centerer = Centerer().fit(S)
    S, largest = scale(centerer.transform(S))
    test = centerer.transform(rbf(points.x_test, points.x_train, gamma=gamma)) / largest
    return Kernel(points.x_train, points.x_test, (S + S.T) / 2, test.astype(S.dtype))


def missing(S: Array, percent: float, seed: int) -> Array:
    """A symmetric matrix with NaN for some of the pairs of points."""
    unknown = np.triu(np.random.default_rng(seed).random(S.shape) < percent / 100)
    return np.where(unknown | unknown.T, np.float32(np.nan), S.astype(np.float32))


# Embeddings


def kernel_pca(kernel: Kernel) -> dict[str, float]:
    """Errors of kernel PCA on the full matrix."""
    from simec.spectral import eigen_embedding

    Y, _ = eigen_embedding(kernel.S, D)
    Y_test = kernel.S_test @ (Y / np.maximum((Y**2).sum(axis=0), 1e-300))
    return _errors("kernel_pca", "", kernel, Y @ Y.T, Y_test @ Y.T)


def run(kernel: Kernel, percent: int, seed: int) -> dict[str, float]:
    """Errors of all methods that can handle missing targets."""
    from simec import SimilarityEncoder
    from simec.similarities import fill_mean
    from simec.spectral import SpectralRegression, svd_missing

    S = missing(kernel.S, percent, seed)
    suffix = f".missing{percent}"
    filled = SpectralRegression(D).fit(kernel.x, fill_mean(S).astype(np.float64))
    Y, Y_test = filled.embedding_, filled.transform(kernel.x_test)
    errors = _errors("filled", suffix, kernel, Y @ Y.T, Y_test @ Y.T)
    with warnings.catch_warnings():
        # few steps and epochs, to save time: the loss may still be falling
        warnings.filterwarnings("ignore", message="the loss (was )?still f")
        W1, W2 = svd_missing(S, D, tol=1e-4)
        errors |= _errors("svd", suffix, kernel, W1 @ W2)
        free = SimilarityEncoder(D, random_state=seed, **FREE).fit(None, S)
        errors |= _errors("simec_free", suffix, kernel, free.predict_similarity(None))
        simec = SimilarityEncoder(D, random_state=seed, **SIMEC).fit(kernel.x, S)
    parts = kernel.x, kernel.x_test
    by_products = [simec.predict_similarity(x, kernel.x) for x in parts]
    errors |= _errors("simec", suffix, kernel, *by_products)
    errors |= _errors("simec_output", suffix, kernel, *map(simec.predict, parts))
    return errors


def _errors(
    name: str, suffix: str, kernel: Kernel, train: Array, test: Array | None = None
) -> dict[str, float]:
    errors = {f"{name}.train.mse{suffix}": float(np.square(train - kernel.S).mean())}
    if test is not None:
        errors[f"{name}.test.mse{suffix}"] = float(np.square(test - kernel.S_test).mean())
    return errors


# Results


def ratios(runs: Sequence[dict[str, float]], shares: Sequence[int]) -> list[Result]:
    """Errors over that of kernel PCA on the full matrix of the same seed."""
    results = []
    for percent in shares:
        for method in METHODS[1:]:
            for part in ("train", "test"):
                name = f"{method}.{part}.mse.missing{percent}"
                if name not in runs[0]:
                    continue
                values = [r[name] / r[f"kernel_pca.{part}.mse"] for r in runs]
                goal = method == "simec" and percent == 90
                more: dict[str, Any] = {"reference": TARGET, "source": "at most"} if goal else {}
                label = f"ratio.{method}.{part}.missing{percent}"
                results.append(over_runs(label, values, "times", **more))
    return results


def _found(by_name: dict[str, Result], method: str, part: str, percent: int) -> Result | None:
    suffix = "" if method == "kernel_pca" else f".missing{percent}"
    return by_name.get(f"{method}.{part}.mse{suffix}")


def _table(by_name: dict[str, Result], shares: Sequence[int], part: str) -> Table:
    rows = [
        (f"{s} %", *(number(_found(by_name, method, part, s), 1e4, 2) for method in METHODS))
        for s in shares
    ]
    return Table((f"{part}, MSE × 10⁴", *METHODS), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Fig. 3.8, for training and for test points."""
    looks = {
        "kernel_pca": ("kernel PCA, nothing missing", charts.GREY, "--"),
        "filled": ("eigenvectors, mean filled in", charts.GREEN, "-"),
        "svd": ("iterative SVD, no features", charts.ORANGE, "-"),
        "simec_free": ("SimEc, no features", charts.PURPLE, ":"),
        "simec": ("SimEc on pixels, Y Yᵀ", charts.BLUE, "-"),
        "simec_output": ("SimEc on pixels, Y W_l", charts.BLUE, ":"),
    }
    figure, panels = charts.figure(1, 2, (13, 4.2))
    titles = {
        "train": "Training points: 9 of 10 targets can be missing",
        "test": "Test points, from their pixels alone",
    }
    for axes, (part, title) in zip(panels, titles.items(), strict=True):
        shares = charts.numbers(by_name, f"simec.{part}.mse.missing{{}}")
        for method, (label, color, line) in looks.items():
            rows = [_found(by_name, method, part, percent) for percent in shares]
            if any(rows):
                charts.points(axes, shares, rows, label, color, line)
        axes.set_yscale("log")
        charts.style(axes, "missing targets, %", "error of similarities (MSE)", title)
        charts.label_lines(axes)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
