"""XYZ files: the number of atoms, a comment, and one line an atom; any number of molecules."""

from __future__ import annotations

import re
import shlex

from corpora.checks import shorten
from corpora.errors import CorpusError
from corpora.readers import TextFile
from simec.molecules.elements import atomic_number
from simec.molecules.reading.collector import Collector, numeric
from simec.molecules.reading.sources import Lines

__all__ = ["read_xyz"]

_ITEM = re.compile(r"""[^\s=]+=(?:"[^"]*"|'[^']*'|\S+)""")


def read_xyz(file: TextFile, found: Collector) -> None:
    """Read all molecules of a file.

    Properties are those of the comments, such as ``gap=7.1`` in extended XYZ, whose ``Properties``
    say in which columns the elements and positions are. A comment without ``=`` is the id.

    Raises
    ------
    CorpusError
        If the file is not XYZ, an element is unknown, or a property is not a number.
    """
    lines = Lines(file)
    before = None
    while (line := lines.read_content()) is not None:
        first = lines.number
        n_atoms = line.strip()
        if not n_atoms.isdecimal():
            hint = f"; the molecule in line {before[0]} should have {before[1]}" if before else ""
            raise lines.error(f"expected a number of atoms, got {shorten(n_atoms)}{hint}")
        before = first, int(n_atoms)
        comment = lines.read()
        rows = []
        for k in range(int(n_atoms)):
            row = lines.read()
            if row is None:
                raise lines.error(
                    f"the file ends after {k} of the {n_atoms} atoms of the molecule", first
                )
            rows.append((lines.number, row.split()))
        try:
            _add(lines, first, comment or "", rows, found)
        except CorpusError as error:
            found.failed(error)


def _add(
    lines: Lines, first: int, comment: str, rows: list[tuple[int, list[str]]], found: Collector
) -> None:
    items = _items(comment)
    if "T" in items.get("pbc", "").upper().replace("RUE", ""):
        raise lines.error("the structure is periodic, which is not supported", first + 1)
    symbol, position = _columns(lines, first, items)
    Z, positions = [], []
    for number, row in rows:
        if len(row) < max(symbol, position + 2) + 1:
            raise lines.error(
                "expected an element and three coordinates, got "
                f"{shorten(' '.join(row)) if row else 'a blank line'}",
                number,
            )
        try:
            Z.append(atomic_number(row[symbol]))
        except ValueError as error:
            raise lines.error(str(error), number) from None
        where = lines.path, number
        positions.append(
            [numeric(text, "a coordinate", where) for text in row[position : position + 3]]
        )
    values = found.values_of(items, (lines.path, first + 1))
    label = comment.strip() if comment.strip() and not items else None
    found.add(Z, positions, where=(lines.path, first), id=label, values=values)


def _items(comment: str) -> dict[str, str]:
    """Return the values of a comment in extended XYZ by their names."""
    items = {}
    for item in _ITEM.findall(comment):
        name, _, value = item.partition("=")
        items[name] = " ".join(shlex.split(value)) if value[0] in "\"'" else value
    return items


def _columns(lines: Lines, first: int, items: dict[str, str]) -> tuple[int, int]:
    """Return the columns of the element and of the first coordinate."""
    if "Properties" not in items:
        return 0, 1
    fields = items["Properties"].split(":")
    columns: dict[str, int] = {}
    column = 0
    for name, size in zip(fields[::3], fields[2::3], strict=False):
        columns[name.lower()] = column
        column += int(size) if size.isdecimal() else 0
    symbol, position = columns.get("species", columns.get("z")), columns.get("pos")
    if symbol is None or position is None:
        raise lines.error(
            f"Properties must have species and pos, got {shorten(items['Properties'])}", first + 1
        )
    return symbol, position
