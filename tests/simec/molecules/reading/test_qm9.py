"""QM9 in its official form and as an npz archive."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest

from corpora.errors import CorpusError
from simec.molecules import read_qm9

# the first and the third molecule of the data set
METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\
\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 9.063972942*^-1\t 0.133923
1341.307\t1341.3284\t1341.365
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""
WATER = """3
gdb 3\t799.58812\t437.90386\t282.94545\t1.8511\t6.31\
\t-0.2928\t0.0687\t0.3615\t19.0002\t0.021375\t-76.404702\t-76.401867\t-76.400922\t-76.422349\t6.002\t
O\t-0.0343604951\t 0.9775395708\t 0.0076015923\t-0.589706
H\t 0.0647664923\t 0.0205721989\t 0.0015346341\t 0.294853
H\t 0.8717903737\t 1.3007924048\t 0.0006931336\t 0.294853
1671.4222\t3803.6305\t3907.698
O\tO\t
InChI=1S/H2O/h1H2\tInChI=1S/H2O/h1H2
"""


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "dsgdb9nsd.xyz.tar.bz2"
    with tarfile.open(path, "w:bz2") as file:
        for number, text in ((1, METHANE), (3, WATER)):
            info = tarfile.TarInfo(f"dsgdb9nsd_{number:06}.xyz")
            info.size = len(text)
            file.addfile(info, io.BytesIO(text.encode()))
    return path


def test_the_official_archive(archive):
    molecules = read_qm9(archive, units="hartree")
    assert molecules.ids.tolist() == ["gdb_1", "gdb_3"]
    assert molecules.smiles.tolist() == ["C", "O"]
    assert molecules.Z.tolist() == [6, 1, 1, 1, 1, 8, 1, 1]
    assert molecules.positions[4].tolist() == [-0.5238136345, 1.4379326443, 0.9063972942]
    assert molecules.properties["homo"].tolist() == [-0.3877, -0.2928]
    assert molecules.properties["gap"].tolist() == [0.5048, 0.3615]
    assert molecules.properties["cv"].tolist() == [6.469, 6.002]
    # the atomization energy of water in eV, and of methane: 40.47893 - 37.846772 - 4 * .500273
    np.testing.assert_allclose(molecules.properties["u0_atom"], [-0.631066, -0.339577], atol=1e-6)
    in_ev = read_qm9(archive, units="eV", cutoff=3)
    assert in_ev.cutoff == 3
    for name in ("homo", "u0", "u0_atom", "zpve"):
        expected = molecules.properties[name] * 27.211386
        np.testing.assert_allclose(in_ev.properties[name], expected, rtol=1e-12)
    np.testing.assert_array_equal(in_ev.properties["mu"], [0, 1.8511])


def test_a_folder_and_a_file(tmp_path, archive):
    folder = tmp_path / "xyz"
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    (folder / "readme.txt").write_text("not a molecule")
    both = read_qm9(folder, units="eV")
    np.testing.assert_array_equal(both.positions, read_qm9(archive, units="eV").positions)
    assert len(read_qm9(folder / "dsgdb9nsd_000003.xyz", units="eV")) == 1


def test_molecules_are_excluded(archive, tmp_path):
    assert read_qm9(archive, units="eV", exclude=[1]).ids.tolist() == ["gdb_3"]
    listed = tmp_path / "uncharacterized.txt"
    listed.write_text("1 compounds that failed\n\n   3  O  reasons\n".replace("1 ", "One "))
    assert read_qm9(archive, units="eV", exclude=listed).ids.tolist() == ["gdb_1"]
    with pytest.raises(ValueError, match="exclude contains all 2 molecules"):
        read_qm9(archive, units="eV", exclude=[1, 3])
    with pytest.raises(ValueError, match="exclude must be a file or integers"):
        read_qm9(archive, units="eV", exclude=[1.5])
    listed.write_text("none")
    with pytest.raises(CorpusError, match="no line begins with the number"):
        read_qm9(archive, units="eV", exclude=listed)


GRID = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]]


def arrays(**changes):
    data = {
        "index": np.array([1, 3]),
        "atom_offset": np.array([0, 5, 8]),
        "Z": np.array([6, 1, 1, 1, 1, 8, 1, 1], np.uint8),
        "pos_1e4angstrom": np.array(GRID, np.int32) * 10_000,
        "smiles": np.array([b"C", b"O"]),
        "homo_hartree": np.array([-0.3877, -0.2928]),
        "lumo_eV": np.array([3.0, 2.0]),
        "u0_hartree": np.array([-40.47893, -76.404702]),
        "cv_cal_molK": np.array([6.469, 6.002]),
        "other": np.zeros(2),
    }
    return {name: value for name, value in {**data, **changes}.items() if value is not None}


def test_an_npz_archive(tmp_path):
    np.savez(tmp_path / "qm9.npz", **arrays())
    molecules = read_qm9(tmp_path / "qm9.npz", units="eV", exclude=[1])
    assert molecules.ids.tolist() == ["gdb_3"]
    assert molecules.smiles.tolist() == ["O"]
    assert molecules.positions.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    properties = {name: round(float(values[0]), 4) for name, values in molecules.properties.items()}
    assert properties == {
        "homo": round(-0.2928 * 27.211386, 4),
        "lumo": 2.0,
        "gap": round(2 + 0.2928 * 27.211386, 4),
        "u0": round(-76.404702 * 27.211386, 4),
        "cv": 6.002,
        "u0_atom": round(-0.339577 * 27.211386, 4),
    }
    np.savez(tmp_path / "bare.npz", **arrays(index=None, smiles=None, u0_hartree=None))
    bare = read_qm9(tmp_path / "bare.npz", units="eV")
    assert bare.ids.tolist() == ["gdb_1", "gdb_2"]
    assert bare.smiles is None
    assert "u0_atom" not in bare.properties


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Z": None}, "the archive lacks Z; it has index"),
        ({"pos_1e4angstrom": None}, "lacks pos_1e4angstrom"),
        ({"u0_hartree": None, "u0_kcal": np.zeros(2)}, "'u0_kcal' must end in its unit"),
        ({"Z": np.array([6, 1, 1, 1, 1, 16, 1, 1])}, "H, C, N, O and F, got the atomic number 16"),
        ({"cv_cal_molK": np.zeros(3)}, "'cv' must have 2 values"),
    ],
)
def test_bad_npz_archives(tmp_path, changes, message):
    np.savez(tmp_path / "qm9.npz", **arrays(**changes))
    with pytest.raises(CorpusError, match=message):
        read_qm9(tmp_path / "qm9.npz", units="eV")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3\ngdb", "x\ngdb", r"water.xyz, line 1: the first line must be the number of atoms"),
        ("3\ngdb", "5\ngdb", "line 9: expected at least 9 lines for 5 atoms, got 8"),
        ("gdb 3\t799.58812", "gdb 3", "line 2: the second line must be the name, the number"),
        ("\t6.31\t", "\tsix\t", "line 2: the property 'alpha' must be a finite number, got 'six'"),
        ("O\t-0.03", "Q\t-0.03", "line 3: unknown element 'Q'"),
        (" 0.0205721989", "nan", "line 1: the coordinates of atom 1 are missing"),
        (" 0.0205721989", "up", "line 4: a coordinate must be a finite number"),
        ("0.0205721989\t 0.0015346341\t 0.294853", "", "line 4: an atom must have an element"),
    ],
)
def test_bad_files(tmp_path, old, new, message):
    assert WATER.count(old) == 1
    path = tmp_path / "water.xyz"
    path.write_text(WATER.replace(old, new))
    with pytest.raises(CorpusError, match=message):
        read_qm9(path, units="eV")


def test_bad_arguments(tmp_path):
    with pytest.raises(TypeError, match="units"):
        read_qm9(tmp_path)
    with pytest.raises(ValueError, match="units must be one of 'eV', 'hartree', got 'kcal'"):
        read_qm9(tmp_path, units="kcal")
    with pytest.raises(FileNotFoundError):
        read_qm9(tmp_path / "qm9.npz", units="eV")
    with pytest.raises(FileNotFoundError):
        read_qm9(tmp_path / "qm9", units="eV")
    (tmp_path / "qm9.npz").write_bytes(b"PK")
    with pytest.raises(CorpusError, match="not a valid npz archive"):
        read_qm9(tmp_path / "qm9.npz", units="eV")
