"""Analogies by category, word2vec and ConEc from the same weights: thesis, Table 7.1.

Trained with the preset `conec.presets.thesis_analogies`, whose context vectors include the word
itself; "conec_others" are context vectors without it. Questions are Google's, answered by 3CosAdd
among the 30,000 most frequent words. The semantic part consists of the five categories from
capital-common-countries to family.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

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
)
from benchmarks.material import encoded, load, plain_text, require
from benchmarks.runs import Measured, Task, apart

KINDS = ("word2vec", "conec", "conec_others")
SEMANTIC = ("capital-common-countries", "capital-world", "currency", "city-in-state", "family")
# Table 7.1, text8: word2vec and Context Encoder
THESIS = {
    "capital-common-countries": (63.8, 78.7),
    "capital-world": (34.0, 54.7),
    "currency": (15.4, 19.3),
    "city-in-state": (28.6, 43.6),
    "family": (79.6, 77.2),
    "gram1-adjective-to-adverb": (11.0, 16.6),
    "gram2-opposite": (24.3, 24.3),
    "gram3-comparative": (64.3, 63.0),
    "gram4-superlative": (40.3, 37.6),
    "gram5-present-participle": (30.5, 31.7),
    "gram6-nationality-adjective": (70.6, 67.2),
    "gram7-past-tense": (30.5, 33.0),
    "gram8-plural": (49.8, 49.2),
    "gram9-plural-verbs": (41.0, 30.1),
    "total": (42.1, 46.5),
}


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    from conec.presets import thesis_analogies

    args = _arguments(argv)
    require("questions-words")
    runs: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="analogies-") as name:
        folder = Path(name)
        documents = QUICK_DOCUMENTS if args.quick else None
        corpus = plain_text(args.corpus, folder / "corpus.txt", documents)
        encoded(folder / "corpus.txt", folder, thesis_analogies.parameters["min_count"])
        for seed in tqdm(range(1, args.seeds + 1), desc="seeds", unit="seed"):
            task = {
                "folder": name, "seed": seed, "workers": args.workers, "epochs": args.epochs
            }  # fmt: skip
            runs.append(apart("benchmarks.analogies:run", task))
    results = _results(runs)
    by_name = {result.name: result for result in results}
    protocol = {
        **thesis_analogies.parameters, "rates": f"0.025 to 0.01 in each of {args.epochs} epochs",
        "workers": args.workers, "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    names = [name for name in (*THESIS, "semantic", "syntactic") if f"{name}.word2vec" in by_name]
    report(
        "analogies", protocol, corpus, results, args.json, tables=[_table(by_name, names)],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument("--workers", type=at_least_one, default=2, help="number of threads (default 2)")
    p.add_argument(
        "--epochs", type=at_least_one, default=10, help="passes over the text (default 10)"
    )
    args: argparse.Namespace = p.parse_args(argv)
    return args


def run(task: Task) -> Measured:
    """One seed: numbers of correct answers and of questions, by category and kind of vectors."""
    from dataclasses import replace

    from conec.evaluation import analogies
    from conec.presets import thesis_analogies
    from corpora import datasets

    words, stream = load(task["folder"])
    preset = replace(thesis_analogies, rates=thesis_analogies.rates[:1] * task["epochs"])
    model = preset.fit_stream(words, stream, seed=task["seed"], workers=task["workers"])
    questions = datasets.load("questions-words")
    scores: dict[str, Any] = {
        "word2vec": analogies(model.wv, questions).sections,
        "conec": analogies(model.wv_context, questions).sections,
    }
    model.build_contexts(stream, **{**preset.contexts, "diagonal": 0.0})
    scores["conec_others"] = analogies(model.wv_context, questions).sections
    return scores


def _results(runs: list[Measured]) -> list[Result]:
    results = []
    for place, kind in enumerate(KINDS):
        by_name: dict[str, list[float]] = {}
        for measured in runs:
            sections = {name: counts for name, counts in measured[kind].items() if counts[1]}
            groups = {
                "total": list(sections),
                "semantic": [name for name in sections if name in SEMANTIC],
                "syntactic": [name for name in sections if name not in SEMANTIC],
            }
            for name, members in {**{s: [s] for s in sections}, **groups}.items():
                right, asked = (sum(sections[s][i] for s in members) for i in range(2))
                if asked:
                    by_name.setdefault(name, []).append(100 * right / asked)
        for name, values in by_name.items():
            known = name in THESIS and place < 2
            results.append(
                over_runs(
                    f"{name}.{kind}", values, "%",
                    reference=THESIS[name][place] if known else None,
                    source="thesis, text8" if known else None,
                )
            )  # fmt: skip
    return results


def _table(by_name: dict[str, Result], names: list[str]) -> Table:
    rows = []
    for name in names:
        thesis = [f"{value:g}" for value in THESIS[name]] if name in THESIS else ["", ""]
        row = [number(by_name.get(f"{name}.{kind}"), digits=1) for kind in KINDS]
        rows.append((name, *row, *thesis))
    return Table(("category", *KINDS, "thesis word2vec", "thesis ConEc"), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Bars of both kinds of vectors, by category."""
    names = [name.removesuffix(".conec") for name in by_name if name.endswith(".conec")]
    figure, (axes,) = charts.figure(1, 1, (8, 0.42 * len(names) + 1.2))
    for i, (kind, color) in enumerate((("word2vec", charts.ORANGE), ("conec", charts.BLUE))):
        rows = [by_name[f"{name}.{kind}"] for name in names]
        axes.barh(
            [y + (i - 0.5) * 0.38 for y in range(len(names))],
            [row.value for row in rows], 0.36, xerr=[row.sd or 0 for row in rows],
            color=color, label={"conec": "ConEc"}.get(kind, kind), error_kw=charts.ERROR,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), [name.replace("-", " ") for name in names])
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=9)
    charts.style(
        axes, "correct answers, %", "", "Contexts answer most kinds of analogies better", grid="x"
    )
    charts.save(figure, path)


if __name__ == "__main__":
    main()
