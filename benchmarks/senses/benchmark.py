"""Word senses in context, on two corpora.

A model is trained with the defaults, and senses are induced from the same text. Rows:

- wv, conec: one vector per word: the rows of W1, and the embeddings of global contexts
- mapped: also one vector, by `learn_map`; word: the rows of W1 less their mean
- avgsim, avgsimc, maxsimc: similarities over senses: their mean, their mean weighted by how well
  the senses fit the contexts, and that of the two best-fitting senses
- in_context: the word's vector mixed with its mapped local context; in_sense: that of its sense

SCWS is Spearman's correlation times 100; pairs with a word without a vector count as 0, unless it
gets one from its context; "known" leaves such pairs out. Mixing weights are chosen on the half
"dev" (by a hash of the id), as were the defaults of `conec.senses.SenseSettings` (the threshold
also on pseudo-words and on SemEval-2013 task 13); "test" is the other half. WiC is the accuracy of
a threshold of the cosine, learned on train; the weight is chosen on dev. SemEval-2010 task 14:
"corpus" assigns the senses of the training text, "contexts" clusters those of the task; "one",
"instances" and "random" (of four) are baselines. Analogies, by 3CosAdd among the 30,000 most
frequent words: a word's sense is the one nearest to the mean of the category's other words;
"by_role", of those on the same side of the pairs.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import charts
from benchmarks.analogies import SEMANTIC
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
from benchmarks.runs import Measured, Task, apart, rounds
from benchmarks.senses import data as sense_data

QUICK_STEP = 10  # with --quick, one in this many questions of SCWS, WiC and SemEval
MORE = ("enwiki2019_featured", "enwiki2019_good_sample")  # Wikipedia, in addition to the corpus
SCWS = ("wv", "conec", "mapped", "word", "avgsim", "avgsimc", "maxsimc", "in_context", "in_sense")
PARTS = ("test", "all", "test_known", "all_known")
INDUCTION = ("corpus", "contexts", "one", "instances", "random")
ANALOGIES = (
    "wv", "contexts", "contexts_by_sense", "contexts_by_role", "word_and_contexts",
    "word_and_contexts_by_sense", "word_and_contexts_by_role",
)  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    args = _arguments(argv)
    require("scws", "wic", "semeval2010_task14", "questions-words")
    about = {}
    with tempfile.TemporaryDirectory(prefix="senses-") as name:
        corpora = ("base", *(["more"] if args.more else []))
        for corpus in corpora:
            folder = Path(name) / corpus
            folder.mkdir()
            about[corpus] = _text(args, folder / "corpus.txt", corpus == "more")
            encoded(folder / "corpus.txt", folder, 5)

        def once(corpus: str, seed: int) -> Measured:
            return apart("benchmarks.senses.benchmark:run", {
                "folder": str(Path(name) / corpus), "seed": seed, "workers": args.workers,
                "step": QUICK_STEP if args.quick else 1,
            })  # fmt: skip

        runs = rounds(args.seeds, {corpus: partial(once, corpus) for corpus in corpora})
    results = [result for corpus in runs for result in _results(corpus, runs[corpus])]
    by_name = {result.name: result for result in results}
    from dataclasses import asdict

    from conec.senses import SenseSettings

    protocol = {
        "workers": args.workers, "seeds": args.seeds, "quick": args.quick,
        "model": "defaults of ContextEncoder", "senses": asdict(SenseSettings()),
    }  # fmt: skip
    report(
        "senses", protocol, {"name": " and ".join(c["name"] for c in about.values()), **about},
        results, args.json, tables=[table for corpus in runs for table in _tables(by_name, corpus)],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument("--workers", type=at_least_one, default=2, help="number of threads (default 2)")
    p.add_argument(
        "--no-more", dest="more", action="store_false",
        help=f"skip the second run, with {' and '.join(MORE)} as well",
    )  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    args.more = args.more and not args.quick
    return args


def _text(args: argparse.Namespace, path: Path, more: bool) -> dict[str, Any]:
    """Write the corpus, or all three texts, by text8's rules."""
    from corpora import datasets

    about = plain_text(args.corpus, path, QUICK_DOCUMENTS if args.quick else None)
    if more:
        with open(path, "a", encoding="utf-8") as file:
            for name in MORE:
                for document in datasets.load(name, clean=["ascii", "wikifil"]):
                    file.write(" ".join(document) + "\n")
                    about["documents"] += 1
                    about["tokens"] += len(document)
        about["name"] = ", ".join([about["name"], *MORE])
    return about


def run(task: Task) -> Measured:
    """One seed: all scores."""
    import time

    from benchmarks.senses import tasks as sense_tasks
    from conec import ContextEncoder
    from corpora import datasets

    words, stream = load(task["folder"])
    model = ContextEncoder(seed=task["seed"], workers=task["workers"])
    model.build_vocab_from_freq(words).train(stream, learn_map=False)
    model.build_contexts(stream)
    start = time.perf_counter()
    model.build_senses(stream)
    seconds = time.perf_counter() - start
    inventory = model.sense_inventory
    assert inventory is not None
    numbers = inventory.starts[1:] - inventory.starts[:-1]
    step = slice(None, None, task["step"])
    judged = {part: sense_data.wic(part)[step] for part in ("train", "dev", "test")}
    return {
        "senses": {
            "seconds": seconds, "words": int((numbers > 0).sum()),
            "mean": float(numbers[numbers > 0].mean()),
            "one_share": 100 * float((numbers[numbers > 0] == 1).mean()),
        },
        "scws": sense_tasks.similarity(model, stream, sense_data.scws()[step]),
        "wic": sense_tasks.same_sense(model, judged),
        "semeval": sense_tasks.induction(model, sense_data.semeval()[step], task["seed"]),
        "analogies": sense_tasks.analogies_by_sense(
            model, stream, datasets.load("questions-words")
        ),
    }  # fmt: skip


def _results(corpus: str, runs: list[Measured]) -> list[Result]:
    results = []

    def add(name: str, values: list[float], unit: str) -> None:
        results.append(over_runs(f"{corpus}.{name}", values, unit))

    units = {"seconds": "s", "words": "words", "mean": "senses", "one_share": "%"}
    for name, unit in units.items():
        add(f"senses.{name}", [m["senses"][name] for m in runs], unit)
    for name in runs[0]["scws"]:
        unit = "" if name.startswith("share") else "rho x 100"
        add(f"scws.{name}", [m["scws"][name] for m in runs], unit)
    for part in PARTS:
        for kind in ("avgsimc", "in_context", "in_sense"):
            for base in SCWS[:4]:
                values = [m["scws"][f"{part}.{kind}"] - m["scws"][f"{part}.{base}"] for m in runs]
                add(f"scws.gain.{part}.{kind}.{base}", values, "points")
    for name in runs[0]["wic"]:
        add(f"wic.{name}", [m["wic"][name] for m in runs], "" if name == "share" else "%")
    for name in runs[0]["semeval"]:
        unit = "senses" if name.endswith("senses") else "%"
        add(f"semeval.{name}", [m["semeval"][name] for m in runs], unit)
    for kind in ANALOGIES:
        names = list(runs[0]["analogies"][kind])
        groups = {
            **{name: [name] for name in names}, "total": names,
            "semantic": [name for name in names if name in SEMANTIC],
            "syntactic": [name for name in names if name not in SEMANTIC],
        }  # fmt: skip
        for name, members in groups.items():
            values = []
            for measured in runs:
                right, asked = (
                    sum(measured["analogies"][kind][m][i] for m in members) for i in range(2)
                )
                if asked:
                    values.append(100 * right / asked)
            if len(values) == len(runs):
                add(f"analogies.{name}.{kind}", values, "%")
    return results


def _tables(by_name: dict[str, Result], corpus: str) -> list[Table]:
    def rows(names: Any, columns: Any, form: str) -> list[tuple[str, ...]]:
        cells = [
            (
                name,
                *(number(by_name.get(f"{corpus}.{form.format(name, c)}"), 1, 1) for c in columns),
            )
            for name in names
        ]
        return [row for row in cells if set(row[1:]) != {"-"}]

    categories = [
        name.removeprefix(f"{corpus}.analogies.").removesuffix(".wv")
        for name in by_name
        if name.startswith(f"{corpus}.analogies.") and name.endswith(".wv")
    ]
    return [
        Table((f"{corpus}: SCWS", *PARTS), rows(SCWS, PARTS, "scws.{1}.{0}")),
        Table(
            (f"{corpus}: WiC", "train", "dev", "test"),
            rows(("cosine", "sense_alone"), ("train", "dev", "test"), "wic.{1}.{0}"),
        ),
        Table(
            (f"{corpus}: SemEval-2010", "v", "f", "ari", "senses"),
            rows(INDUCTION, ("v", "f", "ari", "senses"), "semeval.{0}.{1}"),
        ),
        Table(
            (f"{corpus}: analogies", *ANALOGIES), rows(categories, ANALOGIES, "analogies.{0}.{1}")
        ),
    ]


def draw(by_name: dict[str, Result], path: Path) -> None:
    """SCWS by kind of embedding, and analogies with and without senses, on the largest text."""
    corpus = "more" if any(name.startswith("more.") for name in by_name) else "base"
    figure, (left, right) = charts.figure(1, 2, (13.5, 4))
    labels = {
        "wv": "one vector: word2vec", "conec": "one vector: ConEc",
        "mapped": "one vector: map of contexts", "word": "one vector: word2vec, centered",
        "avgsim": "mean over senses", "avgsimc": "mean over senses, weighted by context",
        "maxsimc": "the two senses that fit best", "in_context": "the word in its sentence",
        "in_sense": "the word in its sentence, by sense",
    }  # fmt: skip
    tones = [charts.ORANGE] * 4 + [charts.GREY] * 3 + [charts.BLUE] * 2
    rows = [by_name[f"{corpus}.scws.test.{kind}"] for kind in labels]
    charts.bars(left, rows, list(labels.values()), tones)
    charts.style(
        left, "Spearman's correlation × 100", "",
        "Similarity of words in sentences: the sentence helps (SCWS)", grid="x",
    )  # fmt: skip
    labels = {
        "wv": "word2vec",
        "contexts": "contexts",
        "contexts_by_sense": "contexts of the sense",
        "contexts_by_role": "contexts of the sense, by role",
        "word_and_contexts": "word and contexts",
        "word_and_contexts_by_sense": "word and contexts of the sense",
        "word_and_contexts_by_role": "word and contexts of the sense, by role",
    }
    tones = [charts.ORANGE] + [charts.GREY] * 3 + [charts.BLUE] * 3
    rows = [by_name[f"{corpus}.analogies.total.{kind}"] for kind in labels]
    charts.bars(right, rows, list(labels.values()), tones)
    charts.style(
        right, "correct answers, %", "", "Analogies: contexts help, senses do not", grid="x"
    )
    charts.save(figure, path)
