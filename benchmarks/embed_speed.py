"""Vectors of text: tokens per second, latency, first call and memory, and other programs.

All programs embed tokens of the same text with the same word vectors, in separate processes, one
thread unless the name ends in another number. `sentences` have 20 tokens, `documents` are those of
the corpus. `embed_batch` computes a vector for each token in its context: of lists of tokens,
of `strings`, and with the `senses` of words. `npz`, `arrow` and `parquet` are `conec embed` of the
same sentences, in a process that has embedded others before; one thread computes vectors, and a
second one writes them. `write` writes as many bytes to the same disk, and nothing else. All others
average words: `encode`, gensim's `get_mean_vector`, model2vec's `StaticModel.encode`, spaCy's
`doc.vector` and fastText's `get_sentence_vector`, each but the first on a fifth of the tokens;
programs that are not installed are skipped.
`cpu` counts seconds of CPU time of all threads. `first` is the time of the first sentence, with
compiled code in the cache. `latency` is the median time of a call with one sentence.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
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
    parser,
    report,
)  # fmt: skip
from benchmarks.material import plain_text
from benchmarks.runs import Measured, Task, apart, peak_mb, rounds

SIZE, LENGTH, CALLS = 200, 20, 500
TARGETS = {"sentences.1": 1e6, "documents.1": 1e6, "senses.1": 4e5}
KINDS = ("sentences", "documents", "strings", "senses")
FILES = ("npz", "arrow", "parquet")
PROGRAMS = {"gensim": "gensim", "model2vec": "model2vec", "spacy": "spacy", "fasttext": "fasttext"}


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    missing = [name for name, module in PROGRAMS.items() if not importlib.util.find_spec(module)]
    with tempfile.TemporaryDirectory(prefix="embed-speed-") as name:
        folder = Path(name)
        text = folder / "corpus.txt"
        corpus = plain_text(args.corpus, text, QUICK_DOCUMENTS if args.quick else None)
        apart("benchmarks.embed_speed:train", {"folder": name})
        task = {"folder": name, "tokens": 50_000 if args.quick else args.tokens}
        plan = {
            f"{kind}.{n}": _run("run_tokens", **task, kind=kind, workers=n)
            for kind in KINDS
            for n in sorted({1, args.workers})
        }
        if importlib.util.find_spec("pyarrow"):
            plan |= {kind: _run("run_command", **task, kind=kind) for kind in FILES}
        plan["write"] = _run("run_write", **task)
        plan["encode"] = _run("run_encode", **task)
        task["tokens"] //= 5
        plan |= {name: _run(f"run_{name}", **task) for name in PROGRAMS if name not in missing}
        runs = rounds(args.seeds, plan)
    results = _results(runs)
    protocol = {
        "vector_size": SIZE, "tokens": 5 * task["tokens"], "sentence": LENGTH, "calls": CALLS,
        "runs": args.seeds, "quick": args.quick,
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    notes = [f"skipped, because they are not installed: {', '.join(missing)}"] if missing else []
    report(
        "embed_speed", protocol, corpus, results, args.json, tables=[_table(runs, by_name)],
        notes=notes, chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument(
        "--workers", type=at_least_one, default=2,
        help="number of workers of the parallel runs (default 2)",
    )  # fmt: skip
    p.add_argument(
        "--tokens", type=at_least_one, default=2_000_000, help="number of tokens (default 2000000)"
    )
    args: argparse.Namespace = p.parse_args(argv)
    return args


def _run(function: str, **task: Any) -> Callable[[int], Measured]:
    return lambda _: apart(f"benchmarks.embed_speed:{function}", task)


# In separate processes


def train(task: Task) -> Measured:
    """Train and save the model whose vectors all programs use."""
    import conec

    folder = Path(task["folder"])
    model = conec.ContextEncoder(vector_size=SIZE, epochs=1, seed=1).fit(folder / "corpus.txt")
    model.build_senses(folder / "corpus.txt").save(folder / "model")
    # so that no run compiles
    for senses in ("none", "soft"):
        model.embed(["the"], senses=senses)
    return {}


def run_tokens(task: Task) -> Measured:
    """Vectors of tokens in their contexts."""
    model = _model(task)
    kind, workers = task["kind"], task["workers"]
    senses = "soft" if kind == "senses" else "none"
    texts: Any = _texts(task, LENGTH if kind != "documents" else None)
    if kind == "strings":
        texts = [" ".join(text) for text in texts]
        return _measured(
            texts,
            lambda texts: deque(model.embed_batch(texts, senses=senses, workers=workers), 0),
            lambda text: list(model.embed_batch([text], senses=senses)),
        )

    def embed(texts: Iterable[list[str]]) -> None:
        for _ in model.embed_batch(texts, senses=senses, workers=workers):
            pass

    return _measured(texts, embed, lambda text: model.embed(text, senses=senses))


def run_command(task: Task) -> Measured:
    """``conec embed`` of sentences; senses are not used."""
    from conec.cli import app

    folder = Path(task["folder"])
    name = folder / "plain"
    if not name.exists():
        model = _model(task)
        model.sense_inventory = None
        model.save(name)
    source, out = folder / "sentences.txt", folder / f"vectors.{task['kind']}"

    def embed(texts: list[list[str]]) -> None:
        with open(source, "w", encoding="utf-8") as file:
            file.writelines(" ".join(text) + "\n" for text in texts)
        os.sync()  # earlier output is not to be written meanwhile
        clock.start()
        app(["embed", str(name), str(source), "--out", str(out)], standalone_mode=False)
        clock.stop()
        out.unlink()

    clock = _Clock()
    texts = _texts(task, LENGTH)
    embed(texts[: len(texts) // 10])
    embed(texts)
    return {
        "tokens": sum(map(len, texts)) / clock.seconds, "texts": len(texts) / clock.seconds,
        "cpu": sum(map(len, texts)) / clock.cpu, "peak_mb": peak_mb(),
    }  # fmt: skip


def run_write(task: Task) -> Measured:
    """Vectors that are in memory are written to a file."""
    vectors = np.random.default_rng(1).random((1 << 13, SIZE), np.float32)
    out, n = Path(task["folder"]) / "vectors.bin", task["tokens"] // len(vectors) + 1

    def write(n: int) -> None:
        os.sync()  # earlier output is not to be written meanwhile
        clock.start()
        with open(out, "wb", buffering=0) as file:
            for _ in range(n):
                file.write(vectors.data)
        clock.stop()
        out.unlink()

    clock = _Clock()
    write(n // 10 + 1)
    write(n)
    tokens = n * len(vectors)
    return {"tokens": tokens / clock.seconds, "cpu": tokens / clock.cpu, "peak_mb": peak_mb()}


class _Clock:
    """Seconds of wall time and of CPU time."""

    seconds = cpu = 0.0

    def start(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        self.seconds, self.cpu = (
            now - then
            for now, then in zip(
                (time.perf_counter(), time.process_time()), self._start, strict=True
            )
        )


def run_encode(task: Task) -> Measured:
    """Vectors of sentences."""
    model = _model(task)
    return _measured(_texts(task, LENGTH), model.encode, lambda text: model.encode([text]))


def run_gensim(task: Task) -> Measured:
    """Means of vectors of known words by gensim."""
    keyed = _model(task).wv

    def one(text: list[str]) -> Any:
        # a text without known words is an error
        known = [word for word in text if word in keyed]
        return keyed.get_mean_vector(known) if known else None

    return _measured(_texts(task, LENGTH), lambda texts: list(map(one, texts)), one)


def run_model2vec(task: Task) -> Measured:
    """Means of vectors of words by model2vec, which splits text itself."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    model = _model(task)
    words = {word: i for i, word in enumerate([*model.vocabulary.words, "[UNK]"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    vectors = np.concatenate([model.W1, np.zeros((1, SIZE), np.float32)])
    static = StaticModel(vectors, tokenizer, config={}, normalize=True)
    texts = [" ".join(text) for text in _texts(task, LENGTH)]

    def encode(texts: list[str]) -> Any:
        return static.encode(texts, use_multiprocessing=False)

    return _measured(texts, encode, lambda text: encode([text]))


def run_spacy(task: Task) -> Measured:
    """Means of vectors of words by spaCy, of documents that are split already."""
    import spacy
    from spacy.tokens import Doc
    from spacy.vectors import Vectors

    model, vocab = _model(task), spacy.blank("en").vocab
    vocab.vectors = Vectors(
        strings=vocab.strings, data=np.array(model.W1), keys=model.vocabulary.words
    )

    def one(text: list[str]) -> Any:
        return Doc(vocab, words=text).vector

    return _measured(_texts(task, LENGTH), lambda texts: list(map(one, texts)), one)


def run_fasttext(task: Task) -> Measured:
    """Means of vectors of words and their parts by fastText, trained on the same text."""
    import fasttext

    path = str(Path(task["folder"]) / "corpus.txt")
    model = fasttext.train_unsupervised(path, model="cbow", dim=SIZE, epoch=1, thread=1)
    texts = [" ".join(text) for text in _texts(task, LENGTH)]
    one = model.get_sentence_vector
    return _measured(texts, lambda texts: list(map(one, texts)), one)


def _model(task: Task) -> Any:
    import conec

    return conec.load(Path(task["folder"]) / "model")


def _texts(task: Task, length: int | None) -> list[list[str]]:
    """The first tokens of the corpus, in its documents, or cut to a length."""
    texts: list[list[str]] = []
    left = task["tokens"]
    with open(Path(task["folder"]) / "corpus.txt", encoding="utf-8") as lines:
        for line in lines:
            tokens = line.split()[:left]
            left -= len(tokens)
            step = length or len(tokens) or 1
            texts += [tokens[i : i + step] for i in range(0, len(tokens), step)]
            if not left:
                break
    return texts


def _measured(
    texts: list[Any], embed: Callable[[Any], object], one: Callable[[Any], object]
) -> Measured:
    """Time of the first call, of all texts, and of single texts."""
    lengths = [len(text.split()) if isinstance(text, str) else len(text) for text in texts]
    single = [text for text, n in zip(texts, lengths, strict=True) if n >= LENGTH][:CALLS]
    start = time.perf_counter()
    one(single[0])
    first = time.perf_counter() - start
    embed(texts[: len(texts) // 10])
    clock = _Clock()
    clock.start()
    embed(texts)
    clock.stop()
    calls = []
    for text in single:
        start = time.perf_counter()
        one(text)
        calls.append(time.perf_counter() - start)
    return {
        "tokens": sum(lengths) / clock.seconds, "texts": len(texts) / clock.seconds,
        "cpu": sum(lengths) / clock.cpu, "first": first,
        "latency": float(np.median(calls)), "peak_mb": peak_mb(),
    }  # fmt: skip


# Results


FIGURES = {
    "": ("tokens", 1.0, "tokens/s"),
    "cpu.": ("cpu", 1.0, "tokens/s"),
    "texts.": ("texts", 1.0, "texts/s"),
    "latency.": ("latency", 1e6, "µs"),
    "first.": ("first", 1.0, "s"),
    "memory.": ("peak_mb", 1.0, "MB"),
}


def _results(runs: dict[str, list[Measured]]) -> list[Result]:
    results = []
    for prefix, (key, scale, unit) in FIGURES.items():
        for name, repeats in runs.items():
            if key not in repeats[0]:  # a command has no single sentences
                continue
            target = None if prefix else TARGETS.get(name)
            more = {} if target is None else {"reference": target, "source": "target, above"}
            values = [run[key] * scale for run in repeats]
            results.append(over_runs(prefix + name, values, unit, middle=True, **more))
    return results + _ratios(runs)


def _ratios(runs: dict[str, list[Measured]]) -> list[Result]:
    """Speed of several workers over one, and of commands over `embed_batch`."""
    results = []

    def add(label: str, name: str, other: str, key: str, target: float) -> None:
        values = [a[key] / b[key] for a, b in zip(runs[name], runs[other], strict=True)]
        results.append(
            over_runs(label, values, "", middle=True, reference=target, source="target, above")
        )

    for name in runs:
        kind, _, n = name.partition(".")
        if kind in FILES:
            add(f"ratio.{name}", name, "sentences.1", "tokens", 0.7)
            add(f"ratio.cpu.{name}", name, "sentences.1", "cpu", 0.7)
        elif n not in ("", "1"):
            add(f"ratio.{name}", name, f"{kind}.1", "tokens", 1.8)
    return results


def _table(runs: dict[str, list[Measured]], by_name: dict[str, Result]) -> Table:
    header = ("run", "tokens/s", "per CPU s", "texts/s", "latency µs", "first call s", "peak MB")
    digits = (0, 0, 0, 0, 3, 0)
    rows = [
        [
            name,
            *(
                number(by_name[prefix + name], 1, n) if prefix + name in by_name else ""
                for prefix, n in zip(FIGURES, digits, strict=True)
            ),
        ]
        for name in runs
    ]
    return Table(header, rows)


def _label(name: str) -> str:
    kind, _, threads = name.partition(".")
    labels = {
        "sentences": "tokens of sentences", "documents": "tokens of documents",
        "strings": "tokens of strings", "senses": "tokens with senses",
        "encode": "averages: encode", "gensim": "averages: gensim",
        "model2vec": "averages: model2vec", "spacy": "averages: spaCy",
        "fasttext": "averages: fastText", "write": "writing alone",
        **{file: f"conec embed, {file}" for file in FILES},
    }  # fmt: skip
    text = labels.get(kind, kind)
    return text if threads in ("", "1") else f"{text}, {threads} threads"


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Speed and latency of embedding."""
    names = [name for name in by_name if f"memory.{name}" in by_name]
    figure, panels = charts.figure(1, 2, (12, 0.45 * len(names) + 1.4))
    own = (*KINDS, *FILES, "encode")
    colors = [charts.BLUE if name.partition(".")[0] in own else charts.GREY for name in names]
    for axes, prefix, x in ((panels[0], "", "thousand tokens/s"), (panels[1], "latency.", "µs")):
        shown = [name for name in names if prefix + name in by_name]
        own_colors = [colors[names.index(name)] for name in shown]
        scale = 1 if prefix else 1e-3
        rows = [by_name[prefix + name] for name in shown]
        charts.bars(axes, rows, [_label(name) for name in shown], own_colors, scale=scale)
        title = "Latency of one sentence" if prefix else "Speed on many"
        charts.style(axes, x, "", title, grid="x")
    charts.save(figure, path)


if __name__ == "__main__":
    main()
