"""Time of a Similarity Encoder to a test error, compared with a plain loop and scikit-learn.

Every run is a separate process; in a round our encoder and the loop run once, and ratios are taken
within rounds. Methods of scikit-learn without a seed run only once. Three tasks, each with the
first 2,000 training points as targets, centered and scaled:

- mnist: 8,000 images and 2,000 for testing, RBF similarities
- mnist_labels: the same, class-label similarities
- newsgroups: 20 newsgroups as TF-IDF (CSR), class-label similarities

Trainers:

- ours: SimilarityEncoder. Its time is that of a whole call of `fit`, for several numbers of epochs.
- loop: the same network trained as in research code: DataLoader over a TensorDataset (texts: each
  message is made dense on access), batches of 32, Adam
- kernel_pca: scikit-learn's KernelPCA of the full matrix, and Ridge from features to embeddings
- svd: scikit-learn's TruncatedSVD of the targets, and Ridge

The error is that of predictions for test points. `ratio.loop` takes the final error of the loop:
the time at which the loop first reached it, over the shortest `fit` of ours that is as good.
`ratio.kernel_pca` and `ratio.svd` do the same with their errors; `ratio.loop.back` takes the best
error of ours. If the other never reaches it, all of its time is used, and the ratio is a lower
bound (`reached` is the share of rounds in which it does).

A second block (`benchmarks.simec_speed.scaling`) measures how time and memory grow; a third, on a
GPU if there is one, rows trained per second, also as a share of the speed of matrix products.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import charts, simec_data
from benchmarks.common import Result, Table, number, over_runs, report
from benchmarks.runs import Measured, apart, rounds
from benchmarks.simec_speed import scaling as simec_scaling
from benchmarks.simec_speed import trainers as simec_trainers

TARGETS = 2000
TASKS: dict[str, dict[str, Any]] = {
    "mnist": {
        "d": 10, "hidden": (200,), "activation": "relu",
        "ours": {"batch_size": 128, "learning_rate": 5e-3}, "epochs": (1, 2, 3, 4, 8),
        "loop": {"batch_size": 32, "learning_rate": 1e-3, "epochs": 15},
    },
    "mnist_labels": {
        "d": 10, "hidden": (200,), "activation": "relu",
        "ours": {"batch_size": 64, "learning_rate": 5e-3}, "epochs": (2, 3, 4, 6, 8),
        "loop": {"batch_size": 32, "learning_rate": 1e-3, "epochs": 15},
    },
    "newsgroups": {
        "d": 20, "hidden": (100,), "activation": "relu",
        "ours": {"batch_size": 256, "learning_rate": 4e-3}, "epochs": (1, 2, 3),
        "loop": {"batch_size": 32, "learning_rate": 1e-3, "epochs": 2},
    },
}  # fmt: skip
TRAINERS = ("ours", "loop", "kernel_pca", "svd")
FUNCTIONS = {
    name: f"benchmarks.simec_speed.trainers:{'truncated_svd' if name == 'svd' else name}"
    for name in TRAINERS
}

Runs = dict[str, list[Measured]]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    args = _arguments(argv)
    with tempfile.TemporaryDirectory(prefix="simec-speed-") as name:
        folder = Path(name)
        targets = 200 if args.quick else TARGETS
        about = {}
        if any(task.startswith("mnist") for task in args.tasks):
            size = 600 if args.quick else 10_000
            about["mnist"] = simec_trainers.mnist(folder, args.data, size, targets, 1)
        if "newsgroups" in args.tasks:
            some = 400 if args.quick else None
            about["newsgroups"] = simec_trainers.newsgroups(folder, args.data, some, targets, 1)
        runs = {
            task: rounds(args.seeds, _plan(task, folder, args.quick, TRAINERS[:2]))
            | rounds(1, _plan(task, folder, args.quick, TRAINERS[2:]))
            for task in args.tasks
        }
    grown = simec_scaling.measure(args.quick) if args.scaling else {}
    on_devices = simec_scaling.devices(args.quick) if args.scaling else {}
    results = [row for task, by_name in runs.items() for row in results_of(task, by_name)]
    results += [row for row in _shares(runs) if row.value is not None]
    results += simec_scaling.results(grown) + simec_scaling.device_results(on_devices)
    by_name = {row.name: row for row in results}
    notes = [] if on_devices.get("gpu") else ["No GPU: its figures are missing."]
    report(
        "simec_speed", {"tasks": TASKS, "seeds": args.seeds, "quick": args.quick}, about, results,
        args.json, tables=_tables(args.tasks, by_name), notes=notes if args.scaling else [],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = simec_data.parser(__doc__)
    p.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    p.add_argument(
        "--no-scaling", dest="scaling", action="store_false",
        help="skip the growth of time and memory, and devices",
    )  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    args.tasks = [task for task in TASKS if task in args.tasks]
    return args


def _plan(
    task: str, folder: Path, quick: bool, trainers: Sequence[str]
) -> dict[str, Callable[[int], Measured]]:
    settings = {"folder": str(folder), "data": task, **TASKS[task]}
    if quick:
        settings["epochs"] = settings["epochs"][:2]
        settings["loop"] = {**settings["loop"], "epochs": 1 if task == "newsgroups" else 2}

    def plan(trainer: str) -> Callable[[int], Measured]:
        return lambda seed: apart(FUNCTIONS[trainer], {**settings, "seed": seed})

    return {trainer: plan(trainer) for trainer in trainers}


# Results


def time_to(curve: Sequence[Sequence[float]], error: float) -> float | None:
    """The shortest time of a curve at which the error is low enough; None if it never is."""
    times = [seconds for seconds, reached in curve if reached <= error]
    return min(times, default=None)


def ratio(over: Sequence[Sequence[float]], under: Sequence[Sequence[float]], error: float) -> Any:
    """Time of one curve to an error over that of another, and whether the first reaches it.

    If only the second does, the first counts with all of its time. None if the second does not.
    """
    a, b = time_to(over, error), time_to(under, error)
    if b is None:
        return None
    return (over[-1][0] if a is None else a) / b, a is not None


def results_of(task: str, runs: Runs) -> list[Result]:
    """Ratios, times, errors and memory of one task."""
    results = []

    def add(name: str, values: Sequence[float], unit: str) -> None:
        results.append(over_runs(f"{task}.{name}", values, unit, middle=True))

    ours = [run["curve"] for run in runs["ours"]]
    for other in TRAINERS[1:]:
        curves = [run["curve"] for run in runs[other]]
        # its final error
        pairs = [ratio(a, b, a[-1][1]) for a, b in zip(curves, ours, strict=False)]
        reached = [pair for pair in pairs if pair is not None]
        if reached:
            add(f"ratio.{other}", [value for value, _ in reached], "times")
        else:
            results.append(Result(f"{task}.ratio.{other}", None, "times", n=len(pairs)))
        add(f"reached.{other}", [float(pair is not None) for pair in pairs], "share")
    back = [
        ratio(a["curve"], b, min(e for _, e in b)) for a, b in zip(runs["loop"], ours, strict=True)
    ]
    add("ratio.loop.back", [value for value, _ in back], "times")
    add("reached.loop.back", [float(there) for _, there in back], "share")
    for name in TRAINERS:
        curves = [run["curve"] for run in runs[name]]
        add(f"test.mse.{name}", [curve[-1][1] for curve in curves], "MSE")
        add(f"train.mse.{name}", [run["train"] for run in runs[name]], "MSE")
        add(f"seconds.{name}", [curve[-1][0] for curve in curves], "s")
        add(f"memory.{name}", [run["peak_mb"] for run in runs[name]], "MB")
        if "epoch_s" in runs[name][0]:
            add(f"epoch.{name}", [run["epoch_s"] for run in runs[name]], "s")
    return results


def _shares(runs: dict[str, Runs]) -> list[Result]:
    """Share of the speed of matrix products that an epoch of ours reaches, on dense features."""
    results = []
    for task, by_trainer in runs.items():
        if task == "newsgroups":
            continue
        t = TASKS[task]
        shares = [
            run["rows"] * simec_scaling.operations(784, t["hidden"], t["d"], run["targets"])
            / run["epoch_s"] / run["sgemm"] / 1e9 if run["epoch_s"] > 0 else 0.0
            for run in by_trainer["ours"]
        ]  # fmt: skip
        results.append(over_runs(f"{task}.sgemm_share.ours", shares, "share", middle=True))
    return results


def _tables(tasks: Sequence[str], by_name: dict[str, Result]) -> list[Table]:
    tables = []
    for task in tasks:
        rows = [
            [
                name, number(by_name[f"{task}.seconds.{name}"], digits=2),
                number(by_name[f"{task}.test.mse.{name}"], 1e4, 2),
                number(by_name[f"{task}.train.mse.{name}"], 1e4, 2),
                number(by_name[f"{task}.memory.{name}"], digits=0),
                number(by_name.get(f"{task}.ratio.{name}"), digits=1),
            ]
            for name in TRAINERS
        ]  # fmt: skip
        header = (task, "s in all", "test MSE × 10⁴", "train", "MB", "times ours")
        tables.append(Table(header, rows))
    return tables + simec_scaling.tables(by_name)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Time and error of each method, a row for each task; how time and memory grow, in a file."""
    titles = {
        "mnist": "MNIST, a kernel", "mnist_labels": "MNIST, same class",
        "newsgroups": "20 newsgroups, same class",
    }  # fmt: skip
    looks = {
        "ours": ("SimilarityEncoder", charts.BLUE),
        "loop": ("the same network in a plain loop", charts.ORANGE),
        "kernel_pca": ("kernel PCA, ridge", charts.GREY),
        "svd": ("truncated SVD, ridge", charts.GREY),
    }  # fmt: skip
    labels, colors = (list(part) for part in zip(*looks.values(), strict=True))
    tasks = [task for task in titles if f"{task}.seconds.ours" in by_name]
    figure, panels = charts.figure(len(tasks), 2, (11, 2.2 * len(tasks)))
    for i, task in enumerate(tasks):
        last = task == tasks[-1]
        for axes, key, scale, x in (
            (panels[2 * i], "seconds", 1, "seconds of training"),
            (panels[2 * i + 1], "test.mse", 1e3, "error on test points (MSE × 1000)"),
        ):
            rows = [by_name[f"{task}.{key}.{name}"] for name in looks]
            charts.bars(axes, rows, labels, colors, scale=scale)
            title = titles[task] if key == "seconds" else None
            charts.style(axes, x if last else "", "", title, grid="x")
        panels[2 * i + 1].set_yticklabels([])
    charts.save(figure, path)
    if grown := simec_scaling.lines(by_name):
        simec_scaling.draw(grown, path.with_name(f"{path.stem}_growth.png"))
