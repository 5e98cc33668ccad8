"""``conec oov``: a vector for a new word, from texts that contain it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from conec.cli.options import (
    GlobalShare,
    InSpace,
    Model,
    Space,
    TopN,
    load_model,
    print_neighbors,
    require_contexts,
    vectors_of,
)
from corpora.cli.app import fail
from corpora.cli.options import Clean, Reading, Tokenize


def oov(
    model: Model,
    word: Annotated[str, typer.Argument(metavar="WORD", help="Any word, known or unknown.")],
    context: Annotated[
        list[str],
        typer.Option(
            "--context",
            metavar="TEXT",
            help="A text that contains the word. Can be repeated; more texts give a better vector.",
        ),
    ],
    topn: TopN = 10,
    a: GlobalShare = 0.8,
    space: InSpace = Space.context,
    clean: Clean = [],  # noqa: B006
    tokenize: Tokenize = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, including the vector.")
    ] = False,
) -> None:
    """Compute a vector for a word from texts that contain it, and show its neighbors.

    \b
      conec oov news.model zorbing --context "we went zorbing down the hill" \\
                                   --context "zorbing is a sport from new zealand"
    """  # noqa: D301
    encoder = load_model(model)
    vectors = vectors_of(encoder, space)
    if word in encoder and a > 0:
        require_contexts(encoder)
    reading = Reading(word, clean=clean, tokenize=tokenize)
    tokens = [token for document in reading.open([word]) for token in document]
    if len(tokens) != 1:
        fail(
            f"WORD must be a single token, but with these options {word!r} becomes {len(tokens)} "
            f"tokens: {tokens}. Pass one of them, or change --tokenize or --clean"
        )
    token = tokens[0]
    texts = list(reading.open(context))
    for text in texts:
        if token not in text:
            fail(
                f"{token!r} is not among the tokens of {' '.join(text)!r}. If punctuation or "
                "capitals are the reason, use --tokenize regexp and --clean lower"
            )
    vector, has_embedding = encoder.embed_word(token, texts, a, return_found=True)
    if not has_embedding:
        fail(
            f"none of the words around {token!r} in these texts is known to the model: pass other "
            "texts with --context"
        )
    neighbors = vectors.similar_by_vector(vector, topn=topn)
    if as_json:
        result = {"word": token, "vector": vector.tolist(), "neighbours": dict(neighbors)}
        typer.echo(json.dumps(result, ensure_ascii=False))
    else:
        print_neighbors(neighbors)
