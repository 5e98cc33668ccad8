"""Properties of molecules from few labels: a quick run on QM9, and parts on made-up molecules."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rdkit")
pytest.importorskip("qmllib")

from benchmarks.cache import Cache
from benchmarks.pretraining_molecules import benchmark, networks
from benchmarks.pretraining_molecules.protocol import Data, Protocol
from simec.molecules import Molecules

TINY = Protocol(
    n_pretrain=12, n_targets=6, n_landmarks=6, n_validation=4, n_test=6, labels=(4, 6),
    curve=(4, 6), n_atomwise=3, n_components=3, n_interactions=1, n_gaussians=5,
    pretrain_epochs=1, property_epochs=1, epochs=(4, 4), n_pictured=6,
)  # fmt: skip


def made_up(n=60, seed=0):
    rng = np.random.default_rng(seed)
    smiles = ["CO", "CC", "NO", "CF", "CN"]
    Z, positions = [], []
    for k in range(n):
        pair = [{"C": 6, "N": 7, "O": 8, "F": 9}[symbol] for symbol in smiles[k % 5]]
        Z.append([*pair, 1])
        positions.append([[0, 0, 0], [rng.uniform(1.2, 1.6), 0, 0], [-0.5, rng.uniform(0.8, 1), 0]])
    y = {name: rng.standard_normal(n) for name in ("u0_atom", "homo", "lumo")}
    return Molecules.from_lists(
        Z, positions, smiles=[smiles[k % 5] for k in range(n)], properties=y,
        ids=[str(k) for k in range(n)], cutoff=5.0,
    )  # fmt: skip


def test_no_molecule_is_in_two_sets():
    data = Data(made_up(), TINY)
    sets = [set(part.ids) for part in (data.pretrain, data.validation, data.test, data.train(1))]
    assert [len(each) for each in sets] == [12, 4, 6, 6]
    assert len(set.union(*sets)) == 28
    assert set(data.train(2).ids) != sets[3]
    assert list(data.train(1).ids) == list(Data(made_up(), TINY).train(1).ids)
    with pytest.raises(ValueError, match="28 molecules needed, got 20"):
        Data(made_up(20), TINY)


def cache_in(folder):
    return Cache(folder / "x.json", {})


@pytest.mark.parametrize("method", [m for m in benchmark.NETWORKS if m != "distilled"])
def test_networks_are_pretrained_and_restored(method, tmp_path):
    data, cache = Data(made_up(), TINY), cache_in(tmp_path)
    first = networks.network_for(data, method, "u0", 1, cache)
    again = networks.network_for(data, method, "u0", 1, cache)
    x = data.test.batch()
    assert first(x)[0].shape == (len(data.test.Z), networks.N_FEATURES)
    assert (first(x)[0] == again(x)[0]).all()
    other = networks.network_for(data, method, "u0", 2, cache)
    # only networks without pre-training depend on the seed
    assert (first(x)[0] == other(x)[0]).all() == (method not in ("schnet", "pg_schnet"))


def test_a_network_learns_from_predictions_for_unlabelled_molecules(tmp_path, monkeypatch):
    fitted = []

    class Regressor:
        def __init__(self, similarities):
            self.similarities = similarities

        def fit(self, X, y):
            fitted.append((len(X), y.shape))
            return self

        def predict(self, X):
            return np.arange(3.0) + X.positions[X.offsets[:-1] + 1, :1]

    monkeypatch.setattr(networks, "SimilarityRegressor", Regressor)
    data, cache = Data(made_up(), TINY), cache_in(tmp_path)
    n_labels = TINY.labels[0]
    models = [networks.distilled(data, "u0", n_labels, 1, cache) for _ in range(2)]
    assert fitted == [(n_labels, (n_labels, 3))]  # once, for all properties
    predicted = [model.predict(data.test) for model in models]
    np.testing.assert_array_equal(*predicted)
    y = cache.arrays({"teacher": n_labels, "seed": 1}, dict)["y"]
    second_atoms = data.pretrain.positions[data.pretrain.offsets[:-1] + 1, 0]
    np.testing.assert_array_equal(y[:, 0], second_atoms.astype(np.float32))


def test_gains_are_of_the_same_training_set():
    runs = {
        "mae.lumo.100.schnet": {1: 1.0, 2: 0.5},
        "mae.lumo.100.rogot_goldberg": {1: 0.8, 2: 0.45},
        "mae.lumo.100.mixed": {1: 0.6},
        "mae.lumo.100.best": {1: 0.2},
        "ridge.lumo.200.kpca_fchl": {1: 0.3},
        "mae.lumo.20.best": {1: 0.3},
    }
    results = {r.name: r for r in benchmark.summarize(runs)}
    gain = results["gain.lumo.100.rogot_goldberg"]
    assert gain.value == pytest.approx(15)
    assert gain.reference is None
    assert results["gain.lumo.100.mixed"].value == pytest.approx(40)
    assert results["gain.lumo.100.mixed"].reference == 20
    assert "gain.lumo.100.best" not in results
    assert results["mae.lumo.100.best"].reference == 0.45
    assert results["mae.lumo.100.schnet"].reference == 0.618
    assert results["ridge.lumo.200.kpca_fchl"].reference is None
    assert results["mae.lumo.20.best"].reference is None


def test_quick_run(shared_data, tmp_path, monkeypatch):
    if not (shared_data / "simec" / "molecules" / "qm9.npz").exists():
        pytest.skip("QM9 not found in the folder of data sets")
    pytest.importorskip("matplotlib")
    path = tmp_path / "x.json"
    arguments = [
        "--quick", "--seeds", "1", "--data", str(shared_data), "--json", str(path),
        "--parts", "errors", "curves", "pictures",
    ]  # fmt: skip
    benchmark.main(arguments)
    rows = {row["name"]: row for row in json.loads(path.read_text())["results"]}
    for prop in ("u0", "homo", "lumo"):
        for n in (20, 40):
            for method in benchmark.METHODS:
                assert rows[f"mae.{prop}.{n}.{method}"]["value"] > 0
    assert rows["mae.lumo.40.best"]["value"] < rows["mae.lumo.40.counts"]["value"]
    for name in ("x", "x_curves", "x_tsne"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    # everything is read from the files of the first run
    for model in (networks.PretrainedRegressor, networks.SimilarityEncoder):
        monkeypatch.setattr(model, "fit", lambda *_, **__: pytest.fail("it was trained again"))
    benchmark.main(arguments)
    assert {row["name"]: row for row in json.loads(path.read_text())["results"]} == rows
    # the second seed was not run
    again = [*arguments, "--seeds", "2", "--methods", "schnet", "--finished", "--parts", "errors"]
    benchmark.main(again)
    rows = {row["name"]: row for row in json.loads(path.read_text())["results"]}
    assert rows["mae.lumo.40.schnet"]["n"] == 1


def test_an_interrupted_pretraining_continues(tmp_path, monkeypatch):
    from simec import SimilarityEncoder

    protocol = dataclasses.replace(TINY, pretrain_epochs=3)
    data, how = Data(made_up(), protocol), networks.Pretraining("sokal", "mean", "max")
    fit, epochs = SimilarityEncoder.fit, []

    def interrupted(self, *args, **more):
        def on_epoch(encoder):
            epochs.append(encoder.n_iter_)
            if len(epochs) == 2:
                raise KeyboardInterrupt

        return fit(self, *args, callbacks=on_epoch, **more)

    monkeypatch.setattr(SimilarityEncoder, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        networks.pretrained(data, how, cache_in(tmp_path))
    network = networks.pretrained(data, how, cache_in(tmp_path))
    assert len(epochs) == 4
    assert not list(tmp_path.rglob("*.checkpoint"))
    monkeypatch.setattr(SimilarityEncoder, "fit", fit)
    at_once = networks.pretrained(data, how, Cache(None, {}))
    x = data.test.batch()
    assert (network(x)[0] == at_once(x)[0]).all()
