"""QM9: 133,885 molecules of up to nine heavy atoms, in its official form or as an npz archive.

Ramakrishnan, Dral, Rupp & von Lilienfeld, "Quantum chemistry structures and properties of 134
kilo molecules", Scientific Data 1, 140022 (2014), https://doi.org/10.6084/m9.figshare.c.978904.v5.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from corpora.callbacks import progress_bar
from corpora.checks import ParameterError, check_choice
from corpora.errors import CorpusError
from corpora.readers import TextFile, text_lines
from simec.molecules.elements import atomic_number
from simec.molecules.molecules import Molecules
from simec.molecules.reading.collector import Collector, numeric
from simec.molecules.reading.sources import Lines, text_files
from simec.types import Float64

__all__ = ["HARTREE", "read_qm9"]

HARTREE = 27.211386  # eV

# energies of single atoms at B3LYP/6-31G(2df,p), 0 K, in hartree, by atomic number
_ATOMS = {1: -0.500273, 6: -37.846772, 7: -54.583861, 8: -75.064579, 9: -99.718730}

# in the order of the files, after three rotational constants
_NAMES = (
    "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "u0", "u298", "h298", "g298", "cv",
)  # fmt: skip
_ENERGIES = ("homo", "lumo", "gap", "zpve", "u0", "u298", "h298", "g298")
_UNITS = ("hartree", "debye", "bohr3", "bohr2", "cal_molK")  # endings of names in an npz archive


def read_qm9(
    path: str | os.PathLike[str],
    *,
    units: Literal["eV", "hartree"],
    exclude: str | os.PathLike[str] | Iterable[int] = (),
    cutoff: float | None = None,
    progress: bool = False,
) -> Molecules:
    """Read QM9.

    The properties of the result are, as far as the file has them: the energies ``homo``, ``lumo``,
    ``gap``, ``zpve``, ``u0``, ``u298``, ``h298`` and ``g298`` in the requested unit; ``u0_atom``
    in the same unit, the atomization energy: u0 less the energies of the single atoms; and in the
    units of the data set ``mu`` (debye), ``alpha`` (bohr³), ``r2`` (bohr²) and ``cv`` (cal/mol K).

    Parameters
    ----------
    path : str or path
        The official archive of ``dsgdb9nsd_*.xyz`` files (``.tar.bz2``), a folder or one of them;
        or an ``.npz`` file with `atom_offset`, `Z`, `pos_1e4angstrom` (int32, in 1e-4 angstrom) or
        `pos_angstrom`, and optionally `index`, `smiles`, and properties that are named with their
        unit, such as `homo_hartree`.
    units : {"eV", "hartree"}
        Of the energies in the result.
    exclude : str, path or iterable of int, optional
        Numbers of molecules to leave out, counted from 1, or a file that begins its lines with
        them, such as ``uncharacterized.txt`` with the 3,054 that failed a consistency check.
    cutoff : float, optional
        As for `Molecules`.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    Molecules
        With SMILES (those before relaxation, from GDB-17), and ids such as "gdb_1".

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorpusError
        If the contents are invalid; with file and line.
    """
    check_choice("units", units, ("eV", "hartree"))
    excluded = _excluded(exclude)
    path = os.fspath(path)
    if path.lower().endswith(".npz"):
        molecules, index = _read_npz(path)
    else:
        molecules, index = _read_files(path, progress)
    if len(excluded):
        kept = ~np.isin(index, excluded)
        if not kept.any():
            raise ValueError(f"exclude contains all {len(index)} molecules of {path}")
        molecules = molecules[kept]
    _add_atomization(molecules)
    if units == "eV":
        for name in (*_ENERGIES, "u0_atom"):
            if name in molecules.properties:
                molecules.properties[name] *= HARTREE
    return molecules.with_cutoff(cutoff)


def _add_atomization(molecules: Molecules) -> None:
    if "u0" not in molecules.properties:
        return
    energies = np.zeros(256)
    energies[list(_ATOMS)] = list(_ATOMS.values())
    unknown = np.setdiff1d(molecules.elements, list(_ATOMS))
    if len(unknown):
        raise CorpusError(
            f"QM9 contains only H, C, N, O and F, got the atomic number {unknown[0]}: use "
            "read_molecules for other data"
        )
    atoms = np.add.reduceat(energies[molecules.Z], molecules.offsets[:-1])
    molecules.properties["u0_atom"] = molecules.properties["u0"] - atoms


def _excluded(exclude: Any) -> npt.NDArray[np.int64]:
    if isinstance(exclude, (str, os.PathLike)):
        numbers = []
        for _, line in text_lines(exclude):
            first = line.split()[0]
            if first.isdecimal():
                numbers.append(int(first))
        if not numbers:
            raise CorpusError("no line begins with the number of a molecule", path=exclude)
        return np.array(numbers, np.int64)
    numbers_given = np.array(list(exclude))
    if len(numbers_given) and numbers_given.dtype.kind not in "iu":
        raise ParameterError(f"exclude must be a file or integers, got {exclude!r}")
    return numbers_given.astype(np.int64)


def _read_npz(path: str) -> tuple[Molecules, npt.NDArray[np.int64]]:
    try:
        archive = np.load(path, allow_pickle=False)
        data = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever reading a damaged archive raises
        raise CorpusError(f"not a valid npz archive: {error}", path=path) from error
    scale = 1e-4 if "pos_1e4angstrom" in data else 1.0
    positions = data.get("pos_1e4angstrom", data.get("pos_angstrom"))
    missing = [name for name in ("atom_offset", "Z") if name not in data]
    if missing or positions is None:
        names = ", ".join([*missing, *(["pos_1e4angstrom"] if positions is None else [])])
        raise CorpusError(f"the archive lacks {names}; it has {', '.join(data)}", path=path)
    properties: dict[str, Float64] = {}
    for name, values in data.items():
        stem, _, unit = name.partition("_")
        if stem not in _NAMES:
            continue
        if unit not in (*_UNITS, "eV"):
            raise CorpusError(
                f"the property {name!r} must end in its unit, such as {stem}_hartree or {stem}_eV",
                path=path,
            )
        properties[stem] = np.asarray(values, np.float64) / (HARTREE if unit == "eV" else 1)
    if {"homo", "lumo"} <= properties.keys():
        properties.setdefault("gap", properties["lumo"] - properties["homo"])
    n = len(data["atom_offset"]) - 1
    index = np.asarray(data.get("index", np.arange(1, n + 1)), np.int64)
    try:
        molecules = Molecules(
            data["Z"], positions * scale, data["atom_offset"], smiles=data.get("smiles"),
            ids=[f"gdb_{number}" for number in index], properties=properties,
        )  # fmt: skip
    except ValueError as error:
        raise CorpusError(str(error), path=path) from None
    return molecules, index


def _read_files(path: str, progress: bool) -> tuple[Molecules, npt.NDArray[np.int64]]:
    found = Collector(_NAMES, path=path)
    numbers: list[int] = []
    files = text_files(path, (".xyz",))
    for file in progress_bar(files, shown=progress, desc="QM9", unit=" molecules"):
        numbers.append(_read_file(file, found))
    if not numbers:
        raise CorpusError("there are no .xyz files, such as dsgdb9nsd_000001.xyz", path=path)
    return found.result(), np.array(numbers, np.int64)


def _read_file(file: TextFile, found: Collector) -> int:
    """Read a file with one molecule; return its number."""
    lines = Lines(file)
    rows: list[list[str]] = []
    while (line := lines.read()) is not None:
        rows.append(line.split())

    def error(message: str, row: int) -> CorpusError:
        return lines.error(f"{message}: is it a file of QM9?", row + 1)

    if not rows or len(rows[0]) != 1 or not rows[0][0].isdecimal():
        raise error("the first line must be the number of atoms", 0)
    n = int(rows[0][0])
    if len(rows) < n + 4:
        raise error(f"expected at least {n + 4} lines for {n} atoms, got {len(rows)}", len(rows))
    names = rows[1]
    if len(names) != 17 or not names[1].isdecimal():
        raise error("the second line must be the name, the number and 15 properties", 1)
    where = (file.path, 2)
    values = {
        name: numeric(text, f"the property {name!r}", where)
        for name, text in zip(_NAMES, names[5:], strict=True)
    }
    Z, positions = [], []
    for row in range(2, n + 2):
        if len(rows[row]) < 4:
            raise error("an atom must have an element and three coordinates", row)
        try:
            Z.append(atomic_number(rows[row][0]))
        except ValueError as problem:
            raise error(str(problem), row) from None
        at = file.path, row + 1
        positions.append([numeric(text, "a coordinate", at) for text in rows[row][1:4]])
    found.add(
        Z, positions, where=(file.path, 1), smiles=rows[n + 3][0] if rows[n + 3] else None,
        id=f"gdb_{names[1]}", values=values,
    )  # fmt: skip
    return int(names[1])
