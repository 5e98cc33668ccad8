"""``python -m benchmarks.frontier``."""

from benchmarks.frontier.benchmark import main

main()
