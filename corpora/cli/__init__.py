"""The command line ``corpora``: look at text, clean, count, convert and encode it; data sets.

Each command is a function of this package; what takes long to import is imported
inside of them, so that ``corpora --help`` is there at once.
"""

from __future__ import annotations

from corpora.cli.app import make_app
from corpora.cli.datasets import datasets
from corpora.cli.text import clean, convert, count, encode, info

__all__ = ["app"]

_HELP = """\
Read any text as a stream of documents: look at it, clean, count, convert and encode it.

CORPUS is a file (also .gz, .bz2, .xz, .zst, .tar, .zip), a folder, a glob in quotes, a URI
(s3://, https://, ...) or - for standard input. Its format is guessed, or given with --format.

Texts of any size are read in constant memory; plain files and folders on all cores. A file
written with --out is there when it is whole, and not before.

\b
  corpora info news.txt                     what is in it
  corpora clean news.txt --clean lower      what cleaning makes of it
  corpora count 'news/*.gz' --out words.tsv
  corpora encode news.txt --vocab words.tsv --out news.tokens
  corpora convert wiki/ --out wiki.jsonl.zst
  corpora datasets list                     named data sets
"""

app = make_app("corpora", _HELP, [info, clean, count, encode, convert])
app.add_typer(datasets, name="datasets")
