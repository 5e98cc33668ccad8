"""The command line ``conec``: train Context Encoders, ask them, hand on their vectors.

Each command is a function of this package; what takes long to import is imported
inside of them, so that ``conec --help`` is there at once.
"""

from __future__ import annotations

from conec.cli.app import make_app
from conec.cli.embed import embed, oov
from conec.cli.evaluate import evaluate
from conec.cli.export import export
from conec.cli.info import info
from conec.cli.queries import analogy, similar
from conec.cli.train import train

__all__ = ["app"]

app = make_app([train, similar, analogy, embed, oov, evaluate, export, info])
