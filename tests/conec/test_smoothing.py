"""Smoothing by ridge regression, against plain least squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conec.contexts import mapping
from conec.contexts.mapping import LinearMap, mean_direction, smoothed
from tests import oracles


def random(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def standardised(vectors):
    """Unit length, less the mean of what is not zero, unit length."""
    there = vectors.any(axis=1)
    unit = oracles.unit(vectors)
    mean = unit[there].mean(axis=0) if there.any() else 0
    return np.where(there[:, None], oracles.unit(unit - mean), 0)


def least_squares(X, targets, weights, ridge):
    """By a system with a row for each word and one for each coefficient's penalty."""
    root = np.sqrt(np.asarray(weights, float))[:, None]
    penalty = ridge * np.trace((X * root).T @ (X * root)) / X.shape[1]
    rows = np.vstack([X * root, np.sqrt(penalty) * np.eye(X.shape[1])])
    wanted = np.vstack([targets * root, np.zeros((X.shape[1], targets.shape[1]))])
    return np.linalg.lstsq(rows, wanted, rcond=None)[0]


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 3), st.sampled_from([1e-3, 0.1, 1.0]))
def test_a_map_is_that_of_least_squares(seed, k, ridge):
    rng = np.random.default_rng(seed)
    vectors = [random(rng, 40, 5) for _ in range(k)]
    vectors[0][3] = 0
    targets, weights = random(rng, 40, 3), rng.integers(1, 50, 40)
    learned = LinearMap.fit(vectors, targets, weights, ridge=ridge)
    assert learned.matrices.shape == (k, 5, 3)
    X = np.hstack([standardised(array) for array in vectors])
    expected = X @ least_squares(X, targets, weights, ridge)
    np.testing.assert_allclose(learned(vectors), expected, rtol=1e-3, atol=1e-4)


def test_it_does_not_depend_on_how_many_rows_are_taken_at_a_time(monkeypatch):
    rng = np.random.default_rng(1)
    vectors, targets = [random(rng, 50, 4), random(rng, 50, 4)], random(rng, 50, 2)
    whole = LinearMap.fit(vectors, targets, np.ones(50))
    monkeypatch.setattr(mapping, "_ROWS", 7)
    parts = LinearMap.fit(vectors, targets, np.ones(50))
    np.testing.assert_allclose(whole.matrices, parts.matrices, rtol=1e-4, atol=1e-5)


def test_what_is_linear_is_recovered():
    rng = np.random.default_rng(2)
    vectors = random(rng, 300, 6)
    truth = rng.normal(size=(6, 4))
    targets = (standardised(vectors) @ truth).astype(np.float32)
    learned = LinearMap.fit([vectors], targets, np.ones(300), ridge=1e-9)
    np.testing.assert_allclose(learned.matrices[0], truth, atol=1e-3)


def test_weights_decide_between_words_that_disagree():
    vectors = np.float32([[1, 0], [1, 0], [-1, 0], [-1, 0]])
    targets = np.float32([[1], [0], [-1], [0]])
    learned = LinearMap.fit([vectors], targets, [9, 1, 9, 1], ridge=1e-9)
    np.testing.assert_allclose(learned([vectors[:1]]), [[0.9]], atol=1e-4)


def test_words_without_vectors_are_mapped_to_zero():
    rng = np.random.default_rng(3)
    learned = LinearMap.fit([random(rng, 20, 3)], random(rng, 20, 3), np.ones(20))
    assert not learned([np.zeros((2, 3), np.float32)]).any()
    nothing = LinearMap.fit([np.zeros((20, 3), np.float32)], random(rng, 20, 3), np.ones(20))
    assert not nothing([random(rng, 5, 3)]).any()


def test_the_mean_leaves_zeros_out():
    rows = np.float32([[2, 0], [0, 0], [0, 3]])
    np.testing.assert_allclose(mean_direction(rows), [0.5, 0.5])
    np.testing.assert_array_equal(mean_direction(np.zeros((3, 2), np.float32)), [0, 0])


def test_shapes_that_do_not_fit():
    rng = np.random.default_rng(4)
    with pytest.raises(ValueError, match="same shape, with a row for each of 5 targets"):
        LinearMap.fit([random(rng, 4, 3)], random(rng, 5, 3), np.ones(5))
    with pytest.raises(ValueError, match="same shape, with a row for each of 5 targets"):
        LinearMap.fit([random(rng, 5, 3), random(rng, 5, 2)], random(rng, 5, 3), np.ones(5))
    with pytest.raises(ValueError, match=r"weights must have shape \(5,\), got \(4,\)"):
        LinearMap.fit([random(rng, 5, 3)], random(rng, 5, 3), np.ones(4))


@pytest.mark.parametrize("amount", [0.0, 0.5, 2.0])
def test_smoothed_rows(amount):
    rng = np.random.default_rng(5)
    W1, W2, contexts = random(rng, 60, 4), random(rng, 60, 4), random(rng, 60, 8)
    W1[7] = W2[7] = contexts[7] = 0
    contexts[8] = 0  # of a word that never had a context
    counts = rng.integers(1, 100, 60)
    X = np.hstack([standardised(W2), standardised(contexts[:, 4:])])
    unit = oracles.unit(W1)
    mean = np.delete(unit, 7, axis=0).mean(axis=0)
    predicted = X @ least_squares(X, unit - mean, counts, 1e-3)
    # 60 words for 8 coefficients of each column
    predicted = 60 / 68 * predicted + 8 / 68 * standardised(contexts[:, :4])
    expected = oracles.unit(unit + amount * predicted)
    expected[8] = 0
    found = smoothed(W1, W2, contexts[:, 4:].copy(), contexts[:, :4], counts, amount)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert not found[7].any()


def test_smoothing_takes_noise_away():
    """Two noisy views of the same words: mixed, they are nearer to the truth."""
    rng = np.random.default_rng(6)
    truth = random(rng, 2000, 8)
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0].astype(np.float32)
    W1 = truth + 0.7 * random(rng, 2000, 8)
    W2 = (truth + 0.7 * random(rng, 2000, 8)) @ rotation
    noisy = truth + 0.7 * random(rng, 2000, 8)
    contexts = np.hstack([noisy, noisy @ rotation])

    def nearness(rows):
        return (oracles.unit(rows) * oracles.unit(truth)).sum(axis=1).mean()

    assert (
        nearness(smoothed(W1, W2, contexts[:, 8:].copy(), contexts[:, :8], np.ones(2000), 1.0))
        > nearness(W1) + 0.05
    )
