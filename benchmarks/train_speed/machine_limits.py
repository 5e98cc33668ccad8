"""How close training comes to the limits of one core in computing and copying.

Both limits are measured in the process that trains, directly before: single-precision matrix
products of 2000 x 2000 by NumPy's BLAS on one thread, and copying 256 MB, which reads and writes
each byte once. They are compared with the least that training needs: a position takes three
products with the K shared noise words, 6 K d operations, and 4 d for its target word; and it reads
and writes its rows of W1 and W2 once, 16 d bytes. Sums over contexts, random numbers, sigmoids and
batches that do not fill a register come on top, so neither share can be 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import Result, over_runs

NOTE = (
    "Limits of the machine: a position needs at least 6 K d + 4 d floating-point operations\n"
    "(three products with K shared noise words, and the target word) and 16 d bytes (its rows of\n"
    "W1 and W2, read and written once). Shares are of the sgemm and the copy rate of one core,\n"
    "measured in the same process right before training."
)


def limits(repeats: int = 5, n: int = 2000, megabytes: int = 256) -> dict[str, float]:
    """GFLOP/s of matrix products, GB/s of copying, on one thread: the best of several."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a, b = rng.random((n, n), np.float32), rng.random((n, n), np.float32)
    product = np.empty((n, n), np.float32)
    source = np.ones(megabytes * 2**20 // 4, np.float32)
    target = np.zeros_like(source)
    with threadpool_limits(1, "blas"):
        sgemm = 2 * n**3 / _best(lambda: np.matmul(a, b, out=product), repeats)
    copy = 2 * source.nbytes / _best(lambda: np.copyto(target, source), repeats)
    return {"sgemm": sgemm / 1e9, "copy": copy / 1e9}


def _best(work: Callable[[], Any], repeats: int) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def expected_positions(model: Any, epochs: int) -> float:
    """Positions that subsampling keeps, on average."""
    vocabulary = model.vocabulary
    keep = vocabulary.keep_probability(model.config.sample).astype(np.float64)
    return float(vocabulary.counts @ keep) * epochs


def reached(positions: float, size: int, shared: int, seconds: float) -> dict[str, float]:
    """GFLOP/s and GB/s that training on a number of positions needs at least."""
    return {
        "gflops": positions * (6 * shared + 4) * size / seconds / 1e9,
        "gbytes": positions * 16 * size / seconds / 1e9,
    }


def results(runs: list[dict[str, Any]]) -> list[Result]:
    """Rows from runs that have `limits` and `reached`."""
    sgemm = [run["limits"]["sgemm"] for run in runs]
    copy = [run["limits"]["copy"] for run in runs]
    flops = [run["reached"]["gflops"] for run in runs]
    moved = [run["reached"]["gbytes"] for run in runs]
    share = [a / b for a, b in zip(flops, sgemm, strict=True)]
    bytes_share = [a / b for a, b in zip(moved, copy, strict=True)]
    return [
        over_runs("machine.sgemm", sgemm, "GFLOP/s", middle=True),
        over_runs("machine.copy", copy, "GB/s", middle=True),
        over_runs("reached.gflops", flops, "GFLOP/s", middle=True),
        over_runs("reached.gflops_share", share, "share", middle=True),
        over_runs("reached.bytes_share", bytes_share, "share", middle=True),
    ]
