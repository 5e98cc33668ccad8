"""scikit-learn's checks of all estimators but `SimilarityEncoder`, which has tests of its own."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import SkipTestWarning
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

pytest.importorskip("torch")

import conec.ner
from simec import links, pretraining, recommender, similarities, spectral
from simec.recommender.content_embedding import ContentEmbedding
from simec.similarities import Centerer, Geodesic, Patches, rbf
from simec.spectral import SpectralRegression


def kernel(A, B):
    return rbf(A, B, gamma=0.1)


OF_SPECTRAL_REGRESSION = {
    "check_fit_score_takes_y": "the second argument is called S, as in the literature",
    "check_estimator_sparse_array": "predictions are similarities to all training points",
    "check_estimator_sparse_matrix": "predictions are similarities to all training points",
}
OF_SIMILARITY_REGRESSOR = {
    "check_n_features_in": "points need not have features",
    "check_n_features_in_after_fitting": "points need not have features",
    "check_supervised_y_2d": "a column of y is one of k targets",
}
CHECKED = {
    "Centerer": (Centerer(), {}),
    "Geodesic": (Geodesic(3), {}),
    "SpectralRegression": (
        SpectralRegression(1, similarity="class_labels"),
        OF_SPECTRAL_REGRESSION,
    ),
    "SimilarityRegressor": (pretraining.SimilarityRegressor(kernel), OF_SIMILARITY_REGRESSOR),
}
# checked in tests/simec/pretraining/test_finetuning_saving.py
CHECKED_ELSEWHERE = {"PretrainedClassifier", "PretrainedRegressor"}
# their data are not features of points: scikit-learn has no checks for them
OTHER_DATA = {
    "ContentEmbedding": ContentEmbedding,
    "ContextFeatures": lambda: conec.ner.ContextFeatures(None),
    "LinkPredictor": links.LinkPredictor,
    "Patches": Patches,
    "Tagger": conec.ner.Tagger,
    **{name: getattr(recommender, name) for name in recommender.__all__
       if inspect.isclass(getattr(recommender, name))
       and issubclass(getattr(recommender, name), recommender.BaseRecommender)},
}  # fmt: skip


def test_all_public_estimators_are_covered():
    found = set()
    for package in (similarities, spectral, recommender, links, pretraining, conec.ner):
        for name in package.__all__:
            value = getattr(package, name)
            is_estimator = inspect.isclass(value) and issubclass(value, BaseEstimator)
            if is_estimator and not value.__module__.startswith("sklearn"):
                found.add(name)
    assert found == {*CHECKED, *CHECKED_ELSEWHERE, *OTHER_DATA}


@pytest.mark.parametrize("name", CHECKED)
def test_check_estimator(name):
    estimator, expected = CHECKED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            estimator, on_skip=None, on_fail=None, expected_failed_checks=expected
        )
    assert not [r for r in results if r["status"] == "failed"]
    failed = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert failed == set(expected)
    assert len([r for r in results if r["status"] == "passed"]) > 35


@pytest.mark.parametrize("name", OTHER_DATA)
def test_other_data(name):
    with pytest.warns(SkipTestWarning):
        results = check_estimator(OTHER_DATA[name]())
    assert [result["status"] for result in results] == ["passed"]  # can be cloned


def test_spectral_regression_of_labels_in_a_pipeline():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = np.eye(3)[y] * 3 + rng.standard_normal((60, 3))
    pipeline = make_pipeline(
        SpectralRegression(2, similarity="class_labels"), KNeighborsClassifier(3)
    )
    assert cross_val_score(pipeline, X, y, cv=3).min() > 0.7
