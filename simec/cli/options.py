"""Checks, options and messages that several commands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import report
from corpora.cli.options import MaxRatio
from corpora.readers.stream import MAX_RATIO

if TYPE_CHECKING:
    from simec.data.tables import TableFormat

_PANEL = "Reading tables"
_SEPARATORS = {
    "tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "pipe": "|", "space": " ",
}  # fmt: skip

Encoding = Annotated[
    str,
    typer.Option(
        "--encoding", help="Encoding of all text files, such as latin-1.", rich_help_panel=_PANEL
    ),
]


@dataclass
class TableOptions:
    """Command-line options for reading ratings or triples."""

    separator: Annotated[
        str | None,
        typer.Option(
            "--separator",
            metavar="TEXT",
            help="Separator of fields: tab, comma, semicolon, space, or any other text.",
            show_default="guessed from the first lines",
            rich_help_panel=_PANEL,
        ),
    ] = None
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether the first line has the names of the columns.",
            show_default="if it has names such as user, item, rating or head, relation, tail",
            rich_help_panel=_PANEL,
        ),
    ] = None
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="A,B,C",
            help="Names or numbers (from 1) of the columns of user, item and rating, or of head, "
            "relation and tail.",
            show_default="by their names",
            rich_help_panel=_PANEL,
        ),
    ] = None
    quotes: Annotated[
        bool | None,
        typer.Option(
            "--quotes/--no-quotes",
            help="Whether fields may be in double quotes; if not, quotes are part of the text.",
            show_default="--quotes, unless tabs separate the fields and quotes do not enclose them",
            rich_help_panel=_PANEL,
        ),
    ] = None
    encoding: Encoding = "utf-8"
    max_ratio: MaxRatio = MAX_RATIO

    def keywords(self) -> dict[str, Any]:
        """Arguments for `read_ratings` and `read_triples`."""
        separator = self.separator
        columns: list[Any] | None = None
        if self.columns is not None:
            given = [name.strip() for name in self.columns.split(",")]
            numbers = all(name.isascii() and name.isdecimal() and name != "0" for name in given)
            columns = [int(name) - 1 for name in given] if numbers else given
        return {
            "separator": separator and _SEPARATORS.get(separator.lower(), separator),
            "header": self.header, "columns": columns, "quoting": self.quotes,
            "encoding": self.encoding, "max_ratio": self.max_ratio,
        }  # fmt: skip


def report_format(format: TableFormat | None) -> None:
    """Print the format of a file, and the columns that were read, to standard error."""
    if format is not None:
        report(f"read {format}")


# Arguments of functions, and the options that take their place in messages
_OPTIONS = (
    (r"encoding='([\w-]+)'", r"--encoding \1"),
    (r"\bencoding=", "--encoding"),
    (r"\bmax_ratio= \(--max-ratio on the command line\)", "--max-ratio"),
    (r"\bseparator=", "--separator"),
    (r"\bcolumns=", "--columns"),
    (r"\bheader=True\b", "--header"),
    (r"\bheader=False\b", "--no-header"),
    (r"\bquoting=True\b", "--quotes"),
    (r"\bquoting=False\b", "--no-quotes"),
    (r"\bmissing='mean'", "--missing mean"),
    (r"\bduplicates='last' or 'mean'", "--duplicates last or --duplicates mean"),
    (r"\bunknown='average'", "--average"),
    (r"\bfit with (item|user)_features\b", r"train with --\1s"),
    (r"\b(item|user)_features\b", r"--\1s"),
    (r"\bresume_from\b", "--resume"),
    (r"\bafter max_iter=(\d+) epochs", r"after \1 epochs"),
    (r"\bmax_iter\b", "--epochs"),
    (r"\bvalidation=\(X, y\)", "--validation"),
    (r"\bearly_stopping=False\b", "--no-early-stopping"),
    (r"\bgeometry='generate'", "--generate"),
    (r"\bperiod_group=True\b", "--period-group"),
    (r"\b(smiles|id)_column\b", r"--\1-column"),
    (r"\bpass format='xyz', 'sdf', 'smiles' or 'csv'", "pass --format xyz, sdf, smiles or csv"),
)


def with_options(message: str) -> str:
    """Replace arguments of functions by options of the command line in a message."""
    for argument, option in _OPTIONS:
        message = re.sub(argument, option, message)
    return message


def names_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace arguments of functions by options of the command line in the messages of errors."""

    @functools.wraps(command)
    def wrapper(*args: Any, **values: Any) -> None:
        try:
            command(*args, **values)
        except ValueError as error:
            message = with_options(str(error))
            if message == str(error):
                raise
            raise ValueError(message) from error

    return wrapper


def require_device(name: str) -> None:
    """Raise ValueError if PyTorch does not know a device, or does not find it here."""
    from simec.data.inputs import check_device, choose_device

    check_device(name)
    try:
        choose_device(name)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
