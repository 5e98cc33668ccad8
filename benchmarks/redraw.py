"""Draw figures again from stored results: ``python -m benchmarks.redraw [NAME ...]``.

Each benchmark's function `draw` makes its main figure from results alone. Figures with points or
images, such as embeddings, are other files, which only a run of the benchmark draws.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.common import Result, read_results

RESULTS = Path(__file__).parent / "results"


def main(argv: list[str] | None = None) -> None:
    """Draw the figures of some benchmarks, or of all."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("names", nargs="*", metavar="NAME", help="benchmarks (default: all)")
    p.add_argument("--folder", type=Path, default=RESULTS, help="results (default: the project's)")
    args = p.parse_args(argv)
    stored = (path for path in args.folder.glob("*.json") if path.with_suffix(".png").exists())
    for name in args.names or sorted(path.stem for path in stored):
        path = args.folder / f"{name}.json"
        if not path.exists():
            p.error(f"{path} does not exist: run `python -m benchmarks.{name} --json {path}`")
        draw = _draw_of(name)
        if draw is None:
            print(f"{name}: its figures need a run of the benchmark")
            continue
        draw(read_results(path), path.with_suffix(".png"))
        print(path.with_suffix(".png"))


def _draw_of(name: str) -> Callable[[dict[str, Result], Path], None] | None:
    module = importlib.import_module(f"benchmarks.{name}")
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"benchmarks.{name}.benchmark")
    return getattr(module, "draw", None)


if __name__ == "__main__":
    main()
