"""Base classes of recommenders: ids, biases, ranking, explained variance, model folders.

A recommender derives from `BaseRecommender` and defines `_fit` and `_residuals`; one whose
residuals are products of embeddings derives from `FactorRecommender` and defines `_fit`,
`_embed_users` and `_embed_items`.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from corpora.checks import check_choice, check_integer, check_number, closest, shorten
from corpora.deprecated import renamed_parameters
from corpora.errors import ModelError, warn
from corpora.hub import HubModel
from corpora.jit import announce_compilation
from corpora.model_folder import FolderReader, open_folder, write_folder
from corpora.saved_data import check_saved_object, saved_seed
from simec.linalg.checks import OVERFLOW, QUIET
from simec.linalg.factorization import finite, scaled
from simec.recommender.biases import Biases
from simec.recommender.data.features import Features, as_features
from simec.recommender.data.ratings import (
    Ids,
    Ratings,
    UnknownIdError,
    as_ratings,
    plain,
    read_ids,
)
from simec.recommender.ranking import (
    batches,
    exclude,
    highest,
    is_single,
    lengths,
    paired,
    rank_metrics,
)
from simec.recommender.state import check_attribute, check_shape, pack, unpack
from simec.recommender.top_items import select_top
from simec.types import Float64, FloatArray

logger = logging.getLogger(__name__)

Unknown = Literal["error", "average"]
Self = TypeVar("Self", bound="BaseRecommender")

KIND = "simec.Recommender"
ENCODER_KIND, ENCODER_VERSION = "simec.SimilarityEncoder", 3
FORMAT_VERSION = 3

_CONFIG, _ARRAYS = "config.json", "arrays.safetensors"
_BUFFER = 1 << 23  # scores held in memory at a time
_ITEMS = 1 << 8  # items per batch of predicted pairs
_BLOCK = 1 << 18  # scores of a block that stays in the cache
# names of classes in folders of format versions 1 and 2, and their current names
_RENAMED_CLASSES = {"Averages": "BiasBaseline", "Neighbourhood": "ItemKNN"}


@dataclass(frozen=True)
class Entities:
    """A batch of users or items, as passed to the hooks of a recommender.

    Attributes
    ----------
    rows : int64 array of shape (n,)
        Row of each user, or column of each item, in the training ratings; -1 for new ones.
    features : float32 array or CSR matrix of shape (n, D), or None
        Zeros for entities without features. None if the recommender was fitted without features
        of this kind.
    has_features : bool array of shape (n,)
    kind : {"user", "item"}
    """

    rows: npt.NDArray[np.int64]
    features: Any
    has_features: npt.NDArray[np.bool_]
    kind: str

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: Any) -> Entities:
        """Select entities by indices, a slice or a mask."""
        features = None if self.features is None else self.features[which]
        return replace(
            self, rows=self.rows[which], features=features, has_features=self.has_features[which]
        )

    @classmethod
    def gather(
        cls,
        rows: npt.NDArray[np.int64],
        ids: Any,
        training: Features | None,
        new: Features | None,
        kind: str,
    ) -> Entities:
        """Look up features: those passed for a prediction, or else those of the training data.

        Parameters
        ----------
        rows : int64 array of shape (n,)
        ids : sequence of n ids
        training, new : Features or None
            Features of the training data, and those passed for a prediction. If both have names,
            features are matched by name.
        kind : {"user", "item"}
        """
        if new is not None and training is not None:
            if training.names is not None:
                new = new.named(training.names)
            elif new.names is not None:
                warn(
                    f"{kind} features have names, but those of the training data have none: they "
                    "are read by position"
                )
        has_features = np.zeros(len(rows), bool)
        parts: list[Any] = []
        for features in (new, training):
            if features is None:
                continue
            place = features.ids.find(ids)
            use = (place >= 0) & ~has_features
            has_features |= use
            parts.append(_feature_rows(features.matrix, place, use))
        if not parts:
            return cls(rows, None, has_features, kind)
        if len(parts) == 1:
            return cls(rows, parts[0], has_features, kind)
        if parts[0].shape[1] != parts[1].shape[1]:
            raise ValueError(
                f"new {kind}s have {parts[0].shape[1]} features, but the training data has "
                f"{parts[1].shape[1]}. Pass the same features, in the same order"
            )
        if sparse.issparse(parts[0]) != sparse.issparse(parts[1]):
            parts = [sparse.csr_matrix(part) for part in parts]
        total = parts[0] + parts[1]
        return cls(rows, total.tocsr() if sparse.issparse(total) else total, has_features, kind)


# types of the attributes that all recommenders have
_ATTRIBUTES: dict[str, tuple[type, ...]] = {
    "ratings_": (Ratings,), "biases_": (Biases,), "item_features_": (Features, type(None)),
    "user_features_": (Features, type(None)), "range_": (tuple, type(None)),
}  # fmt: skip


class BaseRecommender(HubModel, BaseEstimator):  # type: ignore[misc]
    """Predicts ratings as μ + b_user + b_item + residual, clipped to the range of ratings.

    Parameters
    ----------
    shrinkage_users, shrinkage_items : float
        Penalties on squared biases. A bias is shrunk as if the user or item had this many
        additional ratings equal to the mean.
    unknown : {"error", "average"}
        What predictions do for users and items that are not in the training data and have no
        features: raise an error that names the first one, or predict from averages. With
        "average", scikit-learn's `GridSearchCV` and `cross_validate` work on splits in which some
        users or items have no training ratings.

    Attributes
    ----------
    ratings_ : Ratings
    biases_ : Biases
        Zeros for a recommender without biases (``_uses_biases = False``).
    item_features_, user_features_ : Features or None
    range_ : (float, float) or None
        Lowest and highest rating; predictions are clipped to it.

    Notes
    -----
    `save` writes constructor parameters and all attributes whose names end in an underscore:
    numbers, strings, numeric arrays, sparse matrices, `Ratings`, `Features`, `Ids`, `Biases`,
    encoders, and lists and tuples of these.
    """

    _uses_biases = True
    unknown: Unknown = "error"
    rating_range: tuple[float, float] | None = None
    feature_biases = False  # whether biases shrink towards a regression on features
    # deprecated names of parameters and attributes, and their current names
    _renamed: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        *,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        unknown: Unknown = "error",
    ) -> None:
        self.shrinkage_users = shrinkage_users
        self.shrinkage_items = shrinkage_items
        self.unknown = unknown

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in type(self)._renamed:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            new = type(self)._renamed[name]
            warn(f"{type(self).__name__}.{name} is deprecated, use {new}", DeprecationWarning)
            return getattr(self, new)

    # For scikit-learn

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but ratings: users, items, values
        return tags

    # Hooks

    def _check(self) -> None:
        """Raise ValueError or TypeError for invalid parameters."""
        check_number("shrinkage_users", self.shrinkage_users, 0)
        check_number("shrinkage_items", self.shrinkage_items, 0)
        check_choice("unknown", self.unknown, Unknown)

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        """Fit the residuals of the biases.

        Parameters
        ----------
        residuals : CSR matrix, float32, of shape (n_users, n_items)
            Ratings minus biases, or the ratings if ``_uses_biases`` is False. Stored entries are
            observed, including zeros. ``self.ratings_`` and ``self.biases_`` are set.
        users, items : Entities
            All users and items of the training data, in order. Some may have no ratings.
        """
        raise NotImplementedError

    def _residuals(self, users: Entities, items: Entities) -> Any:
        """Predict residuals of all pairs, float array of shape (n_users, n_items).

        New users and items have row -1. If they have no features, their residuals must be 0.
        """
        raise NotImplementedError

    def _residual_pairs(self, users: Entities, items: Entities) -> Any:
        """Predict residuals of n pairs, float array of shape (n,)."""
        residuals = np.zeros(len(users))
        _, first, inverse = np.unique(users.rows, return_index=True, return_inverse=True)
        if (users.rows < 0).any():
            first = inverse = np.arange(len(users))
        order = np.argsort(inverse, kind="stable")
        ends = np.searchsorted(inverse[order], np.arange(len(first) + 1))
        for k, user in enumerate(first):
            pairs = order[ends[k] : ends[k + 1]]
            residuals[pairs] = self._residuals(users.take([user]), items.take(pairs))[0]
        return residuals

    def _item_vectors(self, items: Entities) -> Any:
        """Return vectors whose cosines are the similarities of items, array or CSR, (n, d)."""
        raise NotImplementedError(f"{type(self).__name__} does not define the similarity of items")

    def _check_state(self) -> None:
        """Raise ValueError if fitted attributes contradict one another, as in a damaged folder."""
        for name in _ATTRIBUTES:
            if name not in vars(self):
                raise ValueError(f"{name} is missing")
            check_attribute(name, getattr(self, name), *_ATTRIBUTES[name])
        ratings, biases = self.ratings_, self.biases_
        for kind, ids, features, b, coefficients in (
            ("user", ratings.users, self.user_features_, biases.users, biases.user_coefficients),
            ("item", ratings.items, self.item_features_, biases.items, biases.item_coefficients),
        ):
            if ids.kind != kind or (features is not None and features.ids.kind != kind):
                raise ValueError(f"ids of {kind}s are those of other entities")
            check_shape(f"biases of {kind}s", b, (len(ids),))
            if features is not None:
                check_same_type(ids, features.ids)
            if coefficients is not None:
                if features is None:
                    raise ValueError("biases depend on features, but features are missing")
                check_shape(f"coefficients of {kind}s", coefficients, (features.n_features,))
        if self.range_ is not None:
            check_range("range_", self.range_)

    # Training

    def fit(
        self: Self, ratings: Any, y: Any = None, *, item_features: Any = None,
        user_features: Any = None,
    ) -> Self:  # fmt: skip
        """Fit to ratings.

        Parameters
        ----------
        ratings : as for `as_ratings`
            Triples (user, item, value), a data frame, or a sparse matrix of users by items.
        y : None
            Ignored.
        item_features, user_features : as for `as_features`, optional
            A data frame indexed by id, (ids, matrix), or a matrix in the order of the ids.

        Raises
        ------
        ValueError
            If ratings, features or parameters are invalid, or so large that numbers overflow. The
            recommender is unchanged then.
        """
        del y
        self._check()
        before = dict(vars(self))
        try:
            with np.errstate(**QUIET):
                self._fit_to(as_ratings(ratings), item_features, user_features)
                _check_finite(vars(self))
        except Exception as error:
            self.__dict__.clear()
            self.__dict__.update(before)
            if isinstance(error, np.linalg.LinAlgError):
                raise ValueError(OVERFLOW) from error
            raise
        return self

    def _fit_to(self, ratings: Ratings, item_features: Any, user_features: Any) -> None:
        start = time.perf_counter()
        self.ratings_ = ratings
        matrix = self.ratings_.matrix
        self.item_features_: Features | None = None
        self.user_features_: Features | None = None
        if item_features is not None:
            self.item_features_ = as_features(item_features, "item", self.ratings_.items)
        if user_features is not None:
            self.user_features_ = as_features(user_features, "user", self.ratings_.users)
        users, items = self._users(), self._items()
        logger.info(
            "%s: %d ratings of %d items by %d users",
            type(self).__name__, len(self.ratings_), len(items), len(users),
        )  # fmt: skip
        self.range_: tuple[float, float] | None = None
        if self._uses_biases:
            self.biases_ = self._fit_biases(matrix, users, items)
            low, high = matrix.data.min(), matrix.data.max()
            if low == high:
                warn(
                    f"all ratings are {low:g}, so there are no preferences to learn. For purchases "
                    'or clicks, which have no ratings, use feedback="implicit"'
                )
            if self.rating_range is not None:
                low, high = self.rating_range
            self.range_ = float(low), float(high)
            residuals = self.biases_.residuals(matrix)
            logger.info(
                "biases: RMSE %.4f, after %.1f s",
                np.sqrt(np.mean(np.square(residuals.data, dtype=np.float64))),
                time.perf_counter() - start,
            )
        else:
            self.biases_ = Biases.zeros(matrix.shape)
            if not matrix.data.any():
                warn("all counts are 0, so there are no preferences to learn")
            residuals = matrix.copy()
        self._fit(residuals, users, items)
        logger.info("%s: fitted in %.1f s", type(self).__name__, time.perf_counter() - start)

    # Predictions

    def predict(
        self,
        users: Any,
        items: Any,
        *,
        item_features: Any = None,
        user_features: Any = None,
        unknown: Unknown | None = None,
    ) -> FloatArray:
        """Predict ratings of pairs of users and items.

        Parameters
        ----------
        users, items : sequences of n ids
            Either may be a single id, which is paired with all ids of the other.
        item_features, user_features : as for `fit`, with ids
            Of items or users that are not in the training data.
        unknown : {"error", "average"}, optional
            What to do for new users and items without features: raise an error that names the
            first one, or predict from averages. By default that of the constructor.

        Returns
        -------
        float32 array of shape (n,)

        Raises
        ------
        UnknownIdError
            If a user or item is new and has no features, with ``unknown="error"``. It is a
            KeyError and a ValueError.
        ValueError
            If numbers of users and items differ, or features do not match those of `fit`.
        """
        unknown = self.unknown if unknown is None else unknown
        user_ids, item_ids = paired(users, items)
        u = self._users(user_ids, user_features, unknown)
        i = self._items(item_ids, item_features, unknown)
        if len(u) != len(i):
            raise ValueError(
                f"users and items must have the same length, got {len(u)} users and {len(i)} items"
            )
        ratings = np.empty(len(u))
        with np.errstate(**QUIET):
            for batch in batches(len(u), _BUFFER // 64):
                batch_u, batch_i = u.take(batch), i.take(batch)
                ratings[batch] = (
                    self.biases_.mean
                    + self.biases_.of_users(batch_u.rows, batch_u.features)
                    + self.biases_.of_items(batch_i.rows, batch_i.features)
                    + self._residual_pairs(batch_u, batch_i)
                )
            if self.range_ is not None:
                ratings = np.clip(ratings, *self.range_)
            predicted: FloatArray = finite("predictions", ratings.astype(np.float32))
        return predicted

    @renamed_parameters(n="topn")
    def recommend(
        self,
        user: Any,
        topn: int = 10,
        *,
        exclude_seen: bool = True,
        items: Any = None,
        item_features: Any = None,
        user_features: Any = None,
        unknown: Unknown | None = None,
    ) -> list[Any]:
        """Recommend the items with the highest predicted ratings.

        Parameters
        ----------
        user : id, or sequence of ids
        topn : int
        exclude_seen : bool
            Leave out items that the user has rated.
        items : sequence of ids, optional
            Candidates; by default all items of the training data, and those with features.
        item_features, user_features, unknown
            As for `predict`.

        Returns
        -------
        list of (item, score)
            Best first, at most `topn`; for several users, a list of such lists. Scores are
            predicted ratings that are not clipped, since clipping would produce ties.
        """
        single = is_single(user)
        unknown = self.unknown if unknown is None else unknown
        u = self._users([user] if single else user, user_features, unknown)
        item_ids = self._candidates(items, item_features)
        i = self._items(item_ids, item_features, unknown)
        lists: list[Any] = []
        for batch in batches(len(u), max(1, _BUFFER // max(len(i), 1))):
            scores = self._scores(u.take(batch), i)
            if exclude_seen:
                exclude(scores, u.rows[batch], i.rows, self.ratings_.matrix)
            for row in scores:
                best = highest(row, topn)
                lists.append(list(zip(item_ids[best].tolist(), row[best].tolist(), strict=True)))
        return lists[0] if single else lists

    @renamed_parameters(n="topn")
    def similar_items(
        self, item: Any, topn: int = 10, *, item_features: Any = None
    ) -> list[tuple[Any, float]]:
        """Find the most similar items, by the cosine of their vectors.

        Parameters
        ----------
        item : id
        topn : int
        item_features : as for `predict`

        Returns
        -------
        list of (item, similarity)
        """
        item_ids = self._candidates(None, item_features)
        vectors = self._item_vectors(self._items(item_ids, item_features))
        query = self._item_vectors(self._items([item], item_features))
        # cosines do not change; squares neither overflow nor vanish
        vectors, query = (scaled(finite("predictions", part)) for part in (vectors, query))
        product = vectors @ query.T
        similar = np.asarray(product.toarray() if hasattr(product, "toarray") else product)[:, 0]
        scale = lengths(vectors) * lengths(query)
        similar = similar / np.where(scale > 0, scale, np.inf)
        similar[item_ids == read_ids([item], "item")[0]] = -np.inf
        best = highest(similar, topn)
        return list(zip(item_ids[best].tolist(), similar[best].tolist(), strict=True))

    def score(self, ratings: Any, y: Any = None, **features: Any) -> float:
        """Compute the coefficient of determination R² of predicted ratings.

        For implicit feedback, whose scores only rank, it is the NDCG of 10 recommendations.

        Parameters
        ----------
        ratings : as for `fit`
        y : None
            Ignored.
        **features
            ``item_features``, ``user_features`` and ``unknown``, as for `predict`.
        """
        del y
        test = as_ratings(ratings)
        if self.range_ is None:
            metrics = rank_metrics(
                lambda users: self.recommend(users, **features), test, self.ratings_, 10
            )
            return metrics["ndcg"]
        users, items, values = test.triples()
        errors = self.predict(users, items, **features) - values
        variance = float(np.var(values.astype(np.float64)))
        mse = float(np.mean(errors.astype(np.float64) ** 2))
        return 1 - mse / variance if variance else float(mse == 0)

    # Model folders

    def save(self, path: Any) -> None:
        """Save to a folder of JSON and safetensors files.

        Parameters
        ----------
        path : str or path
            An existing recommender at this path is replaced.

        Raises
        ------
        NotFittedError
            If the recommender is not fitted.
        TypeError, ValueError
            If a parameter or an attribute cannot be saved; the error names it.
        OSError
            If `path` cannot be written, or contains anything but a recommender.
        """
        check_is_fitted(self, "ratings_")
        parameters = {
            name: None if isinstance(value, (np.random.RandomState, np.random.Generator)) else value
            for name, value in self.get_params(deep=False).items()
        }
        learned, arrays, encoders = pack(
            {name: value for name, value in vars(self).items() if name.endswith("_")}
        )
        config = {
            "class": type(self).__name__, "module": type(self).__module__,
            "parameters": parameters, "learned": learned,
        }  # fmt: skip
        with write_folder(path, KIND, FORMAT_VERSION) as folder:
            folder.write_json(_CONFIG, config)
            folder.write_arrays(_ARRAYS, arrays)
            for name, encoder in encoders.items():
                encoder.write_to(folder.folder(name, ENCODER_KIND, ENCODER_VERSION))

    @classmethod
    def load(
        cls: type[Self], path: Any, *, device: str | None = None, verify: bool = False
    ) -> Self:
        """Load a recommender from a folder that `save` wrote.

        ``BaseRecommender.load`` loads a recommender of any class that has been imported. A custom
        class can also be loaded by its own `load`.

        Parameters
        ----------
        path : str or path
        device : str, optional
            Use this device instead of the saved one.
        verify : bool
            Verify the checksums of all files before anything is read.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ModelError
            If the folder contains something else or a recommender of another class, is damaged,
            or was written by a newer version.
        """
        with open_folder(path, KIND, FORMAT_VERSION, verify=verify, what="recommender") as folder:
            return cls._read_from(folder, device)

    @classmethod
    def _read_from(cls: type[Self], folder: FolderReader, device: str | None) -> Self:
        def read_encoder(name: str) -> Any:
            from simec.encoder import SimilarityEncoder

            inner = folder.folder(name, ENCODER_KIND, ENCODER_VERSION)
            return SimilarityEncoder.read_from(inner, device=device)

        if device is not None:
            from simec.data.inputs import check_device  # imports PyTorch

            check_device(device)
        config = folder.read_json(_CONFIG, limit=None)
        arrays = folder.read_arrays(_ARRAYS)
        with folder.checking(_CONFIG):
            config = check_saved_object(_CONFIG, config, ("class", "parameters", "learned"))
            saved_class: Any = cls._find_class(
                config["class"], config.get("module", ""), folder.path
            )
            renamed = saved_class._renamed
            names = inspect.signature(saved_class).parameters
            parameters = {
                renamed.get(name, name): tuple(value) if isinstance(value, list) else value
                for name, value in check_saved_object("parameters", config["parameters"]).items()
                if renamed.get(name, name) in names
            }
            if device is not None and "device" in names:
                parameters["device"] = device
            if "random_state" in parameters:
                parameters["random_state"] = saved_seed(parameters["random_state"])
            recommender: Self = saved_class(**parameters)
            for name, value in unpack(config["learned"], arrays, read_encoder).items():
                setattr(recommender, renamed.get(name, name), value)
            recommender._check()
            recommender._check_state()
        return recommender

    @classmethod
    def _find_class(cls, name: str, module: str, path: Any) -> type[BaseRecommender]:
        """Find the class of a saved recommender: a custom one, or one of this package."""
        name = _RENAMED_CLASSES.get(name, name)
        same_name = [c for c in _subclasses(BaseRecommender) if c.__name__ == name]
        named = next((c for c in same_name if c.__module__ == module), None)
        if named is None and cls.__name__ == name:
            return cls
        package = import_module(__package__ or "simec.recommender")
        if named is None and name in package.__all__:
            named = getattr(package, name)  # imports PyTorch only for classes that need it
        if named is None and same_name:
            named = same_name[0]
        if not (isinstance(named, type) and issubclass(named, BaseRecommender)):
            raise ModelError(
                f"{path} holds a recommender of class {name}, which is not imported. Import its "
                f"module, or call {name}.load"
            )
        if not issubclass(named, cls):
            raise ModelError(f"{path} holds a recommender of class {name}, not {cls.__name__}")
        return named

    # Shared parts

    def _fit_biases(self, matrix: Any, users: Entities, items: Entities) -> Biases:
        X = (users.features, items.features) if self.feature_biases else (None, None)
        return Biases.fit(matrix, self.shrinkage_users, self.shrinkage_items, *X)

    def _users(
        self, ids: Any = None, features: Any = None, unknown: Unknown | None = None
    ) -> Entities:
        """Look up users and their features; by default all of the training data."""
        check_is_fitted(self, "ratings_")
        return self._entities(
            ids, self.ratings_.users, features, self.user_features_, unknown
        )  # fmt: skip

    def _items(
        self, ids: Any = None, features: Any = None, unknown: Unknown | None = None
    ) -> Entities:
        """Look up items and their features; by default all of the training data."""
        check_is_fitted(self, "ratings_")
        return self._entities(
            ids, self.ratings_.items, features, self.item_features_, unknown
        )  # fmt: skip

    def _entities(
        self, ids: Any, training_ids: Ids, features: Any, training: Features | None,
        unknown: Unknown | None,
    ) -> Entities:  # fmt: skip
        """Look up entities and their features; `unknown` is None if callers cannot set it."""
        if unknown is not None:
            check_choice("unknown", unknown, Unknown)
        kind = training_ids.kind
        if ids is None:
            rows = np.arange(len(training_ids))
            return Entities.gather(rows, training_ids.values, training, None, kind)
        ids = read_ids(ids, kind)
        new = self._new_features(features, training, kind)
        entities = Entities.gather(training_ids.find(ids), ids, training, new, kind)
        unusable = (entities.rows < 0) & ~entities.has_features
        if unknown != "average" and unusable.any():
            options = [] if training is None else [f"{kind}_features"]
            options += ["unknown='average'"] if unknown == "error" else []
            unknown_id = plain(ids, int(unusable.argmax()))
            matches = (
                closest(unknown_id, training_ids.values.tolist()) if ids.dtype == object else []
            )
            raise UnknownIdError(
                f"{kind} {shorten(unknown_id)} is not in the training data"
                + (" and has no features" if training is not None else "")
                + (f" (closest matches: {', '.join(map(shorten, matches))})" if matches else "")
                + (f". Pass {' or '.join(options)}" if options else "")
            )
        return entities

    def _new_features(
        self, features: Any, training: Features | None, kind: str
    ) -> Features | None:  # fmt: skip
        if features is not None and training is None:
            raise ValueError(
                f"{kind}_features were passed, but {type(self).__name__} was fitted without any"
            )
        return as_features(features, kind)

    def _candidates(self, items: Any, features: Any) -> npt.NDArray[Any]:
        """Ids of the items to rank."""
        check_is_fitted(self, "ratings_")
        ids = self.ratings_.items
        if items is not None:
            return read_ids(items, "item")
        new = self._new_features(features, self.item_features_, "item")
        every = ids
        for described in (self.item_features_, new):
            if described is not None:
                added = described.ids.values[every.find(described.ids.values) < 0]
                if len(added):
                    every = Ids(np.concatenate([every.values, added]), "item")
        return every.values

    def _is_rated(self, entities: Entities) -> npt.NDArray[np.bool_]:
        """Mask of users or items that have ratings."""
        by_user = entities.kind == "user"
        counts = np.diff(self.ratings_.matrix.indptr) if by_user else self.ratings_.item_counts
        rated: npt.NDArray[np.bool_] = (entities.rows >= 0) & (
            counts[np.maximum(entities.rows, 0)] > 0
        )
        return rated

    def _scores(self, users: Entities, items: Entities) -> npt.NDArray[np.float64]:
        """Predict ratings of all pairs, not clipped, shape (n_users, n_items)."""
        with np.errstate(**QUIET):
            scores: Float64 = np.array(self._residuals(users, items), np.float64)
            scores += self.biases_.of_items(items.rows, items.features)
            of_users = self.biases_.of_users(users.rows, users.features)
            scores += (self.biases_.mean + of_users)[:, None]
        checked: Float64 = finite("predictions", scores)
        return checked


def _check_finite(attributes: Any) -> None:
    """Raise ValueError if learned numbers, in arrays or containers of arrays, are not finite."""
    if isinstance(attributes, Mapping):
        for name, value in attributes.items():
            if name.endswith("_"):
                _check_finite(value)
    elif isinstance(attributes, (list, tuple)):
        for value in attributes:
            _check_finite(value)
    elif isinstance(attributes, Biases):
        _check_finite(tuple(vars(attributes).values()))
    elif isinstance(attributes, (float, np.ndarray)) or sparse.issparse(attributes):
        values = np.asarray(attributes.data if sparse.issparse(attributes) else attributes)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(OVERFLOW)


def _subclasses(cls: type[BaseRecommender]) -> Iterator[type[BaseRecommender]]:
    """Yield direct and indirect subclasses; among siblings, the last defined first."""
    for subclass in reversed(cls.__subclasses__()):
        yield subclass
        yield from _subclasses(subclass)


class FactorRecommender(BaseRecommender):
    """A recommender whose residuals are products of embeddings of users and items."""

    def _embed_users(self, users: Entities) -> Any:
        """Embed users, shape (n, d); zeros for new ones without features."""
        raise NotImplementedError

    def _embed_items(self, items: Entities) -> Any:
        """Embed items, shape (n, d); zeros for new ones without features."""
        raise NotImplementedError

    def _residuals(self, users: Entities, items: Entities) -> Any:
        vectors = self._embed_users(users)
        if len(vectors) == 1:  # a matrix product, which adds up in the same order as for many users
            return (np.repeat(vectors, 2, axis=0) @ self._embed_items(items).T)[:1]
        return vectors @ self._embed_items(items).T

    def _residual_pairs(self, users: Entities, items: Entities) -> Any:
        return np.einsum("nd,nd->n", self._embed_users(users), self._embed_items(items))

    def _item_vectors(self, items: Entities) -> Any:
        return self._embed_items(items)

    def _add_content(self, residuals: Any, users: Entities, items: Entities) -> None:
        """Add residuals that are not products of embeddings, in place."""

    def recommend_batch(
        self,
        users: Any = None,
        topn: int = 10,
        *,
        exclude_seen: bool = True,
        items: Any = None,
        item_features: Any = None,
        user_features: Any = None,
        unknown: Unknown | None = None,
    ) -> tuple[npt.NDArray[Any], FloatArray]:
        """Recommend items to many users, as arrays: `recommend` at the speed of matrix products.

        Scores are computed in float32 for a few hundred users at a time, so that memory only
        grows with the result.

        Parameters
        ----------
        users : sequence of n ids, optional
            By default all users of the training data, in the order of ``ratings_.users``.
        topn : int
        exclude_seen, items, item_features, user_features, unknown
            As for `recommend`.

        Returns
        -------
        items : array of shape (n, topn)
            Ids, best first. Where fewer than `topn` items are left for a user, -1, or None if ids
            are strings.
        scores : float32 array of shape (n, topn)
            Predicted ratings that are not clipped; -inf where items are missing.
        """
        check_integer("topn", topn, 1)
        unknown = self.unknown if unknown is None else unknown
        u = self._users(users, user_features, unknown)
        item_ids = self._candidates(items, item_features)
        i = self._items(item_ids, item_features, unknown)
        matrix = self.ratings_.matrix
        position = np.full(matrix.shape[1], -1)
        position[i.rows[i.rows >= 0]] = np.flatnonzero(i.rows >= 0)
        with np.errstate(**QUIET):
            biases = self.biases_.of_items(i.rows, i.features)
            right = np.column_stack([self._embed_items(i), biases]).astype(np.float32).T.copy()
        columns = np.empty((len(u), topn), np.int64)
        scores: FloatArray = np.empty((len(u), topn), np.float32)
        with announce_compilation("recommendations"):
            for batch in batches(len(u), max(32, _BLOCK // max(len(i), 1))):
                part = u.take(batch)
                left = np.column_stack([self._embed_users(part), np.ones(len(part))])
                rows = part.rows if exclude_seen else np.full(len(part), -1)
                products = left.astype(np.float32) @ right
                self._add_content(products, part, i)
                products = finite("predictions", products)
                select_top(
                    products, rows, matrix.indptr, matrix.indices, position, columns[batch],
                    scores[batch],
                )  # fmt: skip
                of_users = self.biases_.of_users(part.rows, part.features) + self.biases_.mean
                scores[batch] += of_users.astype(np.float32)[:, None]
        found = item_ids[np.maximum(columns, 0)]
        found[columns < 0] = None if found.dtype == object else -1
        return found, scores


def evaluate_pairs(
    matrix_of: Callable[[Entities, Entities], Any], users: Entities, items: Entities
) -> Float64:
    """Evaluate pairs, where all pairs of some items and the users of these are evaluated together.

    Parameters
    ----------
    matrix_of : callable
        Takes some users and items, and returns an array of all their pairs.
    users, items : Entities
        Of n pairs.

    Returns
    -------
    float64 array of shape (n,)
    """
    first_items, item_of = distinct(items)
    order = np.argsort(item_of, kind="stable")
    ends = np.searchsorted(item_of[order], np.arange(0, len(first_items) + _ITEMS, _ITEMS))
    values = np.empty(len(items))
    for k, (start, end) in enumerate(pairwise(ends)):
        batch, first = order[start:end], k * _ITEMS
        first_users, user_of = distinct(users.take(batch))
        some_items = items.take(first_items[first : first + _ITEMS])
        matrix = matrix_of(users.take(batch[first_users]), some_items)
        values[batch] = matrix[user_of, item_of[batch] - first]
    return values


def distinct(entities: Entities) -> tuple[Any, Any]:
    """Indices of the distinct entities, and the position of each entity among them."""
    if (entities.rows < 0).any():
        return np.arange(len(entities)), np.arange(len(entities))
    _, first, inverse = np.unique(entities.rows, return_index=True, return_inverse=True)
    return first, inverse


def training_rows(vectors: Any, entities: Entities) -> Any:
    """Select the rows of entities from an array or CSR matrix; zeros for new ones. Shape (n, d)."""
    if sparse.issparse(vectors):
        known = sparse.diags((entities.rows >= 0).astype(np.float32))
        return (known @ vectors[np.maximum(entities.rows, 0)]).tocsr()
    return np.where((entities.rows >= 0)[:, None], vectors[np.maximum(entities.rows, 0)], 0)


def check_range(name: str, value: Any) -> None:
    """Raise ValueError unless a value is a pair (low, high) of finite numbers, low <= high."""
    is_pair = isinstance(value, (tuple, list, np.ndarray)) and len(value) == 2
    if not (
        is_pair
        and all(isinstance(x, Real) and not isinstance(x, bool) for x in value)
        and -np.inf < value[0] <= value[1] < np.inf
    ):
        raise ValueError(f"{name} must be (low, high), got {value!r}")


def check_same_type(ids: Ids, others: Ids) -> None:
    """Raise ValueError if ids of ratings are strings and those of features integers, or reverse."""
    if len(ids) and len(others) and ids.are_texts != others.are_texts:
        raise ValueError(f"ids of {ids.kind} features are of another type than those of ratings")


def check_vectors(recommender: Any) -> None:
    """Raise ValueError unless ``user_vectors_`` and ``item_vectors_`` match the ratings."""
    n_users, n_items = recommender.ratings_.shape
    check_shape("user_vectors_", recommender.user_vectors_, (n_users, None))
    d = recommender.user_vectors_.shape[1]
    check_shape("item_vectors_", recommender.item_vectors_, (n_items, d))


def _feature_rows(matrix: Any, place: npt.NDArray[np.int64], use: npt.NDArray[np.bool_]) -> Any:
    """Select rows of a matrix, with zeros where `use` is False."""
    if len(place) == matrix.shape[0] and use.all() and (place == np.arange(len(place))).all():
        return matrix
    if not sparse.issparse(matrix):
        rows = np.zeros((len(place), matrix.shape[1]), np.float32)
        rows[use] = matrix[place[use]]
        return rows
    select = sparse.csr_matrix(
        (np.ones(int(use.sum()), np.float32), (np.flatnonzero(use), place[use])),
        (len(place), matrix.shape[0]),
    )
    return (select @ matrix).tocsr()
