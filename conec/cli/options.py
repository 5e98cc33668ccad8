"""Arguments and options that several commands have, and what they stand for."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpora.cli.app import fail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gensim.models import KeyedVectors

    from conec import ContextEncoder


class Space(str, Enum):
    """Which of a model's vectors."""

    context = "context"
    word2vec = "word2vec"


Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder of a model that conec train wrote.")
]
InSpace = Annotated[
    Space,
    typer.Option(
        "--space",
        help="Which vectors: those made from each word's contexts, comparable to what embed and "
        "oov make, or the plain ones of word2vec.",
    ),
]
TopN = Annotated[int, typer.Option("--topn", min=1, help="How many neighbours.")]
Share = Annotated[
    float,
    typer.Option(
        "--a",
        min=0,
        max=1,
        help="How much of a known word's vector comes from all its contexts in training; the "
        "rest comes from the text at hand. 1: always the same vector. 0: the text alone, as for "
        "words that the model does not know.",
    ),
]


def load_model(path: Path) -> ContextEncoder:
    """Load a model, with or without features.

    Raises
    ------
    FileNotFoundError, ModelError
        As `conec.load`.
    ValueError
        If the model needs functions of the user's, which the command line cannot pass.
    """
    from conec import ModelError, load

    try:
        return load(path)
    except ModelError:
        raise
    except ValueError as error:
        raise ValueError(
            f"{error}; the command line cannot pass Python functions: use this model from Python"
        ) from error


def vectors_of(model: ContextEncoder, space: Space) -> KeyedVectors:
    """Vectors of a model as gensim's KeyedVectors."""
    if space is Space.word2vec:
        return model.wv
    require_contexts(model)
    return model.wv_context


def require_contexts(model: ContextEncoder) -> None:
    """Fail if a model has no vectors from contexts: say what to do."""
    if model.context_embeddings is None:
        if model._training is not None:
            fail(
                "training of this model was interrupted, and vectors from contexts are made at its "
                "end: go on with conec train --resume, or use --space word2vec where there is one"
            )
        fail("this model has no vectors from contexts: use --space word2vec, or --a 0 with embed")


def require_known(model: ContextEncoder, words: Iterable[str], path: Path) -> None:
    """Fail if the model does not know one of the words."""
    for word in words:
        if word not in model:
            near = [other for other in (word.lower(), word.capitalize()) if other in model]
            hint = f"; it knows {near[0]!r}" if near else ""
            fail(
                f"the model does not know {word!r}{hint}. To make a vector from a text that the "
                f'word stands in: conec oov {path} {word} --context "... {word} ..."'
            )
