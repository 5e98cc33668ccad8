"""Runs in separate processes, in alternation, with their peak memory.

``python -m benchmarks.runs MODULE:FUNCTION`` reads a task as JSON from standard input, calls the
function with it, and prints the result as JSON in the last line.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Task = dict[str, Any]
Measured = dict[str, Any]


class RunFailed(SystemExit):
    """A run ended with an error, which ends the benchmark with the run's output."""


def apart(function: str, task: Task, *, watch: bool = False) -> Measured:
    """Call ``MODULE:FUNCTION`` with a task in a new process.

    Parameters
    ----------
    function : str
        For example "benchmarks.train_speed.trainers:ours".
    task : dict
        JSON data.
    watch : bool
        Add "tree_mb", the peak of the proportional memory of the process and its children, sampled
        about every 50 ms; this may take 5 % of the time.
    """
    environment = dict(os.environ)
    path = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    with (
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.runs", function],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment,
        ) as process,
        _watched(process.pid if watch else None) as peak,
    ):  # fmt: skip
        output, errors = process.communicate(json.dumps(task))
    if process.returncode:
        raise RunFailed(f"{function} with {task} ended with {process.returncode}:\n{errors}")
    figures: Measured = json.loads(output.splitlines()[-1])
    return {**figures, "tree_mb": peak[0]} if watch else figures


def rounds(n: int, plan: Mapping[str, Callable[[int], Measured]]) -> dict[str, list[Measured]]:
    """Make each run of the plan once per round, so that other load on the machine affects all.

    Parameters
    ----------
    n : int
        Number of rounds. Each starts with a different run.
    plan : mapping of str to callable
        From the number of the round, from 1, which is used as the seed, to a measurement.
    """
    from tqdm import tqdm

    names = list(plan)
    measured: dict[str, list[Measured]] = {name: [] for name in names}
    with tqdm(total=n * len(names), desc="runs", unit="run") as bar:
        for i in range(n):
            first = i % len(names) if names else 0
            for name in names[first:] + names[:first]:
                bar.set_postfix_str(f"round {i + 1}: {name}")
                measured[name].append(plan[name](i + 1))
                # kept in the log in case a later run fails
                tqdm.write(f"{name}, round {i + 1}: {json.dumps(measured[name][-1])}", sys.stderr)
                bar.update()
    return measured


def external(command: list[str]) -> float:
    """Wall time of another program in seconds."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    end = time.perf_counter()
    if done.returncode:
        said = (done.stderr + done.stdout)[-2000:]
        raise RunFailed(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return end - start


def peak_mb() -> float:
    """Peak of the resident memory of this process.

    From /proc if available: getrusage includes the memory of the parent process before the fork.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def _watched(pid: int | None) -> Iterator[list[float | None]]:
    peak: list[float | None] = [None]
    if pid is None or not Path("/proc/self/smaps_rollup").exists():
        yield peak
        return
    stop = threading.Event()

    def watch() -> None:
        pause = 0.05
        while not stop.wait(pause):
            start = time.perf_counter()
            peak[0] = max(peak[0] or 0.0, sum(map(_proportional_mb, _tree(pid))))
            # sampling gigabytes takes a while, during which the process may have to wait
            pause = max(0.05, 20 * (time.perf_counter() - start))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _tree(pid: int) -> list[int]:
    pids, i = [pid], 0
    while i < len(pids):
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pids[i]}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
        i += 1
    return pids


def _proportional_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """One run: the task from standard input, the result to standard output."""
    module, _, function = sys.argv[1].partition(":")
    task = json.load(sys.stdin)
    result = getattr(importlib.import_module(module), function)(task)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
