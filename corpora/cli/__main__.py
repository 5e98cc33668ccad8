"""Run the command line with ``python -m corpora.cli``."""

from __future__ import annotations

from corpora.cli import app

app(prog_name="corpora")
