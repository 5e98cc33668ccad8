"""``python -m benchmarks.links``."""

from benchmarks.links.benchmark import main

main()
