"""Commands that read a corpus: info, clean, count, encode, convert."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import report
from corpora.cli.options import (
    Address,
    Engine,
    Json,
    Out,
    Reading,
    Workers,
    Writing,
    engine_of,
    output_folder,
    reads_corpus,
    report_skipped,
    split_commas,
    takes_options,
)

if TYPE_CHECKING:
    from corpora.corpus import Corpus

_SUFFIXES = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".conll": "conll",
    ".parquet": "parquet",
}
_TARGETS = ("text", "jsonl", "conll", "text8", "parquet")

MaxSize = Annotated[int | None, typer.Option("--max-size", min=1, help="Maximum number of words.")]


@reads_corpus()
def info(
    reading: Reading,
    min_count: Annotated[
        list[str],
        typer.Option(
            "--min-count",
            metavar="N",
            help="Show how many words occur at least N times, and their share of all tokens. "
            "Separate several numbers by commas.",
            show_default="1,2,5,10,100",
        ),
    ] = [],  # noqa: B006
    as_json: Json = False,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
) -> None:
    """Count documents, sentences, tokens, distinct words (types) and frequent words.

    A document without sentence boundaries counts as one sentence. Use this command to compare
    cleaning steps before training. For an empty text all numbers are 0.

    \b
      corpora info news.txt
      corpora info news.txt --clean lower --tokenize treebank --min-count 5,20
    """  # noqa: D301
    from corpora.counting import count

    levels = sorted({_positive(n) for n in split_commas(min_count)}) or [1, 2, 5, 10, 100]
    corpus = reading.open()
    if _has_tags(corpus) and not any(o.startswith(("unit=", "breaks=")) for o in reading.option):
        reading.option.append("breaks=true")  # to count sentences
        corpus = reading.open()
    # The words themselves are not needed, only how many are frequent.
    counts = count(
        corpus,
        min_count=sys.maxsize,
        workers=workers,
        engine=engine_of(engine, address),
        progress=True,
    )
    coverage = [(n, *counts.coverage(n)) for n in levels]
    if as_json:
        numbers: dict[str, Any] = {
            "source": corpus.source,
            "format": corpus.format,
            "documents": counts.documents,
            "sentences": counts.sentences,
            "tokens": counts.tokens,
            "types": counts.types,
            "skipped_lines": counts.skipped,
            "coverage": [{"min_count": n, "types": v, "share": share} for n, v, share in coverage],
        }
        typer.echo(json.dumps(numbers, indent=1, ensure_ascii=False))
        return
    rows = {
        "format": corpus.format,
        "documents": f"{counts.documents:,}",
        "sentences": f"{counts.sentences:,}",
        "tokens": f"{counts.tokens:,}",
        "types": f"{counts.types:,}",
    }
    if counts.skipped:
        rows["skipped"] = f"{counts.skipped:,} lines"
    for name, value in rows.items():
        typer.echo(f"{name:10} {value:>15}")
    typer.echo(f"\n{'min count':10} {'types':>15} {'of the tokens':>15}")
    for n, types, share in coverage:
        typer.echo(f"{n:<10,} {types:>15,} {share:>15.2%}")


@reads_corpus()
@takes_options(Writing, "writing", out="-")
def clean(reading: Reading, writing: Writing) -> None:
    """Write the words of a text, one document per line, separated by spaces.

    Sentence boundaries are lost; to write one sentence per line, use --sentences, or --option
    unit=sentence for conll. Documents without words are omitted, so an empty text gives an empty
    file. Some tokenizers return tokens that contain spaces: these are split when read again.

    With --shards txt (or txt.gz, ...), the output is a folder of files such as 00000.txt, each for
    about 16 MiB of the text, and shards.json, which lists them. All commands read it as they read
    a file. An interrupted run can be continued with --resume.

    \b
      corpora clean news.txt --clean html,nfkc,lower | less
      corpora clean 'news/*.gz' --tokenize treebank --out news.txt.zst
      corpora clean s3://bucket/news/ --clean lower --out /shared/news --shards txt --engine ray
    """  # noqa: D301
    if writing.shards is not None:
        _format_of_shards(writing.shards, [".txt"])
    _write(reading, "text", writing, "cleaning")


@reads_corpus()
def count(
    reading: Reading,
    out: Out = "-",
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Omit words with fewer occurrences.")
    ] = 1,
    max_size: MaxSize = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
) -> None:
    """Count words, and write lines of a word, a tab and its count.

    The most frequent words come first, ties are in alphabetical order. A text without words is an
    error. The file can be used with corpora encode --vocab.

    \b
      corpora count news.txt --clean lower | head -20
      corpora count news.txt --min-count 5 --out words.tsv
    """  # noqa: D301
    from corpora.counting import count as count_words
    from corpora.counting import vocabulary_lines
    from corpora.output import open_output

    corpus = reading.open()
    with open_output(out) as write, report_skipped() as skipped:
        counts = count_words(
            corpus,
            min_count=min_count,
            workers=workers,
            engine=engine_of(engine, address),
            progress=True,
        )
        skipped.append(counts.skipped)
        for line in vocabulary_lines(counts.most_common(max_size)):
            write(line)


@reads_corpus()
def encode(
    reading: Reading,
    out: Annotated[
        Path,
        output_folder(
            "Folder to write. A folder with an encoded text is replaced.",
            "--out",
            "-o",
            kind="corpora.TokenStream",
            show_default=False,
        ),
    ],
    vocab: Annotated[
        str | None,
        typer.Option(
            "--vocab",
            metavar="FILE",
            help="Vocabulary: words in the order of their ids, as written by corpora count. Other "
            "words are omitted.",
        ),
    ] = None,
    min_count: Annotated[
        int | None,
        typer.Option(
            "--min-count",
            min=1,
            help="Without --vocab: count words first, and omit those with fewer occurrences.",
        ),
    ] = None,
    max_size: MaxSize = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
) -> None:
    """Encode a text as word ids, which are read many times faster than text.

    The folder contains the ids of the vocabulary's words in the order of the text (ids.int32; -1
    separates sentences), the offsets of documents (offsets.int64), and the vocabulary
    (vocabulary.tsv: the first line is word 0). In Python, corpora.TokenStream.open opens it without
    loading it into memory. A text without words is an error.

    \b
      corpora encode news.txt --clean lower --min-count 5 --out news.tokens
      corpora encode more.txt --clean lower --out more.tokens \\
          --vocab news.tokens/vocabulary.tsv
    """  # noqa: D301
    from corpora.counting import count as count_words
    from corpora.counting import read_vocabulary, vocabulary_lines
    from corpora.encoding import FORMAT_VERSION, KIND, write_tokens
    from corpora.errors import CorpusError
    from corpora.model_folder import write_folder
    from corpora.output import encode_text

    if (vocab is None) == (min_count is None):
        raise ValueError("pass either --vocab FILE or --min-count N")
    if vocab is not None and max_size is not None:
        raise ValueError(
            "--max-size needs --min-count; with --vocab, all words of the file are used"
        )
    corpus = reading.open()
    if vocab is None and not corpus.reiterable:
        raise ValueError(
            f"{reading.source} can be read only once, but counting needs a separate pass: write "
            "the text to a file, or pass --vocab"
        )
    where = engine_of(engine, address)
    # Opened before counting, so that a folder that can't be written fails at once.
    with write_folder(out, KIND, FORMAT_VERSION) as folder, report_skipped() as skipped:
        if vocab is None:
            counts = count_words(
                corpus, min_count=min_count or 1, workers=workers, engine=where, progress=True
            )
            words = counts.most_common(max_size)
        else:
            words = read_vocabulary(vocab)
        index = {word: i for i, word in enumerate(words)}
        encoded = write_tokens(folder, corpus, index, workers=workers, engine=where, progress=True)
        if not encoded["tokens_read"]:
            raise CorpusError("the corpus holds no words", path=reading.source)
        path = folder.file("vocabulary.tsv")
        with open(path, "wb") as file:
            file.writelines(encode_text(line, str(path)) for line in vocabulary_lines(words))
        skipped.append(encoded["lines_skipped"])
    report(
        f"{encoded['documents']:,} documents, {encoded['words']:,} of {encoded['tokens_read']:,} "
        f"tokens are among the {len(words):,} words"
    )
    if not encoded["words"]:
        report(
            "no token is in the vocabulary: was it counted with the same cleaning and tokenizer?"
        )


@reads_corpus()
@takes_options(Writing, "writing")
def convert(
    reading: Reading,
    writing: Writing,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="text, jsonl, conll, text8 or parquet; by default inferred from the name of the "
            "file.",
        ),
    ] = None,
) -> None:
    """Write a text in another format.

    \b
      text     a document per line, as written by corpora clean
      jsonl    {"text": ...} per line
      conll    a token per line, a blank line between sentences
      text8    all words on one line, without document boundaries
      parquet  a table with the column text

    jsonl and parquet hold each document unchanged: its text, or its tokens. If the source is in
    columns (conll or conllu), or with --clean, --tokenize or --sentences, they hold its tokens.
    conll holds all columns of a source in columns, separated by tabs; for other sources, or with
    one of these options, it has one column of words. An empty text gives an empty file.

    With --shards (txt, jsonl, conll or parquet; the first three also compressed, as jsonl.zst),
    the output is a folder as from corpora clean.

    \b
      corpora convert wiki/ --out wiki.jsonl.zst
      corpora convert reuters21578/ --option part=all --out reuters.parquet
      corpora convert news.txt --tokenize treebank --out news.conll
    """  # noqa: D301
    if writing.shards is None:
        target = _target(writing.out, to)
    elif to is None:
        target = _format_of_shards(writing.shards, list(_SUFFIXES))
    else:
        raise ValueError("--to and --shards exclude each other: --shards names the format")
    corpus = reading.open()
    serializer = target
    if target in ("jsonl", "parquet"):
        serializer = "jsonl-tokens" if reading.processed or _has_tags(corpus) else "jsonl"
    elif target == "conll" and not reading.processed and _has_tags(corpus):
        serializer = "conll-rows"
    _write(reading, serializer, writing, "converting", parquet=target == "parquet")


def _write(
    reading: Reading, serializer: str, writing: Writing, label: str, *, parquet: bool = False
) -> None:
    from corpora.cli.writing import serialize, write_bytes, write_parquet, write_text_shards

    corpus, out = reading.open(), writing.out
    with report_skipped() as skipped:
        if writing.shards is not None:
            run = writing.run({"serializer": serializer, "options": vars(reading)}, label)
            skipped.append(write_text_shards(corpus, serializer, run))
            return
        if writing.resume or writing.overwrite:
            raise ValueError("--resume and --overwrite need --shards")
        blocks = serialize(
            corpus, serializer, out, workers=writing.workers,
            engine=engine_of(writing.engine, writing.address), label=label, skipped=skipped,
        )  # fmt: skip
        if parquet:
            write_parquet(out, blocks)
        else:
            write_bytes(out, blocks, drop_first=serializer == "text8")


def _format_of_shards(suffix: str, suffixes: list[str]) -> str:
    """Return the format of the files that --shards names."""
    from corpora.output import COMPRESSED

    plain, _, compression = suffix.partition(".")
    can_be_compressed = plain != "parquet" and f".{compression}" in COMPRESSED
    if f".{plain}" not in suffixes or ("." in suffix and not can_be_compressed):
        names = ", ".join(name[1:] for name in suffixes)
        raise ValueError(
            f"--shards must be {names}, or one of them (except parquet) with "
            f"{', '.join(COMPRESSED)}, got {suffix!r}"
        )
    return _SUFFIXES[f".{plain}"]


def _target(out: str, to: str | None) -> str:
    if to is None:
        from corpora.readers.stream import plain_suffix

        if os.path.basename(out).startswith(("text8", "text9")):
            return "text8"
        to = _SUFFIXES.get(plain_suffix(out))
        if to is None:
            raise ValueError(
                f"can't infer the format from the name {out}; pass --to {', '.join(_TARGETS)}"
            )
    if to not in _TARGETS:
        raise ValueError(f"unknown output format {to!r}; the formats are: {', '.join(_TARGETS)}")
    return to


def _has_tags(corpus: Corpus) -> bool:
    from corpora.readers import READERS, Reader

    reader = READERS.get(corpus.format)
    return reader is not None and reader.tagged is not Reader.tagged


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"--min-count must be integers >= 1 separated by commas, got {text!r}")
    return int(text)
