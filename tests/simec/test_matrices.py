"""Similarity matrices: centred, scaled, combined; their eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.preprocessing import KernelCenterer

from simec.linalg import eigen
from simec.similarities import (
    Centerer,
    center,
    class_labels,
    combine,
    fill_mean,
    from_dissimilarities,
    linear,
    min_max,
    non_metricity,
    scale,
    spectrum,
    standardize,
)


def symmetric(seed, m):
    S = np.random.default_rng(seed).normal(size=(m, m))
    return S + S.T


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 12), st.sampled_from([np.float32, np.float64]))
def test_centring_is_as_kernel_pca_does_it(seed, m, dtype):
    S = symmetric(seed, m).astype(dtype)
    S_new = np.random.default_rng(seed).random((3, m)).astype(dtype)
    reference = KernelCenterer().fit(S)
    centerer = Centerer().fit(S)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    before = S.copy()
    for given_matrix in (S, S_new):
        found = centerer.transform(given_matrix)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, reference.transform(given_matrix), atol=tolerance)
    np.testing.assert_array_equal(center(S), centerer.transform(S))
    np.testing.assert_array_equal(S, before)
    np.testing.assert_allclose(center(S).sum(axis=0), 0, atol=100 * tolerance)


def test_features_are_centred():
    rng = np.random.default_rng(0)
    X, X_new = rng.random((20, 4)), rng.random((5, 4))
    centerer = clone(Centerer()).fit(linear(X))
    mean = X.mean(axis=0)
    expected = linear(X_new - mean, X - mean)
    np.testing.assert_allclose(centerer.transform(linear(X_new, X)), expected, atol=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_unknown_entries_are_passed_over(seed):
    rng = np.random.default_rng(seed)
    S = symmetric(seed, 8)
    S[rng.random(S.shape) < 0.4] = np.nan
    S[np.arange(8), np.arange(8)] = 1
    centred = center(S)
    total = sum(x for x in S.ravel() if x == x) / sum(x == x for x in S.ravel())
    for i in range(8):
        for j in range(8):
            if np.isnan(S[i, j]):
                assert np.isnan(centred[i, j])
                continue
            row = [x for x in S[i] if x == x]
            column = [x for x in S[:, j] if x == x]
            by_hand = S[i, j] - sum(row) / len(row) - sum(column) / len(column) + total
            assert centred[i, j] == pytest.approx(by_hand)
    scaled, factor = scale(S)
    assert factor == max(abs(x) for x in S.ravel() if x == x)
    np.testing.assert_allclose(scaled * factor, S)


def test_a_new_point_of_which_nothing_is_known():
    centerer = Centerer().fit([[1, 0], [0, 1]])
    S_new = np.array([[np.nan, np.nan], [1, 0.5]])
    assert np.isnan(centerer.transform(S_new)[0]).all()
    np.testing.assert_allclose(centerer.transform(S_new)[1], [0.25, -0.25])


def test_what_cannot_be_centred():
    with pytest.raises(ValueError, match="S is constant: all entries are 1.0"):
        center(class_labels([3, 3, 3]))
    with pytest.raises(ValueError, match="must be square, got shape"):
        center(np.eye(3)[:2])
    with pytest.raises(ValueError, match="column 1 of S has no observed entry"):
        center([[1, np.nan], [0, np.nan]])
    with pytest.raises(ValueError, match="no observed entry"):
        center(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match=r"S\[0, 1\] is inf"):
        center([[1, np.inf], [0, 1]])
    with pytest.raises(ValueError, match="3 features, but Centerer is expecting 2"):
        Centerer().fit(np.eye(2)).transform(np.eye(3))


def test_new_points_are_scaled_alike():
    scaled, factor = scale([[2, -4], [-4, 1]])
    np.testing.assert_allclose(scaled, [[0.5, -1], [-1, 0.25]])
    np.testing.assert_allclose(scale([[8, 4]], factor)[0], [[2, 1]])
    assert scale(np.eye(2, dtype=np.float32))[0].dtype == np.float32
    for bad in (0, -1, np.nan):
        with pytest.raises(ValueError, match="factor must be > 0"):
            scale(np.eye(2), bad)
    with pytest.raises(ValueError, match="all entries are 0"):
        scale(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="no observed entry"):
        scale([[np.nan]])


def test_dissimilarities():
    D = np.array([[0, 5], [5, 0.0]])
    np.testing.assert_allclose(from_dissimilarities(D), np.eye(2))
    np.testing.assert_allclose(from_dissimilarities(D, 20), [[1, 0.75], [0.75, 1]])
    np.testing.assert_array_equal(np.isnan(from_dissimilarities([[0, np.nan, 1]])), [[0, 1, 0]])
    with pytest.raises(ValueError, match=r"D\[1, 0\] is -1"):
        from_dissimilarities([[0, 1], [-1, 0]])
    with pytest.raises(ValueError, match="scale must be > 0, got 0"):
        from_dissimilarities(D, 0)
    with pytest.raises(ValueError, match="D is constant"):
        from_dissimilarities(np.zeros((2, 2)))


def test_unknown_entries_are_filled():
    S = np.array([[1, np.nan], [2, 6]])
    np.testing.assert_array_equal(fill_mean(S), [[1, 3], [2, 6]])
    assert np.isnan(S[0, 1])
    with pytest.raises(ValueError, match="no observed entry"):
        fill_mean([[np.nan]])


@pytest.mark.parametrize("m", [6, 600])
def test_each_counts_the_same_in_an_average(m):
    rng = np.random.default_rng(0)
    one, other = (S @ S.T / m for S in (rng.normal(size=(m, m)) for _ in range(2)))
    expected = (one / np.linalg.norm(one, 2) + other / np.linalg.norm(other, 2)) / 2
    np.testing.assert_allclose(combine(one, 1000 * other), expected, atol=1e-10)
    np.testing.assert_allclose(spectrum(combine(one), 1), [1])


def test_what_cannot_be_combined():
    with pytest.raises(ValueError, match="at least one similarity matrix"):
        combine()
    with pytest.raises(ValueError, match=r"got \(3, 3\) for S\[1\] and \(2, 2\) for S\[0\]"):
        combine(np.eye(2), np.eye(3))
    with pytest.raises(ValueError, match=r"largest eigenvalue of S\[0\] must be > 0, got -1.0"):
        combine(-np.eye(2))
    with pytest.raises(ValueError, match=r"S\[0\] is not symmetric: S\[0\]\[0, 1\] is 2"):
        combine([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"S\[0, 0\] is nan; fill missing entries"):
        spectrum([[np.nan]])


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 12))
def test_spectrum(seed, m, k):
    S = symmetric(seed, m)
    values = np.linalg.eigvalsh(S)[::-1]
    np.testing.assert_allclose(spectrum(S), values)
    if k > m:
        with pytest.raises(ValueError, match=f"from 1 to {m}"):
            spectrum(S, k)
        return
    chosen = sorted(values, key=abs)[m - k :]
    np.testing.assert_allclose(spectrum(S, k), sorted(chosen, reverse=True), atol=1e-12)
    share = -values[values < 0].sum() / np.abs(values).sum()
    assert non_metricity(S) == pytest.approx(share)
    assert 0 <= non_metricity(S) <= 1


def test_what_scalar_products_give_is_metric():
    X = np.random.default_rng(0).normal(size=(30, 3))
    assert non_metricity(linear(X)) == 0
    assert non_metricity(linear(X.astype(np.float32))) == 0
    assert non_metricity(-linear(X)) == 1
    assert non_metricity([[0, 1], [1, 0]]) == pytest.approx(0.5)
    assert non_metricity(np.zeros((2, 2))) == 0


@pytest.mark.parametrize("part", eigen.PARTS)
@pytest.mark.parametrize("kind", ["noise", "classes", "centred classes"])
def test_few_eigenvalues_of_many_points_are_those_of_lapack(part, kind, monkeypatch):
    # classes of the same size: each eigenvalue comes ten times, the others are 0
    labels = class_labels(np.arange(600) % 10).astype(float)
    S = {"noise": symmetric(0, 600), "classes": labels, "centred classes": center(labels)}[kind]
    values, vectors = eigen.eigenpairs(S, 12, part)
    monkeypatch.setattr(eigen, "_SMALL", 1000)
    expected, _ = eigen.eigenpairs(S, 12, part)
    np.testing.assert_allclose(values, expected, atol=1e-9)
    np.testing.assert_allclose(S @ vectors, vectors * values, atol=1e-9)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(12), atol=1e-9)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(12)] > 0).all()


def test_eigenvalues_that_were_missed_are_found(monkeypatch):
    S = np.diag(np.r_[5.0, 5.0, 5.0, np.linspace(0, 1, 597)])
    search = eigen.eigsh

    def careless(A, k, **options):
        if A is S:  # finds one copy of 5 and passes over the others
            values, vectors = search(A, k + 2, **options)
            keep = [*np.argsort(values)[: k - 1], k + 1]
            return values[keep], vectors[:, keep]
        return search(A, k, **options)

    monkeypatch.setattr(eigen, "eigsh", careless)
    np.testing.assert_allclose(eigen.eigenpairs(S, 3, "positive")[0], 5)


def test_judgements_of_flowerpots_are_not_metric(shared_data):
    path = shared_data / "simec" / "nonmetric" / "flowerpots_elongation_size.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    S = from_dissimilarities(np.loadtxt(path, delimiter=","), 20)
    assert S.shape == (16, 16)
    assert 0.01 < non_metricity(center(S)) < 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalizations_of_all_entries(dtype):
    S = np.random.default_rng(0).normal(5, 3, (7, 4)).astype(dtype)
    S[2, 1] = np.nan
    standard, unit = standardize(S), min_max(S)
    assert standard.dtype == unit.dtype == dtype
    np.testing.assert_allclose([np.nanmean(standard), np.nanstd(standard)], [0, 1], atol=1e-5)
    np.testing.assert_allclose([np.nanmin(unit), np.nanmax(unit)], [0, 1], atol=1e-6)
    for result in (standard, unit):  # affine in S, and missing entries stay missing
        slope = (result[0, 0] - result[1, 1]) / (S[0, 0] - S[1, 1])
        np.testing.assert_allclose(result - result[0, 0], (S - S[0, 0]) * slope, atol=1e-5)
        with pytest.raises(ValueError, match="S is constant"):
            (standardize if result is standard else min_max)(np.ones((2, 3)))
