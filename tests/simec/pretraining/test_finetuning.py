"""Fine-tuning: heads, pooling, standardization, inputs, freezing, validation and callbacks."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import TensorDataset

from simec import SimilarityEncoder
from simec.pretraining.head import ALPHAS, FineTuned
from simec.pretraining.labels import Classes, Values
from simec.pretraining.points import split_points
from tests.simec.pretraining.networks import (
    CLASSES,
    VALUES,
    Atoms,
    Sets,
    X,
    classifier,
    energies,
    net,
    random_sets,
    regressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


# Training


def test_classes_are_learned():
    network = net()
    before = weights(network)
    model = classifier(network, head=(8,), max_iter=100, n_iter_no_change=100).fit(X, CLASSES)
    assert list(model.classes_) == ["cat", "dog", "fox"]
    assert model.score(X, CLASSES) > 0.8
    probabilities = model.predict_proba(X)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))
    assert same(weights(network), before)
    assert not same(weights(model.network_), before)
    assert len(model.loss_curve_) == len(model.validation_curve_) == model.n_iter_
    assert model.embed(X).shape == (80, 16)


@pytest.mark.parametrize(
    "labels",
    [CLASSES, CLASSES.astype(object), pd.Series(CLASSES), (CLASSES == "cat"), CLASSES.tolist(),
     np.unique(CLASSES, return_inverse=True)[1] * 3 - 1,
     torch.from_numpy(np.unique(CLASSES, return_inverse=True)[1].copy())],
)  # fmt: skip
def test_types_of_classes(labels):
    model = classifier(head="ridge").fit(X, labels)
    predicted = model.predict(X)
    expected = np.asarray(labels)
    assert predicted.dtype == expected.dtype
    assert (predicted == expected).mean() > 0.7
    np.testing.assert_array_equal(model.classes_, np.unique(expected))


def test_values_are_learned_in_their_units():
    model = regressor(head=(8,), max_iter=100, early_stopping=False).fit(X, VALUES)
    predicted = model.predict(X)
    assert predicted.dtype == np.float64
    assert predicted.shape == (80,)
    assert model.score(X, VALUES) > 0.95
    both = np.column_stack([VALUES, -3 * X[:, 2]])
    model = regressor(max_iter=100, early_stopping=False).fit(X, both)
    assert model.predict(X).shape == (80, 2)
    assert model.score(X, both) > 0.9
    assert regressor(max_iter=3).fit(X, VALUES[:, None]).predict(X).shape == (80, 1)


def test_the_same_seed_gives_the_same_bits():
    dropout = nn.Sequential(net(), nn.Dropout(0.3))
    first = classifier(dropout, head=(4,), max_iter=5).fit(X, CLASSES)
    torch.rand(3)  # the global generator has no influence
    second = classifier(dropout, head=(4,), max_iter=5).fit(X, CLASSES)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = classifier(dropout, head=(4,), max_iter=5, random_state=1).fit(X, CLASSES)
    assert (first.predict_proba(X) != other.predict_proba(X)).any()


def test_the_same_network_trained_directly():
    """The oracle: a plain loop over the same module gives the same losses as full batches do."""
    model = regressor(
        head=(3,), early_stopping=False, batch_size=80, max_iter=4, n_iter_no_change=50
    ).fit(X, VALUES)
    fitted = model.encoder_.module_
    target = torch.from_numpy(((VALUES - VALUES.mean()) / VALUES.std()).astype(np.float32))
    with torch.no_grad():
        y = fitted(torch.from_numpy(X))[:, 0]
    assert float((y - target).square().mean()) == pytest.approx(model.encoder_.best_loss_, rel=1e-5)
    np.testing.assert_allclose(
        model.predict(X), VALUES.mean() + VALUES.std() * y.double().numpy(), rtol=1e-6
    )


# Head and pooling (Fig. 6.6)


def test_sums_have_a_bias_for_each_part():
    """Kinds with constant contributions: the head has to find their differences to the mean."""
    sets = random_sets(120)
    y = energies(sets)
    model = regressor(Atoms(), pooling="sum", max_iter=300, early_stopping=False).fit(sets, y)
    sizes = np.array([len(kinds) for kinds in sets.sets])
    mean = (y / sizes).mean()
    assert model.labels_.mean == pytest.approx(mean, rel=1e-12)
    assert model.labels_.scale == pytest.approx(np.sqrt(((y - sizes * mean) ** 2).mean()))
    assert np.abs(model.predict(sets) - y).mean() < 0.02 * y.std()
    # predictions are sums over parts: twice the parts, twice the value
    twice = Sets([np.concatenate([kinds, kinds]) for kinds in sets.sets])
    np.testing.assert_allclose(model.predict(twice), 2 * model.predict(sets), rtol=1e-4)


def test_means_do_not_depend_on_the_number_of_parts():
    sets = random_sets()
    y = energies(sets) / [len(kinds) for kinds in sets.sets]
    model = regressor(Atoms(), pooling="mean", head=(5,), max_iter=20).fit(sets, y)
    twice = Sets([np.concatenate([kinds, kinds]) for kinds in sets.sets])
    np.testing.assert_allclose(model.predict(twice), model.predict(sets), rtol=1e-5)
    rows = split_points(60, 0.1, int(np.random.RandomState(0).randint(1 << 31)))[0]
    assert model.labels_.mean == pytest.approx(y[rows].mean())


def test_forms_of_parts_agree():
    """Flat parts with counts, padded parts with a mask, and parts of equal number."""
    sets = Sets([np.random.default_rng(i).integers(0, 3, 4) for i in range(30)])
    y = energies(sets)
    array = np.stack(sets.sets)
    padded = np.concatenate([array, np.full((30, 2), 3)], axis=1)
    found = [
        regressor(Atoms(form), pooling="sum", head=(5,), max_iter=3).fit(data, y).predict(data)
        for form, data in (("flat", sets), ("mask", padded), ("dense", array))
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5)


def test_a_custom_pooling():
    array = np.random.default_rng(0).integers(0, 4, (40, 5))
    y = CONTRAST[array].max(axis=1)

    def largest(parts):
        return torch.cat([parts.max(dim=1).values, parts.min(dim=1).values], dim=1)

    for head in ((), (5,)):
        model = regressor(Atoms("dense"), pooling=largest, head=head).fit(array, y)
        assert model.encoder_.n_components == 2 * (5 if head else 6) + 1
        assert np.isfinite(model.predict(array)).all()
    module = Weighted()
    before = weights(module)
    model = regressor(Atoms("dense"), pooling=module, max_iter=3).fit(array, y)
    assert same(weights(module), before)
    assert not same(weights(model.module_.pooling.method), before)


CONTRAST = np.array([1.0, 5, 2, 9])


class Weighted(nn.Module):
    """Attention with a learned query."""

    def __init__(self):
        super().__init__()
        self.query = nn.Parameter(torch.ones(6))

    def forward(self, parts):
        shares = (parts @ self.query).softmax(1)
        return (shares[..., None] * parts).sum(1)


def test_the_constant_of_sums_is_exact_in_low_precision():
    module = FineTuned(nn.Identity(), "sum", (), "tanh", width=3)
    parts = torch.zeros(1, 1027, 3, dtype=torch.bfloat16)
    assert module(parts)[0, -1] == 1027


# Ridge regression


@pytest.mark.parametrize("pooled", [False, True])
def test_ridge_is_that_of_scikit_learn(pooled):
    if pooled:
        data, network, y = random_sets(), Atoms(), energies(random_sets())
        table = network.table.weight.detach().numpy()
        Y = np.array([[*table[kinds].sum(axis=0), len(kinds)] for kinds in data.sets])
    else:
        data, network, y = X, net(), VALUES
        Y = network(torch.from_numpy(X)).detach().numpy()
    scaled = StandardScaler().fit_transform(Y.astype(np.float64))
    expected = RidgeCV(ALPHAS).fit(scaled, y).predict(scaled)
    model = regressor(network, head="ridge", pooling="sum" if pooled else None).fit(data, y)
    np.testing.assert_allclose(model.predict(data), expected, atol=2e-4 * y.std())
    assert model.n_iter_ == 1
    assert same(weights(model.network_), weights(network))
    codes = (y > np.median(y)).astype(int) + (y > np.quantile(y, 0.8))
    expected = RidgeClassifierCV(ALPHAS).fit(scaled, codes).predict(scaled)
    model = classifier(network, head="ridge", pooling="sum" if pooled else None).fit(data, codes)
    assert (model.predict(data) == expected).mean() > 0.98
    assert not hasattr(model, "predict_proba")


def test_ridge_chooses_a_penalty_for_each_value():
    both = np.column_stack([VALUES, np.random.default_rng(0).standard_normal(80)])
    together = regressor(head="ridge").fit(X, both).predict(X)
    for j in range(2):
        alone = regressor(head="ridge").fit(X, both[:, j]).predict(X)
        np.testing.assert_allclose(together[:, j], alone, atol=1e-4 * both[:, j].std())


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("head", [(), (6,)])
def test_training_starts_from_a_fitted_last_layer(make, head):
    y = CLASSES if make is classifier else VALUES
    options = {"head": head, "learning_rate": 1e-9, "max_iter": 1, "early_stopping": False}
    start = make(init="ridge", **options).fit(X, y)
    assert start.score(X, y) > make(**options).fit(X, y).score(X, y) + 0.1
    before = start.module_.last.weight.detach().clone()
    trained = make(init="ridge", head=head, max_iter=10, early_stopping=False).fit(X, y)
    assert trained.score(X, y) > start.score(X, y)
    assert not torch.equal(trained.module_.last.weight, before)
    if make is classifier:
        two = make(init="ridge", **options).fit(X, y == "cat")
        assert two.predict_proba(X).shape == (80, 2)
        assert two.score(X, y == "cat") > 0.7


def test_a_fitted_last_layer_of_sums():
    sets = random_sets(120)
    y = energies(sets)
    model = regressor(
        Atoms(), pooling="sum", init="ridge", learning_rate=1e-9, max_iter=1, early_stopping=False
    ).fit(sets, y)
    # contributions of kinds are linear in their embeddings, which are longer than their number
    np.testing.assert_allclose(model.predict(sets), y, atol=1e-3 * y.std())


# Networks


def test_a_similarity_encoder_is_fine_tuned_and_not_changed():
    S = X[:, :2] @ X[:, :2].T
    encoder = SimilarityEncoder(
        8, hidden_layers=(12,), max_iter=3, device="cpu", random_state=0
    ).fit(X, S)
    before, parameters = weights(encoder.module_), encoder.get_params()
    model = classifier(encoder, max_iter=5).fit(X, CLASSES)
    assert same(weights(encoder.module_), before)
    assert encoder.get_params() == parameters
    assert model.embed(X).shape == (80, 8)
    ridge = regressor(encoder, head="ridge").fit(X, VALUES)
    np.testing.assert_allclose(ridge.embed(X), encoder.transform(X), atol=1e-6)
    further = regressor(model, max_iter=2, learning_rate=1e-9).fit(X, VALUES)
    np.testing.assert_allclose(further.embed(X), model.embed(X), atol=1e-5)


def test_the_pooling_of_a_similarity_encoder_is_taken():
    sets = random_sets()
    S = np.array([[len(set(a) & set(b)) for b in sets.sets] for a in sets.sets], np.float32)
    encoder = SimilarityEncoder(
        6, network=Atoms(), pooling="sum", max_iter=2, device="cpu", random_state=0
    ).fit(sets, S)
    ridge = regressor(encoder, head="ridge").fit(sets, energies(sets))
    assert ridge.module_.is_sum
    np.testing.assert_allclose(ridge.embed(sets), encoder.transform(sets), atol=1e-5)
    mean = regressor(encoder, head="ridge", pooling="mean").fit(sets, energies(sets))
    sizes = np.array([[len(kinds)] for kinds in sets.sets])
    np.testing.assert_allclose(mean.embed(sets) * sizes, encoder.transform(sets), atol=1e-4)


def test_sparse_features():
    rows = sparse.random(60, 30, 0.2, "csr", random_state=0, dtype=np.float32)
    encoder = SimilarityEncoder(4, max_iter=2, device="cpu", random_state=0)
    encoder.fit(rows, (rows @ rows.T).toarray())
    y = np.asarray(rows.sum(axis=1)).ravel()
    model = regressor(encoder, max_iter=3).fit(rows, y)
    np.testing.assert_allclose(model.predict(rows), model.predict(rows.toarray()), rtol=1e-4)


def test_learning_rates_of_parts():
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 6))
    before = weights(network)
    model = classifier(network, max_iter=3, network_learning_rate={"0": 0, "2": 1e-3}).fit(
        X, CLASSES
    )
    after = weights(model.network_)
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["2.weight"], before["2.weight"])
    assert all(p.requires_grad for p in model.network_.parameters())
    slow = classifier(network, max_iter=3, network_learning_rate=1e-6).fit(X, CLASSES)
    gap = max(float((weights(slow.network_)[k] - before[k]).abs().max()) for k in before)
    assert 0 < gap < 1e-4


def test_frozen_networks_warn_and_stay_as_they_are():
    network = nn.Sequential(net(), nn.BatchNorm1d(16), nn.Dropout(0.5))
    before = weights(network)
    with pytest.warns(UserWarning, match="co-adaptation"):
        model = classifier(network, freeze=True, max_iter=20).fit(X, CLASSES)
    assert same(weights(model.network_), before)  # those of batch normalization as well
    assert model.score(X, CLASSES) > 0.5
    assert all(p.requires_grad for p in model.network_.parameters())


def test_networks_without_weights_and_with_lazy_layers():
    model = classifier(nn.Flatten(), head=(8,), max_iter=60, network_learning_rate=1e-4)
    assert model.fit(X, CLASSES).score(X, CLASSES) > 0.6
    lazy = nn.Sequential(nn.LazyLinear(4), nn.Tanh())
    first, second = (classifier(lazy, max_iter=2).fit(X, CLASSES) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    images = np.random.default_rng(0).standard_normal((40, 2, 6, 6)).astype(np.float32)
    cnn = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))
    assert classifier(cnn, max_iter=2).fit(images, CLASSES[:40]).predict(images).shape == (40,)


# Data


def test_forms_of_features_agree():
    expected = classifier(max_iter=3).fit(X, CLASSES).predict_proba(X)
    frame = pd.DataFrame(X, columns=list("abcde"))
    codes = torch.from_numpy(np.unique(CLASSES, return_inverse=True)[1].copy())
    for data, y in (
        (torch.from_numpy(X), CLASSES), (X.tolist(), CLASSES), (frame, CLASSES),
        (TensorDataset(torch.from_numpy(X), codes), None),
        (TensorDataset(torch.from_numpy(X), codes), CLASSES),
    ):  # fmt: skip
        model = classifier(max_iter=3).fit(data, y)
        np.testing.assert_array_equal(model.predict_proba(data), expected)
        assert model.score(data, y if y is not None else None) == pytest.approx(
            (expected.argmax(1) == codes.numpy()).mean()
        )
    model = classifier(max_iter=3).fit(frame, CLASSES)
    assert list(model.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("edcba")])


def test_integers_that_a_network_looks_up():
    words = np.random.default_rng(0).integers(0, 9, (50, 4))
    network = nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(12, 6))
    y = (words[:, 0] > 4).astype(int)
    model = classifier(network, max_iter=60).fit(words, y)
    assert model.score(words, y) > 0.9
    with pytest.raises(ValueError, match="integer"):
        model.predict(words + 0.5)


@pytest.mark.parametrize("is_pair", [False, True])
def test_validation_data(is_pair):
    codes = torch.from_numpy(np.unique(CLASSES, return_inverse=True)[1].copy())
    validation = X[60:], CLASSES[60:]
    if is_pair:
        validation = TensorDataset(torch.from_numpy(X[60:]), codes[60:]), CLASSES[60:]
    model = classifier(early_stopping="error_rate", max_iter=60, n_iter_no_change=60)
    model.fit(X[:60], CLASSES[:60], validation=validation)
    error = 1 - model.score(X[60:], CLASSES[60:])
    assert error == pytest.approx(min(model.validation_curve_))
    assert model.encoder_.best_loss_ == pytest.approx(error)


def test_labels_are_standardized_by_the_training_points():
    model = regressor(max_iter=2).fit(X[:40], VALUES[:40], validation=(X[40:], VALUES[40:]))
    assert model.labels_.mean == pytest.approx(VALUES[:40].mean(), rel=1e-12)
    assert model.labels_.scale == pytest.approx(VALUES[:40].std(), rel=1e-12)
    # the error of the validation points is measured on the same scale
    mae = regressor(max_iter=5, early_stopping="mae").fit(
        X[:40], VALUES[:40], validation=(X[40:], VALUES[40:])
    )
    error = np.abs(mae.predict(X[40:]) - VALUES[40:]).mean() / mae.labels_.scale[0]
    assert error == pytest.approx(min(mae.validation_curve_), rel=1e-4)


def test_callbacks_get_the_estimator():
    seen = []

    def note(model):
        seen.append((model.score(X, CLASSES), len(model.loss_curve_)))
        return len(seen) == 4

    model = classifier(max_iter=20).fit(X, CLASSES, callbacks=note)
    assert [n for _, n in seen] == [1, 2, 3, 4]
    assert model.n_iter_ == 4


@pytest.mark.parametrize("init", ["random", "ridge"])
def test_interruption_keeps_the_best_weights_and_is_resumed(tmp_path, init):
    def stop(model):
        if model.n_iter_ == 3:
            raise KeyboardInterrupt

    whole = classifier(init=init, max_iter=8).fit(X, CLASSES)
    model = classifier(init=init, max_iter=8)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, CLASSES, callbacks=stop, checkpoint=tmp_path / "run")
    assert model.n_iter_ in (2, 3)
    assert model.score(X, CLASSES) > 0
    resumed = classifier(init=init, max_iter=8).fit(X, CLASSES, resume_from=tmp_path / "run")
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


def test_a_refused_fit_changes_nothing():
    model = classifier(max_iter=2).fit(X, CLASSES)
    before = dict(vars(model))
    for data, y in ((X[:, :3], CLASSES), (np.full_like(X, np.nan), CLASSES), (X, CLASSES[:9])):
        with pytest.raises(ValueError):  # noqa: PT011
            model.fit(data, y)
        assert vars(model) == before
    with pytest.raises(NotFittedError):
        classifier().predict(X)
    assert not hasattr(classifier(), "network_")


# Splits and labels


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6), st.floats(0.01, 0.99), st.integers(0, 99)
)
def test_split(sizes, fraction, seed):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    n = len(codes)
    if max(sizes) == 1:
        with pytest.raises(ValueError, match="would be empty"):
            split_points(n, fraction, seed, codes)
        return
    training, validation = split_points(n, fraction, seed, codes)
    assert sorted([*training, *validation]) == list(range(n))
    assert len(validation) == min(max(1, round(fraction * n)), n - len(sizes))
    counts = np.bincount(codes[validation], minlength=len(sizes))
    assert set(codes[training]) == set(codes)  # each class is trained
    free = counts < np.array(sizes) - 1  # those that are not limited by that
    exact = np.array(sizes) * len(validation) / n
    assert (counts[free] > exact[free] - 1).all()
    again = split_points(n, fraction, seed, codes)
    np.testing.assert_array_equal(training, again[0])


def test_split_without_classes():
    training, validation = split_points(10, 0.3, 0)
    assert len(validation) == 3
    assert not set(training) & set(validation)
    with pytest.raises(ValueError, match="1 point would be empty: pass validation="):
        split_points(1, 0.3, 0)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 30)), min_size=2, max_size=20),
    st.booleans(),
)
def test_standardization_can_be_undone(points, summed):
    y = np.array([value for value, _ in points])
    sizes = np.array([[float(n if summed else 1)] for _, n in points])
    if np.ptp(y) == 0:
        return
    values, labels = Values.learn(y, len(y))
    values.fit(labels, sizes)
    targets = values.targets(labels, sizes)
    assert np.isfinite(targets).all()
    assert float(np.square(targets.astype(np.float64)).mean()) < 1 + 1e-4
    np.testing.assert_allclose(
        values.values(targets.astype(np.float64), sizes), y, atol=1e-5 * max(values.scale)
    )


def test_labels_that_are_proportional_to_the_number_of_parts():
    sets = random_sets()
    y = np.array([3.0 * len(kinds) for kinds in sets.sets])
    model = regressor(Atoms(), pooling="sum", max_iter=5).fit(sets, y)
    assert np.abs(model.predict(sets) - y).max() < 1


def test_large_offsets_are_subtracted_in_float64():
    y = -3e7 + 0.01 * X[:, 0].astype(np.float64)
    model = regressor(head="ridge").fit(X, y)
    assert np.abs(model.predict(X) - y).max() < 0.01
    model = regressor(max_iter=60).fit(X, y)
    assert model.score(X, y) > 0.8


def test_classes_are_saved_as_plain_data():
    coder, codes = Classes.learn(CLASSES, 80)
    again = Classes.from_saved(coder.config(), {})
    np.testing.assert_array_equal(again.read(CLASSES, 80, "y"), codes)
    assert copy.deepcopy(again).classes.dtype == CLASSES.dtype


def test_convergence_warning():
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        classifier(max_iter=2).fit(X, CLASSES)
