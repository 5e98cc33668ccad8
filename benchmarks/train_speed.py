"""Speed, quality and memory of training, beside gensim.

Every run is a process of its own, and runs of the trainers alternate, so that what
else the machine does falls on both. Words are counted as they stand in the text, before
subsampling. The time is that of ``train``: for ours it includes encoding the text, for
gensim reading it, each with the vocabulary built before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import Result, over_runs, parser, report

SIZE, WINDOW, NEGATIVE, MIN_COUNT, SAMPLE, EPOCHS = 200, 5, 13, 5, 1e-4, 5
QUALITY = {
    "analogies": "questions-words",
    "ws353": "wordsim353",
    "simlex": "simlex999",
    "men": "men",
}


def main() -> None:
    args = _arguments()
    if args.run:
        _run(args)
        return
    with tempfile.TemporaryDirectory(prefix="train-speed-") as folder:
        text = Path(folder) / "corpus.txt"
        corpus = _plain_text(args.corpus, text, 2000 if args.quick else None)
        _benchmark(args, text, corpus)


def _arguments() -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument(
        "--corpus",
        default="enwiki2015_text8like",
        help="name of a data set, or a text file with a document a line",
    )
    p.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the text (5)")
    p.add_argument("--workers", type=int, nargs="*", default=[2], help="more workers to try (2)")
    p.add_argument("--run", help=argparse.SUPPRESS)
    p.add_argument("--text", type=Path, help=argparse.SUPPRESS)
    p.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    p.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    return p.parse_args()


def _plain_text(name: str, path: Path, limit: int | None) -> dict[str, Any]:
    """Unpack the corpus into a plain file, which both trainers read."""
    import corpora
    from corpora import datasets

    source = corpora.open(name) if Path(name).exists() else datasets.load(name)
    documents = tokens = 0
    with open(path, "w", encoding="utf-8") as file:
        for document in source:
            file.write(" ".join(document) + "\n")
            documents += 1
            tokens += len(document)
            if documents == limit:
                break
    return {"name": name, "documents": documents, "tokens": tokens}


def _benchmark(args: argparse.Namespace, text: Path, corpus: dict[str, Any]) -> None:
    from tqdm import tqdm

    seeds = range(1, args.seeds + 1)
    plan = [(kind, seed, 1) for seed in seeds for kind in ("ours", "gensim")]
    plan += [("ours", seed, n) for n in args.workers if n > 1 for seed in seeds]
    plan += [("vocabulary-ours", 1, 1), ("vocabulary-gensim", 1, 1), ("gensim-lists", 1, 1)]
    runs: dict[tuple[str, int], list[dict[str, Any]]] = {}
    with tqdm(plan, desc="runs") as bar:
        for kind, seed, threads in bar:
            bar.set_postfix_str(f"{kind}, seed {seed}, {threads} workers")
            epochs = 1 if kind == "gensim-lists" else args.epochs
            command = [
                sys.executable, "-m", "benchmarks.train_speed", "--run", kind, "--text", str(text),
                "--seed", str(seed), "--threads", str(threads), "--epochs", str(epochs),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            runs.setdefault((kind, threads), []).append(json.loads(done.stdout.splitlines()[-1]))
            tqdm.write(f"{kind} {threads}: {runs[kind, threads][-1]}", file=sys.stderr)
    results = _results(runs)
    protocol = {
        "vector_size": SIZE, "window": WINDOW, "negative": NEGATIVE, "min_count": MIN_COUNT,
        "sample": SAMPLE, "epochs": args.epochs, "seeds": args.seeds, "quick": args.quick,
    }  # fmt: skip
    report("train_speed", protocol, corpus, results, args.json)


def _results(runs: dict[tuple[str, int], list[dict[str, Any]]]) -> list[Result]:
    def column(kind: str, name: str, threads: int = 1) -> list[float]:
        return [run[name] for run in runs[kind, threads]]

    def pairs(name: str) -> list[float]:
        return [a / b for a, b in zip(column("ours", name), column("gensim", name), strict=True)]

    results = [
        over_runs("ratio.gensim.1", pairs("words_per_s"), "times", middle=True),
        over_runs("ratio.gensim.1.with_vocabulary", pairs("overall"), "times", middle=True),
    ]
    for kind, threads in runs:
        if kind in ("ours", "gensim", "gensim-lists"):
            values = column(kind, "words_per_s", threads)
            results.append(
                over_runs(f"words_per_s.{kind}.{threads}", values, "words/s", middle=True)
            )
        if kind == "ours" and threads > 1:
            single = median(column("ours", "words_per_s"))
            values = [value / single for value in column("ours", "words_per_s", threads)]
            results.append(over_runs(f"scaling.{threads}", values, "times", middle=True))
    for name in QUALITY:
        for kind, threads in runs:
            if kind in ("ours", "gensim"):
                label = f"{name}.{kind}" + (f".{threads}" if threads > 1 else "")
                results.append(over_runs(label, column(kind, name, threads), "share"))
    first = runs["ours", 1][0]
    results += [
        over_runs("memory.train.ours", column("ours", "peak_mb"), "MB"),
        Result("memory.train.ours.allowed", first["allowed_mb"], "MB"),
        over_runs("memory.train.gensim", column("gensim", "peak_mb"), "MB"),
        Result("memory.vocabulary.ours", runs["vocabulary-ours", 1][0]["peak_mb"], "MB"),
        Result("memory.vocabulary.gensim", runs["vocabulary-gensim", 1][0]["peak_mb"], "MB"),
    ]
    return results


# One run, in a process of its own


def _run(args: argparse.Namespace) -> None:
    kinds = {
        "ours": _ours,
        "gensim": _gensim,
        "gensim-lists": _gensim,
        "vocabulary-ours": _ours,
        "vocabulary-gensim": _gensim,
    }
    print(json.dumps(kinds[args.run](args)))


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _ours(args: argparse.Namespace) -> dict[str, Any]:
    import conec
    from corpora.tokens import TokenStream

    model = conec.ContextEncoder(
        vector_size=SIZE,
        window=WINDOW,
        negative=NEGATIVE,
        min_count=MIN_COUNT,
        sample=SAMPLE,
        epochs=args.epochs,
        seed=args.seed,
        workers=args.threads,
    )
    start = time.perf_counter()
    model.build_vocab(args.text)
    counted = time.perf_counter()
    if args.run.startswith("vocabulary"):
        return {"peak_mb": _peak_mb(), "seconds": counted - start}
    _compile()
    warm = time.perf_counter()
    stream = TokenStream.encode(
        _opened(args.text), model.vocabulary.index, workers=model.config.workers
    )
    encoded = time.perf_counter()
    model.train(stream, build_contexts=False)
    end = time.perf_counter()
    peak = _peak_mb()
    allowed = (4 * len(stream) + 8 * len(stream.offsets) + 8 * len(model) * SIZE) / 2**20 + 300
    words = stream.n_raw * args.epochs
    return {
        "words_per_s": words / (end - warm),
        "kernel": words / (end - encoded),
        "overall": words / (end - warm + counted - start),
        "peak_mb": peak,
        "allowed_mb": allowed,
        "loss": model.loss_history_[-1],
        **_quality(model.wv),
    }


def _opened(path: Path) -> Any:
    import corpora

    return corpora.open(path)


def _compile() -> None:
    """Load the compiled kernel: it is on disk after the first use on a machine."""
    import conec

    conec.ContextEncoder(vector_size=SIZE, min_count=1, epochs=1).fit([["a", "b"] * 10])


def _gensim(args: argparse.Namespace) -> dict[str, Any]:
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=SIZE,
        window=WINDOW,
        negative=NEGATIVE,
        min_count=MIN_COUNT,
        sample=SAMPLE,
        epochs=args.epochs,
        seed=args.seed,
        workers=args.threads,
    )
    start = time.perf_counter()
    if args.run == "gensim-lists":  # documents held in memory, not read again
        documents = list(_opened(args.text))
        start = time.perf_counter()
        model.build_vocab(documents)
        source: dict[str, Any] = {"corpus_iterable": documents, "total_examples": len(documents)}
    else:
        model.build_vocab(corpus_file=str(args.text))
        source = {"corpus_file": str(args.text), "total_words": model.corpus_total_words}
    counted = time.perf_counter()
    if args.run.startswith("vocabulary"):
        return {"peak_mb": _peak_mb(), "seconds": counted - start}
    model.train(**source, epochs=args.epochs)
    end = time.perf_counter()
    peak = _peak_mb()
    words = model.corpus_total_words * args.epochs
    return {
        "words_per_s": words / (end - counted),
        "overall": words / (end - start),
        "peak_mb": peak,
        **({} if args.run == "gensim-lists" else _quality(model.wv)),
    }


def _quality(vectors: Any) -> dict[str, float]:
    """Analogies among the 30,000 most frequent words, and rank correlations."""
    from conec.evaluation import analogies, word_similarity
    from corpora import datasets

    found = {}
    for name, dataset in QUALITY.items():
        data = datasets.load(dataset)
        if name == "analogies":
            found[name] = analogies(vectors, data).accuracy
        else:
            found[name] = word_similarity(vectors, data).spearman
    return found


if __name__ == "__main__":
    main()
