"""``conec tag``: train, measure and use taggers of named entities."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpora.cli.app import report
from corpora.cli.options import Json, option, split_commas

if TYPE_CHECKING:
    from conec.evaluation import EntityScores
    from conec.ner.documents import Document

tag = typer.Typer(
    no_args_is_help=True,
    help="Find named entities: train a tagger on text with tags, measure it, use it. Files have "
    "columns as those of CoNLL-2003: word, part of speech, chunk, tag; or fewer in the middle. "
    "Needs the extra: pip install 'similarity-encoders\\[ner]'.",
)

_MODEL = "What a Context Encoder adds"


class Scheme(str, Enum):
    """How tags write entities down."""

    iob1 = "iob1"
    iob2 = "iob2"
    bioes = "bioes"


TaggerFolder = Annotated[
    Path, typer.Argument(metavar="TAGGER", help="Folder that conec tag train wrote.")
]


@tag.command()
def train(
    text: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Text with a tag in the last column."),
    ],
    out: Annotated[Path, option("Folder to write the tagger to.", "--out", metavar="TAGGER")],
    model: Annotated[
        Path | None,
        option(
            "Folder of a model that conec train wrote, best on much text of the same kind; "
            "without one, standard features alone are used.",
            "--model",
            panel=_MODEL,
        ),
    ] = None,
    clean: Annotated[
        list[str],
        option(
            "What the model's text was cleaned with, such as lower,digits.",
            "--clean",
            metavar="STEP",
            panel=_MODEL,
        ),
    ] = [],  # noqa: B006
    a: Annotated[
        float,
        option("Share of global contexts in a token's embedding.", min=0, max=1, panel=_MODEL),
    ] = 0.8,
    clusters: Annotated[
        str,
        option(
            "How many groups of similar words and tokens, at each granularity.",
            metavar="N,...",
            panel=_MODEL,
        ),
    ] = "64,256,1024",
    refer: Annotated[
        bool,
        option(
            "Do not copy the model into the tagger: it has to stay where it is.",
            "--refer",
            panel=_MODEL,
        ),
    ] = False,
    c1: Annotated[float, option("Weight of the L1 penalty.", min=0)] = 0.1,
    c2: Annotated[float, option("Weight of the L2 penalty.", min=0)] = 0.1,
    iterations: Annotated[int, option("At most so many steps.", min=1)] = 100,
    seed: Annotated[int, option("Where the search for groups starts.", min=0, panel=_MODEL)] = 0,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Tell how far it is.")
    ] = True,
) -> None:
    """Train a tagger on text with tags of IOB1, IOB2 or BIOES.

    \b
      conec tag train eng.train --out plain.tagger
      conec tag train eng.train --out tagger --model news.model --clean lower,digits
    """  # noqa: D301
    from conec.ner import ContextFeatures, Tagger
    from conec.ner.saving import check_writable

    check_writable(out)
    features = None
    if model is not None:
        features = ContextFeatures(
            model, sparse=True, a=a, clusters=_numbers(clusters), random_state=seed,
            clean=tuple(split_commas(clean)) or None,
        )  # fmt: skip
    elif clean or refer:
        raise ValueError("--clean and --refer say how a model is used: give it with --model")
    tagger = Tagger(features, c1=c1, c2=c2, max_iterations=iterations)
    documents, tags = _with_tags(text)
    tagger.fit(documents, tags, progress=progress and sys.stderr.isatty())
    tagger.save(out, copy_model=not refer)
    n_sentences = sum(map(len, documents))
    n_tokens = sum(len(sentence) for document in documents for sentence in document)
    typer.echo(
        f"learned from {len(documents):,} documents, {n_sentences:,} sentences, {n_tokens:,} "
        f"tokens: {out}"
    )


@tag.command()
def evaluate(
    tagger: TaggerFolder,
    text: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Text with a tag in the last column.")
    ],
    as_json: Json = False,
) -> None:
    """Measure a tagger: precision, recall and F1 of entities by their type, as conlleval does.

    Entities with a word that the training text does not have, written just so, are scored apart
    as well.

    \b
      conec tag evaluate tagger eng.testb
    """  # noqa: D301
    from conec.ner import Tagger, novelty_scores

    loaded = Tagger.load(tagger)
    documents, tags = _with_tags(text)
    predicted = [sentence for document in loaded.predict(documents) for sentence in document]
    words = [[row[0] for row in sentence] for document in documents for sentence in document]
    true = [sentence for document in tags for sentence in document]
    scores = novelty_scores(words, true, predicted, loaded.words_)
    n_tokens = sum(map(len, words))
    n_unseen = sum(word not in loaded.words_ for sentence in words for word in sentence)
    if as_json:
        about = {"tokens": n_tokens, "unseen_tokens": n_unseen, **scores.to_dict()}
        typer.echo(json.dumps(about, indent=1))
        return
    typer.echo(f"{n_tokens:,} tokens, {n_unseen:,} of them not in the training text")
    titles = {"all": "all entities", "unseen": "with a word unseen", "seen": "all words seen"}
    for name, title in titles.items():
        typer.echo("\n" + _table(title, getattr(scores, name)))


def _table(title: str, scores: EntityScores) -> str:
    rows: list[tuple[str, ...]] = [(title, "precision", "recall", "F1", "true", "found", "right")]
    for name, one in [*scores.by_type.items(), ("all types", scores)]:
        shares = (f"{100 * share:.2f}" for share in (one.precision, one.recall, one.f1))
        rows.append((name, *shares, *(f"{n:,}" for n in (one.n_true, one.n_found, one.n_right))))
    return "\n".join(f"{row[0]:20}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows)


@tag.command()
def apply(
    tagger: TaggerFolder,
    text: Annotated[list[str], typer.Argument(metavar="FILE...", help="Text in columns.")],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File to write, compressed if it ends in .gz, .bz2, .xz or .zst; - is standard "
            "output.",
        ),
    ] = "-",
    scheme: Annotated[
        Scheme | None, typer.Option("--scheme", help="How tags are written; by default iob2.")
    ] = None,
) -> None:
    """Add a column with the tags that a tagger finds.

    \b
      conec tag apply tagger new.conll --out tagged.conll
    """  # noqa: D301
    from conec.ner import Tagger
    from corpora.cli.writing import open_output

    loaded = Tagger.load(tagger)
    if scheme is not None:
        loaded.set_params(scheme=scheme.value)
    n_entities = n_documents = 0
    with open_output(out) as write:
        for document in _documents(text):
            [tags] = loaded.predict([document])
            lines = ["-DOCSTART-\n"] if n_documents else []
            for sentence, own in zip(document, tags, strict=True):
                lines += [
                    " ".join((*row, tag)) + "\n" for row, tag in zip(sentence, own, strict=True)
                ]
                n_entities += _count(own)
                lines.append("\n")
            write("".join(lines).encode())
            n_documents += 1
    if not n_documents:
        report("there are no tokens in the text")
    place = "" if out == "-" else f": {out}"
    typer.echo(f"{n_documents:,} documents, {n_entities:,} entities{place}", err=True)


def _count(tags: list[str]) -> int:
    from conec.evaluation import entities

    return len(entities(tags))


# Reading


def _documents(paths: list[str]) -> Iterator[Document]:
    import corpora

    for path in paths:
        yield from corpora.open(path, "conll").tagged()


def _with_tags(paths: list[str]) -> tuple[list[Document], list[list[list[str]]]]:
    """Documents without their last column, and that column."""
    documents: list[Document] = []
    tags: list[list[list[str]]] = []
    for document in _documents(paths):
        if any(len(row) < 2 for sentence in document for row in sentence):
            raise ValueError(f"{', '.join(paths)}: a word and its tag make two columns at least")
        documents.append([[row[:-1] for row in sentence] for sentence in document])
        tags.append([[row[-1] for row in sentence] for sentence in document])
    if not documents:
        raise ValueError(f"{', '.join(paths)}: there are no tokens")
    return documents, tags


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--clusters takes numbers with commas, not {text!r}") from None
