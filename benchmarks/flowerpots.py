"""Plants without judgments, placed where people would see them: thesis, Sec. 1.1.

People judged the dissimilarity of 16 plants in flowerpots on a scale of 20 (Gati & Tversky, 1982):
similarity is 1 - d / 20, centered by the training plants. In one experiment ("size") plants differ
in their leaves and in size, in the other one ("form") in their leaves and form, with four levels
each; plants are numbered through the levels of one for each level of the other. Features are both
levels, divided by their standard deviation, and three columns of noise with twice that standard
deviation, at which kernel PCA finds as little as in the thesis; in "noise1" the noise has the
standard deviation of the levels.

Plants 5 and 15 are held out, as in the thesis ("thesis"), or each pair of the 16 in turn ("pairs").
Methods:

- kpca: linear kernel PCA of the features
- kpca_clean: the same without noise
- ridge: eigenvectors of the similarities, and a ridge regression of them on the features
- simec_exact: a linear encoder in closed form
- simec: the same followed by Adam, the default
- simec_adam: the same from random weights
- full: eigenvectors of the similarities of all 16 plants, which need no prediction

Embeddings have two dimensions. Figures of held-out plants ("test"); the first and the last are
also measured for training plants:

- correlation: of scalar products with training plants with the centered similarities to them
- output: the same for the output of the encoder, Y W_l
- spearman: of distances to training plants with the judged dissimilarities
- rank: of the most similar training plant, by distance; 1 is the nearest
- distance: from the plant's position in "full", relative to the root mean square distance of
  plants from their mean, after a rotation and a scaling by the training plants
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import charts, simec_data
from benchmarks.common import Result, Table, number, over_runs, report
from benchmarks.runs import Measured

Array = npt.NDArray[np.float64]
Embedded = tuple[Array, Array]

EXPERIMENTS = ("size", "form")
SCALE = 20
TEST = (5, 15)  # numbers begin at 1
STEPS, N_NOISE, NOISE = 4, 3, 2.0
METHODS = {
    "kpca": "kernel PCA of features", "kpca_clean": "kernel PCA without noise",
    "ridge": "eigenvectors and ridge", "simec_exact": "SimEc, exact", "simec": "SimEc",
    "simec_adam": "SimEc, Adam alone", "full": "eigenvectors, all judged",
}  # fmt: skip
SIMEC: dict[str, Any] = {
    "symmetric": 1.0, "batch_size": 16, "learning_rate": 0.03, "max_iter": 2000,
}  # fmt: skip
SOLVERS: dict[str, dict[str, str]] = {
    "simec_exact": {"solver": "exact"},
    "simec": {"solver": "auto"},
    "simec_adam": {"solver": "adam", "init": "random"},
}
UNITS = {
    "correlation": "correlation", "output": "correlation", "spearman": "correlation",
    "rank": "rank", "distance": "share",
}  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = simec_data.parser(__doc__, seeds=10).parse_args(argv)
    given = {name: judgements(name, args.data) for name in EXPERIMENTS}
    runs = []
    for seed in tqdm(range(1, args.seeds + 1), desc="seeds"):
        X, less = features(seed), features(seed, noise=1.0)
        measured: Measured = {}
        for name, D in given.items():
            every = tuple(combinations(range(1, len(D) + 1), 2))
            measured |= named(f"{name}.thesis", measure(X, D, [TEST], seed, tuple(METHODS)))
            measured |= named(f"{name}.noise1", measure(less, D, [TEST], seed, tuple(METHODS)))
            fast = tuple(method for method in METHODS if method not in ("simec", "simec_adam"))
            measured |= named(
                f"{name}.pairs", measure(X, D, every[::10] if args.quick else every, seed, fast)
            )
        runs.append(measured)
    results = [over_runs(n, [r[n] for r in runs], UNITS[n.rpartition(".")[2]]) for n in runs[0]]
    protocol = {
        **SIMEC, "n_components": 2, "noise": NOISE, "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    corpus = {"name": "Gati & Tversky 1982", "plants": STEPS**2, "held out": list(TEST)}
    report(
        "flowerpots", protocol, corpus, results, args.json,
        tables=_tables({result.name: result for result in results}),
        chart=lambda _, path: draw_embeddings(given, path),
    )  # fmt: skip


def judgements(name: str, data: Path | None = None) -> Array:
    """Mean dissimilarities of one experiment, of shape (16, 16)."""
    path = simec_data.find(f"nonmetric/flowerpots_elongation_{name}.csv", data)
    return np.loadtxt(path, delimiter=",")


def features(seed: int, noise: float = NOISE) -> Array:
    """Two levels of each plant, and noise: shape (16, 5)."""
    numbers = np.arange(STEPS**2)
    steps = np.stack([numbers // STEPS, numbers % STEPS], axis=1).astype(np.float64)
    steps = (steps - steps.mean(axis=0)) / steps.std(axis=0)
    random = np.random.default_rng(seed).standard_normal((len(steps), N_NOISE))
    return np.hstack([steps, noise * random])


def named(prefix: str, figures: Measured) -> Measured:
    """The same figures with a prefix added to their names."""
    return {f"{prefix}.{name}": value for name, value in figures.items()}


def measure(
    X: Array, D: Array, held_out: Sequence[tuple[int, ...]], seed: int, methods: tuple[str, ...]
) -> Measured:
    """Figures of each method, averaged over the held-out pairs."""
    figures: dict[str, list[float]] = {}
    for numbers in held_out:
        split = Split(D, numbers)
        for method in methods:
            fitted = split.embed(method, X, seed)
            for name, value in split.figures(*fitted).items():
                figures.setdefault(f"{method}.{name}", []).append(value)
    return {name: float(np.mean(values)) for name, values in figures.items()}


class Split:
    """Training plants and held-out plants.

    Parameters
    ----------
    D : float64 array of shape (16, 16)
        Dissimilarities.
    numbers : tuple of int
        Numbers of the held-out plants, from 1.
    """

    def __init__(self, D: Array, numbers: tuple[int, ...]) -> None:
        from simec.similarities import Centerer, center, from_dissimilarities
        from simec.spectral import eigen_embedding

        self.test = np.array(numbers) - 1
        self.train = np.setdiff1d(np.arange(len(D)), self.test)
        similar = np.asarray(from_dissimilarities(D, SCALE), np.float64)
        rows = similar[:, self.train]
        centerer = Centerer().fit(rows[self.train])
        self.S, self.S_test = (centerer.transform(rows[part]) for part in (self.train, self.test))
        self.D_test = D[np.ix_(self.test, self.train)]
        full, _ = eigen_embedding(center(similar), 2)
        self.full = full[self.train], full[self.test]
        self.size = float(np.sqrt((full**2).sum(axis=1).mean()))

    def embed(self, method: str, X: Array, seed: int) -> tuple[Embedded, Array | None]:
        """Embeddings of training plants and of others; an encoder's output for the others."""
        from sklearn.decomposition import KernelPCA

        from simec import SimilarityEncoder
        from simec.spectral import SpectralRegression

        if method == "full":
            return self.full, None
        if method == "kpca_clean":
            X = X[:, :-N_NOISE]
        train, test = X[self.train], X[self.test]
        if method.startswith("kpca"):
            fitted: Any = KernelPCA(2).fit(train)
        elif method == "ridge":
            fitted = SpectralRegression(2).fit(train, self.S)
        else:
            encoder = SimilarityEncoder(2, random_state=seed, **SIMEC)
            fitted = encoder.set_params(**SOLVERS[method]).fit(train, self.S)
        Y, Y_test = (np.asarray(fitted.transform(x), np.float64) for x in (train, test))
        output = fitted.predict(test) if method.startswith("simec") else None
        return (Y, Y_test), output

    def figures(self, embedded: Embedded, output: Array | None) -> Measured:
        """All figures of one method."""
        from scipy.spatial.distance import cdist
        from scipy.stats import rankdata, spearmanr

        Y, Y_test = embedded
        distances = cdist(Y_test, Y)
        nearest = self.D_test.argmin(axis=1)
        ranks = rankdata(distances, axis=1)[np.arange(len(nearest)), nearest]
        off, off_train = (
            np.linalg.norm(there - place, axis=1).mean() / self.size
            for there, place in zip(self.turned(embedded)[::-1], self.full[::-1], strict=True)
        )
        measured = {
            "train.correlation": _correlation(Y @ Y.T, self.S),
            "train.distance": float(off_train),
            "test.correlation": _correlation(Y_test @ Y.T, self.S_test),
            "test.spearman": float(spearmanr(distances.ravel(), self.D_test.ravel()).statistic),
            "test.rank": float(ranks.mean()),
            "test.distance": float(off),
        }
        if output is not None:
            measured["test.output"] = _correlation(output, self.S_test)
        return measured

    def turned(self, embedded: Embedded) -> Embedded:
        """An embedding, rotated and scaled to bring its training plants closest to `full`."""
        from scipy.linalg import orthogonal_procrustes

        Y, Y_test = embedded
        middle, aim = Y.mean(axis=0), self.full[0].mean(axis=0)
        R, size = orthogonal_procrustes(Y - middle, self.full[0] - aim)
        R = R * size / ((Y - middle) ** 2).sum()
        return (Y - middle) @ R + aim, (Y_test - middle) @ R + aim


def _correlation(A: npt.NDArray[Any], B: npt.NDArray[Any]) -> float:
    return float(np.corrcoef(A.ravel(), B.ravel())[0, 1])


def _tables(by_name: dict[str, Result]) -> list[Table]:
    columns = ("train.correlation", "train.distance", *(f"test.{name}" for name in UNITS))
    tables = []
    for name in EXPERIMENTS:
        for part in ("thesis", "noise1", "pairs"):
            rows = [
                (method, *(number(by_name.get(f"{name}.{part}.{method}.{c}")) for c in columns))
                for method in METHODS
                if f"{name}.{part}.{method}.test.rank" in by_name
            ]
            tables.append(Table((f"{name}, {part}", "train", "distance", *UNITS), rows))
    return tables


def draw_embeddings(given: dict[str, Array], path: Path) -> None:
    """Embeddings with the numbers of plants, for the first seed; held-out plants in bold."""
    methods = {
        "full": "where people see all plants", "kpca": "kernel PCA of noisy features",
        "ridge": "eigenvectors and ridge regression", "simec": "Similarity Encoder",
    }  # fmt: skip
    sides = {"size": "leaves and sizes differ", "form": "leaves and forms differ"}
    figure, panels = charts.figure(len(given), len(methods), (13, 3.4 * len(given)))
    X = features(1)
    free = iter(panels)
    for name, D in given.items():
        split = Split(D, TEST)
        for method in methods:
            axes = next(free)
            Y, Y_test = split.turned(split.embed(method, X, 1)[0])
            every = np.vstack([Y, Y_test])
            axes.scatter(*every.T, s=0)  # for the axis limits
            for plants, places, color in (
                (split.train, Y, "#333333"), (split.test, Y_test, charts.RED),
            ):  # fmt: skip
                for plant, (x, y) in zip(plants, places, strict=True):
                    axes.text(
                        x, y, str(plant + 1), color=color, ha="center", va="center",
                        fontsize=9 if color != charts.RED else 12,
                        fontweight="bold" if color == charts.RED else "normal",
                    )  # fmt: skip
            if name == next(iter(given)):
                axes.set_title(methods[method], loc="left", fontsize=10.5)
            if method == "full":
                axes.set_ylabel(sides[name])
            axes.margins(0.12)
            axes.set_xticks([])
            axes.set_yticks([])
    figure.suptitle(
        "The encoder places plants that nobody has judged, 5 and 15, near where people see them",
        x=0.01, ha="left", fontsize=12,
    )  # fmt: skip
    charts.save(figure, path)


if __name__ == "__main__":
    main()
