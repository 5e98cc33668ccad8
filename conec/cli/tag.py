"""``conec tag``: train, evaluate and apply named-entity taggers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conec.cli.options import load_model, load_tagger
from corpora.cli.app import report
from corpora.cli.options import Json, Out, option, output_folder, split_commas

if TYPE_CHECKING:
    from conec.evaluation import EntityScores
    from corpora.readers import TaggedDocument

tag = typer.Typer(
    no_args_is_help=True,
    help="Find named entities: train a tagger on tagged text, evaluate it, and apply it. Files "
    "have columns as in CoNLL-2003: word, part of speech, chunk, tag; part of speech and chunk "
    "are optional. Requires the extra: pip install 'similarity-encoders\\[ner]'.",
)

_CONTEXT_ENCODER = "Context Encoder"


class Scheme(str, Enum):
    """Tagging scheme."""

    iob1 = "iob1"
    iob2 = "iob2"
    bioes = "bioes"


TaggerFolder = Annotated[
    Path, typer.Argument(metavar="TAGGER", help="Tagger folder written by conec tag train.")
]
TaggedFiles = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Text in columns; the last one is the tag.")
]


@tag.command()
def train(
    text: TaggedFiles,
    out: Annotated[
        Path,
        output_folder(
            "Folder to write the tagger to.", "--out", kind="conec.ner.Tagger", metavar="TAGGER"
        ),
    ],
    model: Annotated[
        Path | None,
        option(
            "Model folder written by conec train, preferably on a large text of the same domain. "
            "Without it, the tagger has only standard features.",
            "--model",
            panel=_CONTEXT_ENCODER,
        ),
    ] = None,
    clean: Annotated[
        list[str],
        option(
            "Cleaning steps of the model's training text, such as lower,digits.",
            "--clean",
            metavar="STEP",
            panel=_CONTEXT_ENCODER,
        ),
    ] = [],  # noqa: B006
    a: Annotated[
        float,
        option(
            "For known words, the weight of the embedding from training relative to the context "
            "in the document.",
            min=0,
            max=1,
            panel=_CONTEXT_ENCODER,
        ),
    ] = 0.8,
    clusters: Annotated[
        str,
        option(
            "Numbers of clusters of similar words and tokens, from coarse to fine.",
            metavar="N,...",
            panel=_CONTEXT_ENCODER,
        ),
    ] = "64,256,1024",
    refer: Annotated[
        bool,
        option(
            "Store the path of the model instead of a copy. The model must stay at this path.",
            "--refer",
            panel=_CONTEXT_ENCODER,
        ),
    ] = False,
    c1: Annotated[float, option("Weight of the L1 penalty.", min=0)] = 0.1,
    c2: Annotated[float, option("Weight of the L2 penalty.", min=0)] = 0.1,
    iterations: Annotated[int, option("Maximum number of training iterations.", min=1)] = 100,
    seed: Annotated[
        int, option("Random seed of the clustering.", min=0, panel=_CONTEXT_ENCODER)
    ] = 0,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Report progress.")
    ] = True,
) -> None:
    """Train a tagger on text tagged in IOB1, IOB2 or BIOES.

    \b
      conec tag train eng.train --out plain.tagger
      conec tag train eng.train --out tagger --model news.model --clean lower,digits
    """  # noqa: D301
    from conec.ner import ContextFeatures, Tagger

    features = None
    if model is not None:
        encoder = load_model(model)
        features = ContextFeatures(
            model if refer else encoder,
            sparse=True,
            a=a,
            clusters=_numbers(clusters),
            random_state=seed,
            clean=tuple(split_commas(clean)) or None,
        )
    elif clean or refer:
        raise ValueError("--clean and --refer need --model: pass the model, or leave them out")
    tagger = Tagger(features, c1=c1, c2=c2, max_iterations=iterations)
    documents, tags = _read_tagged(text)
    tagger.fit(documents, tags, progress=progress and sys.stderr.isatty())
    tagger.save(out, copy_model=not refer)
    n_sentences = sum(map(len, documents))
    n_tokens = sum(len(sentence) for document in documents for sentence in document)
    typer.echo(
        f"trained on {len(documents):,} documents, {n_sentences:,} sentences, {n_tokens:,} tokens: "
        f"{out}"
    )


@tag.command()
def evaluate(tagger: TaggerFolder, text: TaggedFiles, as_json: Json = False) -> None:
    """Report precision, recall and F1 of entities by type, computed as by conlleval.

    Entities that contain a word not in the training text are also scored separately. Case
    matters: Rome and ROME are different words.

    \b
      conec tag evaluate tagger eng.testb
    """  # noqa: D301
    from conec.ner import novelty_scores

    loaded = load_tagger(tagger)
    documents, tags = _read_tagged(text)
    predicted = [sentence for document in loaded.predict(documents) for sentence in document]
    words = [[row[0] for row in sentence] for document in documents for sentence in document]
    true = [sentence for document in tags for sentence in document]
    scores = novelty_scores(words, true, predicted, loaded.words_)
    n_tokens = sum(map(len, words))
    n_unseen = sum(word not in loaded.words_ for sentence in words for word in sentence)
    if as_json:
        result = {"tokens": n_tokens, "unseen_tokens": n_unseen, **scores.to_dict()}
        typer.echo(json.dumps(result, indent=1))
        return
    typer.echo(f"{n_tokens:,} tokens, {n_unseen:,} of them not in the training text")
    titles = {"all": "all entities", "unseen": "with unseen words", "seen": "all words seen"}
    for name, title in titles.items():
        typer.echo("\n" + _table(title, getattr(scores, name)))


def _table(title: str, scores: EntityScores) -> str:
    rows: list[tuple[str, ...]] = [
        (title, "precision", "recall", "F1", "true", "predicted", "correct")
    ]
    for name, of_type in [*scores.by_type.items(), ("all types", scores)]:
        shares = (of_type.precision, of_type.recall, of_type.f1)
        counts = (of_type.n_true, of_type.n_found, of_type.n_right)
        rows.append((name, *(f"{100 * x:.2f}" for x in shares), *(f"{n:,}" for n in counts)))
    return "\n".join(f"{row[0]:20}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows)


@tag.command()
def apply(
    tagger: TaggerFolder,
    text: Annotated[list[str], typer.Argument(metavar="FILE...", help="Text in columns.")],
    out: Out = "-",
    scheme: Annotated[
        Scheme | None, typer.Option("--scheme", help="Tagging scheme of the output. Default: iob2.")
    ] = None,
) -> None:
    """Predict tags, and append them as a column.

    \b
      conec tag apply tagger new.conll --out tagged.conll
    """  # noqa: D301
    from conec.evaluation import entities
    from corpora.output import open_output

    loaded = load_tagger(tagger)
    if scheme is not None:
        loaded.set_params(scheme=scheme.value)
    n_entities = n_documents = 0
    with open_output(out) as write:
        for document in _documents(text):
            [tags] = loaded.predict([document])
            lines = ["-DOCSTART-\n"] if n_documents else []
            for sentence, sentence_tags in zip(document, tags, strict=True):
                lines += [
                    " ".join((*row, predicted)) + "\n"
                    for row, predicted in zip(sentence, sentence_tags, strict=True)
                ]
                n_entities += len(entities(sentence_tags))
                lines.append("\n")
            write("".join(lines))
            n_documents += 1
    if not n_documents:
        report("the text has no tokens")
    place = "" if out == "-" else f": {out}"
    typer.echo(f"{n_documents:,} documents, {n_entities:,} entities{place}", err=True)


# Reading


def _documents(paths: list[str]) -> Iterator[TaggedDocument]:
    import corpora

    for path in paths:
        yield from corpora.open(path, "conll").tagged()


def _read_tagged(paths: list[str]) -> tuple[list[TaggedDocument], list[list[list[str]]]]:
    """Read documents: their tokens without the last column, and the last column as tags."""
    from conec.evaluation import entities

    documents: list[TaggedDocument] = []
    tags: list[list[list[str]]] = []
    for path in paths:
        for document in _documents([path]):
            if any(len(row) < 2 for sentence in document for row in sentence):
                raise ValueError(
                    f"{path}: each line needs at least two columns, a word and its tag"
                )
            documents.append([[row[:-1] for row in sentence] for sentence in document])
            tags.append([[row[-1] for row in sentence] for sentence in document])
            try:
                for sentence_tags in tags[-1]:
                    entities(sentence_tags)
            except ValueError as error:
                raise ValueError(f"{path}, last column: {error}") from error
    if not documents:
        raise ValueError(f"{', '.join(paths)}: there are no tokens")
    return documents, tags


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--clusters must be integers separated by commas, got {text!r}") from None
