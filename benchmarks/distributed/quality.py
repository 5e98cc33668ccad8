"""Quality of training on shards, relative to one machine's; bytes and time of merging.

Machines are simulated: shards are trained one after the other in one process, with the same bits as
on a cluster. All runs have the same text and the same number of epochs, and one thread for each
machine. `bytes.merge` is what a machine sends and receives from one merge of all words to the next,
merges of frequent words included, and `share.merge` the CPU time of merging, as a share of all.

Projections for machines of 16 cores, and a corpus large enough for chunks of full length, are
computed, not measured: `n c / (c / 16 r + 2 b m + 8 b / B)` words per second for n machines, where
c are the words that 16 threads train between two merges of all words, r the measured words per
second of a core, b the bytes of all rows in one direction (an upper bound), m the measured CPU
seconds of merging per byte sent and received, and B the bandwidth in bits per second.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.cache import Cache
from benchmarks.common import Result, Table, number, over_runs, pairs
from benchmarks.material import QUALITY, known, load, quality
from benchmarks.runs import Measured, Task, apart
from benchmarks.train_speed.trainers import SETTINGS

MACHINES = (4, 16)
EPOCHS = 5
TARGET = 0.97
CORES = 16
PROJECTED, GIGABITS = (4, 16, 64), (10, 100)


def measure(folder: Path, seeds: int, cache: Cache) -> tuple[list[Result], list[Table]]:
    """Train on the text that `benchmarks.material.encoded` wrote to a folder."""
    runs: dict[int, list[Measured]] = {n: [] for n in (1, *MACHINES)}
    for seed in range(1, seeds + 1):
        for n in runs:
            task = {"n_shards": n, "seed": seed}
            runs[n].append(
                cache.once(
                    task,
                    lambda task=task: apart(  # type: ignore[misc]
                        "benchmarks.distributed.quality:trained", {**task, "folder": str(folder)}
                    ),
                )
            )
            print(f"seed {seed}, {n} machines: {runs[n][-1]}", flush=True)
    results = [
        over_runs(f"{name}.{n}", values, "share")
        for name in QUALITY
        for n, measured in runs.items()
        if (values := known(run[name] for run in measured))
    ]
    for name in QUALITY:
        one = known(run[name] for run in runs[1])
        for n in MACHINES:
            values = known(run[name] for run in runs[n])
            if one and len(values) == len(one):
                mean = sum(values) / sum(one)  # of means: single runs vary more than machines
                sd = over_runs("", pairs(values, one), "").sd
                ratio = Result(
                    f"ratio.{name}.{n}", mean, "times", sd, len(values), TARGET, "target"
                )
                results.append(ratio)
    for n in MACHINES:
        results += [
            over_runs(f"bytes.merge.{n}", [run["bytes"] for run in runs[n]], "bytes"),
            over_runs(f"share.merge.{n}", [run["share"] for run in runs[n]], "share"),
        ]
    results += _projections(runs)
    by_name = {result.name: result for result in results}
    rows = [
        [name, *(number(by_name.get(f"{name}.{n}")) for n in runs)]
        + [number(by_name.get(f"ratio.{name}.{n}")) for n in MACHINES]
        for name in QUALITY
    ]
    header = ["test", *(f"machines: {n}" for n in runs), *(f"ratio, {n}" for n in MACHINES)]
    projected = Table(
        ("million words/s, projected", *(f"{n} machines" for n in PROJECTED)),
        [
            [f"{gigabits} Gbit/s"]
            + [
                number(by_name[f"projection.words_per_s.{n}.{gigabits}gbit"], 1e-6, 0)
                for n in PROJECTED
            ]
            for gigabits in GIGABITS
        ],
    )
    return results, [Table(header, rows), projected]


def _projections(runs: dict[int, list[Measured]]) -> list[Result]:
    from conec.training.shards import CHUNK, ROUNDS

    run = runs[MACHINES[0]][0]
    words = CORES * CHUNK * ROUNDS * run["words_per_token"]
    n_bytes = 2 * run["n_words"] * (2 * SETTINGS["vector_size"] + 4)
    merging = 2 * n_bytes * run["merge_s"] / run["bytes"]
    results = []
    for gigabits in GIGABITS:
        seconds = words / (CORES * run["words_per_s"]) + merging + 8 * n_bytes / (gigabits * 1e9)
        results += [
            Result(f"projection.words_per_s.{n}.{gigabits}gbit", n * words / seconds, "words/s")
            for n in PROJECTED
        ]
    return results


def trained(task: Task) -> Measured:
    """Train on shards, in a process of its own; one shard is training without shards."""
    import conec
    from conec.training import shards
    from conec.training.chunks import TrainingState

    counts, stream = load(task["folder"])
    model = conec.ContextEncoder(**SETTINGS, epochs=EPOCHS, seed=task["seed"])
    model.build_vocab_from_freq(counts)
    n = task["n_shards"]
    figures: Measured = {"words": stream.n_raw, "n_words": len(model)}
    if n == 1:
        model.train(stream, learn_map=False)
        return {**figures, **quality(model.wv)}

    plan = shards.plan(len(stream), n, 1)
    config = model.config
    state = TrainingState(
        EPOCHS, config.start_alpha, config.min_alpha, 0, chunk_tokens=plan.chunk_tokens, n_shards=n
    )
    shared = shards.Shared(model.vocabulary, config, state)
    trainer = shards.LocalShards((model.W1, model.W2), stream, shared)
    clock = _TrainingClock()
    start = time.process_time()
    for epoch in range(EPOCHS):
        state.epoch, state.next_chunk = epoch, 0
        trainer.run(lambda _: False)
    seconds = time.process_time() - start
    model.weights_changed()
    merging = seconds - clock.seconds
    return {
        **figures,
        **quality(model.wv),
        "bytes": trainer.n_bytes / trainer.n_merges / n,
        "share": merging / seconds,
        "merge_s": merging / trainer.n_merges / n,
        "words_per_s": stream.n_raw * EPOCHS / clock.seconds,
        "words_per_token": stream.n_raw / len(stream),
    }


class _TrainingClock:
    """CPU seconds of training on chunks, without merging, from when it is made."""

    def __init__(self) -> None:
        from conec.training.shards import ShardTrainer

        self.seconds = 0.0
        original = ShardTrainer.train

        def train(trainer: Any, *args: Any) -> Any:
            start = time.process_time()
            try:
                return original(trainer, *args)
            finally:
                self.seconds += time.process_time() - start

        ShardTrainer.train = train  # type: ignore[method-assign]
