"""A recommender built on Similarity Encoders (thesis, 4.2)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from scipy import linalg, sparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

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
from simec.linalg.checks import LARGEST, QUIET
from simec.linalg.factorization import finite, sampled_product, solve_observed
from simec.network import ACTIVATIONS
from simec.recommender.base import (
    Entities,
    FactorRecommender,
    Unknown,
    check_range,
    check_vectors,
    evaluate_pairs,
    training_rows,
)
from simec.recommender.biases import Biases
from simec.recommender.content_model import ContentModel, fit_content_model
from simec.recommender.data.ratings import Ratings, as_ratings, plain
from simec.recommender.fold_in import estimate_covariance, merge, posterior_means
from simec.recommender.state import check_attribute, check_shape
from simec.solvers.gibbs import sample_factors
from simec.types import Float64, FloatArray

if TYPE_CHECKING:
    from simec.explain import Explanation
    from simec.recommender.data.features import Features

logger = logging.getLogger(__name__)

# components smaller than this fraction of the largest residual, on average, have vanished
_VANISHED = 1e-5
_MAX_WEIGHT = 1e15  # of implicit feedback: larger ones are lost in the rounding of others
_TOL = {"explicit": 1e-4, "implicit": 1e-3}  # ranks change little after the first iterations
# l2="auto", by feedback and whether there are features
_L2 = {
    ("explicit", True): 50.0, ("implicit", False): 30.0, ("implicit", True): 50.0,
}  # fmt: skip


class Recommender(FactorRecommender):
    """Predicts ratings from biases and products of embeddings of users and items.

    Embeddings of explicit ratings are means over draws from their posterior distribution, which
    needs no penalty (`simec.solvers.gibbs`); new items and users are predicted from their features
    (`simec.recommender.content_model`). With hidden layers, a number for `l2`, or implicit
    feedback, Similarity Encoders learn embeddings from the residuals of the biases, with the
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
        Length d of embeddings; at most the numbers of users and items that have ratings.
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
        Penalty on squared weights, in units of the squared error of one rating. With "auto",
        explicit feedback has no penalty: embeddings and biases are drawn from their posterior
        distribution. With hidden layers it is 50, and for implicit feedback 30, or 50 with
        features.
    l2_by_count : float
        Exponent with which the penalty grows with the number of ratings; see
        `simec.SimilarityEncoder`.
    id_feature_scale : float
        With features: value of an additional one-hot feature that identifies the item or user, so
        that its embedding can deviate from the map of its other features. 0 predicts embeddings
        from features alone, as in the thesis, by encoders.
    feature_biases : bool
        With features: if True, biases of items and users shrink towards a ridge regression on
        their features, so that new ones have biases too. If False, biases shrink towards 0, as in
        the thesis.
    max_iter, batch_size, learning_rate, early_stopping
        For training with hidden layers, as in `simec.SimilarityEncoder`.
    rating_range : (float, float), optional
        Range that predictions are clipped to; by default that of the training ratings.
    shrinkage_users, shrinkage_items : float
        As in `BaseRecommender`. Where embeddings are drawn from their posterior distribution, so
        are biases, and these numbers only matter for the first draw.
    unknown : {"error", "average"}
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
    encoder_ : SimilarityEncoder or None
        Embeds items, or users if only users have features. None if embeddings were drawn from
        their posterior distribution.
    second_encoder_ : SimilarityEncoder or None
        Embeds users, with item embeddings as its last layer, if both have features.
    embeds_users_ : bool
        Whether ``encoder_`` embeds users.
    embedded_, second_embedded_ : bool arrays
        Masks of the entities that have embeddings: those that ``encoder_`` embeds (items or
        users), and those on the other side.
    item_vectors_ : float32 array of shape (n_items, d)
    user_vectors_ : float32 array of shape (n_users, d)
    item_content_, user_content_ : tuple or None
        Parts of a `simec.recommender.content_model.ContentModel`: what features say of new items
        and users, where embeddings were drawn from their posterior distribution.
    n_trained_ : (int, int)
        Numbers of users and items at the end of `fit`; `fold_in` and `partial_fit` add more.
    noise_ : float
        Mean squared error of ratings that were left out of the first draws, where embeddings are
        drawn from their posterior distribution; else that of the training ratings.

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
        unknown: Unknown = "error",
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
        self.unknown = unknown
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
        self.n_trained_ = len(users), len(items)
        self.item_content_: Any = None
        self.user_content_: Any = None
        self._covariances: dict[str, Float64] = {}
        self.embeds_users_ = items.features is None and users.features is not None
        if self._is_sampled(users, items):
            self._sample(residuals)
            self._fit_content(users, items)
        else:
            self._encode(residuals, users, items)
        self._report_components(residuals)
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            raise stopped

    def _is_sampled(self, users: Entities, items: Entities) -> bool:
        return (
            self._form == "explicit"
            and self.l2 == "auto"
            and self.feature_biases
            and (
                (users.features is None and items.features is None)
                or (self.id_feature_scale > 0 and not len(self.hidden_layers))
            )
        )

    def _sample(self, residuals: Any) -> None:
        """Draw biases and embeddings from their posterior distribution."""
        matrix = self.ratings_.matrix
        self.encoder_: SimilarityEncoder | None = None
        self.embedded_ = np.ones(matrix.shape[1], bool)
        self.second_embedded_ = np.ones(matrix.shape[0], bool)
        d = self._most_components(residuals)
        self.user_vectors_: FloatArray = np.zeros((matrix.shape[0], d), np.float32)
        self.item_vectors_: FloatArray = np.zeros((matrix.shape[1], d), np.float32)
        self.noise_ = 0.0
        if not residuals.data.any():
            return
        biases, centered = self.biases_, matrix.astype(np.float64)
        centered.data -= biases.mean
        found = sample_factors(
            centered, biases.users, biases.items, d, check_random_state(self.random_state),
            progress=self.verbose,
        )  # fmt: skip
        self._stopped = found.stopped
        self.user_vectors_ = found.left.astype(np.float32)
        self.item_vectors_ = found.right.astype(np.float32)
        self.noise_ = found.noise
        self.biases_ = Biases(biases.mean + found.mean, found.row_biases, found.column_biases)

    def _fit_content(self, users: Entities, items: Entities) -> None:
        """Fit what features say of items, and of users, without ratings."""
        U, V = self.user_vectors_.astype(np.float64), self.item_vectors_.astype(np.float64)
        biases, matrix = self.biases_, self.ratings_.matrix.astype(np.float64)
        sides = (
            (items, matrix, V, biases.items, biases.users, U),
            (users, matrix.T.tocsr(), U, biases.users, biases.items, V),
        )
        for entities, ratings, vectors, own_biases, other_biases, others in sides:
            if entities.features is None:
                continue
            self._warn_of_missing(entities)
            used = np.flatnonzero(entities.has_features & (ratings.getnnz(axis=0) > 0))
            if not len(used) or not self.noise_:
                continue
            targets = ratings.copy()
            by_row = np.repeat(other_biases, np.diff(ratings.indptr))
            targets.data -= biases.mean + by_row
            content = fit_content_model(
                targets, vectors, own_biases, sparse.csr_matrix(entities.features), used,
                others.T @ others / len(others), self.noise_,
            )  # fmt: skip
            if entities.kind == "item":
                self.item_content_ = content
            else:
                self.user_content_ = content

    def _content(self, kind: str) -> ContentModel | None:
        content = self.item_content_ if kind == "item" else self.user_content_
        return None if content is None else ContentModel(*content)

    def _training_features(self, kind: str) -> Any:
        """Features of the users or items that `fit` was called with."""
        is_user = kind == "user"
        ids = self.ratings_.users if is_user else self.ratings_.items
        features = self.user_features_ if is_user else self.item_features_
        rows = np.arange(self.n_trained_[0 if is_user else 1])
        return sparse.csr_matrix(
            Entities.gather(rows, ids.values[rows], features, None, kind).features
        )

    def _is_new(self, entities: Entities) -> Any:
        """Mask of entities that only their features say anything about."""
        return entities.has_features & ~self._is_rated(entities)

    def _residuals(self, users: Entities, items: Entities) -> Any:
        residuals = np.asarray(super()._residuals(users, items))
        self._add_content(residuals, users, items)
        return residuals

    def _residual_pairs(self, users: Entities, items: Entities) -> Any:
        residuals = np.array(super()._residual_pairs(users, items), np.float64)
        if self.item_content_ is None and self.user_content_ is None:
            return residuals
        pairs = np.flatnonzero(self._is_new(users) | self._is_new(items))
        residuals[pairs] = evaluate_pairs(self._residuals, users.take(pairs), items.take(pairs))
        return residuals

    def _add_content(self, residuals: Any, users: Entities, items: Entities) -> None:
        """Add what features say of new users and items to residuals, in place."""
        of_items, of_users = self._content("item"), self._content("user")
        new_items = np.flatnonzero(self._is_new(items)) if of_items else np.zeros(0, int)
        new_users = np.flatnonzero(self._is_new(users)) if of_users else np.zeros(0, int)
        vectors = {}
        for content, new, entities, other, transposed in (
            (of_items, new_items, items, users, residuals),
            (of_users, new_users, users, items, residuals.T),
        ):
            if content is None or not len(new):
                continue
            X = sparse.csr_matrix(entities.features[new])
            predicted = content.predict(X)
            vectors[entities.kind] = predicted[:, :-1]
            transposed[:, new] += predicted[:, -1]
            # of those that have a regression, and of those that were added after training
            n = self.n_trained_[0 if other.kind == "user" else 1]
            trained = np.flatnonzero((other.rows >= 0) & (other.rows < n))
            later = np.flatnonzero(other.rows >= n)
            if len(trained):
                X_training = self._training_features(entities.kind)
                found = content.residuals(other.rows[trained], X, X_training)
                transposed[np.ix_(trained, new)] += found
            if len(later):
                embedded = self.user_vectors_ if other.kind == "user" else self.item_vectors_
                products = embedded[other.rows[later]] @ predicted[:, :-1].T
                transposed[np.ix_(later, new)] += products
        if len(vectors) == 2:
            both = vectors["user"] @ vectors["item"].T
            residuals[np.ix_(new_users, new_items)] += both

    def _item_vectors(self, items: Entities) -> Any:
        vectors, content = np.array(self._embed_items(items)), self._content("item")
        new = np.flatnonzero(self._is_new(items))
        if content is not None and len(new):
            vectors[new] = content.predict(sparse.csr_matrix(items.features[new]))[:, :-1]
        return vectors

    def _encode(self, residuals: Any, users: Entities, items: Entities) -> None:
        """Train encoders."""
        first, second = (users, items) if self.embeds_users_ else (items, users)
        S = residuals if self.embeds_users_ else residuals.T.tocsr()
        encoder = self._new_encoder(first.features is not None, S)
        self.encoder_, vectors, self.embedded_ = self._train(encoder, S, first, None)
        last = encoder.module_.last.weight.detach().cpu().numpy().T
        second_vectors = np.ascontiguousarray(last)
        self.second_embedded_ = np.ones(len(second), bool)
        if second.features is not None:
            second_encoder = self._new_encoder(True, residuals)
            self.second_encoder_, second_vectors, self.second_embedded_ = self._train(
                second_encoder, residuals, second, vectors.T
            )
        self.item_vectors_ = second_vectors if self.embeds_users_ else vectors
        self.user_vectors_ = vectors if self.embeds_users_ else second_vectors
        if self._uses_biases:
            self._refit_biases(users, items)
        self.noise_ = self._training_noise()

    def _training_noise(self) -> float:
        residuals = self.biases_.residuals(self.ratings_.matrix)
        vectors = self.user_vectors_.astype(np.float64), self.item_vectors_.astype(np.float64)
        products = sampled_product(residuals, *vectors)
        return float(((residuals.data - products) ** 2).mean())

    def _most_components(self, S: Any) -> int:
        """Number of components: no more than there are users or items with ratings."""
        rows, columns = np.diff(S.indptr), S.getnnz(axis=0)
        return min(self.n_components, int((rows > 0).sum()), int((columns > 0).sum()))

    def _report_components(self, residuals: Any) -> None:
        """Log how many components predict anything, and warn if none does."""
        if not residuals.data.any():
            return
        left = linalg.qr(self.user_vectors_.astype(np.float64), mode="r")[0]
        right = linalg.qr(self.item_vectors_.astype(np.float64), mode="r")[0]
        # root mean squares of the products of components, and of what they are fitted to
        sizes = linalg.svdvals(left @ right.T) / np.prod(self.ratings_.shape, dtype=float) ** 0.5
        scale = float(np.abs(residuals.data).max())
        n = int((sizes > _VANISHED * scale).sum())
        logger.info("%d of %d components are in use", n, len(sizes))
        if not n:
            warn(
                "embeddings vanished: predictions are averages. Ratings do not depend on pairs of "
                "users and items, are too few, or l2 is too large"
            )

    def _refit_biases(self, users: Entities, items: Entities) -> None:
        """Fit the biases again, to ratings minus the products of embeddings."""
        remainder = self.ratings_.matrix.astype(np.float64)
        vectors = self.user_vectors_.astype(np.float64), self.item_vectors_.astype(np.float64)
        remainder.data -= sampled_product(remainder, *vectors)
        self.biases_ = self._fit_biases(remainder, users, items)

    # Further ratings

    def fold_in(self, ratings: Any) -> Recommender:
        """Add users and items by their ratings, at once: without training.

        Vectors and biases of new users are computed in closed form from those of the items that
        they have rated, and then those of new items from the users that have rated them. All
        others stay the same.

        Parameters
        ----------
        ratings : as for `fit`
            Of new users or new items.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If both the user and the item of a rating are in the training data: `partial_fit`
            takes those.
        """
        check_is_fitted(self, "ratings_")
        return self._add_ratings(as_ratings(ratings), update=False)

    def partial_fit(self, ratings: Any, y: Any = None) -> Recommender:
        """Add ratings, and compute vectors and biases of their users and items, in closed form.

        A rating replaces an earlier one of the same user and item. Vectors of users and items
        without new ratings stay the same, so `fit` to all ratings is a little more accurate, and
        due after many new ones.

        Parameters
        ----------
        ratings : as for `fit`
            Of known or new users and items.
        y : None
            Ignored.

        Returns
        -------
        self
        """
        del y
        if not hasattr(self, "ratings_"):
            return self.fit(ratings)
        return self._add_ratings(as_ratings(ratings), update=True)

    def _add_ratings(self, new: Ratings, *, update: bool) -> Recommender:
        n_users, n_items = self.ratings_.shape
        ratings, users, items, both_known = merge(self.ratings_, new)
        if not update:
            if both_known.any():
                user, item = (plain(part, int(both_known.argmax())) for part in new.triples()[:2])
                raise ValueError(
                    f"user {shorten(user)} and item {shorten(item)} are both in the training data: "
                    "use partial_fit to add ratings of known users and items"
                )
            users, items = users[users >= n_users], items[items >= n_items]
        before = dict(vars(self))
        try:
            with np.errstate(**QUIET):
                self._solve_side("user", ratings, users)
                self._solve_side("item", ratings, items)
                if len(items) and len(users):
                    self._solve_side("user", ratings, users)
            finite("vectors", self.user_vectors_)
            finite("vectors", self.item_vectors_)
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        self.ratings_ = ratings
        return self

    def _solve_side(self, kind: Literal["user", "item"], ratings: Ratings, rows: Any) -> None:
        """Compute vectors and biases of some users or items from those of the other side."""
        by_user = kind == "user"
        matrix = ratings.matrix if by_user else ratings.matrix.T.tocsr()
        vectors, other = self.user_vectors_, self.item_vectors_
        biases, other_biases = self.biases_.users, self.biases_.items
        if not by_user:
            vectors, other, biases, other_biases = other, vectors, other_biases, biases
        # further rows, with vectors and biases of 0
        n_new = matrix.shape[0] - len(vectors)
        vectors = np.pad(vectors, ((0, n_new), (0, 0)))
        biases = np.pad(biases, (0, n_new))
        embeds_first = by_user == self.embeds_users_
        embedded = self.embedded_ if embeds_first else self.second_embedded_
        embedded = np.pad(embedded, (0, n_new), constant_values=True)
        embedded[rows] = True
        part = matrix[rows][:, : len(other)].tocsr()  # of new items, nothing is known yet
        if self._uses_biases:
            expected = self._expected(kind, ratings, rows)
            residuals = part.astype(np.float64)
            residuals.data -= self.biases_.mean + other_biases[part.indices]
            inputs = np.column_stack([other, np.ones(len(other))])
            residuals.data -= sampled_product(residuals, expected, inputs)
            found = posterior_means(residuals, other, self._covariance(kind), self.noise_)
            found += expected
            vectors[rows], biases[rows] = found[:, :-1], found[:, -1]
        else:
            vectors[rows] = self._implicit_vectors(kind, part, other)
        if by_user:
            self.user_vectors_ = vectors
            self.biases_ = replace(self.biases_, users=biases)
        else:
            self.item_vectors_ = vectors
            self.biases_ = replace(self.biases_, items=biases)
        if embeds_first:
            self.embedded_ = embedded
        else:
            self.second_embedded_ = embedded

    def _expected(self, kind: str, ratings: Ratings, rows: Any) -> Any:
        """Vectors and biases that features predict, zeros without features, shape (n, d + 1)."""
        is_user = kind == "user"
        ids = ratings.users if is_user else ratings.items
        features = self.user_features_ if is_user else self.item_features_
        unseen = np.full(len(rows), -1)
        entities = Entities.gather(unseen, ids.values[rows], features, None, kind)
        content = self._content(kind)
        if content is not None:
            predicted = content.predict(sparse.csr_matrix(entities.features))
            return np.where(entities.has_features[:, None], predicted, 0)
        vectors = self._embed_users(entities) if is_user else self._embed_items(entities)
        biases = self.biases_.of_users if is_user else self.biases_.of_items
        return np.column_stack([vectors, biases(unseen, entities.features)]).astype(np.float64)

    def _covariance(self, kind: str) -> Float64:
        """Covariance of vectors and biases of the training data, around what features predict."""
        if kind in self._covariances:
            return self._covariances[kind]
        is_user = kind == "user"
        matrix = self.ratings_.matrix if is_user else self.ratings_.matrix.T.tocsr()
        n = matrix.shape[0]
        vectors = self.user_vectors_ if is_user else self.item_vectors_
        other = self.item_vectors_ if is_user else self.user_vectors_
        biases, other_biases = self.biases_.users, self.biases_.items
        if not is_user:
            biases, other_biases = other_biases, biases
        expected = self._expected(kind, self.ratings_, np.arange(n))
        residuals = matrix.astype(np.float64)
        residuals.data -= self.biases_.mean + other_biases[matrix.indices]
        residuals.data -= sampled_product(
            residuals, expected, np.column_stack([other, np.ones(len(other))])
        )
        deviations = np.column_stack([vectors[:n], biases[:n]]) - expected
        self._covariances[kind] = estimate_covariance(residuals, other, deviations, self.noise_)
        return self._covariances[kind]

    def _implicit_vectors(self, kind: str, part: Any, other: Any) -> Any:
        """Solve for vectors as alternating least squares does."""
        counts = self.ratings_.matrix.getnnz(axis=1 if kind == "user" else 0)
        relative = np.maximum(np.diff(part.indptr), 1) / np.maximum(counts, 1).mean()
        penalty = self._penalty(False) * relative**self.l2_by_count
        targets, weights = self._targets(part).matrices() or (part, part)
        return solve_observed(
            targets.astype(np.float64), other.astype(np.float64), penalty,
            weights.data.astype(np.float64), self.absent,
        )  # fmt: skip

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
        self._covariances = {}
        if not hasattr(self, "n_trained_"):  # saved by an earlier version
            self.n_trained_ = self.ratings_.shape
        check_attribute("n_trained_", self.n_trained_, tuple)
        if len(self.n_trained_) != 2:
            raise ValueError(f"n_trained_ must have two entries, got {self.n_trained_}")
        for n, now in zip(self.n_trained_, self.ratings_.shape, strict=True):
            if check_integer("each number in n_trained_", n, 0) > now:
                raise ValueError(f"n_trained_ must be at most {now}, got {n}")
        if not hasattr(self, "noise_"):  # saved by an earlier version
            self.noise_ = self._training_noise()
        check_number("noise_", self.noise_, 0)
        check_attribute("encoder_", self.encoder_, SimilarityEncoder, type(None))
        check_attribute("second_encoder_", self.second_encoder_, SimilarityEncoder, type(None))
        first, second = self.ratings_.shape[:: 1 if self.embeds_users_ else -1]
        check_shape("embedded_", self.embedded_, (first,), "b")
        check_shape("second_embedded_", self.second_embedded_, (second,), "b")
        trained = self.n_trained_[:: 1 if self.embeds_users_ else -1]
        features = self.user_features_, self.item_features_
        first_features, second_features = features[:: 1 if self.embeds_users_ else -1]
        if self.encoder_ is not None:
            self._check_encoder(self.encoder_, first_features, *trained)
        elif self._form != "explicit" or self.l2 != "auto":
            raise ValueError("encoder_ is missing")
        self._check_content()
        if self.encoder_ is not None and (self.second_encoder_ is None) != (
            second_features is None
        ):
            raise ValueError("second_encoder_ or the features that it takes are missing")
        if self.second_encoder_ is not None:
            self._check_encoder(self.second_encoder_, second_features, *trained[::-1])

    def _check_content(self) -> None:
        """Raise ValueError unless content models match features and training data."""
        n_users, n_items = self.n_trained_
        d = self.user_vectors_.shape[1]
        for kind, m, n in (("item", n_users, n_items), ("user", n_items, n_users)):
            content = getattr(self, f"{kind}_content_", None)
            setattr(self, f"{kind}_content_", content)  # earlier versions have none
            if content is None:
                continue
            features = self.item_features_ if kind == "item" else self.user_features_
            if features is None:
                raise ValueError(f"features of {kind}s are missing")
            if not isinstance(content, tuple) or len(content) != len(ContentModel.__annotations__):
                raise ValueError(
                    f"{kind}_content_ must have {len(ContentModel.__annotations__)} parts"
                )
            model = ContentModel(*content)
            check_shape("weights", model.weights, (features.n_features, d + 1))
            check_shape("intercept", model.intercept, (d + 1,))
            check_shape("root", model.root, (d, d))
            check_shape("left_out", model.left_out, (n, d))
            check_shape("duals", model.duals, (m, n))
            if not sparse.issparse(model.duals):
                raise ValueError("duals must be a sparse matrix")
            check_number("alpha", model.alpha, 0, above=True)

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
        if self.encoder_ is None:
            return self._explain_content(u, i, by, f"user {user}, item {item}")
        row, n_trained = int(other.rows[0]), self.n_trained_[0 if other.kind == "user" else 1]
        if self.second_encoder_ is None and row >= n_trained:
            raise ValueError(
                f"{other.kind} {shorten(user if by == 'item' else item)} was added after training: "
                "fit to all ratings to explain its predictions"
            )
        if self.second_encoder_ is None:
            explanation = explain_prediction(
                self.encoder_, self._inputs(explained), row, composite=composite
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

    def _explain_content(
        self, users: Entities, items: Entities, by: str, names: str
    ) -> Explanation:  # fmt: skip
        from simec.explain import Explanation

        explained, other = (items, users) if by == "item" else (users, items)
        features = self.item_features_ if by == "item" else self.user_features_
        assert features is not None, "there is something to explain by"
        content, row = self._content(by), int(other.rows[0])
        coefficients = np.zeros(features.n_features)
        if content is not None:
            n_trained = self.n_trained_[0 if other.kind == "user" else 1]
            if 0 <= row < n_trained and not self._is_new(other)[0]:
                coefficients = content.coefficients(row, self._training_features(by))
            else:
                of_other = self._content(other.kind)
                vectors = self.user_vectors_ if other.kind == "user" else self.item_vectors_
                vector = np.zeros(vectors.shape[1]) if row < 0 else vectors[row]
                if self._is_new(other)[0] and of_other is not None:
                    vector = of_other.predict(sparse.csr_matrix(other.features))[0, :-1]
                coefficients = content.weights[:, :-1] @ vector + content.weights[:, -1]
        x = explained.features
        relevances: Any
        if sparse.issparse(x):
            relevances = sparse.csr_matrix(x.multiply(coefficients))
        else:
            x = x[0]
            relevances = x * coefficients
        value = float(self._scores(users, items)[0, 0])
        return Explanation(
            relevances, value, value - float(relevances.sum()), x, features.names,
            f"{names}: {value:.3g}",
        )  # fmt: skip

    # Encoders

    def _new_encoder(self, with_features: bool, S: Any) -> SimilarityEncoder:
        deep = bool(tuple(self.hidden_layers)) and with_features
        solver: Literal["auto", "exact"] = "auto" if deep else "exact"
        l2 = self._penalty(with_features)
        return SimilarityEncoder(
            self._most_components(S),
            hidden_layers=self.hidden_layers if deep else (),
            activation=self.activation,
            l2=l2 / self._targets(S).total_weight,
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

    def _penalty(self, with_features: bool) -> float:
        return _L2[self._form, with_features] if self.l2 == "auto" else float(self.l2)

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
        vectors = np.zeros((len(entities), encoder.n_components), np.float32)
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
        n = self.n_trained_[0 if entities.kind == "user" else 1]
        # those that were added later have vectors, but no id feature
        known = np.flatnonzero((entities.rows >= 0) & (entities.rows < n))
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
