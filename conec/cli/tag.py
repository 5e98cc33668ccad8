"""``conec tag``: train, evaluate and apply named-entity taggers."""

from __future__ import annotations

import json
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from conec.cli.options import load_model, load_tagger
from corpora.cleaning import Pipeline
from corpora.cli.app import report, report_warnings
from corpora.cli.options import (
    Encoding,
    Errors,
    Json,
    MaxRatio,
    Out,
    option,
    output_folder,
    split_commas,
)
from corpora.readers.stream import MAX_RATIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conec.evaluation import EntityScores
    from conec.ner import Tagger
    from conec.ner.columns import ColumnFile
    from corpora.readers import TaggedDocument
    from corpora.readers.conll import Line

tag = typer.Typer(
    no_args_is_help=True,
    help="Find named entities: train a tagger on tagged text, evaluate it, and apply it. Files "
    "have a word per line, in columns separated by tabs or blanks: word, part of speech, chunk, "
    "tag; part of speech and chunk are optional. Requires the extra: pip install "
    "'similarity-encoders\\[ner]'.",
)

_CONTEXT_ENCODER = "Context Encoder"
# Words of the model's training text from which taggers gained from it (benchmarks/README.md).
_MIN_WORDS = 1_000_000


class Scheme(str, Enum):
    """Tagging scheme."""

    iob1 = "iob1"
    iob2 = "iob2"
    bioes = "bioes"
    bilou = "bilou"
    bmewo = "bmewo"
    io = "io"


TaggerFolder = Annotated[
    Path, typer.Argument(metavar="TAGGER", help="Tagger folder written by conec tag train.")
]
TaggedFiles = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Text in columns, one of them with tags.")
]
_LAYOUT = "Layout of the files"
Columns = Annotated[
    str | None,
    option(
        "Names of all columns of the files: word, pos, chunk, tag, and _ for those to ignore, such "
        "as word,pos,chunk,tag or _,word,tag,_. By default they are recognized by their values: "
        "numbers such as offsets, lemmas and nested tags are ignored.",
        "--columns",
        metavar="NAME,...",
        panel=_LAYOUT,
    ),
]
WordsOnly = Annotated[
    bool,
    option("Ignore parts of speech and chunks.", "--words-only", panel=_LAYOUT),
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
            "Model folder written by conec train on text without tags: of the same language, if "
            "possible of the same domain, and at least 1 million words (better 5 or more). "
            "A model of the tagged text alone adds little.",
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
    occurrences: Annotated[
        bool,
        typer.Option(
            "--occurrences/--no-occurrences",
            help="Features from the other occurrences of a word in its document.",
        ),
    ] = True,
    c1: Annotated[float, option("Weight of the L1 penalty.", min=0)] = 0.1,
    c2: Annotated[float, option("Weight of the L2 penalty.", min=0)] = 0.1,
    iterations: Annotated[int, option("Maximum number of training iterations.", min=1)] = 100,
    seed: Annotated[
        int, option("Random seed of the clustering.", min=0, panel=_CONTEXT_ENCODER)
    ] = 0,
    columns: Columns = None,
    words_only: WordsOnly = False,
    encoding: Encoding = None,
    errors: Errors = "strict",
    max_ratio: MaxRatio = MAX_RATIO,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Report progress.")
    ] = True,
) -> None:
    """Train a tagger on text tagged in IOB1, IOB2, BIOES, BILOU, BMEWO or plain IO.

    \b
      conec tag train eng.train --out plain.tagger
      conec tag train de.tsv --out de.tagger --columns _,word,tag,_
      conec tag train eng.train --out tagger --model news.model --clean lower,digits
    """  # noqa: D301
    from conec.ner import ContextFeatures, Tagger

    features, n_words = None, 0
    if model is not None:
        encoder = load_model(model)
        Pipeline(split_commas(clean))  # unknown steps are found before the text is read
        n_words = int(encoder.vocabulary.counts.sum())
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
    tagger = Tagger(features, occurrences=occurrences, c1=c1, c2=c2, max_iterations=iterations)
    documents, tags = _read_tagged(text, _Reading(columns, encoding, errors, max_ratio, words_only))
    if 0 < n_words < _MIN_WORDS:  # 0: the words of imported vectors were not counted
        report(
            f"{model} was trained on {n_words:,} words, too few for a tagger to gain much from it: "
            f"train it on at least {_MIN_WORDS:,} words of text without tags, better 5 million or "
            "more"
        )
    with report_warnings():
        tagger.fit(documents, tags, progress=progress)
    tagger.save(out, copy_model=not refer)
    n_sentences = sum(map(len, documents))
    n_tokens = sum(len(sentence) for document in documents for sentence in document)
    typer.echo(
        f"trained on {len(documents):,} documents, {n_sentences:,} sentences, {n_tokens:,} tokens: "
        f"{out}"
    )


@tag.command()
def evaluate(
    tagger: TaggerFolder,
    text: TaggedFiles,
    columns: Columns = None,
    words_only: WordsOnly = False,
    encoding: Encoding = None,
    errors: Errors = "strict",
    max_ratio: MaxRatio = MAX_RATIO,
    as_json: Json = False,
) -> None:
    """Report precision, recall and F1 of entities by type, computed as by conlleval.

    Entities that contain a word not in the training text are also scored separately. Case
    matters: Rome and ROME are different words.

    The files must have the columns that the tagger was trained on. Types of entities that the
    tagger does not know are reported.

    \b
      conec tag evaluate tagger eng.testb
      conec tag evaluate tagger other.tsv --columns word,_,_,tag
    """  # noqa: D301
    from conec.ner import novelty_scores

    loaded = load_tagger(tagger)
    documents, tags = _read_tagged(
        text, _Reading(columns, encoding, errors, max_ratio, words_only), tagger=loaded
    )
    true = [sentence for document in tags for sentence in document]
    common, difference = loaded.compare_types(true)
    if difference and not common:
        raise ValueError(
            f"{', '.join(text)}: {difference}. Nothing could be found: convert the types, train "
            "a tagger on such text, or name the column of the tags with --columns"
        )
    if difference:
        report(difference)
    if not any(tag not in ("O", "") for sentence in true for tag in sentence):
        report(f"{', '.join(text)}: there are no entities")
    with report_warnings():
        predicted = [sentence for document in loaded.predict(documents) for sentence in document]
    words = [[row[0] for row in sentence] for document in documents for sentence in document]
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
    columns: Columns = None,
    encoding: Encoding = None,
    errors: Errors = "strict",
    max_ratio: MaxRatio = MAX_RATIO,
) -> None:
    """Predict tags, and append them as a column.

    Each row gets one more column, separated like the others; blank lines, comments and lines that
    separate documents stay as they are. In CoNLL-U, rows that are not words get the tag _. The
    output is UTF-8.

    Running text has to be converted to a word per line first.

    \b
      conec tag apply tagger new.conll --out tagged.conll
      corpora convert new.txt --tokenize treebank --out new.conll
    """  # noqa: D301
    from conec.evaluation import entities
    from corpora.output import open_output

    loaded = load_tagger(tagger)
    if scheme is not None:
        loaded.set_params(scheme=scheme.value)
    n_entities = n_documents = 0
    last, warned = "", False
    with open_output(out) as write:
        reading = _Reading(columns, encoding, errors, max_ratio)
        for file in _files(text, reading, tagged=False, tagger=loaded):
            for number, lines in enumerate(file.documents()):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", UserWarning)
                    tags = _predict(loaded, file, lines)
                for warning in () if warned else caught:  # only those of one document
                    report(f"{file.file.path}: {warning.message}")
                    warned = True
                if not number and n_documents:
                    # Without these lines, the first document would continue that of another file.
                    marked = any(line.kind == "document" for line in lines)
                    write("\n" * bool(last.strip()) + "-DOCSTART-\n\n" * (not marked))
                in_order = iter([tag for sentence in tags for tag in sentence])
                for line in lines:
                    last = _with_tag(line, file.separator, in_order)
                    write(f"{last}\n")
                n_entities += sum(len(entities(sentence)) for sentence in tags)
                n_documents += bool(tags)
    if not n_documents:
        report("the text has no tokens")
    place = "" if out == "-" else f": {out}"
    typer.echo(f"{n_documents:,} documents, {n_entities:,} entities{place}", err=True)


def _predict(tagger: Tagger, file: ColumnFile, lines: Sequence[Line]) -> list[list[str]]:
    """Predict the tags of the sentences of a document."""
    from conec.ner.columns import sentences_of

    sentences = sentences_of(lines)
    if not sentences:
        return []
    document = [[file.token(line) for line in sentence] for sentence in sentences]
    try:
        [tags] = tagger.predict([document])
    except ValueError as error:
        start = sentences[0][0].number
        raise ValueError(f"{file.file.path}, document at line {start}: {error}") from error
    return list(tags)


def _with_tag(line: Line, separator: str, tags: Iterator[str]) -> str:
    """Append the next tag to a word, and ``_`` to another row; other lines are unchanged."""
    if line.kind not in ("word", "other"):
        return line.text
    return line.text.rstrip(" \t\r") + separator + (next(tags) if line.kind == "word" else "_")


# Reading


class _Reading(NamedTuple):
    """Options of reading files."""

    columns: str | None
    encoding: str | None
    errors: str
    max_ratio: float
    words_only: bool = False


def _files(
    paths: Sequence[str], reading: _Reading, *, tagged: bool, tagger: Tagger | None = None
) -> Iterator[ColumnFile]:
    """Open files in columns; ValueError if one lacks a column that a tagger was trained on."""
    import corpora
    from conec.ner.columns import ColumnFile, parse_columns
    from corpora.readers.conll import Conll

    names = None if reading.columns is None else parse_columns(reading.columns)
    for path in paths:
        try:
            corpus = corpora.open(
                path, "conll", encoding=reading.encoding, errors=reading.errors,
                max_ratio=reading.max_ratio,
            )  # fmt: skip
        except LookupError as error:  # an unknown encoding
            raise ValueError(str(error)) from error
        for file, reader in corpus.files():
            assert isinstance(reader, Conll)
            opened = ColumnFile(file, reader, names, tagged=tagged, words_only=reading.words_only)
            if tagger is not None:
                _check_columns(opened, tagger)
            if names is None and "_" in opened.names and not reading.words_only:
                report(
                    f"{file.path}: columns {','.join(opened.names)} (guessed from their values; "
                    "--columns sets them)"
                )
            yield opened
        if corpus.skipped:
            report(f"{path}: skipped {corpus.skipped:,} lines that can't be decoded")


def _check_columns(file: ColumnFile, tagger: Tagger) -> None:
    """Raise ValueError if a file lacks a column that the tagger was trained on."""
    missing = [name for name in tagger.columns_ if name not in file.columns]
    if missing and file.names:
        raise ValueError(
            f"{file.file.path}: the tagger was trained on text with {len(tagger.columns_)} "
            f"columns, {', '.join(tagger.columns_)}, but this file has no column "
            f"{', '.join(missing)} (its columns: {','.join(file.names)}). Name them with "
            "--columns, or train a tagger with conec tag train --words-only"
        )


def _read_tagged(
    paths: Sequence[str], reading: _Reading, tagger: Tagger | None = None
) -> tuple[list[TaggedDocument], list[list[list[str]]]]:
    """Read documents, and their tags with prefixes."""
    from conec.ner.columns import sentences_of

    documents: list[TaggedDocument] = []
    tags: list[list[list[str]]] = []
    read: list[tuple[str, list[str]]] = []
    for file in _files(paths, reading, tagged=True, tagger=tagger):
        parts = [part for part in map(sentences_of, file.documents()) if part]
        if not parts:
            continue
        if tagger is None and read and read[0][1] != file.columns:
            raise ValueError(
                f"{file.file.path} has the columns {', '.join(file.columns)}, but {read[0][0]} has "
                f"{', '.join(read[0][1])}: use --words-only, or name them with --columns"
            )
        read.append((file.file.path, file.columns))
        documents += [[[file.token(line) for line in s] for s in part] for part in parts]
        of_file = iter(file.tags([sentence for part in parts for sentence in part]))
        tags += [[next(of_file) for _ in part] for part in parts]
    if not documents:
        raise ValueError(f"{', '.join(paths)}: there are no tokens")
    return documents, tags


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--clusters must be integers separated by commas, got {text!r}") from None
