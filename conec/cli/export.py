"""``conec export``: write vectors for other programs, or a smaller model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, cast

import typer

from conec.cli.options import InSpace, Model, Space, load_model, vectors_of
from corpora.cli.app import fail


class Target(str, Enum):
    """Output format."""

    word2vec = "word2vec"
    word2vec_binary = "word2vec-binary"
    arrow = "arrow"
    parquet = "parquet"
    projector = "projector"
    spacy = "spacy"
    model2vec = "model2vec"
    model = "model"


class Dtype(str, Enum):
    """Precision of values."""

    float32 = "float32"
    float16 = "float16"
    int8 = "int8"


def export(
    model: Model,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="File to write; for projector, spacy, model2vec and model, a folder."
        ),
    ],
    to: Annotated[
        Target,
        typer.Option(
            "--to",
            help="word2vec, word2vec-binary: the text or binary format of word2vec, also read by "
            "gensim, fastText and others; compressed if the file name ends in .gz, .bz2, .xz or "
            ".zst. arrow, parquet: a table of words, counts and vectors for pandas, polars and "
            "others. projector: two TSV files for TensorBoard's embedding projector. spacy: the "
            "folder of a pipeline. model2vec: a folder that model2vec and sentence-transformers "
            "load. model: a smaller model in --dtype, for all commands but train.",
        ),
    ] = Target.word2vec,
    space: InSpace = Space.context,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", min=1, help="Number of words, the most frequent ones; not for model."
        ),
    ] = None,
    dtype: Annotated[
        Dtype,
        typer.Option(
            "--dtype",
            help="Precision. float16: rounded values. int8: each vector scaled to integers from "
            "-127 to 127, which keeps cosine similarities, but not lengths; a model keeps both.",
        ),
    ] = Dtype.float32,
    lang: Annotated[
        str, typer.Option("--lang", help="Language code of the spaCy pipeline or model card.")
    ] = "xx",
) -> None:
    """Export the vectors of all words of a model for another program, or a smaller model.

    projector, spacy and model2vec replace only files that an earlier export has written.

    \b
      conec export news.model --out news.vec.gz
      conec export news.model --out news.bin --to word2vec-binary --space word2vec
      conec export news.model --out top.vec.gz --top 50000 --dtype float16
      conec export news.model --out news.parquet --to parquet
      conec export news.model --out projector --to projector --top 10000
      conec export news.model --out small.model --to model --dtype int8
    """  # noqa: D301
    if to is Target.model:
        _export_model(model, out, top, dtype)
        return
    from conec.interop import export as export_vectors
    from conec.interop.export import Format, check_export

    target = cast("Format", to.value)
    check_export(out, target)
    if to in (Target.spacy, Target.model2vec) and dtype is Dtype.int8:
        fail(f"{to.value} averages vectors, whose lengths int8 does not keep: use --dtype float16")
    vectors = vectors_of(load_model(model), space)
    n = export_vectors(vectors, out, target, top=top, dtype=dtype.value, lang=lang)
    typer.echo(f"{n:,} vectors of {vectors.vector_size} dimensions: {out}")


def _export_model(path: Path, out: Path, top: int | None, dtype: Dtype) -> None:
    from conec.model import KIND
    from corpora.model_folder import check_writable

    if dtype is Dtype.float32:
        fail("--to model makes a smaller model: add --dtype float16 or --dtype int8")
    if top is not None:
        fail("--to model keeps all words: leave --top out")
    check_writable(out, KIND)
    small = load_model(path).quantize(dtype.value)
    small.save(out)
    typer.echo(f"model of {len(small):,} words in {dtype.value}: {out}")
