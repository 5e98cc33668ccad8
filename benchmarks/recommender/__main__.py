"""``python -m benchmarks.recommender``."""

from benchmarks.recommender.benchmark import main

main()
