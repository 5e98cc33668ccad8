"""``conec explore``: a page in the browser that explores a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conec.cli.options import load_model
from corpora.cli.app import report
from corpora.cli.options import Browser, Port


def explore(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL [OTHER]",
            help="Model folder written by conec train, and another one to compare it with.",
        ),
    ],
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Explore a model in the browser: neighbors, senses, words in a sentence, and a map.

    The page is served on this machine only, at the address that is printed. End it with Ctrl-C.

    \b
      conec explore news.model
      conec explore news.model other.model
    """  # noqa: D301
    from conec.explore import WordExplorer
    from corpora.explorer.server import serve

    if len(models) > 2:
        raise ValueError(f"pass one model, or two to compare them, got {len(models)}")
    explorer = WordExplorer(models, load_model)
    serve(explorer, port=port, browser=browser, report=report)
