"""Read molecules in any format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from corpora.callbacks import progress_bar
from corpora.checks import ParameterError, check_choice, check_flag, check_integer, shown
from corpora.errors import CorpusError
from corpora.files import find_paths
from simec.molecules.molecules import Molecules
from simec.molecules.reading.chemistry import Chemistry
from simec.molecules.reading.collector import Collector, check_names
from simec.molecules.reading.objects import is_molecule, read_objects
from simec.molecules.reading.sdf import read_sdf
from simec.molecules.reading.smiles import add_smiles, smiles_of_lines, smiles_of_table
from simec.molecules.reading.sources import suffix_of, text_files
from simec.molecules.reading.xyz import read_xyz

__all__ = ["Format", "read_molecules"]

Format = Literal["auto", "xyz", "sdf", "smiles", "csv"]

_SUFFIXES = {
    "xyz": (".xyz", ".extxyz"),
    "sdf": (".sdf", ".sd", ".mol"),
    "smiles": (".smi", ".smiles"),
    "csv": (".csv", ".tsv"),
}


def read_molecules(
    source: Any,
    *,
    format: Format = "auto",
    properties: str | Sequence[str] = (),
    smiles_column: str | None = None,
    geometry: Literal["file", "generate"] = "file",
    optimize: bool = False,
    seed: int = 0,
    skip_errors: bool = False,
    cutoff: float | None = None,
    encoding: str = "utf-8",
    progress: bool = False,
) -> Molecules:
    """Read molecules from a file, or take them from objects of other packages.

    Positions are in angstrom: as the format defines for SDF, and by convention in XYZ files and
    `ase.Atoms`. Properties stay in the units of the file.

    Parameters
    ----------
    source : str, path, or sequence
        An XYZ, SDF, SMILES or CSV file, also compressed, or a folder, glob or archive of XYZ or
        SDF files; or a sequence of SMILES, of `ase.Atoms`, or of RDKit's molecules, or one of the
        latter two.
    format : {"auto", "xyz", "sdf", "smiles", "csv"}, default "auto"
        Of the file; "auto" recognizes ``.xyz``, ``.sdf``, ``.mol``, ``.smi``, ``.csv``, ``.tsv``
        and others. A SMILES file has a SMILES a line, and optionally a name after white space; a
        CSV file has a header, and a column of SMILES.
    properties : str or sequence of str
        Names of properties to read: columns of a CSV file, data items of an SDF file, values in
        the comments of extended XYZ (``gap=7.1``), `info` of `ase.Atoms`. Missing values are NaN.
    smiles_column : str, optional
        Column of SMILES in a CSV file; by default the one with a usual name, such as "smiles".
    geometry : {"file", "generate"}, default "file"
        "generate" replaces geometries of SDF files and RDKit's molecules by those that RDKit
        generates, as it always does for SMILES (ETKDG version 3, one conformer; fragments, such as
        the ions of a salt, are placed side by side).
    optimize : bool, default False
        Relax generated geometries in the force field MMFF94.
    seed : int, default 0
        Of the generated geometries; the same molecule gets the same one in any file.
    skip_errors : bool, default False
        Leave out molecules that are invalid, with a warning that counts them and names the first
        ones; by default the first one is an error.
    cutoff : float, optional
        As for `Molecules`.
    encoding : str, default "utf-8"
    progress : bool, default False
        Show a progress bar.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message lists the closest matches.
    ImportError
        If SMILES or SDF are read without RDKit.
    CorpusError
        With file and line: if a SMILES or an SDF block cannot be parsed, an element is unknown,
        atoms overlap, coordinates are missing, or a property is missing or not a number.
    """
    check_choice("format", format, Format)
    check_choice("geometry", geometry, ("file", "generate"))
    seed = check_integer("seed", seed, 0, (1 << 31) - 1)
    optimize, skip_errors = check_flag("optimize", optimize), check_flag("skip_errors", skip_errors)
    path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    found = Collector(check_names(properties), skip_errors=skip_errors, cutoff=cutoff, path=path)
    generate = geometry == "generate"
    if path is not None:
        chemistry = _read_path(
            path, format, found, smiles_column, generate, optimize, seed, encoding, progress
        )
    elif is_molecule(source) or isinstance(source, Iterable):
        listed = [source] if is_molecule(source) else source
        bar = progress_bar(listed, shown=progress, desc="Molecules", unit=" molecules")
        chemistry = read_objects(bar, found, generate=generate, seed=seed, optimize=optimize)
    else:
        raise ParameterError(
            "source must be a path, or a sequence of SMILES, ase.Atoms or RDKit's molecules, got "
            f"{shown(source)}"
        )
    if chemistry is not None:
        chemistry.warn()
    return found.result()


def _read_path(
    source: str, format: str, found: Collector, smiles_column: str | None,
    generate: bool, optimize: bool, seed: int, encoding: str, progress: bool,
) -> Chemistry | None:  # fmt: skip
    """Add the molecules of files; return what generated their geometries."""
    if format == "auto":
        format = _guess(source)
    if smiles_column is not None and format != "csv":
        raise ParameterError("smiles_column is only used for CSV files")
    bar = progress_bar(shown=progress, desc="Molecules", unit=" molecules")
    found.on_add = bar.update
    with bar:
        if format == "xyz":
            for file in text_files(source, _SUFFIXES["xyz"], encoding):
                read_xyz(file, found)
            return None
        chemistry = Chemistry(seed, optimize)
        with chemistry.quiet():
            if format == "sdf":
                for file in text_files(source, _SUFFIXES["sdf"], encoding):
                    read_sdf(file, found, chemistry, generate=generate)
                return chemistry
            for path in find_paths(source):
                if format == "csv":
                    records = smiles_of_table(
                        path, found.properties, column=smiles_column, encoding=encoding
                    )
                else:
                    records = smiles_of_lines(path, encoding)
                add_smiles(records, path, found, chemistry)
    return chemistry


def _guess(source: str) -> str:
    try:
        suffix = suffix_of(source)
    except FileNotFoundError:
        if not Path(source).suffix:  # CCO may be a file, or a SMILES
            raise FileNotFoundError(
                f"there is no file {source!r}; to read a SMILES, pass [{source!r}]"
            ) from None
        raise
    for format, suffixes in _SUFFIXES.items():
        if suffix in suffixes:
            return format
    raise CorpusError(
        f"the format is not recognized by the suffix {suffix!r}: pass format='xyz', 'sdf', "
        "'smiles' or 'csv'",
        path=source,
    )
