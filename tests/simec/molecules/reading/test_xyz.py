"""XYZ files: plain and extended, compressed, in folders; bad ones."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import pytest

from corpora.errors import CorpusError
from simec.molecules import read_molecules

WATER = """3
water
O 0.0 0.0 0.0
H 0.96 0.0 0.0
h -0.24 0.93 0.0
"""
EXTENDED = """2
Properties=forces:R:3:species:S:1:pos:R:3 energy=-1.5 note="a b" gap=nan

0 0 0 Cl 0 0 0
0 0 0 H 1.3e0 0 0
"""
EXTENDED = EXTENDED.replace("\n\n", "\n")


def read(tmp_path, text, **options):
    path = tmp_path / "molecules.xyz"
    path.write_text(text)
    return read_molecules(path, **options)


def test_several_molecules(tmp_path):
    molecules = read(
        tmp_path, f"{WATER}\n{WATER.replace('water', '').replace('O 0', '8 0')}", cutoff=2
    )
    assert molecules.Z.tolist() == [8, 1, 1] * 2
    np.testing.assert_array_equal(molecules.positions[2], [-0.24, 0.93, 0])
    assert molecules.ids is None  # the second has none
    assert molecules.cutoff == 2
    assert read(tmp_path, WATER).ids.tolist() == ["water"]


def test_extended_xyz(tmp_path):
    molecules = read(tmp_path, EXTENDED * 2, properties="energy")
    assert molecules.Z.tolist() == [17, 1] * 2
    assert molecules.positions[1].tolist() == [1.3, 0, 0]
    assert molecules.properties["energy"].tolist() == [-1.5, -1.5]
    mixed = read(tmp_path, EXTENDED + WATER, properties=["energy"])
    np.testing.assert_array_equal(mixed.properties["energy"], [-1.5, np.nan])


def test_compressed_files_folders_and_archives(tmp_path):
    (tmp_path / "a.xyz.gz").write_bytes(gzip.compress(WATER.encode()))
    (tmp_path / "notes.txt").write_text("3\n")
    (tmp_path / "b.xyz").write_text(WATER)
    assert len(read_molecules(tmp_path / "a.xyz.gz")) == 1
    assert len(read_molecules(tmp_path)) == 2
    assert len(read_molecules(f"{tmp_path}/*.xyz*")) == 2
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("x/c.xyz", WATER * 3)
    assert len(read_molecules(tmp_path / "c.zip")) == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3\nwater", "4\nwater", "line 1: the file ends after 3 of the 4 atoms"),
        ("3\nwater", "2\nwater", "line 5: expected a number of atoms, got 'h -0.24 0.93 0.0'; the "
         "molecule in line 1 should have 2"),
        ("3\nwater", "three\nwater", "line 1: expected a number of atoms, got 'three'"),
        ("O 0", "Xx 0", "line 3: unknown element 'Xx': expected a symbol"),
        ("O 0", "0 0", "line 3: unknown element '0'"),
        ("O 0", "200 0", "line 3: unknown element '200'"),
        ("0.96", "nan", "line 1: the coordinates of atom 1 are missing"),
        ("0.96 0.0 0.0", "0.96 0.0", "line 4: expected an element and three coordinates, got 'H 0"),
        ("0.96", "x", "line 4: a coordinate must be a finite number, got 'x'"),
        ("0.96", "0.01", "line 1: atoms 0 and 1 overlap, they are 0.01 angstrom apart"),
        ("water", "Properties=species:S:1", "line 2: Properties must have species and pos"),
        ("water", "energy=x", "line 2: the property 'energy' must be a finite number, got 'x'"),
        ("water", "Energy=1 a=2", "'energy' is missing in all molecules, which have Energy, a; did "
         "you mean 'Energy'"),
        ("water", "", "'energy' is missing in all molecules, which have no properties"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, old, new, message):
    assert WATER.count(old) == 1
    with pytest.raises(CorpusError, match=message):
        read(tmp_path, WATER.replace(old, new), properties=["energy"])


def test_errors_are_skipped_only_if_asked(tmp_path):
    text = WATER + WATER.replace("O 0", "Q 0") + WATER.replace("0.96", "nan")
    with pytest.raises(CorpusError, match="line 8: unknown element 'Q'"):
        read(tmp_path, text)
    with pytest.warns(UserWarning, match=r"2 of 3 molecules were left out: .*line 8: unknown.*; "):
        assert len(read(tmp_path, text, skip_errors=True)) == 1
    with pytest.raises(CorpusError, match="no molecules were found, the first of 1 errors"):
        read(tmp_path, text[len(WATER) : 2 * len(WATER)], skip_errors=True)
    with pytest.raises(CorpusError, match="no molecules were found"):
        read(tmp_path, "\n\n")


@pytest.mark.parametrize("pbc", ['"T T F"', "True", "F"])
def test_periodic_structures_are_refused(pbc, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(f"1\nProperties=species:S:1:pos:R:3 pbc={pbc}\nHe 0 0 0\n", encoding="utf-8")
    if pbc == "F":
        assert len(read_molecules(path)) == 1
        return
    with pytest.raises(CorpusError, match="line 2: the structure is periodic"):
        read_molecules(path)
