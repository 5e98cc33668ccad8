"""What `Recommender` learns, of what is made so that the answer is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse

from simec.linalg.ridge import cross_validated_ridge
from simec.recommender import (
    BiasBaseline,
    Features,
    Ids,
    Recommender,
    UnknownIdError,
    as_ratings,
    evaluate,
)
from simec.recommender.base import BaseRecommender
from tests.model_folders import reseal

N_USERS, N_ITEMS = 60, 40


class World:
    """Ratings that features of both sides explain: 3 + (features of users) · (of items) / 2."""

    def __init__(self, level=0.0, noise=0.0):
        rng = np.random.default_rng(0)
        U, V = rng.normal(size=(N_USERS, 2)), rng.normal(size=(N_ITEMS, 2))
        self.X = (V @ rng.normal(size=(2, 4))).astype(np.float32)
        self.Z = (U @ rng.normal(size=(2, 3))).astype(np.float32)
        self.true = 3 + U @ V.T / 2 + level * V[:, 0]
        values = self.true + noise * rng.normal(size=self.true.shape)
        there = np.nonzero(rng.random(values.shape) < 0.6)
        self.ratings = as_ratings(
            sparse.coo_matrix((values[there], there), values.shape),
            users=range(100, 100 + N_USERS), items=range(1000, 1000 + N_ITEMS),
        )  # fmt: skip
        self.item_features = Features(self.ratings.items, self.X, list("abcd"))
        self.user_features = Features(self.ratings.users, self.Z, list("xyz"))

    def without(self, users=(), items=()):
        """Ratings of which some users and items are not there at all."""
        u, i, v = self.ratings.triples()
        left = ~(np.isin(u, users) | np.isin(i, items))
        return u[left], i[left], v[left]

    def error(self, found, users, items):
        return np.sqrt(np.mean((found - self.true[np.ix_(users, items)].ravel()) ** 2))


def pairs(users, items):
    return np.repeat(users, len(items)) + 100, np.tile(items, len(users)) + 1000


NEW_USERS, NEW_ITEMS = np.arange(50, 60), np.arange(30, 40)
OLD_USERS, OLD_ITEMS = np.arange(50), np.arange(30)


@pytest.mark.parametrize("own_scale", [0.0, 1.0])
@pytest.mark.parametrize("task", ["T1", "T2a", "T2b", "T3"])
def test_new_ones_are_predicted_by_their_features(task, own_scale):
    world = World()
    train = world.without(NEW_USERS + 100, NEW_ITEMS + 1000)
    features, new, at = {}, {}, [OLD_USERS, OLD_ITEMS]
    if task in ("T2a", "T3"):
        at[1] = NEW_ITEMS
        features["item_features"] = Features(Ids(OLD_ITEMS + 1000, "item"), world.X[:30])
        new["item_features"] = (NEW_ITEMS + 1000, world.X[30:])
    if task in ("T2b", "T3"):
        at[0] = NEW_USERS
        features["user_features"] = Features(Ids(OLD_USERS + 100, "user"), world.Z[:50])
        new["user_features"] = (NEW_USERS + 100, world.Z[50:])
    recommender = Recommender(2, l2=0.1, id_feature_scale=own_scale).fit(train, **features)
    users, items = pairs(*at)
    found = world.error(recommender.predict(users, items, **new), *at)
    averages = BiasBaseline().fit(train).predict(users, items, unknown="average")
    assert found < 0.45 * world.error(averages, *at)
    first = recommender.recommend(int(at[0][0]) + 100, 3, exclude_seen=False, **new)
    assert len(first) == 3
    if task in ("T2a", "T3"):
        best = max(recommender.recommend(users[0], 40, exclude_seen=False, items=items, **new))
        assert best[0] in items
        # new items are among the candidates
        every = recommender.recommend(users[0], 100, exclude_seen=False, **new)
        assert {item for item, _ in every} == set(range(1000, 1040))
        similar = recommender.similar_items(1035, 5, item_features=new["item_features"])
        assert len(similar) == 5


def test_features_that_were_there_in_training_need_not_be_given_again():
    """Of items without ratings, too."""
    world = World()
    train, test = world.ratings.split(0.25, by="items")
    recommender = Recommender(2, l2=0.1).fit(train, item_features=world.item_features)
    users, items, values = test.triples()
    wrong = recommender.predict(users, items) - values
    averages = BiasBaseline().fit(train).predict(users, items) - values
    assert np.sqrt((wrong**2).mean()) < 0.45 * np.sqrt((averages**2).mean())


def test_averages_of_new_items_come_of_their_features():
    world = World(level=2.0)
    train, test = world.ratings.split(0.25, by="items")
    errors = {}
    for described in (True, False):
        recommender = Recommender(1, l2=1e5, feature_biases=described)
        recommender.fit(train, item_features=world.item_features)
        errors[described] = 1 - recommender.score(test)
    assert errors[True] < 0.5 * errors[False]
    # the same where there are many ratings
    many = BiasBaseline(shrinkage_items=0.0).fit(world.ratings)
    described = Recommender(1, l2=1e5, shrinkage_items=0.0).fit(
        world.ratings, item_features=world.item_features
    )
    users, items, _ = world.ratings.triples()
    np.testing.assert_allclose(
        described.predict(users, items), many.predict(users, items), atol=0.15
    )


def test_ridge_finds_its_penalty():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 30))
    true = np.zeros(30)
    true[:3] = 1
    y = X @ true + 2 * rng.normal(size=200)
    weights = rng.uniform(0.5, 2, 200)
    found = cross_validated_ridge(X, y, weights)
    np.testing.assert_allclose(cross_validated_ridge(sparse.csr_matrix(X), y, weights), found)
    root = np.sqrt(weights)[:, None]
    plain = np.linalg.lstsq(root * X, root[:, 0] * y, rcond=None)[0]
    assert np.linalg.norm(found - true) < np.linalg.norm(plain - true)
    noise = cross_validated_ridge(X, rng.normal(size=200), weights)
    assert np.linalg.norm(noise) < 0.2
    assert cross_validated_ridge(X[:5], y[:5], weights[:5]).tolist() == [0] * 30
    assert cross_validated_ridge(0 * X, y, weights).tolist() == [0] * 30


def test_own_ratings_say_what_features_do_not():
    """With features that say nothing, only what is an item's own can be learned."""
    world = World()
    nothing = np.random.default_rng(5).normal(size=(N_ITEMS, 3))
    train, test = world.ratings.split(0.2)
    errors = [
        1
        - Recommender(2, l2=0.3, id_feature_scale=own).fit(train, item_features=nothing).score(test)
        for own in (0.0, 1.0)
    ]
    assert errors[1] < 0.3 * errors[0]


@pytest.mark.slow
def test_hidden_layers_learn_what_no_linear_map_can():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (80, 2)).astype(np.float32)
    taste = rng.normal(size=30)
    values = 3 + np.sign(x[:, 0] * x[:, 1])[None, :] * taste[:, None]
    rows, columns = np.nonzero(rng.random(values.shape) < 0.8)
    train = columns < 60
    old = rows[train], columns[train], values[rows, columns][train]
    test = rows[~train], columns[~train], values[rows, columns][~train]
    scores = []
    for layers in ((), (16,)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            recommender = Recommender(
                1, hidden_layers=layers, id_feature_scale=0, l2=1e-3, learning_rate=0.05,
                max_iter=60, batch_size=20, activation="relu", random_state=0,
            ).fit(old, item_features=(range(60), x[:60]))  # fmt: skip
        scores.append(recommender.score(test, item_features=(range(60, 80), x[60:])))
    assert scores[1] > 0.6
    assert scores[0] < 0.3


# Implicit feedback


def test_implicit_feedback_is_weighted_least_squares():
    """No step of the plain algorithm of Hu, Koren and Volinsky (2008) lowers its cost."""
    rng = np.random.default_rng(0)
    counts = sparse.random(30, 20, 0.3, random_state=rng, format="csr")
    counts.data = rng.integers(1, 6, counts.nnz).astype(float)
    alpha, l2, w0 = 3.0, 2.0, 0.5
    found = Recommender(
        3, feedback="implicit", alpha=alpha, l2=l2, absent=w0, l2_by_count=0, confidence="linear"
    ).fit(counts)  # fmt: skip
    C, P = np.full((30, 20), w0), (counts.toarray() > 0).astype(float)
    C[P > 0] = 1 + alpha * counts.toarray()[P > 0]

    def cost(U, V):
        return (C * (P - U @ V.T) ** 2).sum() + l2 * ((U**2).sum() + (V**2).sum())

    def half(V, C, P):
        return np.array([
            np.linalg.solve(V.T @ (c[:, None] * V) + l2 * np.eye(3), V.T @ (c * p))
            for c, p in zip(C, P, strict=True)
        ])  # fmt: skip

    U, V = found.user_vectors_.astype(float), found.item_vectors_.astype(float)
    here = cost(U, V)
    for _ in range(100):
        U = half(V, C, P)
        V = half(U, C.T, P.T)
    assert cost(U, V) > 0.99 * here
    assert found.predict(3, 4)[0] == pytest.approx(
        float(found.user_vectors_[3] @ found.item_vectors_[4]), rel=1e-5
    )
    assert found.biases_.mean == 0


def test_raw_counts_of_any_unit_give_the_same_model():
    rng = np.random.default_rng(0)
    counts = sparse.random(40, 30, 0.3, random_state=rng, format="csr")
    counts.data = np.floor(np.exp(rng.normal(3, 2, counts.nnz))) + 1
    found = Recommender(3, alpha=2.0, feedback="implicit", random_state=0).fit(counts)
    weights = np.log2(1 + counts.data / np.median(counts.data))
    logs = sparse.csr_matrix((weights, counts.indices, counts.indptr), counts.shape)
    expected = Recommender(
        3, alpha=2.0, feedback="implicit", confidence="linear", random_state=0
    ).fit(logs)  # fmt: skip
    minutes = Recommender(3, alpha=2.0, feedback="implicit", random_state=0).fit(60 * counts)
    for other in (expected, minutes):
        np.testing.assert_allclose(
            other.predict(3, range(30)), found.predict(3, range(30)), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1, 1, 1], "implicit"),
        ([1, 1, 1, 2, 5], "implicit"),
        ([1, 3, 7, 9, 120], "implicit"),
        ([0.2, 1.5, 3.1, 250.7], "implicit"),  # hours
        ([1, 2, 3, 4, 5], "explicit"),
        ([5, 5, 5, 5], "explicit"),
        ([0, 1, 1, 0], "explicit"),  # likes and dislikes
        ([1, 1, 1, 5, 5], "explicit"),
        ([-10, 2.5, 9.8], "explicit"),
        ([0.5, 4, 4.5, 5], "explicit"),
        ([10, 60, 80, 100], "explicit"),
    ],
)
def test_counts_are_recognized(values, expected):
    table = [(k, 0, value) for k, value in enumerate(values)]
    assert as_ratings(table).feedback == expected
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recommender = Recommender(1).fit(table)
    assert recommender.feedback_ == expected
    assert any("look like counts" in str(w.message) for w in caught) == (expected == "implicit")
    assert (recommender.range_ is None) == (expected == "implicit")


def test_implicit_feedback_is_not_negative():
    with pytest.raises(ValueError, match="must be counts >= 0, got negative"):
        Recommender(1, feedback="implicit").fit([(1, 1, 2.0), (1, 2, -1.0)])


# Explanations


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("sides", [("item",), ("user",), ("item", "user")])
def test_relevances_and_the_rest_are_the_rating(sides, form):
    world = World()
    features = {
        f"{side}_features": Features(of.ids, sparse.csr_matrix(of.matrix), of.names)
        if form == "sparse" else of
        for side in sides for of in [getattr(world, f"{side}_features")]
    }  # fmt: skip
    recommender = Recommender(2, l2=0.1).fit(world.ratings, **features)
    scores = dict(recommender.recommend(107, 40, exclude_seen=False))
    for by in (None, *sides):
        found = recommender.explain(107, 1011, by=by)
        assert found.value == pytest.approx(scores[1011], rel=1e-6)
        assert found.bias + found.relevances.sum() == pytest.approx(found.value, rel=1e-6)
        assert {name for name, _ in found.top()} == set("abcd" if by != "user" and "item" in sides
                                                        else "xyz")  # fmt: skip
        assert abs(found.relevances.sum()) > 1e-3


def test_relevances_of_linear_embeddings_are_what_a_feature_changes():
    world = World()
    features = world.item_features
    recommender = Recommender(2, l2=0.1)
    recommender.fit(world.ratings, item_features=features)
    x = np.array([[0.5, -1, 2, 1]], np.float32)
    new = {"item_features": ([1], x)}
    found = recommender.explain(107, 1, **new)
    for k in range(4):
        less = x.copy()
        less[0, k] = 0
        recommender.range_ = None
        there = recommender.predict(107, 1, **new)[0]
        gone = recommender.predict(107, 1, item_features=([1], less))[0]
        assert found.relevances[k] == pytest.approx(there - gone, abs=1e-5)


def test_explanations_need_features():
    world = World()
    recommender = Recommender(2, l2=0.1).fit(world.ratings)
    with pytest.raises(
        ValueError, match="users have no features to explain by: fit with user_features"
    ):
        recommender.explain(107, 1011)
    recommender.fit(world.ratings, item_features=world.item_features)
    with pytest.raises(ValueError, match="users have no features"):
        recommender.explain(107, 1011, by="user")
    with pytest.raises(ValueError, match="by must be one of 'item', 'user', got 'both'"):
        recommender.explain(107, 1011, by="both")


# Parameters, files, measures


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"feedback": "clicks"},
            "feedback must be one of 'auto', 'explicit', 'implicit', got 'clicks'",
        ),
        ({"n_components": 0}, "n_components must be an integer >= 1, got 0"),
        ({"l2": -1}, "l2 must be a finite number >= 0, got -1"),
        ({"id_feature_scale": np.nan}, "id_feature_scale must be a finite number"),
        ({"shrinkage_users": -1}, "shrinkage_users must be a finite number >= 0, got -1"),
        ({"rating_range": (5, 1)}, r"rating_range must be \(low, high\)"),
        ({"rating_range": 5}, r"rating_range must be \(low, high\), got 5"),
        ({"rating_range": (1,)}, r"rating_range must be \(low, high\), got \(1,\)"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        Recommender(**parameters).fit([(1, 1, 2.0), (2, 1, 3.0)])


def test_a_range_of_ones_own():
    world = World()
    recommender = Recommender(2, l2=0.1, rating_range=(2.5, 3.5)).fit(world.ratings)
    users, items, _ = world.ratings.triples()
    found = recommender.predict(users, items)
    assert (found.min(), found.max()) == (2.5, 3.5)


def test_both_encoders_and_features_are_saved(tmp_path):
    world = World()
    recommender = Recommender(2, l2=0.1).fit(
        world.ratings, item_features=world.item_features, user_features=world.user_features
    )
    recommender.save(tmp_path / "m")
    again = Recommender.load(tmp_path / "m")
    new = {"item_features": ([1], world.X[:1]), "user_features": ([2], world.Z[:1])}
    assert again.predict(2, 1, **new) == recommender.predict(2, 1, **new)
    assert again.explain(107, 1011).top() == recommender.explain(107, 1011).top()
    assert again.item_features_.names == list("abcd")


def test_folders_that_hold_no_recommender(tmp_path):
    with pytest.raises(FileNotFoundError, match="Recommender not found"):
        Recommender.load(tmp_path / "none")
    with pytest.raises(ValueError, match="is not a recommender"):
        Recommender.load(tmp_path)
    BiasBaseline().fit([(1, 1, 2.0)]).save(tmp_path / "a")
    with pytest.raises(ValueError, match="class BiasBaseline, not Recommender"):
        Recommender.load(tmp_path / "a")
    assert type(BaseRecommender.load(tmp_path / "a")) is BiasBaseline
    config = tmp_path / "a" / "config.json"
    text = config.read_text()
    reseal(tmp_path / "a", version=99)
    with pytest.raises(ValueError, match="has format version 99.*update it"):
        BaseRecommender.load(tmp_path / "a")
    config.write_text(text.replace('"BiasBaseline"', '"Ratings"'))
    reseal(tmp_path / "a", version=3)
    with pytest.raises(ValueError, match="class Ratings, which is not imported"):
        BaseRecommender.load(tmp_path / "a")
    config.write_text(text)
    reseal(tmp_path / "a")
    (tmp_path / "a" / "arrays.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is damaged"):
        BaseRecommender.load(tmp_path / "a")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        BiasBaseline().fit([(1, 1, 2.0)]).save(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


def test_measures_are_those_of_plain_loops():
    world = World(noise=0.3)
    train, test = world.ratings.split(0.3)
    recommender = BiasBaseline().fit(train)
    found = evaluate(recommender, test, 5, relevant=3.5)
    users, items, values = test.triples()
    totals = []
    for user in np.unique(users):
        good = set(items[(users == user) & (values >= 3.5)].tolist())
        if good:
            best = [item for item, _ in recommender.recommend(user, 5)]
            gains = [1 / np.log2(k + 2) for k, item in enumerate(best) if item in good]
            ideal = sum(1 / np.log2(k + 2) for k in range(min(5, len(good))))
            hits = len(good & set(best))
            totals.append([hits / 5, hits / min(5, len(good)), sum(gains) / ideal, hits > 0])
    expected = np.mean(totals, axis=0)
    assert found["users"] == len(totals)
    np.testing.assert_allclose(
        [found[k] for k in ("precision", "recall", "ndcg", "hits")], expected
    )
    with pytest.raises(ValueError, match="no rating of the test set is >= 99"):
        evaluate(recommender, test, relevant=99)
    few = as_ratings([("a", "b", 1.0), ("b", "b", 1.0)])
    for size, part in ((0.1, "test"), (0.9, "training")):
        with pytest.raises(ValueError, match=f"leaves no ratings in the {part} set"):
            few.split(test_size=size)
    with pytest.raises(ValueError, match="topn must be an integer >= 1, got 0"):
        evaluate(recommender, test, 0)


def test_averages_are_of_what_embeddings_leave():
    """A user who happens to have rated what suits him does not rate higher than others."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(np.arange(100 * 40), 40)
    taste = np.where(users % 2 == items % 2, 1.5, -1.5)
    rated = rng.random(len(users)) < 0.4
    values = 3 + taste + 0.3 * rng.normal(size=len(users))
    train = users[rated], items[rated], values[rated]
    found, plain = Recommender(2).fit(train), BiasBaseline().fit(train)
    assert found.biases_.users.std() < 0.65 * plain.biases_.users.std()
    wrong = found.predict(users[~rated], items[~rated]) - values[~rated]
    assert np.sqrt((wrong**2).mean()) < 0.4


def test_errors_of_unknown_ids_name_available_options():
    triples = [(u, i, float((u + i) % 5)) for u in range(6) for i in range(5) if (u * i) % 4]
    plain = Recommender(1).fit(triples)
    described = Recommender(1).fit(triples, item_features=(range(1, 5), np.eye(4)))
    for call, message in (
        (lambda: plain.predict(1, 9), "item 9 is not in the training data. Pass unknown='average'"),
        (lambda: plain.similar_items(9), "item 9 is not in the training data"),
        (
            lambda: described.predict(1, 9),
            "item 9 is not in the training data and has no features. "
            "Pass item_features or unknown='average'",
        ),
        (
            lambda: described.explain(1, 9),
            "item 9 is not in the training data and has no features. Pass item_features",
        ),
        (lambda: described.explain(9, 1), "user 9 is not in the training data"),
    ):
        with pytest.raises(UnknownIdError) as error:
            call()
        assert str(error.value) == message


@pytest.mark.parametrize("parameters", [{}, {"hidden_layers": (3,), "max_iter": 2}], ids=str)
@pytest.mark.parametrize("value", [0, 3, -2.5])
def test_equal_ratings_are_predicted_with_a_warning(value, parameters):
    ratings = [("a", "x", value), ("b", "x", value), ("a", "y", value), ("b", "z", value)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predicted = Recommender(1, random_state=0, **parameters).fit(ratings).predict("a", "z")
    messages = [str(w.message) for w in caught if w.category is not DeprecationWarning]
    assert any("there are no preferences to learn" in message for message in messages)
    assert not any(w.category is RuntimeWarning for w in caught), messages
    assert predicted == pytest.approx(value, abs=1e-6)


def test_counts_of_zero():
    with pytest.warns(UserWarning, match="all counts are 0"):
        Recommender(1, feedback="implicit").fit([("a", "x", 0), ("b", "x", 0)])
