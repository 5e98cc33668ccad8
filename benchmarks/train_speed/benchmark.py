"""Speed, quality and memory of training, compared with gensim and others.

Every run is a separate process. In a round each trainer runs once, and ratios are taken within
rounds, so that other load on the machine affects both sides. Words are counted as they are in the
text, before subsampling. The time is that of training, with the vocabulary built before: for ours
it includes encoding the text; gensim reads the text while it trains (`gensim`: corpus_file) or has
it in memory as lists (`gensim-lists`: one epoch, as its rate does not depend on it).
`ratio.gensim.1` is relative to the faster of these two in each round. `fit` is all that a model
takes: vocabulary, encoding, training and, for ours, the map of `learn_map`; `ratio.gensim.fit.1`
compares it with gensim's build_vocab and train.

A second block trains one epoch without subsampling, compared with gensim's faster way and, if you
have built them, koan and word2vec.c. These build their vocabulary within the measured time, which
includes reading and writing; `ratio.koan.1.with_vocabulary` includes that for ours too, encoding
and counting, while `ratio.koan.1` does not.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import charts
from benchmarks.common import (
    QUICK_DOCUMENTS,
    Result,
    Table,
    at_least_one,
    number,
    over_runs,
    pairs,
    parser,
    report,
)
from benchmarks.material import QUALITY, known, missing_quality, plain_text
from benchmarks.runs import Measured, apart, external, rounds
from benchmarks.train_speed import machine_limits, peers
from benchmarks.train_speed.trainers import (
    SETTINGS,
    fit_rate,
    overall_rate,
    rate,
    training_rate,
)

EPOCHS = 5
NOSUB_RUNS = 3

Runs = dict[str, list[Measured]]

TRAINERS = "benchmarks.train_speed.trainers"


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    missing_quality()
    with tempfile.TemporaryDirectory(prefix="train-speed-") as folder:
        text = Path(folder) / "corpus.txt"
        corpus = plain_text(args.corpus, text, QUICK_DOCUMENTS if args.quick else None)
        subsampled = rounds(args.seeds, _plan(args, str(text)))
        once = rounds(1, _memory_plan(str(text)))
        nosub = {}
        if args.nosub_runs:
            lists = median(_rates(subsampled, "gensim-lists.1")) > median(
                _rates(subsampled, "gensim.1")
            )
            nosub = rounds(args.nosub_runs, _nosub_plan(args, text, corpus["tokens"], lists))
    results = _results(subsampled, args.epochs)
    results += _memory(subsampled, once) + _nosub_results(nosub)
    protocol = {
        **SETTINGS, "epochs": args.epochs, "seeds": args.seeds, "quick": args.quick,
        "nosub": {"sample": 0, "epochs": 1, "runs": args.nosub_runs},
        "external": {name: peers.PROGRAMS[name] for name in peers.PROGRAMS if getattr(args, name)},
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    report(
        "train_speed", protocol, corpus, results, args.json,
        tables=_tables(by_name), notes=[machine_limits.NOTE],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument("--epochs", type=at_least_one, default=EPOCHS, help="passes over the text (5)")
    p.add_argument(
        "--workers",
        type=at_least_one,
        nargs="*",
        default=[2],
        help="numbers of workers of additional runs (default 2)",
    )
    p.add_argument(
        "--nosub-runs", type=int, choices=range(100), default=NOSUB_RUNS, metavar="N",
        help="runs without subsampling (default 3); 0 skips them",
    )  # fmt: skip
    peers.add_arguments(p)
    args: argparse.Namespace = p.parse_args(argv)
    peers.check(p, args)
    if any(getattr(args, name) for name in peers.PROGRAMS) and not args.nosub_runs:
        p.error("other programs are measured only without subsampling, so not with --nosub-runs 0")
    args.workers = sorted({n for n in args.workers if n > 1})
    return args


# Runs


def _plan(args: argparse.Namespace, text: str) -> dict[str, Callable[[int], Measured]]:
    def trainer(function: str, workers: int = 1, **more: Any) -> Callable[[int], Measured]:
        task = {
            "text": text, "settings": SETTINGS, "epochs": args.epochs, "workers": workers,
            "quality": True, **more,
        }  # fmt: skip
        return lambda seed: apart(f"{TRAINERS}:{function}", {**task, "seed": seed})

    plan = {
        "ours.1": trainer("ours", limits=True),
        "gensim.1": trainer("gensim"),
        "gensim-lists.1": trainer("gensim", lists=True, epochs=1, quality=False),
    }
    for n in args.workers:
        plan[f"ours.{n}"] = trainer("ours", n)
        plan[f"ours-deterministic.{n}"] = trainer("ours", n, deterministic=True)
    # in separate runs, as measuring the machine takes memory too
    plan["memory"] = trainer("ours", epochs=1, quality=False)
    return plan


def _memory_plan(text: str) -> dict[str, Callable[[int], Measured]]:
    task = {"text": text, "settings": SETTINGS, "epochs": 1, "workers": 1, "vocabulary_only": True}

    def vocabulary(function: str) -> Callable[[int], Measured]:
        return lambda seed: apart(f"{TRAINERS}:{function}", {**task, "seed": seed})

    return {name: vocabulary(name) for name in ("ours", "gensim")}


def _nosub_plan(
    args: argparse.Namespace, text: Path, words: int, lists: bool
) -> dict[str, Callable[[int], Measured]]:
    task = {"text": str(text), "settings": {**SETTINGS, "sample": 0}, "epochs": 1}

    def trainer(function: str, **more: Any) -> Callable[[int], Measured]:
        return lambda seed: apart(f"{TRAINERS}:{function}", {**task, **more, "seed": seed})

    def program(name: str, threads: int) -> Callable[[int], Measured]:
        command = peers.command(name, getattr(args, name), text, threads)
        return lambda _: {"words": words, "epochs": 1, "train_s": external(command)}

    plan = {"ours.1": trainer("ours", workers=1)}
    plan["gensim-lists.1" if lists else "gensim.1"] = trainer("gensim", workers=1, lists=lists)
    plan |= {f"ours.{n}": trainer("ours", workers=n) for n in args.workers}
    for name in peers.PROGRAMS:
        if getattr(args, name) is not None:
            plan |= {f"{name}.{n}": program(name, n) for n in (1, *args.workers)}
    return plan


# Results


def _rates(runs: Runs, name: str) -> list[float]:
    return [rate(run) for run in runs[name]]


def _results(runs: Runs, epochs: int) -> list[Result]:
    ours, file, lists = (runs[name] for name in ("ours.1", "gensim.1", "gensim-lists.1"))
    faster = [max(rate(a), rate(b)) for a, b in zip(file, lists, strict=True)]
    overall = [
        max(overall_rate(a, epochs), overall_rate(b, epochs))
        for a, b in zip(file, lists, strict=True)
    ]
    with_vocabulary = pairs([overall_rate(run, epochs) for run in ours], overall)

    def fit_rates(name: str) -> list[float]:
        return [fit_rate(run, epochs) for run in runs[name]]

    def middle(name: str, values: list[float], unit: str = "times") -> Result:
        return over_runs(name, values, unit, middle=True)

    results = [
        middle("ratio.gensim.fit.1", pairs(fit_rates("ours.1"), overall)),
        middle("ratio.gensim.1", pairs([rate(run) for run in ours], faster)),
        middle("ratio.gensim.1.with_vocabulary", with_vocabulary),
    ]
    trainers = [name for name in runs if name != "memory"]
    results += [middle(f"words_per_s.{name}", _rates(runs, name), "words/s") for name in trainers]
    results += [
        middle(f"training.words_per_s.{name}", [training_rate(r) for r in runs[name]], "words/s")
        for name in trainers
        if name.startswith("ours")
    ]
    results += [middle(f"fit.words_per_s.{name}", fit_rates(name), "words/s") for name in trainers]
    results += [
        middle(
            f"map.share.{name}", [run["map_s"] / run["training_s"] for run in runs[name]], "share"
        )
        for name in trainers
        if name.startswith("ours")
    ]
    for name in trainers:
        kind, _, n = name.partition(".")
        if kind == "ours" and n != "1":
            whole = pairs(fit_rates(name), fit_rates("ours.1"))
            results.append(middle(f"scaling.{n}.fit", whole))
            results.append(
                middle(f"scaling.{n}", pairs(_rates(runs, name), _rates(runs, "ours.1")))
            )
            alone = pairs(*([training_rate(r) for r in runs[x]] for x in (name, "ours.1")))
            results.append(middle(f"scaling.{n}.training", alone))
        elif kind == "ours-deterministic":
            free = _rates(runs, f"ours.{n}")
            results.append(middle(f"deterministic.{n}", pairs(_rates(runs, name), free)))
    for measure in QUALITY:
        for name in trainers:
            if values := known(run.get(measure) for run in runs[name]):
                label = f"{measure}.{name.removesuffix('.1')}"
                results.append(over_runs(label, values, "share"))
    return results + machine_limits.results(ours)


def _memory(runs: Runs, once: Runs) -> list[Result]:
    def column(name: str) -> list[float]:
        return [run["peak_mb"] for run in runs[name]]

    return [
        over_runs("memory.fit.ours", [run["fit_peak_mb"] for run in runs["memory"]], "MB"),
        over_runs("memory.train.ours", column("memory"), "MB"),
        Result("memory.train.ours.allowed", runs["memory"][0]["allowed_mb"], "MB"),
        over_runs("memory.train.gensim", column("gensim.1"), "MB"),
        Result("memory.vocabulary.ours", once["ours"][0]["peak_mb"], "MB"),
        Result("memory.vocabulary.gensim", once["gensim"][0]["peak_mb"], "MB"),
    ]


def _nosub_results(runs: Runs) -> list[Result]:
    results = [
        over_runs(f"nosub.words_per_s.{name}", _rates(runs, name), "words/s", middle=True)
        for name in runs
    ]
    for name in runs:
        kind, _, n = name.partition(".")
        if kind == "ours":
            if n != "1":
                scaling = pairs(_rates(runs, name), _rates(runs, "ours.1"))
                results.append(over_runs(f"nosub.scaling.{n}", scaling, "times", middle=True))
            continue
        ours, theirs = runs[f"ours.{n}"], _rates(runs, name)
        prefix = "nosub.ratio.gensim" if kind.startswith("gensim") else f"ratio.{kind}"
        ratio = pairs([rate(run) for run in ours], theirs)
        results.append(over_runs(f"{prefix}.{n}", ratio, "times", middle=True))
        if kind in peers.PROGRAMS:
            ratio = pairs([overall_rate(run, 1) for run in ours], theirs)
            label = f"{prefix}.{n}.with_vocabulary"
            results.append(over_runs(label, ratio, "times", middle=True))
    return results


def _tables(by_name: dict[str, Result]) -> list[Table]:
    tables = []
    for prefix, title in (
        ("fit.words_per_s.", "fit as a whole"),
        ("words_per_s.", "trainer"),
        ("nosub.words_per_s.", "no subsampling"),
    ):
        rows = []
        for name in (name for name in by_name if name.startswith(prefix)):
            trainer = name.removeprefix(prefix)
            label = trainer.removesuffix(".1")
            scores = [
                number(None if title != "trainer" else by_name.get(f"{measure}.{label}"))
                for measure in QUALITY
            ]
            rows.append([trainer, number(by_name[name], 1e-3, 0), *scores])
        tables.append(Table((title, "thousand words/s", *QUALITY), rows))
    return [table for table in tables if table.rows]


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Speed, and quality, of each trainer."""
    titles = {"words_per_s.": "Speed, sample 1e-4", "nosub.words_per_s.": "Speed, no subsampling"}
    shown = {
        title: [result for name, result in by_name.items() if name.startswith(prefix)]
        for prefix, title in titles.items()
    }
    shown = {title: rows for title, rows in shown.items() if rows}
    figure, panels = charts.figure(1, len(shown) + 1, (5 * len(shown) + 6, 4))
    for axes, (title, rows) in zip(panels, shown.items(), strict=False):
        names = [row.name.partition("words_per_s.")[2] for row in rows]
        labels, colors = map(charts.label, names), map(charts.color, names)
        charts.bars(axes, rows, list(labels), list(colors), scale=1e-3)
        charts.style(axes, "thousand words/s", "", title, grid="x")
    trainers = [
        row.name.removeprefix("words_per_s.")
        for row in shown[titles["words_per_s."]]
        if "lists" not in row.name  # their quality is the same
    ]
    scores = {
        trainer: [by_name.get(f"{measure}.{trainer.removesuffix('.1')}") for measure in QUALITY]
        for trainer in trainers
    }
    names_of = {
        "analogies": "analo-\ngies", "ws353": "WordSim\n353", "simlex": "SimLex\n999", "men": "MEN",
    }  # fmt: skip
    charts.groups(panels[-1], [names_of[measure] for measure in QUALITY], scores)
    charts.style(panels[-1], "", "accuracy, Spearman's correlation", "Quality", grid="y")
    charts.outside_legend(figure, panels[-1])
    charts.save(figure, path)
