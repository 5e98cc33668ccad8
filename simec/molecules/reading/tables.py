"""Properties of molecules in a table of their own, matched by ids."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from corpora.checks import closest
from corpora.errors import CorpusError, warn
from simec.data.columns import Layout
from simec.data.tables import Table
from simec.molecules.molecules import Molecules
from simec.molecules.reading.collector import check_names, numeric

__all__ = ["ID", "add_properties", "column_positions"]

ID = Layout(
    "molecules",
    {
        "id": (
            "id", "name", "moleculeid", "moleculename", "molecule", "compoundid", "compound", "cid",
            "chemblid",
        )
    },
    1,
    advice="pass the one with the names of the molecules as id_column",
)  # fmt: skip


def column_positions(
    header: Sequence[str], names: Sequence[str], path: str | os.PathLike[str]
) -> dict[str, int]:
    """Return the positions of columns.

    Raises
    ------
    CorpusError
        If a column is missing; the message lists all columns.
    """
    for name in names:
        if name not in header:
            similar = closest(name, header)
            hint = f"; did you mean {' or '.join(map(repr, similar))}?" if similar else ""
            raise CorpusError(
                f"there is no column {name!r}; the columns are {', '.join(header)}{hint}",
                path=path,
            )
        if header.count(name) > 1:
            raise CorpusError(f"the column {name!r} occurs twice", path=path)
    return {name: header.index(name) for name in names}


def add_properties(
    molecules: Molecules,
    path: str | os.PathLike[str],
    properties: str | Sequence[str],
    *,
    id_column: str | None = None,
    encoding: str = "utf-8",
) -> None:
    """Add properties from a table with a header, whose rows have the ids of molecules.

    Parameters
    ----------
    molecules : Molecules
        With ids. Those without a row get NaN.
    path : str or path
        CSV or TSV file, also compressed.
    properties : str or sequence of str
        Names of columns.
    id_column : str, optional
        The column of ids; by default the one with a usual name, such as "id" or "name".
    encoding : str, default "utf-8"

    Warns
    -----
    UserWarning
        If molecules have no row.

    Raises
    ------
    CorpusError
        If a column is missing, a value is not a number, an id occurs in two rows, or no molecule
        has a row.
    ValueError
        If the molecules have no ids, or an id occurs twice.
    """
    names = check_names(properties)
    if molecules.ids is None:
        raise ValueError("molecules must have ids to be matched with rows of a table")
    rows = {str(label): k for k, label in enumerate(molecules.ids)}
    if len(rows) < len(molecules):
        twice = Counter(molecules.ids).most_common(1)[0][0]
        raise ValueError(f"the id {twice!r} occurs twice among the molecules")
    columns = None if id_column is None else (id_column,)
    table = Table(path, ID, header=True, columns=columns, encoding=encoding, error=CorpusError)
    header = list(table.format.header or ())
    wanted, label = column_positions(header, names, path), table.format.columns["id"]
    values = np.full((len(names), len(molecules)), np.nan)
    lines: dict[str, int] = {}
    for line, fields in table:
        key = fields[label]
        if key in lines:
            raise table.error(line, f": the id {key!r} occurs in line {lines[key]} already")
        lines[key] = line
        numbers = [
            numeric(fields[k], f"the property {name!r}", (os.fspath(path), line))
            for name, k in wanted.items()
        ]
        if key in rows:
            values[:, rows[key]] = numbers
    n_missing = len(rows.keys() - lines.keys())
    if n_missing == len(molecules):
        raise CorpusError(
            f"no molecule has a row: the first id in the table is {next(iter(lines), '')!r}, that "
            f"of the molecules {molecules.ids[0]!r}",
            path=path,
        )
    if n_missing:
        first = next(label for label in rows if label not in lines)
        warn(
            f"{os.fspath(path)}: {n_missing:,} of {len(molecules):,} molecules have no row, the "
            f"first is {first!r}"
        )
    molecules.properties |= dict(zip(names, values, strict=True))
