"""Recommendations: ratings of items by users, predicted and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch
from simec.recommender.base import BaseRecommender
from simec.recommender.baselines.averages import Averages
from simec.recommender.baselines.content_linear import ContentLinear
from simec.recommender.baselines.item_knn import Neighbourhood
from simec.recommender.baselines.svd import ResidualSVD, SVDRidge
from simec.recommender.cold_start import ColdStartRecommender
from simec.recommender.content_embedding import ContentEmbedding
from simec.recommender.data.features import Features, as_features
from simec.recommender.data.files import FileError, read_features, read_ratings
from simec.recommender.data.ids import Ids, IdTypeError, UnknownIdError
from simec.recommender.data.movielens import read_movielens, read_movies, read_users
from simec.recommender.data.ratings import Ratings, as_ratings
from simec.recommender.evaluation import evaluate
from simec.recommender.factors import FactorRecommender
from simec.recommender.persistence import RecommenderError

if TYPE_CHECKING:
    from simec.recommender.recommender import Recommender

__all__ = [
    "Averages",
    "BaseRecommender",
    "ColdStartRecommender",
    "ContentEmbedding",
    "ContentLinear",
    "FactorRecommender",
    "Features",
    "FileError",
    "IdTypeError",
    "Ids",
    "Neighbourhood",
    "Ratings",
    "Recommender",
    "RecommenderError",
    "ResidualSVD",
    "SVDRidge",
    "UnknownIdError",
    "as_features",
    "as_ratings",
    "evaluate",
    "read_features",
    "read_movielens",
    "read_movies",
    "read_ratings",
    "read_users",
]

# all but `Recommender` does without PyTorch
__getattr__ = needing_torch(__name__, {"Recommender": "recommender"})
