"""``corpora datasets``: which there are, where they are, how to get them."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import Annotated

import typer

from corpora.cli.app import describe, report_warnings
from corpora.cli.options import Json

datasets = typer.Typer(
    no_args_is_help=True,
    help="Named data sets: which there are, where they are, how to get them. They are looked "
    "for in the folder that the environment variable CORPORA_DATA names, then in the user's cache.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set, see list.")]


@datasets.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", help="Only these: corpus, word-pairs, analogies, pair-analogies, other."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the data sets: name, kind, where each is or how to get it, and its licence."""
    from corpora import datasets as store

    every = [store.info(name) for name in store.names()]
    kinds = sorted({one.kind for one in every})
    if kind is not None and kind not in kinds:
        raise ValueError(f"unknown kind {kind!r}; they are: {', '.join(kinds)}")
    rows = [
        (one.name, one.kind, _where(one.name), one.licence)
        for one in every
        if kind is None or one.kind == kind
    ]
    if as_json:
        keys = ("name", "kind", "where", "licence")
        about = [dict(zip(keys, row, strict=True)) for row in rows]
        typer.echo(json.dumps(about, indent=1, ensure_ascii=False))
        return
    table = [("NAME", "KIND", "WHERE", "LICENCE"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[3]]))


@datasets.command()
def info(
    name: Name,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare its files with the checksums on record.")
    ] = False,
) -> None:
    """Tell what a data set is, where it comes from, what to cite, and how to get it.

    With --verify, it is an error if a file differs.
    """
    from corpora import datasets as store

    about = store.info(name)
    try:
        where = str(store.path(name))
    except store.DatasetNotFoundError:
        where = "not on this machine"
    get = f"corpora datasets fetch {about.name}" if about.downloads else about.how_to_get
    rows = {
        "name": about.name,
        "kind": about.kind,
        "about": about.description,
        "where": where,
        "to get it": get,
        "licence": about.licence,
        "cite": about.citation,
        "homepage": about.homepage,
    }
    for key, value in rows.items():
        lines = textwrap.wrap(value, 88, break_long_words=False, break_on_hyphens=False)
        typer.echo(textwrap.indent("\n".join(lines), " " * 11).replace(" " * 11, f"{key:11}", 1))
    if verify:
        states = store.verify(name)
        for path, state in states.items():
            typer.echo(f"{state:10} {path}")
        if "differs" in states.values():
            raise ValueError(f"files of {about.name} differ from what is on record")


@datasets.command()
def fetch(name: Name) -> None:
    """Download a data set into the user's cache, unless it is on this machine; print where it is.

    Where a checksum is on record, what comes is compared with it; nothing is kept of what differs.
    """
    from corpora import datasets as store

    with report_warnings():
        try:
            path = store.fetch(name, progress=sys.stderr.isatty())
        except store.DatasetNotFoundError as error:
            raise ValueError(describe(error)) from error
    typer.echo(os.fspath(path))


def _where(name: str) -> str:
    from corpora import datasets as store

    try:
        return str(store.path(name))
    except store.DatasetNotFoundError:
        pass
    if store.info(name).downloads:
        return "to fetch"
    return "by hand: see info"
