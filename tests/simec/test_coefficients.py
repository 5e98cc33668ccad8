"""Similarity coefficients, against one pair of sets at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import sparse

from simec import similarities
from simec.similarities import coefficients
from tests.simec import coefficient_oracle

NAMES = ("simpson", "tanimoto", "sokal", "kulczynski", "mcconnaughey", "rogot_goldberg")

binary = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8))


@settings(max_examples=60)
@given(binary, st.sampled_from(NAMES))
def test_each_pair_is_as_by_hand_empty_rows_and_full_ones_too(X, name):
    X = np.vstack([X, np.zeros_like(X[:1]), np.ones_like(X[:1])])
    coefficient = getattr(similarities, name)
    found = coefficient(X)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, coefficient_oracle.matrix(name, X, X), atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    lowest = -1 if name == "mcconnaughey" else 0
    assert found.min() >= lowest
    assert found.max() <= 1 + 1e-12
    np.testing.assert_allclose(np.diag(found)[X.any(axis=1)], 1)


@settings(max_examples=40)
@given(binary, st.sampled_from(NAMES), st.sampled_from(["csr", "csc", "coo", "lil"]), st.data())
def test_sparse_is_as_dense_and_some_rows_at_a_time(X, name, kind, data):
    coefficient = getattr(similarities, name)
    Y = data.draw(arrays(bool, (3, X.shape[1])))
    expected = coefficient(X, Y)
    assert expected.shape == (len(X), 3)
    for sparse_type in (sparse.csr_array, sparse.csr_matrix):
        matrix = sparse_type(X.astype(float)).asformat(kind)
        np.testing.assert_array_equal(coefficient(matrix, sparse_type(Y)), expected)
        np.testing.assert_array_equal(coefficient(matrix, Y), expected)
    np.testing.assert_array_equal(coefficient(X.astype(np.uint8), sparse.csr_array(Y)), expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coefficients, "_ENTRIES", 4)
        np.testing.assert_array_equal(coefficient(X, Y), expected)


def test_known_values():
    X = [[1, 1, 0, 0], [1, 0, 1, 1]]  # a = b = 1, c = 2, d = 0
    values = {name: getattr(similarities, name)(X)[0, 1] for name in NAMES}
    assert values == pytest.approx(
        {
            "simpson": 1 / 2,
            "tanimoto": 1 / 4,
            "sokal": 1 / 7,
            "kulczynski": (1 / 2 + 1 / 3) / 2,
            "mcconnaughey": (1 - 2) / 6,
            "rogot_goldberg": 1 / 5,
        }
    )
    assert similarities.jaccard is similarities.tanimoto


def test_simpson_of_strokes_has_negative_eigenvalues():
    rng = np.random.default_rng(0)
    X = rng.random((60, 40)) < rng.random((60, 1))
    assert similarities.non_metricity(similarities.simpson(X)) > 0.05
    assert similarities.non_metricity(similarities.tanimoto(X)) == 0


def test_given_matrices_stay_as_they_are():
    # one entry is a stored 0
    X = sparse.coo_array(([1.0, 1.0, 0.0], ([0, 1, 1], [1, 0, 1])), shape=(2, 2)).tocsr()
    similarities.simpson(X)
    assert X.nnz == 3
    assert X.dtype == np.float64


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_binary_is_named(name):
    coefficient = getattr(similarities, name)
    with pytest.raises(ValueError, match=r"X\[1, 0\] must be 0 or 1, got 2"):
        coefficient([[0, 1], [2, 3]])
    with pytest.raises(ValueError, match=r"Y\[0, 2\] must be 0 or 1, got nan"):
        coefficient([[0, 1, 0]], [[0, 1, np.nan]])
    with pytest.raises(ValueError, match=r"X\[2, 1\] must be 0 or 1, got 0.5"):
        coefficient(sparse.csr_array([[0, 1], [0, 0], [0, 0.5]]))
    twice = sparse.coo_array(([1, 1], ([1, 1], [0, 0])), shape=(2, 2))
    with pytest.raises(ValueError, match=r"X\[1, 0\] must be 0 or 1, got 2"):
        coefficient(twice)
    with pytest.raises(ValueError, match="rows and columns"):
        coefficient([0, 1])
    with pytest.raises(ValueError, match="no entries"):
        coefficient(np.zeros((3, 0), bool))
    with pytest.raises(ValueError, match="same number of columns, got 2 and 3"):
        coefficient([[0, 1]], [[0, 1, 1]])
    with pytest.raises(ValueError, match="got <U1"):
        coefficient([["a", "b"]])


@settings(max_examples=40)
@given(binary, st.sampled_from(NAMES), st.data())
def test_packed_bits_are_as_arrays(X, name, data):
    coefficient = getattr(similarities, name)
    Y = data.draw(arrays(bool, (3, X.shape[1])))
    packed, other = similarities.PackedBits.from_array(X), similarities.PackedBits.from_array(Y)
    np.testing.assert_array_equal(packed.to_array(), X)
    np.testing.assert_array_equal(packed.counts(), X.sum(axis=1))
    expected = coefficient(X, Y)
    np.testing.assert_array_equal(coefficient(packed), coefficient(X))
    np.testing.assert_array_equal(coefficient(packed, Y), expected)
    single = coefficient(packed, other, dtype=np.float32)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, expected.astype(np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coefficients, "_ENTRIES", 4)
        patch.setattr("simec.similarities.packed_bits._BYTES", 1)
        np.testing.assert_array_equal(coefficient(packed, other), expected)


def test_rows_of_packed_bits():
    X = np.random.default_rng(0).random((5, 19)) < 0.5
    packed = similarities.PackedBits.from_array(X.astype(int))
    assert packed.shape == (5, 19)
    assert packed.packed.shape == (5, 3)
    mask = np.array([True, False, True, False, False])
    for rows in ([3, 1], slice(1, 3), mask, (mask, ...)):
        np.testing.assert_array_equal(packed[rows].to_array(), X[rows])
    np.testing.assert_array_equal(packed[2].to_array(), X[2:3])
    assert len(list(packed)) == 5
    assert repr(packed) == "<PackedBits: 5 rows of 19 bits>"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: similarities.PackedBits(np.zeros((2, 2))), "must be a uint8 array"),
        (lambda: similarities.PackedBits(np.zeros((2, 2), np.uint8), 8), "must have 1 columns"),
        (lambda: similarities.PackedBits(np.full((2, 1), 8, np.uint8), 3), "after the first 3"),
        (lambda: similarities.PackedBits(np.zeros((2, 1), np.uint8), 9), "n_bits must be an"),
        (lambda: similarities.PackedBits.from_array([[0, 2]]), "X must contain 0 and 1"),
        (lambda: similarities.PackedBits.from_array([0, 1]), "must have rows and columns"),
        (lambda: similarities.tanimoto([[0, 1]], dtype=int), "dtype must be a type of floats"),
    ],
)
def test_bad_bits(make, message):
    with pytest.raises(ValueError, match=message):
        make()
