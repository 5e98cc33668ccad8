"""Users and items that are added after training, and further ratings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from simec.recommender import BiasBaseline, Recommender, as_ratings
from simec.recommender.fold_in import estimate_covariance, merge, posterior_means
from tests.simec.recommender.contract import N_ITEMS, checkerboard

MODELS = {
    "sampled": {"feedback": "explicit"},
    "least squares": {"feedback": "explicit", "l2": 0.3},
    "implicit": {"feedback": "implicit", "l2": 0.5},
}


def parts(new_user=123, new_item=1015):
    """Ratings of a checkerboard without a user and an item, theirs, and the test ratings."""
    train, test = checkerboard()
    users, items, _values = train
    late = (users == new_user) | (items == new_item)
    return tuple(p[~late] for p in train), tuple(p[late] for p in train), test


@pytest.mark.parametrize("name", MODELS)
def test_new_users_and_items_are_predicted(name):
    train, late, (users, items, values) = parts()
    if name == "implicit":
        train, late = (tuple(p[t[2] > 3] for p in t) for t in (train, late))
    recommender = Recommender(2, random_state=0, **MODELS[name]).fit(train)
    before = recommender.predict(100, range(1000, 1015))
    assert recommender.fold_in(late) is recommender
    np.testing.assert_array_equal(recommender.predict(100, range(1000, 1015)), before)
    found = recommender.predict(users, items)
    new = (users == 123) | (items == 1015)
    middle = 0.5 if name == "implicit" else 3
    assert new.sum() > 5
    assert ((found > middle) == (values > 3))[new].mean() > 0.9
    seen = set(late[1][late[0] == 123].tolist())
    assert not seen & {item for item, _ in recommender.recommend(123, 3)}
    best = [item for item, _ in recommender.recommend(123, 3, exclude_seen=False)]
    assert all((item - 123) % 2 == 0 for item in best)


def test_the_rest_stays_and_known_pairs_are_refused(tmp_path):
    train, late, _ = parts()
    recommender = Recommender(2, random_state=0).fit(train)
    vectors = recommender.user_vectors_.copy()
    with pytest.raises(ValueError, match="user 100 and item 1000 are both in the training data"):
        recommender.fold_in((np.append(late[0], 100), np.append(late[1], train[1][0]),
                             np.append(late[2], 5.0)))  # fmt: skip
    np.testing.assert_array_equal(recommender.user_vectors_, vectors)
    assert len(recommender.ratings_) == len(train[0])
    recommender.fold_in(late)
    np.testing.assert_array_equal(recommender.user_vectors_[: len(vectors)], vectors)
    assert len(recommender.ratings_) == len(train[0]) + len(late[0])
    recommender.save(tmp_path / "m")
    again = Recommender.load(tmp_path / "m")
    assert again.recommend(123, 5) == recommender.recommend(123, 5)
    again.fold_in(([200, 200], [1000, 1001], [5.0, 1.0]))
    recommender.fold_in(([200, 200], [1000, 1001], [5.0, 1.0]))
    np.testing.assert_allclose(
        again.predict(200, range(1000, 1010)),
        recommender.predict(200, range(1000, 1010)),
        rtol=0.01,
    )
    with pytest.raises(NotFittedError):
        Recommender().fold_in(late)
    with pytest.raises(TypeError, match="user ids must be integers, got strings"):
        recommender.fold_in([("ann", "tea", 3)])


def test_implicit_vectors_are_those_of_training():
    rng = np.random.default_rng(0)
    counts = sparse.random(40, 25, 0.3, "csr", random_state=0)
    counts.data = rng.integers(1, 5, counts.nnz).astype(float)
    recommender = Recommender(3, feedback="implicit", random_state=0).fit(counts)
    row = counts[7]
    recommender.fold_in((np.full(row.nnz, 40), row.indices, row.data))
    np.testing.assert_allclose(
        recommender.user_vectors_[40], recommender.user_vectors_[7], rtol=0.02, atol=1e-3
    )


def test_further_ratings_of_known_users():
    train, _ = checkerboard()
    users, items, _values = train
    recommender = Recommender(2, random_state=0).fit(train)
    # one user changes sides
    theirs = items[users == 104]
    changed = np.where((104 + theirs) % 2 == 0, 1.0, 5.0)
    assert recommender.predict(104, 1000)[0] > 4
    recommender.partial_fit((np.full(len(theirs), 104), theirs, changed))
    assert len(recommender.ratings_) == len(users)
    assert recommender.predict(104, 1000)[0] < 2.5
    assert recommender.predict(106, 1000)[0] > 4
    # before the first fit, it is one
    first = Recommender(2, random_state=0).partial_fit(train)
    expected = Recommender(2, random_state=0).fit(train)
    np.testing.assert_array_equal(first.predict(users, items), expected.predict(users, items))


def test_features_say_what_ratings_do_not():
    """A new item with features and one rating is predicted by both."""
    train, _ = checkerboard()
    _users, items, _ = train
    parity = np.zeros((N_ITEMS + 1, 2))
    parity[np.arange(N_ITEMS + 1), np.arange(N_ITEMS + 1) % 2] = 1
    features = range(1000, 1001 + N_ITEMS), parity
    known = items != 1001
    recommender = Recommender(1, l2=0.3, random_state=0)
    recommender.fit(tuple(p[known] for p in train), item_features=features)
    # it has features, so that it is recommended before anyone has rated it
    assert 1001 in {item for item, _ in recommender.recommend(101, 20)}
    assert 1016 in {item for item, _ in recommender.recommend(100, 20)}
    recommender.fold_in(([100], [1001], [1.0]))
    assert recommender.predict(101, 1001)[0] > 4
    assert recommender.predict(102, 1001)[0] < 2
    recommender.fold_in(([200, 200], [1000, 1002], [5.0, 5.0]))
    with pytest.raises(ValueError, match="user 200 was added after training"):
        recommender.explain(200, 1001)
    assert recommender.explain(101, 1001).value > 4


def test_posterior_means_are_those_of_normal_equations():
    rng = np.random.default_rng(0)
    S = sparse.random(6, 8, 0.4, "csr", random_state=1)
    other, A = rng.normal(size=(8, 2)), rng.normal(size=(3, 3))
    covariance, noise = A @ A.T, 0.7
    found = posterior_means(S, other, covariance, noise)
    for row in range(6):
        X = np.column_stack([other, np.ones(8)])[S[row].indices]
        precision = np.linalg.inv(covariance) + X.T @ X / noise
        np.testing.assert_allclose(
            found[row], np.linalg.solve(precision, X.T @ S[row].data / noise)
        )
    assert not posterior_means(S, other, covariance, 0.0).any()


def test_covariances_are_those_that_generated_the_vectors():
    rng = np.random.default_rng(0)
    other = rng.normal(size=(60, 2))
    true = np.array([[2.0, 0.5, 0], [0.5, 1, 0], [0, 0, 0.5]])
    vectors = rng.normal(size=(500, 3)) @ np.linalg.cholesky(true).T
    values = vectors[:, :2] @ other.T + vectors[:, 2:] + 0.5 * rng.normal(size=(500, 60))
    known = rng.random(values.shape) < 0.4
    S = sparse.csr_matrix((values[known], np.nonzero(known)), values.shape)
    found = estimate_covariance(S, other, vectors, 0.25)
    np.testing.assert_allclose(found, true, atol=0.25)


def test_merged_ratings_are_those_of_a_dict():
    rng = np.random.default_rng(0)
    tables = [
        {(int(rng.integers(a, a + 9)), int(rng.integers(b, b + 7))): float(rng.integers(0, 5))
         for _ in range(30)}
        for a, b in ((0, 0), (4, 3))
    ]  # fmt: skip
    old, new = (as_ratings([(u, i, r) for (u, i), r in table.items()]) for table in tables)
    merged, users, items, both_known = merge(old, new)
    found = {(int(u), int(i)): float(r) for u, i, r in zip(*merged.triples(), strict=True)}
    assert found == tables[0] | tables[1]
    assert len(merged) == len(found)
    assert merged.users.values[: len(old.users)].tolist() == old.users.values.tolist()
    assert set(merged.users.values[users].tolist()) == {u for u, _ in tables[1]}
    assert set(merged.items.values[items].tolist()) == {i for _, i in tables[1]}
    known = [{pair[k] for pair in tables[0]} for k in range(2)]
    expected = [u in known[0] and i in known[1] for u, i, _ in zip(*new.triples(), strict=True)]
    assert both_known.tolist() == expected


@pytest.mark.slow
def test_searches_of_scikit_learn():
    (users, items, values), _ = checkerboard()
    table = np.column_stack([users, items, values])
    few = np.append(table, [[999, 1000, 5.0]], axis=0)  # unseen, in the split that tests it
    folds = KFold(3, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scores are NaN
        assert np.isnan(cross_val_score(BiasBaseline(), few, cv=folds)).any()
    recommender = Recommender(2, feedback="explicit", random_state=0, unknown="average")
    found = cross_val_score(recommender, few, cv=folds)
    assert found.min() > 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        search = GridSearchCV(recommender, {"n_components": [1, 2]}, cv=folds).fit(few)
    assert search.best_score_ > 0.3
    assert Recommender(unknown="average").fit(table).predict(7, 1000).shape == (1,)
    with pytest.raises(ValueError, match="unknown must be one of 'error', 'average', got 'skip'"):
        BiasBaseline(unknown="skip").fit(table)
