"""A recommender by Similarity Encoders (thesis, 4.2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from simec.checks import check_integer, check_number
from simec.data.targets import SparseTargets
from simec.data.inputs import choose_device
from simec.encoder import SimilarityEncoder
from simec.linalg.observed import sampled_product
from simec.recommender.base import FloatArray
from simec.recommender.data.features import Points
from simec.recommender.factors import FactorRecommender, known_rows

if TYPE_CHECKING:
    from simec.explain import Explanation

# without features, and with some
_TOL = {"explicit": 1e-4, "implicit": 1e-3}  # ranks change little after the first rounds
_L2 = {
    ("explicit", False): 15.0, ("explicit", True): 50.0,
    ("implicit", False): 30.0, ("implicit", True): 50.0,
}  # fmt: skip


class Recommender(FactorRecommender):
    """Predicts what averages leave of ratings by products of embeddings of users and items.

    Embeddings are those of Similarity Encoders of the residuals, for the identity or for
    features; so what can be predicted depends on what `fit` is given:

    ==================  ==============================================
    features            ratings of
    ==================  ==============================================
    none                known items by known users (task T1)
    of items            new items, too (T2a)
    of users            new users, too (T2b)
    of both             new items by new users, too (T3)
    ==================  ==============================================

    Parameters
    ----------
    n_components : int
        Length d of embeddings.
    hidden_layers : sequence of int
        Units of each hidden layer between features and embeddings; none for a linear map, which
        has a closed form.
    activation : str
        Of hidden layers, as of `simec.SimilarityEncoder`.
    feedback : {"explicit", "implicit"}
        "explicit": ratings; what is not there is unknown. "implicit": counts of what was
        bought, played, read; what is not there is 0, but weighs less (Hu, Koren and Volinsky,
        2008). Averages are not taken then, and predictions rank, they are no counts.
    alpha : float
        Of implicit feedback: what is there weighs 1 + alpha times its count.
    absent : float
        Of implicit feedback: what is not there weighs so much.
    l2 : float or "auto"
        What squared weights cost, in units of the squared error of one rating. "auto" without
        features is found by variational Bayes, for each component; with features it is 50, and
        of implicit feedback 30.
    l2_by_count : float
        How much more those cost that have more ratings; see `simec.SimilarityEncoder`.
    own : float
        With features: how much of an embedding is an item's (or user's) own, learned from its
        ratings, as the scale of one more feature that only it has. 0: embeddings are given by
        features alone, as in the thesis.
    describes_biases : bool
        With features: whether averages of items and users shrink to what their features say, a
        ridge regression, so that new ones have some, too; or to 0, as in the thesis.
    max_iter, batch_size, learning_rate, early_stopping
        Of training with hidden layers, as of `simec.SimilarityEncoder`.
    rating_range : (float, float), optional
        Which predictions keep to; that of the ratings of training if left out.
    shrinkage_users, shrinkage_items : float
        Of averages: so many ratings of average height are added to those of each user or item.
    device : str
    random_state : int, RandomState or None
    verbose : bool

    Attributes
    ----------
    ratings_, biases_, item_features_, user_features_, range_
        As of `BaseRecommender`.
    encoder_ : SimilarityEncoder
        Of items; of users if only these have features.
    second_encoder_ : SimilarityEncoder or None
        Of users, with the embeddings of items for its last layer, if both have features.
    embeds_users_ : bool
        Whether ``encoder_`` is one of users.
    first_known_, second_known_ : bool arrays
        Which of the points of ``encoder_``, and of the others, have embeddings.
    item_vectors_ : float32 array of shape (n_items, d)
    user_vectors_ : float32 array of shape (n_users, d)

    Notes
    -----
    After Ctrl-C `fit` raises KeyboardInterrupt, as soon as the recommender can be used with what
    was learned so far.

    Examples
    --------
    >>> from simec.recommender import Recommender
    >>> ratings = [("ann", "tea", 5), ("ann", "rum", 1), ("bob", "tea", 2), ("bob", "rum", 4)]
    >>> recommender = Recommender(1).fit(ratings + [("cem", "tea", 5)])
    >>> [item for item, score in recommender.recommend("cem")]
    ['rum']
    """

    def __init__(
        self,
        n_components: int = 20,
        *,
        hidden_layers: Sequence[int] = (),
        activation: str = "tanh",
        feedback: Literal["explicit", "implicit"] = "explicit",
        alpha: float = 5.0,
        absent: float = 1.0,
        l2: float | Literal["auto"] = "auto",
        l2_by_count: float = 0.5,
        own: float = 1.0,
        describes_biases: bool = True,
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
        self.absent = absent
        self.l2 = l2
        self.l2_by_count = l2_by_count
        self.own = own
        self.describes_biases = describes_biases
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

    # Hooks of BaseRecommender

    @property
    def _uses_biases(self) -> bool:  # type: ignore[override]
        return self.feedback == "explicit"

    def _check(self) -> None:
        if self.feedback not in ("explicit", "implicit"):
            raise ValueError(f"feedback is 'explicit' or 'implicit', not {self.feedback!r}")
        check_integer("n_components", self.n_components, 1)
        for name in (
            "l2_by_count", "own", "alpha", "absent", "shrinkage_users", "shrinkage_items"
        ):  # fmt: skip
            check_number(name, getattr(self, name), 0)
        if self.l2 != "auto":
            check_number("l2", self.l2, 0)
        if self.rating_range is not None and not self.rating_range[0] < self.rating_range[1]:
            raise ValueError(f"rating_range is (low, high), not {self.rating_range}")

    def _fit(self, residuals: Any, users: Points, items: Points) -> None:
        if self.feedback == "implicit" and residuals.data.min() < 0:
            raise ValueError("implicit feedback is counts of 0 or more, not negative ones")
        self.second_encoder_: SimilarityEncoder | None = None
        self._interrupted = False
        self.embeds_users_ = items.features is None and users.features is not None
        of, other = (users, items) if self.embeds_users_ else (items, users)
        S = residuals if self.embeds_users_ else residuals.T.tocsr()
        encoder = self._new_encoder(of.features is not None, S)
        self.encoder_, vectors, self.first_known_ = self._trained(encoder, S, of, None)
        last = self.encoder_.module_.last.weight.detach().cpu().numpy().T
        others = np.ascontiguousarray(last)
        self.second_known_ = np.ones(len(other), bool)
        if other.features is not None:
            second = self._new_encoder(True, residuals)
            self.second_encoder_, others, self.second_known_ = self._trained(
                second, residuals, other, vectors.T
            )
        self.item_vectors_: FloatArray = others if self.embeds_users_ else vectors
        self.user_vectors_: FloatArray = vectors if self.embeds_users_ else others
        if self._uses_biases:
            self._refit_biases(users, items)
        if self._interrupted:
            raise KeyboardInterrupt

    def _refit_biases(self, users: Points, items: Points) -> None:
        """Averages once more, of what embeddings leave: taste is no part of them any more."""
        rest = self.ratings_.matrix.astype(np.float64)
        vectors = self.user_vectors_.astype(np.float64), self.item_vectors_.astype(np.float64)
        rest.data -= sampled_product(rest, *vectors)
        self.biases_ = self._new_biases(rest, users, items)

    def _embed_items(self, items: Points) -> Any:
        encoder = None if self.embeds_users_ else self.encoder_
        has = self.second_known_ if self.embeds_users_ else self.first_known_
        return self._embedded(items, self.item_vectors_, has, encoder)

    def _embed_users(self, users: Points) -> Any:
        encoder = self.encoder_ if self.embeds_users_ else self.second_encoder_
        has = self.first_known_ if self.embeds_users_ else self.second_known_
        return self._embedded(users, self.user_vectors_, has, encoder)

    # Why

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
        """Which features of an item, or of a user, raise and lower a rating (thesis, 5.3).

        Parameters
        ----------
        user, item : ids
        by : {"item", "user"}, optional
            Whose features; an item's, where both have some.
        composite : as of `simec.explain.explain_prediction`
            Rules for hidden layers. Linear embeddings have a closed form.
        item_features, user_features : as for `predict`

        Returns
        -------
        simec.explain.Explanation
            ``value`` is the rating before it is brought into the range. ``relevances`` are
            those of features, by embeddings and by averages that features describe; ``bias``
            is the rest: other averages, and what the item's or user's own ratings say.

        Raises
        ------
        ValueError
            If there are no such features.
        """
        from simec.explain import Explanation, explain_prediction, explain_similarity

        u = self._users([user], user_features)
        i = self._items([item], item_features)
        if by is None:
            by = "item" if i.features is not None else "user"
        if by not in ("item", "user"):
            raise ValueError(f"by is 'item' or 'user', not {by!r}")
        of = i if by == "item" else u
        if of.features is None:
            raise ValueError(
                f"explanations are of features, and {by}s have none: fit with {by}_features"
            )
        if self.second_encoder_ is None:
            row = int((u if by == "item" else i).rows[0])
            found = explain_prediction(self.encoder_, self._inputs(of), row, composite=composite)
        else:
            both = explain_similarity(
                self.encoder_, self._inputs(i), self._inputs(u), second=self.second_encoder_,
                composite=composite,
            )  # fmt: skip
            found = both.first if by == "item" else both.second
        features = self.item_features_ if by == "item" else self.user_features_
        assert features is not None
        b = self.biases_.of_item_features if by == "item" else self.biases_.of_user_features
        b = np.zeros(features.n_features) if b is None else b
        relevances, x = found.relevances, of.features
        if sparse.issparse(x):
            relevances = sparse.csr_matrix(relevances)[:, : features.n_features] + x.multiply(b)
            relevances = relevances.tocsr()
        else:
            whole = relevances.toarray() if sparse.issparse(relevances) else relevances
            x = x[0]
            relevances = whole.ravel()[: features.n_features] + x * b
        value = float(self._scores(u, i)[0, 0])
        return Explanation(
            relevances, value, value - float(relevances.sum()), x, features.names,
            f"user {user}, item {item}: {value:.3g}",
        )  # fmt: skip

    # Parts

    def _new_encoder(self, described: bool, S: Any) -> SimilarityEncoder:
        deep = bool(tuple(self.hidden_layers)) and described
        by_itself = self.l2 == "auto" and not described and self.feedback == "explicit"
        solver: Literal["auto", "variational", "exact"] = (
            "auto" if deep else "variational" if by_itself else "exact"
        )
        l2 = _L2[self.feedback, described] if self.l2 == "auto" else float(self.l2)
        return SimilarityEncoder(
            self.n_components,
            hidden_layers=self.hidden_layers if deep else (),
            activation=self.activation,
            l2=0.0 if by_itself else l2 / self._targets(S).total_weight,
            l2_by_count=self.l2_by_count if solver == "exact" else 0.0,
            solver=solver,
            tol=_TOL[self.feedback],
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
        if self.feedback == "explicit":
            return SparseTargets(S, device)
        there = S.copy()
        there.data = np.ones_like(S.data)
        return SparseTargets(there, device, 1 + self.alpha * S.data, self.absent)

    def _trained(
        self, encoder: SimilarityEncoder, S: Any, points: Points, last_layer: Any
    ) -> tuple[SimilarityEncoder, Any, Any]:
        """An encoder of points, their embeddings, and which of them have some."""
        if points.features is None:
            self._fit_encoder(encoder, None, self._targets(S), last_layer)
            return encoder, encoder.transform(None), np.ones(len(points), bool)
        rated = np.diff(S.indptr) > 0
        has = points.described | (rated & (self.own > 0))
        self._warn_of_missing(points)
        rows = np.flatnonzero(has & rated)
        X = self._inputs(points)
        self._fit_encoder(encoder, X[rows], self._targets(S[rows]), last_layer)
        vectors = np.zeros((len(points), self.n_components), np.float32)
        vectors[has] = encoder.transform(X[np.flatnonzero(has)])
        return encoder, vectors, has

    def _fit_encoder(self, encoder: SimilarityEncoder, X: Any, S: Any, last_layer: Any) -> None:
        try:
            encoder.fit(X, S, last_layer=last_layer)
        except KeyboardInterrupt:
            if not hasattr(encoder, "module_"):
                raise
            self._interrupted = True  # what there is is made use of

    def _inputs(self, points: Points) -> Any:
        """Features, and one more for each point of training that only it has."""
        if not self.own:
            return points.features
        known = np.flatnonzero(points.rows >= 0)
        n = len(self.ratings_.users) if points.what == "user" else len(self.ratings_.items)
        place = known, points.rows[known]
        own = sparse.csr_matrix(
            (np.full(len(known), self.own, np.float32), place), (len(points), n)
        )
        return sparse.hstack([sparse.csr_matrix(points.features), own], "csr")

    def _embedded(self, points: Points, vectors: Any, has: Any, encoder: Any) -> Any:
        found = known_rows(vectors, points)
        if encoder is None or points.features is None:
            return found
        known = (points.rows >= 0) & has[np.maximum(points.rows, 0)]
        new = np.flatnonzero(points.described & ~known)
        if len(new):
            found[new] = encoder.transform(self._inputs(points.take(new)))
        return found

    def _warn_of_missing(self, points: Points) -> None:
        missing = np.flatnonzero(~points.described)
        if not len(missing):
            return
        what, ids = ("user", self.ratings_.users) if points.what == "user" else (
            "item", self.ratings_.items
        )  # fmt: skip
        by = "their own ratings" if self.own else "averages"
        warnings.warn(
            f"{len(missing)} of {len(points)} {what}s have no features, the first is "
            f"{ids.values[missing[0]].item()!r}: they are predicted by {by} alone",
            UserWarning,
            stacklevel=5,
        )
