"""``conec export``: write vectors for other programs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from conec.cli.options import InSpace, Model, Space, load_model, vectors_of


class Target(str, Enum):
    """Output format."""

    word2vec = "word2vec"
    word2vec_binary = "word2vec-binary"
    projector = "projector"
    spacy = "spacy"


def export(
    model: Model,
    out: Annotated[
        Path, typer.Option("--out", help="File to write; for projector and spacy, a folder.")
    ],
    to: Annotated[
        Target,
        typer.Option(
            "--to",
            help="word2vec, word2vec-binary: the text or binary format of word2vec, also read by "
            "gensim, fastText and others; compressed if the file name ends in .gz, .bz2, .xz or "
            ".zst. projector: two TSV files for TensorBoard's embedding projector. spacy: the "
            "folder of a pipeline.",
        ),
    ] = Target.word2vec,
    space: InSpace = Space.context,
    lang: Annotated[
        str, typer.Option("--lang", help="Language code of the spaCy pipeline.")
    ] = "xx",
) -> None:
    """Export the vectors of all words of a model for another program.

    projector and spacy replace only files that an earlier export has written.

    \b
      conec export news.model --out news.vec.gz
      conec export news.model --out news.bin --to word2vec-binary --space word2vec
      conec export news.model --out projector --to projector
    """  # noqa: D301
    from conec.interop import save_projector, save_spacy, save_word2vec
    from conec.interop.viewers import check_projector, check_spacy
    from corpora.files import check_output
    from corpora.output import check_suffix

    if to is Target.projector:
        check_projector(out)
    elif to is Target.spacy:
        check_spacy(out)
    else:
        check_suffix(out)
        check_output(out)
    vectors = vectors_of(load_model(model), space)
    if to is Target.projector:
        save_projector(vectors, out)
    elif to is Target.spacy:
        save_spacy(vectors, out, lang)
    else:
        save_word2vec(vectors, out, binary=to is Target.word2vec_binary)
    typer.echo(f"{len(vectors):,} vectors of {vectors.vector_size} dimensions: {out}")
