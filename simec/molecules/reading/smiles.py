"""Files with SMILES: one a line, or a column of a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from corpora.errors import CorpusError
from corpora.readers import text_lines
from simec.data.columns import Layout, recognized
from simec.data.tables import Table
from simec.molecules.reading.chemistry import Chemistry, arrays_of
from simec.molecules.reading.collector import Collector
from simec.molecules.reading.tables import ID, column_positions

__all__ = ["add_smiles", "smiles_of_lines", "smiles_of_table"]

_SMILES = Layout(
    "molecules",
    {"smiles": ("smiles", "canonicalsmiles", "isomericsmiles", "isosmiles", "smi", "structure")},
    1,
    advice="pass the one with SMILES as smiles_column",
)

# SMILES, id, texts of properties by name, line
Record = tuple[str, str | None, dict[str, Any], int | None]


def smiles_of_lines(path: str | os.PathLike[str], encoding: str = "utf-8") -> Iterator[Record]:
    """Yield the SMILES of a file with one a line, and optionally its name after white space."""
    for number, line in text_lines(path, encoding=encoding):
        smiles, *name = line.split(maxsplit=1)
        if number == 1 and smiles.lower() in _SMILES.names["smiles"]:
            continue  # a header
        yield smiles, name[0].strip() if name else None, {}, number


def smiles_of_table(
    path: str | os.PathLike[str],
    properties: Sequence[str],
    *,
    column: str | None = None,
    encoding: str = "utf-8",
) -> Iterator[Record]:
    """Yield the rows of a table with a header.

    Parameters
    ----------
    path : str or path
    properties : sequence of str
        Columns with properties.
    column : str, optional
        The column of SMILES; by default the one with a usual name.
    encoding : str

    Raises
    ------
    CorpusError
        If a column is missing; the message lists all columns.
    """
    first = next((line for _, line in text_lines(path, encoding=encoding)), "").strip()
    if first.lower() in _SMILES.names["smiles"] or first == column:  # the only column
        if properties:
            raise CorpusError(
                f"there is no column {properties[0]!r}; the only column is {first}", path=path
            )
        lines = text_lines(path, encoding=encoding)
        yield from ((line.strip(), None, {}, number) for number, line in islice(lines, 1, None))
        return
    columns = None if column is None else (column,)
    table = Table(path, _SMILES, header=True, columns=columns, encoding=encoding, error=CorpusError)
    header = list(table.format.header or ())
    wanted = column_positions(header, properties, path)
    column_of_smiles, label = table.format.columns["smiles"], recognized(ID, header).get("id")
    for number, fields in table:
        texts = {name: fields[k] for name, k in wanted.items()}
        yield fields[column_of_smiles], None if label is None else fields[label], texts, number


def add_smiles(
    records: Iterable[Record], path: str | None, found: Collector, chemistry: Chemistry
) -> None:
    """Generate the geometries of SMILES.

    Raises
    ------
    CorpusError
        If a SMILES cannot be parsed, RDKit finds no geometry, or a property is not a number.
    """
    for smiles, label, texts, number in records:
        where = path, number
        try:
            values = found.values_of(texts, where)
            try:
                molecule = chemistry.with_conformer(chemistry.parse_smiles(smiles))
            except ValueError as error:
                raise CorpusError(str(error), path=path, line=number) from None
        except CorpusError as error:
            found.failed(error)
            continue
        Z, positions = arrays_of(molecule)
        if 0 in Z:
            found.failed(
                CorpusError(f"{smiles!r} has an atom of no element", path=path, line=number)
            )
            continue
        found.add(Z, positions, where=where, smiles=smiles, id=label, values=values)
