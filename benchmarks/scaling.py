"""Words per second by vector size, window, negatives, vocabulary, document length and workers.

The rate is that of training alone, for one epoch with one worker unless noted, in words of the
text. The text is the beginning of the benchmark corpus, with the vocabulary of all of it; for
document lengths it is cut into documents of one length, and for the vocabulary it is synthetic
(Zipf's law). One process measures all points of a panel, in rounds that alternate between them,
after each has run once on a small part.

With subsampling, short documents lose positions: a word whose neighbors are all dropped has no
context. So document length is measured without subsampling too, where a document of 3 words has as
many positions as words. Losses are relative to documents of 1000 words. gensim (`--gensim`) trains
on a smaller part, held in memory as lists of words; it ignores words beyond the first 10,000 of a
document.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import charts
from benchmarks.common import (
    QUICK_DOCUMENTS,
    Result,
    Table,
    number,
    over_runs,
    pairs,
    parser,
    report,
)  # fmt: skip
from benchmarks.material import encoded, load, plain_text, recut, zipf
from benchmarks.runs import Measured, Task, apart
from benchmarks.train_speed.trainers import SETTINGS

ROUNDS = 3
TOKENS = 2_000_000
LONG = 10_000_000  # for documents of the same length
QUICK_TOKENS = 200_000
GENSIM_TOKENS = 300_000
GENSIM_LONGEST = 10_000

VALUES: dict[str, list[int]] = {
    "vector_size": [50, 100, 200, 300, 400, 600],
    "window": [2, 3, 5, 8, 10, 15, 20],
    "negative": [5, 10, 13, 20, 30, 50],
    "vocabulary": [10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000],
    "document": [3, 5, 10, 30, 100, 1000, 10_000, 1_000_000, 10_000_000],
    "workers": [1, 2],
}
TITLES = {
    "vector_size": "vector size",
    "window": "window (words on each side)",
    "negative": "negatives",
    "vocabulary": "vocabulary (words, synthetic text)",
    "document": "document length (words)",
    "workers": "workers",
}
REFERENCE_LENGTH = 1000


@dataclass
class Point:
    """A measurement: its line in a panel, its position, and its changes of the defaults."""

    line: str
    x: int
    tokens: int
    settings: dict[str, Any] = field(default_factory=dict)


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    with tempfile.TemporaryDirectory(prefix="scaling-") as name:
        folder = Path(name)
        corpus = plain_text(
            args.corpus, folder / "corpus.txt", QUICK_DOCUMENTS if args.quick else None
        )
        encoded(folder / "corpus.txt", folder, SETTINGS["min_count"])
        rates = _measure(args, folder)
    results = _results(rates)
    protocol = {
        **SETTINGS, "epochs": 1, "rounds": args.seeds, "quick": args.quick,
        "process": "one per panel, its points in alternating rounds",
        "points": {panel: [asdict(p) for p in _points(panel, args)] for panel in args.panels},
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    report(
        "scaling", protocol, corpus, results, args.json,
        tables=[_table(panel, by_name) for panel in args.panels],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__, seeds=ROUNDS)
    p.add_argument(
        "--panels",
        nargs="+",
        choices=list(VALUES),
        default=list(VALUES),
        help="measure only these panels",
    )
    p.add_argument("--gensim", action="store_true", help="measure gensim too, where it is cheap")
    args: argparse.Namespace = p.parse_args(argv)
    return args


def _values(panel: str, quick: bool) -> list[int]:
    values = VALUES[panel]
    if not quick:
        return values
    small = {"vocabulary": [10_000, 100_000], "document": [3, 30, 1000, 10_000]}
    return small.get(panel, values[:: max(1, len(values) // 3)])


def _points(panel: str, args: argparse.Namespace) -> list[Point]:
    """All points of a panel: ours, its additional lines, gensim."""
    tokens = QUICK_TOKENS if args.quick else TOKENS
    points = []
    for x in _values(panel, args.quick):
        own = {} if panel in ("vocabulary", "document") else {panel: x}
        if panel == "document":
            points.append(Point("ours", x, max(tokens, 0 if args.quick else LONG)))
            if x <= tokens // 2:
                points.append(Point("nosub", x, tokens, {"sample": 0}))
        else:
            points.append(Point("ours", x, tokens, own))
        if panel == "negative":
            points.append(Point("exact", x, tokens, {**own, "negatives": "exact"}))
        if panel == "workers":
            points.append(Point("deterministic", x, tokens, {**own, "deterministic": True}))
        cheap = panel != "document" or x <= GENSIM_LONGEST
        if args.gensim and panel != "vocabulary" and cheap:
            points.append(Point("gensim", x, min(tokens, GENSIM_TOKENS), own))
    return points


def _measure(args: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Rates of each point, by its name in the results."""
    from tqdm import tqdm

    rates_of = {}
    with tqdm(args.panels, desc="panels", unit="panel") as bar:
        for panel in bar:
            bar.set_postfix_str(panel)
            points = _points(panel, args)
            task = {
                "folder": str(folder), "panel": panel, "rounds": args.seeds,
                "points": [asdict(point) for point in points],
            }  # fmt: skip
            rates = apart("benchmarks.scaling:run_panel", task)["rates"]
            for point, values in zip(points, rates, strict=True):
                suffix = "" if point.line == "ours" else f".{point.line}"
                rates_of[f"words_per_s.{panel}.{point.x}{suffix}"] = values
    return rates_of


# One panel, in a separate process


def run_panel(task: Task) -> Measured:
    """Rates of all points, in alternating rounds."""
    points = [Point(**point) for point in task["points"]]
    timed = [_prepared(point, task) for point in points]
    rates: list[list[float]] = [[] for _ in points]
    for _ in range(task["rounds"]):
        for measured, run in zip(rates, timed, strict=True):
            measured.append(run())
    return {"rates": rates}


def _prepared(point: Point, task: Task) -> Callable[[], float]:
    """A function that trains once and returns words per second."""
    if task["panel"] == "vocabulary":
        words, stream = zipf(point.x, point.tokens)
    else:
        words, stream = load(task["folder"])
        length = point.x if task["panel"] == "document" else None
        stream = recut(stream, point.tokens, length)
    settings = {**SETTINGS, "min_count": 0, "epochs": 1, "seed": 1, **point.settings}
    if point.line == "gensim":
        return _gensim(settings, words, stream)
    import conec

    model = conec.ContextEncoder(**settings)
    model.build_vocab_from_freq(words)
    model.train(recut(stream, 5000), learn_map=False)

    def run() -> float:
        start = time.perf_counter()
        model.train(stream, learn_map=False)
        return float(stream.n_raw / (time.perf_counter() - start))

    return run


def _gensim(settings: dict[str, Any], words: dict[str, int], stream: Any) -> Callable[[], float]:
    from gensim.models import Word2Vec

    names = list(words)
    documents = [[names[i] for i in document] for document in stream]
    model = Word2Vec(**settings) if "workers" in settings else Word2Vec(**settings, workers=1)
    model.build_vocab_from_freq(words)

    def run() -> float:
        start = time.perf_counter()
        model.train(documents, total_examples=len(documents), epochs=1)
        return float(stream.n_raw / (time.perf_counter() - start))

    return run


# Results


def _results(measured: dict[str, list[float]]) -> list[Result]:
    results = [over_runs(name, rates, "words/s", middle=True) for name, rates in measured.items()]

    def ratio(name: str, over: str, under: str, *, loss: bool = False) -> None:
        if over in measured and under in measured:
            values = pairs(measured[over], measured[under])
            values = [1 - value for value in values] if loss else values
            results.append(over_runs(name, values, "share" if loss else "times", middle=True))

    at = "words_per_s.document."
    for x in (3, 5, 10):
        for suffix in ("", ".nosub"):
            reference = f"{at}{REFERENCE_LENGTH}{suffix}"
            ratio(f"document.{x}.loss{suffix}", f"{at}{x}{suffix}", reference, loss=True)
    ratio("window.20.over.5", "words_per_s.window.20", "words_per_s.window.5")
    ratio("workers.2.over.1", "words_per_s.workers.2", "words_per_s.workers.1")
    return results


def _lines(panel: str, by_name: dict[str, Result]) -> dict[str, dict[int, Result]]:
    lines: dict[str, dict[int, Result]] = {}
    for name, row in by_name.items():
        parts = name.split(".")
        if parts[:2] == ["words_per_s", panel]:
            line = parts[3] if len(parts) > 3 else "ours"
            lines.setdefault(line, {})[int(parts[2])] = row
    return lines


def _table(panel: str, by_name: dict[str, Result]) -> Table:
    lines = _lines(panel, by_name)
    header = (panel, *(f"{line}, thousand words/s" for line in lines))
    places = sorted({x for line in lines.values() for x in line})
    rows = [[f"{x:,}", *(number(line.get(x), 1e-3, 0) for line in lines.values())] for x in places]
    return Table(header, rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Speed by sizes of the model and of the text."""
    looks = {
        "ours": ("conec", charts.BLUE, "o"),
        "exact": ('conec, negatives="exact"', charts.GREEN, "s"),
        "nosub": ("conec, no subsampling", charts.PURPLE, "^"),
        "deterministic": ("conec, deterministic", charts.RED, "D"),
        "gensim": ("gensim, lists in memory", charts.ORANGE, "v"),
    }
    shown = [panel for panel in VALUES if _lines(panel, by_name)]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, panels = charts.figure(rows, columns, (4.6 * columns, 3.5 * rows + 0.6))
    handles: dict[str, Any] = {}
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    for axes, panel in zip(panels, shown, strict=False):
        for line, points in _lines(panel, by_name).items():
            name, color, marker = looks[line]
            xs = sorted(points)
            handles[name] = axes.errorbar(
                xs, [(points[x].value or 0) / 1e3 for x in xs],
                yerr=[(points[x].sd or 0) / 1e3 for x in xs], color=color, marker=marker,
                markersize=5, linewidth=1.5, capsize=2, elinewidth=1, label=name,
            )  # fmt: skip
        if panel in ("vocabulary", "document"):
            axes.set_xscale("log")
        else:
            axes.set_xticks(sorted({x for p in _lines(panel, by_name).values() for x in p}))
        axes.set_ylim(bottom=0)
        charts.style(axes, TITLES[panel], "thousand words/s")
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles),
        frameon=False,
    )  # fmt: skip
    charts.save(figure, path)


if __name__ == "__main__":
    main()
