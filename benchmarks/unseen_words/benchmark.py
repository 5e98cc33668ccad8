"""Unseen words: definitional nonces, Chimeras, and rare words in 1 to 64 contexts.

The background model is trained with the defaults on the available text, all three Wikipedia texts,
from which the rare words of CRW-dev were removed. All methods have the same vectors except
fastText, which reads the letters of the word and is trained by gensim on the same text. The map is
learned without the nonces. Tasks and scores are described in `benchmarks.unseen_words.tasks`,
methods in `benchmarks.unseen_words.methods`.

Settings were chosen on the train parts (``--part train``); figures are of the test parts: 300
nonces, 110 trials of each length, and the pairs of half of the rare words of CRW-dev that are
compared with a known word.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
import tempfile
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
)
from benchmarks.material import encoded, load, require, source
from benchmarks.runs import Measured, Task, apart
from benchmarks.unseen_words import tasks
from benchmarks.unseen_words.methods import METHODS, Method, baselines, of_model
from benchmarks.unseen_words.tasks import CONTEXTS, DRAWS, LENGTHS, PARTS

if TYPE_CHECKING:
    from conec import ContextEncoder

TEXTS = ("enwiki2015_text8like", "enwiki2019_featured", "enwiki2019_good_sample")
TOKEN = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")
VAN_HAUTTE = "Van Hautte et al. 2019, vectors of a full Wikipedia"
# Chimeras: on the full set; CRW: on CRW itself, which was not available
PUBLISHED = {
    "nonce.mrr.additive_window": 0.036, "nonce.mrr.alacarte": 0.071,
    "nonce.mrr.alacarte_window": 0.047,
    "chimera.l2.additive_window": 0.327, "chimera.l4.additive_window": 0.369,
    "chimera.l6.additive_window": 0.391, "chimera.l2.alacarte": 0.304,
    "chimera.l4.alacarte": 0.355, "chimera.l6.alacarte": 0.377,
    "chimera.l2.alacarte_window": 0.306, "chimera.l4.alacarte_window": 0.367,
    "chimera.l6.alacarte_window": 0.386,
    "crw.1.additive_window": 0.13, "crw.4.additive_window": 0.18,
    "crw.16.additive_window": 0.20, "crw.64.additive_window": 0.21,
    "crw.1.alacarte": 0.19, "crw.4.alacarte": 0.29, "crw.16.alacarte": 0.38,
    "crw.64.alacarte": 0.40,
    "crw.1.alacarte_window": 0.22, "crw.4.alacarte_window": 0.33,
    "crw.16.alacarte_window": 0.41, "crw.64.alacarte_window": 0.44,
}  # fmt: skip
ROWS = (
    "nonce.mrr", "nonce.median", *(f"chimera.{n}" for n in LENGTHS),
    *(f"crw.{n}" for n in CONTEXTS),
)  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    require("definitional_nonces", "chimeras", "crw_dev")
    scores: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="unseen-words-") as name:
        folder = Path(name)
        corpus = background(args.corpus, folder / "corpus.txt", args.quick)
        encoded(folder / "corpus.txt", folder, 5)
        task = {
            "folder": name, "part": args.part, "workers": args.workers, "quick": args.quick,
        }  # fmt: skip
        plan = [(seed, "run") for seed in range(1, args.seeds + 1)]
        plan += [(seed, "form") for seed in range(1, args.fasttext + 1)]
        for seed, run in tqdm(plan, desc="runs", unit="run"):
            of_run = apart(f"benchmarks.unseen_words.benchmark:{run}", {**task, "seed": seed})
            tqdm.write(f"{run}, seed {seed}: {of_run}", sys.stderr)
            for key, value in of_run.items():
                scores.setdefault(key, []).append(value)
    results = [
        over_runs(
            key, values, "rank" if "median" in key else "MRR" if "mrr" in key else "Spearman",
            reference=PUBLISHED.get(key), source=VAN_HAUTTE if key in PUBLISHED else None,
        )
        for key, values in scores.items()
    ]  # fmt: skip
    protocol = {
        "parameters": "defaults of ContextEncoder and of learn_map", "part": args.part,
        "draws": DRAWS, "seeds": args.seeds, "quick": args.quick, "workers": args.workers,
        "fastText": "gensim, CBOW, the same size, window, negative, sample, min_count, epochs",
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    report(
        "unseen_words", protocol, corpus, results, args.json, tables=[_table(by_name)],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__, corpus=False)
    p.add_argument(
        "--corpus", nargs="+", default=list(TEXTS),
        help=f"data sets, or text files with one document per line ({' '.join(TEXTS)})",
    )  # fmt: skip
    p.add_argument("--part", choices=PARTS, default="test", help="part of the tasks (default test)")
    p.add_argument("--workers", type=at_least_one, default=2, help="number of threads (default 2)")
    p.add_argument(
        "--fasttext", type=int, default=1, metavar="N",
        help="seeds of fastText, about 20 minutes each (default 1)",
    )  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    return args


def background(names: list[str], path: Path, quick: bool) -> dict[str, Any]:
    """Write the text without the rare words to a file, one document per line."""
    from tqdm import tqdm

    rare = tasks.rare_vocabulary()
    n_documents = n_words = 0
    with (
        open(path, "w", encoding="utf-8") as file,
        tqdm(desc="unpacking", unit=" words", unit_scale=True) as bar,
    ):
        for name in names:
            for i, document in enumerate(source(name)):
                if quick and i == QUICK_DOCUMENTS:
                    break
                words = TOKEN.findall(" ".join(document).lower())
                words = [word for word in words if word not in rare]
                file.write(" ".join(words) + "\n")
                n_documents += 1
                n_words += len(words)
                bar.update(len(words))
    title = " + ".join(Path(name).name for name in names) + ", without the rare words of CRW-dev"
    return {"name": title, "documents": n_documents, "tokens": n_words}


# Runs, each in a separate process


def run(task: Task) -> Measured:
    """One seed: the scores of all methods that use only contexts."""
    from conec import ContextEncoder

    words, stream = load(task["folder"])
    model = ContextEncoder(seed=task["seed"], workers=task["workers"])
    model.build_vocab_from_freq(words).train(stream, learn_map=False)
    nonces = [nonce.word for part in PARTS for nonce in tasks.read_nonces(part)]
    plain = copy.copy(model)  # without a map
    model.learn_map(stream, exclude=nonces)
    methods = baselines(model, stream, nonces)
    methods |= {
        "conec_local": of_model(plain),
        "conec_map": of_model(model),
    }
    asked = tasks.read(task["part"], model)
    figures: Measured = {}
    for name, method in methods.items():
        for row, value in scored(model, method, asked, task["quick"]).items():
            figures[f"{row}.{name}"] = value
    return figures


def scored(
    model: ContextEncoder, method: Method, asked: tasks.Tasks, quick: bool
) -> dict[str, float]:
    """The scores of one method on all tasks."""
    index, known = model.vocabulary.index, np.asarray(model.W1)
    by_task = {}
    nonces = [nonce for nonce in asked.nonces if nonce.word in index]
    vectors = method([nonce.texts for nonce in nonces])
    ranks = tasks.nonce_ranks(vectors, [index[nonce.word] for nonce in nonces], known)
    by_task["nonce.mrr"] = float((1 / ranks).mean())
    by_task["nonce.median"] = float(np.median(ranks))
    for length, trials in asked.chimeras.items():
        vectors = method([trial.texts for trial in trials])
        by_task[f"chimera.{length}"] = tasks.chimera_score(vectors, trials, index, known)
    rare = asked.rare
    for n in CONTEXTS[:2] if quick else CONTEXTS:
        values = []
        for draw in range(1 if quick else DRAWS):
            drawn = rare.drawn(n, draw)
            vectors = method(list(drawn.values()))
            made = dict(zip(drawn, vectors, strict=True))
            values.append(tasks.rare_score(made, rare.pairs, index, known))
        by_task[f"crw.{n}"] = float(np.mean(values))
    return by_task


def form(task: Task) -> Measured:
    """FastText, which makes a vector from the letters of a rare word: the same in all contexts."""
    from gensim.models import FastText
    from gensim.models.word2vec import LineSentence

    from conec import ContextEncoder

    c = ContextEncoder().config
    text = LineSentence(str(Path(task["folder"]) / "corpus.txt"))
    model = FastText(
        text, vector_size=c.vector_size, window=c.window, negative=c.negative, sample=c.sample,
        min_count=c.min_count, epochs=c.epochs, seed=task["seed"], workers=task["workers"],
    ).wv  # fmt: skip
    rare = tasks.read_rare_words().part(task["part"], model.key_to_index)
    made = {word: model[word] for word in rare.texts}
    score = tasks.rare_score(made, rare.pairs, model.key_to_index, model.vectors)
    return {f"crw.{n}.fasttext": score for n in (CONTEXTS[:2] if task["quick"] else CONTEXTS)}


# Results


def _table(by_name: dict[str, Result]) -> Table:
    rows = []
    for row in ROWS:
        digits = 0 if "median" in row else 3
        cells = [
            number(by_name.get(f"{row}.{method}"), digits=digits)
            for method in (*METHODS, "fasttext")
        ]
        rows.append((row, *cells))
    return Table(("task", *METHODS, "fasttext"), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Nonces and Chimeras as bars, rare words as lines over the number of contexts."""
    figure, (nonces, chimeras, rare) = charts.figure(1, 3, (15, 4.2))
    looks = {
        "additive": ("sum of the text", charts.GREY),
        "additive_window": ("sum of the window", charts.LIGHT_GREY),
        "alacarte": ("à la carte", charts.ORANGE),
        "alacarte_ten": ("à la carte, 10 words", charts.LIGHT_ORANGE),
        "alacarte_window": ("à la carte, window", charts.GREEN),
        "conec_local": ("ConEc, local contexts", charts.LIGHT_BLUE),
        "conec_map": ("ConEc, map of contexts", charts.BLUE),
    }  # fmt: skip
    labels, colors = (list(part) for part in zip(*looks.values(), strict=True))
    own = [by_name[f"nonce.mrr.{method}"] for method in looks]
    charts.bars(nonces, own, labels, colors, scale=100)
    charts.style(
        nonces, "mean reciprocal rank × 100", "", "A word from its definition (nonces)", grid="x"
    )
    charts.bars(chimeras, [by_name[f"chimera.l6.{method}"] for method in looks], labels, colors)
    chimeras.set_yticklabels([])
    charts.style(
        chimeras, "Spearman's correlation", "", "A made-up word from 6 sentences (Chimeras)",
        grid="x",
    )  # fmt: skip
    contexts = charts.numbers(by_name, "crw.{}.conec_map")
    lines = {
        **looks, "fasttext": ("fastText, from letters", charts.PURPLE),
        "additive_window": ("sum of the window", charts.GREY),
    }  # fmt: skip
    for method in ("additive_window", "alacarte", "conec_local", "conec_map", "fasttext"):
        rows = [by_name.get(f"crw.{n}.{method}") for n in contexts]
        if any(rows):
            charts.points(rare, contexts, rows, *lines[method])
    rare.set_xscale("log", base=2)
    rare.set_xticks(contexts, [str(n) for n in contexts])
    charts.style(
        rare, "sentences with the word", "Spearman's correlation",
        "A rare word from more and more sentences (CRW-dev)",
    )  # fmt: skip
    charts.label_lines(rare)
    charts.save(figure, path)
