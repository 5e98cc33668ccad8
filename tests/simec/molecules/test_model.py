"""Saved models of molecules that an earlier version wrote."""

from __future__ import annotations

import numpy as np
import pytest

from tests.golden import EXPECTED, golden

pytest.importorskip("torch")


def test_models_of_the_first_format(tmp_path):
    from simec.molecules import MoleculeModel, Molecules

    expected = EXPECTED["molecule_model"]
    molecules = Molecules.from_lists(expected["Z"], [np.array(x) for x in expected["positions"]])
    path = golden("molecule_model", tmp_path)
    for _ in range(2):
        model = MoleculeModel.load(path)
        assert model.properties == expected["properties"]
        assert model.elements == expected["elements"]
        found = model.predict(molecules)["gap"]
        np.testing.assert_allclose(found, expected["predict"], rtol=1e-5)
        model.save(path)  # in the present format
