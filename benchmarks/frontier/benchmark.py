"""Quality against speed: shared noise words K x batch B x learning rate, and gensim.

Each configuration is trained with the default learning rates, which fall with words' counts. With
the default batch, each is also trained with the same, lower rate for all words ("plain").

Quality is that of `--epochs` of training with one worker. Its summary is the mean of analogies,
WordSim-353, SimLex-999 and MEN, each divided by gensim's on the same text, so that 1 is as good as
gensim. Speed is measured separately: one epoch, alone on the machine, training only (the text is
encoded once for all runs), for each K and B, as it does not depend on the learning rate; gensim's
is its faster way, from a file or from lists in memory. Words are those of the text, before
subsampling.

Measurements are kept in a file of JSON lines next to the results, so that an interrupted run
continues where it stopped. Delete it after a change of the code.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks.cache import Cache
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
from benchmarks.frontier.chart import draw, pareto, points_of, speed_name
from benchmarks.material import QUALITY, encoded, known, load, missing_quality, plain_text, quality
from benchmarks.runs import Measured, Task, apart
from benchmarks.train_speed.trainers import SETTINGS, compile_kernels, training_rate
from conec.config import Config

SHARED = [12, 16, 20, 24, 32]
BATCH = [32, 64, 128]
ALPHA = [0.3, 0.45, 0.6, 0.75]
PLAIN = [0.1, 0.15, 0.2]  # with alpha_exponent=0
EPOCHS = 5


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    if missing := missing_quality():
        raise SystemExit(f"the frontier needs the data sets of quality: fetch {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="frontier-") as name:
        folder = Path(name)
        corpus = plain_text(
            args.corpus, folder / "corpus.txt", QUICK_DOCUMENTS if args.quick else None
        )
        encoded(folder / "corpus.txt", folder, SETTINGS["min_count"])
        cache = Cache(args.json, {"corpus": corpus, "settings": SETTINGS})
        tasks = _tasks(args)
        measured = _measure(tasks, folder, cache, args.workers_in_parallel)
    results = _results(tasks, measured)
    protocol = {
        **SETTINGS, "epochs": args.epochs, "seeds": args.seeds, "quick": args.quick,
        "shared": args.shared, "batch_size": args.batch, "alpha": args.alpha, "plain": args.plain,
        "workers": 1, "speed": "one epoch of training alone, for each shared and batch_size",
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    report(
        "frontier", protocol, corpus, results, args.json, tables=[_table(by_name)],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__, seeds=1)
    for name, kind, values in (
        ("shared", at_least_one, SHARED),
        ("batch", at_least_one, BATCH),
        ("alpha", float, ALPHA),
        ("plain", float, PLAIN),
    ):
        p.add_argument(f"--{name}", type=kind, nargs="+", help=f"values to try ({values})")
    p.add_argument("--epochs", type=at_least_one, default=EPOCHS, help="passes over the text (5)")
    p.add_argument(
        "--workers-in-parallel", type=at_least_one, default=1, metavar="N",
        help="parallel runs when quality is measured, not speed (default 1)",
    )  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    args.shared = args.shared or ([16, 32] if args.quick else SHARED)
    args.batch = args.batch or ([64] if args.quick else BATCH)
    args.alpha = args.alpha or ([0.3, 0.6] if args.quick else ALPHA)
    args.plain = args.plain or ([0.1] if args.quick else PLAIN)
    return args


def _tasks(args: argparse.Namespace) -> list[Task]:
    """All runs: those for speed first, in rounds over the grid."""
    grid = [(k, b) for k in args.shared for b in args.batch]
    seeds = range(1, args.seeds + 1)
    tasks: list[Task] = []
    for seed in seeds:
        tasks += [
            {"what": "gensim-speed", "seed": seed, "lists": lists, "epochs": 1}
            for lists in (False, True)
        ]
        tasks += [
            {"what": "speed", "seed": seed, "shared": k, "batch_size": b, "epochs": 1}
            for k, b in grid
        ]
    for seed in seeds:
        tasks.append({"what": "gensim-quality", "seed": seed, "epochs": args.epochs})
        tasks += [
            {
                "what": "quality", "seed": seed, "shared": k, "batch_size": b, key: alpha,
                "epochs": args.epochs,
            }
            for k, b in grid
            for key in ("alpha", "plain")
            for alpha in getattr(args, key)
            if key == "alpha" or b == Config.batch_size
        ]  # fmt: skip
    return tasks


def _measure(
    tasks: list[Task], folder: Path, cache: Cache, at_once: int
) -> dict[str, list[Measured]]:
    from tqdm import tqdm

    def run(task: Task) -> Measured:
        function = "gensim" if task["what"].startswith("gensim") else "ours"
        return apart(
            f"benchmarks.frontier.benchmark:run_{function}", {**task, "folder": str(folder)}
        )

    left = [task for task in tasks if cache.get(task) is None]
    with tqdm(total=len(tasks), initial=len(tasks) - len(left), desc="runs", unit="run") as bar:
        for task in left:
            if task["what"].endswith("speed"):
                bar.set_postfix_str(label(task))
                cache.put(task, run(task))
                bar.update()
        with ThreadPoolExecutor(at_once) as executor:
            futures = {
                executor.submit(run, task): task
                for task in left
                if task["what"].endswith("quality")
            }
            try:
                for future in as_completed(futures):
                    cache.put(futures[future], future.result())
                    bar.set_postfix_str(label(futures[future]))
                    bar.update()
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise
    by_label: dict[str, list[Measured]] = {}
    for task in tasks:
        measured = cache.get(task)
        assert measured is not None
        by_label.setdefault(label(task), []).append(measured)
    return by_label


def label(task: Task) -> str:
    """Name of a task, the same for all seeds."""
    name = str(task["what"])
    if "lists" in task:
        name += ".lists" if task["lists"] else ".file"
    for key, letter in (("shared", "K"), ("batch_size", "B"), ("alpha", "a"), ("plain", "p")):
        if key in task:
            name += f".{letter}{task[key]}"
    return name


# One run, in a separate process


def run_ours(task: Task) -> Measured:
    """Train on the encoded text; "diverged" means that there are no vectors to test."""
    import conec
    from conec.training.loop import TrainingDiverged

    settings = {**SETTINGS, "shared": task["shared"], "batch_size": task["batch_size"]}
    if "alpha" in task:
        settings["alpha"] = task["alpha"]
    if "plain" in task:
        settings |= {"alpha": task["plain"], "alpha_exponent": 0}
    words, stream = load(task["folder"])
    model = conec.ContextEncoder(**settings, epochs=task["epochs"], seed=task["seed"])
    model.build_vocab_from_freq(words)
    compile_kernels({k: v for k, v in settings.items() if not k.startswith("alpha")})
    start = time.perf_counter()
    try:
        model.train(stream, learn_map=False)
    except TrainingDiverged as error:
        return {"diverged": str(error)}
    seconds = time.perf_counter() - start
    if not np.isfinite(model.W1).all():
        return {"diverged": "W1 is not finite"}
    scores = quality(model.wv) if task["what"] == "quality" else {}
    return {"words": stream.n_raw, "epochs": task["epochs"], "train_s": seconds, **scores}


def run_gensim(task: Task) -> Measured:
    """Train gensim on the plain text, with its default learning rate."""
    from benchmarks.train_speed.trainers import gensim

    return gensim(
        {
            **task, "text": str(Path(task["folder"]) / "corpus.txt"), "settings": SETTINGS,
            "workers": 1, "quality": task["what"] == "gensim-quality",
        }
    )  # fmt: skip


# Results


def _results(tasks: list[Task], measured: dict[str, list[Measured]]) -> list[Result]:
    gensim = measured["gensim-quality"]
    if any(run[measure] is None for run in gensim for measure in QUALITY):
        raise SystemExit("gensim's vectors have too few of the words of the quality tasks")
    reference = {measure: mean(run[measure] for run in gensim) for measure in QUALITY}
    faster = [
        max(training_rate(a), training_rate(b))
        for a, b in zip(measured["gensim-speed.file"], measured["gensim-speed.lists"], strict=True)
    ]
    results = [over_runs("words_per_s.gensim", faster, "words/s", middle=True)]
    results += _scores("gensim", gensim, reference)
    for name in dict.fromkeys(map(label, tasks)):
        kind, _, rest = name.partition(".")
        if kind == "speed":
            rates = [training_rate(run) for run in measured[name] if "diverged" not in run]
            row = Result(f"words_per_s.{rest}", None, "words/s")
            if rates:
                row = over_runs(row.name, rates, "words/s", middle=True)
            results.append(row)
        elif kind == "quality":
            results += _scores(rest, measured[name], reference)
    return results


def _scores(name: str, runs: list[Measured], reference: dict[str, float]) -> list[Result]:
    diverged = sum("diverged" in run for run in runs)
    results = [Result(f"diverged.{name}", diverged / len(runs), "share", n=len(runs))]
    for measure in QUALITY:
        values = known(run.get(measure) for run in runs)
        row = Result(f"{measure}.{name}", None, "share")
        results.append(over_runs(row.name, values, "share") if len(values) == len(runs) else row)
    summary = Result(f"quality.{name}", None, "of gensim")
    if all(row.value is not None for row in results) and min(reference.values()) > 0:
        means = [mean(run[m] / reference[m] for m in QUALITY) for run in runs]
        summary = over_runs(summary.name, means, "of gensim")
    return [*results, summary]


def _table(by_name: dict[str, Result]) -> Table:
    points = {k: v for k, v in points_of(by_name, "quality").items() if k != "gensim"}
    front = {list(points)[i] for i in pareto(list(points.values()))}
    rows = []
    for name in [name.partition(".")[2] for name in by_name if name.startswith("quality.")]:
        speed = by_name.get(f"words_per_s.{speed_name(name)}")
        scores = [number(by_name.get(f"{measure}.{name}")) for measure in ("quality", *QUALITY)]
        rows.append([name, number(speed, 1e-3, 0), *scores, "front" if name in front else ""])
    return Table(("configuration", "thousand words/s", "of gensim", *QUALITY, ""), rows)
