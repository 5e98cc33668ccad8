"""SVD and eigendecomposition by a Similarity Encoder: thesis, Sec. 2.1.

The encoder has no features, so it only factorizes a matrix. Matrices are random: rectangular;
symmetric and positive semi-definite ("psd"); symmetric with as many negative eigenvalues as
positive ones ("indefinite"). Solvers:

- exact: the closed form
- auto: the same followed by Adam, the default
- adam: from random weights

Errors are mean squared errors, "output" of Y W_l and "symmetric" of Y Yᵀ, the latter with the
symmetric term; "excess" is by how many percent they exceed those of SVD or eigenvectors.

"orthogonal" is the largest cosine of two rows of W_l, with and without the orthogonality term.
"missing" hides a share of the entries of a matrix of low rank with a little noise, as only such
entries can be predicted from the others: "train" are observed entries, "test" hidden ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import charts
from benchmarks.common import Result, Table, number, over_runs, parser, report
from benchmarks.runs import Measured

Array = npt.NDArray[np.float64]


class Sizes(NamedTuple):
    """Sizes of the matrices; symmetric ones have m rows."""

    m: int = 300
    n: int = 200
    dimensions: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    missing: tuple[int, ...] = (10, 20, 30, 40, 50, 60, 70, 80)


FULL = Sizes()
QUICK = Sizes(60, 40, (2, 10), (20, 50))
MATRICES = ("rectangular", "psd", "indefinite")
SOLVERS = ("exact", "auto", "adam")
RANK = 10  # of the matrix with missing entries
NOISE = 0.1  # of its standard deviation
# all rows in a batch: exact steps, until convergence
DESCENT: dict[str, Any] = {
    "init": "random", "learning_rate": 0.05, "max_iter": 3000, "n_iter_no_change": 20,
    "tol": 1e-5,
}  # fmt: skip
# large enough that indefinite matrices are not factorized with rows of opposite signs
SYMMETRIC = 10.0
ORTHOGONAL = 0.01


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    sizes = QUICK if args.quick else FULL
    runs = [run(seed, sizes) for seed in tqdm(range(1, args.seeds + 1), desc="seeds")]
    results = [over_runs(name, [r[name] for r in runs], unit(name)) for name in runs[0]]
    by_name = {result.name: result for result in results}
    protocol = {
        **DESCENT, "batch_size": sizes.m, "symmetric": SYMMETRIC, "orthogonal": ORTHOGONAL,
        "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    corpus = {
        "name": "random matrices", "rectangular": f"{sizes.m} x {sizes.n}",
        "symmetric": f"{sizes.m} x {sizes.m}",
        "missing": f"{sizes.m} x {sizes.n} of rank {RANK}, noise of {NOISE} standard deviations",
    }  # fmt: skip
    report(
        "matrix_factorization", protocol, corpus, results, args.json,
        tables=_tables(by_name, sizes), chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    args: argparse.Namespace = parser(__doc__, corpus=False).parse_args(argv)
    return args


def unit(name: str) -> str:
    """Unit of a result, by its name."""
    kinds = {"excess": "%", "gain": "times", "cosine": "cosine"}
    return next((kinds[part] for part in name.split(".") if part in kinds), "squared error")


def matrices(sizes: Sizes, rng: np.random.Generator) -> dict[str, Array]:
    """The matrices that are factorized, with entries of about 1."""
    m, n, _, _ = sizes
    G = rng.standard_normal((m, 2 * m))
    A = rng.standard_normal((m, m))
    return {
        "rectangular": rng.standard_normal((m, n)),
        "psd": G @ G.T / np.sqrt(2 * m),
        "indefinite": (A + A.T) / np.sqrt(2),
    }


def run(seed: int, sizes: Sizes) -> Measured:
    """All figures of one seed."""
    rng = np.random.default_rng(seed)
    figures: Measured = {}
    given = matrices(sizes, rng)
    for name, S in given.items():
        for d in sizes.dimensions:
            figures |= _factors(name, S, d, seed)
    figures |= _orthogonality(given["rectangular"], seed)
    low = rng.standard_normal((sizes.m, RANK)) @ rng.standard_normal((RANK, sizes.n))
    R = low / low.std() + NOISE * rng.standard_normal(low.shape)
    order = rng.permutation(R.size).reshape(R.shape)
    for share in sizes.missing:
        figures |= _missing(R, order >= share / 100 * R.size, share, seed)
    return figures


def encoder(d: int, solver: str, m: int, seed: int, **more: Any) -> Any:
    """An encoder without features."""
    from simec import SimilarityEncoder

    descent = DESCENT if solver == "adam" else {}
    return SimilarityEncoder(
        d, solver=solver, batch_size=m, random_state=seed, **{**descent, **more}
    )


def mse(S: Array, squares: npt.NDArray[Any]) -> float:
    """Mean squared error."""
    return float(np.mean((S - squares) ** 2))


def _factors(name: str, S: Array, d: int, seed: int) -> Measured:
    """Errors of one matrix and one number of dimensions."""
    from simec.spectral import optimal_mse, svd

    W1, W2 = svd(S, d)
    kinds = {"output": mse(S, W1 @ W2)}
    if name != "rectangular":
        kinds["symmetric"] = optimal_mse(S, d)
    figures: Measured = {}
    for kind, best in kinds.items():
        figures[f"{name}.{kind}.optimum.mse.d{d}"] = best
        for solver in SOLVERS:
            weight = SYMMETRIC if kind == "symmetric" else 0.0
            simec = encoder(d, solver, len(S), seed, symmetric=weight).fit(None, S)
            Y = simec.transform(None)
            error = mse(S, simec.predict(None) if kind == "output" else Y @ Y.T)
            figures[f"{name}.{kind}.{solver}.mse.d{d}"] = error
            figures[f"{name}.{kind}.{solver}.excess.d{d}"] = 100 * (error / best - 1)
    return figures


def _orthogonality(R: Array, seed: int) -> Measured:
    """Cosines of rows of the last layer."""
    figures: Measured = {}
    for name, solver, weight in (
        ("exact", "exact", 0.0), ("adam", "adam", 0.0), ("adam_term", "adam", ORTHOGONAL),
    ):  # fmt: skip
        simec = encoder(RANK, solver, len(R), seed, orthogonal=weight).fit(None, R)
        W = simec.module_.last.weight.detach().double().numpy()
        W /= np.linalg.norm(W, axis=1, keepdims=True)
        figures[f"orthogonal.{name}.cosine.d{RANK}"] = float(np.abs(np.triu(W @ W.T, 1)).max())
        best = figures.setdefault(f"orthogonal.optimum.mse.d{RANK}", _optimum(R, RANK))
        error = mse(R, simec.predict(None))
        figures[f"orthogonal.{name}.excess.d{RANK}"] = 100 * (error / best - 1)
    return figures


def _optimum(R: Array, d: int) -> float:
    from simec.spectral import svd

    W1, W2 = svd(R, d)
    return mse(R, W1 @ W2)


def _missing(R: Array, known: npt.NDArray[np.bool_], share: int, seed: int) -> Measured:
    """Errors with some entries hidden."""
    from simec.spectral import svd, svd_missing

    hidden = np.where(known, R, np.nan)

    def product(W1: Array, W2: Array) -> Array:
        return W1 @ W2

    predicted = {
        "svd_all": product(*svd(R, RANK)),  # which has seen the hidden entries
        "svd_mean": product(*svd_missing(hidden, RANK, fill="mean")),
        "svd_iterative": product(*svd_missing(hidden, RANK, max_iter=1000)),
        **{
            f"simec_{solver}": encoder(RANK, solver, len(R), seed).fit(None, hidden).predict(None)
            for solver in SOLVERS
        },
    }
    figures: Measured = {}
    for method, P in predicted.items():
        for part, entries in (("train", known), ("test", ~known), ("all", known | ~known)):
            figures[f"missing.{method}.{part}.mse.{share}"] = mse(R[entries], P[entries])
    for part in ("test", "all"):
        for method in predicted:
            if method.startswith("simec"):
                over = figures[f"missing.svd_mean.{part}.mse.{share}"]
                error = figures[f"missing.{method}.{part}.mse.{share}"]
                figures[f"missing.{method}.{part}.gain.{share}"] = over / error
    return figures


def _tables(by_name: dict[str, Result], sizes: Sizes) -> list[Table]:
    columns = [f"d={d}" for d in sizes.dimensions]
    rows = []
    for name in MATRICES:
        for kind in ("output", "symmetric"):
            if f"{name}.{kind}.optimum.mse.d{sizes.dimensions[0]}" not in by_name:
                continue
            for solver in SOLVERS:
                cells = [by_name[f"{name}.{kind}.{solver}.excess.d{d}"] for d in sizes.dimensions]
                rows.append((f"{name}, {kind}, {solver}", *(number(c, digits=2) for c in cells)))
    errors = [
        (
            f"{part}, {method}",
            *(number(by_name[f"missing.{method}.{part}.mse.{s}"], digits=4) for s in sizes.missing),
        )
        for part in ("train", "test")
        for method in METHODS
    ]
    shares = [f"{share} %" for share in sizes.missing]
    return [
        Table(("% above the optimum", *columns), rows),
        Table(("squared error, missing:", *shares), errors),
    ]


METHODS = {
    "svd_mean": "SVD, mean-filled",
    "svd_iterative": "iterative SVD",
    "simec_adam": "SimEc, Adam",
    "simec_exact": "SimEc, exact",
    "simec_auto": "SimEc, auto",
    "svd_all": "SVD, nothing missing",
}


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Errors by dimensions, with the optimum; errors of missing entries by their share."""
    figure, (left, right) = charts.figure(1, 2, (12.5, 4.2))
    dimensions = charts.numbers(by_name, "rectangular.output.optimum.mse.d{}")
    lines = {
        ("rectangular", "output"): ("rectangular, Y W", charts.BLUE),
        ("psd", "symmetric"): ("positive, Y Yᵀ", charts.GREEN),
        ("indefinite", "output"): ("indefinite, Y W", charts.ORANGE),
        ("indefinite", "symmetric"): ("indefinite, Y Yᵀ", charts.RED),
    }  # fmt: skip
    for (name, kind), (text, color) in lines.items():
        for solver, marker in (("optimum", ""), ("exact", "o"), ("adam", "x")):
            results = [by_name[f"{name}.{kind}.{solver}.mse.d{d}"] for d in dimensions]
            left.plot(
                dimensions, [r.value for r in results], "-" if solver == "optimum" else "",
                color=color, marker=marker, markersize=7, markerfacecolor="none",
                label=text if solver == "optimum" else None,
            )  # fmt: skip
    left.set_xscale("log")
    left.set_xticks(dimensions, [str(d) for d in dimensions])
    left.minorticks_off()
    left.set_ylim(0)
    charts.style(
        left, "dimensions", "mean squared error",
        "SimEc (o: closed form, x: Adam) reaches\nthe optimum (lines: SVD, eigenvectors)",
    )  # fmt: skip
    shares = charts.numbers(by_name, "missing.svd_all.test.mse.{}")
    styles = {
        "svd_mean": ("SVD, mean filled in", charts.ORANGE, "-"),
        "svd_iterative": ("iterative SVD", charts.GREY, "-"),
        "simec_adam": ("SimEc, Adam", charts.RED, ":"),
        "simec_exact": ("SimEc, closed form", charts.BLUE, "--"),
        "svd_all": ("SVD of the full matrix", charts.DARK, ":"),
    }
    for method, (text, color, line) in styles.items():
        rows = [by_name[f"missing.{method}.test.mse.{s}"] for s in shares]
        charts.points(right, shares, rows, text, color, line)
    right.set_yscale("log")
    charts.style(
        right, "missing entries, %", "mean squared error on them",
        "Missing entries: SimEc is as good as iterative SVD",
    )  # fmt: skip
    for axes in (left, right):
        charts.label_lines(axes)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
