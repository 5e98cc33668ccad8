"""Work on more than one machine: quality of training on shards, and the overhead of a Ray cluster.

See `benchmarks.distributed.quality` and `benchmarks.distributed.overhead`. The overhead needs Ray.
Measurements of quality are kept in a file of JSON lines next to the results, so that an interrupted
run continues where it stopped. Delete it after a change of the code.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cache import Cache
from benchmarks.common import QUICK_DOCUMENTS, Result, Table, parser, report
from benchmarks.distributed import overhead, quality
from benchmarks.material import encoded, missing_quality, plain_text
from benchmarks.train_speed.trainers import SETTINGS
from tests.distributed.cluster import running

PARTS = ("quality", "overhead")


def main(argv: list[str] | None = None) -> None:
    p = parser(__doc__)
    p.add_argument("--parts", nargs="+", choices=PARTS, help="by default all that can be measured")
    args = p.parse_args(argv)
    parts = args.parts or [part for part in PARTS if part != "overhead" or find_spec("ray")]
    missing_quality()
    results: list[Result] = []
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="distributed-") as name:
        folder = Path(name)
        corpus = plain_text(
            args.corpus, folder / "corpus.txt", QUICK_DOCUMENTS if args.quick else None
        )
        if "quality" in parts:
            encoded(folder / "corpus.txt", folder, SETTINGS["min_count"])
            cache = Cache(args.json, {"corpus": corpus, "settings": SETTINGS})
            results, tables = quality.measure(folder, args.seeds, cache)
        if "overhead" in parts:
            with running(overhead.NODES, overhead.MEMORY) as cluster:
                of_cluster = overhead.measure(folder, cluster, args.seeds, list(overhead.TASKS))
            results, tables = results + of_cluster[0], tables + of_cluster[1]
    protocol = {
        **SETTINGS, "epochs": quality.EPOCHS, "seeds": args.seeds, "quick": args.quick,
        "parts": parts, "nodes": overhead.NODES,
    }  # fmt: skip
    report("distributed", protocol, corpus, results, args.json, tables=tables)
