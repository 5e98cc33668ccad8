"""What the benchmark of explanations measures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.explain.images import agreement, alike, heights, similar, upper
from benchmarks.explain.removal import STEPS, area, curve, orders
from benchmarks.explain.tasks import residuals


def test_the_best_order_has_the_smallest_area():
    """Of a sum of features; its relevances are the features themselves."""
    random = np.random.default_rng(0)
    X = random.exponential(size=(5, 40))
    X[:, ::3] = 0

    def areas(scores):
        return area(curve(lambda x: x.sum(axis=1), X, orders(scores, X != 0)))

    best, worst, middle = areas(X), areas(-X), areas(random.random(X.shape))
    assert best < middle < worst
    # each order and its reverse are mirrored
    assert best + worst == pytest.approx(1, abs=0.02)


def test_curves_begin_with_all_and_end_with_nothing():
    X = np.array([[3.0, 0.0, 1.0, 2.0]])
    order = orders(np.array([[0.0, 9.0, 5.0, 1.0]]), X != 0)
    assert order[0].tolist() == [2, 3, 0]
    before = X.copy()
    found = curve(lambda x: x.sum(axis=1), X, order)[:, 0]
    assert (before == X).all()
    assert len(found) == STEPS + 1
    assert found[0] == 6
    assert found[-1] == 0
    assert sorted(set(found.tolist()), reverse=True) == [6, 5, 3, 0]


def test_ties_go_in_the_order_of_numbers():
    assert orders(np.zeros((1, 4)), np.array([[True, False, True, True]]))[0].tolist() == [0, 2, 3]


def test_the_area_of_a_straight_fall_is_half():
    line = np.linspace(1, 0, STEPS + 1)[:, None] * [1.0, 3.0]
    assert area(line) == pytest.approx(0.5)


@pytest.fixture
def boots():
    X = np.zeros((4, 1, 28, 28), np.float32)
    for image, (first, last) in zip(X, [(0, 28), (7, 21), (7, 21), (20, 28)], strict=True):
        image[0, first:last, 3:9] = 1
    return X, np.array([9, 9, 5, 9])


def test_heights_and_kinds(boots):
    X, y = boots
    assert heights(X) == pytest.approx([1, 0.5, 0.5, 8 / 28])
    assert similar("height", X, y, X[:2], y[:2])[:, 0] == pytest.approx([1, 0.5, 0.5, 8 / 28])
    assert similar("kind", X, y, X[:1], y[:1])[:, 0].tolist() == [1, 1, 0, 1]


def test_pairs_are_of_one_kind_and_height(boots):
    X, y = (np.concatenate([part, part]) for part in boots)
    pairs = alike(X, y, 30)
    assert pairs.shape == (30, 2)
    assert (y[pairs[:, 0]] == y[pairs[:, 1]]).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert np.abs(np.subtract(*heights(X)[pairs.T])).max() < 0.05


def test_the_upper_half_is_that_of_the_shoe(boots):
    X, _ = boots
    R = np.zeros((4, 1, 28, 28))
    R[:, 0, 21:] = -1  # what lowers a similarity does not count
    R[:2, 0, 10, 5] = 2  # above the middle of both
    R[2, 0, 20, 5] = 1
    R[3, 0, 21, 5] = 3
    assert upper(R, X) == pytest.approx((2 + 2 + 3) / 8)


def test_agreement():
    A = np.random.default_rng(0).standard_normal((5, 30))
    assert agreement(A, 2 * A + 1) == pytest.approx(1)
    assert agreement(A, -A) == pytest.approx(-1)


def test_residuals_one_rating_at_a_time():
    random = np.random.default_rng(0)
    user, movie = random.integers(5, size=60), random.integers(8, size=60)
    rating = random.integers(1, 6, size=60).astype(float)
    rest = rating - rating.mean()
    for numbers in (movie, user):
        mean = {i: rest[numbers == i].sum() / ((numbers == i).sum() + 10) for i in set(numbers)}
        rest = np.array([r - mean[i] for r, i in zip(rest, numbers, strict=True)])
    assert residuals(user, movie, rating) == pytest.approx(rest)


def test_stem_and_leaf_carry_the_similarity(shared_data):
    pytest.importorskip("torch")
    from benchmarks.explain.tasks import plants

    found = plants(shared_data, 1)
    for part in ("train", "test"):
        assert found[f"flowerpots.{part}.simec"] > 0.75
        assert found[f"flowerpots.{part}.product"] < 0.5
