"""``python -m benchmarks.pretraining_molecules``."""

from benchmarks.pretraining_molecules.benchmark import main

main()
