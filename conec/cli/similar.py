"""``conec similar``: nearest neighbors of words."""

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
from corpora.cli.app import fail
from corpora.cli.options import Json


def similar(
    model: Model,
    words: Annotated[
        list[str], typer.Argument(metavar="WORD...", help="Words that the model knows.")
    ],
    topn: TopN = 10,
    space: InSpace = Space.context,
    as_json: Json = False,
) -> None:
    """Show the nearest neighbors of words, with cosine similarities.

    \b
      conec similar news.model hospital police
      conec similar news.model hospital --space word2vec --topn 3
    """  # noqa: D301
    encoder = load_model(model)
    require_known(encoder, words, model)
    vectors = vectors_of(encoder, space)
    neighbors: dict[str, Neighbors] = {}
    for word in dict.fromkeys(words):
        if not vectors[word].any():
            fail(
                f"{word!r} has no neighbors: its vector is zero and has no direction, because it "
                "never occurred near another word of the model"
            )
        neighbors[word] = vectors.most_similar(word, topn=topn)
    if as_json:
        typer.echo(json.dumps({word: dict(pairs) for word, pairs in neighbors.items()}))
        return
    for number, (word, pairs) in enumerate(neighbors.items()):
        if len(neighbors) > 1:
            typer.echo(("\n" if number else "") + word)
        print_neighbors(pairs)
