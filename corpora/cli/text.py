"""The commands that read a corpus."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import report
from corpora.cli.options import (
    Json,
    Out,
    Reading,
    Workers,
    reads_corpus,
    report_skipped,
    split_commas,
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

MaxSize = Annotated[int | None, typer.Option("--max-size", min=1, help="At most so many words.")]


@reads_corpus()
def info(
    reading: Reading,
    min_count: Annotated[
        list[str],
        typer.Option(
            "--min-count",
            metavar="N",
            help="Tell how many words occur at least so often, and what share of the text they "
            "make up; several with commas.",
            show_default="1,2,5,10,100",
        ),
    ] = [],  # noqa: B006
    as_json: Json = False,
    workers: Workers = None,
) -> None:
    """Tell what is in a text: documents, sentences, words, and how many of them are frequent.

    A document without marked sentences counts as one. Try cleaning steps here before training: they
    change how many different words there are. Of an empty text all is 0.

    \b
      corpora info news.txt
      corpora info news.txt --clean lower --tokenize treebank --min-count 5,20
    """  # noqa: D301
    from corpora.counting import count

    levels = sorted({_whole(n) for n in split_commas(min_count)}) or [1, 2, 5, 10, 100]
    corpus = reading.open()
    # How many words are how frequent is known without the words.
    counts = count(corpus, min_count=sys.maxsize, workers=workers, progress=True)
    coverage = [(n, *counts.coverage(n)) for n in levels]
    if as_json:
        about: dict[str, Any] = {
            "source": corpus.source,
            "format": corpus.format,
            "documents": counts.documents,
            "sentences": counts.sentences,
            "tokens": counts.tokens,
            "types": counts.types,
            "skipped_lines": counts.skipped,
            "coverage": [{"min_count": n, "types": v, "share": share} for n, v, share in coverage],
        }
        typer.echo(json.dumps(about, indent=1, ensure_ascii=False))
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
def clean(reading: Reading, out: Out = "-", workers: Workers = None) -> None:
    """Write the words of a text as they are read: a document a line, a space between words.

    Breaks between sentences are left out; for a sentence a line give --sentences, or --option
    unit=sentence for conll. Documents without words are left out, so an empty text gives an empty
    file. A token that holds spaces (some tokenisers make such) comes apart when it is read again.

    \b
      corpora clean news.txt --clean html,nfkc,lower | less
      corpora clean 'news/*.gz' --tokenize treebank --out news.txt.zst
    """  # noqa: D301
    _write(reading.open(), "text", out, workers, "cleaning")


@reads_corpus()
def count(
    reading: Reading,
    out: Out = "-",
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Leave out words seen less often.")
    ] = 1,
    max_size: MaxSize = None,
    workers: Workers = None,
) -> None:
    """Count words and write them as lines of word, tab, count.

    The most frequent come first, those with the same count in alphabetical order. It is an error if
    there are no words. The file is what corpora encode --vocab takes.

    \b
      corpora count news.txt --clean lower | head -20
      corpora count news.txt --min-count 5 --out words.tsv
    """  # noqa: D301
    from corpora.cli.writing import open_output
    from corpora.counting import count as count_words
    from corpora.counting import vocabulary_lines

    corpus = reading.open()
    with open_output(out) as write, report_skipped() as skipped:
        counts = count_words(corpus, min_count=min_count, workers=workers, progress=True)
        skipped.append(counts.skipped)
        for line in vocabulary_lines(counts.most_common(max_size)):
            write(line.encode())


@reads_corpus()
def encode(
    reading: Reading,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder to write. One that holds an encoded text is replaced.",
            show_default=False,
        ),
    ],
    vocab: Annotated[
        str | None,
        typer.Option(
            "--vocab",
            metavar="FILE",
            help="Words in the order of their ids, as corpora count writes them; others are left "
            "out.",
        ),
    ] = None,
    min_count: Annotated[
        int | None,
        typer.Option(
            "--min-count",
            min=1,
            help="Without --vocab: count first, and leave out words seen less often.",
        ),
    ] = None,
    max_size: MaxSize = None,
    workers: Workers = None,
) -> None:
    """Write a text as numbers, which is read many times faster than text.

    The folder holds the ids of all words of the vocabulary in the order of the text (ids.int32; -1
    parts sentences), where documents begin (offsets.int64), and the vocabulary (vocabulary.tsv: the
    first line is word 0). In Python, corpora.encoding.TokenStream.open reads it without loading it
    into memory. It is an error if the text is empty.

    \b
      corpora encode news.txt --clean lower --min-count 5 --out news.tokens
      corpora encode more.txt --clean lower --out more.tokens \\
          --vocab news.tokens/vocabulary.tsv
    """  # noqa: D301
    from corpora.counting import count as count_words
    from corpora.counting import read_vocabulary, vocabulary_lines
    from corpora.encoding import FORMAT_VERSION, KIND, TokenStream, write_tokens
    from corpora.errors import CorpusError
    from corpora.model_folder import write_folder

    if (vocab is None) == (min_count is None):
        raise ValueError("give either --vocab FILE or --min-count N")
    if vocab is not None and max_size is not None:
        raise ValueError("--max-size goes with --min-count; --vocab has the size of its file")
    corpus = reading.open()
    if vocab is None and not corpus.reiterable:
        raise ValueError(
            f"{reading.source} can be read only once, and counting takes a pass of its own: write "
            "the text to a file, or give --vocab"
        )
    # Begun before counting: if the folder can't be written, the error comes at once.
    with write_folder(out, KIND, FORMAT_VERSION) as folder, report_skipped() as skipped:
        if vocab is None:
            counts = count_words(corpus, min_count=min_count or 1, workers=workers, progress=True)
            words = counts.most_common(max_size)
        else:
            words = read_vocabulary(vocab)
        index = {word: i for i, word in enumerate(words)}
        encoded = write_tokens(folder, corpus, index, workers=workers, progress=True)
        if not encoded["tokens_read"]:
            raise CorpusError("the corpus holds no words", path=reading.source)
        path = folder.file("vocabulary.tsv")
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(vocabulary_lines(words))
        skipped.append(encoded["lines_skipped"])
    stream = TokenStream.open(out)
    known = int((stream.ids >= 0).sum())
    report(
        f"{stream.n_documents:,} documents, {known:,} of {stream.n_raw:,} tokens are among the "
        f"{len(words):,} words"
    )
    if not known:
        report(
            "no token is in the vocabulary: was it counted with the same cleaning and tokeniser?"
        )


@reads_corpus()
def convert(
    reading: Reading,
    out: Out,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="text, jsonl, conll, text8 or parquet; by default as the name of the file says.",
        ),
    ] = None,
    workers: Workers = None,
) -> None:
    """Write a text in another format.

    \b
      text     a document a line, as corpora clean writes it
      jsonl    {"text": ...} a line
      conll    a token a line, a blank line between sentences
      text8    all words on one line; where documents begin is lost
      parquet  a table with the column text

    jsonl and parquet hold the text of each document as it is; or its tokens, if it is a conll file,
    or if --clean, --tokenize or --sentences changes it. conll holds all columns of a conll file; if
    that is changed, or the source is another, one column of words. An empty text gives an empty
    file.

    \b
      corpora convert wiki/ --out wiki.jsonl.zst
      corpora convert reuters21578/ --option part=all --out reuters.parquet
      corpora convert news.txt --tokenize treebank --out news.conll
    """  # noqa: D301
    target = _target(out, to)
    corpus = reading.open()
    how = target
    if target in ("jsonl", "parquet"):
        how = "jsonl-tokens" if reading.processed or corpus.format == "conll" else "jsonl"
    elif target == "conll" and not reading.processed and _has_tags(corpus):
        how = "conll-rows"
    _write(corpus, how, out, workers, "converting", parquet=target == "parquet")


def _write(
    corpus: Corpus, how: str, out: str, workers: int | None, label: str, *, parquet: bool = False
) -> None:
    from corpora.cli.writing import serialize, write_bytes, write_parquet

    with report_skipped() as skipped:
        blocks = serialize(corpus, how, workers=workers, label=label, skipped=skipped, beside=out)
        if parquet:
            write_parquet(out, blocks)
        else:
            write_bytes(out, blocks, drop_first=how == "text8")


def _target(out: str, to: str | None) -> str:
    if to is None:
        from corpora.readers.stream import plain_suffix

        if os.path.basename(out).startswith(("text8", "text9")):
            return "text8"
        to = _SUFFIXES.get(plain_suffix(out))
        if to is None:
            raise ValueError(
                f"the name {out} does not tell the format; give --to {', '.join(_TARGETS)}"
            )
    if to not in _TARGETS:
        raise ValueError(f"unknown format {to!r} to write; they are: {', '.join(_TARGETS)}")
    return to


def _has_tags(corpus: Corpus) -> bool:
    from corpora.readers import READERS, Reader

    reader = READERS.get(corpus.format)
    return reader is not None and reader.tagged is not Reader.tagged


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"--min-count takes whole numbers from 1, not {text!r}")
    return int(text)
