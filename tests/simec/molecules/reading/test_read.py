"""SDF, SMILES and CSV files, and molecules of other packages."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from corpora.errors import CorpusError
from simec.molecules import fingerprints, read_molecules

chem = pytest.importorskip("rdkit.Chem")

SMILES = ["CCO", "c1ccccc1", "CC(=O)N"]


def conformer(smiles, seed=1):
    from rdkit.Chem.AllChem import EmbedMolecule

    molecule = chem.AddHs(chem.MolFromSmiles(smiles))
    EmbedMolecule(molecule, randomSeed=seed)
    return molecule


def sdf(path, smiles=SMILES, **properties):
    with chem.SDWriter(str(path)) as writer:
        for k, text in enumerate(smiles):
            molecule = conformer(text)
            molecule.SetProp("_Name", f"mol{k}" if k else "")
            for name, values in properties.items():
                if values[k] is not None:
                    molecule.SetProp(name, str(values[k]))
            writer.write(molecule)
    return path


def test_sdf(tmp_path):
    path = sdf(tmp_path / "a.sdf", gap=[1.5, None, -2], other=["x", "y", "z"])
    molecules = read_molecules(path, properties=["gap"])
    assert [molecules.formula(k) for k in range(3)] == ["C2H6O", "C6H6", "C2H5NO"]
    expected = [conformer(text).GetConformer().GetPositions() for text in SMILES]
    np.testing.assert_allclose(molecules.positions, np.concatenate(expected), atol=1e-4)
    assert molecules.smiles.tolist() == [chem.CanonSmiles(text) for text in SMILES]
    assert molecules.ids.tolist() == ["line 1", "mol1", "mol2"]
    np.testing.assert_array_equal(molecules.properties["gap"], [1.5, np.nan, -2])
    np.testing.assert_array_equal(fingerprints(molecules).packed, fingerprints(SMILES).packed)
    generated = read_molecules(path, geometry="generate")
    assert generated.Z.tolist() == molecules.Z.tolist()
    assert not np.allclose(generated.positions, molecules.positions)


def test_a_mol_file_of_one_molecule(tmp_path):
    path = tmp_path / "a.mol"
    chem.MolToMolFile(conformer("CO"), str(path))
    assert read_molecules(path).formula(0) == "CH4O"


def test_bad_sdf(tmp_path, capfd):
    path = sdf(tmp_path / "a.sdf", gap=[1, "x", 2])
    second = path.read_text().split("$$$$")[0].count("\n") + 2
    with pytest.raises(CorpusError, match=f"a.sdf, line {second}: the property 'gap' must be"):
        read_molecules(path, properties=["gap"])
    with pytest.raises(CorpusError, match="'gab' is missing in all molecules, which have gap; did"):
        read_molecules(path, properties=["gab"])
    text = path.read_text()
    path.write_text(text.replace(" O ", " Q1", 1))
    with pytest.raises(CorpusError, match="line 7: unknown element 'Q1'"):
        read_molecules(path)
    with pytest.warns(UserWarning, match="1 of 3 molecules were left out: .*line 7: unknown"):
        assert len(read_molecules(path, skip_errors=True)) == 2
    flat = chem.MolFromSmiles("CCO")
    path.write_text(chem.MolToMolBlock(flat))
    with pytest.raises(CorpusError, match="hydrogens are missing; pass geometry='generate'"):
        read_molecules(path)
    assert len(read_molecules(path, geometry="generate")) == 1
    flat = chem.AddHs(flat)
    chem.rdDepictor.Compute2DCoords(flat)
    path.write_text(chem.MolToMolBlock(flat))
    with pytest.raises(CorpusError, match="those of a drawing.*pass geometry='generate'"):
        read_molecules(path)
    five = chem.MolFromSmiles("C(C)(C)(C)(C)C", sanitize=False)
    path.write_text(chem.MolToMolBlock(five, kekulize=False))
    with pytest.raises(CorpusError, match="Explicit valence for atom # 0 C, 5, is greater"):
        read_molecules(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: f"{'nan':>10}{line[10:]}", "line 6: a coordinate must be .* got 'nan'"),
        (lambda line: line[:10] + " " * 10 + line[20:], "line 6: a coordinate must be .* got ''"),
        (lambda line: line[:31] + "Xx " + line[34:], "line 6: unknown element 'Xx'"),
        (lambda line: "M  END", "line 6: the molecule ends after 1 of 9 atoms"),
    ],
)
def test_atoms_that_rdkit_does_not_read(tmp_path, change, message):
    path = sdf(tmp_path / "a.sdf")
    lines = path.read_text().splitlines()
    lines[5] = change(lines[5])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}, {message}"):
        read_molecules(path)
    path.write_text("\n".join(lines[:3]) + "\n")
    with pytest.raises(CorpusError, match="line 1: RDKit cannot read the molecule"):
        read_molecules(path)


def test_smiles_have_seeded_conformers(tmp_path):
    path = tmp_path / "a.smi"
    path.write_text("smiles\nCCO ethanol\n\nc1ccccc1\tbenzene ring\n")
    molecules = read_molecules(path)
    assert molecules.smiles.tolist() == ["CCO", "c1ccccc1"]
    assert molecules.ids.tolist() == ["ethanol", "benzene ring"]
    assert molecules.formula(0) == "C2H6O"
    alone = read_molecules(["c1ccccc1"])
    np.testing.assert_array_equal(alone.positions, molecules[1].positions)
    other = read_molecules(["c1ccccc1"], seed=1)
    assert not np.allclose(alone.positions, other.positions)
    relaxed = read_molecules(["c1ccccc1"], optimize=True)
    assert not np.allclose(alone.positions, relaxed.positions, atol=1e-3)
    with pytest.warns(UserWarning, match="1 molecules were not relaxed"):
        read_molecules(["C[Si](C)(C)[Pt]"], optimize=True)


def test_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('Name,SMILES,gap,"u 0"\nethanol,CCO,1.5,NA\namide,CC(=O)N,2,-3\n')
    molecules = read_molecules(path, properties=["u 0", "gap"])
    assert molecules.ids.tolist() == ["ethanol", "amide"]
    np.testing.assert_array_equal(molecules.properties["u 0"], [np.nan, -3])
    np.testing.assert_array_equal(molecules.properties["gap"], [1.5, 2])
    path.write_text("smiles,gap\nCCO,1\nCO,2\n")
    assert read_molecules(path, properties="gap").ids is None
    path.write_text("a;b\nCCO;1\nCO;2\n")
    named = read_molecules(path, smiles_column="a", properties="b")
    assert named.smiles.tolist() == ["CCO", "CO"]


def test_a_table_of_one_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("SMILES\nCCO\n\nCO\n")
    assert read_molecules(path).smiles.tolist() == ["CCO", "CO"]
    path.write_text("mol\nCCO\n")
    assert read_molecules(path, smiles_column="mol").smiles.tolist() == ["CCO"]
    with pytest.raises(CorpusError, match="no column 'gap'; the only column is mol"):
        read_molecules(path, smiles_column="mol", properties="gap")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("smiles,gap\nCCO,1\nC1,2\n", {}, "a.csv, line 3: RDKit cannot parse the SMILES 'C1'"),
        ("smiles,gap\nCCO,1\nC,x\n", {}, "line 3: the property 'gap' must be a finite number"),
        (
            "smiles,Gap\nCCO,1\nC,2\n",
            {},
            "there is no column 'gap'; the columns are smiles, Gap",
        ),
        ("smiles,gap\nCCO,\nC,NaN\n", {}, "'gap' is missing in all molecules$"),
        ("gap,energy\n1,1\n2,2\n", {}, "no column of molecules is called 'smiles'"),
        ("smiles,gap\nCCO,1\nC,2\n", {"smiles_column": "x"}, "a.csv.*'x'"),
        ("smiles,gap\n*C,1\nC,2\n", {}, "line 2: '\\*C' has an atom of no element"),
    ],
)
def test_bad_csv(tmp_path, text, options, message, capfd):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_molecules(path, properties=["gap"], **options)
    assert capfd.readouterr().err == ""


class Atoms:
    """As `ase.Atoms`."""

    def __init__(self, Z, positions, pbc=False, **info):
        self.Z, self.positions, self.info = Z, positions, info
        self.pbc = np.array([pbc] * 3)

    def get_atomic_numbers(self):
        return np.array(self.Z)

    def get_positions(self):
        return np.array(self.positions, float)


def test_objects():
    water = Atoms([8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [0, 0.96, 0]], energy=-3)
    one = read_molecules(water, properties="energy")
    assert one.properties["energy"].tolist() == [-3]
    mixed = read_molecules([water, conformer("CCO"), "C"])
    assert [mixed.formula(k) for k in range(3)] == ["H2O", "C2H6O", "CH4"]
    assert mixed.smiles is None
    single = read_molecules(conformer("CCO"))
    assert single.smiles.tolist() == ["CCO"]
    np.testing.assert_allclose(single.positions, conformer("CCO").GetConformer().GetPositions())
    again = read_molecules(chem.MolFromSmiles("CCO"), geometry="generate")
    assert again.formula(0) == "C2H6O"


def test_bad_objects_are_skipped_by_number():
    water = Atoms([8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [0, 0.96, 0]])
    bad = [Atoms([1, 1], np.zeros((2, 3))), "C1", chem.MolFromSmiles("C"), Atoms([0], [[0, 0, 0]])]
    with pytest.warns(UserWarning, match="left out") as caught:
        assert len(read_molecules([*bad, water], skip_errors=True)) == 1
    text = str(caught[0].message)
    assert "4 of 5 molecules were left out: molecule 0: atoms 0 and 1 overlap" in text
    assert "molecule 1: RDKit cannot parse the SMILES 'C1'; molecule 2: the molecule has" in text


@pytest.mark.slow
def test_strained_molecules_get_a_geometry():
    assert read_molecules(["CN1C2C3C4=CCC31C42"]).formula(0) == "C8H9N"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([Atoms([1], [[0, 0, 0]], pbc=True)], "molecule 0: it is periodic"),
        ([Atoms([0], [[0, 0, 0]])], "molecule 0: it has an atom of no element"),
        (["C", "C1"], "molecule 1: RDKit cannot parse the SMILES 'C1'"),
        (["C", chem.MolFromSmiles("C")], "molecule 1: the molecule has no coordinates; pass geom"),
        (["C", 3], "molecule 1 must be a SMILES, ase.Atoms or a molecule of RDKit, got 3"),
        (3, "source must be a path, or a sequence of SMILES"),
        ([], "no molecules were found"),
        ("CCO", r"there is no file 'CCO'; to read a SMILES, pass \['CCO'\]"),
        ("CCO.sdf", "No such file"),
        (__file__, "not recognized by the suffix '.py'"),
    ],
)
def test_bad_sources(source, message):
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
        read_molecules(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pdb"}, "format must be one of"),
        ({"geometry": "2d"}, "geometry must be one of"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"properties": ["a", "a"]}, "properties must be different names"),
        ({"properties": 3}, "properties must be names"),
        ({"skip_errors": "no"}, "skip_errors must be True or False"),
        ({"smiles_column": "a"}, "only used for CSV"),
    ],
)
def test_bad_options(tmp_path, options, message):
    path = tmp_path / "a.smi"
    path.write_text("C\n")
    with pytest.raises(ValueError, match=message):
        read_molecules(path, **options)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    for name in list(sys.modules):
        if name.startswith("rdkit."):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"SMILES and SDF need rdkit: .*\[molecules\]"):
        read_molecules(["C"])


def test_fragments_are_placed_side_by_side():
    pytest.importorskip("rdkit")
    with pytest.warns(UserWarning, match="2 molecules have several fragments"):
        molecules = read_molecules(["[Na+].[Cl-]", "O.CC(=O)[O-].O", "CO"])
    for k, n_fragments in enumerate((2, 3, 1)):
        xyz = molecules[k].positions
        distance = np.linalg.norm(xyz[:, None] - xyz, axis=-1)
        reached = {0}
        for _ in xyz:  # atoms that are connected by short distances
            reached |= {b for a in reached for b in range(len(xyz)) if distance[a, b] < 9.9}
        assert (len(reached) == len(xyz)) == (n_fragments == 1)
        assert distance[distance > 0].min() > 0.9


def test_a_column_that_occurs_twice(tmp_path):
    pytest.importorskip("rdkit")
    (tmp_path / "a.csv").write_text("smiles,gap,gap\nC,1,2\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="the column 'gap' occurs twice"):
        read_molecules(tmp_path / "a.csv", properties="gap")
