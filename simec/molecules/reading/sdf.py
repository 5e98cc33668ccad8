"""SDF files: blocks of atoms and bonds, each followed by its properties."""

from __future__ import annotations

import math
from itertools import pairwise

from corpora.checks import shorten
from corpora.errors import CorpusError
from corpora.readers import TextFile
from simec.molecules.elements import atomic_number
from simec.molecules.reading.chemistry import Chemistry, arrays_of
from simec.molecules.reading.collector import Collector
from simec.molecules.reading.sources import Lines

__all__ = ["read_sdf"]

# symbols of isotopes, and of queries in V2000
_NO_ELEMENTS = ("D", "T", "R", "R#", "L", "A", "Q", "X", "M", "*", "LP", "Du")


def read_sdf(file: TextFile, found: Collector, chemistry: Chemistry, *, generate: bool) -> None:
    """Read all molecules of a file.

    Parameters
    ----------
    file : TextFile
    found : Collector
        Its properties are the data items of the molecules.
    chemistry : Chemistry
    generate : bool
        Generate the geometries, and do not read them.

    Raises
    ------
    CorpusError
        If a molecule cannot be parsed, its geometry is missing, or a property is not a number.
    """
    lines = Lines(file)
    block: list[str] = []
    first = 1
    while (line := lines.read()) is not None:
        if line.startswith("$$$$"):
            _add(lines, first, block, found, chemistry, generate)
            block, first = [], lines.number + 1
        else:
            block.append(line)
    if any(map(str.strip, block)):
        _add(lines, first, block, found, chemistry, generate)


def _add(
    lines: Lines, first: int, block: list[str], found: Collector, chemistry: Chemistry,
    generate: bool,
) -> None:  # fmt: skip
    try:
        end = next((k + 1 for k, line in enumerate(block) if line.startswith("M  END")), len(block))
        values = found.values_of(_items(block[end:]), (lines.path, first))
        if not generate:
            _check_atoms(lines, first, block[:end], symbols=False)
        try:
            molecule = chemistry.parse_block("\n".join(block[:end]) + "\n")
        except ValueError as error:
            _check_atoms(lines, first, block[:end], symbols=True)
            raise lines.error(str(error), first) from None
        try:
            if generate:
                molecule = chemistry.with_conformer(molecule)
            chemistry.check_geometry(molecule)
            Z, positions = arrays_of(molecule)
            if 0 in Z:
                raise ValueError("it has an atom of no element, such as R or *")
            smiles = chemistry.smiles(molecule)
        except ValueError as error:
            raise lines.error(str(error), first) from None
    except CorpusError as error:
        found.failed(error)
        return
    label = block[0].strip() if block else ""
    found.add(
        Z, positions, where=(lines.path, first), smiles=smiles, id=label or f"line {first}",
        values=values,
    )  # fmt: skip


def _check_atoms(lines: Lines, first: int, block: list[str], *, symbols: bool) -> None:
    """Check the coordinates of atoms, which RDKit reads as 0 if they are blank, and symbols.

    Columns are those of the V2000 format: x, y and z with 10 characters each, and the symbol.

    Raises
    ------
    CorpusError
        With the line of the atom.
    """
    counts = block[3] if len(block) > 3 else ""
    n_atoms = counts[:3].strip()
    if "V3000" in counts or not n_atoms.isdecimal():
        return  # RDKit checks other formats
    for k, line in enumerate(block[4 : 4 + int(n_atoms)]):
        number = first + 4 + k
        if line.startswith("M  "):
            raise lines.error(f"the molecule ends after {k} of {n_atoms} atoms", number)
        for start in (0, 10, 20):
            text = line[start : start + 10].strip()
            try:
                is_finite = math.isfinite(float(text))
            except ValueError:
                is_finite = False
            if not is_finite:
                raise lines.error(f"a coordinate must be a number, got {shorten(text)}", number)
        symbol = line[31:34].strip()
        if symbols and symbol not in _NO_ELEMENTS:
            try:
                atomic_number(symbol)
            except ValueError as error:
                raise lines.error(str(error), number) from None


def _items(lines: list[str]) -> dict[str, str]:
    """Return the first lines of the values of data items, by their names."""
    items = {}
    for line, value in pairwise(lines):
        if line.startswith(">") and 0 < line.find("<") < line.rfind(">"):
            items[line[line.index("<") + 1 : line.rindex(">")]] = value
    return items
