"""Similar items by their content, as users see it (thesis, 4.2, Fig. 4.2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from simec.checks import check_integer
from simec.recommender.biases import Biases
from simec.recommender.data.features import as_features
from simec.recommender.data.ids import Ids
from simec.recommender.data.ratings import as_ratings

FloatArray = npt.NDArray[np.float32]


class ContentEmbedding(BaseEstimator):  # type: ignore[misc]
    """A map of item features to embeddings whose products are similarities by ratings.

    Two items are similar to users if residuals of their ratings are: by the cosine of columns
    of residuals, in which unknown ones are 0. A Similarity Encoder with features as input
    learns to keep this, so that it can be told of items that nobody has rated.

    Parameters
    ----------
    n_components : int
    hidden_layers : sequence of int
        Units of each hidden layer of the Similarity Encoder.
    l2, max_iter
        As of `simec.SimilarityEncoder`.
    min_ratings : int
        Items with fewer are not learned from.
    device : str
    random_state : int, RandomState or None
    verbose : bool

    Attributes
    ----------
    encoder_ : SimilarityEncoder
    items_ : Ids
        That were learned from.
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
        """Learn from ratings of items that have features.

        Parameters
        ----------
        ratings : as for `as_ratings`
        y : None
            Not used.
        item_features : as for `as_features`

        Raises
        ------
        ValueError
            If fewer than two items have features and enough ratings.
        """
        from sklearn.exceptions import ConvergenceWarning

        from simec.encoder import SimilarityEncoder

        del y
        check_integer("min_ratings", self.min_ratings, 1)
        ratings = as_ratings(ratings)
        features = as_features(item_features, "item", ratings.items)
        assert features is not None
        places = features.ids.find(ratings.items.values)
        used = np.flatnonzero((places >= 0) & (ratings.item_counts >= self.min_ratings))
        if len(used) < 2:
            raise ValueError(
                f"{len(used)} items have features and {self.min_ratings} ratings: two are needed "
                "at least; see min_ratings"
            )
        S = residual_similarity(ratings)[used[:, None], used]
        # of an item to itself it is 1, which says nothing
        np.fill_diagonal(S, np.nan)
        encoder = SimilarityEncoder(
            min(self.n_components, len(used)), hidden_layers=self.hidden_layers, symmetric=1.0,
            l2=self.l2, max_iter=self.max_iter, device=self.device,
            random_state=self.random_state, verbose=self.verbose,
        )  # fmt: skip
        with warnings.catch_warnings():
            # more epochs fit the training items better, and new ones worse
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.encoder_ = encoder.fit(_normalised(features.matrix[places[used]]), S)
        self.items_ = Ids(ratings.items.values[used], "item")
        return self

    def transform(self, X: Any) -> FloatArray:
        """Embeddings of items by their features.

        Parameters
        ----------
        X : array or sparse matrix of shape (m, D)

        Returns
        -------
        float32 array of shape (m, d)
        """
        check_is_fitted(self, "encoder_")
        return self.encoder_.transform(_normalised(X))

    def similarity(self, X: Any, X2: Any = None) -> FloatArray:
        """Predicted similarities, of shape (m, m₂); of items of X to each other without X2."""
        Y = self.transform(X)
        found: FloatArray = Y @ (Y if X2 is None else self.transform(X2)).T
        return found


def residual_similarity(
    ratings: Any, *, shrinkage_users: float = 5.0, shrinkage_items: float = 2.0
) -> FloatArray:
    """Cosines of items' columns of residuals, in which unknown ones are 0.

    Parameters
    ----------
    ratings : as for `as_ratings`
    shrinkage_users, shrinkage_items : float
        Of averages.

    Returns
    -------
    float32 array of shape (n_items, n_items)
        0 for items without ratings.
    """
    matrix = as_ratings(ratings).matrix
    rest = Biases.of(matrix, shrinkage_users, shrinkage_items).residuals(matrix)
    found: FloatArray = (rest.T @ rest).toarray()
    lengths = np.sqrt(np.diag(found))
    found /= np.where(lengths > 0, lengths, 1)
    found /= np.where(lengths > 0, lengths, 1)[:, None]
    return found


def _normalised(X: Any) -> Any:
    """Rows of length 1, or 0."""
    if sparse.issparse(X):
        X = sparse.csr_matrix(X, dtype=np.float32)
        lengths = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)))[:, 0]
        return sparse.diags(1 / np.where(lengths > 0, lengths, 1)).astype(np.float32) @ X
    X = np.asarray(X, np.float32)
    lengths = np.sqrt((X**2).sum(axis=1, keepdims=True))
    return X / np.where(lengths > 0, lengths, 1)
