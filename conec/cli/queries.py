"""``conec similar`` and ``conec analogy``: what lies near what."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from conec.cli.options import (
    InSpace,
    Model,
    Space,
    TopN,
    load_model,
    require_known,
    vectors_of,
)
from corpora.cli.app import fail
from corpora.cli.options import Json

Neighbours = list[tuple[str, float]]


def similar(
    model: Model,
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="Words of the model.")],
    topn: TopN = 10,
    space: InSpace = Space.context,
    as_json: Json = False,
) -> None:
    """Show the nearest neighbours of words, with cosine similarities.

    \b
      conec similar news.model hospital police
      conec similar news.model hospital --space word2vec --topn 3
    """  # noqa: D301
    encoder = load_model(model)
    require_known(encoder, words, model)
    vectors = vectors_of(encoder, space)
    found: dict[str, Neighbours] = {}
    for word in dict.fromkeys(words):
        if not vectors[word].any():
            fail(f"{word!r} has no direction: it never stood near another word of the model")
        found[word] = vectors.most_similar(word, topn=topn)
    if as_json:
        typer.echo(json.dumps({word: dict(near) for word, near in found.items()}))
        return
    for number, (word, near) in enumerate(found.items()):
        if len(found) > 1:
            typer.echo(("\n" if number else "") + word)
        show(near)


def analogy(
    model: Model,
    a: Annotated[str, typer.Argument(metavar="A", help="is to")],
    b: Annotated[str, typer.Argument(metavar="B", help="as")],
    c: Annotated[str, typer.Argument(metavar="C", help="is to which word?")],
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
    near: Neighbours = vectors.most_similar(positive=[b, c], negative=[a], topn=topn)
    if as_json:
        typer.echo(json.dumps(dict(near)))
    else:
        show(near)


def show(near: Neighbours) -> None:
    """Print words and similarities in columns."""
    width = max((len(word) for word, _ in near), default=0)
    for word, similarity in near:
        typer.echo(f"{word:{width}}  {similarity:.3f}")
