"""``python -m benchmarks.ner_extended``."""

from benchmarks.ner_extended.benchmark import main

main()
