"""``simec molecules``: what a user types, sees and gets."""

from __future__ import annotations

import csv
import io
import re
import signal

import numpy as np
import pytest
from typer.testing import CliRunner

from simec.cli import app

pytest.importorskip("torch")
chem = pytest.importorskip("rdkit.Chem")

SMALL = "--dimensions", 8, "--interactions", 1, "--gaussians", 5, "--no-progress"
SMILES = [
    *("C" * k for k in range(2, 8)), *("C" * k + "O" for k in range(1, 7)),
    *("C" * k + "N" for k in range(1, 7)),
]  # fmt: skip


def run(*args, code=0):
    result = CliRunner().invoke(app, ["molecules", *map(str, args)])
    assert result.exit_code == code, result.output
    if result.exception is not None:
        assert isinstance(result.exception, SystemExit), result.exception
    return result


def error(*args):
    message = run(*args, code=1).stderr.strip()
    assert message.startswith("simec: ")
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("molecules") / "a.csv"
    rows = [f"m{k},{text},{len(text)},{k % 3 if k else ''},{int('O' in text)}"
            for k, text in enumerate(SMILES)]  # fmt: skip
    path.write_text("\n".join(["name,smiles,size,gap,oxygen", *rows, ""]))
    return path


@pytest.fixture(scope="module")
def network(table):
    out = table.parent / "net"
    result = run("pretrain", table, "--out", out, "--targets", 10, "--epochs", 2, *SMALL)
    assert "molecules   18\n" in result.stdout
    assert "targets     10\n" in result.stdout
    assert "epochs      2\n" in result.stdout
    assert result.stderr == ""
    return out


@pytest.fixture(scope="module")
def model(table, network):
    out = table.parent / "size.model"
    result = run(
        "finetune", table, "--property", "size", "--network", network, "--out", out, "--epochs", 5,
        "--no-progress",
    )  # fmt: skip
    assert "molecules   16\n" in result.stdout
    assert "MAE size" in result.stdout
    assert "on 2 held out" in result.stdout
    return out


@pytest.mark.slow
def test_a_network_is_trained_on_several_similarities(table, tmp_path):
    pytest.importorskip("qmllib")
    out = tmp_path / "net"
    result = run(
        "pretrain", table, "--out", out, "--similarity", "nfchl19", "--similarity", "sokal",
        "--property", "size", "--hueckel", "--targets", 5, "--epochs", 1, "--period-group", *SMALL,
    )  # fmt: skip
    # 5 of each similarity, size, total energy, 4 orbitals, and 7 pairs of elements
    assert "targets     23\n" in result.stdout
    from simec.molecules.model import MoleculeModel
    from simec.molecules.period_group import PeriodGroupEmbedding

    loaded = MoleculeModel.load(out)
    assert isinstance(loaded.estimator.network_.embedding, PeriodGroupEmbedding)
    assert loaded.elements == [1, 6, 7, 8]
    assert not loaded.is_fine_tuned


def test_a_head_that_starts_from_ridge_regression(table, network, tmp_path):
    from simec.molecules.model import MoleculeModel

    result = run(
        "finetune", table, "--property", "size", "--network", network, "--init", "ridge", "--out",
        tmp_path / "m", "--epochs", 2, "--no-progress",
    )  # fmt: skip
    assert MoleculeModel.load(tmp_path / "m").estimator.init == "ridge"
    assert "after 2 epochs: increase --epochs or --learning-rate" in result.stderr


def test_all_molecules_are_trained_for_a_fixed_number_of_epochs(table, network, tmp_path):
    arguments = [
        "finetune", table, "--property", "size", "--network", network, "--no-early-stopping",
        "--out", tmp_path / "m", "--epochs", 2, "--no-progress",
    ]  # fmt: skip
    shown = run(*arguments).stdout
    assert "molecules   18\n" in shown
    assert "epochs      2\n" in shown
    assert "held out" not in shown
    assert "leave out --no-early-stopping" in error(*arguments, "--validation", table)


def test_predict(model, tmp_path):
    from simec.molecules import read_molecules
    from simec.molecules.model import MoleculeModel

    path = tmp_path / "new.smi"
    path.write_text("CCCCO butanol\nCC ethane\n")
    rows = list(csv.DictReader(io.StringIO(run("predict", model, path, "--no-progress").stdout)))
    assert [row["id"] for row in rows] == ["butanol", "ethane"]
    assert [row["smiles"] for row in rows] == ["CCCCO", "CC"]
    expected = MoleculeModel.load(model).predict(read_molecules(path))["size"]
    np.testing.assert_allclose([float(row["size"]) for row in rows], expected, rtol=1e-5)
    out = tmp_path / "p.csv.gz"
    assert run("predict", model, path, "--out", out, "--no-progress").stdout == ""
    assert out.read_bytes()[:2] == b"\x1f\x8b"
    path.write_text("C[Si](C)C\nC[N+](=O)[O-]\n")
    result = run("predict", model, path, "--no-progress")
    assert "1 of 2 molecules contain elements that did not occur in training (Si)" in result.stderr
    assert "(--period-group) extend to new elements" in result.stderr


def test_classes(table, network, tmp_path):
    out = tmp_path / "m"
    result = run(
        "finetune", table, "--property", "oxygen", "--classes", "--network", network, "--pooling",
        "mean", "--out", out, "--epochs", 2, "--no-progress",
    )  # fmt: skip
    assert "accuracy" in result.stdout
    text = run("predict", out, table, "--no-progress").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["id", "smiles", "oxygen", "p(oxygen=0)", "p(oxygen=1)"]
    assert {row["oxygen"] for row in rows} <= {"0", "1"}
    assert float(rows[0]["p(oxygen=0)"]) + float(rows[0]["p(oxygen=1)"]) == pytest.approx(1)


def test_labels_in_another_file_and_a_validation_file(table, tmp_path):
    from rdkit.Chem.AllChem import EmbedMolecule

    path = tmp_path / "a.sdf"
    with chem.SDWriter(str(path)) as writer:
        for k, text in enumerate(SMILES):
            molecule = chem.AddHs(chem.MolFromSmiles(text))
            EmbedMolecule(molecule, randomSeed=1)
            molecule.SetProp("_Name", f"m{k}")
            writer.write(molecule)
    result = run(
        "finetune", path, "--properties-file", table, "--property", "size", "--property", "gap",
        "--validation", path, "--out", tmp_path / "m", "--epochs", 2, *SMALL,
    )  # fmt: skip
    assert "a.sdf: 1 of 18 molecules lack a property" in result.stderr
    assert "molecules   17\n" in result.stdout
    assert "MAE gap" in result.stdout
    assert "on 17 held out" in result.stdout
    text = run("predict", tmp_path / "m", path, "--no-progress").stdout
    assert text.startswith("id,smiles,size,gap\nm0,CC,")


@pytest.mark.slow
def test_unlabelled_molecules_are_labelled_by_a_regression(table, network, tmp_path, monkeypatch):
    from simec.pretraining import PretrainedRegressor

    few = tmp_path / "few.csv"
    few.write_text("\n".join(table.read_text().splitlines()[:13]) + "\n")
    fitted = []
    fit = PretrainedRegressor.fit
    monkeypatch.setattr(
        PretrainedRegressor, "fit",
        lambda self, X, y, **more: fitted.append((X, y)) or fit(self, X, y, **more),
    )  # fmt: skip
    result = run(
        "finetune", few, "--property", "size", "--unlabelled", table, "--network", network,
        "--out", tmp_path / "m", "--epochs", 1, "--no-progress",
    )  # fmt: skip
    assert "molecules   18\n" in result.stdout
    assert "on 1 held out" in result.stdout
    ((X, y),) = fitted
    assert [len(text) for text in SMILES] == pytest.approx(y, abs=3)
    assert list(X.ids) == [f"m{k}" for k in range(18)]
    assert run("predict", tmp_path / "m", table, "--no-progress").stdout.startswith("id,smiles")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_resumed(table, tmp_path, monkeypatch, number):
    from simec.molecules.model import MoleculeModel
    from simec.solvers.objective import Objective

    few = ("--targets", 5, "--epochs", 3, "--batch-size", 6, *SMALL)
    run("pretrain", table, "--out", tmp_path / "whole", *few)
    step, calls = Objective.error, []

    def interrupted(self, *args, **options):
        calls.append(1)
        if len(calls) == 7:
            signal.raise_signal(number)
        return step(self, *args, **options)

    monkeypatch.setattr(Objective, "error", interrupted)
    out = tmp_path / "net"
    result = run("pretrain", table, "--out", out, *few, code=128 + number)
    assert re.search("interrupted after [12] epochs; saved to", result.stderr)
    assert "run the same command with --resume" in result.stderr
    assert not out.exists()
    assert "holds an interrupted run: continue" in error("pretrain", table, "--out", out, *few)
    both = error("pretrain", table, "--out", out, "--resume", "--overwrite")
    assert "pass one of them" in both
    run("pretrain", table, "--out", out, *few, "--resume")
    whole, resumed = (MoleculeModel.load(path) for path in (tmp_path / "whole", out))
    for name, value in whole.estimator.network_.state_dict().items():
        np.testing.assert_array_equal(value, resumed.estimator.network_.state_dict()[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net", "whole"]
    assert "there is no interrupted run" in error("pretrain", table, "--out", out, "--resume")


def test_explain(table, network, model, tmp_path):
    from xml.etree import ElementTree

    out = tmp_path / "a.svg"
    run("explain", model, table, "--molecule", "m9", "--values", "--out", out, "--no-progress")
    text = out.read_text()
    ElementTree.fromstring(text.encode())
    one = tmp_path / "one.csv"
    one.write_text("smiles\nCCCCO\n")
    run("explain", model, one, "--out", out, "--property", "size", "--no-progress")
    run(
        "explain", network, table, "--molecule", "3", "--similar-to", "m4", "--no-hydrogens",
        "--out", out, "--no-progress",
    )  # fmt: skip
    both = ElementTree.fromstring(out.read_text().encode())
    assert both.get("width") == "800px"
    assert [child.get("x") for child in both] == ["0px", "400px"]
    quiet = "--out", out, "--no-progress"
    assert "was pre-trained only: pass --similar-to" in error("explain", network, table, *quiet)
    more = error("explain", model, table, *quiet, "--similar-to", "m1")
    assert "was fine-tuned: leave out --similar-to" in more
    missing = error("explain", model, table, *quiet, "--molecule", "m99")
    assert "molecule 'm99' not found: pass an id, or a number from 0 to 17" in missing
    other = error("explain", model, table, *quiet, "--property", "gap")
    assert "does not predict 'gap': choose one of size" in other


def test_errors(table, network, model, tmp_path):
    out = tmp_path / "m"
    assert "pre-trained on similarities only" in error("predict", network, table, "--no-progress")
    assert "'gaps'; the columns are name, smiles, size" in error(
        "finetune", table, "--property", "gaps", "--out", out, "--no-progress"
    )
    assert "--classes needs one --property" in error(
        "finetune", table, "--property", "gap", "--property", "size", "--classes", "--out", out
    )
    assert "--unlabelled needs a numeric property" in error(
        "finetune", table, "--property", "gap", "--classes", "--unlabelled", table, "--out", out
    )
    bad = tmp_path / "a.csv"
    bad.write_text("smiles,gap\nCCO,0.5\nCC,1\nC,1\n")
    assert "molecule 0 (CCO): gap must be the number of a class with --classes, got 0.5" in error(
        "finetune", bad, "--property", "gap", "--classes", "--out", out, "--no-progress"
    )
    bad.write_text("smiles,gap\nCCO,1\nCC,1\nCO,1\n")
    same = "the property 'gap' has no variance: it is 1 for all"
    command = "finetune", bad, "--property", "gap", "--out", out, "--no-progress"
    assert f"{same} 2 molecules in training" in error(*command)
    assert f"{same} 3 molecules in training" in error("pretrain", *command[1:])
    bad.write_text("smiles,gap\nCCO,1\n")
    assert "pass --validation, or use --no-early-stopping" in error(*command)
    few = error(*command, "--no-early-stopping")
    assert "training needs at least 2 molecules with the property 'gap', got 1" in few
    bad.write_text("smiles,gap\n")
    assert "a.csv: no molecules were found" in error(*command)
    bad.write_text("smiles,gap\nCCO,1\nC1,1\n")
    assert "a.csv, line 3: RDKit cannot parse" in error("pretrain", bad, "--out", out)
    assert "--out must not be the folder of --network" in error(
        "finetune", table, "--property", "gap", "--network", network, "--out", network
    )
    assert "--id-column needs --properties-file" in error(
        "finetune", table, "--property", "gap", "--id-column", "name", "--out", out
    )
    assert "PyTorch" in error("predict", model, table, "--device", "tpu9")
    assert not out.exists()


def test_a_damaged_model_is_named(model, tmp_path):
    import json
    import shutil

    from tests.model_folders import reseal

    copy = tmp_path / "m"
    shutil.copytree(model, copy)
    config = json.loads((copy / "config.json").read_text())
    for name, value in (("elements", [0]), ("network", {}), ("properties", 3), ("conformers", [])):
        (copy / "config.json").write_text(json.dumps({**config, name: value}))
        reseal(copy)
        assert "config.json" in error("predict", copy, tmp_path / "a.smi")
    assert "is not" in error("predict", tmp_path, tmp_path / "a.smi")


def test_divergence_and_options_are_named(table, tmp_path):
    out = tmp_path / "net"
    result = CliRunner().invoke(app, [
        "molecules", "pretrain", str(table), "--out", str(out), "--learning-rate", "1e20",
        "--epochs", "2", "--dimensions", "4", "--interactions", "1", "--no-progress",
    ])  # fmt: skip
    assert "diverged" in result.output
    bad = tmp_path / "a.csv"
    bad.write_text("mol,gap\nCCO,0.5\n")
    assert "as --smiles-column" in error("pretrain", bad, "--out", out)
    assert "pass --format" in error("pretrain", bad.rename(tmp_path / "a.dat"), "--out", out)
