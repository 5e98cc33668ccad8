"""``simec explore``: a page in the browser that explores a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpora.cli.app import report
from corpora.cli.options import Browser, Port, option


def explore(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Folder of an encoder, a recommender or a link predictor."
        ),
    ],
    data: Annotated[
        Path | None,
        option(
            "For an encoder: features of the points, as a table with ids (CSV, TSV), an array "
            "(.npy) or a sparse matrix (.npz).",
            metavar="FILE",
        ),
    ] = None,
    titles: Annotated[
        Path | None,
        option(
            "Titles of items, entities or points: a table with a column of ids, and one such as "
            "title or name.",
            metavar="FILE",
        ),
    ] = None,
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Explore a model in the browser: neighbors, recommendations or links, reasons, and a map.

    The page is served on this machine only, at the address that is printed. End it with Ctrl-C.

    \b
      simec explore movies.model --titles movies.csv
      simec explore kg.model
      simec explore encoder.model --data points.csv
    """  # noqa: D301
    from corpora.explorer.server import serve
    from simec.explore import explorer_of

    serve(explorer_of(model, data, titles), port=port, browser=browser, report=report)
