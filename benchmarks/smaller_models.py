"""Quantized models: size, speed, and loss of quality.

The same model in float32, float16 and int8 (`ContextEncoder.quantize`), saved and loaded:

- size of the folder, and of the vectors exported for word2vec's format (text and binary, gzip)
- CPU time of `most_similar_batch` per query, on one thread, and tokens per second of `embed`
- analogies (Google's, 3CosAdd among the 30,000 most frequent words) and word similarities with the
  context embeddings, in percent

`top` are the vectors of the most frequent words alone (``export(..., top=N)``) in float32: size,
share of the corpus's tokens that are among these words, and quality, on the pairs and questions
whose words they have.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import (
    QUICK_DOCUMENTS,
    Result,
    Table,
    number,
    over_runs,
    parser,
    report,
)
from benchmarks.material import QUALITY, missing_quality, quality, source

if TYPE_CHECKING:
    from conec import ContextEncoder

DTYPES = ("float32", "float16", "int8")
TOPS = (30_000, 10_000)
QUERIES, DOCUMENTS = 512, 50


def main(argv: list[str] | None = None) -> None:
    args = _arguments(argv)
    missing_quality()
    model, corpus = _model(args)
    documents = [
        document for document, _ in zip(source(args.corpus), range(DOCUMENTS), strict=False)
    ]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="smaller-models-") as name:
        for dtype in DTYPES:
            results += measured(dtype, model, documents, Path(name), args.seeds)
        for top in (*TOPS, len(model)):
            results += most_frequent(top, model, Path(name))
    by_name = {result.name: result for result in results}
    protocol = {"queries": QUERIES, "documents": DOCUMENTS, "runs": args.seeds, "quick": args.quick}
    report("smaller_models", protocol, corpus, results, args.json,
           tables=[_table(by_name), _table_of_tops(by_name, len(model))])  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__)
    p.add_argument("--model", type=Path, help="model to use; by default one is trained")
    args: argparse.Namespace = p.parse_args(argv)
    return args


def _model(args: argparse.Namespace) -> tuple[ContextEncoder, dict[str, Any]]:
    import conec

    if args.model is not None:
        model = conec.load(args.model)
        return model, {"model": args.model.name, "words": len(model)}
    corpus = source(args.corpus)
    if args.quick:
        corpus = [document for document, _ in zip(corpus, range(QUICK_DOCUMENTS), strict=False)]
    model = conec.ContextEncoder(epochs=1 if args.quick else 5, seed=1)
    model.fit(corpus, progress=True)
    return model, {"name": Path(args.corpus).name, "words": len(model)}


def measured(
    dtype: Any, whole: ContextEncoder, documents: Sequence[Sequence[str]], folder: Path, runs: int
) -> list[Result]:
    """All figures of one type."""
    from threadpoolctl import threadpool_limits

    import conec
    from conec.interop import export

    path = folder / f"{dtype}.model"
    (whole if dtype == "float32" else whole.quantize(dtype)).save(path)
    model = conec.load(path)
    words = model.vocabulary.words[:QUERIES]
    similar, tokens = [], []
    with threadpool_limits(1):
        model.most_similar_batch(words)
        model.embed(documents[0])
        for _ in range(runs):
            start = time.process_time()
            model.most_similar_batch(words)
            similar.append((time.process_time() - start) / len(words))
            start = time.process_time()
            for document in documents:
                model.embed(document)
            tokens.append(sum(map(len, documents)) / (time.process_time() - start))
    keyed = model.wv_context
    sizes = {"folder": sum(file.stat().st_size for file in path.iterdir())}
    for label, name, to in (
        ("text", "v.txt.gz", "word2vec"),
        ("binary", "v.bin.gz", "word2vec-binary"),
    ):
        export(whole.wv_context, folder / name, to, dtype=dtype)  # type: ignore[arg-type]
        sizes[label] = (folder / name).stat().st_size
    cosines = np.einsum(
        "ij,ij->i", keyed.get_normed_vectors(), whole.wv_context.get_normed_vectors()
    )
    return [
        *(Result(f"{dtype}.size.{label}", size / 1e6, "MB") for label, size in sizes.items()),
        over_runs(f"{dtype}.similar", similar, "s/query", middle=True),
        over_runs(f"{dtype}.embed", tokens, "tokens/s", middle=True),
        Result(
            f"{dtype}.cosine",
            float(cosines[whole.wv_context.vectors.any(axis=1)].min()),
            "smallest cosine with float32",
        ),
        *(
            Result(f"{dtype}.{task}", None if value is None else 100 * value, "%")
            for task, value in quality(keyed).items()
        ),
    ]


def most_frequent(top: int, whole: ContextEncoder, folder: Path) -> list[Result]:
    """All figures of the vectors of the most frequent words."""
    from gensim.models import KeyedVectors

    from conec.interop import export

    sizes = {}
    for label, to in (("text", "word2vec"), ("binary", "word2vec-binary")):
        path = folder / f"top.{label}.gz"
        export(whole.wv_context, path, to, top=top)  # type: ignore[arg-type]
        sizes[label] = path.stat().st_size
    keyed = KeyedVectors.load_word2vec_format(str(path), binary=True)
    counts = whole.vocabulary.counts
    return [
        *(Result(f"top.{top}.size.{label}", size / 1e6, "MB") for label, size in sizes.items()),
        Result(f"top.{top}.tokens", 100 * float(counts[:top].sum() / counts.sum()), "%"),
        *(
            Result(f"top.{top}.{task}", None if value is None else 100 * value, "%")
            for task, value in quality(keyed).items()
        ),
    ]


def _table_of_tops(results: dict[str, Result], n_words: int) -> Table:
    columns = {
        "size.text": "text.gz, MB", "size.binary": "binary.gz, MB", "tokens": "tokens, %",
        **{task: f"{task}, %" for task in QUALITY},
    }  # fmt: skip
    rows = [
        [f"{top:,}", *(number(results.get(f"top.{top}.{key}"), 1, 1) for key in columns)]
        for top in dict.fromkeys([n_words, *TOPS])
    ]
    return Table(("words", *columns.values()), rows)


def _table(results: dict[str, Result]) -> Table:
    def cells(label: str, key: str, scale: float = 1, digits: int = 1) -> list[str]:
        return [label, *(number(results.get(f"{dtype}.{key}"), scale, digits) for dtype in DTYPES)]

    return Table(
        ["", *DTYPES],
        [
            cells("folder, MB", "size.folder"),
            cells("word2vec, text.gz, MB", "size.text"),
            cells("word2vec, binary.gz, MB", "size.binary"),
            cells("most_similar_batch, ms/query", "similar", 1e3, 2),
            cells("embed, 1,000 tokens/s", "embed", 1e-3),
            cells("smallest cosine", "cosine", 1, 5),
            *(cells(f"{task}, %", task, 1, 2) for task in QUALITY),
        ],
    )


if __name__ == "__main__":
    main()
