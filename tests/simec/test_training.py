"""How training goes: seeds, the best weights, stalls, interrupts, divergence, going on."""

from __future__ import annotations

import math
import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from simec import SimilarityEncoder
from simec.data.targets import DenseTargets, SparseTargets
from simec.solvers.gradient import split_rows
from tests.simec.encoder_data import Items, as_sparse, error, fitted, make

CPU = torch.device("cpu")
DEEP = {"hidden_layers": (8,), "batch_size": 16, "learning_rate": 1e-2}


def with_dropout():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))


@pytest.mark.parametrize("parameters", [
    {}, DEEP, {**DEEP, "init": "random"}, {"network": with_dropout(), "batch_size": 16},
    {**DEEP, "early_stopping": True, "decoder": True},
], ids=["linear", "deep", "random", "dropout", "all"])  # fmt: skip
def test_the_same_seed_gives_the_same_encoder(parameters):
    X, S = make()
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(found))  # of no matter
        before = torch.get_rng_state()
        found.append(fitted(X, S, max_iter=3, random_state=seed, **parameters))
        assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(found[0].predict(X), found[1].predict(X))
    assert found[0].loss_curve_ == found[1].loss_curve_
    if parameters:
        assert found[0].loss_curve_ != found[2].loss_curve_


def test_a_random_state_goes_on():
    X, S = make()
    state = np.random.RandomState(0)
    one, two = (fitted(X, S, max_iter=2, random_state=state, **DEEP) for _ in range(2))
    assert one.loss_curve_ != two.loss_curve_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.slow
def test_the_best_weights_are_kept(early_stopping):
    # so fast that the loss jumps up and down
    X, S = make(noise=0.3)
    parameters = {**DEEP, "learning_rate": 0.3, "max_iter": 30, "early_stopping": early_stopping}
    for seed in range(4):
        encoder = fitted(X, S, random_state=seed, n_iter_no_change=30, **parameters)
        curve = encoder.validation_curve_ if early_stopping else encoder.loss_curve_
        assert encoder.best_loss_ <= min(curve)
        assert encoder.n_iter_ == len(encoder.loss_curve_)
        rows = split_rows(50, 0.1, seed_of(seed))[1] if early_stopping else slice(None)
        assert error(encoder.predict(X[rows]), S[rows]) == pytest.approx(
            encoder.best_loss_, rel=1e-4
        )


def seed_of(random_state):
    return int(np.random.RandomState(random_state).randint(1 << 31))


@pytest.mark.slow
def test_training_reaches_the_closed_form():
    X, S = make(noise=0.3)
    best = error(fitted(X, S, solver="exact").predict(X), S)
    found = fitted(X, S, solver="adam", init="random", max_iter=600, batch_size=10,
                   learning_rate=0.05)  # fmt: skip
    assert best <= error(found.predict(X), S) < 1.1 * best


def test_targets_beyond_what_few_batches_show():
    # with many batches, the mean over an epoch measures the weights well
    X, S = make(m=200, noise=0.3)
    encoder = fitted(X, S, batch_size=5, learning_rate=0.1, max_iter=5)
    start = fitted(X, S, batch_size=5, learning_rate=1e-30, max_iter=1)
    assert error(encoder.predict(X), S) <= error(start.predict(X), S) * (1 + 1e-6)


def test_the_rate_is_halved_on_stalls():
    X, S = make()
    encoder = fitted(X, S, max_iter=200, n_iter_no_change=10, learning_rate=0.1)
    # it starts at the optimum: after 49 epochs, of one step, that raise the rate, there are 10
    # without progress, and it is halved after 3, 6 and 9
    assert encoder.n_iter_ == 49 + 10
    assert encoder._trainer.history.learning_rate == pytest.approx(0.1 / 8)


def test_a_warning_if_more_epochs_would_help():
    X, S = make()
    with pytest.warns(ConvergenceWarning, match="still falling after max_iter=2 epochs"):
        SimilarityEncoder(3, init="random", solver="adam", max_iter=2, random_state=0).fit(X, S)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SimilarityEncoder(3, random_state=0).fit(X, S)
        # more epochs would be another schedule
        SimilarityEncoder(
            3, init="random", solver="adam", max_iter=2, decay="cosine", random_state=0
        ).fit(X, S)


# Divergence


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("rate", [1e20, 1e3])
def test_divergence_warns_and_keeps_the_best_weights(rate, early_stopping):
    X, S = make()
    parameters = {**DEEP, "learning_rate": rate, "max_iter": 50, "early_stopping": early_stopping}
    encoder = SimilarityEncoder(3, random_state=0, **parameters)
    advised = re.escape(f"{rate / 10:.2g}")
    with pytest.warns(ConvergenceWarning, match=f"diverged .* try learning_rate={advised}"):
        encoder.fit(X, S)
    assert encoder.n_iter_ < 50
    start = fitted(X, S, **{**parameters, "learning_rate": 1e-30, "max_iter": 1})
    rows = split_rows(50, 0.1, seed_of(0))[1] if early_stopping else slice(None)
    assert (
        error(encoder.predict(X[rows]), S[rows]) <= error(start.predict(X[rows]), S[rows]) * 1.001
    )


def test_large_penalties_are_no_divergence():
    X, S = make()
    for early_stopping in (False, True):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "training diverged")
            fitted(X, S, l2=1e7, max_iter=3, early_stopping=early_stopping, **DEEP)


def test_it_goes_on_after_divergence():
    X, S = make()
    encoder = fitted(X, S, max_iter=2, **DEEP)
    encoder._trainer._rate = 1e30
    encoder.partial_fit(X, S)  # which leaves weights of no use
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match="diverged"):
            encoder.partial_fit(X, S)
    encoder._trainer._rate = 1e-3
    encoder.fit(X, S).partial_fit(X, S)
    assert np.isfinite(encoder.predict(X)).all()
    assert math.isfinite(encoder.loss_curve_[-1])


# Interrupts


class Interrupted(Items):
    """Raises KeyboardInterrupt after a number of items."""

    left = 10**9

    def __getitem__(self, i):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().__getitem__(i)


@pytest.mark.parametrize("after", [60, 200, 430, 640, 900])
@pytest.mark.parametrize("form", ["callable", "data set"])
def test_an_interrupt_keeps_the_best_so_far(form, after, tmp_path):
    X, S = make()
    data = Interrupted(X, S)
    encoder = SimilarityEncoder(3, init="random", random_state=0, max_iter=500, **DEEP)

    def rows_of(rows):
        return np.stack([data[i][1] for i in rows])

    # what is asked for before training begins
    data.left = after
    with pytest.raises(KeyboardInterrupt):
        encoder.fit(data, None) if form == "data set" else encoder.fit(X, rows_of)
    data.left = 10**9
    curve = encoder.loss_curve_
    if curve:
        assert encoder.best_loss_ == min(curve)
        assert error(encoder.predict(X), S) == pytest.approx(encoder.best_loss_, rel=1e-4)
    else:
        assert encoder.best_loss_ == math.inf
    if after == 900:
        assert len(curve) > 2
    # it can be used, saved, and trained on
    assert encoder.predict(X).shape == S.shape
    encoder.save(tmp_path / "model")
    loaded = SimilarityEncoder.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        encoder.set_params(warm_start=True, max_iter=5).fit(X, S)
    if curve:
        assert encoder.best_loss_ <= min(curve) * (1 + 1e-5)


# Going on


@pytest.mark.parametrize("form", ["dense", "csr"])
def test_partial_fit(form):
    X, S = make(m=60, n=9)
    given = (lambda T: as_sparse(T).tocsr()) if form == "csr" else (lambda T: T)
    encoder = SimilarityEncoder(3, init="random", solver="adam", random_state=0, learning_rate=0.02)
    errors = []
    for _ in range(30):
        for rows in np.split(np.arange(60), 3):
            encoder.partial_fit(X[rows], given(S[rows]))
        errors.append(error(encoder.predict(X), S))
    assert errors[-1] < 0.1 * errors[0]
    assert encoder.n_iter_ == len(encoder.loss_curve_) == 90
    with pytest.raises(ValueError, match=r"rows of S must have shape \(9,\) as in fit, got \(8,\)"):
        encoder.partial_fit(X, S[:, :8])
    with pytest.raises(ValueError, match="X has 5 features, but .* 6"):
        encoder.partial_fit(X[:, :5], S)


def test_partial_fit_goes_on_like_fit():
    X, S = make()
    parameters = {**DEEP, "init": "random", "solver": "adam", "random_state": 0}
    encoder = SimilarityEncoder(3, **parameters)
    for _ in range(3):
        encoder.partial_fit(X, S)
    other = SimilarityEncoder(3, **parameters).partial_fit(X, S)
    assert other.loss_curve_ == encoder.loss_curve_[:1]
    assert encoder.loss_curve_[2] < encoder.loss_curve_[0]


def test_warm_start():
    X, S = make()
    encoder = fitted(X, S, max_iter=3, warm_start=True, init="random", solver="adam", **DEEP)
    first, before = encoder.module_, encoder.best_loss_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        encoder.fit(X, S)
        assert encoder.module_ is first
        assert encoder.best_loss_ < before
        encoder.set_params(warm_start=False).fit(X, S)
    assert encoder.module_ is not first
    assert encoder.best_loss_ == pytest.approx(before)


def test_a_warm_start_with_a_closed_form_takes_the_new_targets():
    X, S = make()
    encoder = fitted(X, S, solver="exact", warm_start=True)
    encoder.fit(X, S[::-1])
    np.testing.assert_array_equal(encoder.predict(X), fitted(X, S[::-1], solver="exact").predict(X))


def test_a_warm_start_with_other_data():
    X, S = make()
    encoder = fitted(X, S, max_iter=1, warm_start=True)
    encoder.set_params(n_components=2)
    with pytest.raises(ValueError, match="warm_start=True .* components and targets"):
        encoder.fit(X, S)
    encoder.set_params(n_components=3)
    with pytest.raises(ValueError, match="warm_start=True .* features were 6, and now are 5"):
        encoder.fit(X[:, :5], S)
    encoder = fitted(None, S, max_iter=1, warm_start=True)
    with pytest.raises(ValueError, match="warm_start=True .* features were 50, and now are 40"):
        encoder.fit(None, S[:40])


# Early stopping


def test_rows_are_held_out():
    X, S = make(m=60, n=9, noise=0.3)
    asked = set()

    def rows_of(rows):
        if torch.is_grad_enabled():
            asked.update(rows.tolist())
        return S[rows]

    encoder = fitted(
        X, rows_of, early_stopping=True, validation_fraction=0.25, init="random", solver="adam",
        max_iter=4,
    )  # fmt: skip
    kept, out = split_rows(60, 0.25, seed_of(0))
    assert len(out) == 15
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(60))
    assert not asked & set(out.tolist()) - {0}  # row 0 tells shapes
    assert len(encoder.validation_curve_) == len(encoder.loss_curve_) == 4
    assert error(encoder.predict(X[out]), S[out]) == pytest.approx(encoder.best_loss_, rel=1e-4)


@pytest.mark.parametrize("form", ["dense", "csr", "k"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_entries_are_held_out(form, symmetric):
    S = make(m=40, missing=0.3)[1]
    known = ~np.isnan(S)
    if form == "csr":
        targets = SparseTargets(as_sparse(S).tocsr(), CPU)
    else:
        kinds = 2 if form == "k" else 1
        values = np.repeat(np.nan_to_num(S)[:, :, None], kinds, 2)
        mask = np.repeat(known[:, :, None], kinds, 2)
        if form == "dense":
            values, mask = values[:, :, 0], mask[:, :, 0]
        targets = DenseTargets(torch.from_numpy(values), torch.from_numpy(mask), CPU)
    kept, out = targets.hold_out(0.2, np.random.default_rng(0), symmetric=symmetric)
    whole, a, b = (t.batch(torch.arange(40))[1].numpy() for t in (targets, kept, out))
    assert not (a & b).any()
    np.testing.assert_array_equal(a | b, whole)
    assert b.sum() / whole.sum() == pytest.approx(0.2, abs=0.05)
    if symmetric:
        np.testing.assert_array_equal(b, b.swapaxes(0, 1))
    np.testing.assert_array_equal(
        out.batch(torch.arange(40))[0][b], targets.batch(torch.arange(40))[0][b]
    )


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("symmetric", [0.0, 1.0])
def test_early_stopping_without_features(missing, symmetric):
    _, S = make(m=60, missing=missing, noise=0.5)
    parameters = {"n_components": 10, "init": "random", "solver": "adam", "learning_rate": 0.05,
                  "max_iter": 200, "symmetric": symmetric}  # fmt: skip
    encoder = fitted(None, S, early_stopping=True, **parameters)
    assert encoder.n_iter_ < 200
    curve = encoder.validation_curve_
    assert min(curve) == encoder.best_loss_
    assert curve[-1] > min(curve)


def test_too_little_to_hold_out():
    X, S = make(n=9)
    with pytest.raises(ValueError, match="one row, which cannot be split"):
        fitted(X[:1], S[:1], n_components=1, early_stopping=True)
    S = np.full((4, 4), np.nan)
    S[0, 0] = 1
    with (
        pytest.warns(UserWarning, match="3 of 4 rows and 3 of 4 columns of S have no observed"),
        pytest.raises(ValueError, match="S has too few observed entries"),
    ):
        fitted(None, S, early_stopping=True)
    S[1, 2] = 2
    with pytest.warns(UserWarning, match="2 of 4 rows and 2 of 4 columns of S have no observed"):
        encoder = fitted(None, S, early_stopping=True, n_components=1, max_iter=2)
    assert encoder.best_loss_ > 0


# Options


@pytest.mark.parametrize("parameters", [
    {}, {"symmetric": 1.0}, {"decoder": True}, {"loss": "bce", "target_activation": "sigmoid"},
], ids=str)  # fmt: skip
@pytest.mark.slow
def test_mixed_precision_gives_near_the_same(parameters):
    X, S = make()
    S = (S - S.min()) / (S.max() - S.min())
    parameters = {**DEEP, **parameters, "max_iter": 20}
    one = fitted(X, S, **parameters)
    two = fitted(X, S, mixed_precision=True, **parameters)
    assert two.best_loss_ == pytest.approx(one.best_loss_, rel=0.1)
    assert np.abs(one.predict(X) - two.predict(X)).max() > 0
    assert np.abs(one.predict(X) - two.predict(X)).mean() < 0.1 * S.std()
    assert two.module_.last.weight.dtype == torch.float32


@pytest.mark.slow
def test_a_decoder_gives_features_back():
    X, S = make(D=3, rank=3, noise=0)
    encoder = fitted(X, S, decoder=True, max_iter=500, learning_rate=0.02)
    assert error(encoder.inverse_transform(encoder.transform(X)), X) < 0.02
    without = fitted(X, S, max_iter=5)
    with pytest.raises(RuntimeError, match="fit with decoder=True"):
        without.inverse_transform(without.transform(X))
    with pytest.raises(ValueError, match=r"Y must have shape \(m, 3\), got shape \(50, 2\)"):
        encoder.inverse_transform(encoder.transform(X)[:, :2])


@pytest.mark.slow
def test_losses_less_moved_by_outliers():
    X, S = make(m=80, n=9)
    bad = S.copy()
    bad[np.random.default_rng(0).random(S.shape) < 0.05] += 30
    parameters = {"learning_rate": 0.05, "max_iter": 300}
    plain = error(fitted(X, bad, **parameters).predict(X), S)
    for loss in ("mae", "huber", lambda p, s: torch.log1p((p - s).square())):
        assert error(fitted(X, bad, loss=loss, **parameters).predict(X), S) < 0.2 * plain


def test_predictions_stay_in_the_range_asked_for():
    X, S = make()
    S = np.clip(3 + S, 1, 5)
    encoder = fitted(X, S, target_activation=(1, 5), max_iter=100, learning_rate=0.01)
    for found in (encoder.predict(X * 100), encoder.predict_similarity(X * 100)):
        assert found.min() >= 1
        assert found.max() <= 5
    assert encoder.score(X, S) > 0.7


@pytest.mark.slow
def test_orthogonal_rows_of_the_last_layer():
    X, S = make(noise=0.5)
    parameters = {"init": "random", "solver": "adam", "max_iter": 300, "learning_rate": 0.02}

    def apart(encoder):
        W = encoder.module_.last.weight.detach().numpy()
        gram = W @ W.T
        return np.abs(gram - np.diag(np.diag(gram))).max() / gram.max()

    assert apart(fitted(X, S, orthogonal=1.0, **parameters)) < 0.02
    assert apart(fitted(X, S, **parameters)) > 0.05


def test_a_bar_is_shown(capsys):
    X, S = make()
    fitted(X, S, verbose=True, max_iter=3)
    shown = capsys.readouterr().err
    assert "simec" in shown
    assert "loss=" in shown
    fitted(X, S, max_iter=3)
    assert capsys.readouterr().err == ""
