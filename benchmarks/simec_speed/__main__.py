"""``python -m benchmarks.simec_speed``."""

from benchmarks.simec_speed.benchmark import main

main()
