"""The command line ``corpora``: look at text, clean, count, convert and encode it; data sets.

Each command is a function of this package; what takes long to import is imported
inside of them, so that ``corpora --help`` is there at once.
"""

from __future__ import annotations

from .app import make_app
from .datasets import datasets
from .text import clean, convert, count, encode, info

__all__ = ["app"]

app = make_app([info, clean, count, encode, convert])
app.add_typer(datasets, name="datasets")
