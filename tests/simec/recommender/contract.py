"""Tests that all recommenders must pass: the test class of each recommender inherits them.

Ratings form a checkerboard: users with even ids like items with even ids, and users with odd ids
like items with odd ids, so the expected predictions are known.
"""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from simec.recommender import UnknownIdError, as_ratings, evaluate
from simec.recommender.base import BaseRecommender, FactorRecommender

N_USERS, N_ITEMS = 24, 16


def checkerboard(share=0.75, seed=0):
    """Training and test ratings: users (from 100), items (from 1000) and values."""
    users, items = np.divmod(np.arange(N_USERS * N_ITEMS), N_ITEMS)
    values = np.where((users + items) % 2 == 0, 5.0, 1.0)
    known = np.random.default_rng(seed).random(len(users)) < share
    # every user and every item has training ratings
    known[(items - users) % N_ITEMS < 4] = True
    triples = users + 100, items + 1000, values
    return tuple(part[known] for part in triples), tuple(part[~known] for part in triples)


class RecommenderContract:
    """Tests of a recommender.

    Attributes
    ----------
    learns : bool
        Whether predictions depend on the pair of user and item, not only on averages.
    knows_similar : bool
        Whether `similar_items` is implemented.
    implicit : bool
        Whether the recommender is for implicit feedback.
    features : dict
        Features passed to `fit`.
    """

    learns = True
    knows_similar = True
    implicit = False
    features: ClassVar[dict] = {}

    def make(self):
        """Return an unfitted recommender."""
        raise NotImplementedError

    def fit(self, ratings):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* have no features")
            return self.make().fit(ratings, **self.features)

    @pytest.fixture
    def fitted(self):
        cls = type(self)
        if "_fitted" not in vars(cls):
            cls._fitted = self.fit(self.known())
        return cls._fitted

    def known(self):
        (users, items, values), _ = checkerboard()
        if self.implicit:
            liked = values > 3
            return users[liked], items[liked], np.ones(int(liked.sum()))
        return users, items, values

    def test_what_was_left_out_is_predicted(self, fitted):
        if not self.learns:
            pytest.skip("averages do not predict single ratings")
        _, (users, items, values) = checkerboard()
        found = fitted.predict(users, items)
        assert found.dtype == np.float32
        assert found.shape == values.shape
        middle = np.median(found) if self.implicit else 3
        assert ((found > middle) == (values > 3)).mean() > 0.9

    def test_recommendations_have_the_parity_of_the_user(self, fitted):
        if not self.learns:
            pytest.skip("averages recommend the same items to all users")
        _, (users, items, values) = checkerboard()
        for user in range(100, 100 + N_USERS):
            left = set(items[(users == user) & (values > 3)].tolist())
            found = [item for item, _ in fitted.recommend(user, len(left))] if left else []
            assert set(found) == left

    def test_recommendations_are_sorted_and_leave_out_seen_items(self, fitted):
        users, items, _ = self.known()
        seen = set(items[users == 103].tolist())
        found = fitted.recommend(103, topn=N_ITEMS)
        assert len(found) == N_ITEMS - len(seen)
        assert not seen & {item for item, _ in found}
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        every = fitted.recommend(103, topn=N_ITEMS, exclude_seen=False)
        assert {item for item, _ in every} == set(range(1000, 1000 + N_ITEMS))
        assert [pair for pair in every if pair[0] not in seen] == found

    def test_several_users_at_once(self, fitted):
        users = [101, 100, 117]
        # sums of one user and of several may be rounded differently
        for several, user in zip(fitted.recommend(users, 3), users, strict=True):
            for (item, score), (other, expected) in zip(
                several, fitted.recommend(user, 3), strict=True
            ):
                assert score == pytest.approx(expected, rel=1e-5, abs=1e-6)
                assert item == other
        assert fitted.recommend(np.array(users), 3) == fitted.recommend(users, 3)
        assert fitted.recommend([], 3) == []

    def test_batches_are_lists_as_arrays(self, fitted):
        if not isinstance(fitted, FactorRecommender):
            return
        for options in ({}, {"exclude_seen": False}, {"items": [1003, 1001, 1007]}):
            items, scores = fitted.recommend_batch(topn=5, **options)
            assert scores.dtype == np.float32
            assert items.shape == scores.shape == (N_USERS, 5)
            for k, row in enumerate(fitted.recommend(range(100, 100 + N_USERS), 5, **options)):
                left = np.isfinite(scores[k])
                assert left.sum() == len(row)
                assert (items[k] == -1).tolist() == (~left).tolist()
                expected = [score for _, score in row]
                np.testing.assert_allclose(scores[k][left], expected, rtol=1e-4, atol=1e-4)
                every = dict(fitted.recommend(100 + k, N_ITEMS, exclude_seen=False))
                found = [every[item] for item in items[k][left].tolist()]
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    def test_candidates(self, fitted):
        found = fitted.recommend(100, 5, items=[1003, 1001, 1007], exclude_seen=False)
        assert {item for item, _ in found} == {1001, 1003, 1007}
        every = dict(fitted.recommend(100, N_ITEMS, exclude_seen=False))
        for item, score in found:
            assert score == pytest.approx(every[item], rel=1e-5, abs=1e-6)

    def test_clipped_scores_are_predictions(self, fitted):
        found = fitted.recommend(104, N_ITEMS, exclude_seen=False)
        items, scores = zip(*found, strict=True)
        low, high = fitted.range_ or (-np.inf, np.inf)
        expected = np.clip(scores, low, high)
        np.testing.assert_allclose(fitted.predict(104, items), expected, rtol=1e-4, atol=1e-5)
        one = fitted.predict(104, items[0])
        assert one.shape == (1,)

    def test_pairs_are_entries_of_the_matrix(self, fitted):
        rng = np.random.default_rng(0)
        rows, columns = rng.integers(0, N_USERS, 50), rng.integers(0, N_ITEMS, 50)
        users, items = fitted._users(), fitted._items()
        matrix = np.asarray(fitted._residuals(users, items))
        assert matrix.shape == (N_USERS, N_ITEMS)
        pairs = fitted._residual_pairs(users.take(rows), items.take(columns))
        np.testing.assert_allclose(pairs, matrix[rows, columns], rtol=1e-4, atol=1e-5)

    def test_similar_items_have_the_same_parity(self, fitted):
        if not self.knows_similar:
            with pytest.raises(NotImplementedError, match=type(fitted).__name__):
                fitted.similar_items(1002)
            return
        found = fitted.similar_items(1002, 5)
        assert len(found) == 5
        assert all((item - 1002) % 2 == 0 and item != 1002 for item, _ in found)
        similar = [value for _, value in found]
        assert similar == sorted(similar, reverse=True)
        assert max(similar) <= 1 + 1e-5

    def test_unknown_ids_are_named(self, fitted):
        with pytest.raises(
            UnknownIdError, match=r"^user 7 is not in the training data.*unknown='average'"
        ):
            fitted.predict([100, 7], [1000, 1000])
        with pytest.raises(KeyError, match="item 9 is not in the training data"):
            fitted.predict(100, 9)
        with pytest.raises(UnknownIdError, match="user 7"):
            fitted.recommend(7)
        with pytest.raises(UnknownIdError, match="item 3 "):
            fitted.recommend(100, items=[1001, 3])
        with pytest.raises(
            ValueError, match="unknown must be one of 'error', 'average', got 'mean'"
        ):
            fitted.predict(100, 9, unknown="mean")
        if self.knows_similar:
            with pytest.raises(UnknownIdError, match="item 3 "):
                fitted.similar_items(3)

    def test_unknown_ids_are_predicted_from_averages(self, fitted):
        b = fitted.biases_
        users, items = [7, 100, 7], [1000, 9, 9]
        found = fitted.predict(users, items, unknown="average")
        expected = b.mean + np.array([b.items[0], b.users[0], 0])
        if fitted.range_:
            expected = expected.clip(*fitted.range_)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert len(fitted.recommend(7, 4, unknown="average")) == 4

    def test_ids_of_the_other_kind(self, fitted):
        with pytest.raises(TypeError, match="user ids must be integers, got strings such as 'x'"):
            fitted.predict(["x"], [1000])

    def test_a_user_and_an_item_without_ratings(self):
        users, items, values = self.known()
        shape = N_USERS + 1, N_ITEMS + 1
        matrix = sparse.coo_matrix((values, (users - 100, items - 1000)), shape)
        last_user, last_item = 100 + N_USERS, 1000 + N_ITEMS
        ids = {"users": range(100, last_user + 1), "items": range(1000, last_item + 1)}
        recommender = self.fit(as_ratings(matrix, **ids))
        b = recommender.biases_
        assert b.users[-1] == 0
        assert b.items[-1] == 0
        found = recommender.predict(last_user, ids["items"])
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, b.mean + b.items, rtol=1e-4, atol=1e-4)
        assert len(recommender.recommend(last_user, 3)) == 3
        assert np.isfinite(recommender.predict(ids["users"], last_item)).all()

    def test_the_order_of_ratings_does_not_matter(self, fitted):
        users, items, values = self.known()
        order = np.random.default_rng(1).permutation(len(users))
        other = self.fit((users[order], items[order], values[order]))
        u, i = np.divmod(np.arange(60), N_ITEMS)
        np.testing.assert_allclose(
            other.predict(u + 100, i + 1000), fitted.predict(u + 100, i + 1000), rtol=1e-4
        )

    def test_ids_may_be_strings(self, fitted):
        users, items, values = self.known()
        if self.features:
            pytest.skip("the features have integer ids")
        named = [f"u{user}" for user in users], [f"i{item}" for item in items], values
        other = self.fit(named)
        found = other.recommend("u105", 4)
        expected = fitted.recommend(105, 4)
        assert {type(item) for item, _ in found} == {str}
        np.testing.assert_allclose(
            [score for _, score in found], [score for _, score in expected], rtol=1e-3, atol=1e-4
        )
        assert all(type(item) is int and type(score) is float for item, score in expected)

    def test_ratings_are_not_changed(self):
        ratings = as_ratings(self.known())
        before = ratings.matrix.copy()
        self.fit(ratings)
        assert (ratings.matrix != before).nnz == 0

    def test_predictions_are_in_the_range_of_ratings(self, fitted):
        if fitted.range_ is None:
            pytest.skip("scores of implicit feedback have no range")
        u, i = np.divmod(np.arange(N_USERS * N_ITEMS), N_ITEMS)
        found = fitted.predict(u + 100, i + 1000)
        assert found.min() >= 1
        assert found.max() <= 5

    def test_as_an_estimator(self, fitted):
        made = self.make()
        assert clone(made).get_params() == made.get_params()
        assert isinstance(fitted, BaseRecommender)
        for use in (lambda r: r.predict(1, 1), lambda r: r.recommend(1), lambda r: r.save("x")):
            with pytest.raises(NotFittedError):
                use(made)

    def test_score_is_the_explained_variance(self, fitted):
        _, (users, items, values) = checkerboard()
        if self.implicit:
            liked = values > 3
            rest = users[liked], items[liked], values[liked]
            assert fitted.score(rest) == evaluate(fitted, rest)["ndcg"] > 0.9
            return
        found = fitted.predict(users, items).astype(float)
        expected = 1 - ((found - values) ** 2).mean() / values.var()
        assert fitted.score((users, items, values)) == pytest.approx(expected, rel=1e-5)

    def test_evaluation(self, fitted):
        _, rest = checkerboard()
        found = evaluate(fitted, rest, 5, relevant=4)
        assert ("rmse" in found) == (not self.implicit)
        if not self.implicit:
            wrong = fitted.predict(rest[0], rest[1]) - rest[2]
            assert found["rmse"] == pytest.approx(float(np.sqrt((wrong**2).mean())), rel=1e-5)
        if self.learns:
            assert found["recall"] > 0.9
            assert found["ndcg"] > 0.9
            assert found["hits"] > 0.9
            assert 0.9 < found["coverage"] <= 1

    def test_saved_and_loaded(self, fitted, tmp_path):
        fitted.save(tmp_path / "model")
        fitted.save(tmp_path / "model")  # replaces the folder
        again = BaseRecommender.load(tmp_path / "model")
        assert type(again) is type(fitted)
        assert again.get_params() == fitted.get_params()
        u, i = np.divmod(np.arange(N_USERS * N_ITEMS), N_ITEMS)
        pairs = u + 100, i + 1000
        np.testing.assert_array_equal(again.predict(*pairs), fitted.predict(*pairs))
        assert again.recommend(103, 5) == fitted.recommend(103, 5)
        assert type(fitted).load(tmp_path / "model").range_ == fitted.range_
        if self.knows_similar:
            assert again.similar_items(1001, 3) == fitted.similar_items(1001, 3)
