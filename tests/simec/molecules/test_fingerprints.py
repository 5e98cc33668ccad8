"""Fingerprints as packed bits, against RDKit's own arrays and similarities."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from simec import similarities
from simec.molecules import Molecules, fingerprints

chem = pytest.importorskip("rdkit.Chem")

SMILES = ["C", "CCO", "c1ccccc1O", "CC(=O)N", "CC(C)Cl", "O"]


def test_they_are_those_of_rdkit():
    from rdkit import DataStructs
    from rdkit.Chem.rdFingerprintGenerator import GetRDKitFPGenerator

    bits = fingerprints(SMILES, max_path=5, n_bits=100)
    generator = GetRDKitFPGenerator(maxPath=5, fpSize=100)
    parsed = [chem.MolFromSmiles(text) for text in SMILES]
    expected = np.stack([generator.GetFingerprintAsNumPy(molecule) for molecule in parsed])
    np.testing.assert_array_equal(bits.to_array(), expected)
    assert bits.counts()[[0, 5]].tolist() == [0, 0]
    own = [generator.GetFingerprint(molecule) for molecule in parsed]
    for name, theirs in {
        "tanimoto": DataStructs.BulkTanimotoSimilarity,
        "rogot_goldberg": DataStructs.BulkRogotGoldbergSimilarity,
        "mcconnaughey": DataStructs.BulkMcConnaugheySimilarity,
        "sokal": DataStructs.BulkSokalSimilarity,
    }.items():
        found = getattr(similarities, name)(bits)
        for k in range(1, 5):  # not empty
            np.testing.assert_allclose(found[k, 1:5], theirs(own[k], own[1:5]))


def test_molecules_have_those_of_their_smiles():
    Z, positions = [[6]] * 6, [np.zeros((1, 3))] * 6
    molecules = Molecules.from_lists(Z, positions, smiles=SMILES)
    np.testing.assert_array_equal(fingerprints(molecules).packed, fingerprints(SMILES).packed)
    assert fingerprints(molecules).shape == (6, 2048)


@pytest.mark.parametrize(
    ("molecules", "message"),
    [
        (["C", "C1"], "molecule 1: RDKit cannot parse the SMILES 'C1'"),
        (["C", ""], "molecule 1: expected a SMILES, got ''"),
        (["C", None], "molecule 1: expected a SMILES, got None"),
        ("CC", r"pass \['CC'\]"),
        (Molecules.from_lists([[6]], [np.zeros((1, 3))]), "SMILES of the molecules"),
    ],
)
def test_bad_smiles(molecules, message, capfd):
    with pytest.raises(ValueError, match=message):
        fingerprints(molecules)
    assert capfd.readouterr().err == ""


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    for name in list(sys.modules):
        if name.startswith("rdkit."):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"fingerprints need rdkit: .*\[molecules\]"):
        fingerprints(["C"])
