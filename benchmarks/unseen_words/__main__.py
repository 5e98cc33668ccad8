"""``python -m benchmarks.unseen_words``."""

from benchmarks.unseen_words.benchmark import main

main()
