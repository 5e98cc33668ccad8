"""Embeddings of known words: word2vec's, the thesis's, and those of a learned map.

All from the same weights, trained with the defaults:

- word2vec: rows of W1
- conec: global context vectors times W1, as in the thesis; "conec_own" with the word itself
  among its context words
- subsampled: the same with the weights that context words have in training
- half: word2vec and subsampled in equal parts
- map: `ContextEncoder.learn_map`, the model's default

on analogies (Google's, 3CosAdd among the 30,000 most frequent words) and word similarities.
Questions and pairs are divided into halves by a hash of their words: parameters were chosen on the
first half ("validation."); all other figures are measured on the second half.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

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

KINDS = ("word2vec", "conec", "conec_own", "subsampled", "half", "map")
SIMILARITIES = {"ws353": "wordsim353", "simlex": "simlex999", "men": "men", "rw": "rw"}
TASKS = ("analogies", "semantic", "syntactic", *SIMILARITIES)
JUDGED = ("analogies", *SIMILARITIES)
HALVES = ("validation", "test")
SMOOTHING = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    from conec.config import Config

    args = _arguments(argv)
    require("questions-words", *SIMILARITIES.values())
    runs: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="known-words-") as name:
        folder = Path(name)
        documents = QUICK_DOCUMENTS if args.quick else None
        corpus = plain_text(args.corpus, folder / "corpus.txt", documents)
        encoded(folder / "corpus.txt", folder, Config().min_count)
        for seed in tqdm(range(1, args.seeds + 1), desc="seeds", unit="seed"):
            task = {"folder": name, "seed": seed, "workers": args.workers}
            runs.append(apart("benchmarks.known_words:run", task))
    results = [
        over_runs(name, [run[name] for run in runs], "points" if ".gain" in name else "%")
        for name in runs[0]
        if all(math.isfinite(run[name]) for run in runs)
    ]
    by_name = {result.name: result for result in results}
    protocol = {
        **Config().to_dict(), "workers": args.workers, "seeds": args.seeds, "quick": args.quick,
        "score": "accuracy, Spearman's correlation times 100",
    }  # fmt: skip
    report(
        "known_words", protocol, corpus, results, args.json, tables=_tables(by_name),
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument("--workers", type=at_least_one, default=2, help="number of threads (default 2)")
    args: argparse.Namespace = p.parse_args(argv)
    return args


def run(task: Task) -> Measured:
    """One seed: all scores, on both halves."""
    from conec import ContextEncoder
    from conec.contexts.mapping import MapConfig
    from conec.linalg import normalize

    words, stream = load(task["folder"])
    model = ContextEncoder(seed=task["seed"], workers=task["workers"])
    model.build_vocab_from_freq(words).train(stream, learn_map=False)
    figures: Measured = {}
    best: dict[str, float] = {}

    def measure(kind: str, vectors: Any) -> None:
        for half in HALVES:
            prefix = "validation." if half == "validation" else ""
            for name, score in scores(vectors, half).items():
                figures[f"{prefix}{name}.{kind}"] = score
                key = f"{prefix}{name}"
                if kind in ("word2vec", "conec", "conec_own"):
                    best[key] = max(score, best.get(key, -math.inf))
                elif kind == "map":
                    figures[f"{key}.gain"] = score - best[key]
                elif kind.startswith("smoothing"):
                    figures[f"{key}.gain.{kind}"] = score - best[key]

    measure("word2vec", model.wv)
    for kind, more in (
        ("conec", {}),
        ("conec_own", {"diagonal": 1.0}),
        ("subsampled", {"weighting": "subsampled"}),
    ):
        measure(kind, model.build_contexts(stream, normalize="none", **more).wv_context)
    assert model.context_embeddings is not None
    model.context_embeddings = normalize(model.context_embeddings) + model.wv.get_normed_vectors()
    model.weights_changed()
    measure("half", model.wv_context)
    measure("map", model.learn_map(stream).wv_context)
    for amount in SMOOTHING:
        settings = MapConfig(near=model.config.window, smoothing=amount)
        measure(f"smoothing{amount:g}", model.learn_map(stream, settings).wv_context)
    return figures


def half_of(words: Sequence[str]) -> str:
    """The half that a question or a pair belongs to."""
    return HALVES[crc32(" ".join(words).lower().encode()) % 2]


def scores(vectors: Any, half: str) -> dict[str, float]:
    """Accuracy on analogies, and Spearman's correlations, in percent; NaN if not available."""
    from conec.evaluation import analogies, word_similarity
    from corpora import datasets

    questions = {
        section: [q for q in asked if half_of(q) == half]
        for section, asked in datasets.load("questions-words").items()
    }
    answered = analogies(vectors, questions)
    by_task = {
        "analogies": answered.accuracy,
        "semantic": answered.semantic,
        "syntactic": answered.syntactic,
    }
    for name, dataset in SIMILARITIES.items():
        pairs = [pair for pair in datasets.load(dataset) if half_of(pair[:2]) == half]
        by_task[name] = word_similarity(vectors, pairs).spearman
    return {name: 100 * value for name, value in by_task.items()}


def _tables(by_name: dict[str, Result]) -> list[Table]:
    tables = []
    for prefix in ("", "validation."):
        rows = []
        for task in TASKS:
            row = [number(by_name.get(f"{prefix}{task}.{kind}"), digits=1) for kind in KINDS]
            gain = number(by_name.get(f"{prefix}{task}.gain"), digits=1)
            rows.append((f"{prefix}{task}", *row, gain))
        tables.append(Table(("task", *KINDS, "over the better"), rows))
    return tables


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Scores of known words, and gains of the map by the amount of smoothing."""
    labels = {"analogies": "analogies", "ws353": "WordSim-353", "simlex": "SimLex-999",
              "men": "MEN", "rw": "Rare Words"}  # fmt: skip
    figure, (left, right) = charts.figure(1, 2, (13, 4.2))
    names = [task for task in JUDGED if f"{task}.map" in by_name]
    kinds = {
        "word2vec": ("word2vec", charts.ORANGE), "conec_own": ("ConEc", charts.LIGHT_GREY),
        "map": ("map of contexts", charts.BLUE),
    }  # fmt: skip
    for i, (kind, (label, color)) in enumerate(kinds.items()):
        rows = [by_name[f"{name}.{kind}"] for name in names]
        left.bar(
            [x + (i - 1) * 0.27 for x in range(len(names))],
            [row.value for row in rows], 0.25, yerr=[row.sd or 0 for row in rows],
            color=color, label=label, error_kw=charts.ERROR,
        )  # fmt: skip
    left.set_xticks(range(len(names)), [labels.get(name, name) for name in names])
    left.legend(frameon=False, fontsize=9, loc="upper center", ncols=3)
    left.set_ylim(
        top=1.2 * max(by_name[f"{name}.{kind}"].value for name in names for kind in kinds)
    )
    charts.style(
        left, "", "accuracy in %, or Spearman's correlation × 100",
        "The map of contexts is best for known words, too",
    )  # fmt: skip
    colors = (charts.BLUE, charts.ORANGE, charts.GREEN, charts.RED, charts.PURPLE)
    for name, color in zip(names, colors, strict=False):
        gains = [by_name[f"validation.{name}.gain.smoothing{s:g}"].value for s in SMOOTHING]
        right.plot(
            SMOOTHING, gains, marker="o", markersize=4, color=color, label=labels.get(name, name)
        )
    right.axhline(0, color=charts.DARK, linewidth=0.8)
    charts.style(
        right, "smoothing: weight of the prediction", "points above the better of the others",
        "More prediction helps analogies most (validation)",
    )  # fmt: skip
    charts.label_lines(right)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
