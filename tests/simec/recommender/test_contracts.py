"""BiasBaseline and `Recommender` in all its forms keep the contract."""

from __future__ import annotations

import numpy as np

from simec.recommender import BiasBaseline, Recommender
from tests.simec.recommender.contract import N_ITEMS, N_USERS, RecommenderContract


class TestAverages(RecommenderContract):
    learns = knows_similar = False

    def make(self):
        return BiasBaseline()


class TestSampled(RecommenderContract):
    def make(self):
        return Recommender(2, feedback="explicit", random_state=0)


class TestLeastSquares(RecommenderContract):
    def make(self):
        return Recommender(2, l2=0.3)


class TestImplicit(RecommenderContract):
    implicit = True

    def make(self):
        return Recommender(2, feedback="implicit", alpha=5.0, l2=0.5)


def colours(n):
    """The parity of each, as two features, and one that says nothing."""
    found = np.zeros((n, 3), np.float32)
    found[np.arange(n), np.arange(n) % 2] = 1
    found[:, 2] = np.random.default_rng(0).standard_normal(n)
    return found


ITEMS = {"item_features": (np.arange(1000, 1000 + N_ITEMS), colours(N_ITEMS))}
USERS = {"user_features": (np.arange(100, 100 + N_USERS), colours(N_USERS))}


class TestItemFeatures(RecommenderContract):
    features = ITEMS

    def make(self):
        return Recommender(2, l2=0.3)


class TestUserFeatures(RecommenderContract):
    features = USERS

    def make(self):
        return Recommender(2, l2=0.3)


class TestBothFeatures(RecommenderContract):
    features = ITEMS | USERS

    def make(self):
        return Recommender(2, l2=0.3)


class TestFeaturesAlone(RecommenderContract):
    features = ITEMS

    def make(self):
        return Recommender(2, l2=0.3, id_feature_scale=0)


class TestHiddenLayers(RecommenderContract):
    features = ITEMS

    def make(self):
        return Recommender(
            2,
            hidden_layers=(6,),
            l2=0.01,
            id_feature_scale=0,
            max_iter=30,
            batch_size=8,
            random_state=0,
        )


class TestImplicitWithFeatures(RecommenderContract):
    implicit = True
    features = ITEMS

    def make(self):
        return Recommender(2, feedback="implicit", alpha=5.0, l2=0.5)
