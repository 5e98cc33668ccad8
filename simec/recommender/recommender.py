"""A recommender built on Similarity Encoders (thesis, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from scipy import sparse

from corpora.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_sizes,
    shorten,
)
from corpora.deprecated import renamed_parameters
from corpora.errors import warn
from corpora.interrupts import STOPPED
from simec.data.inputs import check_device, choose_device
from simec.data.targets import SparseTargets
from simec.encoder import SimilarityEncoder
from simec.linalg.checks import LARGEST
from simec.linalg.factorization import sampled_product
from simec.network import ACTIVATIONS
from simec.recommender.base import (
    Entities,
    FactorRecommender,
    check_range,
    check_vectors,
    training_rows,
)
from simec.recommender.data.ratings import Ratings, plain
from simec.recommender.state import check_attribute, check_shape
from simec.types import FloatArray

if TYPE_CHECKING:
    from simec.explain import Explanation
    from simec.recommender.data.features import Features

_MAX_WEIGHT = 1e15  # of implicit feedback: larger ones are lost in the rounding of others
_TOL = {"explicit": 1e-4, "implicit": 1e-3}  # ranks change little after the first iterations
# l2="auto", by feedback and whether there are features
_L2 = {
    ("explicit", False): 15.0, ("explicit", True): 50.0,
    ("implicit", False): 30.0, ("implicit", True): 50.0,
}  # fmt: skip


class Recommender(FactorRecommender):
    """Predicts ratings from biases and products of embeddings of users and items.

    Embeddings are learned by Similarity Encoders from the residuals of the biases, with the
    identity or with features as input. What can be predicted depends on the features passed to
    `fit`:

    ==================  ==============================================
    features            predicts ratings of
    ==================  ==============================================
    none                items by users of the training data (task T1)
    of items            new items as well (T2a)
    of users            new users as well (T2b)
    of both             new items by new users as well (T3)
    ==================  ==============================================

    Parameters
    ----------
    n_components : int
        Length d of embeddings.
    hidden_layers : sequence of int
        Units of each hidden layer between features and embeddings; empty for a linear map, which
        has a closed form.
    activation : str
        Activation of hidden layers, as in `simec.SimilarityEncoder`.
    feedback : {"auto", "explicit", "implicit"}
        "explicit": values are ratings, and missing ratings are unknown. "implicit": values are
        counts of purchases, plays or views, and missing pairs are zeros with a low weight (Hu,
        Koren and Volinsky, 2008). Implicit feedback has no biases, and scores only rank. "auto":
        what the values look like, see `Ratings.feedback`; a warning says if it is "implicit".
    alpha : float
        Implicit feedback: weight of the count of a pair, see `confidence`.
    confidence : {"log", "linear"}
        Implicit feedback: how the weight of a pair grows with its count c. "log":
        1 + alpha log2(1 + c / m), where m is the median count, so that a few very high counts do
        not outweigh all others, and hours are the same as minutes. "linear": 1 + alpha c.
    absent : float
        Implicit feedback: weight of missing pairs.
    l2 : float or "auto"
        Penalty on squared weights, in units of the squared error of one rating. "auto" is 50 with
        features. Without features, it is 30 for implicit feedback, and estimated for each
        component by variational Bayes for explicit feedback.
    l2_by_count : float
        Exponent with which the penalty grows with the number of ratings; see
        `simec.SimilarityEncoder`.
    id_feature_scale : float
        With features: value of an additional one-hot feature that identifies the item or user, so
        that its embedding can deviate from the map of its other features. 0 predicts embeddings
        from features alone, as in the thesis.
    feature_biases : bool
        With features: if True, biases of items and users shrink towards a ridge regression on
        their features, so that new ones have biases too. If False, biases shrink towards 0, as in
        the thesis.
    max_iter, batch_size, learning_rate, early_stopping
        For training with hidden layers, as in `simec.SimilarityEncoder`.
    rating_range : (float, float), optional
        Range that predictions are clipped to; by default that of the training ratings.
    shrinkage_users, shrinkage_items : float
        As in `BaseRecommender`.
    device : str
    random_state : int, RandomState or None
        As in `simec.SimilarityEncoder`.
    verbose : bool
        Show progress bars.

    Attributes
    ----------
    ratings_, biases_, item_features_, user_features_, range_
        As in `BaseRecommender`.
    feedback_ : {"explicit", "implicit"}
        Form of the training values.
    encoder_ : SimilarityEncoder
        Embeds items, or users if only users have features.
    second_encoder_ : SimilarityEncoder or None
        Embeds users, with item embeddings as its last layer, if both have features.
    embeds_users_ : bool
        Whether ``encoder_`` embeds users.
    embedded_, second_embedded_ : bool arrays
        Masks of the entities that have embeddings: those that ``encoder_`` embeds (items or
        users), and those on the other side.
    item_vectors_ : float32 array of shape (n_items, d)
    user_vectors_ : float32 array of shape (n_users, d)

    Notes
    -----
    On Ctrl-C, `fit` stops training, completes the recommender with what was learned so far, and
    raises KeyboardInterrupt.

    Examples
    --------
    >>> from simec.recommender import Recommender
    >>> ratings = [("ann", "tea", 5), ("ann", "rum", 1), ("bob", "tea", 2), ("bob", "rum", 4)]
    >>> recommender = Recommender(1).fit(ratings + [("cem", "tea", 5)])
    >>> [item for item, score in recommender.recommend("cem")]
    ['rum']
    """

    _renamed: ClassVar[Mapping[str, str]] = {
        "own": "id_feature_scale", "describes_biases": "feature_biases",
        "first_known_": "embedded_", "second_known_": "second_embedded_",
    }  # fmt: skip

    @renamed_parameters(own="id_feature_scale", describes_biases="feature_biases")
    def __init__(
        self,
        n_components: int = 20,
        *,
        hidden_layers: Sequence[int] = (),
        activation: str = "tanh",
        feedback: Literal["auto", "explicit", "implicit"] = "auto",
        alpha: float = 5.0,
        confidence: Literal["log", "linear"] = "log",
        absent: float = 1.0,
        l2: float | Literal["auto"] = "auto",
        l2_by_count: float = 0.5,
        id_feature_scale: float = 1.0,
        feature_biases: bool = True,
        max_iter: int = 200,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        early_stopping: bool = False,
        rating_range: tuple[float, float] | None = None,
        shrinkage_users: float = 5.0,
        shrinkage_items: float = 2.0,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.feedback = feedback
        self.alpha = alpha
        self.confidence = confidence
        self.absent = absent
        self.l2 = l2
        self.l2_by_count = l2_by_count
        self.id_feature_scale = id_feature_scale
        self.feature_biases = feature_biases
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.rating_range = rating_range
        self.shrinkage_users = shrinkage_users
        self.shrinkage_items = shrinkage_items
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # Hooks

    @property
    def _uses_biases(self) -> bool:  # type: ignore[override]
        return self._form == "explicit"

    @property
    def _form(self) -> str:
        """The form of feedback; models of earlier versions have no ``feedback_``."""
        return getattr(self, "feedback_", self.feedback)

    def _fit_to(self, ratings: Ratings, item_features: Any, user_features: Any) -> None:
        self.feedback_ = ratings.feedback if self.feedback == "auto" else self.feedback
        values = ratings.matrix.data
        if self.feedback == "auto" and self.feedback_ == "implicit":
            warn(
                f"values from {values.min():g} to {values.max():g}, with a median of "
                f"{np.median(values):g}, look like counts: fitted as implicit feedback, so that "
                'scores rank items. Pass feedback="implicit" if they are counts, and '
                'feedback="explicit" if they are ratings'
            )
        super()._fit_to(ratings, item_features, user_features)

    def _check(self) -> None:
        check_choice("feedback", self.feedback, ("auto", "explicit", "implicit"))
        check_choice("confidence", self.confidence, ("log", "linear"))
        super()._check()
        for name in ("n_components", "max_iter", "batch_size"):
            check_integer(name, getattr(self, name), 1)
        check_sizes("hidden_layers", self.hidden_layers)
        check_flag("feature_biases", self.feature_biases)
        check_device(self.device)
        for name in ("l2_by_count", "id_feature_scale", "alpha", "absent"):
            check_number(name, getattr(self, name), 0)
        check_number("learning_rate", self.learning_rate, 0, above=True)
        check_choice("activation", self.activation, ACTIVATIONS)
        if not isinstance(self.l2, str) or self.l2 != "auto":
            check_number("l2", self.l2, 0)
        if self.rating_range is not None:
            check_range("rating_range", self.rating_range)
            if not self.rating_range[0] < self.rating_range[1]:
                raise ValueError(f"rating_range must be (low, high), got {self.rating_range!r}")

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        if self._form == "implicit" and residuals.data.min() < 0:
            raise ValueError("implicit feedback must be counts >= 0, got negative values")
        if self._form == "explicit":
            largest = float(np.abs(residuals.data).max())
            if largest <= np.finfo(np.float32).eps * float(np.abs(self.ratings_.matrix.data).max()):
                residuals.data[:] = 0  # rounding errors of ratings that are sums of biases
            elif len(self.hidden_layers) and largest < 1 / LARGEST:
                raise ValueError(
                    f"ratings differ from their mean and biases by at most {largest:.3g}, and the "
                    "squares of that vanish in float32: scale ratings to about 1"
                )
        self.second_encoder_: SimilarityEncoder | None = None
        self._stopped: BaseException | None = None
        self.embeds_users_ = items.features is None and users.features is not None
        first, second = (users, items) if self.embeds_users_ else (items, users)
        S = residuals if self.embeds_users_ else residuals.T.tocsr()
        encoder = self._new_encoder(first.features is not None, S)
        self.encoder_, vectors, self.embedded_ = self._train(encoder, S, first, None)
        last = self.encoder_.module_.last.weight.detach().cpu().numpy().T
        second_vectors = np.ascontiguousarray(last)
        self.second_embedded_ = np.ones(len(second), bool)
        if second.features is not None:
            second_encoder = self._new_encoder(True, residuals)
            self.second_encoder_, second_vectors, self.second_embedded_ = self._train(
                second_encoder, residuals, second, vectors.T
            )
        self.item_vectors_: FloatArray = second_vectors if self.embeds_users_ else vectors
        self.user_vectors_: FloatArray = vectors if self.embeds_users_ else second_vectors
        if self._uses_biases:
            self._refit_biases(users, items)
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            raise stopped

    def _refit_biases(self, users: Entities, items: Entities) -> None:
        """Fit the biases again, to ratings minus the products of embeddings."""
        remainder = self.ratings_.matrix.astype(np.float64)
        vectors = self.user_vectors_.astype(np.float64), self.item_vectors_.astype(np.float64)
        remainder.data -= sampled_product(remainder, *vectors)
        self.biases_ = self._fit_biases(remainder, users, items)

    def _embed_items(self, items: Entities) -> Any:
        encoder = None if self.embeds_users_ else self.encoder_
        embedded = self.second_embedded_ if self.embeds_users_ else self.embedded_
        return self._embed(items, self.item_vectors_, embedded, encoder)

    def _embed_users(self, users: Entities) -> Any:
        encoder = self.encoder_ if self.embeds_users_ else self.second_encoder_
        embedded = self.embedded_ if self.embeds_users_ else self.second_embedded_
        return self._embed(users, self.user_vectors_, embedded, encoder)

    def _check_state(self) -> None:
        super()._check_state()
        check_vectors(self)
        check_device(self.device)
        check_choice("feedback_", self._form, ("explicit", "implicit"))
        check_attribute("embeds_users_", self.embeds_users_, bool)
        check_attribute("encoder_", self.encoder_, SimilarityEncoder)
        check_attribute("second_encoder_", self.second_encoder_, SimilarityEncoder, type(None))
        first, second = self.ratings_.shape[:: 1 if self.embeds_users_ else -1]
        check_shape("embedded_", self.embedded_, (first,), "b")
        check_shape("second_embedded_", self.second_embedded_, (second,), "b")
        features = self.user_features_, self.item_features_
        first_features, second_features = features[:: 1 if self.embeds_users_ else -1]
        self._check_encoder(self.encoder_, first_features, first, second)
        if (self.second_encoder_ is None) != (second_features is None):
            raise ValueError("second_encoder_ or the features that it takes are missing")
        if self.second_encoder_ is not None:
            self._check_encoder(self.second_encoder_, second_features, second, first)

    def _check_encoder(
        self, encoder: SimilarityEncoder, features: Features | None, n: int, n_targets: int
    ) -> None:
        """Raise ValueError unless an encoder has the inputs and outputs of the training data."""
        layout = encoder.layout_
        if encoder.n_components != self.user_vectors_.shape[1]:
            raise ValueError("encoders and embeddings have different numbers of components")
        expected = n
        if features is not None:
            expected = features.n_features + (n if self.id_feature_scale else 0)
        if (layout.inputs == "identity") != (features is None) or layout.n_features != expected:
            raise ValueError(f"an encoder takes {layout.n_features} features, expected {expected}")
        if layout.targets != (n_targets,):
            raise ValueError(f"an encoder has {layout.targets} targets, expected {n_targets}")

    # Explanations

    def explain(
        self,
        user: Any,
        item: Any,
        *,
        by: Literal["item", "user"] | None = None,
        composite: Any = "epsilon",
        item_features: Any = None,
        user_features: Any = None,
    ) -> Explanation:
        """Explain a predicted rating by features of the item or user (thesis, 5.3).

        Parameters
        ----------
        user, item : ids
        by : {"item", "user"}, optional
            Explain by the features of the item or of the user; by default the item if items have
            features.
        composite : as in `simec.explain.explain_prediction`
            Propagation rules for hidden layers. Linear embeddings have a closed form.
        item_features, user_features : as for `predict`

        Returns
        -------
        simec.explain.Explanation
            ``value`` is the rating before it is clipped. ``relevances`` are the contributions of
            features to it, through embeddings and biases; ``bias`` is the remainder: biases that
            do not depend on the features, and what was learned from the ratings of this item or
            user.

        Raises
        ------
        ValueError
            If the item, or the user, has no features.
        """
        from simec.explain import Explanation, explain_prediction, explain_similarity

        u = self._users([user], user_features)
        i = self._items([item], item_features)
        if by is None:
            by = "item" if i.features is not None else "user"
        check_choice("by", by, ("item", "user"))
        explained, other = (i, u) if by == "item" else (u, i)
        if explained.features is None:
            raise ValueError(f"{by}s have no features to explain by: fit with {by}_features")
        if self.second_encoder_ is None:
            explanation = explain_prediction(
                self.encoder_, self._inputs(explained), int(other.rows[0]), composite=composite
            )
        else:
            both = explain_similarity(
                self.encoder_, self._inputs(i), self._inputs(u), second=self.second_encoder_,
                composite=composite,
            )  # fmt: skip
            explanation = both.first if by == "item" else both.second
        features = self.item_features_ if by == "item" else self.user_features_
        assert features is not None
        biases = self.biases_
        b = biases.item_coefficients if by == "item" else biases.user_coefficients
        b = np.zeros(features.n_features) if b is None else b
        relevances, x = explanation.relevances, explained.features
        if sparse.issparse(x):
            relevances = sparse.csr_matrix(relevances)[:, : features.n_features] + x.multiply(b)
            relevances = relevances.tocsr()
        else:
            dense = relevances.toarray() if sparse.issparse(relevances) else relevances
            x = x[0]
            relevances = dense.ravel()[: features.n_features] + x * b
        value = float(self._scores(u, i)[0, 0])
        return Explanation(
            relevances, value, value - float(relevances.sum()), x, features.names,
            f"user {user}, item {item}: {value:.3g}",
        )  # fmt: skip

    # Encoders

    def _new_encoder(self, with_features: bool, S: Any) -> SimilarityEncoder:
        deep = bool(tuple(self.hidden_layers)) and with_features
        variational = self.l2 == "auto" and not with_features and self._form == "explicit"
        solver: Literal["auto", "variational", "exact"] = (
            "auto" if deep else "variational" if variational else "exact"
        )
        l2 = _L2[self._form, with_features] if self.l2 == "auto" else float(self.l2)
        return SimilarityEncoder(
            self.n_components,
            hidden_layers=self.hidden_layers if deep else (),
            activation=self.activation,
            l2=0.0 if variational else l2 / self._targets(S).total_weight,
            l2_by_count=self.l2_by_count if solver == "exact" else 0.0,
            solver=solver,
            tol=_TOL[self._form],
            max_iter=self.max_iter,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            early_stopping=self.early_stopping and deep,
            device=self.device,
            random_state=self.random_state,
            verbose=self.verbose,
        )

    def _targets(self, S: Any) -> SparseTargets:
        device = choose_device(self.device)
        if self._form == "explicit":
            return SparseTargets(S, device)
        ones = S.copy()
        ones.data = np.ones_like(S.data)
        counts = S.data.astype(np.float64)
        if self.confidence == "log" and counts.any():
            every = self.ratings_.matrix.data  # S may be a part of them
            counts = np.log2(1 + counts / np.median(every[every > 0]))
        weights = 1 + float(self.alpha) * counts
        if not weights.max(initial=0) <= _MAX_WEIGHT:
            raise ValueError(
                f"weights 1 + alpha * count must be at most {_MAX_WEIGHT:g}, got "
                f"{weights.max():.3g}: use a smaller alpha, or confidence='log'"
            )
        return SparseTargets(ones, device, weights, self.absent)

    def _train(
        self, encoder: SimilarityEncoder, S: Any, entities: Entities, last_layer: Any
    ) -> tuple[SimilarityEncoder, Any, Any]:
        """Train an encoder; return it, the embeddings, and a mask of entities that have one."""
        if entities.features is None:
            self._fit_encoder(encoder, None, self._targets(S), last_layer)
            return encoder, encoder.transform(None), np.ones(len(entities), bool)
        rated = np.diff(S.indptr) > 0
        embedded = entities.has_features | (rated & (self.id_feature_scale > 0))
        self._warn_of_missing(entities)
        rows = np.flatnonzero(embedded & rated)
        X = self._inputs(entities)
        self._fit_encoder(encoder, X[rows], self._targets(S[rows]), last_layer)
        vectors = np.zeros((len(entities), self.n_components), np.float32)
        vectors[embedded] = encoder.transform(X[np.flatnonzero(embedded)])
        return encoder, vectors, embedded

    def _fit_encoder(self, encoder: SimilarityEncoder, X: Any, S: Any, last_layer: Any) -> None:
        try:
            encoder.fit(X, S, last_layer=last_layer)
        except STOPPED as error:
            if not hasattr(encoder, "module_"):
                raise
            self._stopped = error  # finish with what was learned so far

    def _inputs(self, entities: Entities) -> Any:
        """Append an id feature for each row of the training data to the features."""
        if not self.id_feature_scale:
            return entities.features
        known = np.flatnonzero(entities.rows >= 0)
        n = len(self.ratings_.users if entities.kind == "user" else self.ratings_.items)
        scale = np.full(len(known), self.id_feature_scale, np.float32)
        ids = sparse.csr_matrix((scale, (known, entities.rows[known])), (len(entities), n))
        return sparse.hstack([sparse.csr_matrix(entities.features), ids], "csr")

    def _embed(self, entities: Entities, vectors: Any, embedded: Any, encoder: Any) -> Any:
        result = training_rows(vectors, entities)
        if encoder is None or entities.features is None:
            return result
        known = (entities.rows >= 0) & embedded[np.maximum(entities.rows, 0)]
        new = np.flatnonzero(entities.has_features & ~known)
        if len(new):
            result[new] = encoder.transform(self._inputs(entities.take(new)))
        return result

    def _warn_of_missing(self, entities: Entities) -> None:
        missing = np.flatnonzero(~entities.has_features)
        if not len(missing):
            return
        kind = entities.kind
        ids = self.ratings_.users if kind == "user" else self.ratings_.items
        source = "their ratings" if self.id_feature_scale else "averages"
        warn(
            f"{len(missing)} of {len(entities)} {kind}s have no features, the first is "
            f"{shorten(plain(ids.values, int(missing[0])))}: they are predicted from {source} alone"
        )
