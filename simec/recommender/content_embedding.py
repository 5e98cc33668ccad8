"""Embeddings of item features that reflect users' ratings (thesis, 4.2, Fig. 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from corpora.checks import check_integer
from simec.linalg.factorization import scaled
from simec.recommender.biases import Biases
from simec.recommender.data.features import as_features
from simec.recommender.data.ratings import Ids, as_ratings
from simec.recommender.ranking import lengths
from simec.types import FloatArray


class ContentEmbedding(BaseEstimator):  # type: ignore[misc]
    """Maps item features to embeddings whose scalar products approximate rating similarities.

    The similarity of two items is the cosine of their columns of residuals, with zeros for
    missing ratings. A Similarity Encoder learns to predict it from features, also for items
    without ratings.

    Parameters
    ----------
    n_components : int
    hidden_layers : sequence of int
        Units of each hidden layer of the Similarity Encoder.
    l2, max_iter
        As in `simec.SimilarityEncoder`.
    min_ratings : int
        Items with fewer ratings are not used for training.
    device : str
    random_state : int, RandomState or None
    verbose : bool
        Show progress bars.

    Attributes
    ----------
    encoder_ : SimilarityEncoder
    items_ : Ids
        Items used for training.
    """

    def __init__(
        self,
        n_components: int = 50,
        *,
        hidden_layers: Sequence[int] = (200,),
        l2: float = 1e-6,
        max_iter: int = 20,
        min_ratings: int = 20,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.hidden_layers = hidden_layers
        self.l2 = l2
        self.max_iter = max_iter
        self.min_ratings = min_ratings
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, ratings: Any, y: Any = None, *, item_features: Any) -> ContentEmbedding:
        """Fit to ratings of items that have features.

        Parameters
        ----------
        ratings : as for `as_ratings`
        y : None
            Ignored.
        item_features : as for `as_features`

        Raises
        ------
        ValueError
            If fewer than two items have features and enough ratings.
        """
        from simec.encoder import SimilarityEncoder

        del y
        check_integer("min_ratings", self.min_ratings, 1)
        ratings = as_ratings(ratings)
        features = as_features(item_features, "item", ratings.items)
        if features is None:
            raise ValueError("ContentEmbedding needs item_features, got None")
        rows = features.ids.find(ratings.items.values)
        used = np.flatnonzero((rows >= 0) & (ratings.item_counts >= self.min_ratings))
        if len(used) < 2:
            raise ValueError(
                f"at least two items must have features and {self.min_ratings} ratings, got "
                f"{len(used)} items. Lower min_ratings"
            )
        S = residual_similarity(ratings)[used[:, None], used]
        # the diagonal is 1 and carries no information
        np.fill_diagonal(S, np.nan)
        encoder = SimilarityEncoder(
            min(self.n_components, len(used)), hidden_layers=self.hidden_layers, symmetric=1.0,
            l2=self.l2, max_iter=self.max_iter, device=self.device,
            random_state=self.random_state, verbose=self.verbose,
        )  # fmt: skip
        X = _normalize(features.matrix[rows[used]])
        # Training is stopped early on purpose, so that no warning says that the loss still falls:
        # more epochs would overfit the training items.
        n_epochs = int(self.max_iter)
        self.encoder_ = encoder.fit(X, S, callbacks=lambda e: len(e.loss_curve_) >= n_epochs)
        self.items_ = Ids(ratings.items.values[used], "item")
        return self

    def transform(self, X: Any) -> FloatArray:
        """Embed items by their features.

        Parameters
        ----------
        X : array or sparse matrix of shape (m, D)

        Returns
        -------
        float32 array of shape (m, d)
        """
        check_is_fitted(self, "encoder_")
        return self.encoder_.transform(_normalize(X))

    def similarity(self, X: Any, X2: Any = None) -> FloatArray:
        """Predict similarities of items, shape (m, m₂); X2 defaults to X."""
        Y = self.transform(X)
        similarities: FloatArray = Y @ (Y if X2 is None else self.transform(X2)).T
        return similarities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but ratings
        return tags


def residual_similarity(
    ratings: Any, *, shrinkage_users: float = 5.0, shrinkage_items: float = 2.0
) -> FloatArray:
    """Compute cosines of items' columns of residuals, with zeros for missing ratings.

    Parameters
    ----------
    ratings : as for `as_ratings`
    shrinkage_users, shrinkage_items : float
        As in `BaseRecommender`.

    Returns
    -------
    float32 array of shape (n_items, n_items)
        0 for items without ratings.
    """
    matrix = as_ratings(ratings).matrix
    residuals = Biases.fit(matrix, shrinkage_users, shrinkage_items).residuals(matrix)
    residuals = scaled(residuals)  # cosines do not change
    similarities: FloatArray = (residuals.T @ residuals).toarray()
    scale = np.sqrt(np.diag(similarities))
    scale = np.where(scale > 0, scale, 1)
    similarities /= scale
    similarities /= scale[:, None]
    return similarities


def _normalize(X: Any) -> Any:
    """Scale rows to length 1; rows of zeros are unchanged."""
    if sparse.issparse(X):
        X = sparse.csr_matrix(X, dtype=np.float32)
        norms = lengths(X)
        return sparse.diags(1 / np.where(norms > 0, norms, 1)).astype(np.float32) @ X
    X = np.asarray(X, np.float32)
    norms = lengths(X)[:, None]
    return X / np.where(norms > 0, norms, 1)
