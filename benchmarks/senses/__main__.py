"""``python -m benchmarks.senses``."""

from benchmarks.senses.benchmark import main

main()
