"""``python -m benchmarks.distributed``."""

from benchmarks.distributed.benchmark import main

main()
