"""``conec export``: vectors for other programs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from conec.cli.options import InSpace, Model, Space, load_model, vectors_of


class Target(str, Enum):
    """What other programs read."""

    word2vec = "word2vec"
    word2vec_binary = "word2vec-binary"
    projector = "projector"
    spacy = "spacy"


def export(
    model: Model,
    out: Annotated[
        Path, typer.Option("--out", help="File to write, or folder for projector and spacy.")
    ],
    to: Annotated[
        Target,
        typer.Option(
            "--to",
            help="word2vec's text or binary format (also of gensim, fastText, ...; compressed "
            "with a suffix such as .gz), TensorBoard's projector (two TSV files), or a spaCy "
            "pipeline.",
        ),
    ] = Target.word2vec,
    space: InSpace = Space.context,
    lang: Annotated[str, typer.Option("--lang", help="Language of a spaCy pipeline.")] = "xx",
) -> None:
    """Write the vectors of all known words for another program.

    \b
      conec export news.model --out news.vec.gz
      conec export news.model --out news.bin --to word2vec-binary --space word2vec
      conec export news.model --out projector --to projector
    """  # noqa: D301
    from conec.interop import save_projector, save_word2vec, to_spacy

    vectors = vectors_of(load_model(model), space)
    if to is Target.projector:
        save_projector(vectors, out)
    elif to is Target.spacy:
        from corpora.files import atomic_folder

        pipeline = to_spacy(vectors, lang)
        with atomic_folder(out, marker="meta.json") as folder:
            pipeline.to_disk(folder)
    else:
        save_word2vec(vectors, out, binary=to is Target.word2vec_binary)
    typer.echo(f"{len(vectors):,} vectors of {vectors.vector_size} dimensions: {out}")
