"""``conec analogy``: complete an analogy."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from conec.cli.options import (
    InSpace,
    Model,
    Neighbors,
    Space,
    TopN,
    load_model,
    print_neighbors,
    require_known,
    vectors_of,
)
from corpora.cli.options import Json


def analogy(
    model: Model,
    a: Annotated[str, typer.Argument(metavar="A", help="First word of the known pair.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Second word of the known pair.")],
    c: Annotated[str, typer.Argument(metavar="C", help="First word of the pair to complete.")],
    topn: TopN = 10,
    space: InSpace = Space.context,
    as_json: Json = False,
) -> None:
    """Complete an analogy: A is to B as C is to which word?

    \b
      conec analogy news.model man king woman
    """  # noqa: D301
    encoder = load_model(model)
    require_known(encoder, (a, b, c), model)
    vectors = vectors_of(encoder, space)
    answers: Neighbors = vectors.most_similar(positive=[b, c], negative=[a], topn=topn)
    if as_json:
        typer.echo(json.dumps(dict(answers)))
    else:
        print_neighbors(answers)
