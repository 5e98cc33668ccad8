"""New items and users that are predicted from features, without tuning."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from simec.recommender import BiasBaseline, Recommender
from simec.recommender.content_model import ContentModel, fit_content_model
from tests.simec.recommender.test_recommender import NEW_ITEMS, NEW_USERS, World, pairs


def fitted(sides, **options):
    """A recommender of ratings without new users and items, but with their features."""
    world = World(noise=0.1)
    train = world.without(NEW_USERS + 100, NEW_ITEMS + 1000)
    features = {f"{side}_features": getattr(world, f"{side}_features") for side in sides}
    return world, train, Recommender(2, random_state=0, **options).fit(train, **features)


OLD_USERS, OLD_ITEMS = np.arange(50), np.arange(30)


@pytest.mark.parametrize(
    ("sides", "users", "items"),
    [
        (("item",), OLD_USERS, NEW_ITEMS), (("user",), NEW_USERS, OLD_ITEMS),
        (("item", "user"), NEW_USERS, NEW_ITEMS), (("item", "user"), OLD_USERS, NEW_ITEMS),
    ],
    ids=["T2a", "T2b", "T3", "both, T2a"],
)  # fmt: skip
def test_new_ones_are_predicted(sides, users, items):
    world, train, recommender = fitted(sides)
    assert recommender.encoder_ is None
    found = recommender.predict(*pairs(users, items))
    averages = BiasBaseline().fit(train).predict(*pairs(users, items), unknown="average")
    assert world.error(found, users, items) < 0.5 * world.error(averages, users, items)
    scores = dict(recommender.recommend(int(users[0]) + 100, 40, exclude_seen=False))
    for item, rating in zip(items, found, strict=False):
        expected = np.clip(scores[item + 1000], *recommender.range_)
        assert rating == pytest.approx(expected, abs=1e-4)
    # as arrays, too
    ids, many = recommender.recommend_batch([int(users[0]) + 100], 40, exclude_seen=False)
    row = dict(zip(ids[0].tolist(), many[0].tolist(), strict=True))
    for item, score in scores.items():
        assert row[item] == pytest.approx(score, abs=1e-4)


def test_relevances_and_the_rest_are_the_rating():
    _, _, recommender = fitted(("item", "user"))
    for user, item in ((107, 1011), (107, 1035), (155, 1011), (155, 1035)):
        value = dict(recommender.recommend(user, 40, exclude_seen=False))[item]
        for by, names in (("item", set("abcd")), ("user", set("xyz"))):
            found = recommender.explain(user, item, by=by)
            assert found.value == pytest.approx(value, abs=1e-5)
            assert found.bias + found.relevances.sum() == pytest.approx(value, abs=1e-5)
            assert {name for name, _ in found.top()} == names
            assert np.abs(found.relevances).max() > 1e-3


def test_saved_and_folded_in(tmp_path):
    world, _, recommender = fitted(("item",))
    recommender.save(tmp_path / "m")
    again = Recommender.load(tmp_path / "m")
    wanted = pairs(OLD_USERS, NEW_ITEMS)
    np.testing.assert_array_equal(again.predict(*wanted), recommender.predict(*wanted))
    # a user who was added later is predicted for new items, too
    ratings = world.true[55, OLD_ITEMS]
    again.fold_in((np.full(30, 155), OLD_ITEMS + 1000, ratings))
    users = np.array([55])
    found = again.predict(*pairs(users, NEW_ITEMS))
    level = np.full(len(found), world.true[55].mean())
    assert world.error(found, users, NEW_ITEMS) < 0.6 * world.error(level, users, NEW_ITEMS)


def test_residuals_are_those_of_ridge_regressions():
    rng = np.random.default_rng(0)
    X, V = sparse.csr_matrix(rng.normal(size=(12, 3))), rng.normal(size=(12, 2))
    S = sparse.random(5, 12, 0.6, "csr", random_state=0)
    biases, covariance, noise = rng.normal(size=12), np.array([[1.0, 0.3], [0.3, 0.5]]), 0.4
    model = fit_content_model(S, V, biases, X, np.arange(12), covariance, noise)
    new = sparse.csr_matrix(rng.normal(size=(4, 3)))
    found = model.residuals(np.arange(5), new, X)
    inputs = np.hstack([X.toarray() / np.sqrt(model.alpha), model.left_out])
    of_new = np.hstack([
        new.toarray() / np.sqrt(model.alpha), model.predict(new)[:, :-1] @ model.root,
    ])  # fmt: skip
    np.testing.assert_allclose(model.root @ model.root.T, covariance / noise, rtol=1e-6)
    for user in range(5):
        entries = slice(S.indptr[user], S.indptr[user + 1])
        columns, duals = S.indices[entries], model.duals.data[entries]
        K = inputs[columns] @ inputs[columns].T + np.eye(len(columns))
        # the targets are ratings minus biases that a regression on the other items predicts
        targets = S.data[entries] - K @ duals
        assert np.abs(targets - biases[columns]).max() < 3
        np.testing.assert_allclose(
            found[user], of_new @ inputs[columns].T @ duals, rtol=1e-3, atol=1e-5
        )
        of_features = model.coefficients(user, X)
        total = new @ of_features + model.intercept[-1]
        shift = model.intercept[:-1] @ model.root @ (model.left_out[columns].T @ duals)
        expected = found[user] + model.predict(new)[:, -1]
        np.testing.assert_allclose(total + shift, expected, rtol=1e-3, atol=1e-5)
    assert isinstance(model, ContentModel)
