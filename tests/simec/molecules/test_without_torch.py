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
def test_commands(tmp_path):
    commands = [
        ["pretrain", "a.smi", "--out", "net"],
        ["finetune", "a.csv", "--property", "gap", "--out", "model"],
        ["predict", "model", "a.smi"],
        ["explain", "model", "a.smi", "--out", "a.svg"],
    ]
    done = run(
        "import os\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "from simec.cli import app\n"
        f"for arguments in {commands!r}:\n"
        "    try:\n        app(['molecules', *arguments])\n"
        "    except SystemExit as error:\n        assert error.code == 1\n"
        "    else:\n        raise AssertionError\n"
    )
    assert done.returncode == 0, done.stderr
    expected = "networks for molecules need torch: pip install similarity-encoders[molecules]"
    assert done.stderr.count(expected) == len(commands)


@pytest.mark.slow
def test_names():
    done = run(
        "import simec.molecules as m\n"
        "uses = [lambda name=name: getattr(m, name) for name in m.__all__]\n"
        "molecules = m.read_molecules(['CCO', 'CO'])\n"
        "for use in (*uses, molecules.batch, lambda: molecules[0].batch()):\n"
        "    try:\n        use()\n"
        "    except ImportError as error:\n        print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "SchNet needs PyTorch: pip install similarity-encoders[molecules]" in lines
    expected = "batches of molecules need torch: pip install similarity-encoders[molecules]"
    assert lines.count(expected) == 2
    assert all(line.endswith("[molecules]") for line in lines)
