"""Shared by all benchmarks: arguments, the format of results, machine and versions."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from corpora.files import atomic_path, check_output

PACKAGES = (
    "similarity-encoders", "gensim", "numpy", "scipy", "numba", "scikit-learn", "torch",
    "python-crfsuite",
)  # fmt: skip
CORPUS = "enwiki2015_text8like"
QUICK_DOCUMENTS = 2000  # documents of the corpus that --quick uses


@dataclass
class Result:
    """One measurement; `name` is dotted and stable, `value` is None if there is no number."""

    name: str
    value: float | None
    unit: str
    sd: float | None = None
    n: int = 1
    reference: float | None = None
    source: str | None = None


@dataclass
class Table:
    """A table to print; the first cell of each row is its label."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [list(self.header), *(list(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        return "\n".join(
            "  ".join(
                [line[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            ).rstrip()
            for line in lines
        )


def over_runs(
    name: str, values: Sequence[float], unit: str, *, middle: bool = False, **more: Any
) -> Result:
    """Mean (or median) of several runs, and their standard deviation."""
    value = median(values) if middle else mean(values)
    sd = stdev(values) if len(values) > 1 else None
    return Result(name, value, unit, sd, len(values), **more)


def pairs(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Ratios of runs of the same round: other load on the machine slowed both."""
    return [a / b for a, b in zip(over, under, strict=True)]


def number(result: Result | None, scale: float = 1, digits: int = 3) -> str:
    """A measurement as a cell of a table."""
    if result is None or result.value is None or math.isnan(result.value):
        return "-"
    spread = "" if result.sd is None else f" ± {result.sd * scale:.{digits}f}"
    return f"{result.value * scale:,.{digits}f}{spread}"


def parser(description: str | None, *, seeds: int = 3, corpus: bool = True) -> ArgumentParser:
    """Arguments that all benchmarks have in common."""
    p = ArgumentParser(
        prog=_program(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the results to FILE, and a figure next to it",
    )
    p.add_argument(
        "--seeds", type=at_least_one, default=seeds, metavar="N",
        help=f"number of runs, each with its own seed (default {seeds})",
    )  # fmt: skip
    p.add_argument(
        "--quick", action="store_true", help="a short run on little data, for a first look"
    )
    if corpus:
        p.add_argument(
            "--corpus", default=CORPUS,
            help=f"data set, or a text file with one document per line (default {CORPUS})",
        )  # fmt: skip
    return p


def _program() -> str | None:
    """The command that started this process, as ``python -m NAME``; None if it is another."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None or not spec.name.startswith("benchmarks."):
        return None
    return f"python -m {spec.name.removesuffix('.__main__')}"


class ArgumentParser(argparse.ArgumentParser):
    """Checks, before anything runs, that results can be written and drawn."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse and check the arguments."""
        parsed = super().parse_args(args, namespace)
        if parsed.json is not None:
            try:
                require_matplotlib()
                parsed.json.parent.mkdir(parents=True, exist_ok=True)
                check_output(parsed.json)
                check_output(parsed.json.with_suffix(".png"))
            except (ImportError, OSError) as error:
                self.error(str(error))
            if parsed.json.suffix != ".json":
                self.error(f"--json {parsed.json}: the name must end in .json")
        return parsed


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra, unless matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "figures need matplotlib: pip install similarity-encoders[plots]"
        ) from error


def at_least_one(text: str) -> int:
    """Parse an integer >= 1, as an argument."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {value}")
    return value


def machine() -> dict[str, Any]:
    """The machine that the results were measured on."""
    name = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return {"cpu": name, "cores": os.cpu_count() or 1, "system": platform.platform()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that are compared."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def report(
    benchmark: str,
    protocol: dict[str, Any],
    corpus: dict[str, Any],
    results: list[Result],
    path: Path | None,
    *,
    tables: Sequence[Table] = (),
    notes: Sequence[str] = (),
    chart: Callable[[dict[str, Result], Path], None] | None = None,
) -> None:
    """Print tables and results; if a path is given, write JSON and draw the figure next to it."""
    for about in (protocol, corpus):
        print(", ".join(f"{k} {v}" for k, v in about.items() if not isinstance(v, dict)))
    print()
    for table in tables:
        print(f"{table}\n")
    rows = []
    for r in results:
        spread = f"± {r.sd:.3g}" if r.sd is not None else ""
        reference = f"{r.source}: {r.reference:g}" if r.reference is not None else ""
        value = "-" if _none(r.value) is None else f"{r.value:,.4g}"
        rows.append((r.name, value, spread, r.unit, f"n={r.n}", reference))
    print(Table(("name", "value", "sd", "unit", "n", "reference"), rows))
    for note in notes:
        print(f"\n{note}")
    if path is not None:
        data = {
            "benchmark": benchmark,
            "protocol": protocol,
            "machine": machine(),
            "versions": versions(),
            "corpus": corpus,
            "results": [{**asdict(r), "value": _none(r.value), "sd": _none(r.sd)} for r in results],
        }
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"\nwritten to {path}", file=sys.stderr)
        if chart is not None:
            chart({result.name: result for result in results}, path.with_suffix(".png"))
            print(f"drawn in {path.with_suffix('.png')}", file=sys.stderr)


def read_results(path: Path) -> dict[str, Result]:
    """Read the results of a file that `report` wrote, by their names."""
    rows = json.loads(path.read_text(encoding="utf-8"))["results"]
    return {row["name"]: Result(**row) for row in rows}


def _none(value: float | None) -> float | None:
    # JSON has no NaN
    return value if value is not None and math.isfinite(value) else None
