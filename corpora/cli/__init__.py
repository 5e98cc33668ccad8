"""The command line ``corpora``: inspect, clean, count, encode and convert text; data sets.

Each command is a function of this package. Modules that are slow to import are imported within
these functions, so that ``corpora --help`` responds at once.
"""

from __future__ import annotations

from corpora.cli.app import make_app
from corpora.cli.datasets import datasets
from corpora.cli.text import clean, convert, count, encode, info

__all__ = ["app"]

_HELP = """\
Read any text as a stream of documents: inspect, clean, count, encode and convert it.

CORPUS is a file (also .gz, .bz2, .xz, .zst, .tar, .zip), a folder, a glob in quotes, a URI
(s3://, https://, ...) or - for standard input. Its format is guessed unless --format is set.

Texts of any size are read in constant memory; uncompressed files and folders on all cores. Files
written with --out appear only when they are complete.

\b
  corpora info news.txt                     number of documents, words, ...
  corpora clean news.txt --clean lower      the text after cleaning
  corpora count 'news/*.gz' --out words.tsv
  corpora encode news.txt --vocab words.tsv --out news.tokens
  corpora convert wiki/ --out wiki.jsonl.zst
  corpora datasets list                     named data sets
"""

app = make_app("corpora", _HELP, [info, clean, count, encode, convert])
app.add_typer(datasets, name="datasets")
