"""Encoders on disk."""

from __future__ import annotations

import errno
import json
import math
import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from corpora.model_folder import MANIFEST
from simec import ModelError, SimilarityEncoder
from simec.encoder import CONFIG, WEIGHTS
from tests.golden import golden
from tests.model_folders import reseal
from tests.simec.encoder_data import fitted, make

X, S = make()


class Tied(nn.Module):
    """Layers that share weights."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))


def normed():
    return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))


def cubed(predicted, target):
    return (predicted - target).abs() ** 3


KINDS: dict[str, tuple[Callable, dict]] = {
    "linear": (lambda: (X, S), {}),
    "exact": (lambda: (X, S), {"solver": "exact", "symmetric": 1.0}),
    "deep": (lambda: (X, S), {"hidden_layers": [5, np.int64(4)], "decoder": 0.5, "loss": "huber"}),
    "sparse": (lambda: (sparse.csr_matrix(X), S), {"target_activation": (-9, 9)}),
    "identity": (lambda: (None, S), {"hidden_layers": (4,)}),
    "relations": (lambda: (X, np.stack([S, -S], 2)), {}),
    "vector": (lambda: (X, S[:, 0]), {"n_components": 1}),
    "frame": (lambda: (pd.DataFrame(X, columns=list("abcdef")), S), {"solver": "exact"}),
    "early": (lambda: (X, S > 0), {"early_stopping": True, "loss": "bce",
                                   "target_activation": "sigmoid"}),
    "network": (lambda: (X, S), {"network": normed()}),
    "tied": (lambda: (X, S), {"network": Tied()}),
    "loss": (lambda: (X, S), {"loss": cubed, "random_state": np.random.RandomState(0)}),
    "seed": (lambda: (X, S), {"random_state": np.int64(7), "l2": np.float32(0.5)}),
}  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    fitted(X, S, max_iter=2).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind, tmp_path):
    make_data, parameters = KINDS[kind]
    data, targets = make_data()
    encoder = fitted(data, targets, **{"max_iter": 3, **parameters})
    encoder.save(tmp_path / "model")
    given = {}
    if "network" in parameters:
        given["network"] = Tied() if kind == "tied" else normed()
    if kind == "loss":
        given["loss"] = cubed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = SimilarityEncoder.load(str(tmp_path / "model"), **given)
    np.testing.assert_array_equal(loaded.predict(data), encoder.predict(data))
    np.testing.assert_array_equal(loaded.transform(data), encoder.transform(data))
    assert loaded.score(data, targets) == encoder.score(data, targets)
    for name in ("loss_curve_", "validation_curve_", "best_loss_", "n_iter_", "n_features_in_"):
        assert getattr(loaded, name) == getattr(encoder, name), name
    if kind == "deep":
        Y = encoder.transform(X)
        np.testing.assert_array_equal(loaded.inverse_transform(Y), encoder.inverse_transform(Y))
    if kind == "frame":
        np.testing.assert_array_equal(loaded.feature_names_in_, encoder.feature_names_in_)
    old, new = encoder.get_params(), loaded.get_params()
    for name in set(old) - {"network"}:
        if kind == "loss" and name == "random_state":
            assert new[name] is None
        elif name in ("hidden_layers", "target_activation") and not isinstance(old[name], str):
            assert new[name] == (None if old[name] is None else tuple(old[name]))
        else:
            assert new[name] == old[name], name
    # it can be trained on, and saved again
    loaded.partial_fit(data, targets)
    loaded.save(tmp_path / "model")


def test_files_are_safetensors_and_json(saved):
    assert sorted(os.listdir(saved)) == sorted([CONFIG, MANIFEST, WEIGHTS])
    weights = safetensors.torch.load_file(saved / WEIGHTS)
    assert set(weights) == {"encoder.0.weight", "encoder.0.bias", "last.weight"}
    manifest = json.loads((saved / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["kind"] == "simec.SimilarityEncoder"
    assert manifest["format_version"] == 3
    assert json.loads((saved / CONFIG).read_text(encoding="utf-8"))["losses"]


def test_it_loads_where_pickle_is_forbidden(saved, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError

    for module in (pickle, torch):
        monkeypatch.setattr(module, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    assert SimilarityEncoder.load(saved).n_features_in_ == 6


def test_an_unfinished_fit(tmp_path):
    encoder = fitted(X, S, max_iter=1)
    encoder.best_loss_ = math.inf
    encoder.save(tmp_path / "model")
    assert SimilarityEncoder.load(tmp_path / "model").best_loss_ == math.inf


def test_a_custom_network_or_loss_must_be_passed(tmp_path):
    fitted(X, S, max_iter=1, network=normed()).save(tmp_path / "network")
    with pytest.raises(ValueError, match="saved with a custom network: pass network="):
        SimilarityEncoder.load(tmp_path / "network")
    with pytest.raises(ModelError, match="network that was passed is not like the one"):
        SimilarityEncoder.load(tmp_path / "network", network=nn.Linear(6, 3))
    fitted(X, S, max_iter=1, loss=cubed).save(tmp_path / "loss")
    with pytest.raises(ValueError, match="saved with a custom loss: pass loss="):
        SimilarityEncoder.load(tmp_path / "loss")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_model_from_a_gpu(saved):
    about = json.loads((saved / CONFIG).read_text())
    about["parameters"]["device"] = "cuda"
    (saved / CONFIG).write_text(json.dumps(about))
    reseal(saved)
    with pytest.raises(RuntimeError, match="no GPU here"):
        SimilarityEncoder.load(saved)
    loaded = SimilarityEncoder.load(saved, device="cpu")
    assert loaded.device == "cpu"
    assert loaded.predict(X).shape == S.shape


@pytest.mark.parametrize("device", ["abacus", None, "cpu:x"])
def test_an_invalid_device_in_a_folder(tmp_path, device):
    folder = golden("similarity_encoder_linear", tmp_path)
    config = json.loads((folder / CONFIG).read_text())
    config["parameters"]["device"] = device
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is damaged: .*device must be 'auto' or a PyTorch device"):
        SimilarityEncoder.load(folder)
    assert SimilarityEncoder.load(folder, device="cpu").device == "cpu"
    with pytest.raises(ValueError, match="beads") as info:
        SimilarityEncoder.load(folder, device="beads")
    assert not isinstance(info.value, ModelError)  # an invalid argument, not a damaged folder


GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("name", ["linear", "deep", "decoder"])
def test_models_of_the_first_format(name):
    folder = GOLDEN / f"similarity_encoder_{name}"
    expected = json.loads((GOLDEN / "expected.json").read_text())[folder.name]
    encoder = SimilarityEncoder.load(folder, verify=True)
    inputs = np.array(expected.pop("X"))
    computed = {
        "transform": encoder.transform(inputs),
        "predict": encoder.predict(inputs)[0, :6],
        "n_iter": encoder.n_iter_,
        "losses": encoder.loss_curve_,
    }
    if "inverse" in expected:
        computed["inverse"] = encoder.inverse_transform(computed["transform"])
    for key, values in expected.items():
        result = np.ravel(computed[key])[: np.size(values)]
        np.testing.assert_allclose(result, np.ravel(values), rtol=1e-5, atol=1e-6)


def test_parameters_that_are_not_plain_are_converted(tmp_path):
    parameters = {
        "n_components": np.int64(3), "hidden_layers": np.array([5, 4]), "symmetric": np.float32(1),
        "device": torch.device("cpu"), "target_activation": np.array([-9.0, 9.0]),
        "early_stopping": np.bool_(True), "decoder": True,
    }  # fmt: skip
    encoder = fitted(X, S, max_iter=2, **parameters)
    encoder.save(tmp_path / "model")
    loaded = SimilarityEncoder.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    assert loaded.hidden_layers == (5, 4)
    assert loaded.device == "cpu"
    assert loaded.target_activation == (-9.0, 9.0)
    assert loaded.early_stopping is True


def test_flipped_bits_are_found(saved):
    rng = np.random.default_rng(0)
    for name in (CONFIG, WEIGHTS, MANIFEST):
        content = (saved / name).read_bytes()
        for position in rng.integers(len(content), size=30):
            changed = bytearray(content)
            changed[position] ^= 1 << int(rng.integers(8))
            (saved / name).write_bytes(changed)
            with pytest.raises(ModelError, match=str(saved)):
                SimilarityEncoder.load(saved)
        (saved / name).write_bytes(content)
    SimilarityEncoder.load(saved, verify=True)


# Damage


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_missing_truncated_and_random_files(saved, name):
    data = (saved / name).read_bytes()
    for bad in (None, b"", data[: len(data) // 2], data[:-1] if name == WEIGHTS else b"[]",
                b"\xff\xfe" + data, os.urandom(100)):  # fmt: skip
        if bad is None:
            (saved / name).unlink()
        else:
            (saved / name).write_bytes(bad)
        with pytest.raises(ModelError, match=str(saved)):
            SimilarityEncoder.load(saved)


def change(saved, *path, to):
    about = json.loads((saved / CONFIG).read_text())
    at = about
    for key in path[:-1]:
        at = at[key]
    if to is None:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    (saved / CONFIG).write_text(json.dumps(about))
    reseal(saved)


@pytest.mark.parametrize(("path", "to", "message"), [
    (("parameters",), None, "damaged"),
    (("parameters",), 3, "damaged"),
    (("parameters", "n_components"), -2, "damaged: n_components"),
    (("parameters", "n_components"), 2, "damaged"),
    (("parameters", "unheard_of"), 2, "damaged.*unheard_of"),
    (("parameters", "hidden_layers"), [3], "damaged"),
    (("layout",), None, "damaged"),
    (("layout", "inputs"), "none", "damaged"),
    (("layout", "targets"), 5, "damaged"),
    (("layout", "targets"), [7], "damaged"),
    (("layout", "n_features"), -1, "damaged"),
    (("layout", "n_features"), 0, "damaged"),
    (("layout", "n_features"), 10**15, "damaged"),
    (("losses",), None, "damaged"),
    (("n_iter",), None, "damaged"),
    (("best_loss",), None, "damaged"),
], ids=str)  # fmt: skip
def test_a_config_that_is_wrong(saved, path, to, message):
    change(saved, *path, to=to)
    with pytest.raises(ModelError, match=message):
        SimilarityEncoder.load(saved)


@pytest.mark.parametrize(("header", "message"), [
    ({"kind": "conec.ContextEncoder"}, "is not a Similarity Encoder"),
    ({"version": 0}, "damaged"),
    ({"version": 99}, "format version 99; .* up to 3: update it"),
], ids=str)  # fmt: skip
def test_another_kind_or_version(saved, header, message):
    reseal(saved, **header)
    with pytest.raises(ModelError, match=message):
        SimilarityEncoder.load(saved)


@pytest.mark.parametrize("name", ["decoder", "device", "l2", "loss", "network", "hidden_layers"])
def test_missing_parameters_have_their_defaults(saved, name):
    change(saved, "parameters", name, to=None)
    loaded = SimilarityEncoder.load(saved)
    assert getattr(loaded, name) == getattr(SimilarityEncoder(), name)


def test_weights_that_are_not_finite(saved):
    weights = safetensors.torch.load_file(saved / WEIGHTS)
    weights["last.weight"][1, 2] = math.nan
    safetensors.torch.save_file(weights, saved / WEIGHTS)
    reseal(saved)
    with pytest.raises(ModelError, match="damaged: last.weight has NaN or infinite values"):
        SimilarityEncoder.load(saved)


def test_other_folders(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="Similarity Encoder not found: the folder does not exist"
    ):
        SimilarityEncoder.load(tmp_path / "nothing")
    with pytest.raises(ModelError, match="is not a Similarity Encoder"):
        SimilarityEncoder.load(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds notes.txt"):
        fitted(X, S, max_iter=1).save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(NotADirectoryError):
        fitted(X, S, max_iter=1).save(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match="folder to write to does not exist"):
        fitted(X, S, max_iter=1).save(tmp_path / "a" / "b")


# The disk


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_of_the_disk_leaves_the_old_model_whole(saved, monkeypatch, code):
    before = SimilarityEncoder.load(saved).predict(X)
    encoder = fitted(X, -S, max_iter=1)

    def fails(path, data):
        path.write_text("half")
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(OSError, match="the earlier content is unchanged") as caught:
        encoder.save(saved)
    assert caught.value.errno == code
    assert os.listdir(saved.parent) == ["model"]
    np.testing.assert_array_equal(SimilarityEncoder.load(saved).predict(X), before)
    with pytest.raises(OSError, match="nothing was left there"):
        encoder.save(saved.parent / "new")
    assert os.listdir(saved.parent) == ["model"]


def test_a_disk_that_is_really_full(saved):
    before = SimilarityEncoder.load(saved).predict(X)
    encoder = fitted(X, S @ S, hidden_layers=(200,), max_iter=1)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_limit = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, old[1]))
    try:
        with pytest.raises(OSError, match="the earlier content is unchanged"):
            encoder.save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, at_limit)
    np.testing.assert_array_equal(SimilarityEncoder.load(saved).predict(X), before)
    assert os.listdir(saved.parent) == ["model"]


def test_an_interrupt_leaves_the_old_model_whole(saved, monkeypatch):
    before = SimilarityEncoder.load(saved).predict(X)

    def interrupted(path, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(X, -S, max_iter=1).save(saved)
    np.testing.assert_array_equal(SimilarityEncoder.load(saved).predict(X), before)
    assert os.listdir(saved.parent) == ["model"]


def test_a_loaded_encoder_goes_on(saved):
    loaded = SimilarityEncoder.load(saved).set_params(warm_start=True, max_iter=2)
    before = loaded.score(X, S)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        loaded.fit(X, S)
    assert loaded.score(X, S) >= before - 1e-6
