"""Recommenders without a network keep the contract, and do what plain re-implementations do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from simec.linalg.ridge import DualRidge, kernel_ridge_rows
from simec.recommender import (
    ColdStartRecommender,
    ContentLinear,
    ItemKNN,
    ResidualSVD,
    SVDRidge,
    as_ratings,
)
from simec.recommender.baselines.item_knn import item_similarities
from simec.recommender.cold_start import solve_near
from tests.simec.recommender.contract import N_ITEMS, N_USERS, RecommenderContract


def colours(n):
    """The parity of each, as two features, and one that says little."""
    found = np.zeros((n, 3), np.float32)
    found[np.arange(n), np.arange(n) % 2] = 1
    found[:, 2] = 0.1 * np.random.default_rng(0).standard_normal(n)
    return found


ITEMS = {"item_features": (np.arange(1000, 1000 + N_ITEMS), colours(N_ITEMS))}
USERS = {"user_features": (np.arange(100, 100 + N_USERS), colours(N_USERS))}


class TestResidualSVD(RecommenderContract):
    def make(self):
        return ResidualSVD(2, ridge=0.3)


class TestSVDRidgeOfItems(RecommenderContract):
    features = ITEMS

    def make(self):
        return SVDRidge(2, ridge=0.3, alphas=(0.1, 1.0))


class TestSVDRidgeOfUsers(RecommenderContract):
    features = USERS

    def make(self):
        return SVDRidge(2, ridge=0.3, alphas=(0.1, 1.0))


class TestSVDRidgeOfBoth(RecommenderContract):
    features = ITEMS | USERS

    def make(self):
        return SVDRidge(2, ridge=0.3, alphas=(0.1, 1.0))


class TestItemKNN(RecommenderContract):
    def make(self):
        return ItemKNN(5, shrinkage=1.0)


class TestContentLinear(RecommenderContract):
    features = ITEMS

    def make(self):
        return ContentLinear(alpha=0.5)


class TestColdStart(RecommenderContract):
    features = ITEMS

    def make(self):
        return ColdStartRecommender(2, alpha=0.5, l2_users=0.3, l2_items=0.3, alphas=(0.1, 1.0))


# Decompositions


def ratings_of(seed=0, n_users=12, n_items=9, share=0.6):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 6, (n_users, n_items)).astype(np.float32)
    known = rng.random(values.shape) < share
    known[np.arange(n_users), np.arange(n_users) % n_items] = True
    rows, columns = np.nonzero(known)
    matrix = sparse.csr_matrix((values[rows, columns], (rows, columns)), values.shape)
    return as_ratings(matrix)


@pytest.mark.slow
def test_svd_is_as_good_as_filling_in_predictions_again_and_again():
    """Iterative SVD as Koren and the thesis have it: unknown entries are what was predicted."""
    ratings = ratings_of()
    model = ResidualSVD(2, ridge=0.0, max_iter=2000, tol=0.0).fit(ratings)
    rest = model.biases_.residuals(ratings.matrix)
    known = ratings.matrix.toarray() > 0
    filled = rest.toarray()
    for _ in range(20000):
        U, s, Vt = np.linalg.svd(filled, full_matrices=False)
        low = (U[:, :2] * s[:2]) @ Vt[:2]
        filled = np.where(known, rest.toarray(), low)
    error = float(((low - rest.toarray())[known] ** 2).sum())
    found = model.user_vectors_ @ model.item_vectors_.T
    assert float(((found - rest.toarray())[known] ** 2).sum()) <= error * (1 + 1e-3)


def test_svd_solves_the_equations_of_its_penalty():
    ratings = ratings_of()
    model = ResidualSVD(2, ridge=2.0, max_iter=500, tol=0.0).fit(ratings)
    rest = model.biases_.residuals(ratings.matrix)
    U, V = model.user_vectors_, model.item_vectors_
    known = ratings.matrix.toarray() > 0
    wrong = np.where(known, U @ V.T - rest.toarray(), 0)
    np.testing.assert_allclose(wrong @ V + 2 * U, 0, atol=1e-3)
    np.testing.assert_allclose(wrong.T @ U + 2 * V, 0, atol=1e-3)


def test_svd_ridge_regresses_embeddings_on_features():
    ratings = ratings_of()
    X = np.random.default_rng(1).standard_normal((9, 4)).astype(np.float32)
    new = np.random.default_rng(2).standard_normal((2, 4)).astype(np.float32)
    model = SVDRidge(2, ridge=1.0, alphas=(3.0,)).fit(ratings, item_features=X)
    assert model.item_alpha_ == 3.0
    expected = Ridge(3.0).fit(X, model.item_vectors_).predict(new)
    users = np.repeat(np.arange(12), 2)
    found = model.predict(users, np.tile([50, 51], 12), item_features=([50, 51], new))
    from simec.recommender.content_base import BIAS_ALPHAS

    counts = ratings.matrix.getnnz(axis=0)
    errors = {}
    for alpha in BIAS_ALPHAS:
        errors[alpha] = 0.0
        for i in range(9):
            rest = np.arange(9) != i
            fit = Ridge(alpha).fit(X[rest], model.biases_.items[rest], counts[rest])
            miss = fit.predict(X[i : i + 1])[0] - model.biases_.items[i]
            errors[alpha] += counts[i] * miss**2
    best = min(errors, key=errors.get)
    average = Ridge(best).fit(X, model.biases_.items, counts).predict(new)
    b = model.biases_
    full = b.mean + b.users[:, None] + average + model.user_vectors_ @ expected.T
    np.testing.assert_allclose(found, full.clip(1, 5).ravel(), rtol=1e-4)


def test_svd_ridge_chooses_the_penalty_that_fits():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    items = X @ rng.standard_normal((3, 2))
    values = rng.standard_normal((40, 2)) @ items.T
    model = SVDRidge(2, ridge=0.1, alphas=(0.01, 1e4)).fit(
        as_ratings(sparse.csr_matrix(values)), item_features=X
    )
    assert model.item_alpha_ == 0.01


# Ridge regressions


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("n_features", [5, 20])
def test_dual_ridge_is_ridge(weighted, make, n_features):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, n_features)) + 1, rng.standard_normal((12, 3))
    X[:, 1] = X[:, 0]
    weights = rng.random(12) + 0.5 if weighted else None
    found = DualRidge(make(X), weights).fit(Y, (1.0, 5.0))
    expected = Ridge(found.alpha).fit(X, Y, weights)
    np.testing.assert_allclose(found.weights, expected.coef_.T, atol=1e-9)
    np.testing.assert_allclose(found.intercept, expected.intercept_, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_features", [4, 14])
def test_dual_ridge_leaves_each_point_out(weighted, n_features):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((9, n_features)), rng.standard_normal((9, 2))
    weights = rng.random(9) + 0.5 if weighted else np.ones(9)
    found = DualRidge(X, weights).fit(Y, (0.7, 3.0))
    for alpha in (0.7, 3.0):
        left_out = np.empty_like(Y)
        for i in range(9):
            rest = np.arange(9) != i
            left_out[i] = Ridge(alpha).fit(X[rest], Y[rest], weights[rest]).predict(X[i : i + 1])
        error = (weights[:, None] * (left_out - Y) ** 2).sum() / weights.sum()
        assert found.errors[alpha] == pytest.approx(error)
        if alpha == found.alpha:
            np.testing.assert_allclose(found.left_out, left_out, atol=1e-9)
    assert found.alpha == min(found.errors, key=found.errors.get)


# Neighbourhoods


def plain_similarity(values, known, shrinkage):
    n = values.shape[1]
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            both = known[:, i] & known[:, j]
            if i == j or not both.any():
                continue
            a, b = values[both, i], values[both, j]
            length = np.sqrt((a**2).sum() * (b**2).sum())
            found[i, j] = (a @ b / length if length else 0) * both.sum() / (both.sum() + shrinkage)
    return found


@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
def test_similarities_are_over_users_in_common(shrinkage):
    ratings = ratings_of()
    rest = ItemKNN().fit(ratings).residuals_
    expected = plain_similarity(rest.toarray(), ratings.matrix.toarray() > 0, shrinkage)
    np.testing.assert_allclose(item_similarities(rest, shrinkage), expected, atol=1e-6)


@pytest.mark.parametrize(("k", "power"), [(2, 1.0), (4, 2.0), (100, 1.0)])
def test_neighbours_are_the_nearest_that_were_rated(k, power):
    ratings = ratings_of()
    model = ItemKNN(k, shrinkage=2.0, power=power, regularization=0.5).fit(ratings)
    rest, known = model.residuals_.toarray(), ratings.matrix.toarray() > 0
    b = model.biases_
    for user in range(12):
        for item in range(9):
            near = sorted((model.similarity_[item, j], j) for j in np.flatnonzero(known[user]))
            near = [(s**power, j) for s, j in near[-k:] if s > 0]
            top = sum(s * rest[user, j] for s, j in near)
            expected = b.mean + b.users[user] + b.items[item]
            expected += top / (sum(s for s, _ in near) + 0.5)
            found = model.predict(user, item)[0]
            assert found == pytest.approx(np.clip(expected, 1, 5), abs=1e-4)


# Tastes


def test_each_user_has_a_ridge_regression_of_their_own():
    ratings = ratings_of(n_items=15)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((15, 6)).astype(np.float32)
    new = rng.standard_normal((3, 6)).astype(np.float32)
    model = ContentLinear(alpha=2.0).fit(ratings, item_features=X)
    b, counts = model.biases_, ratings.matrix.getnnz(axis=0)
    left_out = np.empty(15)
    for i in range(15):
        rest = np.arange(15) != i
        fit = Ridge(model.bias_alpha_).fit(X[rest], b.items[rest], counts[rest])
        left_out[i] = fit.predict(X[i : i + 1])[0]
    average = Ridge(model.bias_alpha_).fit(X, b.items, counts).predict(new)
    for user in range(12):
        row = ratings.matrix[user]
        target = row.data - b.mean - b.users[user] - left_out[row.indices]
        taste = Ridge(2.0, fit_intercept=False).fit(X[row.indices], target)
        expected = b.mean + b.users[user] + average + taste.predict(new)
        found = model.predict(user, [20, 21, 22], item_features=([20, 21, 22], new))
        np.testing.assert_allclose(found, expected.clip(1, 5), rtol=1e-3)


def test_rows_get_kernel_ridge_regression():
    rng = np.random.default_rng(0)
    rest = sparse.random(5, 8, 0.5, "csr", np.float32, rng=rng)
    Z = rng.standard_normal((8, 3)).astype(np.float32)
    duals = kernel_ridge_rows(rest, Z @ Z.T)
    for row in range(5):
        at = rest[row].indices
        expected = Ridge(1.0, fit_intercept=False).fit(Z[at], rest[row].data).coef_
        np.testing.assert_allclose(duals[row].data @ Z[at], expected, atol=1e-4)


def test_own_vectors_stay_near_what_is_expected():
    rng = np.random.default_rng(0)
    known = sparse.random(6, 10, 0.4, "csr", rng=rng)
    W, expected = rng.standard_normal((10, 2)), rng.standard_normal((6, 2))
    found = solve_near(known, W, expected, 0.8)
    for row in range(6):
        at, values = known[row].indices, known[row].data
        system = W[at].T @ W[at] + 0.8 * np.eye(2)
        np.testing.assert_allclose(
            found[row], np.linalg.solve(system, W[at].T @ values + 0.8 * expected[row])
        )


def planted(seed=0, n_users=150, n_items=120, n_features=40):
    """Ratings that two directions of features give, many more features than matter, and noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_items, n_features))
    Y = X @ rng.standard_normal((n_features, 2)) / np.sqrt(n_features)
    values = 3 + rng.standard_normal((n_users, 2)) @ Y.T + 0.5 * rng.standard_normal(
        (n_users, n_items)
    )  # fmt: skip
    known = rng.random(values.shape) < 0.2
    return X.astype(np.float32), values, known


def test_new_items_are_predicted_better_than_by_each_user_alone():
    X, values, known = planted()
    old, new = slice(0, 90), slice(90, 120)
    rows, columns = np.nonzero(known[:, old])
    ratings = rows, columns, values[rows, columns]
    users, items = np.repeat(np.arange(150), 30), np.tile(np.arange(90, 120), 150)
    features = np.arange(90, 120), X[new]

    def error(model):
        model.fit(ratings, item_features=(np.arange(90), X[old]))
        found = model.predict(users, items, item_features=features)
        return float(np.square(found - values[:, new].ravel()).mean())

    ours = error(ColdStartRecommender(4, alpha=40.0, l2_users=3.0, l2_items=3.0))
    alone = min(error(ContentLinear(alpha=alpha)) for alpha in (10.0, 20.0, 40.0, 80.0))
    assert ours < 0.95 * alone


def test_similar_items_among_new_ones():
    X, values, known = planted()
    rows, columns = np.nonzero(known)
    model = ColdStartRecommender(2).fit(
        (rows, columns, values[rows, columns]), item_features=(np.arange(120), X)
    )
    found = model.similar_items(500, 10, item_features=([500], X[7:8]))
    assert 7 in dict(found)


# What is wrong


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ResidualSVD(0), "n_components must be an integer >= 1, got 0"),
        (ResidualSVD(2, ridge=-1), "ridge must be a finite number >= 0, got -1"),
        (SVDRidge(2, alphas=()), "alphas must have at least one penalty"),
        (SVDRidge(2, alphas=(0.0,)), "each penalty in alphas must be a finite number > 0"),
        (ItemKNN(0), "n_neighbors must be an integer >= 1, got 0"),
        (ItemKNN(power=0.0), "power must be a finite number > 0, got 0.0"),
        (ContentLinear(alpha=0.0), "alpha must be a finite number > 0, got 0.0"),
        (ColdStartRecommender(0), "n_components must be an integer >= 1, got 0"),
        (ColdStartRecommender(2, l2_items=0.0), "l2_items must be a finite number > 0, got 0.0"),
        (ColdStartRecommender(2, alphas=()), "alphas must have at least one penalty"),
    ],
)
def test_parameters_out_of_range(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(ratings_of(), item_features=np.ones((9, 2)))


@pytest.mark.parametrize("kind", [SVDRidge, ContentLinear, ColdStartRecommender])
def test_features_are_needed(kind):
    with pytest.raises(ValueError, match="needs item_features"):
        kind().fit(ratings_of())
    with pytest.raises(ValueError, match="no item with ratings has features"):
        kind().fit(ratings_of(), item_features=([90, 91], np.ones((2, 2))))
