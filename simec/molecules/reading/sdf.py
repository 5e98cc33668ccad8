"""SDF files: blocks of atoms and bonds, each followed by its properties."""

from __future__ import annotations

from itertools import pairwise

from corpora.errors import CorpusError
from corpora.readers import TextFile
from simec.molecules.reading.chemistry import Chemistry, arrays_of
from simec.molecules.reading.collector import Collector
from simec.molecules.reading.sources import Lines

__all__ = ["read_sdf"]


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
        try:
            molecule = chemistry.parse_block("\n".join(block[:end]) + "\n")
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


def _items(lines: list[str]) -> dict[str, str]:
    """Return the first lines of the values of data items, by their names."""
    items = {}
    for line, value in pairwise(lines):
        if line.startswith(">") and 0 < line.find("<") < line.rfind(">"):
            items[line[line.index("<") + 1 : line.rindex(">")]] = value
    return items
