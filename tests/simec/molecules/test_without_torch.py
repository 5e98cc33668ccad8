"""Reading molecules and their similarities need no PyTorch; the commands say what to install."""

from __future__ import annotations

import pytest

from tests.simec.test_without_torch import run

pytest.importorskip("rdkit")


@pytest.mark.slow
def test_reading_and_similarities():
    done = run(
        "from simec.molecules import fingerprints, read_molecules\n"
        "from simec.similarities import tanimoto\n"
        "molecules = read_molecules(['CCO', 'CO'])\n"
        "assert len(molecules.pairs().i) == 9 * 8 + 6 * 5\n"
        "print(tanimoto(fingerprints(molecules))[0, 0], 'torch' in sys.modules)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1.0 False\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["pretrain", "a.smi", "--out", "net"], "SimilarityEncoder"),
        (["finetune", "a.csv", "--property", "gap", "--out", "model"], "MoleculeModel"),
        (["predict", "model", "a.smi"], "MoleculeModel"),
    ],
)
def test_commands(arguments, name, tmp_path):
    done = run(
        "import os\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "from simec.cli import app\n"
        f"app(['molecules', *{arguments!r}])\n"
    )
    assert done.returncode == 1
    assert f"{name} needs PyTorch: pip install similarity-encoders[simec]" in done.stderr
