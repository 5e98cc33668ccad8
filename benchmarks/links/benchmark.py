"""Link prediction on WN18, WN18RR and FB15k-237: thesis, Tables 4.1 and 4.2.

Filtered mean reciprocal rank and hits at 1, 3, 10 among all entities, in both directions; ties
get their mean rank; entities that training has not seen are included.

- ours: `LinkPredictor`, relation matrices of complex numbers, softmax over entities, N3
- thesis_preset: `LinkPredictor.thesis`, one d × d matrix for all relations, then one for each
- wide (WN18RR, FB15k-237): as ours, with 1,000 and 2,000 components, only on request: up to an
  hour on one core
- unseen (WN18RR): entities left out of training, described by their gloss only; compared with
  entities ranked by their frequency as an answer in training, and with chance
- default, previous (sampled, kin, types, nations, see `benchmarks.links.generated`): parameters
  that `LinkPredictor` chooses, and the defaults that it had before; no parameter was chosen on
  these graphs. ``mrr.dense.default`` is the mean of kin, types and nations.
- --peers: training triples per CPU second of PyKEEN, on the same model

Parameters were chosen on validation triples; so is the number of epochs, within each run. Runs of
tens of minutes can be kept with ``--keep FOLDER``: those in the folder are not repeated.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks import charts, simec_data
from benchmarks.common import Result, Table, number, over_runs, report
from benchmarks.links import data as links_data
from benchmarks.links import generated
from benchmarks.links import peer as links_peer
from benchmarks.links import unseen as links_unseen
from benchmarks.links.data import Graph

METHODS = ("ours", "thesis_preset", "wide", "default", "previous")
MEASURES = {"mrr": "mrr", "hits1": "hits@1", "hits3": "hits@3", "hits10": "hits@10", "mr": "mr"}
QUICK_ENTITIES = 3000
# chosen on validation triples
OURS: dict[str, dict[str, Any]] = {
    "wn18": {
        "n_components": 200,
        "n3": 0.05,
        "batch_size": 250,
        "n_negatives": 4000,
        "max_iter": 20,
        "n_iter_no_change": 3,
    },
    "wn18rr": {
        "n_components": 200,
        "n3": 0.1,
        "batch_size": 250,
        "n_negatives": 4000,
        "max_iter": 30,
    },
    "fb15k237": {
        "n_components": 400,
        "n3": 0.05,
        "batch_size": 250,
        "n_negatives": 4000,
        "max_iter": 12,
        "n_iter_no_change": 3,
    },
}
# more components and more time; all else is the same
WIDE: dict[str, dict[str, Any]] = {
    "wn18rr": {**OURS["wn18rr"], "n_components": 1000, "n_iter_no_change": 3},
    "fb15k237": {**OURS["fb15k237"], "n_components": 2000},
}
THESIS: dict[str, dict[str, Any]] = {
    "wn18": {"max_iter": 40, "batch_size": 250, "n_iter_no_change": 3},
    "wn18rr": {"max_iter": 60, "batch_size": 250, "n_iter_no_change": 4},
    "fb15k237": {"max_iter": 60, "batch_size": 250, "n_iter_no_change": 3, "dropout": 0.4},
}
PREVIOUS = {
    "n_components": 200, "n3": 0.05, "dropout": 0.0, "n_negatives": None, "batch_size": 500,
    "max_iter": 50, "n_iter_no_change": 5,
}  # fmt: skip
PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "ours": OURS,
    "thesis_preset": THESIS,
    "wide": WIDE,
    "default": {name: {} for name in generated.NAMES},
    "previous": dict.fromkeys(generated.NAMES, PREVIOUS),
}
# MR, MRR, hits at 10, 3, 1 of SimEc
PAPER = {
    "wn18": {"mr": 528, "mrr": 0.709, "hits10": 0.928, "hits3": 0.827, "hits1": 0.572},
    "wn18rr": {"mr": 6076, "mrr": 0.279, "hits10": 0.409, "hits3": 0.344, "hits1": 0.196},
    "fb15k237": {"mr": 458, "mrr": 0.281, "hits10": 0.441, "hits3": 0.309, "hits1": 0.201},
}
SOURCE = "thesis, Tables 4.1 and 4.2, SimEc"


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    p = simec_data.parser(__doc__, seeds=1)
    names = (*links_data.NAMES, *generated.NAMES)
    p.add_argument("--datasets", nargs="+", choices=names, default=names)
    p.add_argument("--methods", nargs="+", choices=(*METHODS, "unseen"),
                   default=("ours", "thesis_preset", "unseen", "default", "previous"))  # fmt: skip
    p.add_argument("--peers", action="store_true", help="compare the speed with that of PyKEEN")
    p.add_argument("--keep", type=Path, metavar="FOLDER", help="keep finished runs in FOLDER")
    p.add_argument("--unkept", action="store_true", help="report only the runs of --keep")
    args = p.parse_args(argv)
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[dict[str, float]]] = {}
    graphs: dict[str, Graph] = {}
    for name in args.datasets:
        graphs[name] = _graph(name, args.data)
        if args.quick and name in links_data.NAMES:
            graphs[name] = links_data.part(graphs[name], QUICK_ENTITIES)
        for method in args.methods:
            if (method == "unseen" and name != "wn18rr") or (
                method in METHODS and name not in PARAMETERS[method]
            ):
                continue
            for seed in range(1, args.seeds + 1):
                run_of_seed = _kept(args, name, method, seed, graphs[name])
                if run_of_seed is not None:
                    runs.setdefault(f"{name}.{method}", []).append(run_of_seed)
    results = []
    for key, found_runs in runs.items():
        name, method = key.split(".")
        results += _results(name, method, found_runs, quick=args.quick)
    results += _of_dense_graphs(runs)
    if args.peers:
        for name in args.datasets:
            if name in ("sampled", "fb15k237"):
                results += [
                    over_runs(f"{name}.{key}", [value], "ratio" if "ratio" in key else "triples/s")
                    for key, value in links_peer.speed(graphs[name]).items()
                ]
    by_name = {result.name: result for result in results}
    protocol = {
        "seeds": args.seeds, "quick": args.quick,
        "ranking": "filtered, both directions, ties at their mean rank, all test triples",
        **PARAMETERS, "unseen": links_unseen.PARAMETERS,
    }  # fmt: skip
    corpus = {
        name: f"{len(g.entities)} entities, {len(g.relations)} relations, {len(g.train)} triples"
        for name, g in graphs.items()
    }
    report(
        "links", protocol, corpus, results, args.json,
        tables=[_table(by_name, args.datasets)], chart=draw,
    )  # fmt: skip


def _graph(name: str, data: str | Path | None) -> Graph:
    if name in generated.NAMES:
        return generated.graph(name, lambda: links_data.graph("fb15k237", data))
    return links_data.graph(name, data)


def _of_dense_graphs(runs: dict[str, list[dict[str, float]]]) -> list[Result]:
    """Mean MRR over the dense graphs."""
    results = []
    for method in ("default", "previous"):
        found = [runs.get(f"{name}.{method}", []) for name in generated.DENSE]
        if all(found):
            means = [
                float(np.mean([run["mrr"] for run in of_seed]))
                for of_seed in zip(*found, strict=True)
            ]
            results.append(over_runs(f"mrr.dense.{method}", means, "share"))
    return results


def _kept(args: Any, name: str, method: str, seed: int, graph: Graph) -> dict[str, float] | None:
    """A run, or its kept result."""
    path = None if args.keep is None else args.keep / f"{name}.{method}.{seed}.json"
    if path is not None and path.exists():
        figures: dict[str, float] = json.loads(path.read_text())
        return figures
    if args.unkept:
        return None
    if method == "unseen":
        done = links_unseen.run(graph, seed, args.data, quick=args.quick)
    else:
        done = run(graph, method, seed, quick=args.quick)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(done, indent=1) + "\n")
    return done


def run(graph: Graph, method: str, seed: int, *, quick: bool = False) -> dict[str, float]:
    """One fit: measures on test triples, seconds of training, epochs, peak memory."""
    from benchmarks.runs import peak_mb
    from simec.links import LinkPredictor

    parameters: dict[str, Any] = {**PARAMETERS[method][graph.name]}
    if quick:
        parameters |= {"n_components": 50, "max_iter": 10, "batch_size": 100}
    make = LinkPredictor.thesis if method == "thesis_preset" else LinkPredictor
    predictor = make(**parameters, random_state=seed, device="cpu", verbose=True)
    start, start_cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        predictor.fit(graph.triples("train"), graph.triples("valid"), entities=graph.entities)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    evaluation = predictor.evaluate(graph.triples("test"))
    measured = {short: evaluation.measures()[name] for short, name in MEASURES.items()}
    measured["raw_mrr"] = evaluation.measures(filtered=False)["mrr"]
    measured["valid_mrr"] = predictor.best_score_
    print(evaluation)
    return {
        **measured, "seconds": seconds, "cpu_seconds": cpu, "epochs": predictor.n_iter_,
        "memory_mb": peak_mb(),
        **links_peer.difference(predictor, graph),
    }  # fmt: skip


UNITS = {
    "seconds": "s",
    "cpu_seconds": "s",
    "epochs": "epochs",
    "memory_mb": "MB",
    "mr": "rank",
    "triples": "triples",
}


def _results(name: str, method: str, runs: list[dict[str, float]], *, quick: bool) -> list[Result]:
    results = []
    for measure in runs[0]:
        reference = None if quick else PAPER.get(name, {}).get(measure)
        key = f"{name}.{measure}.{method}" if method != "unseen" else f"{name}.unseen.{measure}"
        if name in generated.NAMES:
            key = f"{measure}.{name}.{method}"
        unit = UNITS.get(measure, "share")
        source = None if reference is None else SOURCE
        values = [run[measure] for run in runs]
        results.append(over_runs(key, values, unit, reference=reference, source=source))
    return results


def _table(by_name: dict[str, Result], datasets: list[str]) -> Table:
    rows = []
    for name in datasets:
        for method in METHODS:
            key = "{m}.{name}.{method}" if name in generated.NAMES else "{name}.{m}.{method}"
            if key.format(m="mrr", name=name, method=method) not in by_name:
                continue
            of = {
                m: by_name.get(key.format(m=m, name=name, method=method))
                for m in ("mrr", "hits1", "hits3", "hits10", "mr", "epochs", "cpu_seconds",
                          "memory_mb")
            }  # fmt: skip
            cells = [number(of[m], digits=3) for m in ("mrr", "hits1", "hits3", "hits10")]
            rest = [number(of[m], digits=0) for m in ("mr", "epochs", "cpu_seconds", "memory_mb")]
            rows.append((f"{name}, {method}", *cells, *rest))
        if name not in PAPER:
            continue
        thesis = PAPER[name]
        cells = [f"{thesis[m]:.3f}" for m in ("mrr", "hits1", "hits3", "hits10")]
        rows.append((f"{name}, thesis", *cells, f"{thesis['mr']:,}", "", "", ""))
    return Table(("", "MRR", "H@1", "H@3", "H@10", "MR", "epochs", "CPU s", "MB"), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """MRR on each data set: ours, the thesis's network, and the thesis's figure."""
    figure, (axes,) = charts.figure(1, 1, (6.5, 3.6))
    names = [name for name in links_data.NAMES if f"{name}.mrr.ours" in by_name]
    x = np.arange(len(names))
    styles = {"ours": (charts.BLUE, "ours"), "thesis_preset": (charts.ORANGE, "thesis's network")}
    for i, (method, (color, label)) in enumerate(styles.items()):
        values = [by_name.get(f"{name}.mrr.{method}") for name in names]
        heights = [0.0 if r is None or r.value is None else r.value for r in values]
        axes.bar(x + (i - 0.5) * 0.35, heights, 0.33, color=color, label=label)
    axes.plot(x + 0.175, [PAPER[name]["mrr"] for name in names], "k_", markersize=22,
              label="thesis's figure")  # fmt: skip
    axes.set_xticks(x, [{"fb15k237": "FB15k-237"}.get(name, name.upper()) for name in names])
    charts.style(axes, "", "filtered MRR", "Link prediction, test triples", grid="y")
    axes.legend(frameon=False, fontsize=9)
    charts.save(figure, path)
