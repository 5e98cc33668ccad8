"""The global context matrix of a corpus: seconds and peak memory, compared with plain SciPy.

`matrix.N` counts all co-occurrences within the window as a sparse matrix, with N workers;
`product.N` multiplies it by W1 without ever holding it. Each run is a separate process, which
opens the encoded corpus and loads compiled code before the clock starts; its peak memory is that of
the process, including the mapped corpus. `memory.*` are runs with a given memory limit (default
1 GiB): what exceeds it goes to temporary files. `scipy` is the straightforward prototype, on one
core; the benchmark checks that it computes the same matrix.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import charts
from benchmarks.common import (
    QUICK_DOCUMENTS,
    Result,
    Table,
    at_least_one,
    number,
    over_runs,
    parser,
    report,
)  # fmt: skip
from benchmarks.material import encoded, load, plain_text
from benchmarks.runs import Measured, Task, apart, peak_mb, rounds

if TYPE_CHECKING:
    from scipy import sparse

    from corpora.encoding import TokenStream

WINDOW, SIZE, MIN_COUNT = 5, 200, 5
MEMORY = {"256MB": 256 << 20, "1GB": 1 << 30}
TARGETS = {"matrix.2": 10.0, "product.2": 6.0}


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    with tempfile.TemporaryDirectory(prefix="contexts-speed-") as name:
        folder = Path(name)
        text = folder / "corpus.txt"
        corpus = plain_text(args.corpus, text, QUICK_DOCUMENTS if args.quick else None)
        encoded(text, folder, MIN_COUNT)
        corpus["vocabulary"] = len(load(folder)[0])
        runs = rounds(args.seeds, _plan(args, str(folder)))
        if not args.no_scipy:
            runs |= rounds(1, {"scipy": _run("run_scipy", folder=str(folder))})
    _check(runs)
    results = _results(runs)
    protocol = {
        "window": WINDOW, "vector_size": SIZE, "min_count": MIN_COUNT, "normalize": "none",
        "memory": MEMORY["1GB"], "runs": args.seeds, "quick": args.quick,
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    report(
        "contexts_speed", protocol, corpus, results, args.json, tables=[_table(runs, by_name)],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument(
        "--workers",
        type=at_least_one,
        default=2,
        help="number of workers of the parallel runs (default 2)",
    )
    p.add_argument("--no-scipy", action="store_true", help="skip the prototype")
    args: argparse.Namespace = p.parse_args(argv)
    return args


def _run(function: str, **task: Any) -> Callable[[int], Measured]:
    return lambda _: apart(f"benchmarks.contexts_speed:{function}", task)


def _plan(args: argparse.Namespace, folder: str) -> dict[str, Callable[[int], Measured]]:
    plan = {}
    for kind in ("matrix", "product"):
        for n in sorted({1, args.workers}):
            plan[f"{kind}.{n}"] = _run(f"run_{kind}", folder=folder, workers=n)
        task = {"folder": folder, "workers": args.workers, "memory": MEMORY["256MB"]}
        plan[f"{kind}.{args.workers}.256MB"] = _run(f"run_{kind}", **task)
    return plan


# One run, in a separate process


def run_matrix(task: Task) -> Measured:
    """Seconds, peak memory, and a summary of the matrix."""
    from conec.contexts import Window, global_contexts

    words, stream = load(task["folder"])
    more = {"workers": task["workers"], "memory": task.get("memory", MEMORY["1GB"])}
    for small in ({}, {"memory": 0}):  # with and without temporary files
        global_contexts(_small(), 4, Window(WINDOW), normalize="none", **{**more, **small})
    start = time.perf_counter()
    matrix = global_contexts(stream, len(words), Window(WINDOW), normalize="none", **more)
    seconds = time.perf_counter() - start
    peak = peak_mb()  # before the sum, which reads arrays that may be on disk
    return {"seconds": seconds, "peak_mb": peak, **_about(matrix)}


def run_product(task: Task) -> Measured:
    """Seconds and peak memory."""
    from conec.contexts import Window, global_embeddings

    words, stream = load(task["folder"])
    W1 = np.random.default_rng(1).standard_normal((len(words), SIZE), np.float32)
    more = {"workers": task["workers"], "memory": task.get("memory", MEMORY["1GB"])}
    for small in ({}, {"memory": 0}):  # with and without temporary files
        global_embeddings(_small(), W1[:4], Window(WINDOW), normalize="none", **{**more, **small})
    start = time.perf_counter()
    global_embeddings(stream, W1, Window(WINDOW), normalize="none", **more)
    return {"seconds": time.perf_counter() - start, "peak_mb": peak_mb()}


def run_scipy(task: Task) -> Measured:
    """Seconds, peak memory, and a summary of the matrix."""
    words, stream = load(task["folder"])
    scipy_contexts(_small(), 4, WINDOW)
    start = time.perf_counter()
    matrix = scipy_contexts(stream, len(words), WINDOW)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mb": peak_mb(), **_about(matrix)}


def scipy_contexts(stream: TokenStream, n_words: int, window: int) -> sparse.csr_matrix:
    """The plain prototype: the text and a shifted copy of it, as a sparse matrix of pairs."""
    from scipy import sparse

    ids = np.asarray(stream.ids)
    document = np.repeat(np.arange(stream.n_documents), np.diff(stream.offsets))
    total = sparse.csr_matrix((n_words, n_words), dtype=np.float32)
    for distance in range(1, window + 1):
        left, right = ids[:-distance], ids[distance:]
        pair = (document[:-distance] == document[distance:]) & (left >= 0) & (right >= 0)
        left, right = left[pair], right[pair]
        ones = np.ones(len(left), np.float32)
        counted = sparse.coo_matrix((ones, (left, right)), shape=total.shape).tocsr()
        total = total + counted
    return (total + total.T).tocsr()


def _small() -> TokenStream:
    from corpora.encoding import TokenStream

    return TokenStream(np.arange(10_000, dtype=np.int32) % 4, np.array([0, 3, 10_000]), 10_000)


def _about(matrix: sparse.csr_matrix) -> dict[str, float]:
    return {"nnz": int(matrix.nnz), "sum": float(matrix.data.sum(dtype=np.float64))}


# Results


def _check(runs: dict[str, list[Measured]]) -> None:
    """Check that all matrices are equal."""
    seen = {
        (run["nnz"], run["sum"]) for repeats in runs.values() for run in repeats if "nnz" in run
    }
    if len(seen) != 1:
        by_run = {name: [(run.get("nnz"), run.get("sum")) for run in runs[name]] for name in runs}
        raise AssertionError(f"entries and sums of the matrices differ: {by_run}")


def _results(runs: dict[str, list[Measured]]) -> list[Result]:
    results = []
    for name, repeats in runs.items():
        target = TARGETS.get(name)
        more = {} if target is None else {"reference": target, "source": "target, below"}
        seconds = [run["seconds"] for run in repeats]
        results.append(over_runs(name, seconds, "s", middle=True, **more))
    for name, repeats in runs.items():
        results.append(over_runs(f"memory.{name}", [run["peak_mb"] for run in repeats], "MB"))
    if "scipy" in runs:
        first = [run["seconds"] for run in runs["matrix.1"]]
        ratio = [runs["scipy"][0]["seconds"] / seconds for seconds in first]
        results.append(over_runs("ratio.scipy.1", ratio, "times", middle=True))
    results.append(Result("entries", runs["matrix.1"][0]["nnz"], "entries"))
    return results


def _table(runs: dict[str, list[Measured]], by_name: dict[str, Result]) -> Table:
    rows = [
        [name, number(by_name[name], 1, 2), number(by_name[f"memory.{name}"], 1, 0)]
        for name in runs
    ]
    return Table(("run", "seconds", "peak MB"), rows)


def _label(name: str) -> str:
    kind, _, rest = name.partition(".")
    workers, _, memory = rest.partition(".")
    text = {"matrix": "matrix", "product": "product with W1", "scipy": "matrix by SciPy"}[kind]
    if workers:
        text += f", {workers} worker" + ("" if workers == "1" else "s")
    return text + (f", memory {memory}" if memory else "")


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Time and memory of each way to count."""
    names = [name for name in by_name if f"memory.{name}" in by_name]
    colors = {"matrix": charts.BLUE, "product": charts.GREEN, "scipy": charts.GREY}
    figure, panels = charts.figure(1, 2, (12, 0.45 * len(names) + 1.4))
    for axes, prefix, x in ((panels[0], "", "seconds"), (panels[1], "memory.", "peak memory (MB)")):
        rows = [by_name[prefix + name] for name in names]
        charts.bars(
            axes, rows, [_label(name) for name in names],
            [colors[name.partition(".")[0]] for name in names],
        )  # fmt: skip
        charts.style(axes, x, "", "Memory" if prefix else "Time", grid="x")
    panels[1].set_yticklabels([])
    charts.save(figure, path)


if __name__ == "__main__":
    main()
