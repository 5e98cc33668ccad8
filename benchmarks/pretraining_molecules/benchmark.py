"""Properties of molecules from few labels: thesis, section 6.2, Figs. 6.7 to 6.28, Table 6.1.

QM9: mean absolute errors in eV of U0 (without the energies of single atoms), HOMO and LUMO after
training on 100 and 500 molecules. By one fixed permutation, 20,000 molecules are for pre-training,
of which the first 1,000 are the targets, 500 for validation and 10,000 for testing; training sets
are drawn from the others for each seed. The thesis pre-trains on all 130,831 molecules, including
those of the test.

- counts: ridge regression on the numbers of atoms of each element (control)
- untrained: ridge regression on embeddings of a SchNet that was not trained (control)
- kpca: ridge regression on 256 components of kernel PCA of FCHL18, without alchemy, of 300
  landmarks; kpca_128 with 128 components. The thesis has 128 of 1,000 landmarks
- schnet, pg_schnet: without pre-training
- property: SchNet, pre-trained on the property of the molecules for pre-training
- rogot_goldberg, mcconnaughey, sokal, nfchl: pre-trained on similarities (nfchl by FCHL19); for U0
  with sums over atoms, and for the others with means
- atomwise: pre-trained on FCHL19 (U0), or on its normalized form, with a last layer for atoms
  (Fig. 6.26), whose pairs are summed for U0 and averaged for the others
- pg_schnet_fchl: PG-SchNet, pre-trained on FCHL19 (U0), or on its normalized form
- mixed: pre-trained on the Rogot-Goldberg similarity and `hueckel_targets`, the results of
  extended Hückel theory
- best: `SimilarityRegressor` with `molecular_similarities`: several similarities at once in closed
  form, weighted by the labels of the training set

`gain.PROPERTY.LABELS.METHOD` is the error of schnet less that of a method for the same training
set, in percent of the former. `ridge.*` are the curves of Figs. 6.15 to 6.19, and `mols_per_s.*`
compares the training of SchNet with that of torch-geometric.

Finished parts are kept next to the results, and an interrupted run continues with them. Processes
with other `--methods`, `--properties` or `--labels` can share them: a last one with ``--finished``
reports all, and trains no others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import simec_data
from benchmarks.cache import Cache
from benchmarks.common import Result, Table, number, over_runs, report
from benchmarks.pretraining_molecules import closed_form, speed
from benchmarks.pretraining_molecules.networks import fine_tuned, task_of
from benchmarks.pretraining_molecules.pictures import draw, draw_tsne, tsne
from benchmarks.pretraining_molecules.protocol import (
    CUTOFF,
    PROPERTIES,
    PROTOCOLS,
    Data,
    Protocol,
    load,
    target,
)

CLOSED = ("counts", "untrained", "kpca", "best")
NETWORKS = (
    "schnet", "property", "rogot_goldberg", "mcconnaughey", "sokal", "nfchl", "atomwise",
    "pg_schnet", "pg_schnet_fchl", "mixed", "distilled",
)  # fmt: skip
METHODS = (*CLOSED, *NETWORKS)
THESIS_LABELS = (100, 500)
# Table 6.1, in eV, for each number of labels
THESIS: dict[str, dict[str, tuple[float | None, ...]]] = {
    "u0": {
        "kpca": (0.310, 0.166), "schnet": (0.503, 0.232), "property": (0.459, 0.234),
        "rogot_goldberg": (0.425, 0.219), "nfchl": (0.438, 0.227), "pg_schnet": (0.528, 0.241),
        "pg_schnet_fchl": (0.439, 0.210), "best": (0.310, 0.166),
    },
    "homo": {
        "kpca": (0.294, 0.242), "schnet": (0.325, 0.255), "property": (0.345, 0.230),
        "rogot_goldberg": (0.280, 0.215), "nfchl": (0.305, 0.247), "pg_schnet": (0.326, None),
        "pg_schnet_fchl": (0.305, None), "best": (0.280, 0.215),
    },
    "lumo": {
        "kpca": (0.473, 0.356), "schnet": (0.618, 0.384), "property": (0.450, 0.316),
        "rogot_goldberg": (0.459, 0.290), "nfchl": (0.560, 0.348), "pg_schnet": (0.617, None),
        "pg_schnet_fchl": (0.581, None), "best": (0.450, 0.290),
    },
}  # fmt: skip
GAINS = {"u0": 12.0, "homo": 10.0, "lumo": 20.0}  # percent at 100 labels, at least


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    import torch
    from threadpoolctl import threadpool_limits

    args = _arguments(argv)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        _run(args)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = simec_data.parser(__doc__)
    p.add_argument(
        "--full", action="store_true", help="the thesis's sizes, which take days without a GPU"
    )
    p.add_argument(
        "--finished", action="store_true", help="report the finished runs of networks only"
    )
    p.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="METHOD")
    p.add_argument(
        "--properties", nargs="+", choices=PROPERTIES, default=PROPERTIES, metavar="PROPERTY"
    )
    p.add_argument("--labels", nargs="+", type=int, metavar="N", help="of 100 and 500")
    p.add_argument(
        "--parts", nargs="+", choices=("errors", "curves", "pictures", "speed"),
        default=("errors", "curves", "pictures", "speed"), metavar="PART",
        help="errors, curves, pictures and speed (default: all)",
    )  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    if args.quick and args.full:
        p.error("--quick and --full exclude each other")
    protocol = PROTOCOLS["quick" if args.quick else "full" if args.full else "default"]
    if set(args.labels or ()) - set(protocol.labels):
        p.error(f"--labels must be among {', '.join(map(str, protocol.labels))}")
    args.labels = tuple(args.labels or protocol.labels)
    args.protocol = protocol
    return args


def _run(args: argparse.Namespace) -> None:
    started = time.perf_counter()
    protocol: Protocol = args.protocol
    data = load(args.data, protocol)
    sets = data.pretrain, data.validation, data.test
    corpus = {"name": "qm9", "molecules": sum(map(len, sets)), "cutoff": CUTOFF}
    cache = Cache(args.json, {"corpus": corpus, "protocol": asdict(protocol)})
    runs = measure(data, cache, args) if "errors" in args.parts else {}
    if "curves" in args.parts:
        runs |= curves(data, cache, args.seeds)
    results = summarize(runs)
    if "speed" in args.parts:
        molecules = data.pretrain
        more = {"n_train": 100, "n_test": 50, "rounds": 2} if args.quick else {}
        results += speed.measure(molecules, target(molecules, "u0"), **more)
    points = None
    if "pictures" in args.parts and args.json is not None:
        points = cache.arrays({"pictures": "tsne"}, lambda: tsne(data, cache))
    by_name = {result.name: result for result in results}
    about = {
        **asdict(protocol), "seeds": args.seeds, "quick": args.quick, "full": args.full,
        "threads": 1, "minutes": round((time.perf_counter() - started) / 60, 1),
    }  # fmt: skip

    def charts(found: dict[str, Result], path: Path) -> None:
        draw(found, path)
        if points is not None:
            draw_tsne(points, path.with_name(f"{path.stem}_tsne.png"))

    report(
        "pretraining_molecules", about, corpus, results, args.json,
        tables=[_table(by_name, args.labels)],
        notes=["Columns of the thesis: Table 6.1; for best, the lowest error of each column."],
        chart=charts,
    )  # fmt: skip


def measure(data: Data, cache: Cache, args: argparse.Namespace) -> dict[str, dict[int, float]]:
    """Errors by name and seed; those in the cache are not computed again."""
    from tqdm import tqdm

    runs: dict[str, dict[int, float]] = {}

    def keep(seed: int, errors: Iterable[tuple[str, float]]) -> None:
        for name, value in errors:
            runs.setdefault(name, {})[seed] = value

    tasks = [
        (prop, n, method)
        for method in NETWORKS if method in args.methods
        for n in args.labels
        for prop in args.properties
    ]  # fmt: skip
    closed = [method for method in CLOSED if method in args.methods]
    with tqdm(total=args.seeds * (len(tasks) + len(closed)), desc="runs", unit="run") as bar:
        for seed in range(1, args.seeds + 1):
            for method in closed:
                bar.set_postfix_str(f"seed {seed}: {method}")
                errors = closed_errors(data, method, seed, cache)
                keep(seed, (each for each in errors.items() if _is_wanted(each[0], args)))
                bar.update()
            for prop, n, method in tasks:
                if args.finished and cache.get(task_of(method, prop, n, seed)) is None:
                    bar.update()
                    continue
                bar.set_postfix_str(f"seed {seed}: {prop} {n} {method}")
                found = fine_tuned(data, method, prop, n, seed, cache)
                name = f"{prop}.{n}.{method}"
                keep(seed, ((f"{key}.{name}", found[key]) for key in ("mae", "train_mae")))
                bar.update()
    return runs


def closed_errors(data: Data, method: str, seed: int, cache: Cache) -> dict[str, float]:
    """Errors of a method in closed form, for all properties and numbers of labels."""

    def compute() -> dict[str, float]:
        if method == "best":
            return closed_form.best(data, seed)
        return closed_form.linear(data, seed, cache, [method])

    return cache.once({"method": method, "seed": seed}, compute)


def curves(data: Data, cache: Cache, seeds: int) -> dict[str, dict[int, float]]:
    """Errors of ridge regressions by name and seed."""
    runs: dict[str, dict[int, float]] = {}
    for seed in range(1, seeds + 1):
        task = {"curves": "ridge", "seed": seed}
        errors = cache.once(task, partial(closed_form.curves, data, seed, cache))
        for name, value in errors.items():
            runs.setdefault(name, {})[seed] = value
    return runs


def summarize(runs: dict[str, dict[int, float]]) -> list[Result]:
    """Means over seeds, and gains over SchNet without pre-training on the same training sets."""
    results = []
    for name, values in runs.items():
        measure, prop, n, method = name.split(".")
        more: dict[str, Any] = {}
        thesis = dict(zip(THESIS_LABELS, THESIS[prop].get(method, ()), strict=False)).get(int(n))
        if measure == "mae" and thesis is not None:
            source = "thesis, Table 6.1" + (", lowest" if method == "best" else "")
            more = {"reference": thesis, "source": source}
        results.append(over_runs(name, list(values.values()), "eV", **more))
        base = runs.get(f"mae.{prop}.{n}.schnet")
        if measure == "mae" and base is not None and method in NETWORKS[1:]:
            gains = [100 * (1 - values[seed] / base[seed]) for seed in values if seed in base]
            more = {}
            if method in ("mixed", "distilled") and int(n) == THESIS_LABELS[0]:
                more = {"reference": GAINS[prop], "source": "at least"}
            results.append(over_runs(f"gain.{prop}.{n}.{method}", gains, "%", **more))
    return results


def _is_wanted(name: str, args: argparse.Namespace) -> bool:
    _, prop, n, _ = name.split(".")
    return prop in args.properties and int(n) in args.labels


def _table(by_name: dict[str, Result], labels: Sequence[int]) -> Table:
    columns = [(prop, n) for prop in PROPERTIES for n in labels]
    rows = []
    for method in METHODS:
        if not any(f"mae.{prop}.{n}.{method}" in by_name for prop, n in columns):
            continue
        cells = []
        for prop, n in columns:
            result = by_name.get(f"mae.{prop}.{n}.{method}")
            cells.append(number(result))
            known = result is not None and result.reference is not None
            cells.append(f"{result.reference:.3f}" if known and result else "-")
        rows.append((method, *cells))
    header = [cell for prop, n in columns for cell in (f"{prop} {n}", "thesis")]
    return Table(("MAE, eV", *header), rows)
