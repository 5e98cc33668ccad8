"""Callbacks, and checkpoints that continue a run with the same bits."""

from __future__ import annotations

import json
import logging
import math
import shutil
import threading
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from corpora.model_folder import MANIFEST
from simec import ModelError, SimilarityEncoder
from simec.encoder import CONFIG, TRAINING, TRAINING_ARRAYS, WEIGHTS
from tests.model_folders import reseal
from tests.simec.encoder_data import as_sparse, error, fitted, make

DEEP = {"hidden_layers": (8,), "batch_size": 16, "learning_rate": 1e-2}
X, S = make()
WIDE = make(m=120, n=400)
GAPS = as_sparse(make(m=40, missing=0.4)[1]).tocsr()
W_L = np.random.default_rng(0).normal(size=(3, 400))


def dropout():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


CASES = {
    "linear": ((X, S), {"batch_size": 16}),
    "random": ((X, S), {**DEEP, "init": "random", "solver": "adam"}),
    "deep": ((X, S), {**DEEP, "early_stopping": True, "decoder": 0.5, "symmetric": 1.0}),
    "stalls": ((X, S), {**DEEP, "learning_rate": 0.3, "n_iter_no_change": 4}),
    "identity": ((None, GAPS), {**DEEP, "l2": 1e-4}),
    "dropout": ((X, S), {"network": dropout(), "batch_size": 16}),
    "projected": (WIDE, DEEP),
    "fixed": (WIDE, {**DEEP, "last_layer": W_L}),
    "seedless": ((X, S), {**DEEP, "random_state": None}),
}


def fit(encoder, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return encoder.fit(*args, **kwargs)


class Copy:
    """Copies a checkpoint after an epoch: as if the process had been killed then."""

    def __init__(self, folder, epoch):
        self.folder, self.epoch = folder, epoch

    def on_epoch_end(self, encoder):
        if len(encoder.loss_curve_) == self.epoch:
            shutil.copytree(self.folder, f"{self.folder}_copy")


def interrupt_at(epoch):
    def callback(encoder):
        if len(encoder.loss_curve_) == epoch:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("how", ["killed", "interrupted"])
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_run_ends_with_the_same_bits(case, how, tmp_path):
    data, parameters = CASES[case]
    parameters = {"n_components": 3, "random_state": 0, "max_iter": 9, **parameters}
    last_layer = parameters.pop("last_layer", None)
    folder = tmp_path / "model"
    if how == "killed":
        whole = fit(
            SimilarityEncoder(**parameters), *data, last_layer=last_layer, checkpoint=folder,
            checkpoint_epochs=2, callbacks=[Copy(folder, 5)],
        )  # fmt: skip
        start = tmp_path / "model_copy"
    else:
        encoder = SimilarityEncoder(**parameters)
        with pytest.raises(KeyboardInterrupt):
            fit(encoder, *data, last_layer=last_layer, checkpoint=folder, callbacks=interrupt_at(5))
        assert encoder.n_iter_ == 5
        start = folder
        if case == "seedless":
            parameters["random_state"] = None
            whole = None
        else:
            whole = fit(SimilarityEncoder(**parameters), *data, last_layer=last_layer)
    about = json.loads((start / TRAINING).read_text())
    assert len(about["numbers"]["losses"]) == 4
    resumed = SimilarityEncoder(network=parameters.get("network"))
    fit(resumed, *data, resume_from=start, checkpoint=start)
    assert len(resumed.loss_curve_) >= 5
    if whole is not None:
        assert resumed.loss_curve_ == whole.loss_curve_
        assert resumed.validation_curve_ == whole.validation_curve_
        assert resumed.best_loss_ == whole.best_loss_
        for name, value in whole.module_.state_dict().items():
            assert torch.equal(value, resumed.module_.state_dict()[name]), name
    # what is there at the end is a model like any other
    loaded = SimilarityEncoder.load(start, network=parameters.get("network"), verify=True)
    np.testing.assert_array_equal(loaded.predict(data[0]), resumed.predict(data[0]))
    assert not (start / TRAINING).exists()


def test_a_run_that_stalled_is_not_continued(tmp_path, monkeypatch):
    parameters = {**DEEP, "learning_rate": 0.5, "n_iter_no_change": 3, "max_iter": 60}
    whole = fitted(X, S, **parameters)
    assert len(whole.loss_curve_) < 60
    # as if killed before the last save: the checkpoint of the last epoch stays
    monkeypatch.setattr(SimilarityEncoder, "save", lambda *_: None)
    encoder = SimilarityEncoder(3, random_state=0, **parameters)
    fit(encoder, X, S, checkpoint=tmp_path / "model", checkpoint_epochs=1)
    state = json.loads((tmp_path / "model" / TRAINING).read_text())
    assert len(state["numbers"]["losses"]) == len(whole.loss_curve_)
    resumed = fit(SimilarityEncoder(), X, S, resume_from=tmp_path / "model")
    assert resumed.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))


@pytest.mark.parametrize("case", ["deep", "projected", "dropout"])
def test_checkpoints_are_models(case, tmp_path):
    (inputs, targets), parameters = CASES[case]
    encoder = SimilarityEncoder(3, random_state=0, max_iter=9, **parameters)
    with pytest.raises(KeyboardInterrupt):
        fit(encoder, inputs, targets, checkpoint=tmp_path / "model", callbacks=interrupt_at(5))
    loaded = SimilarityEncoder.load(tmp_path / "model", network=parameters.get("network"))
    assert {p.name for p in (tmp_path / "model").iterdir()} == {
        CONFIG, WEIGHTS, TRAINING, TRAINING_ARRAYS, MANIFEST,
    }  # fmt: skip
    assert len(loaded.loss_curve_) == 4
    best = min(loaded.validation_curve_ or loaded.loss_curve_)
    assert loaded.best_loss_ <= best
    if case == "projected":
        assert error(loaded.predict(inputs), targets) == pytest.approx(best, rel=0.3)


def test_an_interrupt_before_the_first_epoch(tmp_path, monkeypatch):
    from simec.solvers.gradient import Trainer

    epoch = Trainer._epoch

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    encoder = SimilarityEncoder(3, random_state=0, max_iter=5, **DEEP)
    with pytest.raises(KeyboardInterrupt):
        encoder.fit(X, S, checkpoint=tmp_path / "model")
    monkeypatch.setattr(Trainer, "_epoch", epoch)
    resumed = fit(SimilarityEncoder(), X, S, resume_from=tmp_path / "model")
    whole = fitted(X, S, max_iter=5, **DEEP)
    np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))


def test_times_of_checkpoints(tmp_path):
    saved = []

    def note(encoder):
        saved.append((tmp_path / "model").exists())

    encoder = SimilarityEncoder(3, max_iter=4, random_state=0, **DEEP)
    fit(encoder, X, S, checkpoint=tmp_path / "model", checkpoint_minutes=0, callbacks=note)
    assert saved == [False, True, True, True]
    for bad in ({"checkpoint_minutes": -1}, {"checkpoint_epochs": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
            encoder.fit(X, S, checkpoint=tmp_path / "model", **bad)


def test_folders_that_cannot_be_written_or_resumed(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    before = fitted(X, S, max_iter=1)
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        before.fit(X, S, checkpoint=tmp_path)
    with pytest.raises(FileNotFoundError):
        before.fit(X, S, resume_from=tmp_path / "nothing")
    before.save(tmp_path / "model")
    with pytest.raises(ValueError, match="is a model, but not a checkpoint of an interrupted run"):
        before.fit(X, S, resume_from=tmp_path / "model")
    encoder = SimilarityEncoder(3, random_state=0, max_iter=9, **DEEP)
    with pytest.raises(KeyboardInterrupt):
        fit(encoder, X, S, checkpoint=tmp_path / "run", callbacks=interrupt_at(3))
    changed = X.copy()
    changed[0, 0] += 1
    for inputs, targets in ((changed, S), (X[:40], S[:40]), (X, S[:, :9]), (X, -S)):
        with pytest.raises(ValueError, match="needs the data of the interrupted run"):
            fit(SimilarityEncoder(), inputs, targets, resume_from=tmp_path / "run")
    for damage in ({}, {"seed": "x"}, {"numbers": {}}):
        about = json.loads((tmp_path / "run" / TRAINING).read_text())
        changed_about = {**about, **damage} if damage else {}
        (tmp_path / "run" / TRAINING).write_text(json.dumps(changed_about))
        reseal(tmp_path / "run")
        with pytest.raises(ModelError, match="damaged"):
            fit(SimilarityEncoder(), X, S, resume_from=tmp_path / "run")
        (tmp_path / "run" / TRAINING).write_text(json.dumps(about))
    reseal(tmp_path / "run")
    assert fit(SimilarityEncoder(), X, S, resume_from=tmp_path / "run").n_iter_ == 9


def test_parameters_of_a_resumed_run(tmp_path):
    encoder = SimilarityEncoder(3, random_state=0, max_iter=9, **DEEP)
    with pytest.raises(KeyboardInterrupt):
        fit(encoder, X, S, checkpoint=tmp_path / "run", callbacks=interrupt_at(3))
    resumed = SimilarityEncoder(5, device="cpu", verbose=False, learning_rate=7)
    fit(resumed, X, S, resume_from=tmp_path / "run")
    assert resumed.get_params() == {**encoder.get_params(), "device": "cpu"}


# Callbacks


@pytest.mark.parametrize("case", ["linear", "deep", "projected", "fixed", "identity"])
def test_callbacks_see_the_encoder_after_each_epoch(case):
    (inputs, targets), parameters = CASES[case]
    parameters = {**parameters}
    last_layer = parameters.pop("last_layer", None)
    seen = []

    def callback(encoder):
        seen.append(encoder.loss_curve_[-1])
        assert encoder.n_iter_ == len(encoder.loss_curve_) == len(seen)
        assert math.isfinite(encoder.best_loss_)
        assert encoder.predict(inputs).shape == targets.shape
        return len(seen)  # a true value, but not True

    encoder = SimilarityEncoder(3, random_state=0, max_iter=4, **parameters)
    fit(encoder, inputs, targets, last_layer=last_layer, callbacks=callback)
    assert seen == encoder.loss_curve_
    assert len(seen) == 4
    plain = fit(SimilarityEncoder(3, random_state=0, max_iter=4, **parameters), inputs, targets,
                last_layer=last_layer)  # fmt: skip
    np.testing.assert_array_equal(plain.predict(inputs), encoder.predict(inputs))


def test_a_callback_stops_training(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = SimilarityEncoder(3, random_state=0, **DEEP)
        encoder.fit(
            X, S, callbacks=[lambda e: len(e.loss_curve_) == 3, lambda e: None],
            checkpoint=tmp_path / "model",
        )  # fmt: skip
    assert encoder.n_iter_ == 3
    loaded = SimilarityEncoder.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    with pytest.raises(TypeError, match="a callback must be callable"):
        encoder.fit(X, S, callbacks=[3])


@pytest.mark.parametrize("solver", ["exact", "variational"])
def test_closed_forms_call_back_once(solver, tmp_path):
    calls = []
    encoder = SimilarityEncoder(3, solver=solver)
    encoder.fit(
        None, GAPS, callbacks=lambda e: calls.append(e.best_loss_), checkpoint=tmp_path / "m"
    )
    assert calls == [encoder.best_loss_]
    loaded = SimilarityEncoder.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(), encoder.predict())


def test_progress_is_logged(caplog):
    with caplog.at_level(logging.INFO, "simec"):
        encoder = fitted(X, S, max_iter=2, **DEEP)
    text = caplog.text
    assert f"epoch 2/2: loss {encoder.loss_curve_[1]:.6g}" in text
    assert "initial weights in" in text
    assert "fitted 50 rows and 50 targets" in text


# Threads


@pytest.mark.parametrize("case", ["random", "dropout"])
@pytest.mark.slow
def test_fits_in_threads_give_the_bits_of_their_seeds(case):
    parameters = CASES[case][1]
    targets = make(missing=0.3)[1]

    def run(seed):
        encoder = fitted(X, targets, max_iter=3, random_state=seed, **parameters)
        return encoder.transform(X).tobytes()

    expected = [run(seed) for seed in range(6)]
    results = [b""] * 6

    def work(seed):
        results[seed] = run(seed)

    for _ in range(3):
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == expected
