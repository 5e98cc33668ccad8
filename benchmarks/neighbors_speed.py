"""Nearest neighbors: exact, in batches and one by one, and through the approximate index.

Two sets of vectors: `real`, the context embeddings of a model (`--model`, or one trained on the
corpus), and `clustered`, `--words` random vectors of 200 dimensions. These have the two properties
of word vectors that matter here: they lie in clusters (1,000, of sizes in proportion to 1 / rank,
with half of the variance between them), and the variance of the i-th dimension is proportional
to 1 / i.

Times are seconds of CPU time, on one thread. `sgemm` is the product of the same float32 matrices in
blocks of 1,024 queries and 4,096 words, whose results stay in the cache, without any selection;
`share` is its time as a share of that of the search. `recall` is the share of the 10 exact
neighbors that the index finds. `batch` is a search for all queries together, per query, and
`single` for one after the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import charts
from benchmarks.common import (
    QUICK_DOCUMENTS,
    Result,
    Table,
    at_least_one,
    number,
    over_runs,
    parser,
    report,
)

if TYPE_CHECKING:
    from conec import ContextEncoder

SIZE, TOPN, CLUSTERS = 200, 10, 1000
SLICE = 100_000  # random vectors that are made at a time
PRODUCT = 1024, 4096  # queries and words of one product
KIND, VERSION = "benchmarks.NeighborIndex", 1
TARGETS = {"share": 0.9, "recall": 0.95, "speedup": 20.0}


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    results: list[Result] = []
    sets: dict[str, ContextEncoder] = {}
    if args.words:
        sets["clustered"] = clustered(args.words)
    corpus: dict[str, Any] = {"words": args.words}
    if not args.no_real:
        sets["real"], about = real(args)
        corpus |= about
    for name, model in sets.items():
        results += measured(name, model, args)
    protocol = {
        "vector_size": SIZE, "topn": TOPN, "queries": args.queries, "runs": args.seeds,
        "n_lists": args.n_lists, "n_probes": args.n_probes, "quick": args.quick,
    }  # fmt: skip
    by_name = {result.name: result for result in results}
    report(
        "neighbors_speed", protocol, corpus, results, args.json,
        tables=[_table([*sets], by_name)], chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument(
        "--words", type=int, help="number of random vectors (default 1,000,000; 0: none)"
    )
    p.add_argument("--queries", type=at_least_one, help="number of queries (default 1,024)")
    p.add_argument("--model", type=Path, help="model whose embeddings are searched as well")
    p.add_argument("--no-real", action="store_true", help="random vectors alone")
    p.add_argument(
        "--store", type=Path, help="folder where indexes are kept, to be used again by later runs"
    )
    p.add_argument("--n-lists", type=at_least_one, help="default 2 * sqrt(V)")
    p.add_argument("--n-probes", type=at_least_one, default=20, help="default 20")
    args: argparse.Namespace = p.parse_args(argv)
    if args.words is None:
        args.words = 5000 if args.quick else 1_000_000
    if args.queries is None:
        args.queries = 64 if args.quick else 1024
    return args


def clustered(n: int, seed: int = 1) -> ContextEncoder:
    """A model with n random words; see above."""
    from conec import ContextEncoder

    rng = np.random.default_rng(seed)
    deviation = (1 / np.sqrt(np.arange(1, SIZE + 1))).astype(np.float32)
    centers = rng.standard_normal((CLUSTERS, SIZE), np.float32)
    shares = 1 / np.arange(1, CLUSTERS + 1)
    vectors = rng.standard_normal((n, SIZE), np.float32)
    for start in range(0, n, SLICE):
        block = vectors[start : start + SLICE]
        block += centers[rng.choice(CLUSTERS, len(block), p=shares / shares.sum())]
        block *= deviation
    model = ContextEncoder(vector_size=SIZE, min_count=1)
    model.build_vocab_from_freq({f"w{i:07}": n - i for i in range(n)})
    model.context_embeddings = vectors
    return model


def real(args: argparse.Namespace) -> tuple[ContextEncoder, dict[str, Any]]:
    """A trained model, and its description."""
    import conec
    from benchmarks.material import source

    if args.model is not None:
        model = conec.load(args.model)
        return model, {"model": args.model.name, "real_words": len(model)}
    corpus = source(args.corpus)
    if args.quick:
        corpus = [document for document, _ in zip(corpus, range(QUICK_DOCUMENTS), strict=False)]
    model = conec.ContextEncoder(vector_size=SIZE, epochs=1 if args.quick else 5, seed=1)
    model.fit(corpus, progress=True)
    return model, {"name": Path(args.corpus).name, "real_words": len(model)}


def measured(name: str, model: ContextEncoder, args: argparse.Namespace) -> list[Result]:
    """All figures of one set of vectors."""
    from threadpoolctl import threadpool_limits

    vectors = model.context_embeddings
    assert vectors is not None
    rng = np.random.default_rng(2)
    ids = rng.permutation(np.flatnonzero(vectors.any(axis=1)))[: args.queries]
    words = [model.vocabulary.words[i] for i in ids.tolist()]
    few = words[: 8 if args.quick else 32]
    queries = np.asarray(vectors[ids], np.float32)
    with threadpool_limits(1):
        build = index(name, model, args)
        calls: dict[str, tuple[Callable[[], Any], int]] = {
            "sgemm": (lambda: products(vectors, queries), len(words)),
            "exact.arrays": (lambda: model.nearest(words, TOPN), len(words)),
            "exact.batch": (lambda: model.most_similar_batch(words, TOPN), len(words)),
            "index.batch": (
                lambda: model.most_similar_batch(words, TOPN, approximate=True), len(words)
            ),
            "exact.single": (lambda: one_by_one(model, few, False), len(few)),
            "index.single": (lambda: one_by_one(model, few, True), len(few)),
            "gensim.single": (lambda: gensims(model, few), len(few)),
        }  # fmt: skip
        times = interleaved(calls, args.seeds)
    exact, found = model.nearest(words, TOPN), model.nearest(words, TOPN, approximate=True)
    recall = [
        len({*a} & {*b}) / len(a)
        for a, b in zip(exact.ids.tolist(), found.ids.tolist(), strict=True)
    ]
    searched = model.neighbor_index
    assert searched is not None
    results = [over_runs(f"{name}.{call}", values, "s/query", middle=True)
               for call, values in times.items()]  # fmt: skip

    def ratio(label: str, over: str, under: str) -> Result:
        values = [a / b for a, b in zip(times[over], times[under], strict=True)]
        return over_runs(f"{name}.{label}", values, "ratio", middle=True)

    return [
        *results,
        ratio("share.arrays", "sgemm", "exact.arrays"),
        ratio("share.batch", "sgemm", "exact.batch"),
        ratio("speedup.batch", "exact.batch", "index.batch"),
        ratio("speedup.single", "exact.single", "index.single"),
        ratio("speedup.gensim", "gensim.single", "exact.single"),
        Result(f"{name}.recall", float(np.mean(recall)), "share", n=len(words)),
        Result(f"{name}.build", build, "s"),
        Result(f"{name}.index", searched.nbytes / 1e6, "MB"),
        Result(f"{name}.vectors", vectors.nbytes / 1e6, "MB"),
    ]


def index(name: str, model: ContextEncoder, args: argparse.Namespace) -> float:
    """Build the index of a model, or take it from the store; seconds of CPU time of the build."""
    from conec.neighbor_index import NeighborIndex
    from corpora.model_folder import open_folder, write_folder

    path = None
    if args.store is not None:
        path = args.store / f"{name}-{len(model)}-{args.n_lists or 'default'}"
    vectors = model.stored("context_embeddings")
    assert vectors is not None
    if path is None or not path.exists():
        start = time.process_time()
        model.build_index(n_lists=args.n_lists, n_probes=args.n_probes, progress=True)
        seconds = time.process_time() - start
        if path is None:
            return seconds
        assert model.neighbor_index is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_folder(path, KIND, VERSION) as folder:
            model.neighbor_index.write_to(folder)
            folder.write_json("build.json", {"seconds": seconds})
    # as in the folder of a model: mapped into memory
    with open_folder(path, KIND, VERSION) as reader:
        found = NeighborIndex.read_from(reader, vectors)
        seconds = float(reader.read_json("build.json")["seconds"])
    assert found is not None
    model.neighbor_index = replace(found, n_probes=args.n_probes)
    return seconds


def interleaved(calls: dict[str, tuple[Callable[[], Any], int]], n: int) -> dict[str, list[float]]:
    """CPU time of each call, per query, n times in turn."""
    for call, _ in calls.values():
        call()  # compiles, and reads what is memory-mapped
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(n):
        for name, (call, queries) in calls.items():
            start = time.process_time()
            call()
            times[name].append((time.process_time() - start) / queries)
    return times


def products(vectors: Any, queries: Any) -> None:
    """The products of all words and queries."""
    most, width = PRODUCT
    buffer = np.empty(most * width, np.float32)
    for first in range(0, len(queries), most):
        some = queries[first : first + most]
        n = len(some)
        for start in range(0, len(vectors), width):
            block = np.asarray(vectors[start : start + width])
            np.matmul(some, block.T, out=buffer[: n * len(block)].reshape(n, len(block)))


def one_by_one(model: ContextEncoder, words: Sequence[str], approximate: bool) -> None:
    for word in words:
        model.most_similar(word, TOPN, approximate=approximate)


def gensims(model: ContextEncoder, words: Sequence[str]) -> None:
    for word in words:
        model.wv_context.most_similar(word, topn=TOPN)


def _table(names: Sequence[str], results: dict[str, Result]) -> Table:
    def cells(label: str, key: str, scale: float, digits: int) -> list[str]:
        return [label, *(number(results.get(f"{name}.{key}"), scale, digits) for name in names)]

    return Table(
        ["", *names],
        [
            cells("one sgemm, ms/query", "sgemm", 1e3, 3),
            cells("exact, arrays, ms/query", "exact.arrays", 1e3, 3),
            cells("exact, batch, ms/query", "exact.batch", 1e3, 3),
            cells("share of sgemm, arrays", "share.arrays", 1, 2),
            cells("share of sgemm, batch", "share.batch", 1, 2),
            cells("index, batch, ms/query", "index.batch", 1e3, 3),
            cells("times as fast as exact", "speedup.batch", 1, 1),
            cells("exact, single, ms", "exact.single", 1e3, 2),
            cells("gensim, single, ms", "gensim.single", 1e3, 2),
            cells("index, single, ms", "index.single", 1e3, 3),
            cells("times as fast as exact", "speedup.single", 1, 1),
            cells("recall@10", "recall", 1, 3),
            cells("building, s", "build", 1, 0),
            cells("index, MB", "index", 1, 0),
            cells("vectors, MB", "vectors", 1, 0),
        ],
    )


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Time of a query by its kind, a panel for each set of vectors."""
    keys = {
        "exact.single": "exact, one at a time", "exact.batch": "exact, many at once",
        "index.single": "index, one at a time", "index.batch": "index, many at once",
    }  # fmt: skip
    colors = [charts.BLUE, charts.LIGHT_BLUE, charts.ORANGE, charts.LIGHT_ORANGE]
    end = ".exact.single"
    names = [name.removesuffix(end) for name in by_name if name.endswith(end)]
    kinds = {"clustered": "random vectors in clusters", "real": "a model of Wikipedia"}
    figure, panels = charts.figure(len(names), 1, (7, 2.2 * len(names)))
    for name, axes in zip(names, panels, strict=True):
        rows = [by_name[f"{name}.{key}"] for key in keys]
        charts.bars(axes, rows, [*keys.values()], colors, scale=1e3)
        charts.style(
            axes, "ms per query", "", f"Nearest neighbors: {kinds.get(name, name)}", grid="x"
        )
    charts.save(figure, path)


if __name__ == "__main__":
    main()
