"""Counting and encoding plain text: words per second and peak memory, compared with gensim.

`count.N` counts the words of a file with N workers, `encode.N` writes their ids to a folder.
Counting is compared with gensim's build_vocab, from the same file (`corpus_file`), and both count
lists of words in memory too; gensim's vectors have size 1 here, as the same call allocates them.
Every run is a separate process, and compiled code is loaded before the clock starts; `load.s` is
the time that this takes. Memory is measured in separate runs: the peak of the process, or of the
proportional memory of the process and its workers together, whichever is larger; encoding counts
first, in the same process.

`--types N` also writes a text of N different words, each of which occurs once, between frequent
words, to a temporary folder (about 14 bytes per type), and counts it within `--memory`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

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
)  # fmt: skip
from benchmarks.material import plain_text
from benchmarks.runs import Measured, Task, apart, peak_mb, rounds

MIN_COUNT = 5
MEMORY = 1 << 30
FREQUENT = 10_000  # frequent words of the synthetic text


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    with tempfile.TemporaryDirectory(prefix="corpus-speed-") as name:
        folder = Path(name)
        text = folder / "corpus.txt"
        corpus = plain_text(args.corpus, text, QUICK_DOCUMENTS if args.quick else None)
        plan = _plan(sorted({1, args.workers}), str(text))
        runs = rounds(args.seeds, plan)
        memory = rounds(1, _plan(sorted({1, args.workers}), str(text), watch=True))
        types: Measured = {}
        if args.types:
            synthetic = folder / "types.txt"
            tokens = many_types(synthetic, args.types)
            task = {"text": str(synthetic), "workers": args.workers, "memory": args.memory}
            types = apart("benchmarks.corpus_speed:run_count", task, watch=True)
            if types["words"] != tokens or types["kept"] > FREQUENT:
                raise AssertionError(f"not all of {tokens} words were counted correctly: {types}")
    results = _results(runs, memory, types)
    protocol = {
        "min_count": MIN_COUNT, "workers": [1, args.workers], "runs": args.seeds,
        "quick": args.quick, "types": args.types, "memory": args.memory,
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    report(
        "corpus_speed", protocol, corpus, results, args.json, tables=[_table(runs, by_name)],
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
    p.add_argument(
        "--types", type=int, default=0, metavar="N",
        help="also count a synthetic text of N different words, for example 50_000_000",
    )  # fmt: skip
    p.add_argument(
        "--memory", type=int, default=MEMORY, metavar="BYTES", help="memory for that (1 GiB)"
    )
    args: argparse.Namespace = p.parse_args(argv)
    return args


def _plan(
    workers: list[int], text: str, *, watch: bool = False
) -> dict[str, Callable[[int], Measured]]:
    def run(function: str, **task: Any) -> Callable[[int], Measured]:
        task = {"text": text, **task}
        return lambda _: apart(f"benchmarks.corpus_speed:{function}", task, watch=watch)

    return {
        **{f"count.{n}": run("run_count", workers=n) for n in workers},
        "count.gensim": run("run_gensim"),
        "count.lists": run("run_count", workers=1, lists=True),
        "count.lists.gensim": run("run_gensim", lists=True),
        **{f"encode.{n}": run("run_encode", workers=n) for n in workers},
    }


def many_types(path: Path, n: int) -> int:
    """Write a text of `n` different rare words between as many frequent ones; return its length."""
    from tqdm import tqdm

    step = 1_000_000
    rng = np.random.default_rng(1)
    with (
        open(path, "w", encoding="utf-8") as file,
        tqdm(total=n, desc="writing", unit=" types", unit_scale=True) as bar,
    ):
        for start in range(0, n, step):
            rare = np.arange(start, min(start + step, n))
            common = rng.integers(0, FREQUENT, len(rare))
            words = [f"t{r:x} f{c}" for r, c in zip(rare.tolist(), common.tolist(), strict=True)]
            file.writelines(" ".join(words[i : i + 500]) + "\n" for i in range(0, len(words), 500))
            bar.update(len(rare))
    return 2 * n


# One run, in a separate process


def _documents(task: Task) -> Any:
    import corpora

    corpus = corpora.open(Path(task["text"]))
    return corpora.open(list(corpus)) if task.get("lists") else corpus


def run_count(task: Task) -> Measured:
    """Count with corpora, within "memory" bytes."""
    from corpora.counting import count
    from corpora.counting import word_table as wordtable

    documents = _documents(task)
    start = time.perf_counter()
    wordtable.load()
    loaded = time.perf_counter()
    counts = count(
        documents,
        workers=task["workers"],
        min_count=MIN_COUNT,
        memory=task.get("memory", MEMORY),
    )
    return {
        "words": counts.tokens, "seconds": time.perf_counter() - loaded, "peak_mb": peak_mb(),
        "kept": len(counts.words), "load_s": loaded - start,
    }  # fmt: skip


def run_encode(task: Task) -> Measured:
    """Encode with corpora; the vocabulary is counted before."""
    from corpora.counting import count
    from corpora.encoding import TokenStream

    documents = _documents(task)
    words = count(documents, workers=task["workers"], min_count=MIN_COUNT).words
    index = {word: i for i, word in enumerate(words)}
    start = time.perf_counter()
    stream = TokenStream.encode(documents, index, workers=task["workers"])
    seconds = time.perf_counter() - start
    return {"words": stream.n_raw, "seconds": seconds, "peak_mb": peak_mb()}


def run_gensim(task: Task) -> Measured:
    """Build gensim's vocabulary."""
    from gensim.models import Word2Vec

    model = Word2Vec(vector_size=1, min_count=MIN_COUNT)
    source: dict[str, Any] = {"corpus_file": task["text"]}
    if task.get("lists"):
        source = {"corpus_iterable": list(_documents({"text": task["text"]}))}
    start = time.perf_counter()
    model.build_vocab(**source)
    seconds = time.perf_counter() - start
    return {"words": model.corpus_total_words, "seconds": seconds, "peak_mb": peak_mb()}


# Results


def _results(
    runs: dict[str, list[Measured]], memory: dict[str, list[Measured]], types: Measured
) -> list[Result]:
    rates = {name: [run["words"] / run["seconds"] for run in runs[name]] for name in runs}
    results = [
        over_runs(f"words_per_s.{name}", values, "words/s", middle=True)
        for name, values in rates.items()
    ]

    def ratio(name: str, over: str, under: str) -> Result:
        return over_runs(name, pairs(rates[over], rates[under]), "times", middle=True)

    results += [
        ratio("count.ratio.gensim", "count.1", "count.gensim"),
        ratio("count.lists.ratio.gensim", "count.lists", "count.lists.gensim"),
    ]
    for name in rates:
        kind, _, n = name.partition(".")
        if n.isdigit() and n != "1":
            results.append(ratio(f"{kind}.scaling.{n}", name, f"{kind}.1"))
            if kind == "count":
                results.append(ratio(f"count.ratio.gensim.{n}", name, "count.gensim"))
    loads = [run["load_s"] for run in runs["count.1"]]
    results.append(over_runs("load.s", loads, "s", middle=True))
    for name, repeats in memory.items():
        results.append(Result(f"memory.{name}", _peak(repeats[0]), "MB"))
    if types:
        results += [
            Result("types.seconds", types["seconds"], "s"),
            Result("types.words_per_s", types["words"] / types["seconds"], "words/s"),
            Result("types.kept", types["kept"], "types"),
            Result("types.memory", _peak(types), "MB"),
        ]
    return results


def _peak(run: Measured) -> float:
    # for a single process, the system reports it exactly
    return float(max(run["peak_mb"], run["tree_mb"] or 0))


def _table(runs: dict[str, list[Measured]], by_name: dict[str, Result]) -> Table:
    rows = [
        [
            name,
            number(by_name[f"words_per_s.{name}"], 1e-3, 0),
            number(by_name[f"memory.{name}"], 1, 0),
        ]
        for name in runs
    ]
    return Table(("run", "thousand words/s", "peak MB"), rows)


def _label(name: str) -> str:
    parts = name.split(".")
    text = {"count": "count", "encode": "encode"}[parts[0]]
    if "lists" in parts:
        text += " lists in memory"
    if "gensim" in parts:
        return f"{text}, gensim"
    workers = parts[-1] if parts[-1].isdigit() else "1"
    return f"{text}, {workers} worker" + ("" if workers == "1" else "s")


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Speed and memory of reading."""
    names = [name.removeprefix("memory.") for name in by_name if name.startswith("memory.")]
    colors = [
        charts.ORANGE if "gensim" in name else charts.GREEN if "encode" in name else charts.BLUE
        for name in names
    ]
    figure, panels = charts.figure(1, 2, (12, 0.45 * len(names) + 1.4))
    for axes, prefix, x, title in (
        (panels[0], "words_per_s.", "million words/s", "Speed"),
        (panels[1], "memory.", "peak memory (MB)", "Memory"),
    ):
        rows = [by_name[prefix + name] for name in names]
        scale = 1e-6 if title == "Speed" else 1
        charts.bars(axes, rows, [_label(name) for name in names], colors, scale=scale)
        charts.style(axes, x, "", title, grid="x")
    panels[1].set_yticklabels([])
    charts.save(figure, path)


if __name__ == "__main__":
    main()
