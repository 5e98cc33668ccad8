"""Growth of time and memory of a Similarity Encoder, and its speed on devices: parts of
simec_speed.

Targets are computed by a function on demand: classes' similarities to n points, up to a million
rows of a thousand targets, which would take 4 GB. Each point is the start and one epoch, in a
separate process; memory is the peak less the memory of the features.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts
from benchmarks.common import Result, Table, over_runs
from benchmarks.runs import Measured, Task, apart, peak_mb
from benchmarks.simec_speed.trainers import sgemm

BASE = {"m": 20_000, "n": 1000, "D": 64, "d": 10}
VALUES = {
    "m": (10_000, 100_000, 1_000_000),
    "n": (250, 1000, 4000, 16_000),
    "D": (64, 1000, 4000),
    "d": (2, 10, 50, 250),
}
QUICK = {"m": 1000, "n": 100, "D": 16, "d": 4}
HIDDEN = (64,)
BATCH = 256


def operations(n_features: int, hidden: Sequence[int], d: int, n: int) -> float:
    """Floating-point operations to train on a row: three products per layer, two in the first.

    Projected targets count with their projected width.
    """
    from simec.solvers.projection import projected_width

    sizes = [n_features, *hidden, d, projected_width(d, n)]
    products = [2.0 * a * b for a, b in pairwise(sizes)]
    return 3 * sum(products) - products[0]


def measure(quick: bool) -> dict[str, Measured]:
    """Time and memory, by "m.10000" and so on."""
    from tqdm import tqdm

    base = QUICK if quick else BASE
    values = {"m": (1000, 4000)} if quick else VALUES
    points = [(name, x) for name, several in values.items() for x in several]
    measured = {}
    for name, x in tqdm(points, desc="scaling", unit="run"):
        task = {**base, name: x}
        measured[f"{name}.{x}"] = apart("benchmarks.simec_speed.scaling:run", task)
    return measured


def run(task: Task) -> Measured:
    """One epoch with targets from a function."""
    import torch  # noqa: F401

    from simec import SimilarityEncoder

    rng = np.random.default_rng(0)
    m, n = task["m"], task["n"]
    X = rng.standard_normal((m, task["D"]), np.float32)
    label = (X[:, :8] @ rng.standard_normal((8, 20), np.float32)).argmax(axis=1)
    columns = label[rng.integers(0, m, n)]

    def targets(rows: Any) -> Any:
        return (label[rows, None] == columns).astype(np.float32)

    def fit(X: Any, S: Any) -> None:
        encoder = SimilarityEncoder(
            task["d"], hidden_layers=HIDDEN, batch_size=BATCH, max_iter=1, random_state=0,
            device="cpu",
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encoder.fit(X, S)

    fit(X[:500, :8], targets(np.arange(500))[:, :50])
    before = peak_mb()
    start = time.perf_counter()
    fit(X, targets)
    return {"seconds": time.perf_counter() - start, "more_mb": peak_mb() - before}


# Devices


def devices(quick: bool) -> dict[str, Measured]:
    """Rows trained per second on CPU and GPU, in float32 and bfloat16."""
    import torch

    kinds = [("cpu", False)]
    if torch.cuda.is_available():
        kinds += [("cuda", False), ("cuda", True)]
    else:
        print("no GPU: devices are not compared")
    measured: dict[str, Any] = {"gpu": torch.cuda.is_available()}
    for device, mixed in kinds:
        name = f"{device}.{'bf16' if mixed else 'fp32'}"
        task = {"device": device, "mixed": mixed, "quick": quick}
        measured[name] = apart("benchmarks.simec_speed.scaling:run_device", task)
    return measured


def run_device(task: Task) -> Measured:
    """Epochs on dense features, with wide layers and large batches."""
    from simec import SimilarityEncoder

    rng = np.random.default_rng(0)
    m, features, n = (2000, 32, 100) if task["quick"] else (20_000, 784, 2000)
    hidden = (64,) if task["quick"] else (1000, 1000)
    X = rng.standard_normal((m, features), np.float32)
    A = np.tanh(X @ rng.standard_normal((features, 20), np.float32) / 8)
    S = A @ A[:n].T / 20

    def fit(epochs: int) -> tuple[float, float]:
        encoder = SimilarityEncoder(
            10, hidden_layers=hidden, activation="relu", batch_size=1024, max_iter=epochs,
            random_state=0, device=task["device"], mixed_precision=task["mixed"],
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            encoder.fit(X, S)
            seconds = time.perf_counter() - start
        return seconds, float(np.square(encoder.predict(X[:2000]) - S[:2000]).mean())

    few, many = (1, 3) if task["device"] == "cpu" else (5, 25)
    fit(1)
    short, (long, error) = fit(few)[0], fit(many)
    rate = m * (many - few) / max(long - short, 1e-9)
    limit = sgemm(task["device"], "bfloat16" if task["mixed"] else "float32")
    share = rate * operations(features, hidden, 10, n) / limit / 1e9
    return {"rows_per_s": rate, "mse": error, "gemm_gflops": limit, "gemm_share": share}


# Results


def results(grown: dict[str, Measured]) -> list[Result]:
    """Names such as scaling.seconds.m.10000."""
    rows = []
    for name, one in grown.items():
        rows.append(Result(f"scaling.seconds.{name}", one["seconds"], "s"))
        rows.append(Result(f"scaling.memory.{name}", one["more_mb"], "MB"))
    return rows


def device_results(measured: dict[str, Measured]) -> list[Result]:
    """Names such as device.cuda.bf16.rows_per_s."""
    units = {"rows_per_s": "rows/s", "mse": "MSE", "gemm_gflops": "GFLOP/s", "gemm_share": "share"}
    return [
        over_runs(f"device.{name}.{key}", [one[key]], unit)
        for name, one in measured.items()
        if name != "gpu"
        for key, unit in units.items()
    ]


def lines(by_name: dict[str, Result]) -> dict[str, dict[int, tuple[float, float]]]:
    """Seconds and megabytes for each size that was varied."""
    grown: dict[str, dict[int, tuple[float, float]]] = {}
    for name, row in by_name.items():
        if name.startswith("scaling.seconds."):
            size, x = name.split(".")[2:]
            memory = by_name[name.replace("seconds", "memory")]
            grown.setdefault(size, {})[int(x)] = (row.value or 0, memory.value or 0)
    return grown


def tables(by_name: dict[str, Result]) -> list[Table]:
    """One row per point."""
    rows = [
        [f"{size} = {x:,}", f"{seconds:.2f}", f"{megabytes:,.0f}"]
        for size, points in lines(by_name).items()
        for x, (seconds, megabytes) in points.items()
    ]
    return [Table(("one epoch, targets from a function", "s", "MB"), rows)] if rows else []


def draw(grown: dict[str, dict[int, tuple[float, float]]], path: Path) -> None:
    """Time above and memory below, one column for each size."""
    figure, panels = charts.figure(2, len(grown), (3.4 * len(grown), 6))
    titles = {
        "m": "training points", "n": "targets of a point", "D": "features",
        "d": "dimensions of the embedding",
    }  # fmt: skip
    measures = ("seconds of an epoch", "memory beyond the features, MB")
    for i, measure in enumerate(measures):
        for j, (size, points) in enumerate(grown.items()):
            axes = panels[i * len(grown) + j]
            xs = sorted(points)
            axes.plot(xs, [points[x][i] for x in xs], marker="o", color=charts.BLUE)
            axes.set_xscale("log")
            axes.set_xticks(xs, [f"{x:,}" for x in xs])
            axes.minorticks_off()
            axes.set_yscale("log")
            charts.plain_ticks(axes.yaxis)
            charts.style(axes, titles[size], measure if j == 0 else "")
    figure.suptitle(
        "Time and memory grow at most in proportion to each size", x=0.01, ha="left", fontsize=10.5
    )
    charts.save(figure, path)
