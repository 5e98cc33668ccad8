"""What all recommenders have in common: ids, averages, ranking, checks.

A recommender is a class with `_fit` and `_residuals`; one whose residuals are products of
embeddings of users and of items derives from `factors.FactorRecommender`, and has `_fit`,
`_embed_users` and `_embed_items`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from simec.recommender import persistence
from simec.recommender.biases import Biases
from simec.recommender.data.features import Features, Points, as_features, gathered
from simec.recommender.data.ids import UnknownIdError, read_ids
from simec.recommender.data.ratings import as_ratings
from simec.recommender.ranking import exclude, lengths, paired, slices, top

FloatArray = npt.NDArray[np.float32]
Unknown = Literal["error", "average"]
Self = TypeVar("Self", bound="BaseRecommender")

_AT_ONCE = 1 << 23  # scores that are held


class BaseRecommender(BaseEstimator):  # type: ignore[misc]
    """Predicts ratings as μ + b_user + b_item + residual, within the range of what was rated.

    Parameters
    ----------
    shrinkage_users, shrinkage_items : float
        Of averages: so many ratings of average height are added to those of each user, and of
        each item.

    Attributes
    ----------
    ratings_ : Ratings
    biases_ : Biases
        All 0 of a recommender that does without (``_uses_biases = False``).
    item_features_, user_features_ : Features or None
    range_ : (float, float) or None
        Lowest and highest rating, which predictions keep to.
    """

    _uses_biases = True
    rating_range: tuple[float, float] | None = None
    describes_biases = False  # whether averages shrink to what features say of them

    def __init__(self, *, shrinkage_users: float = 5.0, shrinkage_items: float = 2.0) -> None:
        self.shrinkage_users = shrinkage_users
        self.shrinkage_items = shrinkage_items

    # Hooks

    def _check(self) -> None:
        """Raise the error of parameters that are out of range."""

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        """Learn from what averages leave.

        Parameters
        ----------
        residuals : CSR matrix, float32, of shape (n_users, n_items)
            What is stored is known, zeros too; ratings themselves without biases. Row i is of
            ``users`` i, column j of ``items`` j. ``self.ratings_`` and ``self.biases_`` are
            there.
        users, items : Points
            All of the ratings, in order, with their features (None if none were given). Some
            may have no ratings.
        """
        raise NotImplementedError

    def _residuals(self, users: Points, items: Points) -> Any:
        """What is added to averages, float array of shape (n_users, n_items).

        Points have ``rows`` of -1 where they are new, and features if there are any; 0 is for
        those of which nothing is known.
        """
        raise NotImplementedError

    def _residual_pairs(self, users: Points, items: Points) -> Any:
        """The same for pairs, of shape (n,)."""
        found = np.zeros(len(users))
        _, firsts, same = np.unique(users.rows, return_index=True, return_inverse=True)
        if (users.rows < 0).any():
            firsts = same = np.arange(len(users))
        order = np.argsort(same, kind="stable")
        ends = np.searchsorted(same[order], np.arange(len(firsts) + 1))
        for k, first in enumerate(firsts):
            of = order[ends[k] : ends[k + 1]]
            found[of] = self._residuals(users.take([first]), items.take(of))[0]
        return found

    def _item_vectors(self, items: Points) -> Any:
        """Vectors whose cosine is the similarity of items, shape (n, d), arrays or CSR."""
        raise NotImplementedError(f"{type(self).__name__} knows no similarity of items")

    # Learning

    def fit(
        self: Self, ratings: Any, y: Any = None, *, item_features: Any = None,
        user_features: Any = None,
    ) -> Self:  # fmt: skip
        """Learn from ratings.

        Parameters
        ----------
        ratings : as for `as_ratings`
            Triples (user, item, value), a data frame, or a sparse matrix of users by items.
        y : None
            Not used.
        item_features, user_features : as for `as_features`, optional
            A data frame by ids, (ids, matrix), or a matrix in the order of the ids.
        """
        del y
        self._check()
        self.ratings_ = as_ratings(ratings)
        matrix = self.ratings_.matrix
        self.item_features_ = as_features(item_features, "item", self.ratings_.items)
        self.user_features_ = as_features(user_features, "user", self.ratings_.users)
        users, items = self._users(), self._items()
        self.range_: tuple[float, float] | None = None
        if self._uses_biases:
            self.biases_ = self._new_biases(matrix, users, items)
            self.range_ = self.rating_range or (
                float(matrix.data.min()), float(matrix.data.max())
            )  # fmt: skip
            rest = self.biases_.residuals(matrix)
        else:
            self.biases_ = Biases.none(matrix.shape)
            rest = matrix.copy()
        self._fit(rest, users, items)
        return self

    # Applying

    def predict(
        self,
        users: Any,
        items: Any,
        *,
        item_features: Any = None,
        user_features: Any = None,
        unknown: Unknown = "error",
    ) -> FloatArray:
        """Ratings of pairs.

        Parameters
        ----------
        users, items : sequences of n ids
            Or one id, for all of the others.
        item_features, user_features : as for `fit`, with ids
            Of items or users that were not there in training.
        unknown : {"error", "average"}
            What becomes of new users and items without features: an error that names the
            first, or averages.

        Returns
        -------
        float32 array of shape (n,)

        Raises
        ------
        UnknownIdError
            With ``unknown="error"``; it is a KeyError.
        """
        wanted_u, wanted_i = paired(users, items)
        u = self._users(wanted_u, user_features, unknown)
        i = self._items(wanted_i, item_features, unknown)
        if len(u) != len(i):
            raise ValueError(f"there are {len(u)} users and {len(i)} items: pairs are needed")
        found = np.empty(len(u))
        for some in slices(len(u), _AT_ONCE // 64):
            some_u, some_i = u.take(some), i.take(some)
            found[some] = (
                self.biases_.mean
                + self.biases_.user(some_u.rows, some_u.features)
                + self.biases_.item(some_i.rows, some_i.features)
                + self._residual_pairs(some_u, some_i)
            )
        return self._clipped(found)

    def recommend(
        self,
        user: Any,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        items: Any = None,
        item_features: Any = None,
        user_features: Any = None,
        unknown: Unknown = "error",
    ) -> list[Any]:
        """The items that a user is predicted to rate highest.

        Parameters
        ----------
        user : id, or sequence of ids
        n : int
        exclude_seen : bool
            Whether items that the user has rated are left out.
        items : sequence of ids, optional
            Those to choose from; all of training, and of `item_features`, if left out.
        item_features, user_features, unknown
            As for `predict`.

        Returns
        -------
        list of (item, score)
            Best first, at most n; a list of such lists for several users. Scores are not
            clipped to the range of ratings, so that they tell good from better.
        """
        one = np.ndim(user) == 0
        u = self._users([user] if one else user, user_features, unknown)
        names = self._candidates(items, item_features)
        i = self._items(names, item_features, unknown)
        found: list[Any] = []
        for some in slices(len(u), max(1, _AT_ONCE // max(len(i), 1))):
            scores = self._scores(u.take(some), i)
            if exclude_seen:
                exclude(scores, u.rows[some], i.rows, self.ratings_.matrix)
            for row in scores:
                best = top(row, n)
                ids = names[best].tolist()
                found.append(list(zip(ids, row[best].tolist(), strict=True)))
        return found[0] if one else found

    def similar_items(
        self, item: Any, n: int = 10, *, item_features: Any = None
    ) -> list[tuple[Any, float]]:
        """The items nearest to one, by the cosine of their embeddings.

        Parameters
        ----------
        item : id
        n : int
        item_features : as for `predict`

        Returns
        -------
        list of (item, similarity)
        """
        names = self._candidates(None, item_features)
        vectors = self._item_vectors(self._items(names, item_features))
        own = self._item_vectors(self._items([item], item_features))
        product = vectors @ own.T
        similar = np.asarray(product.toarray() if hasattr(product, "toarray") else product)[:, 0]
        scale = lengths(vectors) * lengths(own)
        similar = similar / np.where(scale > 0, scale, np.inf)
        similar[names == read_ids([item], "item")[0]] = -np.inf
        best = top(similar, n)
        return list(zip(names[best].tolist(), similar[best].tolist(), strict=True))

    def score(self, ratings: Any, y: Any = None, **features: Any) -> float:
        """Share of the variance of ratings that predictions explain (R²).

        Parameters
        ----------
        ratings : as for `fit`
        y : None
            Not used.
        **features
            ``item_features``, ``user_features`` and ``unknown``, as for `predict`.
        """
        del y
        users, items, values = as_ratings(ratings).triples()
        wrong = self.predict(users, items, **features) - values
        variance = float(np.var(values.astype(np.float64)))
        error = float(np.mean(wrong.astype(np.float64) ** 2))
        return 1 - error / variance if variance else float(error == 0)

    # On disk

    def save(self, path: Any) -> None:
        """Write a folder of safetensors and JSON, whole or not at all.

        Parameters
        ----------
        path : str or path
            What is there is replaced if it is such a folder.

        Raises
        ------
        NotFittedError
            If it was not fitted.
        OSError
            If `path` cannot be written, or holds something other than a recommender.
        """
        check_is_fitted(self, "ratings_")
        persistence.save(self, path)

    @classmethod
    def load(cls: type[Self], path: Any, *, device: str | None = None) -> Self:
        """Read what `save` wrote; ``BaseRecommender.load`` reads any recommender.

        Parameters
        ----------
        path : str or path
        device : str, optional
            Another than the recommender was made with.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        RecommenderError
            If it holds no recommender, another one, a damaged one, or one of a newer version.
        """
        found: Self = persistence.load(cls, path, device)
        return found

    # Parts

    def _new_biases(self, matrix: Any, users: Points, items: Points) -> Biases:
        X = (users.features, items.features) if self.describes_biases else ()
        return Biases.described(matrix, self.shrinkage_users, self.shrinkage_items, *X)

    def _users(
        self, wanted: Any = None, features: Any = None, unknown: Unknown = "error"
    ) -> Points:
        """Users with their features; all of training if no ids are given."""
        return self._points(wanted, features, unknown, "user")

    def _items(
        self, wanted: Any = None, features: Any = None, unknown: Unknown = "error"
    ) -> Points:
        """Items, likewise."""
        return self._points(wanted, features, unknown, "item")

    def _points(self, wanted: Any, features: Any, unknown: Unknown, what: str) -> Points:
        check_is_fitted(self, "ratings_")
        if unknown not in ("error", "average"):
            raise ValueError(f"unknown is 'error' or 'average', not {unknown!r}")
        ids = self.ratings_.users if what == "user" else self.ratings_.items
        known = self.user_features_ if what == "user" else self.item_features_
        if wanted is None:
            return gathered(np.arange(len(ids)), ids.values, known, None, what)
        wanted = read_ids(wanted, what)
        points = gathered(ids.find(wanted), wanted, known, self._new(features, known, what), what)
        new = (points.rows < 0) & ~points.described
        if unknown == "error" and new.any():
            raise UnknownIdError(
                f"{what} {wanted[new.argmax()].item()!r} was not there in training, and has no "
                f"features: give {what}_features, or unknown='average'"
            )
        return points

    def _new(self, features: Any, known: Features | None, what: str) -> Features | None:
        if features is not None and known is None:
            raise ValueError(
                f"{what} features are given, but {type(self).__name__} was fitted without any"
            )
        return as_features(features, what)

    def _candidates(self, items: Any, features: Any) -> npt.NDArray[Any]:
        """Ids of the items to choose from."""
        check_is_fitted(self, "ratings_")
        ids = self.ratings_.items
        if items is not None:
            return read_ids(items, "item")
        more = self._new(features, self.item_features_, "item")
        if more is None:
            return ids.values
        new = more.ids.values[ids.find(more.ids.values) < 0]
        return np.concatenate([ids.values, new])

    def _scores(self, users: Points, items: Points) -> npt.NDArray[np.float64]:
        """Predictions of all pairs, not clipped, of shape (n_users, n_items)."""
        found = np.array(self._residuals(users, items), np.float64)
        found += self.biases_.item(items.rows, items.features)
        found += (self.biases_.mean + self.biases_.user(users.rows, users.features))[:, None]
        return found

    def _clipped(self, values: Any) -> FloatArray:
        if self.range_ is not None:
            values = np.clip(values, *self.range_)
        found: FloatArray = values.astype(np.float32)
        return found
