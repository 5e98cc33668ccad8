"""Similarities of features taken apart: sums are exact, and each feature has its share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from simec import similarities
from simec.explain import decompose
from simec.explain.decomposition import KINDS
from tests.simec import coefficient_oracle

BINARY = [kind for kind in KINDS if kind not in ("linear", "cosine")]
rows = st.integers(1, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.booleans(), min_size=n, max_size=n)] * 2)
)


@pytest.mark.parametrize("kind", BINARY)
@given(pair=rows)
@settings(max_examples=60)
@pytest.mark.slow
def test_coefficients_sum_exactly(kind, pair):
    x, y = (np.array(row, float) for row in pair)
    found = decompose(x, y, kind)
    oracle = getattr(coefficient_oracle, "tanimoto" if kind == "jaccard" else kind)
    assert found.value == pytest.approx(oracle(*coefficient_oracle.counts(x, y)), abs=1e-12)
    assert found.relevances.sum() + found.bias == pytest.approx(found.value, abs=1e-12)
    # only conventions for vectors without any attribute, or with all, belong to no feature
    if x.any() and y.any() and not (x.all() and y.all()):
        assert found.bias == pytest.approx(0, abs=1e-12)
    if kind != "mcconnaughey":
        assert (found.relevances >= 0).all()
    if kind != "rogot_goldberg":
        assert not found.relevances[(x == 0) & (y == 0)].any()
        sparse_rows = sparse.csr_matrix(x[None]), sparse.csr_matrix(y[None])
        thin = decompose(*sparse_rows, kind)
        assert sparse.issparse(thin.relevances)
        assert thin.relevances.toarray()[0] == pytest.approx(found.relevances, abs=1e-12)
        assert thin.bias == pytest.approx(found.bias, abs=1e-12)


@pytest.mark.parametrize("kind", BINARY)
def test_features_alike_have_the_same_share(kind):
    x, y = np.array([1, 1, 1, 1, 0, 0, 0.0]), np.array([1, 1, 0, 0, 1, 0, 0.0])
    shared, _, only_x, _, only_y, lacking, _ = decompose(x, y, kind).relevances
    assert decompose(x, y, kind).relevances == pytest.approx(
        [shared, shared, only_x, only_x, only_y, lacking, lacking]
    )
    assert shared > 0
    assert (only_x < 0) == (only_y < 0) == (kind == "mcconnaughey")
    assert (lacking > 0) == (kind == "rogot_goldberg")


@pytest.mark.parametrize("kind", ["linear", "cosine"])
@given(seed=st.integers(0, 10**6), n=st.integers(1, 8))
@settings(max_examples=25)
@pytest.mark.slow
def test_products_of_features(kind, seed, n):
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    found = decompose(x, y, kind)
    size = np.linalg.norm(x) * np.linalg.norm(y) if kind == "cosine" else 1
    assert found.relevances == pytest.approx(x * y / size)
    assert found.relevances.sum() == pytest.approx(found.value)
    assert found.value == pytest.approx(getattr(similarities, kind)(x[None], y[None])[0, 0])
    thin = decompose(sparse.csr_matrix(x[None]), sparse.csr_matrix(y[None]), kind)
    assert thin.relevances.toarray()[0] == pytest.approx(found.relevances)


def test_names_and_order():
    found = decompose([1, 0, 2], [3, 1, -1], "linear", names=["a", "b", "c"])
    assert found.top() == [("a", 3.0), ("c", -2.0)]
    assert found.top(1) == [("a", 3.0)]
    assert decompose([1, 0, 2], [3, 1, -1], "linear").top(1) == [("feature 0", 3.0)]


def test_one_sparse_and_one_dense():
    found = decompose(sparse.csr_matrix([[1, 0, 2]]), np.array([[3, 1, -1]]), "linear")
    assert found.relevances.tolist() == [3, 0, -2]


@pytest.mark.parametrize(
    ("x", "y", "kind", "message"),
    [
        ([1, 0], [0, 1], "rbf", "kind must be one of 'linear', 'cosine', .* got 'rbf'"),
        ([1, 0], [0, 1, 1], "linear", "x1 has 2 features, but x2 has 3"),
        ([[1, 0], [1, 1]], [0, 1], "linear", "x1 must be a single feature vector"),
        ([1, 2], [0, 1], "tanimoto", "must be 0 or 1"),
        ([1, np.nan], [0, 1], "linear", "NaN"),
    ],
)
def test_bad_input(x, y, kind, message):
    with pytest.raises(ValueError, match=message):
        decompose(x, y, kind)
