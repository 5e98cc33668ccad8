"""What all benchmarks share: arguments, the form of results, machine and versions."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

PACKAGES = ("similarity-encoders", "gensim", "numpy", "scipy", "numba", "scikit-learn", "torch")


@dataclass
class Result:
    """One figure; `name` is dotted and stable."""

    name: str
    value: float
    unit: str
    sd: float | None = None
    n: int = 1
    reference: float | None = None
    source: str | None = None


def over_runs(
    name: str, values: list[float], unit: str, *, middle: bool = False, **more: Any
) -> Result:
    """Mean (or median) of several runs, and their standard deviation."""
    value = median(values) if middle else mean(values)
    sd = stdev(values) if len(values) > 1 else None
    return Result(name, value, unit, sd, len(values), **more)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments of every benchmark."""
    p = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    p.add_argument("--seeds", type=int, default=3, help="runs, each with its own seed (3)")
    p.add_argument("--quick", action="store_true", help="a small honest run for a first look")
    return p


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import os

    name = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": name, "cores": cores, "system": platform.platform()}


def versions() -> dict[str, str]:
    """Versions of what takes part."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def report(
    benchmark: str,
    protocol: dict[str, Any],
    corpus: dict[str, Any],
    results: list[Result],
    path: Path | None,
) -> None:
    """Print a table, and write JSON if a path is given."""
    width = max(len(result.name) for result in results)
    print(f"\n{benchmark}: {protocol}\n")
    for r in results:
        spread = f" ± {r.sd:.3g}" if r.sd is not None else ""
        reference = f"   ({r.source}: {r.reference:g})" if r.reference is not None else ""
        print(f"{r.name:{width}}  {r.value:10.4g}{spread} {r.unit} (n={r.n}){reference}")
    if path is not None:
        data = {
            "benchmark": benchmark,
            "protocol": protocol,
            "machine": machine(),
            "versions": versions(),
            "corpus": corpus,
            "results": [asdict(result) for result in results],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {path}", file=sys.stderr)
