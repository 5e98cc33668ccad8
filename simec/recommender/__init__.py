"""Recommenders: predict and explain users' ratings of items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpora.deprecated import deprecated_names
from corpora.errors import ModelError
from simec.lazy import needing_torch
from simec.recommender.base import BaseRecommender, FactorRecommender
from simec.recommender.baselines.bias_baseline import BiasBaseline
from simec.recommender.baselines.content_linear import ContentLinear
from simec.recommender.baselines.item_knn import ItemKNN
from simec.recommender.baselines.svd import ResidualSVD, SVDRidge
from simec.recommender.cold_start import ColdStartRecommender
from simec.recommender.content_embedding import ContentEmbedding
from simec.recommender.data.features import Features, as_features
from simec.recommender.data.files import FileError, read_features, read_ratings
from simec.recommender.data.movielens import read_movielens, read_movies, read_users
from simec.recommender.data.ratings import Ids, IdTypeError, Ratings, UnknownIdError, as_ratings
from simec.recommender.ease import EASE
from simec.recommender.evaluation import evaluate
from simec.recommender.ranking_factors import RankingRecommender
from simec.recommender.tuning import Tuning, tune

if TYPE_CHECKING:
    from simec.recommender.recommender import Recommender

__all__ = [
    "EASE",
    "BaseRecommender",
    "BiasBaseline",
    "ColdStartRecommender",
    "ContentEmbedding",
    "ContentLinear",
    "FactorRecommender",
    "Features",
    "FileError",
    "IdTypeError",
    "Ids",
    "ItemKNN",
    "ModelError",
    "RankingRecommender",
    "Ratings",
    "Recommender",
    "ResidualSVD",
    "SVDRidge",
    "Tuning",
    "UnknownIdError",
    "as_features",
    "as_ratings",
    "evaluate",
    "read_features",
    "read_movielens",
    "read_movies",
    "read_ratings",
    "read_users",
    "tune",
]

_deprecated = deprecated_names(
    __name__,
    {
        "Averages": "simec.recommender.baselines.bias_baseline.BiasBaseline",
        "Neighbourhood": "simec.recommender.baselines.item_knn.ItemKNN",
        "RecommenderError": "corpora.errors.ModelError",
    },
)
_lazy = needing_torch(__name__, {"Recommender": "recommender"})  # only this one needs PyTorch


def __getattr__(name: str) -> Any:
    return _lazy(name) if name in __all__ else _deprecated(name)
