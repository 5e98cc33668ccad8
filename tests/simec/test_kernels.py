"""Kernels, classes and geodesic similarities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import make_s_curve
from sklearn.manifold import Isomap

from simec import similarities
from simec.explain import decompose
from simec.similarities import Geodesic, class_labels, geodesic
from simec.spectral import eigen_embedding

KERNELS = {
    "linear": lambda x, y: x @ y,
    "cosine": lambda x, y: x @ y / (np.linalg.norm(x) * np.linalg.norm(y)),
    "rbf": lambda x, y: np.exp(-((x - y) ** 2).sum() / len(x)),
    "polynomial": lambda x, y: (x @ y / len(x) + 1) ** 3,
}


@pytest.mark.parametrize("name", KERNELS)
def test_each_pair_is_as_by_hand(name):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(6, 4)), rng.normal(size=(3, 4))
    kernel = getattr(similarities, name)
    expected = [[KERNELS[name](x, y) for y in Y] for x in X]
    np.testing.assert_allclose(kernel(X, Y), expected)
    for result in (
        kernel(sparse.csr_array(X), sparse.csr_array(Y)),
        kernel(sparse.csr_array(X), Y),
    ):
        assert isinstance(result, np.ndarray)
        np.testing.assert_allclose(result, expected)
    np.testing.assert_allclose(kernel(X), [[KERNELS[name](x, y) for y in X] for x in X])
    assert kernel(X.astype(np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="NaN"):
        kernel([[np.nan, 1]])


def test_their_parameters():
    X = np.array([[0.0, 0.0], [1.0, 2.0]])
    np.testing.assert_allclose(similarities.rbf(X, gamma=0.1)[0, 1], np.exp(-0.5))
    np.testing.assert_allclose(similarities.polynomial(X, None, 2, 3, 4)[1, 1], (3 * 5 + 4) ** 2)
    with pytest.raises(ValueError, match="gamma must be a finite number > 0, got -1"):
        similarities.rbf(X, gamma=-1)


@given(st.lists(st.integers(0, 3), min_size=1), st.lists(st.integers(0, 3), min_size=1))
def test_classes(y, y2):
    expected = [[float(one == other) for other in y2] for one in y]
    np.testing.assert_array_equal(class_labels(y, y2), expected)
    words = [np.array(list("abcd"))[np.array(labels)] for labels in (y, y2)]
    np.testing.assert_array_equal(class_labels(*words), expected)
    own = class_labels(y)
    assert own.dtype == np.float32
    np.testing.assert_array_equal(own, class_labels(y, y))


def test_classes_that_are_unknown():
    with pytest.raises(ValueError, match=r"y\[1\] is nan.*or use missing=True"):
        class_labels([1, np.nan])
    with pytest.raises(ValueError, match=r"y2\[0\] is None"):
        class_labels(["a"], [None, "a"])
    with pytest.raises(ValueError, match="list of labels"):
        class_labels([[1, 2]])


@pytest.mark.parametrize(
    ("y", "y2"),
    [
        (["a", None, "b"], ["b", "a"]),
        (["a", np.nan, "b"], ["b", "a"]),
        (np.array(["a", None, "b"], object), np.array(["b", "a"])),
        ([1.0, np.nan, 2.0], [2, 1]),
        (np.array([1, None, 2], object), [2.0, 1.0]),
    ],
)
def test_missing_classes(y, y2):
    nan = np.nan
    S = class_labels(y, y2, missing=True)
    assert S.dtype == np.float32
    np.testing.assert_array_equal(S, [[0, 1], [nan, nan], [1, 0]])
    own = class_labels(y, missing=True)
    np.testing.assert_array_equal(own, [[1, nan, 0], [nan] * 3, [0, nan, 1]])
    with pytest.raises(ValueError, match=r"y\[1\] is (nan|None)"):
        class_labels(y, y2)


def test_missing_classes_of_pandas():
    pandas = pytest.importorskip("pandas")
    nan = np.nan
    for y in (pandas.Series([3, pandas.NA, 3], dtype="Int64"), pandas.Series(["a", None, "a"])):
        S = class_labels(y, missing=True)
        np.testing.assert_array_equal(S, [[1, nan, 1], [nan] * 3, [1, nan, 1]])


def test_minus_one_is_a_class():
    np.testing.assert_array_equal(class_labels([-1, 1, -1], [-1], missing=True).ravel(), [1, 0, 1])


def floyd_warshall(X, n_neighbors):
    """Shortest paths by the plain algorithm."""
    gaps = np.linalg.norm(X[:, None] - X, axis=2)
    paths = np.full(gaps.shape, np.inf)
    for i, row in enumerate(gaps):
        for j in np.argsort(row, kind="stable")[: n_neighbors + 1]:
            paths[i, j] = paths[j, i] = row[j]
    for k in range(len(X)):
        paths = np.minimum(paths, paths[:, k, None] + paths[k])
    return paths


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_geodesics_are_shortest_paths(seed):
    X = np.random.default_rng(seed).normal(size=(25, 2))
    paths = floyd_warshall(X, 8)
    if np.isfinite(paths).all():
        np.testing.assert_allclose(geodesic(X, n_neighbors=8), -0.5 * paths**2, atol=1e-12)


def test_they_are_what_isomap_embeds():
    X, _ = make_s_curve(300, random_state=0)
    train, new = X[:250], X[250:]
    isomap = Isomap(n_neighbors=10).fit(train)
    measure = Geodesic(10)
    S = measure.fit_transform(train)
    np.testing.assert_allclose(measure.distances_, isomap.dist_matrix_)
    np.testing.assert_allclose(S, -0.5 * isomap.dist_matrix_**2)
    centerer = similarities.Centerer().fit(S)
    S_new = centerer.transform(measure.transform(new))
    np.testing.assert_allclose(S_new, centerer.transform(geodesic(new, train)))
    embedding = isomap.kernel_pca_
    projected = S_new @ (embedding.eigenvectors_ / np.sqrt(embedding.eigenvalues_))
    np.testing.assert_allclose(projected, isomap.transform(new), atol=1e-8)


def test_sparse_points():
    X = sparse.random_array((40, 6), density=0.6, random_state=0).toarray()
    # sparse points are searched by brute force, whose distances are a little off
    np.testing.assert_allclose(geodesic(sparse.csr_array(X)), geodesic(X), rtol=1e-6, atol=1e-6)


def test_parts_are_linked_as_isomap_links_them():
    rng = np.random.default_rng(1)
    centres = np.array([[0, 0], [30, 0], [0, 40]])
    X = np.vstack([rng.normal(size=(15, 2)) + centre for centre in centres])
    with pytest.warns(UserWarning, match="3 connected components"):
        S = geodesic(X, n_neighbors=4)
    with pytest.warns(UserWarning, match="connected components"):
        isomap = Isomap(n_neighbors=4).fit(X)
    np.testing.assert_allclose(S, -0.5 * isomap.dist_matrix_**2)


def test_equal_points_are_at_no_distance():
    X = np.repeat([[0.0, 0.0], [3.0, 4.0]], 12, axis=0)
    with pytest.warns(UserWarning, match="connected components"):
        S = geodesic(X, n_neighbors=3)
    expected = np.kron([[0, -12.5], [-12.5, 0]], np.ones((12, 12)))
    np.testing.assert_allclose(S, expected)


def test_points_that_are_too_few_or_unknown():
    with pytest.raises(ValueError, match="n_neighbors must be from 1 to 9 for 10 points, got 10"):
        geodesic(np.eye(10))
    with pytest.raises(ValueError, match="n_neighbors must be from 1 to .* got 0"):
        geodesic(np.eye(10), n_neighbors=0)
    with pytest.raises(ValueError, match="NaN"):
        geodesic(np.full((20, 2), np.nan))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [2.0**-120, 2.0**110])
def test_cosines_do_not_depend_on_the_scale(dtype, unit):
    X = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    scaled = X * dtype(unit)
    assert similarities.cosine(scaled) == pytest.approx(similarities.cosine(X), abs=1e-6)
    assert similarities.cosine(sparse.csr_matrix(scaled), X) == pytest.approx(
        similarities.cosine(X), abs=1e-6
    )
    why = decompose(scaled[0], scaled[1], "cosine")
    assert why.relevances.sum() == pytest.approx(similarities.cosine(X)[0, 1], abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_numbers_that_overflow_are_named():
    X = np.array([[1e20, 1], [1, 1e20]], np.float32)
    for kernel in (similarities.linear, similarities.polynomial):
        with pytest.raises(ValueError, match="scale X to about 1"):
            kernel(X * 10)
    assert similarities.rbf(X).tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ValueError, match=r"X must have values from -1e\+15 to 1e\+15"):
        geodesic(X, n_neighbors=1)
    for function in (
        similarities.center,
        similarities.spectrum,
        similarities.scale,
        lambda S: eigen_embedding(S, 1),
    ):
        with pytest.raises(ValueError, match=r"S must have values from -1e\+150 to 1e\+150"):
            function(X.astype(float) * 1e200)
