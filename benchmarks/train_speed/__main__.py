"""``python -m benchmarks.train_speed``."""

from benchmarks.train_speed.benchmark import main

main()
