"""``python -m corpora.cli``."""

from __future__ import annotations

from . import app

app(prog_name="corpora")
