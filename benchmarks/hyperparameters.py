"""The weight of the symmetric term, and the number of targets: thesis, Fig. 3.5.

Digits of MNIST as vectors of pixels; targets are an RBF kernel, centered by the training points,
which a Similarity Encoder with one hidden layer learns in ten dimensions. The errors are mean
squared errors of Y W_l, the output, and of Y Yᵀ, for training points and for test points (the
output: their similarities to training points; Y Yᵀ: those among the test points),

- by the weight λ of the symmetric term, with all training points as targets
- by the number of targets, with λ = 1

"simec" starts from a decomposition of the targets, as the encoder does by default;
"simec_random" starts from random weights, as in the thesis. Kernel PCA (scikit-learn's) is the
reference: its embeddings are the optimum for the training points.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts, simec_data
from benchmarks.common import Result, over_runs, report
from benchmarks.simec_methods import line, mse, reference, table, unfinished

SIZE = 5_000
QUICK_SIZE = 500
N_COMPONENTS = 10
WEIGHT = 1.0  # λ while the number of targets varies
LAMBDAS = (0.0, 1e-3, 1e-2, 1e-1, WEIGHT, 10.0, 100.0)
QUICK_LAMBDAS = (0.0, WEIGHT)
TARGETS = (10, 30, 100, 300, 1000)  # and all
QUICK_TARGETS = (20, 100)
STARTS: dict[str, dict[str, Any]] = {
    "simec": {"init": "spectral"},
    "simec_random": {"init": "random", "solver": "adam"},
}
NETWORK: dict[str, Any] = {
    "hidden_layers": (200,), "activation": "tanh", "learning_rate": 5e-3, "batch_size": 128,
    "max_iter": 30,
}  # fmt: skip
METHODS = ("kpca", *STARTS)


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = simec_data.parser(__doc__).parse_args(argv)
    images = simec_data.mnist(args.data)
    size = QUICK_SIZE if args.quick else SIZE
    lambdas = QUICK_LAMBDAS if args.quick else LAMBDAS
    n_train = size - round(0.2 * size)
    targets = [n for n in (QUICK_TARGETS if args.quick else TARGETS) if n < n_train] + [n_train]
    runs = [
        run(simec_data.points(images, size, seed), lambdas, targets, seed)
        for seed in tqdm(range(1, args.seeds + 1), desc="seeds", unit="seed")
    ]
    results = [
        over_runs(name, [r[name] for r in runs], "1/distance²" if name == "gamma" else "mse")
        for name in runs[0]
    ]
    by_name = {result.name: result for result in results}
    protocol = {
        "similarity": "RBF kernel, gamma 1 / median squared distance, centered",
        "features": "pixels divided by their maximum, centered by the training points",
        "n_components": N_COMPONENTS, "network": NETWORK, "starts": STARTS,
        "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    corpus = {"name": "mnist", "train": n_train, "test": size - n_train}
    by_lambda = [f"lambda{value:g}" for value in lambdas]
    by_targets = [f"n{n}" for n in targets]
    tables = []
    for part in ("train", "test"):
        for measure, title in (("mse_output", "Y W_l"), ("mse", "Y Yᵀ")):
            tables.append(
                table(f"{part}, {title}", by_name, list(STARTS), by_lambda, f"{part}.{measure}", 5)
            )
        tables.append(
            table(f"{part}, Y Yᵀ", by_name, list(STARTS), by_targets, f"{part}.mse", 5)
        )  # fmt: skip
    report(
        "hyperparameters", protocol, corpus, results, args.json, tables=tables,
        chart=draw,
    )  # fmt: skip


def run(
    points: simec_data.Points, lambdas: tuple[float, ...], targets: list[int], seed: int
) -> dict[str, float]:
    """One seed: errors by start, part, λ and number of targets."""
    from sklearn.decomposition import KernelPCA
    from tqdm import tqdm

    from simec import SimilarityEncoder

    X = {"train": points.x_train, "test": points.x_test}
    gamma, S, to_train = similarities(points)
    figures: dict[str, float] = {"gamma": gamma}
    kpca = KernelPCA(N_COMPONENTS, kernel="rbf", gamma=gamma, random_state=seed).fit(X["train"])
    Y_train = kpca.transform(X["train"])
    for part in X:
        Y = kpca.transform(X[part])
        figures[f"kpca.{part}.mse"] = mse(S[part], Y)
        figures[f"kpca.{part}.mse_output"] = mse(to_train[part], Y, Y_train)

    def fit(start: str, weight: float, n: int, name: str) -> None:
        encoder = SimilarityEncoder(
            N_COMPONENTS, symmetric=weight, n_targets=n, random_state=seed, device="cpu",
            **NETWORK, **STARTS[start],
        )  # fmt: skip
        with unfinished():
            encoder.fit(X["train"], S["train"])
        W_l = encoder.module_.last.weight.detach().numpy().T
        for part in X:
            Y = encoder.transform(X[part])
            figures[f"{start}.{part}.mse.{name}"] = mse(S[part], Y)
            figures[f"{start}.{part}.mse_output.{name}"] = mse(to_train[part][:, :n], Y, W_l)

    n_train = len(X["train"])
    plan = [(weight, n_train, f"lambda{weight:g}") for weight in lambdas]
    plan += [(WEIGHT, n, f"n{n}") for n in targets if n < n_train]
    with tqdm(total=len(plan) * len(STARTS), desc="fits", unit="fit", leave=False) as bar:
        for start in STARTS:
            for weight, n, name in plan:
                fit(start, weight, n, name)
                bar.update()
            for part in X:  # with all targets: fitted for the other panel
                for measure in ("mse", "mse_output"):
                    same = figures[f"{start}.{part}.{measure}.lambda{WEIGHT:g}"]
                    figures[f"{start}.{part}.{measure}.n{n_train}"] = same
    return figures


def similarities(
    points: simec_data.Points,
) -> tuple[float, dict[str, Any], dict[str, Any]]:
    """An RBF kernel, centered by the training points.

    Returns
    -------
    gamma : float
        1 / median squared distance of training points.
    among : dict
        For "train" and "test": similarities of these points to each other.
    to_train : dict
        For "train" and "test": similarities of these points to training points.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    from simec.similarities import Centerer, rbf

    some = euclidean_distances(points.x_train[:1000], squared=True)
    gamma = float(1 / np.median(some[np.triu_indices(len(some), 1)]))
    raw = rbf(points.x_train, gamma=gamma)
    centerer = Centerer().fit(raw)
    train = centerer.transform(raw)
    between = rbf(points.x_test, points.x_train, gamma)
    # a kernel among new points: each loses its mean over the training points
    means = between.mean(axis=1, dtype=np.float64)
    test = rbf(points.x_test, gamma=gamma) - means[:, None] - means + centerer.mean_
    among = {"train": train, "test": test}
    return gamma, among, {"train": train, "test": centerer.transform(between)}


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Errors by λ and by the number of targets, for both starts, on test points."""
    figure, (left, right) = charts.figure(1, 2, (12, 4.2))
    lambdas = charts.numbers(by_name, "simec.test.mse.lambda{}")
    targets = charts.numbers(by_name, "simec.test.mse.n{}")
    # zero cannot be shown on a logarithmic axis
    places = [value or min(v for v in lambdas if v) / 10 for value in lambdas]
    for start, name, color in (
        ("simec", "spectral start", charts.BLUE), ("simec_random", "random start", charts.ORANGE),
    ):  # fmt: skip
        for measure, text in (("mse_output", "Y W_l"), ("mse", "Y Yᵀ")):
            rows = [by_name[f"{start}.test.{measure}.lambda{v:g}"] for v in lambdas]
            line(left, places, rows, f"{text}, {name}", color, dashed=measure == "mse_output")
        rows = [by_name[f"{start}.test.mse.n{n}"] for n in targets]
        line(right, targets, rows, name, color)
    for axes in (left, right):
        reference(axes, by_name["kpca.test.mse"], "kernel PCA")
        axes.set_xscale("log")
        axes.set_yscale("log")
    left.set_xticks(places, [f"{v:g}" for v in lambdas], minor=False)
    charts.style(
        left, "weight λ of the symmetric term", "error on test points (MSE)",
        "Y Yᵀ needs a small weight of the symmetric term",
    )  # fmt: skip
    charts.style(
        right, "number of targets", "error of Y Yᵀ on test points (MSE)",
        "More targets help, from a spectral start",
    )  # fmt: skip
    for axes in (left, right):
        charts.label_lines(axes)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
