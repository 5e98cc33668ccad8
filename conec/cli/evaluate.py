"""``conec evaluate``: analogies and word similarities."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conec.cli.options import Model, Space, load_model, vectors_of
from corpora.cli.app import fail
from corpora.cli.options import Encoding, Errors, Json

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


def evaluate(
    model: Model,
    analogies: Annotated[
        list[Path],
        typer.Option(
            "--analogies",
            metavar="FILE",
            help="Analogy questions in the format of word2vec's questions-words.txt.",
        ),
    ] = [],  # noqa: B006
    similarity: Annotated[
        list[Path],
        typer.Option(
            "--similarity",
            metavar="FILE",
            help="File of word pairs with a human rating, one per line.",
        ),
    ] = [],  # noqa: B006
    dataset: Annotated[
        list[str],
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="Name of a data set, such as questions-words, wordsim353, simlex999 or men. To "
            "download it: corpora datasets fetch NAME.",
        ),
    ] = [],  # noqa: B006
    restrict_vocab: Annotated[
        int,
        typer.Option(
            "--restrict-vocab",
            metavar="N",
            min=0,
            help="Use only the N most frequent words for analogies; 0: all words.",
        ),
    ] = 30_000,
    encoding: Encoding = None,
    errors: Errors = "strict",
    as_json: Json = False,
) -> None:
    """Evaluate a model on analogies and on word similarities rated by people.

    Both the context embeddings and the word2vec vectors are evaluated. --analogies, --similarity
    and --dataset can be repeated.

    \b
      conec evaluate news.model --dataset questions-words --dataset wordsim353
      conec evaluate news.model --similarity my-pairs.tsv
    """  # noqa: D301
    tests = _tests(analogies, similarity, dataset)
    if not tests:
        fail("nothing to evaluate on: use --analogies, --similarity or --dataset", 2)
    encoder = load_model(model)
    spaces = [Space.word2vec]
    if encoder.context_embeddings is not None:
        spaces.insert(0, Space.context)
    tests = [
        (name, kind, _read(kind, content, encoding or "utf-8", errors))
        for name, kind, content in tests
    ]
    results = {
        name: {
            space.value: _measure(vectors_of(encoder, space), kind, content, restrict_vocab or None)
            for space in spaces
        }
        for name, kind, content in tests
    }
    if as_json:
        typer.echo(json.dumps(results, indent=1))
        return
    for name, by_space in results.items():
        typer.echo(name)
        for space_name, result in by_space.items():
            typer.echo(f"  {space_name:9} {_summary(result)}")


def _tests(
    analogies: list[Path], similarity: list[Path], names: list[str]
) -> list[tuple[str, str, Any]]:
    """Name, kind and content of each test set."""
    from corpora import datasets

    # two files may have the same name: paths distinguish them
    tests: list[tuple[str, str, Any]] = [(str(path), "analogies", path) for path in analogies]
    tests += [(str(path), "word-pairs", path) for path in similarity]
    for name in names:
        about = datasets.info(name)
        if about.kind not in ("analogies", "word-pairs"):
            usable = ", ".join(datasets.names("analogies") + datasets.names("word-pairs"))
            raise ValueError(
                f"{name!r} cannot be used for evaluation: it is another kind of data set "
                f"({about.kind}). Use one of {usable}"
            )
        tests.append((about.name, about.kind, datasets.load(about.name)))
    return tests


def _read(kind: str, content: Any, encoding: str, errors: str) -> Any:
    """Read a file; data in memory is returned unchanged."""
    from corpora import datasets

    if not isinstance(content, Path):
        return content
    read = datasets.read_analogies if kind == "analogies" else datasets.read_word_pairs
    try:
        return read(content, encoding=encoding, errors=errors)
    except LookupError as error:  # an unknown encoding
        raise ValueError(str(error)) from error


def _measure(
    vectors: KeyedVectors, kind: str, content: Any, restrict_vocab: int | None
) -> dict[str, Any]:
    from conec.evaluation import analogies, word_similarity

    if kind == "analogies":
        return dict(analogies(vectors, content, restrict_vocab=restrict_vocab).to_dict())
    result: dict[str, Any] = dict(word_similarity(vectors, content).to_dict())
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in result.items()
    }


def _summary(result: dict[str, Any]) -> str:
    def number(value: float | None, style: str) -> str:
        return "-" if value is None else format(value, style)

    if "accuracy" in result:
        return (
            f"solved {number(result['accuracy'], '.1%')} "
            f"(semantic {number(result['semantic'], '.1%')}, "
            f"syntactic {number(result['syntactic'], '.1%')}) of {result['total']:,} questions; "
            f"{result['n_skipped']:,} contain unknown words"
        )
    return (
        f"Spearman {number(result['spearman'], '.3f')}, Pearson {number(result['pearson'], '.3f')} "
        f"over {result['n']:,} pairs; {result['n_oov']:,} contain unknown words"
    )
