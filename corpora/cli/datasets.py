"""The commands ``corpora datasets``: list, describe and download named data sets."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import Annotated

import typer

from corpora.cli.app import describe, report_warnings
from corpora.cli.options import Json
from corpora.datasets.records import DatasetNotFoundError

datasets = typer.Typer(
    no_args_is_help=True,
    help="List, describe and download named data sets. Each is searched for in the folder named by "
    "the environment variable CORPORA_DATA, then in the user's cache.",
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the data set; see corpora datasets list.")
]


@datasets.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="List only this kind: corpus, word-pairs, analogies, pair-analogies or other.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the data sets: name, kind, location or how to get it, and license."""
    from corpora.datasets import registry

    catalog = [registry.info(name) for name in registry.names()]
    kinds = sorted({dataset.kind for dataset in catalog})
    if kind is not None and kind not in kinds:
        raise ValueError(f"unknown kind {kind!r}; the kinds are: {', '.join(kinds)}")
    rows = [
        (dataset.name, dataset.kind, _location(dataset.name), dataset.license)
        for dataset in catalog
        if kind is None or dataset.kind == kind
    ]
    if as_json:
        keys = ("name", "kind", "where", "license")
        entries = [dict(zip(keys, row, strict=True)) for row in rows]
        typer.echo(json.dumps(entries, indent=1, ensure_ascii=False))
        return
    table = [("NAME", "KIND", "WHERE", "LICENSE"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[3]]))


@datasets.command()
def info(
    name: Name,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify the checksums of its files.")
    ] = False,
) -> None:
    """Describe a data set: contents, location, license, citation, and how to get it.

    With --verify, the exit status is 1 if a checksum differs.
    """
    from corpora.datasets import registry

    dataset = registry.info(name)
    try:
        where = str(registry.path(name))
    except DatasetNotFoundError:
        where = "not on this machine"
    fetch_command = f"corpora datasets fetch {dataset.name}"
    rows = {
        "name": dataset.name,
        "kind": dataset.kind,
        "contents": dataset.description,
        "where": where,
        "to get it": fetch_command if dataset.downloads else dataset.how_to_get,
        "license": dataset.license,
        "cite": dataset.citation,
        "homepage": dataset.homepage,
    }
    for key, value in rows.items():
        lines = textwrap.wrap(value, 88, break_long_words=False, break_on_hyphens=False)
        typer.echo(textwrap.indent("\n".join(lines), " " * 11).replace(" " * 11, f"{key:11}", 1))
    if verify:
        states = registry.verify(name)
        for path, state in states.items():
            typer.echo(f"{state:10} {path}")
        if "differs" in states.values():
            raise ValueError(
                f"files of {dataset.name} differ from their recorded checksums: delete them and "
                "download the data set again"
            )


@datasets.command()
def fetch(name: Name) -> None:
    """Download a data set into the user's cache, unless it is available already; print its path.

    The checksums of downloads are verified; a file with another checksum is deleted.
    """
    from corpora.datasets import registry

    with report_warnings():
        try:
            path = registry.fetch(name, progress=sys.stderr.isatty())
        except DatasetNotFoundError as error:
            raise ValueError(describe(error)) from error
    typer.echo(os.fspath(path))


def _location(name: str) -> str:
    from corpora.datasets import registry

    try:
        return str(registry.path(name))
    except DatasetNotFoundError:
        pass
    if registry.info(name).downloads:
        return "use fetch"
    return "manually: see info"
