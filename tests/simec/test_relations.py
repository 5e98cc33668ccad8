"""Targets computed from labels and cut from square matrices, in pipelines and cross-validation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from simec import PairwiseSimilarities, SimilarityEncoder
from simec.similarities import class_labels
from tests.simec.encoder_data import fitted, make


def of_values(y, columns):
    return -np.abs(np.subtract.outer(y, columns))


def labelled(m=60, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, m)
    X = (np.eye(3)[y] * 3 + rng.standard_normal((m, 3))).astype(np.float32)
    return X, np.array(["ape", "bee", "cat"])[y]


@pytest.mark.parametrize("n_targets", [None, 7])
@pytest.mark.parametrize("as_given", [np.asarray, list, pd.Series])
def test_labels_are_the_same_as_their_similarities(n_targets, as_given):
    X, y = labelled()
    S = class_labels(y, y[:n_targets])
    plain = fitted(X, S, symmetric=1.0, max_iter=5)
    encoder = fitted(
        X, as_given(y), symmetric=1.0, max_iter=5, similarity="class_labels", n_targets=n_targets
    )
    np.testing.assert_array_equal(encoder.transform(X), plain.transform(X))
    assert encoder.columns_.tolist() == y[:n_targets].tolist()
    assert encoder.score(X[:9], as_given(y)[:9]) == plain.score(X[:9], S[:9])


def test_a_function_of_labels():
    X, S = make()
    y = S[:, 0].astype(np.float64)
    encoder = fitted(X, y, similarity=of_values, solver="exact", symmetric=0.5)
    plain = fitted(X, of_values(y, y), solver="exact", symmetric=0.5)
    np.testing.assert_array_equal(encoder.predict(X), plain.predict(X))
    assert encoder.predict(X).shape == (50, 50)
    # labels with several numbers
    points = fitted(X, S[:, :2], similarity=lambda a, b: a @ b.T, solver="exact")
    assert points.columns_.shape == (50, 2)


@pytest.mark.parametrize("symmetric", [0.0, 1.0])
def test_pipelines_and_searches_with_labels(symmetric):
    X, y = labelled()
    encoder = SimilarityEncoder(
        2, similarity="class_labels", symmetric=symmetric, solver="exact", random_state=0
    )
    pipeline = make_pipeline(encoder, LogisticRegression())
    assert pipeline.fit(X, y).score(X, y) > 0.8
    assert cross_val_score(pipeline, X, y, cv=3).min() > 0.7
    assert cross_val_score(encoder, X, y, cv=3).min() > 0.3
    search = GridSearchCV(pipeline, {"similarityencoder__n_components": [1, 2]}, cv=3).fit(X, y)
    assert search.best_params_ == {"similarityencoder__n_components": 2}


@pytest.mark.parametrize("as_given", [np.asarray, sparse.csr_matrix, torch.from_numpy])
def test_square_matrices_are_cut_in_rows_and_columns(as_given):
    X, S = make(m=60, noise=0.0)
    similarities = PairwiseSimilarities(as_given(S))
    rows = np.random.default_rng(1).permutation(60)[:40]
    others = np.setdiff1d(np.arange(60), rows)
    encoder = fitted(X[rows], similarities[rows], symmetric=1.0, solver="exact")
    plain = fitted(X[rows], S[np.ix_(rows, rows)], symmetric=1.0, solver="exact")
    np.testing.assert_array_equal(encoder.transform(X), plain.transform(X))
    assert encoder.columns_.tolist() == rows.tolist()
    expected = plain.score(X[others], S[np.ix_(others, rows)])
    assert encoder.score(X[others], similarities[others]) == expected
    # a mask and a slice
    assert similarities[np.arange(60) < 5][1:].points.tolist() == [1, 2, 3, 4]


def test_cross_validation_with_square_matrices():
    X, S = make(m=60, noise=0.0)
    similarities = PairwiseSimilarities(S)
    encoder = SimilarityEncoder(3, symmetric=1.0, solver="exact")
    assert cross_val_score(encoder, X, similarities, cv=3).min() > 0.95
    search = GridSearchCV(encoder, {"n_components": [1, 2, 3]}, cv=3, n_jobs=1)
    assert search.fit(X, similarities).best_params_ == {"n_components": 3}
    X1, X2, S1, S2 = train_test_split(X, similarities, random_state=0)
    assert encoder.fit(X1, S1).score(X2, S2) > 0.95
    # with rows cut alone, the error says what helps
    with pytest.raises(ValueError, match="PairwiseSimilarities"):
        encoder.fit(X[:40], S[:40])


def test_partial_fit_and_validation_use_the_columns_of_training():
    X, y = labelled()
    encoder = SimilarityEncoder(2, similarity="class_labels", random_state=0)
    encoder.partial_fit(X[:40], y[:40]).partial_fit(X[40:], y[40:])
    assert encoder.predict(X).shape == (60, 40)
    held_out = SimilarityEncoder(
        2, similarity="class_labels", early_stopping=True, random_state=0
    ).fit(X[:40], y[:40], validation=(X[40:], y[40:]))
    assert held_out.columns_.tolist() == y[:40].tolist()


@pytest.mark.parametrize(
    "y",
    [
        np.array(["a", "b"] * 10), np.arange(20) % 3, np.arange(20) % 2 == 0,
        np.array([0.5, np.nan, 2.0, 0.5] * 5), np.array(["a", None, "b", "a"] * 5, object),
    ],
    ids=["strings", "integers", "bools", "floats", "objects"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:5 of 20 rows")
def test_columns_are_saved(tmp_path, y):
    X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    similarity = partial(class_labels, missing=True)
    encoder = fitted(X, y, n_components=2, similarity=similarity, max_iter=2)
    encoder.save(tmp_path / "encoder")
    with pytest.raises(ValueError, match="custom similarity: pass similarity="):
        SimilarityEncoder.load(tmp_path / "encoder")
    loaded = SimilarityEncoder.load(tmp_path / "encoder", similarity=similarity)
    np.testing.assert_array_equal(loaded.columns_, encoder.columns_)
    assert loaded.columns_.dtype == encoder.columns_.dtype
    assert loaded.score(X, y) == encoder.score(X, y)


def test_names_of_similarities_and_row_numbers_are_saved(tmp_path):
    X, y = labelled(20)
    fitted(X, y, similarity="class_labels", max_iter=2).save(tmp_path / "labels")
    loaded = SimilarityEncoder.load(tmp_path / "labels")
    assert loaded.similarity == "class_labels"
    assert loaded.columns_.tolist() == y.tolist()
    similarities = PairwiseSimilarities(class_labels(y))
    fitted(X, similarities, max_iter=2).save(tmp_path / "square")
    loaded = SimilarityEncoder.load(tmp_path / "square")
    assert np.isfinite(loaded.score(X, similarities))


def test_an_interrupted_run_is_continued(tmp_path):
    X = labelled()[0]
    parameters = {"similarity": of_values, "hidden_layers": (4,), "max_iter": 6}
    numbers = np.arange(60.0) / 60

    def stop(encoder):
        if encoder.n_iter_ == 3:
            raise KeyboardInterrupt

    full = fitted(X, numbers, **parameters)
    stopped = SimilarityEncoder(3, random_state=0, **parameters)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, numbers, callbacks=stop, checkpoint=tmp_path / "run")
    resumed = SimilarityEncoder(3, **parameters)
    resumed.fit(X, numbers, resume_from=tmp_path / "run")
    np.testing.assert_array_equal(resumed.transform(X), full.transform(X))


@pytest.mark.parametrize(
    ("parameters", "targets", "message"),
    [
        ({"similarity": "classes"}, None, "similarity must be 'class_labels', a callable"),
        ({"similarity": "class_labels"}, "square", "needs labels as targets"),
        ({"similarity": "class_labels"}, None, "the target y is None"),
        ({"similarity": "class_labels"}, sparse.eye(4).tocsr(), "an array of labels, got csr"),
        ({"similarity": "class_labels"}, np.zeros((4, 2, 2)), r"shape \(m,\) or \(m, k\)"),
        ({"similarity": lambda a, b: a}, [1, 2, 3, 4], r"shape \(4, 4\) .* got shape \(4,\)"),
        ({"similarity": "class_labels"}, [1.0, np.nan, 2, 3], "y\\[1\\] is nan"),
    ],
)
def test_errors(parameters, targets, message):
    X, S = make(m=4)
    if isinstance(targets, str):
        targets = PairwiseSimilarities(S)
    with pytest.raises((ValueError, TypeError), match=message):
        SimilarityEncoder(2, **parameters).fit(X, targets)
    with pytest.raises(ValueError, match="square matrix"):
        PairwiseSimilarities(S[:2])
    with pytest.raises(ValueError, match="not fitted on PairwiseSimilarities"):
        fitted(X, S).score(X, PairwiseSimilarities(S))
    encoder = fitted(X, PairwiseSimilarities(S), max_iter=1)
    with pytest.raises(ValueError, match="rows of S must have shape"):
        encoder.score(X, S[:, :2])
