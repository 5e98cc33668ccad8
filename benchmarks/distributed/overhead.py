"""Overhead of a Ray cluster against the pool of one machine, with the same number of CPUs.

The cluster has two nodes on this machine, of one CPU each; the pool has two workers. Both count
words, encode the text and embed its tokens, in alternating rounds, after each has done so once with
the beginning of the text. Times are CPU seconds of all threads and processes, those of the cluster
itself included. `embed` is ``conec embed --shards npz``, and `file` is the same to one file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

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
from benchmarks.material import plain_text
from tests.distributed.cluster import Cluster, running

NODES, ROUNDS, SIZE = 2, 3, 100
MEMORY = 400 << 20  # bytes of each node's object store, for the model
WARM_DOCUMENTS = 12_000  # some shards, so that all workers start
TASKS = ("count", "encode", "embed", "file")
TARGET = 0.25


def main(argv: list[str] | None = None) -> None:
    p = parser(__doc__, seeds=ROUNDS)
    p.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    args = p.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="overhead-") as name, running(NODES, MEMORY) as cluster:
        folder = Path(name)
        corpus = plain_text(
            args.corpus, folder / "corpus.txt", QUICK_DOCUMENTS if args.quick else None
        )
        results, tables = measure(folder, cluster, args.seeds, args.tasks)
    protocol = {"nodes": NODES, "rounds": args.seeds, "vector_size": SIZE, "quick": args.quick}
    report("distributed.overhead", protocol, corpus, results, args.json, tables=tables)


def measure(
    folder: Path, cluster: Cluster, rounds: int, tasks: list[str]
) -> tuple[list[Result], list[Table]]:
    """Measure the tasks with the text ``corpus.txt`` of a folder."""
    runs = _prepared(folder, tasks)
    seconds: dict[str, list[tuple[float, float]]] = {}
    for run in runs.values():
        for engine in (None, cluster.address):
            run(folder / "warm.txt", engine)
    for number_ in range(rounds):
        for name, run in runs.items():
            engines = [("pool", None), ("ray", cluster.address)]
            for where, engine in engines[:: 1 if number_ % 2 else -1]:
                clock = _Clock(cluster)
                run(folder / "corpus.txt", engine)
                seconds.setdefault(f"{name}.{where}", []).append(clock.read())
                print(f"round {number_ + 1}: {name}, {where}: {seconds[f'{name}.{where}'][-1]}")
    results: list[Result] = []
    rows = []
    for name in runs:
        cpu, wall = ({where: [run[i] for run in seconds[f"{name}.{where}"]]
                      for where in ("pool", "ray")} for i in (0, 1))  # fmt: skip
        row = [over_runs(f"cpu_s.{name}.{where}", cpu[where], "s") for where in cpu]
        row += [over_runs(f"wall_s.{name}.{where}", wall[where], "s") for where in wall]
        for suffix, times in (("", cpu), (".wall", wall)):
            shares = [ratio - 1 for ratio in pairs(times["ray"], times["pool"])]
            reference = {"reference": TARGET, "source": "target"} if not suffix else {}
            row.append(over_runs(f"overhead.{name}{suffix}", shares, "share", **reference))
        results += row
        rows.append([name, *(number(cell, digits=2) for cell in row)])
    header = ("task", "CPU s, pool", "CPU s, Ray", "s, pool", "s, Ray", "overhead", "of wall time")
    return results, [Table(header, rows)]


def _prepared(folder: Path, tasks: list[str]) -> dict[str, Callable[[Path, str | None], None]]:
    """Functions that take a text and an engine."""
    import conec
    import corpora
    from conec.cli import app

    text = folder / "corpus.txt"
    with open(text, "rb") as source, open(folder / "warm.txt", "wb") as file:
        file.writelines(line for line, _ in zip(source, range(WARM_DOCUMENTS), strict=False))
    words = corpora.count(text, min_count=5).words
    index = {word: i for i, word in enumerate(words)}
    if {"embed", "file"} & {*tasks}:
        conec.ContextEncoder(vector_size=SIZE, epochs=1, seed=1, workers=NODES).fit(text).save(
            folder / "model"
        )

    def count(path: Path, engine: str | None) -> None:
        corpora.count(path, workers=NODES, engine=engine)

    def encode(path: Path, engine: str | None) -> None:
        corpora.TokenStream.encode(
            path, index, folder / "tokens", workers=NODES, engine=engine
        )  # fmt: skip

    def embed(path: Path, engine: str | None, out: str = "shards", *more: str) -> None:
        arguments = ["embed", str(folder / "model"), str(path), "--out", str(folder / out)]
        where = ["--workers", str(NODES)] if engine is None else ["--address", engine]
        if app([*arguments, *where, *more], standalone_mode=False):
            raise SystemExit("conec embed failed")
        if (folder / out).is_dir():
            shutil.rmtree(folder / out)
        else:
            (folder / out).unlink()
        os.sync()  # what was written is not to slow the next run

    functions: dict[str, Callable[[Path, str | None], None]] = {
        "count": count,
        "encode": encode,
        "embed": lambda path, engine: embed(path, engine, "shards", "--shards", "npz"),
        "file": lambda path, engine: embed(path, engine, "vectors.npz"),
    }
    return {task: functions[task] for task in tasks}


class _Clock:
    """CPU and wall time since it was made, of this process and those of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._start = self._now()

    def read(self) -> tuple[float, float]:
        """Seconds of CPU time and of wall time."""
        cpu, wall = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return cpu, wall

    def _now(self) -> tuple[float, float]:
        # of children that ended, too
        cpu = sum(os.times()[:4]) + sum(map(_cpu_seconds, self._cluster.processes()))
        return cpu, time.perf_counter()


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its children that ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


if __name__ == "__main__":
    main()
