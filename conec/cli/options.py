"""Arguments and options that several commands have, and what they stand for."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conec.cli.app import fail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gensim.models import KeyedVectors

    from conec import ContextEncoder
    from corpora import Corpus

_TEXT = "How the text is read"


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
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
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

Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="text (a line a document), text8, conll, wikiextractor, reuters, jsonl, parquet, "
        "lm1b; by default guessed.",
        rich_help_panel=_TEXT,
    ),
]
Clean = Annotated[
    list[str],
    typer.Option(
        "--clean",
        metavar="STEP",
        help="What to do before words are cut: lower, ascii, digits, html, nfkc, wikifil; "
        "several with commas, in order.",
        rich_help_panel=_TEXT,
    ),
]
Tokenize = Annotated[
    str,
    typer.Option(
        "--tokenize",
        help="How words are cut: whitespace, treebank, tweet, or regexp (letters and digits "
        "only). Use the same for training and later.",
        rich_help_panel=_TEXT,
    ),
]
Sentences = Annotated[
    bool,
    typer.Option("--sentences", help="Make each sentence a document.", rich_help_panel=_TEXT),
]
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", help="By default utf-8.", rich_help_panel=_TEXT),
]
FormatOptions = Annotated[
    list[str],
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="An option of the format, such as unit=paragraph for text, or field=body for jsonl; "
        "can be repeated.",
        rich_help_panel=_TEXT,
    ),
]


def load_model(path: Path) -> ContextEncoder:
    """Load a model."""
    from conec import ContextEncoder

    return ContextEncoder.load(path)


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


def open_corpus(
    source: str | list[str],
    *,
    format: str = "auto",
    clean: Iterable[str] = (),
    tokenize: str = "whitespace",
    sentences: bool = False,
    encoding: str | None = None,
    options: Iterable[str] = (),
) -> Corpus:
    """Open a corpus with the options of the command line."""
    import corpora

    try:
        return corpora.open(
            source,
            format,
            clean=split_steps(clean) or None,
            tokenize=None if tokenize == "whitespace" else tokenize,
            sentences=sentences,
            encoding=encoding,
            **parse_options(options),
        )
    except (TypeError, LookupError) as error:
        # an option that the format lacks, an unknown encoding
        raise ValueError(str(error)) from error


def split_steps(clean: Iterable[str]) -> list[str]:
    """Cleaning steps, each by itself: ``lower,digits`` is two."""
    return [step.strip() for several in clean for step in several.split(",") if step.strip()]


def parse_options(options: Iterable[str]) -> dict[str, Any]:
    """Turn ``KEY=VALUE`` into options; numbers, true, false and null are what they seem."""
    parsed: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"--option takes KEY=VALUE, not {option!r}")
        try:
            parsed[key] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key] = value
    return parsed
