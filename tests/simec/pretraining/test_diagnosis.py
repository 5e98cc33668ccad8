"""Alignment of similarities and labels, with plain computations as oracles."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import RidgeCV

from simec.pretraining import diagnosis
from simec.pretraining.curves import CurveRow, LearningCurve
from simec.pretraining.diagnosis import Alignment, alignment
from simec.similarities import class_labels, linear, rbf

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5))
NUMBERS = X[:, 0] - 2 * X[:, 1] + 0.1 * RNG.standard_normal(200)
CLASSES = np.where(NUMBERS > 0, "high", "low")
QUICK = {"sizes": [40, 120], "seeds": 2, "progress": False}


def cortes(K, L):
    """Definition 4 of Cortes, Mohri and Rostamizadeh (2012)."""
    H = np.eye(len(K)) - 1 / len(K)
    K, L = H @ K @ H, H @ L @ H
    return (K * L).sum() / (np.linalg.norm(K) * np.linalg.norm(L))


def test_alignment_of_full_rank():
    d = alignment(linear(X), NUMBERS, **QUICK)
    assert d.n_components == 5
    assert d.value == pytest.approx(cortes(X @ X.T, np.outer(NUMBERS, NUMBERS)))
    d = alignment(linear(X), CLASSES, **QUICK)
    assert d.value == pytest.approx(cortes(X @ X.T, class_labels(CLASSES).astype(float)))


def test_alignment_of_kernel_pca():
    S = rbf(X, gamma=0.1)
    d = alignment(S, NUMBERS, n_components=7, **QUICK)
    Y = KernelPCA(7, kernel="precomputed").fit_transform(S)
    assert d.value == pytest.approx(cortes(Y @ Y.T, np.outer(NUMBERS, NUMBERS)))
    assert d.negative_share == 0


def test_landmarks():
    columns = np.array([5, 150, 20, 33, 80, 2, 9, 11, 199, 100])
    S = linear(X, X[columns])
    d = alignment(S, NUMBERS, columns=columns, **QUICK)
    # ten landmarks span all five dimensions, whose kernel is then exact up to the mean
    assert d.n_components == 5
    assert d.value == pytest.approx(cortes(X @ X.T, np.outer(NUMBERS, NUMBERS)))


def test_errors_are_those_of_ridge_regression():
    S = rbf(X, gamma=0.1)
    d = alignment(S, NUMBERS, n_components=20, **QUICK)
    Y = KernelPCA(20, kernel="precomputed").fit_transform(S)
    Y /= np.sqrt((Y**2).sum(axis=1).mean())
    order = np.random.default_rng(1).permutation(200)
    train, test = np.sort(order[:40]), np.sort(order[140:])
    model = RidgeCV(np.logspace(-8, 4, 13)).fit(Y[train], NUMBERS[train])
    expected = np.abs(model.predict(Y[test]) - NUMBERS[test]).mean()
    (row,) = [r for r in d.curve.rows if r[:3] == ("similarities", 40, 1)]
    assert row.test_score == pytest.approx(expected, rel=1e-6)
    (row,) = [r for r in d.curve.rows if r[:3] == ("mean", 40, 1)]
    expected = np.abs(NUMBERS[train].mean() - NUMBERS[test]).mean()
    assert row.test_score == pytest.approx(expected)


def test_classes():
    d = alignment(rbf(X, gamma=0.1), CLASSES, **QUICK)
    assert d.curve.metric == "accuracy"
    assert d.curve.names == ("most frequent class", "similarities")
    integers = alignment(rbf(X, gamma=0.1), (CLASSES == "low").astype(int), **QUICK)
    assert integers.value == pytest.approx(d.value)
    assert [r.test_score for r in integers.curve.rows] == [r.test_score for r in d.curve.rows]
    numbers = alignment(
        rbf(X, gamma=0.1), (CLASSES == "high").astype(int), kind="numbers", **QUICK
    )  # fmt: skip
    assert numbers.curve.metric == "mean absolute error"


def test_rows_without_labels():
    S = rbf(X, gamma=0.1)[:, :50]
    rows = RNG.permutation(200)[:120]
    some = {"columns": np.arange(50), "sizes": [30], "seeds": 1, "progress": False}
    y = np.full(200, np.nan)
    y[rows] = NUMBERS[rows]
    d = alignment(S, y, **some)
    embedded = KernelPCA(50, kernel="precomputed").fit(rbf(X, gamma=0.1)[:50, :50])
    Y = embedded.transform(S[np.sort(rows)])
    t = NUMBERS[np.sort(rows)]
    assert d.value == pytest.approx(cortes(Y @ Y.T, np.outer(t, t)), rel=1e-6)
    named = np.array(CLASSES, object)
    named[y != y] = None
    assert len(alignment(S, named, **some).curve.rows) == 2


def test_indefinite_similarities():
    R = RNG.standard_normal((200, 200))
    d = alignment(R + R.T, CLASSES, **QUICK)
    assert d.negative_share == pytest.approx(0.5, abs=0.05)
    assert d.value <= np.quantile(d.permuted, 1)


def test_features():
    d = alignment(rbf(X[:, :1]), NUMBERS, features=X[:, 1], **QUICK)
    means = {p.name: p.mean for p in d.curve.summary() if p.size == 120}
    assert list(means) == ["mean", "features", "similarities", "similarities and features"]
    assert means["similarities and features"] < 0.5 * means["features"] < means["mean"]


def test_many_points_use_a_part_as_landmarks(monkeypatch):
    monkeypatch.setattr(diagnosis, "_LANDMARKS", 60)
    monkeypatch.setattr(diagnosis, "_ROWS", 33)
    d = alignment(rbf(X, gamma=0.1), NUMBERS, **QUICK)
    assert d.n_components == 59  # of 60 centered points
    full = linear(X)
    d = alignment(full, NUMBERS, **QUICK)
    assert d.value == pytest.approx(cortes(full, np.outer(NUMBERS, NUMBERS)))


def test_default_sizes():
    d = alignment(linear(X), NUMBERS, seeds=1, progress=False)
    assert d.curve.sizes == [100]
    d = alignment(linear(X[:60]), NUMBERS[:60], seeds=1, progress=False)
    assert d.curve.sizes == [21, 42]


def test_scales_do_not_matter():
    S = rbf(X, gamma=0.1)
    d, scaled = (alignment(S, NUMBERS, **QUICK), alignment(1e6 * S - 3, NUMBERS, **QUICK))
    assert scaled.value == pytest.approx(d.value)
    assert [r.test_score for r in scaled.curve.rows] == pytest.approx(
        [r.test_score for r in d.curve.rows], rel=1e-5
    )


def of(value, errors, *, negative=0.0, metric="mean absolute error"):
    """An alignment with errors for 100 and 500 labels by name."""
    rows = tuple(
        CurveRow(name, size, 0, 0.0, error, 0.0)
        for name, pair in errors.items()
        for size, error in zip((100, 500), pair, strict=True)
    )
    curve = LearningCurve(rows, metric, metric == "accuracy", tuple(errors))
    return Alignment(value, np.array([0.01, 0.02]), negative, 5, curve)


def test_verdicts():
    d = of(0.3, {"mean": (2.0, 2.0), "similarities": (1.6, 0.5)})
    assert d.reductions == pytest.approx({100: 0.2, 500: 0.75})
    assert d.verdict == (
        "The similarities suit the task: with 100 labels, kernel PCA and ridge regression lower "
        "the mean absolute error from 2 (mean) to 1.6, by 20 %. The alignment with the labels is "
        "0.3; with labels in random order, it is at most 0.02."
    )
    assert str(d).startswith(d.verdict)
    d = of(0.3, {"mean": (2.0, 2.0), "similarities": (1.8, 0.5)}, negative=0.27)
    assert d.verdict.startswith("The similarities are weakly related to the task: ")
    assert d.verdict.endswith(
        "27 % of the absolute eigenvalues are negative, which kernel PCA drops and a Similarity "
        "Encoder can learn."
    )
    d = of(0.3, {"mean": (2.0, 2.0), "similarities": (1.97, 0.5)})
    assert d.verdict.startswith("The similarities are related to the labels, but hardly help to")
    d = of(0.02, {"mean": (2.0, 2.0), "similarities": (2.1, 0.5)})
    assert d.verdict.startswith(
        "The similarities are unrelated to the task: with 100 labels, kernel PCA and ridge "
        "regression have the mean absolute error 2.1, and the control (mean) 2."
    )


def test_controls_of_the_verdict():
    errors = {"mean": (2.0, 2.0), "features": (1.0, 1.0), "similarities": (0.5, 3.0)}
    d = of(0.3, {**errors, "similarities and features": (0.8, 0.7)})
    assert d.reductions == pytest.approx({100: 0.2, 500: 0.3})
    assert "from 1 (features) to 0.8" in d.verdict
    accuracies = {"most frequent class": (0.2, 0.3), "similarities": (0.6, 1.0)}
    d = of(0.3, accuracies, metric="accuracy")
    assert d.reductions == pytest.approx({100: 0.5, 500: 1.0})
    assert "the error rate from 0.8 (most frequent class) to 0.4, by 50 %" in d.verdict


def test_a_control_without_errors_leaves_nothing_to_reduce():
    y = np.where(np.arange(200) == 7, "rare", "common")
    d = alignment(linear(X), y, **QUICK)
    assert d.reductions == {40: 0, 120: 0}
    assert "suit" not in d.verdict


def test_integers_that_may_be_numbers():
    y = np.round(100 * NUMBERS).astype(int)
    with pytest.raises(ValueError, match=r"different integers among 200 labels: pass kind"):
        alignment(linear(X), y, **QUICK)
    d = alignment(linear(X), y, kind="numbers", **QUICK)
    assert not d.curve.greater_is_better


def test_rounding_errors_are_no_asymmetry():
    S = linear(X) * (1 + 1e-5 * RNG.random((200, 200)))
    d = alignment(S, NUMBERS, n_components=5, **QUICK)
    assert d.value == pytest.approx(alignment(linear(X), NUMBERS, **QUICK).value, rel=1e-4)


def test_plot():
    pytest.importorskip("matplotlib")
    diagnosis = alignment(linear(X), NUMBERS, **QUICK)
    axes = diagnosis.plot()
    assert axes.get_xlabel() == "labels"
    title = axes.get_title(loc="left")
    assert "alignment 0." in title
    assert f"up to {diagnosis.permuted.max():.3f}" in title


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"S": linear(X)[:, :50]}, r"S has shape \(200, 50\): pass columns, the row numbers"),
        ({"S": linear(X)[:, :50], "columns": np.arange(49)}, "row number for each of 50, got 49"),
        ({"S": linear(X)[:, :2], "columns": [0, 200]}, "from 0 to 199, got 0 to 200"),
        ({"S": linear(X)[:, :2], "columns": [0, 0]}, "different row numbers"),
        ({"S": linear(X)[:, :2], "columns": [0.0, 1.0]}, "array of row numbers"),
        ({"S": linear(X)[:, :50], "columns": np.arange(50, 100)}, "symmetric, but those of rows"),
        ({"S": np.ones((200, 200))}, "S is constant"),
        ({"S": np.full((200, 200), np.nan)}, r"S\[0, 0\] is nan"),
        ({"y": NUMBERS[:5]}, "same number of rows, got 200 and 5"),
        ({"y": np.where(np.arange(200) < 9, 1.0, np.nan)}, "at least 20 labels, got 9"),
        ({"y": np.ones(200)}, "different labels, but all are 1.0"),
        ({"y": np.where(np.arange(200) == 9, np.inf, 1.0)}, r"y\[9\] is not finite"),
        ({"y": X}, r"y must be a list of labels, got shape \(200, 5\)"),
        ({"y": CLASSES, "kind": "numbers"}, "needs numbers as labels"),
        ({"kind": "text"}, "kind must be one of"),
        ({"features": X[:5]}, "S and features must have the same number of rows, got 200 and 5"),
        ({"features": ["a"] * 200}, "features must hold real numbers"),
        ({"n_components": 0}, "n_components must be an integer >= 1"),
        ({"n_permutations": 0}, "n_permutations must be an integer >= 1"),
        ({"sizes": [150]}, "sizes must be at most 140, got 150"),
    ],
)  # fmt: skip
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        alignment(**{"S": linear(X), "y": NUMBERS, "progress": False, **change})
