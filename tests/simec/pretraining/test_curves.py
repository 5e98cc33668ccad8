"""Learning curves: nested rows, paired comparisons, interruption and bad input."""

from __future__ import annotations

import json
import math
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import Ridge, RidgeClassifier, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import Dataset, TensorDataset

from simec.data.inputs import collating
from simec.pretraining.curves import CurveRow, LearningCurve, learning_curve
from simec.pretraining.points import select

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 4))
Y = np.array(["a", "b", "c"])[RNG.integers(0, 3, 120)]
NUMBERS = X @ [1.0, 2.0, 0.0, -1.0] + 0.1 * RNG.standard_normal(120)


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it was fitted to."""

    calls: ClassVar[list] = []

    def __init__(self, name="", random_state=None, fails_at=None, error=RuntimeError):
        self.name = name
        self.random_state = random_state
        self.fails_at = fails_at
        self.error = error

    def fit(self, X, y, validation=None):
        if len(y) == self.fails_at:
            raise self.error("no")
        Recorder.calls.append((self.name, self.random_state, np.array(X), np.array(y), validation))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture(autouse=True)
def _no_calls():
    Recorder.calls = []


def test_same_nested_rows_for_all():
    learning_curve(
        {"one": Recorder("one"), "two": Recorder("two")}, X, Y, sizes=(30, 9), seeds=[5, 7],
        progress=False,
    )  # fmt: skip
    calls = Recorder.calls
    assert [(c[0], c[1], len(c[3])) for c in calls] == [
        ("one", 5, 9), ("two", 5, 9), ("one", 5, 30), ("two", 5, 30),
        ("one", 7, 9), ("two", 7, 9), ("one", 7, 30), ("two", 7, 30),
    ]  # fmt: skip
    for first, second in zip(calls[::2], calls[1::2], strict=True):
        np.testing.assert_array_equal(first[2], second[2])
        np.testing.assert_array_equal(first[3], second[3])
    small, large = ({tuple(row) for row in calls[i][2]} for i in (0, 2))
    assert small < large
    assert {tuple(row) for row in calls[4][2]} != small
    labels = dict(zip(map(tuple, X), Y, strict=True))
    assert all(labels[tuple(x)] == y for x, y in zip(calls[2][2], calls[2][3], strict=True))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 9))
def test_prefixes_have_the_share_of_each_class(labels, seed):
    from simec.pretraining import curves as module

    y = np.array(labels)
    order = module._order(y, seed, stratified=True)
    assert sorted(order) == list(range(len(y)))
    counts = np.bincount(y)
    for n in range(1, len(y) + 1):
        part = np.bincount(y[order[:n]], minlength=len(counts))
        # all classes are about as far through their rows
        assert np.all(np.abs(part - counts * n / len(y)) <= 2)


def test_balanced_classes_stay_balanced():
    from simec.pretraining import curves as module

    y = np.repeat(np.arange(5), 20)
    order = module._order(y, 0, stratified=True)
    for n in range(5, 101, 5):
        assert set(np.bincount(y[order[:n]])) == {n // 5}


def test_scores_are_those_of_scikit_learn():
    test = X[80:], NUMBERS[80:]
    curve = learning_curve(
        {"mean": DummyRegressor(), "ridge": Ridge(1e-3)}, X[:80], NUMBERS[:80], sizes=[80],
        seeds=1, test=test, scoring="neg_mean_absolute_error", progress=False,
    )  # fmt: skip
    model = Ridge(1e-3).fit(X[:80], NUMBERS[:80])
    row = curve.rows[1]
    assert row.test_score == pytest.approx(np.abs(model.predict(test[0]) - test[1]).mean())
    assert row.train_score == pytest.approx(np.abs(model.predict(X[:80]) - NUMBERS[:80]).mean())
    assert not curve.greater_is_better
    assert curve.metric == "mean absolute error"
    best = curve.summary()[1]
    assert best.n_better == 1
    assert best.difference == pytest.approx(row.test_score - curve.rows[0].test_score)
    assert math.isnan(best.sd)


def test_test_rows_are_in_no_training_set():
    curve = learning_curve(
        {"nearest": KNeighborsClassifier(1)}, X, Y, sizes=(60,), test=0.5, progress=False
    )
    assert all(row.train_score == 1 for row in curve.rows)
    assert all(row.test_score < 0.7 for row in curve.rows)  # labels are random


def test_seeds_of_pipelines():
    options = {"sizes": [30], "seeds": 2, "progress": False}
    pipeline = make_pipeline(StandardScaler(), SGDClassifier(random_state=99))
    rows = learning_curve({"sgd": pipeline}, X, Y, **options).rows
    again = learning_curve({"sgd": pipeline}, X, Y, **options).rows
    assert [row[:5] for row in rows] == [row[:5] for row in again]
    assert pipeline[-1].random_state == 99


def test_parts_that_are_not_cloned_keep_their_seed():
    class Part(BaseEstimator):
        def __init__(self, random_state=3):
            self.random_state = random_state

        def fit(self, X, y=None):
            return self

        def __sklearn_clone__(self):
            return self

    class Whole(Recorder):
        def __init__(self, part=None, random_state=None):
            super().__init__(random_state=random_state)
            self.part = part

    part = Part()
    learning_curve({"whole": Whole(part)}, X, Y, sizes=[20], seeds=[8], progress=False)
    assert Recorder.calls[0][1] == 8
    assert part.random_state == 3


def test_validation_for_those_that_take_it():
    validation = X[:7], Y[:7]
    estimators = {"one": Recorder(), "two": RidgeClassifier()}
    learning_curve(
        estimators, X, Y, sizes=[20], seeds=1, validation=validation, progress=False
    )  # fmt: skip
    assert Recorder.calls[0][4][0] is validation[0]
    with pytest.raises(ValueError, match="no estimator has a parameter validation"):
        learning_curve({"a": Ridge()}, X, NUMBERS, sizes=[9], validation=(X[:3], NUMBERS[:3]))


def of_rows(*rows):
    return LearningCurve(
        tuple(CurveRow(*row, 0.0) for row in rows), "accuracy", True, ("none", "better")
    )


def test_summary_and_table():
    curve = of_rows(
        ("none", 10, 0, 0.9, 0.30), ("better", 10, 0, 0.8, 0.36),
        ("none", 10, 1, 0.9, 0.40), ("better", 10, 1, 0.8, 0.44),
        ("none", 100, 0, 0.9, 0.5),
    )  # fmt: skip
    none, full, better = curve.summary()
    assert (none.mean, none.n_seeds, none.train_mean) == pytest.approx((0.35, 2, 0.9))
    assert none.sd == pytest.approx(np.std([0.3, 0.4], ddof=1))
    assert full.size == 100
    assert better.difference == pytest.approx(0.05)
    assert better.difference_sd == pytest.approx(0.01 * math.sqrt(2))
    assert better.n_better == 2
    lines = str(curve).splitlines()
    assert lines[0] == (
        "accuracy on test data by number of training rows, mean ± standard deviation of 2 seeds"
    )
    assert lines[1:] == [
        "        10             100",
        "none    0.350 ± 0.071  0.500",
        "better  0.400 ± 0.057  -",
        "difference to 'none' on the same rows, higher is better",
        "        10              100",
        "better  +0.050 ± 0.014  -",
    ]
    assert curve.table(differences=False).splitlines() == lines[:4]
    assert str(of_rows()) == "no finished fits"


def test_frame(monkeypatch):
    pandas = pytest.importorskip("pandas")
    curve = of_rows(("none", 10, 0, 0.9, 0.3))
    frame = curve.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.iloc[0].to_dict() == curve.rows[0]._asdict()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_frame needs pandas: pip install pandas"):
        curve.to_frame()


def test_plot():
    pytest.importorskip("matplotlib")
    curve = of_rows(
        ("none", 10, 0, 0.9, 0.3), ("none", 100, 0, 0.9, 0.5), ("better", 10, 0, 0.8, 0.4)
    )
    axes = curve.plot(train=True)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["none", "better"]
    assert len(axes.lines) == 4
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.3, 0.5])
    assert curve.plot(axes) is axes


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, ValueError])
def test_finished_rows_survive(error, tmp_path):
    path = tmp_path / "curve.json"
    options = {"sizes": (10, 20, 30), "seeds": 2, "progress": False, "save": path}
    with pytest.raises(error) as caught:
        learning_curve({"fragile": Recorder(fails_at=20, error=error)}, X, Y, **options)
    (row,) = caught.value.curve.rows
    assert (row.size, row.seed) == (10, 0)
    if error is not KeyboardInterrupt:
        assert "'fragile' failed with 20 rows and seed 0: no" in str(caught.value)
    Recorder.calls = []
    curve = learning_curve({"fragile": Recorder()}, X, Y, **options)
    assert curve.rows[0] == row
    assert [len(call[3]) for call in Recorder.calls] == [20, 30, 10, 20, 30]
    learning_curve({"fragile": Recorder()}, X, Y, **options)
    assert len(Recorder.calls) == 5
    with pytest.raises(ValueError, match="holds a learning curve with another X and y and test"):
        learning_curve({"fragile": Recorder()}, X[1:], Y[1:], **{**options, "test": 0.3})
    with pytest.raises(ValueError, match="holds a learning curve with another X:"):
        learning_curve({"fragile": Recorder()}, 2 * X, Y, **options)
    saved = json.loads(path.read_text(encoding="utf-8"))
    del saved["X"]  # as in files of earlier versions
    path.write_text(json.dumps(saved), encoding="utf-8")
    learning_curve({"fragile": Recorder()}, X, Y, **options)
    assert len(Recorder.calls) == 5


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": [[1]]}', '{"rows": 3}'])
def test_damaged_file(content, tmp_path):
    path = tmp_path / "curve.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"curve\.json (is not a saved|holds a)"):
        learning_curve({"a": Recorder()}, X, Y, sizes=[10], save=path)
    assert path.read_text() == content


def test_file_is_plain_data(tmp_path):
    path = tmp_path / "curve.json"
    curve = learning_curve({"a": Recorder()}, X, Y, sizes=[10], save=path, progress=False)
    assert [CurveRow(*row) for row in json.loads(path.read_text())["rows"]] == list(curve.rows)


@pytest.mark.slow
def test_processes():
    options = {"sizes": (20, 40), "seeds": 2, "progress": False}
    estimators = {"most frequent": DummyClassifier(), "ridge": RidgeClassifier()}
    one = learning_curve(estimators, X, Y, **options)
    two = learning_curve(estimators, X, Y, n_jobs=2, **options)
    assert [row[:5] for row in one.rows] == [row[:5] for row in two.rows]


class Sliced(Dataset):
    """A data set whose parts are data sets, as molecules are."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        return Sliced(self.x[rows]) if isinstance(rows, np.ndarray) else self.x[rows]


class Items(Dataset):
    """A data set of items by number alone."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return {"x": self.x[row]}

    def collate_fn(self, items):
        return len(items)


def test_rows_of_all_kinds():
    pandas = pytest.importorskip("pandas")
    rows = np.array([5, 0, 3])
    np.testing.assert_array_equal(select(X, rows), X[rows])
    np.testing.assert_array_equal(select(sparse.csr_matrix(X), rows).toarray(), X[rows])
    np.testing.assert_array_equal(select(torch.from_numpy(X), rows).numpy(), X[rows])
    np.testing.assert_array_equal(select(pandas.DataFrame(X), rows).to_numpy(), X[rows])
    assert select(list("abcdef"), rows) == ["f", "a", "d"]
    part = select(Sliced(X), rows)
    assert isinstance(part, Sliced)
    np.testing.assert_array_equal(part.x, X[rows])
    part = select(Items(X), rows)
    assert isinstance(part, Dataset)
    assert len(part) == 3
    np.testing.assert_array_equal(part[1]["x"], X[0])
    np.testing.assert_array_equal(part.__getitems__([2, 0])[1]["x"], X[5])
    assert collating(part)([1, 2]) == 2
    part = select(TensorDataset(torch.from_numpy(X)), rows)
    assert len(part) == 3
    np.testing.assert_array_equal(part[0][0], X[5])
    assert len(collating(part)([part[0], part[1]])[0]) == 2


class ByLength(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        assert isinstance(X, Sliced)
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_data_sets():
    curve = learning_curve({"mean": ByLength()}, Sliced(X), NUMBERS, sizes=[50], progress=False)
    assert curve.metric == "R²"
    assert len(curve.rows) == 3


def test_molecules():
    molecules = pytest.importorskip("simec.molecules").Molecules
    many = molecules([1] * 60, RNG.standard_normal((60, 3)), range(61))
    part = select(many, np.array([5, 0]))
    assert isinstance(part, molecules)
    np.testing.assert_array_equal(part.positions, many.positions[[5, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimators": {}}, "estimators must be a dict of names and estimators"),
        ({"estimators": [Recorder()]}, "estimators must be a dict"),
        ({"estimators": {"a": Recorder}}, r"estimators\['a'\] must be a scikit-learn estimator"),
        ({"estimators": {"a": Recorder(), "b": Ridge()}}, "but only 'a' classify"),
        ({"X": X[:5]}, "same number of rows, got 5 and 120"),
        ({"X": 3}, "X must have rows"),
        ({"y": np.where(np.arange(120) == 7, np.nan, 1.0)}, r"y\[7\] is missing"),
        ({"y": [None] * 120}, r"y\[0\] is missing"),
        ({"y": np.zeros((2, 2, 2))}, r"shape \(m,\) or \(m, k\), got \(2, 2, 2\)"),
        ({"sizes": []}, "at least one size"),
        ({"sizes": 3}, "sizes must be a sequence of integers"),
        ({"sizes": [0]}, "each size in sizes must be an integer >= 1, got 0"),
        ({"sizes": [2.5]}, "each size in sizes must be an integer >= 1, got 2.5"),
        ({"sizes": [97]}, "at most 96, got 97: X has 120 rows, of which 24 are held out"),
        ({"sizes": [121], "test": (X, Y)}, "at most 120, got 121: X has 120 rows$"),
        ({"seeds": 0}, "seeds must be an integer >= 1, got 0"),
        ({"seeds": [1, 1]}, "seeds must be different integers"),
        ({"seeds": [-1]}, "each seed in seeds must be an integer from 0"),
        ({"n_jobs": 0}, "n_jobs must be an integer >= 1, got 0"),
        ({"test": 0}, "test must be a finite number > 0"),
        ({"test": [X, Y]}, "test must be a number"),
        ({"test": (X,)}, r"test must be a pair \(X, y\)"),
        ({"test": (X, Y[:3])}, "test: X and y must have the same number of rows, got 120 and 3"),
        ({"validation": (X[:0], Y[:0])}, r"validation: y must have shape"),
        ({"scoring": "acuracy"}, "of scikit-learn, such as 'accuracy'"),
        ({"scoring": "speed"}, "scoring must be the name of a score"),
    ],
)
def test_bad_input(change, message):
    options = {"estimators": {"a": Recorder()}, "X": X, "y": Y, "sizes": [10], "progress": False}
    with pytest.raises(ValueError, match=message):
        learning_curve(**{**options, **change})
    assert not Recorder.calls
