"""Arguments and options that several commands share, and functions that use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpora.cli.app import fail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gensim.models import KeyedVectors

    from conec import ContextEncoder
    from conec.ner import Tagger

Neighbors = list[tuple[str, float]]


class Space(str, Enum):
    """Vectors of a model: context embeddings or word2vec vectors."""

    context = "context"
    word2vec = "word2vec"


Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Model folder written by conec train.")
]
InSpace = Annotated[
    Space,
    typer.Option(
        "--space",
        help="Which vectors to use. context: the context embeddings, comparable with the output "
        "of embed and oov. word2vec: the plain word vectors.",
    ),
]
TopN = Annotated[int, typer.Option("--topn", min=1, help="Number of neighbors.")]
GlobalShare = Annotated[
    float,
    typer.Option(
        "--a",
        min=0,
        max=1,
        help="For known words, the weight of the embedding from training relative to the context "
        "in this text. With 1, every occurrence has the same vector; with 0, only the context "
        "counts, as for unknown words.",
    ),
]


def load_model(path: Path) -> ContextEncoder:
    """Load a model, with or without features.

    Raises
    ------
    FileNotFoundError, ModelError
        As `conec.load`.
    ValueError
        If the model needs custom functions, which the command line cannot pass.
    """
    from conec import load

    with _without_functions("model"):
        return load(path)


def load_tagger(path: Path) -> Tagger:
    """Load a tagger; errors as in `load_model`."""
    from conec.ner import Tagger

    with _without_functions("tagger"):
        return Tagger.load(path)


@contextmanager
def _without_functions(what: str) -> Iterator[None]:
    """Add to error messages of loading that the command line cannot pass custom functions."""
    from conec import ModelError

    try:
        yield
    except ModelError:
        raise
    except ValueError as error:
        raise ValueError(
            f"{error}; the command line cannot pass Python functions: use this {what} from Python"
        ) from error


def vectors_of(model: ContextEncoder, space: Space) -> KeyedVectors:
    """Vectors of a model as gensim's KeyedVectors."""
    if space is Space.word2vec:
        return model.wv
    require_contexts(model)
    return model.wv_context


def require_contexts(model: ContextEncoder) -> None:
    """Exit with an error and advice if a model has no context embeddings."""
    if model.stored("context_embeddings") is None:
        if model.training_state is not None:
            fail(
                "the training of this model was interrupted before its context embeddings were "
                "computed: continue with conec train --resume, or use --space word2vec"
            )
        fail(
            "this model has no context embeddings: use --space word2vec, or --a 0 with embed and "
            "oov"
        )


def require_known(model: ContextEncoder, words: Iterable[str], path: Path) -> None:
    """Exit with an error and advice if the model does not know one of the words."""
    for word in words:
        if word not in model:
            similar = [other for other in (word.lower(), word.capitalize()) if other in model]
            hint = f"; it knows {similar[0]!r}" if similar else ""
            fail(
                f"the model does not know {word!r}{hint}. To make a vector from a text that "
                f'contains the word: conec oov {path} {word} --context "... {word} ..."'
            )


def print_neighbors(neighbors: Neighbors) -> None:
    """Print words and similarities in columns."""
    width = max((len(word) for word, _ in neighbors), default=0)
    for word, similarity in neighbors:
        typer.echo(f"{word:{width}}  {similarity:.3f}")
