"""``python -m benchmarks.explain``."""

from benchmarks.explain.benchmark import main

main()
