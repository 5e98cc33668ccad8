"""Errors of fine-tuning say what was wrong and what to do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn
from torch.utils.data import IterableDataset

from simec import SimilarityEncoder
from tests.simec.pretraining.networks import (
    CLASSES,
    VALUES,
    Atoms,
    X,
    classifier,
    energies,
    net,
    random_sets,
    regressor,
)


def changed(values, at, value):
    values = np.array(values)
    values[at] = value
    return values


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


LABELS = {
    "none": (classifier, X, None, "requires y to be passed, but the target y is None"),
    "no features": (classifier, None, CLASSES, "X is None: pass the features"),
    "a stream": (classifier, Stream(), CLASSES, "map-style data set .* got Stream"),
    "more": (classifier, X[:50], CLASSES, "y has 80 labels, and X has 50 points"),
    "fewer": (regressor, X, VALUES[:50], "y has 50 labels, and X has 80 points"),
    "NaN": (regressor, X, changed(VALUES, 7, np.nan), "y contains NaN, at point 7: leave out"),
    "infinity": (regressor, X, changed(VALUES, 3, -np.inf), "y contains infinity, at point 3"),
    "huge": (regressor, X, changed(VALUES, 3, 1e200), "y contains 1e[+]200, at point 3: scale it"),
    "constant": (regressor, X, np.full(80, 2.5), "y has no variance: all 80 values are 2.5"),
    "a constant column": (
        regressor, X, np.column_stack([VALUES, np.ones(80)]), "column 1 of y has no variance"
    ),
    "one point": (regressor, X[:1], VALUES[:1], "y has 1 sample: at least two"),
    "strings": (regressor, X, CLASSES, "y must be numbers, got '.*': use PretrainedClassifier"),
    "objects": (regressor, X, [None, *VALUES[1:]], "y must be numbers|y contains NaN"),
    "a cube": (regressor, X, VALUES.reshape(80, 1, 1), r"y must have shape \(m,\) or \(m, k\)"),
    "continuous": (classifier, X, VALUES, "Unknown label type: continuous.* Use PretrainedR"),
    "NaN classes": (classifier, X, changed(np.arange(80.0) % 2, 5, np.nan), "contains NaN, at p"),
    "one class": (classifier, X, np.full(80, "cat"), "y has one class, .*cat"),
    "several labels": (classifier, X, np.eye(80)[:, :2], r"one class for each point, got shape"),
    "mixed classes": (classifier, X, np.array(["a", 1] * 40, object), "of one type, .* int, str"),
    "complex classes": (classifier, X, VALUES + 1j, "Complex data not supported: y"),
    "complex": (regressor, X, VALUES + 1j, "Complex data not supported: y"),
    "bytes": (classifier, X, CLASSES.astype("S"), "y must contain strings or integers, got .S3"),
    "sparse features": (classifier, sparse.csr_matrix(X), CLASSES, "X is sparse, .* pass X.toarr"),
    "a vector": (classifier, X[:, 0], CLASSES, r"two dimensions or more, got shape \(80,\)"),
    "sparse": (regressor, X, sparse.csr_matrix(VALUES[:, None]), "sparse matrix: pass y.toarray"),
    "NaN features": (classifier, changed(X, (2, 1), np.nan), CLASSES, "X contains NaN"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "data", "y", "message"), LABELS.values(), ids=LABELS)
def test_points_and_labels(make, data, y, message):
    for head in ((), "ridge"):
        model = make(head=head)
        with pytest.raises(ValueError, match=message):
            model.fit(data, y)
        assert not hasattr(model, "module_")


PARAMETERS = {
    "head": ([{"head": "mlp"}, {"head": (0,)}, {"head": 5}], "head"),
    "activation": ([{"activation": "cube"}], "activation must be one of"),
    "init": ([{"init": "zeros"}], "init must be one of"),
    "pooling": ([{"pooling": "max"}, {"pooling": 3}], "pooling must be one of"),
    "freeze": ([{"freeze": "yes"}], "freeze must be True or False"),
    "rate": ([{"learning_rate": 0}, {"learning_rate": "fast"}], "learning_rate must be a"),
    "network rate": (
        [{"network_learning_rate": 0}, {"network_learning_rate": {"0": -1}},
         {"network_learning_rate": "slow"}], "network_learning_rate.* must be a",
    ),
    "prefix": (
        [{"network_learning_rate": {"conv": 1e-3}}, {"network_learning_rate": {"0.w": 0}},
         {"network_learning_rate": {0: 1e-3}}],
        "no parameter of network begins: they are 0.weight, 0.bias",
    ),
    "both": (
        [{"network_learning_rate": 1e-4, "freeze": True}], "cannot be combined with freeze=True"
    ),
    "ridge": (
        [{"head": "ridge", "freeze": True}, {"head": "ridge", "network_learning_rate": 1e-3}],
        "head='ridge' does not train the network",
    ),
    "fraction": ([{"validation_fraction": 0}, {"validation_fraction": 1.0}], "between 0 and 1"),
    "epochs": ([{"max_iter": 0}], "max_iter must be an integer >= 1"),
    "batch": ([{"batch_size": 2.5}], "batch_size must be an integer >= 1, got 2.5"),
    "loss": ([{"loss": "hinge"}], "loss must be one of"),
    "stopping": ([{"early_stopping": "auc"}], "early_stopping"),
    "device": ([{"device": "abacus"}], "device must be 'auto' or"),
    "seed": ([{"random_state": -1}, {"random_state": "x"}], "[Ss]eed|RandomState"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), PARAMETERS.values(), ids=PARAMETERS)
def test_parameters(changes, message):
    for parameters in changes:
        model = classifier(**parameters)
        with pytest.raises((TypeError, ValueError), match=message):
            model.fit(X, CLASSES)
        assert not hasattr(model, "module_")


NETWORKS = {
    "not a module": (lambda: "resnet", "network must be a torch.nn.Module or a fitted Similarity"),
    "another estimator": (lambda: np.eye(3), "network must be a torch.nn.Module"),
    "not fitted": (lambda: SimilarityEncoder(3), "not fitted yet"),
    "without features": (
        lambda: SimilarityEncoder(2, max_iter=1).fit(None, np.eye(4)),
        "a Similarity Encoder without features",
    ),
    "other features": (lambda: nn.Linear(7, 3), r"does not accept a batch of shape \(1, 5\)"),
    "parts": (lambda: nn.Unflatten(1, (5, 1)), r"got shape \(1, 5, 1\) .* set pooling"),
    "one number": (lambda: nn.Flatten(0), r"embeddings of shape \(b, d\) .* got shape \(5,\)"),
    "ids": (lambda: nn.Embedding(5, 2), "nn.Embedding looks up integers"),
    "a tuple": (lambda: Pair(), "got tuple for one point: set pooling"),
}  # fmt: skip


class Pair(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "message"), NETWORKS.values(), ids=NETWORKS)
def test_networks(make, message):
    model = classifier(make())
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(X, CLASSES)


def test_networks_of_parts():
    sets = random_sets(20)
    y = energies(sets)
    with pytest.raises(ValueError, match="got tuple for one point: set pooling"):
        regressor(Atoms()).fit(sets, y)
    with pytest.raises(ValueError, match="a network with pooling must return"):
        regressor(net(), pooling="sum").fit(X, VALUES)
    with pytest.raises(ValueError, match=r"pooling must return embeddings of shape \(b, d\)"):
        regressor(Atoms(), pooling=lambda output: output[0][0]).fit(sets, y)

    class Dict(nn.Module):
        def forward(self, x):
            return {"parts": x[:, None]}

    def pool(output):
        return output["parts"].sum(1)

    assert regressor(Dict(), pooling=pool, head="ridge").fit(X, VALUES).predict(X).shape == (80,)
    with pytest.raises(ValueError, match=r"got dict: use head=\(\)"):
        regressor(Dict(), pooling=pool, head=(3,)).fit(X, VALUES)


VALIDATION = {
    "empty": ((X[:0], CLASSES[:0]), "validation has no points"),
    "not a pair": (X[:9], "validation must be a pair"),
    "other numbers": ((X[:9], CLASSES[:8]), "y of validation has 8 labels, and X has 9 points"),
    "a new class": ((X[:2], ["cat", "yak"]), "the class 'yak', which is not among the classes"),
    "other features": ((X[:3, :4], CLASSES[:3]), "X has 4 features, but .* expecting 5"),
    "NaN": ((np.full((2, 5), np.nan), CLASSES[:2]), "X contains NaN"),
}


@pytest.mark.parametrize(("validation", "message"), VALIDATION.values(), ids=VALIDATION)
def test_validation_data(validation, message):
    model = classifier(max_iter=2)
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(X, CLASSES, validation=validation)
    assert not hasattr(model, "module_")


def test_validation_values():
    with pytest.raises(ValueError, match="y of validation contains NaN, at point 1"):
        regressor().fit(X, VALUES, validation=(X[:2], [1, np.nan]))
    with pytest.raises(ValueError, match="validation is only used with early_stopping=True"):
        regressor(early_stopping=False).fit(X, VALUES, validation=(X[:2], VALUES[:2]))


def test_a_validation_part_that_would_be_empty():
    with pytest.raises(ValueError, match="each of the 3 classes has one point"):
        classifier().fit(X[:3], ["a", "b", "c"])
    # they can be trained without one
    model = classifier(early_stopping=False, max_iter=2).fit(X[:3], ["a", "b", "c"])
    assert len(model.classes_) == 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_class_with_one_member_is_trained_not_validated():
    seen = []
    y = np.array(["common"] * 79 + ["rare"])
    classifier(max_iter=1, validation_fraction=0.4).fit(
        X, y, callbacks=lambda model: seen.append(model.classes_)
    )
    assert list(seen[0]) == ["common", "rare"]


def test_predictions_of_other_data():
    model = classifier(head="ridge").fit(X, CLASSES)
    for data, message in (
        (X[:, :3], "X has 3 features, but PretrainedClassifier is expecting 5"),
        (changed(X, (0, 0), np.inf), "X contains infinity"),
        (None, "X is None"),
        (X[:0], "minimum of 1 is required"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            model.predict(data)
    words = torch.randint(0, 5, (20, 2))
    network = nn.Sequential(nn.Embedding(5, 2), nn.Flatten())
    model = regressor(network, head="ridge").fit(words, words.sum(1))
    with pytest.raises(ValueError, match="network does not accept the id 7"):
        model.predict(words * 0 + 7)


def test_what_ridge_regression_and_scores_lack():
    model = classifier(head="ridge").fit(X, CLASSES)
    with pytest.raises(AttributeError) as info:
        model.predict_proba(X)
    assert "ridge regression" in str(info.value.__cause__)
    with pytest.raises(ValueError, match="y is None: pass the labels"):
        model.score(X)


def test_networks_whose_outputs_are_not_finite():
    network = net()
    with torch.no_grad():
        network[0].weight[0, 0] = np.nan
    for head in ((), "ridge"):
        with pytest.raises(ValueError, match="outputs|finite|overflow|diverged"):
            classifier(network, head=head).fit(X, CLASSES)


def test_labels_without_variance_in_the_training_part():
    y = np.zeros(20)
    y[7] = 1
    failed = 0
    for seed in range(12):
        try:
            model = regressor(random_state=seed).fit(X[:20], y)
        except ValueError as error:
            assert "no variance in the training part: all 18 values are 0" in str(error)  # noqa: PT017
            failed += 1
        else:
            assert np.isfinite(model.validation_curve_).all()
    assert 0 < failed < 12
